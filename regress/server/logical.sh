#!/usr/bin/env bash
# Publications carry rows and no vectors: a write is refused when a row with a vector in it would be sent, and only then.
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
    said=$(psql -X -q -At -v ON_ERROR_STOP=1 <<<"$2" 2>&1)
    [ "$said" = "$3" ] || { printf 'expected: %.2000s\ngot: %.2000s\n' "$3" "$said"; false; }
    zvec_result $? "logical: $1"
}

# Slot s decodes from here on: it must not meet changes from before its publication was made.
from_here() {
    psql -X -q -c "SELECT pg_replication_slot_advance('s', pg_current_wal_lsn())" -o /dev/null
}

# What slot s sends of PUBLICATIONS: the kinds of messages, and whether any has something else than a vector in
# a vector's place.
sent() {
    echo "SELECT string_agg(chr(get_byte(data, 0)), '' ORDER BY n),
        count(*) FILTER (WHERE position('unchanged-toast-datum'::bytea IN data) > 0)
        FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', '$1')
        WITH ORDINALITY d(lsn, xid, data, n) WHERE get_byte(data, 0) NOT IN (ascii('B'), ascii('C'), ascii('Y'))"
}

psql -X -q -v ON_ERROR_STOP=1 -c "CREATE EXTENSION pg_zvec" \
    -c "CREATE TABLE t (id int PRIMARY KEY, v zvec(2)) USING zvec" \
    -c "CREATE TABLE plain (id int PRIMARY KEY, note text) USING zvec" \
    -c "INSERT INTO t VALUES (1, '[1,2]'), (2, '[3,4]')" || exit 1
gives "a table that is not published is written as ever" \
    "UPDATE t SET v = '[5,6]' WHERE id = 2; DELETE FROM t WHERE id = 1; SELECT * FROM t" "2|[5,6]"

psql -X -q -c "CREATE PUBLICATION p FOR TABLE t, plain" || exit 1
psql -X -q -c "SELECT pg_create_logical_replication_slot('s', 'pgoutput')" -o /dev/null || exit 1
refused "INSERT" "INSERT INTO t VALUES (3, '[1,1]')"
refused "INSERT of many" "INSERT INTO t SELECT i, '[1,1]' FROM generate_series(3, 9) i"
refused "INSERT or UPDATE" "INSERT INTO t VALUES (3, '[1,1]') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v"
refused "COPY" "COPY t FROM PROGRAM 'printf \"3\t[1,1]\n\"'"
refused "UPDATE" "UPDATE t SET v = '[1,1]'"
refused "UPDATE of another column" "UPDATE t SET id = 4"
gives "what was refused changed nothing" "SELECT t.*, (SELECT count(*) FROM zvec_check('t')) FROM t" "2|[5,6]|0"

# rows without a vector, and what has none to send
gives "NULL" "INSERT INTO t VALUES (3, NULL), (4, NULL); UPDATE t SET id = 5 WHERE id = 4; SELECT id FROM t ORDER BY 1" "2
3
5"
gives "COPY of NULL" "COPY t FROM PROGRAM 'printf \"6\t\\\\N\n\"'; SELECT count(*) FROM t" "4"
refused "UPDATE from NULL" "UPDATE t SET v = '[1,1]' WHERE id = 3"
gives "UPDATE to NULL, DELETE by primary key" "UPDATE t SET v = NULL WHERE id = 2; DELETE FROM t WHERE id < 5;
    SELECT id, v FROM t ORDER BY 1" "5|
6|"
gives "... and no vector is sent" "$(sent p)" "RIIUIUDD|0"
gives "TRUNCATE" "TRUNCATE t; SELECT count(*) FROM t" "0"
psql -X -q -c "ALTER PUBLICATION p DROP TABLE t" -c "INSERT INTO t VALUES (1, '[1,1]'), (2, '[2,2]')" \
    -c "ALTER PUBLICATION p ADD TABLE t" || exit 1
gives "DELETE of a vector by primary key" "DELETE FROM t WHERE id = 1; SELECT * FROM t" "2|[2,2]"
psql -X -q -c "ALTER TABLE t REPLICA IDENTITY FULL" || exit 1
refused "DELETE with the full row as its identity" "DELETE FROM t"
refused "UPDATE to NULL with the full row as its identity" "UPDATE t SET v = NULL"
gives "DELETE and UPDATE of NULL with the full row as its identity" "INSERT INTO t VALUES (3, NULL);
    UPDATE t SET id = 4 WHERE id = 3; DELETE FROM t WHERE id = 4; SELECT * FROM t" "2|[2,2]"
