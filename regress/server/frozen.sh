#!/usr/bin/env bash
# A table whose slots VACUUM cannot get through keeps its relfrozenxid, VACUUM says which table it is and what to do, and
# autovacuum comes again and again; when the damage is mended, all is as it should be. Slots that are older than
# relfrozenxid are told of.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin frozen-test
. regress/crash/lib.bash

crash_cluster frozen "autovacuum = off" "autovacuum_naptime = 1" "autovacuum_freeze_max_age = 100000" \
    "autovacuum_vacuum_cost_delay = 0" "vacuum_freeze_table_age = 50000" "vacuum_freeze_min_age = 0"
zvec_result $? "frozen: the server starts"
data=$ZVEC_SCRATCH/frozen/data
frozen() { psql -XAtqc "SELECT relfrozenxid FROM pg_class WHERE relname = '$1'"; }
burn() { psql -Xqc "DO \$\$ BEGIN FOR i IN 1 .. $1 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END \$\$"; }

psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE old (id integer, ver integer, e zvec(8)) USING zvec;
CREATE TABLE bystander (id integer, ver integer, e zvec(8)) USING zvec;
INSERT INTO old SELECT i, 1, g(i, 1) FROM generate_series(1, 1000) i;
INSERT INTO bystander SELECT i, 1, g(i, 1) FROM generate_series(1, 100) i;
SQL
before=$(frozen old)
burn 1000
# beside the VACUUM, transactions begin and end between its looks at them
pgbench -n -c 2 -T 3 -f <(echo "INSERT INTO old VALUES (2000, 1, g(2000, 1)); DELETE FROM old WHERE id = 2000;") >/dev/null 2>&1 &
pause=$!
status=0
for _ in 1 2 3 4 5 6 7 8; do
    psql -Xqc "VACUUM (FREEZE) old" && says_nothing "SELECT * FROM zvec_check('old')" || status=1
done
wait $pause
psql -Xqc "VACUUM (FREEZE) old" && [ "$(frozen old)" -gt $((before + 1000)) ] || status=1
zvec_result $status "frozen: VACUUM advances relfrozenxid, and no slot is older"

# nor one that a writer has changed, with others of its page, while the pass was at it
psql -Xq -c "CREATE TABLE moved (id int, n int, e zvec(4)) USING zvec" \
    -c "INSERT INTO moved SELECT i, i, ARRAY[i, 1, 2, 3]::zvec FROM generate_series(1, 3000) i" -c "CREATE INDEX ON moved (n)" -c "CREATE INDEX ON moved (id)"
pgbench -n -c 4 -T 5 -f <(printf '\\set k random(1, 3000)\nUPDATE moved SET n = n + 1 WHERE id BETWEEN :k AND :k + 3;\n') >/dev/null 2>&1 &
writers=$!
status=0 passes=0
while kill -0 $writers 2>/dev/null; do
    psql -Xqc "VACUUM (FREEZE) moved" && says_nothing "SELECT * FROM zvec_check('moved')" || status=1
    passes=$((passes + 1))
done
[ $passes -gt 3 ] && [ $status = 0 ]
zvec_result $? "frozen: nor is one that changes meanwhile ($passes passes)"
psql -Xqc "DROP TABLE moved"

# Where the table is so old that the heap's VACUUM takes the brakes off, the pass over the slots, which comes first, takes none either.
psql -Xq -c "CREATE TABLE slow (id int, e zvec(1)) USING zvec" -c "INSERT INTO slow SELECT i, ARRAY[i]::zvec FROM generate_series(1, 60000) i"
brakes() {
    psql -Xq -c "SET vacuum_failsafe_age = 0" -c "SET vacuum_cost_delay = 100" -c "SET vacuum_cost_limit = 1" -c "SET statement_timeout = '8s'" \
        -c "VACUUM (FREEZE) slow" 2>&1 | grep -o '^ERROR: .*\|^WARNING:  bypassing nonessential maintenance of table "[a-z.]*slow"'
}
[ "$(brakes)" = "ERROR:  canceling statement due to statement timeout" ]
zvec_result $? "frozen: a VACUUM with brakes takes its time among the slots"
psql -Xq -c "UPDATE pg_class SET relfrozenxid = ((txid_current() + 4294967296 - 200000) % 4294967296)::text::xid WHERE relname = 'slow'"
[ "$(brakes)" = 'WARNING:  bypassing nonessential maintenance of table "postgres.public.slow"' ]
zvec_result $? "frozen: in the failsafe there are no brakes"
is "SELECT age(relfrozenxid) < 100 FROM pg_class WHERE relname = 'slow'" t && says_nothing "SELECT * FROM zvec_check('slow')"
zvec_result $? "frozen: ... and the table is frozen then"
psql -Xqc "DROP TABLE slow"

