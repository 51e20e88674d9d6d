#!/usr/bin/env bash
# zvec_optimize is cancelled, killed, and run by several at once, at any moment: the index stays sound, no row is lost to
# it, and the next one goes on.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin optimize-test
. regress/crash/lib.bash

crash_cluster optimize "autovacuum = off" "pg_zvec.background_drain = off"
zvec_result $? "optimize: the server starts"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE FUNCTION vec(i integer) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS 'SELECT array_agg(sin(i * (j + 1.7) * 12.9898)::real)::zvec FROM generate_series(1, 64) j';
CREATE TABLE o (id integer, v zvec(64)) USING zvec;
INSERT INTO o SELECT i, vec(i % 8000) FROM generate_series(1, 10000) i;
CREATE INDEX o_h ON o USING zvec_hnsw (v);
CREATE INDEX o_p ON o USING zvec_hnsw (v zvec_cosine_ops) WHERE id % 2 = 0;
SQL
zvec_result $? "optimize: tables are made"
next=100000

# disturb: some rows go, others come.
disturb() {
    psql -Xq -c "DELETE FROM o WHERE id % 7 = $((RANDOM % 7))" \
        -c "INSERT INTO o SELECT i, vec(i % 50000) FROM generate_series($next, $next + 1500) i"
    next=$((next + 2000))
}

# sound: zvec_check is content, and a scan to the end returns every row once.
sound() {
    says_nothing "SELECT zvec_check('o')" &&
        is "SET enable_seqscan = off; SET enable_sort = off;
            SELECT count(*) = (SELECT count(*) FROM o) AND count(*) = count(DISTINCT id)
            FROM (SELECT id FROM o ORDER BY v <-> vec(5)) s" t
}

# Milliseconds from the moment at which a statement is cancelled until it ends.
slowest=0
cancelled=0
status=0
for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
    disturb
    limit=$((RANDOM % (round * 40) + 1))
    took=$(psql -XAtq 2>/dev/null <<SQL
SELECT extract(epoch FROM clock_timestamp()) * 1000 AS start \gset
SET statement_timeout = $limit;
SELECT count(*) FROM zvec_optimize('o') \g /dev/null
\echo :ERROR
RESET statement_timeout;
SELECT (extract(epoch FROM clock_timestamp()) * 1000 - :start)::integer;
SQL
    )
    case $took in
    true*)
        cancelled=$((cancelled + 1))
        late=$((${took#*$'\n'} - limit))
        [ $late -le $slowest ] || slowest=$late
        ;;
    esac
    sound || status=1
done
[ $status = 0 ] && [ $cancelled -gt 0 ]
zvec_result $? "optimize: $cancelled times cancelled, the index stays sound"
# a machine that is busy with other things may take its time
[ $slowest -lt 1000 ]
zvec_result $? "optimize: cancelled within a second (the slowest took $slowest ms)"

disturb
psql -Xq -c "SELECT zvec_optimize('o')" >/dev/null &
seen=
for ((i = 0; i < 200; i++)); do
    row=$(psql -XAtqc "SELECT phase FROM pg_stat_progress_create_index WHERE relid = 'o'::regclass AND tuples_total > 0
        AND index_relid IN ('o_h'::regclass, 'o_p'::regclass)")
    [ -z "$row" ] || seen=$row
    kill -0 $! 2>/dev/null || break
done
wait $!
[[ $seen == "building index: "* ]]
zvec_result $? "optimize: progress is shown (${seen#building index: })"

disturb
pids=()
for i in 1 2 3; do
    psql -Xq -v ON_ERROR_STOP=1 -c "SELECT zvec_optimize('o')" >/dev/null & pids+=($!)
done
psql -Xq -c "INSERT INTO o SELECT i, vec(i) FROM generate_series($next, $next + 300) i"
next=$((next + 2000))
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
[ $status = 0 ] && sound
zvec_result $? "optimize: three at once"

status=0
for round in 1 2 3 4; do
    disturb
    psql -Xq -c "SELECT zvec_optimize('o')" >/dev/null 2>&1 &
    sleep "0.$((RANDOM % 5))$((RANDOM % 9 + 1))"
    crash optimize kill
    wait $!
    sound || status=1
done
zvec_result $status "optimize: the server is killed"
psql -Xq -c "SELECT zvec_optimize('o')" >/dev/null && is "SELECT sum(dead), sum(pending) FROM zvec_index_stats('o')" "0|0" &&
    sound && is "SELECT zvec_recall('o_h', 30, 10, 5000)" 1
zvec_result $? "optimize: in the end everything is in its place"
crash_log_is_clean optimize
zvec_result $? "optimize: the server's log is clean"
