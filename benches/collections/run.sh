#!/usr/bin/env bash
# What a collection costs: `make bench PART=collections`. Prints a Markdown table: INSERT of rows one by one and at once, with the
# collection's triggers and without; zvec_search and the query that it stands for, pinned to one processor; the rates of one writing
# session and of two. DIMS (384) and ROWS (20000) of vectors. RESULTS=file: each figure as a line of JSON.
set -u -o pipefail
results=${RESULTS:-}
[ -z "$results" ] || results=$(realpath -m "$results") || exit 1
cd "$(dirname "$0")" || exit 1
. ../../regress/cluster.sh
PG_CONFIG=$(zvec_pg_config)
export PG_CONFIG
"$ZVEC_ROOT/regress/setup.sh" && "${MAKE:-make}" --no-print-directory -C "$ZVEC_ROOT" all || exit 1
dims=${DIMS:-384} rows=${ROWS:-20000} turns=5
zvec_begin bench-collections
zvec_start bench "shared_buffers = 1GB" "max_wal_size = 16GB" "autovacuum = off" "checkpoint_timeout = 1h" "jit = off" || exit 1
q() { psql -X -q -At -v ON_ERROR_STOP=1 -v dims="$dims" -v rows="$rows" "$@"; }
q -f setup.sql || exit 1
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
row() {
    echo "| $1 | $2 | $3 | $4 |"
    [ -z "$results" ] || echo "{\"part\":\"collections\",\"dims\":$dims,\"rows\":$rows,\"what\":\"$1\",\"without\":$2,\"with\":$3}" >>"$results"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b / a }'; }

# the two in turn, so that a slow minute slows both; what was inserted is taken out again
compare() {
    local turn table name=$1 statement=$2
    for ((turn = 0; turn < turns; turn++)); do
        for table in bare items; do
            { echo "SELECT clock_timestamp() AS started \\gset"
                echo "${statement//TABLE/$table};"
                echo "SELECT 1000 * extract(epoch FROM clock_timestamp() - :'started');"
                echo "\\o /dev/null" && echo "DELETE FROM $table WHERE id > $rows; VACUUM $table;"
                [ $table = bare ] || echo "VACUUM zvec_collection.items;"
            } | q | tail -1 >>"$ZVEC_SCRATCH/$table"
        done
    done
    row "$name" "$(median <"$ZVEC_SCRATCH/bare")" "$(median <"$ZVEC_SCRATCH/items")" \
        "$(ratio "$(median <"$ZVEC_SCRATCH/bare")" "$(median <"$ZVEC_SCRATCH/items")")"
    rm "$ZVEC_SCRATCH/bare" "$ZVEC_SCRATCH/items"
}
echo "| collections, $rows x $dims | without | with | ratio |"
echo "|---|---|---|---|"
compare "INSERT of 2,000 rows, one by one, ms" "SELECT one_by_one('TABLE', 2000, $rows) \\g /dev/null
SELECT 1 WHERE false"
compare "INSERT of $rows rows at once, ms" "INSERT INTO TABLE SELECT id, e FROM source WHERE id > $rows"

# one session, on one processor
for ((turn = 0; turn < turns; turn++)); do
    printf '%s\n' "SET plan_cache_mode = force_generic_plan;" "SELECT pg_backend_pid() AS pid \\gset" \
        "\\setenv PID :pid" "\\! taskset -cp 0 \$PID >/dev/null" "SELECT by_query(10);" "SELECT by_function(10);" |
        q | { read -r plain && read -r ours && echo "$plain" >>"$ZVEC_SCRATCH/plain" && echo "$ours" >>"$ZVEC_SCRATCH/ours"; }
done
row "search for 10, microseconds" "$(median <"$ZVEC_SCRATCH/plain")" "$(median <"$ZVEC_SCRATCH/ours")" \
    "$(ratio "$(median <"$ZVEC_SCRATCH/plain")" "$(median <"$ZVEC_SCRATCH/ours")")"

# Writing sessions, each row in a transaction of its own, in a loop in the server, so that no client takes processor time of
# them: rows a second of one session and of two, and microseconds of processor time that the sessions take for a row. One
# and two in turn, each beginning with an empty table.
q -c "CREATE UNIQUE INDEX ON source (id)" -c "ANALYZE source"
session() { # TABLE FIRST: rows, and hundredths of a second
    printf '%s\n' "$3" "SELECT pg_backend_pid() AS pid \\gset" "\\setenv PID :pid" \
        "\\! awk '{ print \$14 + \$15 }' /proc/\$PID/stat" "CALL write_rows('$1', $2, 3, 0);" \
        "\\! awk '{ print \$14 + \$15 }' /proc/\$PID/stat" | q | tr '\n' ' ' | awk '{ print $2, $3 - $1 }'
}
scale() { # NAME TABLE SETTINGS
    local turn count
    for ((turn = 0; turn < turns; turn++)); do
        for count in 1 2; do
            q -c "TRUNCATE $2"
            { session "$2" 1 "$3" & [ $count = 1 ] || session "$2" "$rows" "$3" & wait; } |
                awk '{ rows += $1; ticks += $2 } END { print rows / 3, ticks * 10000 / rows }' >>"$ZVEC_SCRATCH/by$count"
        done
    done
    local one two
    one=$(cut -d' ' -f1 "$ZVEC_SCRATCH/by1" | median) two=$(cut -d' ' -f1 "$ZVEC_SCRATCH/by2" | median)
    row "$1: rows a second, one session and two" "${one%.*}" "${two%.*}" "$(ratio "$one" "$two")"
    one=$(cut -d' ' -f2 "$ZVEC_SCRATCH/by1" | median) two=$(cut -d' ' -f2 "$ZVEC_SCRATCH/by2" | median)
    row "$1: microseconds of processor a row" "${one%.*}" "${two%.*}" "$(ratio "$one" "$two")"
    rm "$ZVEC_SCRATCH/by1" "$ZVEC_SCRATCH/by2"
}
q -c "SELECT zvec_create_collection('wide', 'wide', 'e', $dims, 'l2', 'flat')" -c "SELECT zvec_attach_table('wide', 'wide', 'id', 'e')" \
    -c "SELECT zvec_create_collection('linked', 'linked', 'e', $dims, 'l2')" -c "SELECT zvec_attach_table('linked', 'linked', 'id', 'e')" \
    >/dev/null
scale "table alone" alone ""
scale "zvec table, hnsw" vectors ""
scale "collection, flat" wide ""
scale "collection, hnsw" linked ""
scale "collection, hnsw, without a worker" linked "SET pg_zvec.background_drain = off; SET pg_zvec.max_pending = 1000000;"
