#!/usr/bin/env bash
# Indexes of access method zvec_flat: after a crash, of unlogged tables, with a damaged page; and scans with threads, which
# pin pages by themselves, in few buffers, cancelled and terminated.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin flat-test
. regress/crash/lib.bash
zvec_start main "autovacuum = off" "full_page_writes = off"
zvec_result $? "flat: the server starts"

# nearest TABLE: the three nearest rows, by index
nearest() {
    psql -XAtq -c "SET enable_seqscan = off" -c "SET enable_sort = off" \
        -c "SELECT string_agg(id::text, ',') FROM (SELECT id FROM $1 ORDER BY v <-> '[5,5]' LIMIT 3) n" 2>&1
}

# same GOT EXPECTED
same() {
    [ "$1" = "$2" ] || { echo "  got $1 instead of $2" && false; }
}

psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
CREATE TABLE logged (id int, v zvec(2)) USING zvec;
CREATE UNLOGGED TABLE unlogged (id int, v zvec(2)) USING zvec;
CREATE INDEX logged_v ON logged USING zvec_flat (v);
CREATE INDEX unlogged_v ON unlogged USING zvec_flat (v);
INSERT INTO logged SELECT i, ARRAY[i, i]::real[]::zvec FROM generate_series(1, 100) i;
INSERT INTO unlogged SELECT i, ARRAY[i, i]::real[]::zvec FROM generate_series(1, 100) i;
SQL
same "$(nearest logged)" "5,4,6" && same "$(nearest unlogged)" "5,4,6"
zvec_result $? "flat: before the crash"
zvec_stop main immediate
zvec_start main
same "$(nearest logged)" "5,4,6" && same "$(nearest unlogged)" ""
zvec_result $? "flat: after the crash the logged index finds the rows, the unlogged one that there are none"
psql -Xqc "INSERT INTO unlogged VALUES (7, '[7,7]')"
same "$(nearest unlogged)" "7"
zvec_result $? "flat: the unlogged index is usable"

# each byte of the header, and an empty file
file=$(psql -XAtqc "CHECKPOINT" -c "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('logged_v')")
zvec_stop main
cp -p "$file" "$ZVEC_SCRATCH/whole"
for at in 24 28 29 30 39 empty; do
    cp -p "$ZVEC_SCRATCH/whole" "$file"
    if [ $at = empty ]; then
        : > "$file"
    else
        printf '\xee' | dd of="$file" bs=1 seek=$at conv=notrunc status=none
    fi
    zvec_start main
    said=$(nearest logged)
    case $said in
        *ERROR:*'block 0'*'relation "logged_v"'* | *ERROR:*'could not read block 0 in file'* | *ERROR:*'could not read blocks 0..0 in file'*) true ;;
        *) echo "$said" && false ;;
    esac && same "$(psql -XAtqc "SET enable_indexscan = off" -c "SELECT count(*) FROM logged WHERE v IS NOT NULL")" 100
    zvec_result $? "flat: damage at $at is told"
    zvec_stop main
done
zvec_start main
psql -Xqc "REINDEX INDEX logged_v"
same "$(nearest logged)" "5,4,6"
zvec_result $? "flat: REINDEX mends it"
zvec_stop main && zvec_log_is_clean main
zvec_result $? "flat: the server's log is clean"

