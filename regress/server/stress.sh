#!/usr/bin/env bash
# Sessions change zvec tables at random, beside VACUUM, rewrites and long readers, and find what they must: see
# regress/stress/main.rs. A minute with a random seed, which is printed; MINUTES, SEED and SESSIONS in the environment
# choose others, as `make stress` does.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin stress-test
minutes=${MINUTES:-1}
sessions=${SESSIONS:-8}
seed=${SEED:-$(date +%s)}

zvec_cargo_drivers || exit 1
driver=$ZVEC_ROOT/target/debug/zvec_stress

# A server under pressure: few buffers, many checkpoints, an eager autovacuum.
zvec_start stress "shared_buffers = 32MB" "checkpoint_timeout = 30s" "max_wal_size = 256MB" \
    "autovacuum_naptime = 1s" "autovacuum_vacuum_threshold = 20" "autovacuum_vacuum_scale_factor = 0.05" \
    "autovacuum_vacuum_cost_delay = 0" "autovacuum_vacuum_insert_threshold = 50" \
    "autovacuum_freeze_max_age = 100000" "vacuum_freeze_min_age = 1000" "deadlock_timeout = 100ms" \
    "pg_zvec.max_pending = 40" || exit 1

# noticed NAME SQL MESSAGE: a short run fails when the statement changes something behind the sessions' backs, and says
# so in words that match MESSAGE. Which session or reader notices first, and by which query, differs from run to run.
noticed() {
    local output=$ZVEC_SCRATCH/tamper status=1
    # once more where the statement itself did not get through, as the victim of a deadlock with the sessions
    for seed_of_try in 1 2 3 4 5; do
        createdb tamper
        if ! PGDATABASE=tamper "$driver" --seconds 4 --seed $seed_of_try --sessions 3 --tamper "$2" >"$output" 2>&1; then
            grep -q "^FAILED: .*$3" "$output" && status=0
        fi
        grep -q '^FAILED: tamper: ' "$output" || break
        dropdb tamper
    done
    if [ $status = 0 ]; then grep -m 1 "^FAILED: .*$3" "$output" | cut -c 1-200; else cat "$output"; fi
    zvec_result $status "stress: $1 is noticed"
    dropdb --if-exists tamper
}

if [ "${MINUTES:-}" = "" ]; then
    noticed "another row's vector" "UPDATE several SET v1 = (SELECT min(v1::text) FROM several)::zvec WHERE v1 IS NOT NULL" \
        "\(wrong vector\|the model has it at\|its vector is at\|instead of\)"
    noticed "a lost row" "DELETE FROM small WHERE id IN (SELECT max(id) FROM small GROUP BY id / 1000000)" \
        "\(row\|neighbours\)"
    noticed "a lost update" "UPDATE wide SET num = num - 1 WHERE id < 100" "shared rows"
fi

createdb stress
PGDATABASE=stress "$driver" --seconds $((minutes * 60)) --seed "$seed" --sessions "$sessions"
zvec_result $? "stress: $sessions sessions, $minutes min, seed $seed"
zvec_stop stress
zvec_result $? "stress: the server stops"
zvec_log_is_clean stress
zvec_result $? "stress: the server's log is clean"