gives "... and no vector is sent" "$(sent p)" "RTRDRIUD|0"

# a vector column as the identity
psql -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE k (id int, v zvec(2) NOT NULL) USING zvec" \
    -c "INSERT INTO k VALUES (1, '[1,1]')" -c "CREATE UNIQUE INDEX k_v ON k (v)" \
    -c "ALTER TABLE k REPLICA IDENTITY USING INDEX k_v" -c "CREATE PUBLICATION pk FOR TABLE k" || exit 1
refused "DELETE by a vector" "DELETE FROM k"
refused "UPDATE by a vector" "UPDATE k SET id = 2"

# some actions
psql -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE a (id int PRIMARY KEY, v zvec(2)) USING zvec" \
    -c "CREATE PUBLICATION pa FOR TABLE a WITH (publish = 'delete, truncate')" || exit 1
from_here
gives "publications of deletions only" "INSERT INTO a VALUES (1, '[1,1]'), (2, '[1,1]'); UPDATE a SET v = '[2,2]'; DELETE FROM a WHERE id = 1;
    SELECT * FROM a" "2|[2,2]"
gives "... and no vector is sent" "$(sent pa)" "RD|0"
psql -X -q -c "ALTER PUBLICATION pa SET (publish = 'update')"
gives "publications of updates only" "INSERT INTO a VALUES (1, '[1,1]'); SELECT count(*) FROM a" "2"
refused "UPDATE where updates are published" "UPDATE a SET v = '[1,1]'"

# lists of columns
psql -X -q -v ON_ERROR_STOP=1 \
    -c "CREATE TABLE c (id int PRIMARY KEY, v zvec(2), b text, w zvec, g zvec(2) GENERATED ALWAYS AS (v) STORED) USING zvec" \
    -c "CREATE PUBLICATION pc FOR TABLE c (id, b)" || exit 1
writes="INSERT INTO c VALUES (1, '[1,1]', 'one', '[1]'), (2, '[2,2]', 'two', '[2]');
    COPY c (id, v, b) FROM PROGRAM 'printf \"3\t[3,3]\tthree\n\"';
    INSERT INTO c VALUES (2, '[9,9]', 'two again') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v, b = EXCLUDED.b;
    UPDATE c SET v = '[4,4]' WHERE id = 1; UPDATE c SET id = 4, w = NULL WHERE id = 3; DELETE FROM c WHERE id = 1"
from_here
gives "a list without the vectors" "$writes; SELECT * FROM c ORDER BY id" "2|[9,9]|two again|[2]|[9,9]
4|[3,3]|three||[3,3]"
gives "... and none is sent" "$(sent pc)" "RIIIUUUD|0"
psql -X -q -c "ALTER PUBLICATION pc SET TABLE c (id, b, w)"
refused "a list with one of the vectors" "INSERT INTO c VALUES (5, '[5,5]', 'five', '[5]')"
gives "... which the row does not have" "INSERT INTO c VALUES (5, '[5,5]', 'five', NULL); SELECT count(*) FROM c" "3"
gives "... and none is sent" "$(sent pc)" "RI|0"
psql -X -q -c "ALTER PUBLICATION pc SET TABLE c (id, b)" -c "CREATE PUBLICATION pc2 FOR TABLE c (b, id)"
from_here
gives "two publications with equal lists" "TRUNCATE c; $writes; SELECT count(*) FROM c" "2"
gives "... and none is sent" "$(sent pc,pc2)" "RTRIIIUUUD|0"
psql -X -q -c "CREATE PUBLICATION pc3 FOR TABLE c"
refused "one of two publications with a list" "INSERT INTO c VALUES (6, '[6,6]', 'six', '[5]')"
psql -X -q -c "DROP PUBLICATION pc3" -c "CREATE SCHEMA apart" -c "CREATE PUBLICATION pc4 FOR TABLES IN SCHEMA apart"
gives "another schema that is published" "INSERT INTO c VALUES (6, '[6,6]'); SELECT count(*) FROM c" "3"
psql -X -q -c "ALTER PUBLICATION pc4 ADD TABLES IN SCHEMA public"
refused "a schema that is published" "INSERT INTO c VALUES (7, '[7,7]')"
psql -X -q -c "DROP PUBLICATION pc4"
# a generated column is not published
psql -X -q -c "CREATE TABLE g (id int PRIMARY KEY, b real[], v zvec GENERATED ALWAYS AS (b::zvec) STORED) USING zvec" \
    -c "CREATE PUBLICATION pg FOR TABLE g"