# had relfrozenxid advanced without the slots
psql -Xqc "INSERT INTO old SELECT i, 1, g(i, 1) FROM generate_series(1001, 1100) i"
is "BEGIN; UPDATE pg_class SET relfrozenxid = (txid_current() % 4294967296)::text::xid WHERE relname = 'old';
    SELECT count(*), count(DISTINCT location) FROM zvec_check('old') WHERE invariant = 'slots are vacuumed as rows are'" \
    "100|100" && says_nothing "SELECT zvec_check('old')"
zvec_result $? "frozen: zvec_check tells of slots older than relfrozenxid"

# a slot page is damaged
psql -Xqc "UPDATE old SET ver = 2, e = g(id, 2) WHERE id % 3 = 0" -c "VACUUM bystander" -c "CHECKPOINT"
file=$data/$(psql -XAtqc "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'old'")
before=$(frozen old)
burn 1000
zvec_stop frozen
cp -p "$file" "$ZVEC_SCRATCH/sound"
at=$(grep -obUaP 'ZVEC\x03' "$file" | head -n 1 | cut -d: -f1) && block=$((at / 8192)) &&
    dd if=/dev/zero of="$file" bs=1 count=4 seek="$at" conv=notrunc status=none
zvec_start frozen
status=0
for _ in 1 2 3; do
    output=$(psql -Xqc "VACUUM (FREEZE) old" 2>&1)
    grep -q '^WARNING:  the vectors of table "old" could not be vacuumed$' <<<"$output" &&
        grep -q "^DETAIL:  Until they are, the table's relfrozenxid stays $before, and the server will accept no new transactions after 2144[0-9]\{6\} more.$" <<<"$output" &&
        grep -q '^HINT:  The error that follows ' <<<"$output" &&
        grep -q "^ERROR:  invalid vector store page in block $block of relation \"pg_toast_" <<<"$output" ||
        { echo "$output" && status=1; }
done
zvec_result $status "frozen: VACUUM says which table cannot be vacuumed, and what to do"
[ "$(frozen old)" = "$before" ]
zvec_result $? "frozen: relfrozenxid stays"
psql -Xqc "VACUUM (FREEZE) bystander" && [ "$(frozen bystander)" -gt $((before + 1000)) ]
zvec_result $? "frozen: other tables' relfrozenxid does not"

# a VACUUM that is cancelled on the way keeps it, too, and says nothing (but where it was, if it was among the rows, as in 17)
output=$(psql -Xq -c "SET vacuum_cost_delay = 100" -c "SET vacuum_cost_limit = 1" -c "SET statement_timeout = 300" \
    -c "VACUUM (FREEZE) old" 2>&1 | grep -v '^CONTEXT:  while scanning block [0-9]* of relation "public.old"$')
[ "$output" = "ERROR:  canceling statement due to statement timeout" ] && [ "$(frozen old)" = "$before" ]
zvec_result $? "frozen: a VACUUM that is cancelled is no cause for alarm"

# to the server the table is one that must be vacuumed: autovacuum comes as often as it can
psql -Xqc "ALTER SYSTEM SET autovacuum = on" -c "SELECT pg_reload_conf()" >/dev/null
psql -Xqc "ALTER TABLE old SET (autovacuum_enabled = off)"
burn 101000
for ((i = 0; i < 300; i++)); do
    [ "$(grep -c 'WARNING:  the vectors of table "old" could not be vacuumed' "$ZVEC_SCRATCH/frozen/log")" -lt 5 ] || break
    sleep 0.1
done
[ $i -lt 300 ] && [ "$(frozen old)" = "$before" ] &&
    is "SELECT age(datfrozenxid) > 100000 FROM pg_database WHERE datname = current_database()" t
zvec_result $? "frozen: autovacuum tries again and again, and the database's oldest transaction stays"

# mended
zvec_stop frozen
cp -p "$ZVEC_SCRATCH/sound" "$file"
zvec_start frozen
for ((i = 0; i < 300; i++)); do
    [ "$(psql -XAtqc "SELECT age(relfrozenxid) < 10000 FROM pg_class WHERE relname = 'old'")" != t ] || break
    sleep 0.1
done
[ $i -lt 300 ] && says_nothing "SELECT * FROM zvec_check('old')" &&
    is "SELECT count(*) FILTER (WHERE e = g(id, ver)) FROM old WHERE id < 2000" 1100 &&
    is "SELECT sum(dead) FROM zvec_segments('old')" 0
zvec_result $? "frozen: when the page is mended, autovacuum gets through"
