#!/usr/bin/env bash
# Compares a zvec table with a heap table in a private server and prints a Markdown table: `make bench PART=tables`.
#
# Without DATA: seeded random vectors, and searches among the demo's packages, whose vectors fit into a heap row.
# DATA=folder: that folder's mnist-784 (base.u8.gz, queries.u8.gz: rows of 784 unsigned bytes) instead of the former.
# RESULTS=file: every single run is added to it as a line of JSON.
set -u -o pipefail
data=${DATA:-}
[ -z "$data" ] || data=$(cd "$data" && pwd) || exit 1
results=${RESULTS:-}
[ -z "$results" ] || results=$(realpath -m "$results") || exit 1
cd "$(dirname "$0")" || exit 1
. ../../regress/cluster.sh
. ./measure.sh
PG_CONFIG=$(zvec_pg_config)
export PG_CONFIG
"$ZVEC_ROOT/regress/setup.sh" && "${MAKE:-make}" --no-print-directory -C "$ZVEC_ROOT" all || exit 1
SECONDS=0
zvec_begin bench
zvec_start bench "shared_buffers = 1GB" "max_wal_size = 16GB" "autovacuum = off" "checkpoint_timeout = 1h" \
    "jit = off" "max_parallel_maintenance_workers = 0" || exit 1
export PGOPTIONS='-c client_min_messages=warning'
files=$ZVEC_SCRATCH/bench

# Rows of unsigned bytes as lines of "id, label, note, vector" for COPY.
bytes_as_rows() {
    gunzip -c "$1" | od -An -v -tu1 -w784 | sed -E 's/ +/,/g; s/^,/[/; s/$/]/' |
        awk '{ printf "%d\t%d\tnumber %d\t%s\n", NR, NR % 10, NR, $0 }
            NR % 10000 == 0 { print "  " NR " rows" > "/dev/stderr" }'
}

# random_rows ROWS DIMENSIONS: fills source and queries.
random_rows() {
    echo "random vectors, $1 x $2" >&2
    sql -o /dev/null -c "TRUNCATE source, queries" -c "SELECT setseed(0.5);
        INSERT INTO source SELECT i, i % 10, 'number ' || i,
            (SELECT array_agg(random()::real - 0.5) FROM generate_series(1, $2) WHERE i > 0)::real[]
        FROM generate_series(1, $1) i; INSERT INTO queries SELECT v FROM source WHERE id % ($1 / 20) = 0"
}

write_files() {
    local half
    half=$(($(sql -Atc "SELECT count(*) FROM source") / 2))
    sql -c "VACUUM ANALYZE source" -c "COPY source TO '$files/all' (FORMAT binary)" \
        -c "COPY (SELECT * FROM source WHERE id <= $half) TO '$files/half0' (FORMAT binary)" \
        -c "COPY (SELECT * FROM source WHERE id > $half) TO '$files/half1' (FORMAT binary)"
}

sql -f setup.sql || exit 1
load_before=$(cut -d' ' -f1 /proc/loadavg)
two_sessions=$(measure_machine) || exit 1
if [ -n "$data" ]; then
    echo "mnist-784" >&2
    bytes_as_rows "$data/mnist-784/base.u8.gz" | sql -c "\\copy source from stdin" || exit 1
    gunzip -c "$data/mnist-784/queries.u8.gz" | head -c $((20 * 784)) | gzip -1 >"$ZVEC_SCRATCH/queries.gz"
    bytes_as_rows "$ZVEC_SCRATCH/queries.gz" | cut -f4 | sql -c "\\copy queries from stdin" || exit 1
    input="mnist, $(sql -Atc "SELECT count(*) FROM source") x 784"
else
    random_rows 20000 784 || exit 1
    input="random, 20000 x 784"
fi
write_files &&
    sql -c "CREATE TABLE feed (LIKE source)" -c "ALTER TABLE feed ALTER v SET STORAGE PLAIN" \
        -c "INSERT INTO feed SELECT * FROM source WHERE id <= 1000" -c "ALTER TABLE feed ADD PRIMARY KEY (id)" \
        -c "VACUUM ANALYZE feed" || exit 1
measure_loads 6 && load_for_reading && measure_scans && measure_knn 0 "1 process" &&
    measure_knn 2 "2 parallel workers" && measure_clients 5 3 || exit 1
sql -c "CALL make_tables('updated', 'WITH (fillfactor = 40)')" &&
    measure_updates "UPDATE of a scalar of 10,000 rows, HOT" "that UPDATE" 15 &&
    sql -c "CALL make_tables('updated')" -c "CREATE INDEX ON updated_heap (label)" \
        -c "CREATE INDEX ON updated_zvec (label)" &&
    measure_updates "UPDATE of an indexed scalar of 10,000 rows, not HOT" "that UPDATE, not HOT" 15 || exit 1

for dimensions in 784 1024 1536; do
    random_rows 10000 $dimensions && write_files && input="random, 10000 x $dimensions" load_for_reading || exit 1
done
if [ -z "$data" ]; then
    echo "the demo's packages" >&2
    input="packages, 5000 x 384, inline in the heap"
    sql -c "TRUNCATE source, queries" &&
        ../../sql/demo/rows.sh 2>/dev/null | awk -F'\t' '{ printf "%d\t%d\t%s\t%s\n", NR, NR % 10, $1, $4 }' |
        sql -c "\\copy source from stdin" && sql -c "INSERT INTO queries SELECT v FROM source WHERE id % 250 = 0" &&
        write_files && load_for_reading && measure_knn 0 "1 process" || exit 1
fi

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
memory=$(awk '/^MemTotal/ { printf "%d", $2 / 1048576 }' /proc/meminfo)
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit and changes"
[ -z "$results" ] || sql -At -v cpu="$cpu" -v cores="$(nproc)" -v memory="$memory" -v commit="$commit" \
    -v load="$load_before" -v two="$two_sessions" -v date="$(date -u +%Y-%m-%dT%H:%M:%S+00:00)" \
    >>"$results" <<'SQL' || exit 1
SELECT json_build_object('section', 'machine', 'part', 'tables', 'cpu', :'cpu', 'cores', :cores, 'memory_GB', :memory,
    'load_average', :load, 'two_processes', :two, 'versions', json_build_object('PostgreSQL',
        current_setting('server_version')), 'commit', :'commit', 'date', :'date');
SELECT to_json(r) FROM (SELECT 'tables' AS section, input AS data, am AS engine, json_build_object('what', what)
    AS parameters, ms AS value, 'ms' AS unit FROM runs ORDER BY seq) r;
SELECT to_json(f) FROM (SELECT 'tables' AS section, input AS data, am AS engine, json_build_object('what', what)
    AS parameters, value, unit FROM facts JOIN goals USING (what) ORDER BY facts.seq) f;
SQL
echo
echo "$cpu, $(nproc) cores, $memory GB of memory; PostgreSQL $(sql -Atc "SHOW server_version");" \
    "$(date -u +%Y-%m-%d); commit $commit; 1 GB of shared buffers, fsync off."
echo "Two sessions that only compute do $two_sessions times the work of one (a quiet machine of two cores: about 2);" \
    "load average $load_before before the run."
echo "The best of several runs in turn; ratio: zvec's speed / heap's speed. The run took $SECONDS seconds."
echo
sql -f report.sql