from_here
gives "a generated vector" "INSERT INTO g VALUES (1, '{1,2}'); UPDATE g SET b = '{3,4}'; SELECT * FROM g" "1|{3,4}|[3,4]"
gives "... and it is not sent" "$(sent pg)" "RIU|0"
# but for where that is asked for, which PostgreSQL 18 knows
if [ "$(zvec_version)" -ge 18 ]; then
    psql -X -q -c "ALTER PUBLICATION pg SET (publish_generated_columns = stored)"
    refused "a generated vector where generated columns are published" "INSERT INTO g VALUES (2, '{1,2}')"
    psql -X -q -c "ALTER PUBLICATION pg SET TABLE g (id, b)"
    gives "... but for where a list has it not" "INSERT INTO g VALUES (3, '{1,2}'); SELECT id, v FROM g ORDER BY 1" "1|[3,4]
3|[1,2]"
    psql -X -q -c "ALTER PUBLICATION pg SET (publish_generated_columns = none)" -c "ALTER PUBLICATION pg SET TABLE g (id, v)"
    refused "a generated vector in a list" "INSERT INTO g VALUES (4, '{1,2}')"
    psql -X -q -c "ALTER PUBLICATION pg SET TABLE g"
    gives "a generated vector that is published no more" "DELETE FROM g WHERE id = 3; SELECT count(*) FROM g" "1"
fi

# partitions: sent as rows of their own, or of the table that they are partitions of
psql -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE r (v zvec(2), id int PRIMARY KEY, b text) PARTITION BY RANGE (id)" \
    -c "CREATE TABLE r1 (b text, gone int, id int NOT NULL, v zvec(2)) USING zvec" -c "ALTER TABLE r1 DROP gone" \
    -c "ALTER TABLE r ATTACH PARTITION r1 FOR VALUES FROM (0) TO (10)" \
    -c "CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20) USING zvec" \
    -c "CREATE PUBLICATION pr FOR TABLE r (id, b) WITH (publish_via_partition_root)" || exit 1
writes="INSERT INTO r (id, v, b) VALUES (1, '[1,1]', 'one'), (11, '[2,2]', 'two'), (2, '[3,3]', 'three');
    UPDATE r SET v = '[4,4]' WHERE id = 1; DELETE FROM r WHERE id = 11; UPDATE r SET id = 12 WHERE id = 2"
from_here
gives "a list for the root, which partitions are sent as" "$writes; SELECT id, v FROM r ORDER BY id" "1|[4,4]
12|[3,3]"
gives "... and no vector is sent" "$(sent pr)" "RRIRRIIUDDI|0"
psql -X -q -c "ALTER PUBLICATION pr SET TABLE r"
refused "all columns of the root" "INSERT INTO r (id, v, b) VALUES (3, '[1,1]', 'one')"
psql -X -q -c "ALTER PUBLICATION pr SET (publish_via_partition_root = false)"
refused "all columns of the root, partitions being sent as their own" "INSERT INTO r (id, v, b) VALUES (3, '[1,1]', 'one')"
psql -X -q -c "ALTER PUBLICATION pr SET TABLE r1 (id, b)"
gives "a list for one partition" "INSERT INTO r (id, v, b) VALUES (3, '[1,1]', 'one'), (13, '[1,1]', 'one'); SELECT count(*) FROM r" "4"
gives "... and no vector is sent" "$(sent pr)" "RI|0"
psql -X -q -c "ALTER PUBLICATION pr SET TABLE r1 (id, b), r2"
refused "... and all columns of another" "INSERT INTO r (id, v, b) VALUES (4, '[1,1]', 'one'), (14, '[1,1]', 'one')"
psql -X -q -c "DROP PUBLICATION pr"

from_here
gives "a published table without vectors is written" "INSERT INTO plain VALUES (1, 'one'); SELECT * FROM plain" "1|one"
gives "... and decoded" "$(sent p)" "RI|0"
psql -X -q -c "ALTER PUBLICATION p DROP TABLE t" -c "ALTER TABLE t REPLICA IDENTITY DEFAULT" || exit 1
gives "written again once it is not published" "INSERT INTO t VALUES (7, '[7,7]'); SELECT count(*) FROM t" "2"

