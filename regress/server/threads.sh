#!/usr/bin/env bash
# pg_zvec.query_threads: how many threads a session has while it scans exactly, counted from outside.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin threads-test
zvec_start main "autovacuum = off" "min_parallel_table_scan_size = 0" "pg_zvec.query_threads = 0"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
CREATE TABLE t (id int, v zvec(256)) USING zvec;
INSERT INTO t SELECT i, (SELECT array_agg(((i * 7919 + j * 104729) % 10007 / 1000.0)::real) FROM generate_series(1, 256) j) FROM generate_series(1, 30000) i;
ANALYZE t;
CREATE PROCEDURE search(seconds int) LANGUAGE plpgsql AS $$
DECLARE until timestamptz := clock_timestamp() + make_interval(secs => seconds);
BEGIN
    WHILE clock_timestamp() < until LOOP
        PERFORM id FROM t ORDER BY v <-> (SELECT array_agg(random()::real)::zvec FROM generate_series(1, 256)) LIMIT 10;
    END LOOP;
END $$;
SQL
zvec_result $? "threads: a table is made"

# most SETTING...: the most threads of a session that searches with these settings, itself included.
most() {
    local pid client n most=0 setting
    local -a settings=()
    for setting in "$@"; do settings+=(-c "SET $setting"); done
    psql -XAtq -v ON_ERROR_STOP=1 "${settings[@]}" -c "SELECT pg_backend_pid()" -c "CALL search(3)" >"$ZVEC_SCRATCH/pid" 2>&1 &
    client=$!
    while kill -0 $client 2>/dev/null; do
        pid=$(head -1 "$ZVEC_SCRATCH/pid")
        n=$(ls "/proc/${pid:-none}/task" 2>/dev/null | wc -l)
        [ "$n" -le "$most" ] || most=$n
    done
    wait $client || { cat "$ZVEC_SCRATCH/pid" >&2; return 1; }
    echo "$most"
}

processors=$(nproc)
none=$(most)
[ "$none" = 1 ]
zvec_result $? "threads: none help where the setting is 0 ($none)"
default=$(most "pg_zvec.query_threads = 4" "max_parallel_workers_per_gather = 0")
[ "$default" -le "$processors" ] && { [ "$processors" -lt 2 ] || [ "$default" -ge 2 ]; }
zvec_result $? "threads: some do where it is 4, no more than there are processors, whatever parallel queries may have ($default)"
one=$(most "pg_zvec.query_threads = 1" "max_parallel_workers_per_gather = 8")
[ "$one" = $((processors < 2 ? 1 : 2)) ]
zvec_result $? "threads: one does where it is 1 ($one)"
zvec_stop main && zvec_log_is_clean main
zvec_result $? "threads: the server's log is clean"
