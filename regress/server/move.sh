#!/usr/bin/env bash
# The README's steps to move a table to zvec while it is used, as they are printed, between two servers, while a session writes: from
# pgvector's type where the installation has it, and back to it; elsewhere from a heap table.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin move
type=zvec extension=pg_zvec
! zvec_has vector || { type=vector extension=vector; }
zvec_start first "wal_level = logical" && zvec_start second "wal_level = logical" || exit 1
# The statements, each on a line after `old`, `new` or `both`, and `until` where it is to be repeated until it says t.
awk '/^##+ / { here = /^### Moving a table to zvec while it is used/ } /^```/ { code = (here && $0 == "```sql"); next }
    code && /^-- / { where = $2; sub(",", "", where); until = /until/ ? "until" : "once"; next }
    code { statement = statement (statement == "" ? "" : " ") $0 } code && /;$/ { print where, until, statement; statement = "" }' \
    README.md >"$ZVEC_SCRATCH/steps"
[ "$(wc -l <"$ZVEC_SCRATCH/steps")" -ge 9 ]
zvec_result $? "move: the README has the steps"

# at SERVER ARGUMENT...
at() {
    local server=$1
    shift
    zvec_use "$server" && psql -X -q -At -v ON_ERROR_STOP=1 -d app "$@"
}
# step NAME OLD NEW until|once old|new|both SQL, which NAME tells
step() {
    local name=$1 old=$2 new=$3 often=$4 said n
    case $5$often in
    bothonce)
        said=$(at "$old" -c "$6") && [ -n "$said" ] && [ "$said" = "$(at "$new" -c "$6")" ]
        ;;
    oldonce) at "$old" -c "$6" 2>"$ZVEC_SCRATCH/errors" || { cat "$ZVEC_SCRATCH/errors" && false; } ;;
    newonce) at "$new" -c "$6" 2>"$ZVEC_SCRATCH/errors" || { cat "$ZVEC_SCRATCH/errors" && false; } ;;
    *)
        for ((n = 0; n < 300; n++)); do
            [ "$(at "${!5}" -c "$6")" != t ] || break
            sleep 0.1
        done
        [ $n -lt 300 ]
        ;;
    esac
    zvec_result $? "move: $name"
}
# write OLD: what a session does meanwhile
write() {
    local i
    for i in {301..400}; do
        echo "INSERT INTO items VALUES ($i + $2, 'new', e($i)); UPDATE items SET embedding = e($i + 1000) WHERE id = $i - 290;
            UPDATE items SET title = 'changed' WHERE id = $i - 200; DELETE FROM items WHERE id = $i - 100; SELECT pg_sleep(0.02);"
    done | at "$1" -o /dev/null
}
# function TYPE: random vectors, the same for the same number
function_e() {
    echo "CREATE OR REPLACE FUNCTION e(i int) RETURNS $1 LANGUAGE sql AS \$\$ SELECT ('[' || string_agg(round((sin(i * k) * 10 ^ (i % 9 - 4))::numeric, 9)::real::text, ',') || ']')::$1
        FROM generate_series(1, 768) k \$\$;"
}
# move NAME OLD NEW FILTER: all steps; FILTER says what is different
move() {
    local name=$1 old=$2 new=$3 where often printed sql writer said=
    write "$old" "$5" &
    writer=$!
    while read -r where often printed; do
        sql=$(sed -E "$4; s/'host=old [^']*'/'host=${ZVEC_SCRATCH//\//\\/}\/$old\/socket port=54315 dbname=app user=postgres'/" <<<"$printed")
        # nobody writes any more
        [ "$where$often" != olduntil ] || { wait $writer; zvec_result $? "move: $name: a session has written all the time"; }
        step "$name: $printed" "$old" "$new" "$often" "$where" "$sql" </dev/null
    done <"$ZVEC_SCRATCH/steps"
    said=$(at "$new" -c "$(function_e "$6")" -c "SET enable_seqscan = off; SET enable_sort = off" -c "INSERT INTO items VALUES (-1 - $5, 'after', e(777))" \
        -c "SELECT title FROM items ORDER BY embedding <-> e(777) LIMIT 1")
    [ "$said" = after ] || { echo "$said" && false; }
    zvec_result $? "move: $name: the new table is written and searched"
}

for server in first second; do
    zvec_use $server
    psql -X -q -c "CREATE DATABASE app"
done
at first -c "CREATE EXTENSION IF NOT EXISTS $extension" -c "CREATE TABLE items (id bigint PRIMARY KEY, title text, embedding $type(768)) USING heap" \
    -c "$(function_e $type)" -c "INSERT INTO items SELECT i, 'item ' || i, CASE WHEN i % 10 <> 0 THEN e(i) END FROM generate_series(1, 300) i" || exit 1
move "from a heap table of type $type" first second '' 0 zvec
[ -z "$(at second -c "SELECT * FROM zvec_check('items')")" ]
zvec_result $? "move: the table is sound"
if [ $type = vector ]; then
    at first -c "DROP TABLE items"
    move "back" second first 's/pg_zvec/vector/; s/zvec\(768\)\) USING zvec/vector(768))/; s/zvec_hnsw \(embedding\)/hnsw (embedding vector_l2_ops)/' 1000 vector
fi
for server in first second; do
    zvec_log_is_clean $server
    zvec_result $? "move: the server's log is clean"
done
