#!/usr/bin/env bash
# Compares a zvec table with a heap table in a private server and prints a Markdown table: `make bench`.
#
# Without DATA: the demo's packages, and seeded random vectors of 784, 1024 and 1536 dimensions.
# DATA=folder: that folder's mnist-784 (base.u8.gz, queries.u8.gz: rows of 784 unsigned bytes) instead of the former.
set -u -o pipefail
data=${DATA:-}
[ -z "$data" ] || data=$(cd "$data" && pwd) || exit 1
cd "$(dirname "$0")" || exit 1
. ../regress/cluster.sh
PG_CONFIG=$(zvec_pg_config)
export PG_CONFIG
"$ZVEC_ROOT/regress/setup.sh" && "${MAKE:-make}" --no-print-directory -C "$ZVEC_ROOT" all || exit 1
zvec_begin bench
zvec_start bench "shared_buffers = 1GB" "max_wal_size = 8GB" "autovacuum = off" "checkpoint_timeout = 1h" || exit 1

sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

# measure NAME: runs bench.sql on what is in source and queries.
measure() {
    sql -c "VACUUM (ANALYZE) source" -c "CHECKPOINT" || exit 1
    sql -v input="$1" -v file="$ZVEC_SCRATCH/bench/source.bin" -f bench.sql || exit 1
}

# Rows of unsigned bytes as lines of "id, label, note, vector" for COPY.
bytes_as_rows() {
    gunzip -c "$1" | od -An -v -tu1 -w784 | sed -E 's/ +/,/g; s/^,/[/; s/$/]/' |
        awk '{ printf "%d\t%d\tnumber %d\t%s\n", NR, NR % 10, NR, $0 }
            NR % 10000 == 0 { print "  " NR " rows" > "/dev/stderr" }'
}

sql -c "CREATE EXTENSION pg_zvec" \
    -c "CREATE TABLE source (id int, label int, note text, v zvec)" -c "CREATE TABLE queries (v zvec)" || exit 1
if [ -n "$data" ]; then
    echo "mnist-784:"
    bytes_as_rows "$data/mnist-784/base.u8.gz" | sql -c "\\copy source from stdin" || exit 1
    gunzip -c "$data/mnist-784/queries.u8.gz" | head -c $((20 * 784)) | gzip -1 >"$ZVEC_SCRATCH/queries.gz"
    bytes_as_rows "$ZVEC_SCRATCH/queries.gz" | cut -f4 | sql -c "\\copy queries from stdin" || exit 1
    measure "mnist-784, $(sql -Atc "SELECT count(*) FROM source") x 784"
else
    echo "the demo's packages:"
    ../sql/demo/rows.sh 2>/dev/null | awk -F'\t' '{ printf "%d\t%d\t%s\t%s\n", NR, NR % 10, $1, $4 }' |
        sql -c "\\copy source from stdin" || exit 1
    sql -c "INSERT INTO queries SELECT v FROM source WHERE id % 250 = 0" || exit 1
    measure "packages, 5000 x 384"
fi
for dimensions in 784 1024 1536; do
    echo "random vectors of $dimensions dimensions:"
    sql -c "TRUNCATE source, queries" -c "SELECT setseed(0.5)" -o /dev/null || exit 1
    sql -o /dev/null -c "SELECT setseed(0.5); INSERT INTO source SELECT i, i % 10, 'number ' || i,
        (SELECT array_agg(random()::real - 0.5) FROM generate_series(1, $dimensions) WHERE i > 0)::real[]
        FROM generate_series(1, 10000) i; INSERT INTO queries SELECT v FROM source WHERE id % 1000 = 0" || exit 1
    measure "random, 10000 x $dimensions"
done

echo
sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1 |
    sed "s/\$/, $(nproc) cores, $(awk '/^MemTotal/ { printf "%d", $2 / 1048576 }' /proc/meminfo) GB of memory;/"
echo "$("$PG_CONFIG" --version), one process a query, 1 GB of shared buffers, fsync off, medians"
echo
sql -f report.sql
