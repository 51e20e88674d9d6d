#!/usr/bin/env bash
# Logical decoding carries rows and no vectors: writes that would be published are refused, and a plugin that reads a
# zvec table from WAL gets an error, never a wrong vector.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin logical
zvec_start logical "wal_level = logical" "autovacuum = off" || exit 1

# refused NAME SQL: the statement fails with feature_not_supported.
refused() {
    local said
    said=$(psql -X -q -v VERBOSITY=sqlstate -c "$2" 2>&1)
    [ "$said" = "ERROR:  0A000" ] || { echo "$said"; false; }
    zvec_result $? "logical: refused: $1"
}

# gives NAME SQL EXPECTED
gives() {
    local said
    said=$(psql -X -q -At -v ON_ERROR_STOP=1 -c "$2" 2>&1)
    [ "$said" = "$3" ] || { printf 'expected: %s\ngot: %s\n' "$3" "$said"; false; }
    zvec_result $? "logical: $1"
}

psql -X -q -v ON_ERROR_STOP=1 -c "CREATE EXTENSION pg_zvec" \
    -c "CREATE TABLE t (id int PRIMARY KEY, v zvec(2)) USING zvec" \
    -c "CREATE TABLE plain (id int PRIMARY KEY, note text) USING zvec" \
    -c "INSERT INTO t VALUES (1, '[1,2]'), (2, '[3,4]')" || exit 1
gives "a table that is not published is written as ever" \
    "UPDATE t SET v = '[5,6]' WHERE id = 2; DELETE FROM t WHERE id = 1; SELECT * FROM t" "2|[5,6]"

psql -X -q -c "CREATE PUBLICATION p FOR TABLE t, plain" || exit 1
refused "INSERT" "INSERT INTO t VALUES (3, '[1,1]')"
refused "COPY" "COPY t FROM PROGRAM 'printf \"3\t[1,1]\n\"'"
refused "UPDATE" "UPDATE t SET v = '[1,1]'"
refused "UPDATE of another column" "UPDATE t SET id = 4"
refused "DELETE" "DELETE FROM t"
gives "what was refused changed nothing" "SELECT t.*, (SELECT count(*) FROM zvec_check('t')) FROM t" "2|[5,6]|0"

psql -X -q -c "SELECT pg_create_logical_replication_slot('s', 'pgoutput')" \
    -c "SELECT pg_create_logical_replication_slot('d', 'test_decoding')" -o /dev/null || exit 1
gives "a published table without vectors is written" "INSERT INTO plain VALUES (1, 'one'); SELECT * FROM plain" "1|one"
gives "... and decoded" "SELECT count(*) > 0 FROM pg_logical_slot_get_binary_changes('s', NULL, NULL,
    'proto_version', '1', 'publication_names', 'p')" "t"
gives "... by any plugin" "SELECT count(*) FROM pg_logical_slot_get_changes('d', NULL, NULL)
    WHERE data LIKE 'table public.plain: INSERT: id[integer]:1 note[text]:''one'''" "1"

psql -X -q -c "ALTER PUBLICATION p DROP TABLE t" || exit 1
gives "written again once it is not published" "INSERT INTO t VALUES (7, '[7,7]'); SELECT count(*) FROM t" "2"
refused "decoding a vector" "SELECT * FROM pg_logical_slot_get_changes('d', NULL, NULL)"
psql -X -q -c "CREATE PUBLICATION everything FOR ALL TABLES" || exit 1
refused "INSERT where all tables are published" "INSERT INTO t VALUES (8, '[8,8]')"
gives "a rewrite of a table that is published" "ALTER TABLE t ADD COLUMN n serial; SELECT * FROM t ORDER BY id" "2|[5,6]|1
7|[7,7]|2"
gives "a conversion into a zvec table" "CREATE TABLE heap (id int, v zvec(2)); INSERT INTO heap VALUES (1, '[1,2]');
    ALTER TABLE heap SET ACCESS METHOD zvec; SELECT * FROM heap" "1|[1,2]"
gives "a materialised view" "CREATE MATERIALIZED VIEW m USING zvec AS SELECT id, v FROM t; REFRESH MATERIALIZED VIEW m;
    SELECT * FROM m ORDER BY id" "2|[5,6]
7|[7,7]"
gives "a materialised view refreshed concurrently" "CREATE UNIQUE INDEX ON m (id);
    REFRESH MATERIALIZED VIEW CONCURRENTLY m; SELECT count(*) FROM m" "2"
refused "INSERT into a table after its conversion" "INSERT INTO heap VALUES (2, '[8,8]')"
psql -X -q -c "SELECT pg_replication_slot_advance('s', pg_current_wal_lsn())" -o /dev/null
psql -X -q -c "BEGIN; ALTER TABLE t ADD COLUMN m serial; INSERT INTO plain VALUES (2, 'two'); COMMIT"
# a rewritten row would be decoded as an insert
gives "... which decoding passes by" "SELECT string_agg(chr(get_byte(data, 0)), '') FROM
    pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'everything')" "BRIC"
gives "an unlogged table is never published" "CREATE UNLOGGED TABLE u (v zvec(1)) USING zvec;
    INSERT INTO u VALUES ('[1]'); SELECT * FROM u" "[1]"
zvec_log_is_clean logical
zvec_result $? "logical: the server's log is clean"
