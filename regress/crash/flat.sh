#!/usr/bin/env bash
# Indexes of access method zvec_flat: after a crash, of unlogged tables, and with a damaged page.
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
        *ERROR:*'block 0'*'relation "logged_v"'* | *ERROR:*'could not read block 0 in file'*) true ;;
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
