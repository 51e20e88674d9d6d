#!/usr/bin/env bash
# What an index reports of its progress is reported of CREATE INDEX, REINDEX and zvec_optimize, and of nothing else: VACUUM's
# and CLUSTER's counters, which have the same numbers, mean other things.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin progress-test
. regress/crash/lib.bash

crash_cluster progress "autovacuum = off" "pg_zvec.background_drain = off" "pg_zvec.max_pending = 1000000"
zvec_result $? "progress: the server starts"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE p (id integer, e zvec(8)) USING zvec;
INSERT INTO p SELECT i, g(i, 1) FROM generate_series(1, 20000) i;
CREATE INDEX p_e ON p USING zvec_hnsw (e);
SQL

# watch COMMAND QUERY: what the query returns, while statements run, each time that it is something else.
watch() {
    local pid
    psql -Xq -c "SET vacuum_cost_delay = 5" -c "SET vacuum_cost_limit = 1" -c "SET maintenance_work_mem = '1MB'" -c "$1" >/dev/null 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        psql -XAtqc "$2"
    done | sort -u
    wait $pid
}

change() {
    psql -Xqc "DELETE FROM p WHERE id % 3 = 0" \
        -c "INSERT INTO p SELECT i, g(i, 2) FROM generate_series(3, 20000, 3) i"
}

# the counters from the eleventh on are none of VACUUM's or CLUSTER's
change
seen=$(watch "VACUUM p" "SELECT count(*), sum(param11 + param12 + param13 + param14 + param15) FROM pg_stat_get_progress_info('VACUUM')")
grep -q '^1|' <<<"$seen" && ! grep '^1|' <<<"$seen" | grep -v '^1|0$'
zvec_result $? "progress: VACUUM's counters are its own"
is "SELECT sum(pending + dead) FROM zvec_index_stats('p')" 0
zvec_result $? "progress: and it has seen to the index"
# the server's own builds of indexes touch some of CLUSTER's, but not those of tuples
seen=$(watch "VACUUM FULL p" "SELECT count(*), sum(param12 + param13) FROM pg_stat_get_progress_info('CLUSTER')")
grep -q '^1|' <<<"$seen" && ! grep '^1|' <<<"$seen" | grep -v '^1|0$'
zvec_result $? "progress: CLUSTER's, too"
change
seen=$(watch "SELECT zvec_optimize('p')" "SELECT relid::regclass, index_relid::regclass, phase FROM pg_stat_progress_create_index
    WHERE tuples_total > 0")
grep -q '^p|p_e|building index: draining pending vectors$' <<<"$seen"
zvec_result $? "progress: zvec_optimize shows how far it is"
seen=$(watch "REINDEX INDEX p_e" "SELECT relid::regclass, phase FROM pg_stat_progress_create_index WHERE tuples_total > 0")
grep -q '^p|building index: ' <<<"$seen"
zvec_result $? "progress: REINDEX, too"
