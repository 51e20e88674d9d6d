#!/usr/bin/env bash
# The recipes work as printed: every ```sql block of docs/recipes.md, run in order in an empty database, prints what the ```text
# block after it says, or nothing. ACCEPT=1 writes what they print into the document, to be looked at before it is committed.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin recipes-test
zvec_start recipes "autovacuum = off" || exit 1
document=docs/recipes.md
# the blocks, each before a line of its number
awk '/^```/ { if (code) print "\\echo @@", ++n; code = !code && $0 == "```sql"; next } code' "$document" >"$ZVEC_SCRATCH/recipes.sql"
grep -q '^\\echo @@ 15$' "$ZVEC_SCRATCH/recipes.sql"
zvec_result $? "recipes: there are some"
psql -X -q -v ON_ERROR_STOP=1 -f "$ZVEC_SCRATCH/recipes.sql" >"$ZVEC_SCRATCH/printed" 2>&1
status=$?
[ $status = 0 ] || tail -n 3 "$ZVEC_SCRATCH/printed"
zvec_result $status "recipes: every statement succeeds"
if [ "$(zvec_version)" != 15 ]; then
    perl regress/as-15.pl <"$ZVEC_SCRATCH/printed" >"$ZVEC_SCRATCH/as-15" && mv "$ZVEC_SCRATCH/as-15" "$ZVEC_SCRATCH/printed"
fi
# the document with what was printed in the place of what it says
awk -v printed="$ZVEC_SCRATCH/printed" '
    function result(    line, text) {
        text = ""
        while ((getline line < printed) > 0 && line !~ /^@@ /) { sub(/ +$/, "", line); text = text line "\n" }
        gsub(/\n+$/, "\n", text)
        if (text != "" && text != "\n") printf "\n```text\n%s```\n", text
    }
    # an empty line waits: it goes with a block of text
    function flush() { if (empty) print ""; empty = 0 }
    text { if (/^```/) text = 0; next }
    $0 == "```text" { empty = 0; text = 1; next }
    $0 == "" { flush(); empty = 1; next }
    { flush(); print }
    $0 == "```sql" { code = 1; next }
    /^```/ { if (code) result(); code = 0 }
    END { flush() }' "$document" >"$ZVEC_SCRATCH/recipes.md"
[ "${ACCEPT:-}" != 1 ] || cp "$ZVEC_SCRATCH/recipes.md" "$document"
diff -u "$document" "$ZVEC_SCRATCH/recipes.md"
zvec_result $? "recipes: each prints what the document says"
zvec_log_is_clean recipes
zvec_result $? "recipes: the server's log is clean"
