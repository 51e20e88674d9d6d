#!/usr/bin/env bash
# Logical decoding by plugins that know no publication, test_decoding and wal2json: vectors are decoded as values that are stored
# elsewhere. What cannot be decoded, since it was written before anybody asked for it, is shown as such a value that has not
# changed, never as a wrong vector, and never with an error, which would stop the slot for good.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin decoding
zvec_start decoding "wal_level = logical" "autovacuum = off" "logical_decoding_work_mem = 64kB" "wal_consistency_checking = 'heap, heap2'"
zvec_result $? "decoding: the server starts"
zvec_has test_decoding || exit 0

# gives NAME SQL EXPECTED
gives() {
    local said
    said=$(psql -X -q -At -v ON_ERROR_STOP=1 <<<"$2" 2>&1)
    [ "$said" = "$3" ] || { printf 'expected: %.2000s\ngot: %.2000s\n' "$3" "$said"; false; }
    zvec_result $? "decoding: $1"
}
changes="SELECT data FROM pg_logical_slot_get_changes('d', NULL, NULL, 'include-xids', 'off', 'skip-empty-xacts', 'on')
    WHERE data NOT IN ('BEGIN', 'COMMIT')"
t="table public.t:" v="v[zvec]:" same="v[zvec]:unchanged-toast-datum" lost="v[zvec]:'unchanged-toast-datum'"
# toast_of TABLE: its TOAST relation
toast_of() { psql -XAtc "SELECT reltoastrelid::regclass FROM pg_class WHERE oid = '$1'::regclass"; }

psql -X -q -v ON_ERROR_STOP=1 -o /dev/null <<'SQL' || exit 1
CREATE EXTENSION pg_zvec;
CREATE TABLE t (id int PRIMARY KEY, v zvec(2), note text) USING zvec;
CREATE TABLE h (id int PRIMARY KEY, v zvec) USING heap;
CREATE TABLE big (id int, v zvec) USING zvec;
INSERT INTO t VALUES (0, '[0,0]', 'before'), (-1, '[0,1]', 'before'), (-2, '[0,2]', 'before');
SELECT pg_create_logical_replication_slot('d', 'test_decoding');
SQL
gives "INSERT" "INSERT INTO t VALUES (1, '[1,2]', 'one'), (2, NULL, 'two'); $changes" \
    "$t INSERT: id[integer]:1 $v'[1,2]' note[text]:'one'
$t INSERT: id[integer]:2 v[zvec]:null note[text]:'two'"
gives "COPY" "COPY t FROM PROGRAM 'printf \"3\t[3,4]\tthree\n4\t[5,6]\tfour\n\"'; $changes" \
    "$t INSERT: id[integer]:3 $v'[3,4]' note[text]:'three'
$t INSERT: id[integer]:4 $v'[5,6]' note[text]:'four'"
gives "UPDATE" "UPDATE t SET v = '[9,9]' WHERE id = 1; UPDATE t SET note = 'changed' WHERE id = 3;
    UPDATE t SET id = 5 WHERE id = 4; UPDATE t SET v = NULL WHERE id = 5; UPDATE t SET v = '[1,1]' WHERE id = 2; $changes" \
    "$t UPDATE: id[integer]:1 $v'[9,9]' note[text]:'one'
$t UPDATE: id[integer]:3 $same note[text]:'changed'
$t UPDATE: old-key: id[integer]:4 new-tuple: id[integer]:5 $same note[text]:'four'
$t UPDATE: id[integer]:5 v[zvec]:null note[text]:'four'
$t UPDATE: id[integer]:2 $v'[1,1]' note[text]:'two'"
gives "DELETE" "DELETE FROM t WHERE id = 1; $changes" "$t DELETE: id[integer]:1"
gives "INSERT or UPDATE" "INSERT INTO t VALUES (3, '[7,7]', 'again') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v; $changes" \
    "$t UPDATE: id[integer]:3 $v'[7,7]' note[text]:'changed'"
gives "MERGE" "MERGE INTO t USING (VALUES (3, '[7,8]'::zvec), (6, '[6,6]')) n (id, v) ON t.id = n.id
    WHEN MATCHED THEN UPDATE SET v = n.v WHEN NOT MATCHED THEN INSERT VALUES (n.id, n.v, 'six');
    MERGE INTO t USING (VALUES (6)) n (id) ON t.id = n.id WHEN MATCHED THEN DELETE; $changes" \
    "$t UPDATE: id[integer]:3 $v'[7,8]' note[text]:'changed'
