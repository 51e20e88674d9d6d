#!/usr/bin/env bash
# Sessions change zvec tables at random, beside VACUUM, rewrites and long readers, and find what they must: see
# regress/stress/main.rs. SECONDS_LONG, SEED and SESSIONS in the environment choose; `make stress MINUTES=10` sets them.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin stress-test
seconds=${SECONDS_LONG:-60}
sessions=${SESSIONS:-8}
seed=${SEED:-$(date +%s)}

# start CLUSTER: a server under pressure. Few buffers, many checkpoints, an eager autovacuum.
start() {
    zvec_start "$1" "shared_buffers = 32MB" "checkpoint_timeout = 30s" "autovacuum_naptime = 1s" \
        "autovacuum_vacuum_threshold = 20" "autovacuum_vacuum_scale_factor = 0.05" "autovacuum_vacuum_cost_delay = 0" \
        "autovacuum_vacuum_insert_threshold = 50" "autovacuum_freeze_max_age = 100000" "vacuum_freeze_min_age = 1000" \
        "deadlock_timeout = 100ms" "max_wal_size = 256MB"
}

zvec_cargo_drivers || exit 1
driver=$ZVEC_ROOT/target/debug/zvec_stress

start stress || exit 1
"$driver" --seconds "$seconds" --seed "$seed" --sessions "$sessions"
zvec_result $? "stress: $sessions sessions for $seconds s, seed $seed"
zvec_stop stress
zvec_result $? "stress: the server stops"
zvec_log_is_clean stress
zvec_result $? "stress: the server's log is clean"
