#!/usr/bin/env bash
# Exact scans of a table that is several times as large as the shared buffers, which threads read from its files: beside writers
# whose pages are in the buffers only, with checksums, and with damaged pages. Usage: regress/crash/flat-files.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin flat-files

same() {
    [ "$1" = "$2" ] && return 0
    printf 'got:\n%s\nexpected:\n%s\n' "$1" "$2"
    return 1
}
ask() {
    psql -XAtq -v ON_ERROR_STOP=1 "$@" 2>&1
}

zvec_start few "autovacuum = off" "shared_buffers = 4MB" "pg_zvec.query_threads = 3" "min_parallel_table_scan_size = 0"
ask <<'SQL'
CREATE EXTENSION pg_zvec;
CREATE FUNCTION vec(seed int) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS $$ SELECT array_agg(((seed * 7919 + i * 104729) % 10007 / 1000.0)::real)::zvec FROM generate_series(1, 500) i $$;
CREATE TABLE t (id int PRIMARY KEY, v zvec(500)) USING zvec;
INSERT INTO t SELECT i, vec(i) FROM generate_series(1, 8000) i;
-- what an exact scan and a sequential scan and a sort find under one snapshot, LIMIT 30; how many queries differ
CREATE FUNCTION nearest(seed int, exact text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    PERFORM set_config('zvec.enable_exact_scan', exact, true), set_config('enable_indexscan', 'off', true);
    EXECUTE 'SELECT string_agg(id || '' '' || d, '','') FROM (SELECT id, v <-> vec($1) AS d FROM t ORDER BY v <-> vec($1), id LIMIT 30) n' INTO found USING seed;
    RETURN found;
END $$;
CREATE FUNCTION wrong(first int, last int) RETURNS bigint LANGUAGE sql
    AS 'SELECT count(*) FROM generate_series(first, last) seed WHERE nearest(seed, ''on'') IS DISTINCT FROM nearest(seed, ''off'')';
SQL
same "$(ask -c "BEGIN ISOLATION LEVEL REPEATABLE READ" -c "SELECT wrong(1, 20)")" 0
zvec_result $? "flat files: scans find what sequential scans find"
read_blocks() {
    ask -c "EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM t ORDER BY v <-> vec(3) LIMIT 5" |
        grep -oE "Buffers: .*" | head -1 | grep -oE "read=[0-9]+" | cut -d= -f2
}
# what the server itself has read of the vectors
read_by_server() {
    ask -c "SELECT pg_stat_force_next_flush()" -c "SELECT toast_blks_read FROM pg_statio_user_tables WHERE relname = 't'" | tail -1
}
before=$(read_by_server)
blocks=$(read_blocks)
by_server=$(($(read_by_server) - before))
# threads have processors of their own, or there are none
[ "${blocks:-0}" -gt 1500 ] && { [ "$by_server" -lt 400 ] || [ "$(nproc)" -lt 2 ]; }
zvec_result $? "flat files: pages are read by threads, and counted"
# without, the server reads them all, and no thread does
ask -c "ALTER DATABASE postgres SET zvec.optimistic_reads = off"
before=$(read_by_server)
blocks=$(read_blocks)
by_server=$(($(read_by_server) - before))
same "$(ask -c "SHOW zvec.optimistic_reads" -c "BEGIN ISOLATION LEVEL REPEATABLE READ" -c "SELECT wrong(1, 5)")" $'off\n0' &&
    [ "${blocks:-0}" -gt 1500 ] && [ "$by_server" -gt 1500 ]
zvec_result $? "flat files: the server reads the pages while zvec.optimistic_reads is off, and scans find the same"
ask -c "ALTER DATABASE postgres RESET zvec.optimistic_reads"

# Writers: rows come, change and go all over the table, and pages change in the buffers long before they are written.
writer() {
    local n
    for ((n = 0; n < 60; n++)); do
        ask -c "INSERT INTO t SELECT i, vec(i * 3) FROM generate_series($1 + $n * 20, $1 + $n * 20 + 19) i" \
            -c "UPDATE t SET v = vec(id * 5 + $n) WHERE id % 97 = $n" -c "DELETE FROM t WHERE id % 89 = $n AND id % 3 = 0" >/dev/null
        ((n % 20 == 10)) && ask -c "VACUUM t" >/dev/null
    done
}
writer 10000 &
writers=$!
bad=0
for ((n = 0; n < 12; n++)); do
    ask -c "BEGIN ISOLATION LEVEL REPEATABLE READ" -c "SELECT wrong($n * 3 + 1, $n * 3 + 3)" >"$ZVEC_SCRATCH/wrong" || bad=1
    same "$(cat "$ZVEC_SCRATCH/wrong")" 0 || bad=1
done
wait $writers
[ $bad = 0 ]
zvec_result $? "flat files: scans beside a writer find what sequential scans find under the same snapshot"
# one's own changes, none of which anybody has written
same "$(ask -c "BEGIN" -c "UPDATE t SET v = vec(id + 1) WHERE id % 11 = 3" -c "INSERT INTO t SELECT i, vec(i) FROM generate_series(20001, 20300) i" \
    -c "SELECT wrong(41, 46)" -c "ROLLBACK" -c "BEGIN ISOLATION LEVEL REPEATABLE READ" -c "SELECT wrong(47, 50)")" $'0\n0'
zvec_result $? "flat files: one's own changes, and their rollback"
same "$(ask -c "SELECT count(*) FROM zvec_check('t')")" 0
zvec_result $? "flat files: rows and vectors agree afterwards"

# Checksums, and a page whose bytes do not fit them.
data=$ZVEC_SCRATCH/few/data
file=$data/$(ask -c "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 't'")
zvec_stop few
zvec_as_server "$ZVEC_BINDIR/pg_checksums" --enable -D "$data" >/dev/null 2>&1
zvec_start few
same "$(ask -c "SHOW data_checksums" -c "BEGIN ISOLATION LEVEL REPEATABLE READ" -c "SELECT wrong(51, 56)")" $'on\n0'
zvec_result $? "flat files: scans with checksums find the same"
read_with=$(read_blocks)
[ "${read_with:-0}" -gt 1500 ]
zvec_result $? "flat files: with checksums, too, pages are read by threads"
zvec_stop few
# the middle of the file is vectors
block=$(($(stat -c %s "$file") / 8192 / 2))
zvec_as_server cp "$file" "$file.kept"
printf '\xa5' | dd of="$file" bs=1 seek=$((block * 8192 + 4000)) conv=notrunc status=none
zvec_start few
ask -c "SELECT nearest(1, 'on')" >"$ZVEC_SCRATCH/damaged"
grep -q "invalid page in block $block of relation" "$ZVEC_SCRATCH/damaged"
zvec_result $? "flat files: a page with a wrong checksum is an error that names it"
zvec_stop few
zvec_as_server cp "$file.kept" "$file"
# a file that ends too early
zvec_as_server truncate -s $((block * 8192)) "$file"
zvec_start few
ask -c "SELECT nearest(1, 'on')" >"$ZVEC_SCRATCH/short"
grep -q "ERROR:  invalid vector store page in block .* goes past the end" "$ZVEC_SCRATCH/short"
zvec_result $? "flat files: a file that ends too early is an error"
zvec_stop few
zvec_as_server cp "$file.kept" "$file"
zvec_start few
pinned="SELECT 0"
! zvec_has pg_buffercache ||
    pinned="CREATE EXTENSION IF NOT EXISTS pg_buffercache; SELECT coalesce(max(pinning_backends), 0) FROM pg_buffercache"
same "$(ask -c "BEGIN ISOLATION LEVEL REPEATABLE READ" -c "SELECT wrong(57, 60)" -c "COMMIT" -c "$pinned")" $'0\n0'
zvec_result $? "flat files: with the file as it was, scans find the same, and no page is left pinned"
zvec_stop few && zvec_log_is_clean few
zvec_result $? "flat files: the server's log is clean"
