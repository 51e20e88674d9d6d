#!/usr/bin/env bash
# Sessions in each other's way, where rows are logged for decoding: the isolation specs of writers give there what they give
# elsewhere, though an UPDATE locks its row first. And what was decoded meanwhile is whole.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin decoding-locks
zvec_start locks "wal_level = logical" "autovacuum = off" "pg_zvec.background_drain = off" "max_prepared_transactions = 10"
zvec_result $? "decoding locks: the server starts"
specs="insert-insert insert-vacuum update-vacuum delete-reuse version-chain rewrite-reader conflict-race conflict-speculative
    row-locks key-locks read-committed serializable alter-reader rollback-value handed-out"
database=decoding_locks
# with a plugin that knows no publications, or where there is none, all tables published
psql -X -q -c "CREATE DATABASE $database"
export PGDATABASE=$database
psql -X -q -c "CREATE EXTENSION pg_zvec"
if zvec_has test_decoding; then
    psql -X -q -o /dev/null -c "SELECT pg_create_logical_replication_slot('d', 'test_decoding')"
else
    psql -X -q -c "CREATE PUBLICATION everything FOR ALL TABLES"
fi
pgxs=$("$(zvec_pg_config)" --pgxs)
zvec_as_server mkdir -p "$ZVEC_SCRATCH/out/results"
# shellcheck disable=SC2086 # a list
"${pgxs%/makefiles/*}/test/isolation/pg_isolation_regress" --bindir="$(zvec_psql_as_15)" --inputdir=regress \
    --outputdir="$ZVEC_SCRATCH/out" --dbname=$database --use-existing $specs >"$ZVEC_SCRATCH/tests" 2>&1
for spec in $specs; do
    grep -qE "(ok [0-9]+ .*[ -]$spec |test $spec +\.\.\. ok)" "$ZVEC_SCRATCH/tests"
    zvec_result $? "decoding locks: $spec"
done
cat "$ZVEC_SCRATCH/out/regression.diffs" 2>/dev/null
if zvec_has test_decoding; then
    [ "$(psql -XAtqc "SELECT count(*) > 0, count(*) FILTER (WHERE data LIKE '%''unchanged-toast-datum''%')
        FROM pg_logical_slot_get_changes('d', NULL, NULL)")" = "t|0" ]
    zvec_result $? "decoding locks: all is decoded"
fi
zvec_log_is_clean locks
zvec_result $? "decoding locks: the server's log is clean"