$t INSERT: id[integer]:6 $v'[6,6]' note[text]:'six'
$t DELETE: id[integer]:6"
gives "the full row as its identity" "ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET note = 'full' WHERE id = 3;
    UPDATE t SET note = note WHERE id = 3; DELETE FROM t WHERE id = 3; DELETE FROM t WHERE id = 5; $changes" \
    "$t UPDATE: old-key: id[integer]:3 $v'[7,8]' note[text]:'changed' new-tuple: id[integer]:3 $same note[text]:'full'
$t UPDATE: old-key: id[integer]:3 $v'[7,8]' note[text]:'full' new-tuple: id[integer]:3 $same note[text]:'full'
$t DELETE: id[integer]:3 $v'[7,8]' note[text]:'full'
$t DELETE: id[integer]:5 note[text]:'four'"
gives "no identity" "ALTER TABLE t REPLICA IDENTITY NOTHING; INSERT INTO t VALUES (7, '[7,0]'); UPDATE t SET v = '[7,1]' WHERE id = 7;
    DELETE FROM t WHERE id = 7; $changes" "$t INSERT: id[integer]:7 $v'[7,0]' note[text]:null
$t UPDATE: id[integer]:7 $v'[7,1]' note[text]:null
$t DELETE: (no-tuple-data)"
gives "a vector as the identity" "CREATE TABLE k (id int, v zvec(2) NOT NULL) USING zvec; CREATE UNIQUE INDEX k_v ON k (v);
    INSERT INTO k VALUES (1, '[1,1]'), (2, '[2,2]'); ALTER TABLE k REPLICA IDENTITY USING INDEX k_v; UPDATE k SET id = 3 WHERE id = 1;
    UPDATE k SET v = '[4,4]' WHERE id = 2; DELETE FROM k; $changes" "table public.k: INSERT: id[integer]:1 $v'[1,1]'
table public.k: INSERT: id[integer]:2 $v'[2,2]'
table public.k: UPDATE: old-key: $v'[1,1]' new-tuple: id[integer]:3 $same
table public.k: UPDATE: old-key: $v'[2,2]' new-tuple: id[integer]:2 $v'[4,4]'
table public.k: DELETE: $v'[1,1]'
table public.k: DELETE: $v'[4,4]'"

# values of the same row that are stored elsewhere for real
gives "a large text beside a vector" "ALTER TABLE t ALTER note SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY DEFAULT;
    INSERT INTO t VALUES (10, '[1,1]', repeat('x', 5000));
    UPDATE t SET v = '[2,2]' WHERE id = 10; SELECT replace(data, repeat('x', 5000), '5000') FROM ($changes) s" \
    "$t INSERT: id[integer]:10 $v'[1,1]' note[text]:'5000'
$t UPDATE: id[integer]:10 $v'[2,2]' note[text]:unchanged-toast-datum"
gives "... and its chunks go with it" "UPDATE t SET note = repeat('y', 5000) WHERE id = 10;
    UPDATE t SET note = note || 'z', v = '[2,2]' WHERE id = 10; SELECT count(*), count(DISTINCT chunk_id) FROM $(toast_of t);
    BEGIN; UPDATE t SET note = repeat('a', 9000), v = '[9,9]' WHERE id = 10; ROLLBACK;
    SELECT md5(note) = md5(repeat('y', 5000) || 'z') FROM t WHERE id = 10; INSERT INTO t VALUES (11, '[3,3]', repeat('b', 5000));
    UPDATE t SET note = 'short' WHERE id = 11; DELETE FROM t WHERE id = 11; SELECT count(DISTINCT chunk_id) FROM $(toast_of t);
    SELECT replace(replace(data, repeat('y', 5000), '5000y'), repeat('b', 5000), '5000b') FROM ($changes) s" "3|1
t
1
$t UPDATE: id[integer]:10 $same note[text]:'5000y'
$t UPDATE: id[integer]:10 $same note[text]:'5000yz'
$t INSERT: id[integer]:11 $v'[3,3]' note[text]:'5000b'
$t UPDATE: id[integer]:11 $same note[text]:'short'
$t DELETE: id[integer]:11"
gives "... with the full row as its identity" "ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (12, '[4,4]', repeat('c', 5000));
    UPDATE t SET v = '[4,5]' WHERE id = 12; DELETE FROM t WHERE id = 12; ALTER TABLE t REPLICA IDENTITY DEFAULT;
    SELECT count(DISTINCT chunk_id) FROM $(toast_of t); SELECT replace(data, repeat('c', 5000), '5000c') FROM ($changes) s" "1
$t INSERT: id[integer]:12 $v'[4,4]' note[text]:'5000c'
$t UPDATE: old-key: id[integer]:12 $v'[4,4]' note[text]:'5000c' new-tuple: id[integer]:12 $v'[4,5]' note[text]:unchanged-toast-datum
$t DELETE: id[integer]:12 $v'[4,5]' note[text]:'5000c'"