# A publication that others make while a transaction writes: `meanwhile` is done before what follows it.
# during NAME SQL MEANWHILE SQL EXPECTED
during() {
    local said
    said=$(printf '%s;\n\\! psql -Xqc "%s"\n%s\n' "$2" "$3" "$4" | psql -X -q -At -v VERBOSITY=sqlstate 2>&1)
    [ "$said" = "$5" ] || { printf 'expected: %s\ngot: %s\n' "$5" "$said"; false; }
    zvec_result $? "logical: $1"
}
during "published between write and commit" "BEGIN; INSERT INTO t VALUES (21, '[2,1]')" "ALTER PUBLICATION p ADD TABLE t" \
    "COMMIT; SELECT id FROM t WHERE id = 21" "ERROR:  0A000"
during "published between write and PREPARE" "ALTER PUBLICATION p DROP TABLE t; BEGIN; INSERT INTO t VALUES (21, '[2,1]')" \
    "ALTER PUBLICATION p ADD TABLE t" "PREPARE TRANSACTION 'x'; SELECT id FROM t WHERE id = 21" "ERROR:  0A000"
during "published with a list between write and commit" \
    "ALTER PUBLICATION p DROP TABLE t; BEGIN; INSERT INTO t VALUES (21, '[2,1]')" \
    "ALTER PUBLICATION p ADD TABLE t (id)" "COMMIT; SELECT id FROM t WHERE id = 21; DELETE FROM t WHERE id = 21" "21"
during "published between write and rollback" "ALTER PUBLICATION p DROP TABLE t; BEGIN; INSERT INTO t VALUES (21, '[2,1]')" \
    "ALTER PUBLICATION p ADD TABLE t" "ROLLBACK; SELECT id FROM t WHERE id = 21" ""
during "dropped after a write, and something else published" \
    "ALTER PUBLICATION p DROP TABLE t; BEGIN; INSERT INTO t VALUES (21, '[2,1]'); CREATE TABLE d (v zvec) USING zvec; INSERT INTO d VALUES ('[1]'); DROP TABLE d" \
    "ALTER PUBLICATION p ADD TABLE apart.x" "COMMIT; DELETE FROM t WHERE id = 21 RETURNING id" "ERROR:  relation \"apart.x\" does not exist
21"
# in the midst of one statement
psql -X -q <<SQL
CREATE FUNCTION meanwhile(i int, what text) RETURNS zvec LANGUAGE plpgsql AS \$\$
BEGIN
    IF i = 500 THEN
        EXECUTE format('COPY (SELECT) TO PROGRAM %L', format('psql -Xq -h $PGHOST -p $PGPORT -U postgres -d postgres -c "%s"', what));
    END IF;
    RETURN ARRAY[i, i]::zvec;
END \$\$;
SQL
refused "published during a statement" \
    "INSERT INTO t SELECT i, meanwhile(i, 'ALTER PUBLICATION p ADD TABLE t') FROM generate_series(101, 1100) i"
gives "... which changed nothing" "SELECT count(*), (SELECT count(*) FROM zvec_check('t')) FROM t" "2|0"
psql -X -q -c "ALTER PUBLICATION p DROP TABLE t"
# what a transaction publishes itself it may have written before: that is not sent
from_here
gives "... after it wrote" "BEGIN; INSERT INTO t VALUES (22, '[2,2]'); ALTER PUBLICATION p ADD TABLE t;
    CREATE PUBLICATION p2 FOR TABLES IN SCHEMA public; COMMIT; SELECT id FROM t WHERE id = 22" "22"
gives "... is not sent" "$(sent p)" "|0"
refused "... before it writes" "BEGIN; DROP PUBLICATION p2; ALTER PUBLICATION p DROP TABLE t; ALTER PUBLICATION p ADD TABLE t;
    INSERT INTO t VALUES (23, '[2,2]'); COMMIT"
psql -X -q -c "DROP PUBLICATION p2" -c "ALTER PUBLICATION p DROP TABLE t" -c "DROP TABLE g, k, a, r"

psql -X -q -c "CREATE PUBLICATION everything FOR ALL TABLES" || exit 1
refused "INSERT where all tables are published" "INSERT INTO t VALUES (8, '[8,8]')"
gives "a rewrite of a table that is published" "DELETE FROM t WHERE id = 22; ALTER TABLE t ADD COLUMN n serial; SELECT * FROM t ORDER BY id" "2|[2,2]|1
7|[7,7]|2"
gives "a conversion into a zvec table" "CREATE TABLE heap (id int, v zvec(2)); INSERT INTO heap VALUES (1, '[1,2]');
    ALTER TABLE heap SET ACCESS METHOD zvec; SELECT * FROM heap" "1|[1,2]"
