#!/usr/bin/env bash
# Searches of a graph pin pages past the server for a moment each: in few buffers, beside VACUUM, cancelled and terminated at any
# moment, they find what they find without such pins, and leave no page pinned.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin search-pins-test

zvec_start main "autovacuum = off" "shared_buffers = 2MB" "pg_zvec.background_drain = off"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
CREATE FUNCTION vec(seed integer) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS $$ SELECT array_agg(((seed * 7919 + i * 104729) % 10007 / 1000.0)::real)::zvec FROM generate_series(1, 300) i $$;
CREATE TABLE p (id integer PRIMARY KEY, v zvec(300)) USING zvec;
INSERT INTO p SELECT i, vec(i) FROM generate_series(1, 4000) i;
CREATE INDEX p_v ON p USING zvec_hnsw (v);
CREATE FUNCTION nearest(seed integer) RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(id || ' ' || d, ',') FROM (SELECT id, v <-> vec(seed) AS d FROM p ORDER BY v <-> vec(seed) LIMIT 15) n $$;
SET zvec.optimistic_reads = off;
CREATE TABLE expected AS SELECT seed, nearest(seed) AS found FROM generate_series(1, 60) seed;
SQL
zvec_result $? "search pins: a table, and what its searches find without such pins"
by_index=$(psql -XAtqc "EXPLAIN SELECT id FROM p ORDER BY v <-> vec(1) LIMIT 15" | grep -c "Index Scan using p_v")
wrong="SELECT count(*) FROM expected, generate_series(1, 3) WHERE nearest(seed) IS DISTINCT FROM found"
[ "$by_index $(psql -XAtqc "$wrong")" = "1 0" ]
zvec_result $? "search pins: with them they find the same"
# EXPLAIN counts the pages that are pinned so, as it counts the server's pins
hits() { psql -XAtq -c "SET zvec.optimistic_reads = $1" -c "SET zvec.ef_search = 200" -c "SELECT nearest(1)" \
    -c "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM p ORDER BY v <-> vec(1) LIMIT 15" |
    sed -nE 's/.*shared hit=([0-9]+).*/\1/p' | head -1; }
[ "$(hits on)" -ge 30 ]
zvec_result $? "search pins: they are counted as hits"

# Ten seconds: searches that end at any moment, beside others that must find the same.
search() {
    local until=$((SECONDS + 10)) i=0
    while [ $SECONDS -lt $until ]; do
        i=$((i + 1))
        psql -Xq -c "SET statement_timeout = $((2 + 11 * (i + $1) % 60))" \
            -c "SELECT nearest(seed) FROM generate_series(1, 500) seed" >/dev/null 2>&1
    done
}
for n in 1 2 3; do search $n & done
(
    until=$((SECONDS + 10))
    while [ $SECONDS -lt $until ]; do
        psql -XAtqc "SELECT CASE WHEN random() < 0.5 THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END
            FROM pg_stat_activity WHERE query ~ '^SELECT nearest'" >/dev/null 2>&1
        psql -XAtqc "VACUUM p" -c CHECKPOINT >/dev/null 2>&1
    done
) &
until=$((SECONDS + 10)) bad=0
while [ $SECONDS -lt $until ]; do
    # neither cancelled nor terminated: its query does not begin as theirs
    [ "$(psql -XAtqc "SELECT count(*) FROM expected WHERE nearest(seed) IS DISTINCT FROM found" 2>&1)" = 0 ] || bad=1
done
wait
[ $bad = 0 ]
zvec_result $? "search pins: beside searches that are cancelled and terminated others find the same"
if zvec_has pg_buffercache; then
    [ "$(psql -XAtq -c "CREATE EXTENSION pg_buffercache" -c "SELECT coalesce(max(pinning_backends), 0) FROM pg_buffercache")" = 0 ]
    zvec_result $? "search pins: no page is left pinned"
fi
[ "$(psql -XAtq -c "$wrong" -c "SELECT zvec_check('p')")" = 0 ]
zvec_result $? "search pins: searches find the same afterwards, and zvec_check nothing"
timeout 60 psql -Xqc "SET statement_timeout = '30s'" -c "DROP TABLE p"
zvec_result $? "search pins: the table can be dropped"
zvec_log_is_clean main
zvec_result $? "search pins: the server's log is clean"