gives "... when the vector goes first" "INSERT INTO t VALUES (17, '[7,1]', repeat('d', 5000)); UPDATE t SET v = NULL WHERE id = 17;
    UPDATE t SET note = note || 'd' WHERE id = 17; UPDATE t SET v = '[7,2]' WHERE id = 17; UPDATE t SET v = NULL WHERE id = 17;
    SELECT count(DISTINCT chunk_id) FROM $(toast_of t); DELETE FROM t WHERE id = 17; SELECT count(DISTINCT chunk_id) FROM $(toast_of t);
    SELECT replace(data, repeat('d', 5000), '5000d') FROM ($changes) s" "2
1
$t INSERT: id[integer]:17 $v'[7,1]' note[text]:'5000d'
$t UPDATE: id[integer]:17 v[zvec]:null note[text]:unchanged-toast-datum
$t UPDATE: id[integer]:17 v[zvec]:null note[text]:'5000dd'
$t UPDATE: id[integer]:17 $v'[7,2]' note[text]:unchanged-toast-datum
$t UPDATE: id[integer]:17 v[zvec]:null note[text]:unchanged-toast-datum
$t DELETE: id[integer]:17"
gives "rows of before: an update that leaves the vector alone, one that does not, a deletion" \
    "UPDATE t SET note = 'after' WHERE id = 0; UPDATE t SET note = 'after', v = '[0,9]' WHERE id = -1;
    DELETE FROM t WHERE id = -1; UPDATE t SET note = 'later' WHERE id = 0; $changes" \
    "$t UPDATE: id[integer]:0 $same note[text]:'after'
$t UPDATE: id[integer]:-1 $v'[0,9]' note[text]:'after'
$t DELETE: id[integer]:-1
$t UPDATE: id[integer]:0 $same note[text]:'later'"
gives "... with the full row as its identity" "ALTER TABLE t REPLICA IDENTITY FULL; DELETE FROM t WHERE id = 0; DELETE FROM t WHERE id = -2;
    ALTER TABLE t REPLICA IDENTITY DEFAULT; $changes" "$t DELETE: id[integer]:0 $v'[0,0]' note[text]:'later'
$t DELETE: id[integer]:-2 $lost note[text]:'before'"

gives "the vectors of a heap table are decoded" "INSERT INTO h VALUES (1, '[1,2,3]'), (2, '[1,2]');
    INSERT INTO h SELECT id, v FROM t WHERE id = 10;
    INSERT INTO h SELECT 4, array_agg(0)::zvec FROM generate_series(1, 1000); $changes" \
    "table public.h: INSERT: id[integer]:1 v[zvec]:'[1,2,3]'
table public.h: INSERT: id[integer]:2 v[zvec]:'[1,2]'
table public.h: INSERT: id[integer]:10 v[zvec]:'[2,2]'
table public.h: INSERT: id[integer]:4 v[zvec]:'[$(printf '0,%.0s' {1..999})0]'"
gives "rewrites" "VACUUM FULL t; CLUSTER t USING t_pkey; ALTER TABLE t ADD n serial; ALTER TABLE t DROP n; $changes" ""
gives "... after which the full row is its identity" "ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (13, '[1,3]', 'a'), (14, '[1,4]', 'b');
    VACUUM FULL t; DELETE FROM t WHERE id = 13; ALTER TABLE t ADD n serial; DELETE FROM t WHERE id = 14; ALTER TABLE t DROP n;
    ALTER TABLE t REPLICA IDENTITY DEFAULT; SELECT * FROM zvec_check('t');
    SELECT regexp_replace(data, ' n\\[.*', '') FROM ($changes) s" \
    "$t INSERT: id[integer]:13 $v'[1,3]' note[text]:'a'
$t INSERT: id[integer]:14 $v'[1,4]' note[text]:'b'
$t DELETE: id[integer]:13 $v'[1,3]' note[text]:'a'
$t DELETE: id[integer]:14 $v'[1,4]' note[text]:'b'"
gives "rewrites in the midst of a transaction" "BEGIN; INSERT INTO t VALUES (15, '[1,5]', repeat('x', 5000)); ALTER TABLE t ADD n serial;
    INSERT INTO t VALUES (16, '[1,6]', 'b'); UPDATE t SET v = '[1,7]' WHERE id = 15; ALTER TABLE t DROP n; DELETE FROM t WHERE id = 16; DELETE FROM t WHERE id = 15; COMMIT;
    SELECT regexp_replace(replace(data, repeat('x', 5000), '5000x'), ' n\\[.*', '') FROM ($changes) s" \
    "$t INSERT: id[integer]:15 $v'[1,5]' note[text]:'5000x'