gives "a materialised view" "CREATE MATERIALIZED VIEW m USING zvec AS SELECT id, v FROM t; REFRESH MATERIALIZED VIEW m;
    SELECT * FROM m ORDER BY id" "2|[2,2]
7|[7,7]"
gives "a materialised view refreshed concurrently" "CREATE UNIQUE INDEX ON m (id);
    REFRESH MATERIALIZED VIEW CONCURRENTLY m; SELECT count(*) FROM m" "2"
refused "INSERT into a table after its conversion" "INSERT INTO heap VALUES (2, '[8,8]')"
from_here
psql -X -q -c "BEGIN; ALTER TABLE t ADD COLUMN m serial; INSERT INTO plain VALUES (2, 'two'); COMMIT"
# a rewritten row would be decoded as an insert
gives "... which decoding passes by" "$(sent everything)" "RI|0"
gives "an unlogged table is never published" "CREATE UNLOGGED TABLE u (v zvec(1)) USING zvec;
    INSERT INTO u VALUES ('[1]'); SELECT * FROM u" "[1]"

# a subscriber in another database: to a list of columns, and a zvec table that gets the vectors of a heap table
psql -X -q -v ON_ERROR_STOP=1 -c "DROP PUBLICATION everything" -c "TRUNCATE c" \
    -c "INSERT INTO c SELECT i, '[1,1]', i FROM generate_series(1, 100) i" -c "CREATE DATABASE there" \
    -c "CREATE TABLE hv (id int PRIMARY KEY, v zvec) USING heap" -c "ALTER PUBLICATION pc ADD TABLE hv" \
    -c "INSERT INTO hv SELECT i, ARRAY[i, i % 3]::zvec FROM generate_series(1, 100) i" \
    -c "SELECT pg_create_logical_replication_slot('there', 'pgoutput')" -o /dev/null &&
    psql -X -q -v ON_ERROR_STOP=1 -d there -c "CREATE EXTENSION pg_zvec" \
        -c "CREATE TABLE c (id int PRIMARY KEY, b text)" -c "CREATE TABLE hv (id int, v zvec(2)) USING zvec" \
        -c "ALTER TABLE hv ADD PRIMARY KEY (id)" -c "CREATE INDEX ON hv USING zvec_flat (v)" -c "CREATE SUBSCRIPTION there
        CONNECTION 'host=$PGHOST port=$PGPORT dbname=postgres user=postgres' PUBLICATION pc WITH (create_slot = false, slot_name = there)"
zvec_result $? "logical: a subscription to a list of columns"
psql -X -q -c "INSERT INTO c VALUES (101, '[1,1]', 'more')" -c "UPDATE c SET v = '[2,2]', b = 'changed' WHERE id = 1" \
    -c "UPDATE c SET id = 102 WHERE id = 2" -c "DELETE FROM c WHERE id = 3"
psql -X -q -c "INSERT INTO hv SELECT i, ARRAY[i, i]::zvec FROM generate_series(101, 150) i" \
    -c "UPDATE hv SET v = '[-1,-1]' WHERE id % 10 = 0" -c "UPDATE hv SET id = -id WHERE id % 7 = 0" -c "UPDATE hv SET v = NULL WHERE id = 11" \
    -c "ALTER TABLE hv REPLICA IDENTITY FULL" -c "UPDATE hv SET v = v + '[1,0]' WHERE id % 9 = 0" -c "DELETE FROM hv WHERE id % 4 = 0"
state="SELECT (SELECT count(*) || ' ' || md5(string_agg(id || coalesce(b, '-'), ',' ORDER BY id)) FROM c) || ' ' ||
    (SELECT count(*) || ' ' || md5(string_agg(id || coalesce(v::text, '-'), ',' ORDER BY id)) FROM hv)"
expected=$(psql -XAtq -c "$state")
for ((i = 0; i < 300; i++)); do
    found=$(psql -XAtq -d there -c "$state")
    [ "$found" != "$expected" ] || break
    sleep 0.1
done
[ "$found" = "$expected" ] && grep -q '^100 .* 113 ' <<<"$found" || { printf 'here: %s\nthere: %s\n' "$expected" "$found"; false; }
zvec_result $? "logical: ... has all rows, and a zvec table of it all vectors"
PGDATABASE=there gives "... where they belong" "SELECT * FROM zvec_check('hv')" ""
psql -X -q -d there -c "DROP SUBSCRIPTION there" 2>/dev/null
zvec_log_is_clean logical
zvec_result $? "logical: the server's log is clean"
