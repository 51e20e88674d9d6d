#!/usr/bin/env bash
# The same random statements on heap tables and on zvec tables give the same results: see regress/model/main.rs.
# CASES and SEED in the environment choose; without SEED the cases are the same each time. Scripts in
# regress/model/scripts are run first.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin model-test
cases=${CASES:-150}
seed=${SEED:-1}

zvec_cargo_drivers || exit 1
driver=$ZVEC_ROOT/target/debug/zvec_model
# The server reads what the driver writes there.
export TMPDIR=$ZVEC_SCRATCH

# Whoever waits in a deadlock first must have looked before the next statement is sent.
zvec_start model "autovacuum = off" "deadlock_timeout = 10ms" || exit 1
for script in regress/model/scripts/*.sql; do
    [ -e "$script" ] || continue
    "$driver" --script "$script"
    zvec_result $? "model: $(basename "$script" .sql)"
done
"$driver" --cases "$cases" --seed "$seed"
zvec_result $? "model: $cases random cases, seed $seed"
# Nor may the server end a session. (It ends those that are left when it stops.)
! grep -nE 'FATAL: ' "$ZVEC_SCRATCH/model/log"
zvec_result $? "model: no session was ended"
zvec_stop model
zvec_result $? "model: the server stops"
zvec_log_is_clean model
zvec_result $? "model: the server's log is clean"