$t INSERT: id[integer]:16 $v'[1,6]' note[text]:'b'
$t UPDATE: id[integer]:15 $v'[1,7]' note[text]:unchanged-toast-datum
$t DELETE: id[integer]:16
$t DELETE: id[integer]:15"
gives "a materialised view" "CREATE MATERIALIZED VIEW view USING zvec AS SELECT id, v FROM t; CREATE UNIQUE INDEX ON view (id);
    INSERT INTO t VALUES (18, '[1,8]'); REFRESH MATERIALIZED VIEW CONCURRENTLY view; SELECT * FROM view WHERE id = 18;
    UPDATE t SET v = '[1,9]' WHERE id = 18; REFRESH MATERIALIZED VIEW CONCURRENTLY view; SELECT * FROM view WHERE id = 18;
    REFRESH MATERIALIZED VIEW view; SELECT * FROM view WHERE id = 18; SELECT * FROM zvec_check('view'); DROP MATERIALIZED VIEW view;
    DELETE FROM t WHERE id = 18; SELECT count(*) FROM ($changes) s WHERE data LIKE '$t%'" "18|[1,8]
18|[1,9]
18|[1,9]
3"
gives "a transaction that spills to disk" "INSERT INTO big SELECT i, ARRAY[i, 2, 3]::zvec FROM generate_series(1, 5000) i;
    SELECT count(*), count(DISTINCT substr(data, strpos(data, ' v[zvec]:''['))) FROM ($changes) s" "5000|5000"
gives "a transaction that is streamed while it runs" "INSERT INTO big SELECT i, '[1,2,3]' FROM generate_series(1, 5000) i;
    SELECT count(*) > 2 FROM pg_logical_slot_get_changes('d', NULL, NULL, 'stream-changes', '1')" "t"
gives "subtransactions and prepared ones" "BEGIN; INSERT INTO t VALUES (20, '[1,1]', 'a'); SAVEPOINT s;
    INSERT INTO t VALUES (21, '[1,1]', 'b'); ROLLBACK TO s; UPDATE t SET v = '[3,3]' WHERE id = 20; PREPARE TRANSACTION 'x';
    COMMIT PREPARED 'x'; $changes" \
    "$t INSERT: id[integer]:20 $v'[1,1]' note[text]:'a'
$t UPDATE: id[integer]:20 $v'[3,3]' note[text]:'a'"
# whatever was written of a row that was taken back: a deletion comes next, which has no row to put vectors into
gives "what was taken back" "BEGIN; SAVEPOINT s; INSERT INTO t VALUES (21, '[2,1]', repeat('x', 5000)); ROLLBACK TO s;
    DO \$\$ BEGIN INSERT INTO t VALUES (20, '[2,2]', repeat('x', 5000)); EXCEPTION WHEN unique_violation THEN NULL; END \$\$;
    DELETE FROM t WHERE id = 20; INSERT INTO t VALUES (20, '[3,3]', 'a'); COMMIT; $changes" \
    "$t DELETE: id[integer]:20
