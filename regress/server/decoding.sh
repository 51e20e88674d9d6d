#!/usr/bin/env bash
# Logical decoding by plugins that know no publication, and of what a publication could not refuse: a vector is decoded as a
# value that is stored elsewhere, never as a wrong vector, and never with an error, which would stop the slot for good.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin decoding
zvec_start decoding "wal_level = logical" "autovacuum = off" "logical_decoding_work_mem = 64kB"
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
t="table public.t:" v="v[zvec]:'unchanged-toast-datum'"

psql -X -q -v ON_ERROR_STOP=1 -o /dev/null <<'SQL' || exit 1
CREATE EXTENSION pg_zvec;
CREATE TABLE t (id int PRIMARY KEY, v zvec(2), note text) USING zvec;
CREATE TABLE h (id int PRIMARY KEY, v zvec) USING heap;
CREATE TABLE big (id int, v zvec) USING zvec;
SELECT pg_create_logical_replication_slot('d', 'test_decoding');
SQL
gives "INSERT" "INSERT INTO t VALUES (1, '[1,2]', 'one'), (2, NULL, 'two'); $changes" \
    "$t INSERT: id[integer]:1 $v note[text]:'one'
$t INSERT: id[integer]:2 v[zvec]:null note[text]:'two'"
gives "COPY" "COPY t FROM PROGRAM 'printf \"3\t[3,4]\tthree\n4\t[5,6]\tfour\n\"'; $changes" \
    "$t INSERT: id[integer]:3 $v note[text]:'three'
$t INSERT: id[integer]:4 $v note[text]:'four'"
gives "UPDATE" "UPDATE t SET v = '[9,9]' WHERE id = 1; UPDATE t SET note = 'changed' WHERE id = 3;
    UPDATE t SET id = 5 WHERE id = 4; UPDATE t SET v = NULL WHERE id = 5; UPDATE t SET v = '[1,1]' WHERE id = 2; $changes" \
    "$t UPDATE: id[integer]:1 $v note[text]:'one'
$t UPDATE: id[integer]:3 $v note[text]:'changed'
$t UPDATE: old-key: id[integer]:4 new-tuple: id[integer]:5 $v note[text]:'four'
$t UPDATE: id[integer]:5 v[zvec]:null note[text]:'four'
$t UPDATE: id[integer]:2 $v note[text]:'two'"
gives "DELETE" "DELETE FROM t WHERE id = 1; $changes" "$t DELETE: id[integer]:1"
gives "INSERT or UPDATE" "INSERT INTO t VALUES (3, '[7,7]', 'again') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v; $changes" \
    "$t UPDATE: id[integer]:3 $v note[text]:'changed'"
gives "the full row as its identity" "ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET note = 'full' WHERE id = 3;
    DELETE FROM t WHERE id = 3; DELETE FROM t WHERE id = 5; $changes" \
    "$t UPDATE: old-key: id[integer]:3 $v note[text]:'changed' new-tuple: id[integer]:3 $v note[text]:'full'
$t DELETE: id[integer]:3 $v note[text]:'full'
$t DELETE: id[integer]:5 note[text]:'four'"
# a value of the same row that is stored elsewhere for real
gives "a large text beside a vector" "ALTER TABLE t ALTER note SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY DEFAULT;
    INSERT INTO t VALUES (10, '[1,1]', repeat('x', 5000));
    UPDATE t SET v = '[2,2]' WHERE id = 10; SELECT replace(data, repeat('x', 5000), '5000') FROM ($changes) s" \
    "$t INSERT: id[integer]:10 $v note[text]:'5000'
$t UPDATE: id[integer]:10 $v note[text]:unchanged-toast-datum"
gives "the vectors of a heap table are decoded" "INSERT INTO h VALUES (1, '[1,2,3]'), (2, '[1,2]');
    INSERT INTO h SELECT id, v FROM t WHERE id = 10;
    INSERT INTO h SELECT 4, array_agg(0)::zvec FROM generate_series(1, 1000); $changes" \
    "table public.h: INSERT: id[integer]:1 v[zvec]:'[1,2,3]'
table public.h: INSERT: id[integer]:2 v[zvec]:'[1,2]'
table public.h: INSERT: id[integer]:10 v[zvec]:'[2,2]'
table public.h: INSERT: id[integer]:4 v[zvec]:'[$(printf '0,%.0s' {1..999})0]'"
gives "rewrites" "VACUUM FULL t; CLUSTER t USING t_pkey; ALTER TABLE t ADD n serial; ALTER TABLE t DROP n; $changes" ""
gives "a transaction that spills to disk" "INSERT INTO big SELECT i, '[1,2,3]' FROM generate_series(1, 5000) i;
    SELECT count(*), count(DISTINCT substr(data, strpos(data, ' v['))) FROM ($changes) s" "5000|1"
gives "a transaction that is streamed while it runs" "INSERT INTO big SELECT i, '[1,2,3]' FROM generate_series(1, 5000) i;
    SELECT count(*) > 2 FROM pg_logical_slot_get_changes('d', NULL, NULL, 'stream-changes', '1')" "t"
gives "subtransactions and prepared ones" "BEGIN; INSERT INTO t VALUES (20, '[1,1]', 'a'); SAVEPOINT s;
    INSERT INTO t VALUES (21, '[1,1]', 'b'); ROLLBACK TO s; UPDATE t SET v = '[3,3]' WHERE id = 20; PREPARE TRANSACTION 'x';
    COMMIT PREPARED 'x'; $changes" \
    "$t INSERT: id[integer]:20 $v note[text]:'a'
$t UPDATE: id[integer]:20 $v note[text]:'a'"
gives "TRUNCATE" "TRUNCATE big; $changes" "table public.big: TRUNCATE: (no-flags)"
gives "vectors are what they were" "SELECT id, v, (SELECT count(*) FROM zvec_check('t')) FROM t ORDER BY id" "2|[1,1]|0
10|[2,2]|0
20|[3,3]|0"
gives "the slot has not stopped" "SELECT confirmed_flush_lsn > pg_current_wal_lsn() - 100000
    FROM pg_replication_slots WHERE slot_name = 'd'" "t"

# What no check can see: a transaction is prepared, then its table published, then it commits. Rows of before are sent when
# the plugin has learnt of the publication by another transaction.
psql -X -q -v ON_ERROR_STOP=1 -o /dev/null <<'SQL' || exit 1
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
zvec_log_is_clean decoding
zvec_result $? "decoding: the server's log is clean"