# Threads: a table several times as large as the buffers, and one that fits into them.
zvec_start few "autovacuum = off" "shared_buffers = 8MB" "pg_zvec.query_threads = 3" "min_parallel_table_scan_size = 0"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS $$ SELECT array_agg(((seed * 7919 + i * 104729) % 10007 / 1000.0)::real)::zvec FROM generate_series(1, dims) i $$;
CREATE TABLE large (id int, v zvec(700)) USING zvec;
INSERT INTO large SELECT i, vec(i, 700) FROM generate_series(1, 9000) i;
CREATE TABLE small (id int, v zvec(700)) USING zvec;
INSERT INTO small SELECT * FROM large WHERE id <= 1000;
CREATE INDEX ON large USING zvec_flat (v);
CREATE INDEX ON small USING zvec_flat (v);
CREATE FUNCTION nearest(tab text, seed int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    EXECUTE format('SELECT string_agg(id || '' '' || d, '','') FROM (SELECT id, v <-> vec($1, 700) AS d FROM %I ORDER BY v <-> vec($1, 700), id LIMIT 20) n', tab)
        INTO found USING seed;
    RETURN found;
END $$;
ALTER FUNCTION nearest SET enable_sort = off;
SET enable_indexscan = off;
SET zvec.enable_exact_scan = off;
CREATE TABLE expected AS SELECT tab, seed, nearest(tab, seed) AS found FROM unnest(ARRAY['large', 'small']) tab, generate_series(1, 40) seed;
SQL
zvec_result $? "flat threads: tables, and what sequential scans find"
! zvec_has pg_buffercache || psql -Xqc "CREATE EXTENSION pg_buffercache"
# wrong TABLE: queries, two times each, that find something else
wrong() {
    psql -XAtq -v ON_ERROR_STOP=1 -c "SET enable_seqscan = off" \
        -c "SELECT count(*) FROM expected, generate_series(1, 2) WHERE tab = '$1' AND nearest(tab, seed) IS DISTINCT FROM found" 2>&1
}
by_index=$(psql -XAtqc "SET enable_seqscan = off" -c "SET enable_sort = off" -c "EXPLAIN SELECT id FROM large ORDER BY v <-> vec(1, 700), id LIMIT 20" | grep -c "Index Scan using large_v_idx")
same "$by_index" 1 && same "$(wrong large)" 0 && same "$(wrong small)" 0
zvec_result $? "flat threads: scans find the same"
without_index() {
    psql -XAtq -v ON_ERROR_STOP=1 -c "SET enable_indexscan = off" -c "SET plan_cache_mode = force_custom_plan" "$@" 2>&1
}
is_exact_scan=$(without_index -c "SET enable_sort = off" -c "EXPLAIN SELECT id FROM large ORDER BY v <-> vec(1, 700), id LIMIT 20" | grep -c "ZvecExactScan) on large")
same "$is_exact_scan" 1 && same "$(without_index -c "SELECT count(*) FROM expected, generate_series(1, 2) WHERE nearest(tab, seed) IS DISTINCT FROM found")" 0
zvec_result $? "flat threads: exact scans without an index find the same"
for n in large.1 small.1 large.2 small.2; do wrong ${n%.?} >"$ZVEC_SCRATCH/wrong.$n" & done
wait
same "$(cat "$ZVEC_SCRATCH"/wrong.*)" $'0\n0\n0\n0'
zvec_result $? "flat threads: four sessions at a time find the same"
# scans that come to an end at any moment: by timeouts, by a client's request, with their sessions
# (one at a time: threads help where processors have nothing else to do)
for ((i = 0; i < 80; i++)); do
    if ((i % 2)); then tab=large; else tab=small; fi
    psql -Xq -c "SET enable_seqscan = off" -c "SET statement_timeout = $((3 + 7 * i % 40))" \
        -c "SELECT nearest('$tab', seed) FROM generate_series(1, 500) seed" >/dev/null 2>&1
done &
for ((i = 0; i < 40; i++)); do
    psql -XAtqc "SELECT CASE WHEN random() < 0.5 THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END FROM pg_stat_activity WHERE query ~ '^SELECT nearest'" >/dev/null
    sleep 0.05
done
wait
! zvec_has pg_buffercache ||
    same "$(psql -XAtqc "SELECT coalesce(max(pinning_backends), 0) FROM pg_buffercache")" 0
zvec_result $? "flat threads: scans that were cancelled or terminated have left no page pinned"
same "$(wrong large)" 0 && same "$(wrong small)" 0
zvec_result $? "flat threads: scans find the same afterwards"
timeout 60 psql -Xqc "SET statement_timeout = '30s'" -c "DROP TABLE large, small"
zvec_result $? "flat threads: the tables can be dropped"
zvec_stop few && zvec_log_is_clean few
zvec_result $? "flat threads: the server's log is clean"