$t INSERT: id[integer]:20 $v'[3,3]' note[text]:'a'"
# a rival of the row appears between the look for conflicts and the index entry
gives "a speculative insertion that is lost" "CREATE TABLE s (id int, v zvec, note text) USING zvec; ALTER TABLE s ALTER note SET STORAGE EXTERNAL;
    CREATE FUNCTION make_rival(i int) RETURNS int LANGUAGE plpgsql AS \$\$ BEGIN
        IF current_setting('test.rival', true) = 'on' THEN
            PERFORM set_config('test.rival', 'off', false);
            EXECUTE format('INSERT INTO s VALUES (%s, ''[7]'', ''rival'')', i);
        END IF;
        RETURN i; END \$\$;
    CREATE FUNCTION rival(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN make_rival(i); END \$\$;
    CREATE INDEX ON s (rival(id)); CREATE UNIQUE INDEX ON s (id); SET test.rival = on;
    INSERT INTO s VALUES (1, '[1]', repeat('x', 5000)) ON CONFLICT (id) DO NOTHING;
    DELETE FROM s; $changes" \
    "table public.s: INSERT: id[integer]:1 v[zvec]:'[7]' note[text]:'rival'
table public.s: DELETE: (no-tuple-data)"
gives "... takes its text along" "SELECT count(*) FROM $(toast_of s); SELECT * FROM zvec_check('s')" "0"
gives "TRUNCATE" "TRUNCATE big; INSERT INTO big VALUES (1, '[1]'); $changes" "table public.big: TRUNCATE: (no-flags)
table public.big: INSERT: id[integer]:1 v[zvec]:'[1]'"

# more than the heap takes for a short row, with nothing that could go out of line
columns=$(for ((i = 1; i < 400; i++)); do printf ', n%d bigint NOT NULL DEFAULT %d' "$i" "$i"; done)
gives "a long row that stays in its page" "CREATE TABLE wide (id int PRIMARY KEY, v zvec$columns) USING zvec; INSERT INTO wide VALUES (1, '[1,2]'), (2, '[2]');
    UPDATE wide SET n1 = 0 WHERE id = 1; UPDATE wide SET v = '[3]' WHERE id = 2; DELETE FROM wide WHERE id = 1; VACUUM FULL wide;
    UPDATE wide SET n1 = 0; SELECT id, v FROM wide; SELECT * FROM zvec_check('wide');
    SELECT split_part(substr(data, 20), ' n2[', 1) FROM ($changes) s" "2|[3]
INSERT: id[integer]:1 v[zvec]:'[1,2]' n1[bigint]:1
INSERT: id[integer]:2 v[zvec]:'[2]' n1[bigint]:1
UPDATE: id[integer]:1 $same n1[bigint]:0
UPDATE: id[integer]:2 v[zvec]:'[3]' n1[bigint]:1
DELETE: id[integer]:1
UPDATE: id[integer]:2 $same n1[bigint]:0"
columns=$(printf ', w%d zvec' {1..120}) values=$(printf ", '[%d]'" {1..120})
row="table public.vectors: INSERT: id[integer]:1$(for i in {1..120}; do printf " w%d[zvec]:'[%d]'" "$i" "$i"; done)"
gives "many vectors in a row" "CREATE TABLE vectors (id int PRIMARY KEY$columns) USING zvec; INSERT INTO vectors VALUES (1$values);
    UPDATE vectors SET w7 = '[0]'; UPDATE vectors SET w8 = w9, w9 = w8; SELECT w7, w8, w9, w120 FROM vectors;
    SELECT * FROM zvec_check('vectors'); SELECT replace(data, 'unchanged-toast-datum', '') FROM ($changes) s" \
    "[0]|[9]|[8]|[120]
$row
$(for i in {1..120}; do printf " w%d[zvec]:" "$i"; [ "$i" != 7 ] || printf "'[0]'"; done | sed "s/^/table public.vectors: UPDATE: id[integer]:1/")
$(for i in {1..120}; do printf " w%d[zvec]:" "$i"; [ "$i" != 8 ] || printf "'[9]'"; [ "$i" != 9 ] || printf "'[8]'"; done |
        sed "s/^/table public.vectors: UPDATE: id[integer]:1/")"
gives "a vector of the most dimensions" "INSERT INTO big SELECT 0, array_agg(k)::zvec FROM generate_series(1, 16000) k;
    SELECT md5(data), length(data) FROM ($changes) s" \
    "$(printf "table public.big: INSERT: id[integer]:0 v[zvec]:'[%s]'" "$(seq -s, 16000)" | md5sum | cut -c -32)|$(printf "table public.big: INSERT: id[integer]:0 v[zvec]:'[%s]'" "$(seq -s, 16000)" | wc -c)"
# an error of the heap's, which has the row's vector in the log already
columns=$(for ((i = 1; i <= 1015; i++)); do printf ', n%d bigint' "$i"; done) values=$(printf ', %d' {1..1015}) set=$(printf ', n%d = 0' {1..1015})
gives "a row that is too long" "CREATE TABLE long (id int, v zvec$columns) USING zvec; INSERT INTO long VALUES (0);
    DO \$\$ BEGIN INSERT INTO long VALUES (1, '[1,2]'$values); EXCEPTION WHEN program_limit_exceeded THEN RAISE WARNING '%', SQLERRM; END \$\$;
    DO \$\$ BEGIN UPDATE long SET v = '[1,2]'$set; EXCEPTION WHEN program_limit_exceeded THEN RAISE WARNING '%', SQLERRM; END \$\$;
    BEGIN; SAVEPOINT a; DELETE FROM long; SELECT count(*) FROM long; SELECT * FROM zvec_check('long'); COMMIT;
    SELECT split_part(data, ' id[', 1) FROM ($changes) s" \
    "WARNING:  row is too big: size 8168, maximum size 8160
WARNING:  row is too big: size 8168, maximum size 8160
0
table public.long: INSERT:
table public.long: DELETE: (no-tuple-data)"
# a dropped column keeps its pointers
psql -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE gone (id int PRIMARY KEY, v zvec, note text) USING zvec" \
    -c "ALTER TABLE gone ALTER note SET STORAGE EXTERNAL" \
    -c "INSERT INTO gone SELECT i, ARRAY[i]::zvec, repeat('x', 3000) FROM generate_series(1, 20) i" -c "ALTER TABLE gone DROP v"
gives "a dropped vector" "UPDATE gone SET note = repeat('y', 4000) WHERE id < 4; DELETE FROM gone WHERE id IN (3, 4);
    ALTER TABLE gone REPLICA IDENTITY FULL; UPDATE gone SET note = repeat('z', 3000) WHERE id < 7; DELETE FROM gone WHERE id IN (2, 8);
    SELECT count(*), sum(id) FROM gone; SELECT count(DISTINCT chunk_id) FROM $(toast_of gone); SELECT count(*) FROM ($changes) s" "16|193
16
31"
# What is left of a dropped vector in rows leads nowhere once VACUUM has been there, and whole rows are made without it: also
# those that take values out of line along.
psql -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE whole (id int, v zvec, w zvec, note text) USING zvec" \
    -c "ALTER TABLE whole ALTER note SET STORAGE EXTERNAL" \
    -c "INSERT INTO whole SELECT i, '[1]', CASE WHEN i > 1 THEN '[2]'::zvec END, repeat('x', 3000) FROM generate_series(1, 2) i" \
    -c "ALTER TABLE whole DROP v" -c "VACUUM whole"
gives "a whole row without a dropped vector" "SELECT row_to_json(whole)->>'id', (row_to_json(whole)->>'w') FROM whole ORDER BY 1" "1|
2|[2]"
psql -X -q -v ON_ERROR_STOP=1 -c "ALTER TABLE whole DROP w" -c "VACUUM whole" -c "CREATE TABLE kept (o whole)" \
    -c "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO kept VALUES (OLD); RETURN NULL; END \$\$" \
    -c "CREATE TRIGGER keep AFTER DELETE ON whole FOR EACH ROW EXECUTE FUNCTION keep()" \
    -c "DELETE FROM whole" -c "VACUUM whole" -c "VACUUM $(toast_of whole)"
gives "a whole row that is kept" "SELECT (o).id, length((o).note) FROM kept ORDER BY 1" "1|3000
2|3000"
psql -X -q -c "DROP TABLE kept, whole" -c "$changes" >/dev/null
gives "vectors are what they were" "SELECT id, v, (SELECT count(*) FROM zvec_check('t')) FROM t ORDER BY id" "2|[1,1]|0
10|[2,2]|0
20|[3,3]|0"
gives "the slot has not stopped" "SELECT confirmed_flush_lsn > pg_current_wal_lsn() - 100000
    FROM pg_replication_slots WHERE slot_name = 'd'" "t"
# another origin's changes are left out with their vectors
gives "changes of another origin" "SELECT pg_replication_origin_create('far') > 0; SELECT pg_replication_origin_session_setup('far');
    BEGIN; INSERT INTO t VALUES (40, '[1,1]', repeat('x', 5000)); DELETE FROM t WHERE id = 40; COMMIT;
    SELECT pg_replication_origin_session_reset(); INSERT INTO t VALUES (41, '[4,1]', 'near');
    SELECT data FROM pg_logical_slot_get_changes('d', NULL, NULL, 'include-xids', 'off', 'skip-empty-xacts', 'on', 'only-local', 'on')
        WHERE data NOT IN ('BEGIN', 'COMMIT')" "t


$t INSERT: id[integer]:41 $v'[4,1]' note[text]:'near'"
if zvec_has wal2json; then
    # later minor releases have a list of the plugins that may be used
    list=$(psql -XAtc "SELECT setting FROM pg_settings WHERE name = 'output_plugin_libraries'")
    [ -z "$list" ] || psql -X -q -o /dev/null -c "ALTER SYSTEM SET output_plugin_libraries = $list, wal2json" -c "SELECT pg_reload_conf(), pg_sleep(0.5)"
    gives "wal2json" "SELECT 'made' FROM pg_create_logical_replication_slot('j', 'wal2json'); INSERT INTO t VALUES (50, '[5,1]', 'json');
        UPDATE t SET v = '[5,2]' WHERE id = 50; UPDATE t SET note = 'n' WHERE id = 50; DELETE FROM t WHERE id = 50;
        SELECT data::json ->> 'action', data::json -> 'columns' -> 1 ->> 'value', data::json -> 'identity' -> 0 ->> 'value'
        FROM pg_logical_slot_get_changes('j', NULL, NULL, 'format-version', '2', 'include-transaction', 'off');
        SELECT 'gone' FROM pg_drop_replication_slot('j'); $changes" "made
I|[5,1]|
U|[5,2]|50
U|n|50
D||50
gone
$t INSERT: id[integer]:50 $v'[5,1]' note[text]:'json'
$t UPDATE: id[integer]:50 $v'[5,2]' note[text]:'json'
$t UPDATE: id[integer]:50 $same note[text]:'n'
$t DELETE: id[integer]:50"
fi

# Decoding tells the values of a row by number, whether they are vectors or texts. Here the numbers of texts, which the server
# counts through all numbers, come by those of the slots.
if zvec_has pageinspect; then
    psql -X -q -v ON_ERROR_STOP=1 -c "CREATE EXTENSION pageinspect" -c "CREATE TABLE meet (id int, v zvec, a text, b text) USING zvec" \
        -c "ALTER TABLE meet ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL" -c "INSERT INTO meet VALUES (0, '[0]', '', '')" \
        -c "CREATE FUNCTION slot_of(stored bytea) RETURNS bigint LANGUAGE sql AS \$\$ SELECT sum(get_byte(stored, 8 + 6 + i)::bigint << (8 * i))::bigint
            FROM generate_series(0, 3) i \$\$"
    psql -X -q -o /dev/null -c "$changes"
    # the two forms of a reference, byte for byte: format.md; no row with a pointer says that it has values out of line
    psql -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE form (a int, v zvec(2), note text) USING zvec" -c "ALTER TABLE form ALTER note SET STORAGE EXTERNAL"
    oid="int4send('form'::regclass::oid::int)"
    gives "the form in the row" "INSERT INTO form VALUES (1, '[1,2]', repeat('x', 5000)); SELECT pg_drop_replication_slot('d');
        INSERT INTO form VALUES (2, '[1,2]', repeat('x', 5000)); UPDATE form SET a = 3 WHERE a = 1; UPDATE form SET v = '[3,4]' WHERE a = 3;
        SELECT CASE WHEN get_byte(t_data, 4) <> 1 THEN substr(t_data, 5, 4) ELSE substr(t_data, 5, 10) END, get_byte(t_data, 4) <> 1 OR
            substr(t_data, 19, 4) = substr($oid, 4, 1) || substr($oid, 3, 1) || substr($oid, 2, 1) || substr($oid, 1, 1), t_infomask & 4 <> 0
            FROM heap_page_items(get_raw_page('form', 0));
        SELECT a, v, length(note) FROM form; SELECT count(DISTINCT chunk_id) FROM $(toast_of form); DELETE FROM form; SELECT count(*) FROM $(toast_of form);
        SELECT 'made' FROM pg_create_logical_replication_slot('d', 'test_decoding')" "
\\x0112100000000c000000|t|f
\\x21010200|t|t
\\x0112100000000c000000|t|f
\\x21010200|t|t
2|[1,2]|5000
3|[3,4]|5000
2
0
made"
    first=$(psql -XAtc "SELECT slot_of(t_data) FROM heap_page_items(get_raw_page('meet', 0))")
    psql -X -q -o /dev/null -c "SELECT pg_drop_replication_slot('d')"
    for start in $((first - 9)) $((first + 5)) $((first + 12)); do
        zvec_stop decoding
        zvec_as_server "$ZVEC_BINDIR/pg_resetwal" -o "$start" -D "$ZVEC_SCRATCH/decoding/data" >/dev/null
        zvec_start decoding
        psql -X -q -o /dev/null -c "SELECT pg_create_logical_replication_slot('d', 'test_decoding')"
        # a slot number is left to the next row where this row's text has it
        [ "$start" -gt "$first" ] || gives "numbers meet" "BEGIN; INSERT INTO meet SELECT i, ARRAY[i]::zvec, repeat('a', 3000), repeat('b', 3000)
            FROM generate_series(1, 12) i; SELECT string_agg((slot_of(t_data) - $first)::text, ' ' ORDER BY lp)
            FROM heap_page_items(get_raw_page('meet', 0)) WHERE lp > 10; ROLLBACK" "11 10 12"
        gives "numbers meet from $((start - first)) on" "INSERT INTO meet SELECT i, ARRAY[i]::zvec, repeat('a', 3000), repeat('b', 3000) FROM generate_series(1, 15) i;
            COPY meet FROM PROGRAM 'for i in 16 17 18 19 20; do printf \"\$i\t[\$i]\t%3000d\t%3000d\n\" 7 8; done';
            UPDATE meet SET v = ARRAY[-id]::zvec, a = repeat('c', 4000) WHERE id > 0 AND id % 2 = 0; UPDATE meet SET b = repeat('d', 5000) WHERE id > 0;
            SELECT sum((v::real[])[1]) = sum(CASE WHEN id % 2 = 0 THEN -id ELSE id END), count(*) FROM meet WHERE id > 0;
            SELECT * FROM zvec_check('meet'); SELECT count(*), count(*) FILTER (WHERE replace(replace(replace(replace(replace(replace(
                data, repeat('a', 3000), 'A'), repeat('b', 3000), 'B'), repeat('c', 4000), 'C'), repeat('d', 5000), 'D'), repeat(' ', 2999) || '7', 'A'),
                repeat(' ', 2999) || '8', 'B') ~ '(INSERT: id.integer.:(\d+) v.zvec.:''\[\2\]'' a.text.:''A'' b.text.:''B''|UPDATE: id.integer.:(\d+) v.zvec.:''\[-\3\]'' a.text.:''C'' b.text.:unchanged-toast-datum|UPDATE: id.integer.:\d+ v.zvec.:(unchanged-toast-datum|''\[-?\d+\]'') a.text.:unchanged-toast-datum b.text.:''D'')$')
            FROM ($changes) s; DELETE FROM meet WHERE id > 0;
            SELECT count(*) FROM ($changes) s; SELECT 'end' FROM pg_drop_replication_slot('d')" "t|20
50|50
20
end"
    done
fi

# What no check can see: a transaction is prepared, then its table published, then it commits. Rows of before are sent when
# the plugin has learnt of the publication by another transaction.
psql -X -q -v ON_ERROR_STOP=1 -o /dev/null <<'SQL' || exit 1
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;
CREATE PUBLICATION p FOR TABLE h;
SELECT pg_create_logical_replication_slot('text', 'pgoutput'), pg_create_logical_replication_slot('binary', 'pgoutput');
BEGIN;
INSERT INTO t VALUES (30, '[1,1]', 'prepared');
PREPARE TRANSACTION 'y';
ALTER PUBLICATION p ADD TABLE t;
INSERT INTO t VALUES (31, NULL, 'no vector');
COMMIT PREPARED 'y';
INSERT INTO h VALUES (31, '[31]');
SQL
for form in text binary; do
    is_binary=$([ $form = binary ] && echo true || echo false)
    gives "published after PREPARE, as $form" "SELECT string_agg(chr(get_byte(data, 0)), '' ORDER BY n),
        count(*) FILTER (WHERE position('prepared'::bytea IN data) > 0),
        count(*) FILTER (WHERE position('unchanged-toast-datum'::bytea IN data) > 0)
        FROM pg_logical_slot_get_binary_changes('$form', NULL, NULL, 'proto_version', '1', 'publication_names', 'p',
            'binary', '$is_binary') WITH ORDINALITY d(lsn, xid, data, n)
        WHERE get_byte(data, 0) NOT IN (ascii('B'), ascii('C'), ascii('Y'))" "RIIRI|1|1"
done
said=$(psql -X -q -v VERBOSITY=sqlstate -c "SELECT 'unchanged-toast-datum'::zvec" 2>&1)
[ "$said" = "ERROR:  22P02" ]
zvec_result $? "decoding: a subscriber does not take it for a vector"
# A slot that is made while a transaction writes, which has seen none, decodes nothing of that: it waits for its end.
psql -X -q -o /dev/null -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots" -c "DROP PUBLICATION p"
psql -X -q -o /dev/null <<SQL &
BEGIN;
INSERT INTO t VALUES (60, '[6,0]');
\! touch $ZVEC_SCRATCH/writes
SELECT pg_sleep(1);
INSERT INTO t VALUES (61, '[6,1]');
COMMIT;
SQL
writer=$!
while [ ! -e "$ZVEC_SCRATCH/writes" ]; do sleep 0.1; done
gives "a slot that is made while a transaction writes" "SELECT 'made' FROM pg_create_logical_replication_slot('d', 'test_decoding');
    SELECT count(*) FROM t WHERE id IN (60, 61); INSERT INTO t VALUES (62, '[6,2]'); $changes" "made
2
$t INSERT: id[integer]:62 $v'[6,2]' note[text]:null"
wait $writer
# the pages that carry vectors through the log are replayed as they are
rows="SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t"
expected=$(psql -XAtc "$rows")
zvec_stop decoding immediate
zvec_start decoding
gives "recovery" "$rows; SELECT * FROM zvec_check('t') UNION ALL SELECT * FROM zvec_check('big') UNION ALL SELECT * FROM zvec_check('gone')" "$expected"
zvec_log_is_clean decoding
zvec_result $? "decoding: the server's log is clean"
