#!/usr/bin/env bash
# zvec_check of a table whose slots need more bits than work_mem has, so that it is done in lots: all is well when it is, what
# is wrong is found whatever lot it is in, and neither many rows nor many faults take memory.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin check-memory-test
. regress/crash/lib.bash

crash_cluster checked "autovacuum = off" "work_mem = 64kB" "fsync = off"
zvec_result $? "check-memory: the server starts"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
SET pg_zvec.segment_capacity = 100000;
CREATE TABLE many (id integer, e zvec(1)) USING zvec;
INSERT INTO many SELECT i, ARRAY[i]::real[]::zvec FROM generate_series(1, 600000) i;
CREATE FUNCTION kilobytes() RETURNS bigint LANGUAGE sql
    AS $$ SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmPeak:\s+(\d+) kB'))[1]::bigint $$;
SQL
is "SELECT count(*) FROM zvec_segments('many')" 6 && says_nothing "SELECT zvec_check('many')"
zvec_result $? "check-memory: nothing is wrong"

# costs QUERY: the kilobytes by which a session grows in it; counting rows takes 7,000.
costs() {
    psql -XAtq -v ON_ERROR_STOP=1 <<SQL
SELECT zvec_check('small') \g /dev/null
SELECT kilobytes() AS before \gset
BEGIN;
$1 \g /dev/null
SELECT kilobytes() - :before;
ROLLBACK;
SQL
}

psql -Xqc "CREATE TABLE small (id integer, e zvec(1)) USING zvec" -c "INSERT INTO small VALUES (1, '[1]')"
cost=$(costs "SELECT count(*) FROM zvec_check('many')" | tail -n 1)
[ "$cost" -lt 8000 ] || { echo "$cost kB" && false; }
zvec_result $? "check-memory: 600,000 rows do not take memory"
cost=$(costs "UPDATE pg_class SET relfrozenxid = (txid_current() % 4294967296)::text::xid WHERE relname = 'many';
    SELECT count(*) / 600000 FROM zvec_check('many')" | tail -n 1)
[ "$cost" -lt 8000 ] || { echo "$cost kB" && false; }
zvec_result $? "check-memory: 600,000 faults do not, either"
is "BEGIN; UPDATE pg_class SET relfrozenxid = (txid_current() % 4294967296)::text::xid WHERE relname = 'many';
    SELECT count(*), count(DISTINCT location) FROM zvec_check('many')" "600000|600000"
zvec_result $? "check-memory: each slot is looked at once"

# The last segment's first slot gets another generation; of the last rows one leads to another's vector.
psql -Xqc "CHECKPOINT"
read -r rows store < <(psql -XAtqF ' ' -c "SELECT pg_relation_filepath(oid), pg_relation_filepath(reltoastrelid)
    FROM pg_class WHERE relname = 'many'")
rows=$ZVEC_SCRATCH/checked/data/$rows store=$ZVEC_SCRATCH/checked/data/$store
zvec_stop checked
at=$(grep -obUaP 'ZVEC\x03\x01\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00' "$store" | head -n 1 | cut -d: -f1) &&
    printf '\x07' | dd of="$store" bs=1 seek=$((at + 36)) conv=notrunc status=none
last=$(($(stat -c %s "$rows") - 8192))
mapfile -t places < <(tail -c 8192 "$rows" | grep -obUaP '\x21\x01\x01\x00' | cut -d: -f1)
dd if="$rows" bs=1 skip=$((last + places[3] + 4)) count=4 status=none |
    dd of="$rows" bs=1 seek=$((last + places[0] + 4)) conv=notrunc status=none
zvec_start checked
psql -XAtqc "SELECT invariant, count(*) FROM zvec_check('many') GROUP BY 1 ORDER BY 1" >"$ZVEC_SCRATCH/found"
diff "$ZVEC_SCRATCH/found" - <<'END'
a slot leads to its row|1
generations agree|1
one row per slot|1
slots agree with rows|1
END
zvec_result $? "check-memory: what is wrong is found in the last lot"
is "SELECT c.location ~ '^row ' AND substring(c.message FROM 'by (row .*)') <> c.location AND EXISTS (
        SELECT FROM many WHERE 'row ' || ctid::text = substring(c.message FROM 'by (row .*)'))
    FROM zvec_check('many') c WHERE invariant = 'one row per slot'" t
zvec_result $? "check-memory: it is told which row the vector is another's of"
