#!/usr/bin/env bash
# Vectors survive what moves whole databases: pg_dump and pg_restore in every format, pg_upgrade, a verified base backup
# with archive recovery. The server's own tools for checking files find nothing wrong.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin upgrade-test
. regress/crash/lib.bash
more="INSERT INTO t (id, ver, e) SELECT i, 1, v(i, 1) FROM generate_series(1001, 1100) i"
# a cluster with checksums
name=checksums-old old=$ZVEC_SCRATCH/checksums-old
crash_cluster $name "autovacuum = off" "archive_mode = on" "archive_command = 'cp %p $ZVEC_SCRATCH/archive/%f'" \
    "wal_level = replica"
zvec_result $? "upgrade: the server starts"
zvec_as_server mkdir "$ZVEC_SCRATCH/archive"

psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
INSERT INTO mt SELECT i, i % 10, 'row', i % 3 FROM generate_series(1, 400) i;
INSERT INTO t SELECT *, v(id, ver) FROM mt;
UPDATE t SET tag = tag + 1, pad = repeat(md5(id::text), 300) WHERE id % 7 = 0;
UPDATE mt SET tag = tag + 1, pad = repeat(md5(id::text), 300) WHERE id % 7 = 0;
DELETE FROM mt WHERE id % 11 = 0;
DELETE FROM t WHERE id % 11 = 0;
VACUUM t;
INSERT INTO mw SELECT i, i FROM generate_series(1, 30) i;
INSERT INTO w SELECT id, ver, v(id, ver) FROM mw;
ALTER TABLE w ADD COLUMN gone zvec(3) DEFAULT '[1,2,3]';
ALTER TABLE w DROP COLUMN gone;
CREATE TABLE several (id integer PRIMARY KEY, a zvec(3) DEFAULT '[1,2,3]', b zvec(2) NOT NULL) USING zvec;
INSERT INTO several (id, b) SELECT i, '[1,2]' FROM generate_series(1, 9) i;
ALTER TABLE several ADD COLUMN c zvec(2) DEFAULT '[7,8]';
INSERT INTO several VALUES (10, NULL, '[3,4]', '[5,6]');
CREATE TABLE smaller (id integer PRIMARY KEY, h zhalf(3), i zint8, b zbit(85)) USING zvec;
INSERT INTO smaller SELECT n, ARRAY[n, -0.1, 60000]::float8[]::zhalf, array_fill(n, ARRAY[n % 3 + 10])::zint8,
    rpad(n::bit(9)::text, 85, '10')::zbit FROM generate_series(1, 20) n;
CREATE INDEX ON smaller USING zvec_hnsw (h zhalf_cosine_ops);
CREATE INDEX ON smaller USING zvec_hnsw (b);
CREATE UNLOGGED TABLE u USING zvec AS SELECT * FROM w;
CREATE MATERIALIZED VIEW mv USING zvec AS SELECT * FROM w;
CREATE TABLE p (id integer, ver integer, e zvec) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) USING zvec;
CREATE TABLE p2 PARTITION OF p DEFAULT;
INSERT INTO p SELECT * FROM w;
CREATE VIEW everything AS
    SELECT 't' AS source, format('%s %s %s %s %s', id, tag, pad, ver, e) AS row FROM t
    UNION ALL SELECT 'w', w::text FROM w UNION ALL SELECT 'several', several::text FROM several
    UNION ALL SELECT 'smaller', smaller::text FROM smaller
    UNION ALL SELECT 'mv', mv::text FROM mv UNION ALL SELECT 'p', p::text FROM p UNION ALL SELECT 'u', u::text FROM u;
CREATE TABLE sum AS SELECT md5(string_agg(row, E'\n' ORDER BY source, row)) FROM everything;
SQL
same="SELECT md5(string_agg(row, E'\n' ORDER BY source, row)), count(*) FROM everything"
methods="SELECT string_agg(relname || ' ' || amname, ',' ORDER BY relname) FROM pg_class JOIN pg_am m ON m.oid = relam
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')"
expected=$(psql -XAtqc "$same") kinds=$(psql -XAtqc "$methods")
[ "${expected#*|}" = 514 ] && grep -q 'mv zvec,mw heap,p1 zvec,p2 heap' <<<"$kinds"
zvec_result $? "upgrade: tables to begin with"

# whole DATABASE: it has everything.
whole() {
    local PGDATABASE=$1 table
    is "$same" "$expected" && is "$methods" "$kinds" && says_nothing "SELECT problems()" &&
        for table in several smaller u mv p1; do says_nothing "SELECT zvec_check('$table')" || return 1; done
}

load() {
    psql -Xq -v ON_ERROR_STOP=1 -d "$1" -f "$dump" >/dev/null
}

for format in plain custom inserts directory; do
    createdb "$format"
    dump=$ZVEC_SCRATCH/dump.$format
    case $format in
    plain) pg_dump -f "$dump" && load $format ;;
    inserts) pg_dump --inserts --rows-per-insert=50 -f "$dump" && load $format ;;
    custom) pg_dump -Fc -f "$dump" && pg_restore --exit-on-error -d $format "$dump" ;;
    directory) pg_dump -Fd -j 2 -f "$dump" && pg_restore -j 2 --exit-on-error -d $format "$dump" ;;
    esac && whole $format
    zvec_result $? "upgrade: pg_dump and restore, $format"
    dropdb $format
done

# A base backup, verified, and recovered to a point in time from the archive.
backup=$ZVEC_SCRATCH/backup
zvec_as_server mkdir "$backup" && zvec_as_server mkdir -m 700 "$backup/socket"
zvec_as_server "$ZVEC_BINDIR/pg_basebackup" -h "$PGHOST" -p "$PGPORT" -U postgres -D "$backup/data" -c fast --no-sync &&
    zvec_as_server "$ZVEC_BINDIR/pg_verifybackup" -q "$backup/data"
zvec_result $? "upgrade: pg_basebackup and pg_verifybackup"
psql -Xq -c "UPDATE t SET ver = 4, e = v(id, 4) WHERE id < 50" -c "VACUUM FULL w" \
    -c "DELETE FROM t WHERE id > 350" -c "VACUUM t"
# an unlogged table comes empty from a backup
logged="SELECT md5(string_agg(row, E'\n' ORDER BY source, row)) FROM everything WHERE source <> 'u'"
point=$(psql -XAtqc "$logged")
psql -Xqc "SELECT pg_create_restore_point('here')" >/dev/null
psql -Xq -c "TRUNCATE t" -c "DROP TABLE w CASCADE" -c "SELECT pg_switch_wal()" >/dev/null 2>&1
psql -Xqc "CHECKPOINT"
for ((i = 0; i < 100; i++)); do
    archived=$(psql -XAtqc "SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 16777216)
                            FROM pg_stat_archiver")
    [ "$archived" != t ] || break
    sleep 0.1
done
zvec_conf backup "unix_socket_directories = '$backup/socket'" "restore_command = 'cp $ZVEC_SCRATCH/archive/%f %p'" \
    "recovery_target_name = 'here'" "recovery_target_action = promote" "archive_mode = off"
zvec_as_server touch "$backup/data/recovery.signal"
zvec_start backup
for ((i = 0; i < 100; i++)); do
    [ "$(psql -XAtqc "SELECT pg_is_in_recovery()")" != f ] || break
    sleep 0.1
done
is "$logged" "$point" && is "SELECT count(*) FROM u" 0 && says_nothing "SELECT zvec_check('t')" "SELECT zvec_check('w')" &&
    says_nothing "VACUUM" "$more" "SELECT zvec_check('t')"
zvec_result $? "upgrade: recovery to a point in time"
zvec_stop backup
crash_log_is_clean backup
zvec_result $? "upgrade: the log of the restored server is clean"

# pg_upgrade to the same version, which copies files and needs everything that --binary-upgrade writes.
zvec_use $name
psql -Xqd postgres -c "CREATE DATABASE moved"
pg_restore --exit-on-error -d moved "$ZVEC_SCRATCH/dump.custom"
whole moved
zvec_result $? "upgrade: a database to move"
# it passes tables of other access methods by, and looks at their btree indexes
if zvec_has amcheck; then
    pg_amcheck -d moved --install-missing --heapallindexed >"$ZVEC_SCRATCH/amcheck" 2>&1 ||
        { cat "$ZVEC_SCRATCH/amcheck"; false; }
    zvec_result $? "upgrade: pg_amcheck finds nothing"
fi
# The access method of tables depends on that of their vector stores, which pg_dump does not carry along: it is noted with
# the first table. Databases of before had it from the beginning.
tied="SELECT count(*) FROM pg_depend d JOIN pg_am a ON a.oid = d.objid JOIN pg_am b ON b.oid = d.refobjid
    WHERE d.classid = 'pg_am'::regclass AND d.refclassid = 'pg_am'::regclass AND a.amname = 'zvec' AND b.amname = 'zvec_segment'"
# gone DATABASE: the extension can be dropped with its tables by a session that has used neither, and leaves nothing.
gone() {
    local PGDATABASE=$1
    psql -Xq -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" -c "DROP EXTENSION pg_zvec CASCADE" &&
        is "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('w', 'several', 'mv', 'p1')" 0 &&
        is "SELECT count(*) FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid >= 16384
            AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid)" 0 &&
        is "$tied" 0
}
PGDATABASE=moved is "$tied" 1
zvec_result $? "upgrade: the access methods' dependency"
createdb aged && PGDATABASE=aged psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
INSERT INTO pg_depend SELECT 'pg_am'::regclass, a.oid, 0, 'pg_am'::regclass, b.oid, 0, 'n'
    FROM pg_am a, pg_am b WHERE a.amname = 'zvec' AND b.amname = 'zvec_segment';
CREATE TABLE w (v zvec(2)) USING zvec;
CREATE MATERIALIZED VIEW mv USING zvec AS SELECT * FROM w;
INSERT INTO w VALUES ('[1,2]');
TRUNCATE w;
INSERT INTO w VALUES ('[1,2]');
VACUUM FULL w;
SQL
PGDATABASE=aged is "$tied" 1 && PGDATABASE=aged is "SELECT * FROM w" "[1,2]" && gone aged
zvec_result $? "upgrade: a database that has the dependency from the beginning"
dropdb aged
# An index with included columns, and a collection: its tables, entries and triggers are the extension's and the owner's.
PGDATABASE=moved psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE SCHEMA later;
SET search_path = later, public;
CREATE TABLE kept (id integer, c integer, e zvec(3)) USING zvec;
INSERT INTO kept SELECT i, i % 9, ARRAY[i, i % 7, 1]::real[]::zvec FROM generate_series(1, 900) i;
CREATE INDEX kept_e ON kept USING zvec_hnsw (e) INCLUDE (c);
CREATE TABLE items (id text PRIMARY KEY, embedding float4[]);
INSERT INTO items SELECT i, ARRAY[i, 1, 1] FROM generate_series(1, 50) i;
SELECT zvec_create_collection('found', 'items', 'embedding', 3, 'l2') \g /dev/null
SELECT zvec_attach_table('found', 'items', 'id', 'embedding') \g /dev/null
SQL
# goes_on DATABASE: both are as they were, and follow changes.
goes_on() {
    local PGDATABASE=$1 some="SELECT string_agg(id::text, ',') FROM (SELECT id FROM later.kept WHERE c = 4 ORDER BY e <-> '[13,6,1]' LIMIT 3) x"
    psql -XAtqc "SET enable_seqscan = off" -c "SET enable_sort = off" -c "SET zvec.enable_exact_scan = off" \
        -c "EXPLAIN (COSTS OFF) $some" | grep -q "Included Cond: (c = 4)" &&
        is "SET enable_seqscan = off; SET enable_sort = off; SET zvec.enable_exact_scan = off; $some" "13,4,22" &&
        says_nothing "SELECT zvec_check('later.kept')" &&
        is "SELECT string_agg(pk, ',') FROM zvec_search('found', '{7.1,1,1}', 2)" "7,8" &&
        is "BEGIN; DELETE FROM later.items WHERE id = '7'; UPDATE later.items SET id = 'x' WHERE id = '8';
            SELECT string_agg(pk, ',') FROM zvec_search('found', '{7.1,1,1}', 2); ROLLBACK" "x,6"
}
goes_on moved
zvec_result $? "upgrade: an index with included columns, and a collection"
zvec_stop $name
zvec_as_server "$ZVEC_BINDIR/pg_checksums" --check -D "$old/data" >/dev/null
zvec_result $? "upgrade: pg_checksums finds nothing"
for mode in copy --link; do
    new=new${mode#copy}
    crash_init checksums-$new "autovacuum = off"
    zvec_result $? "upgrade: a cluster to move to ($mode)"
    zvec_as_server sh -c "cd '$ZVEC_SCRATCH' && exec '$ZVEC_BINDIR/pg_upgrade' -b '$ZVEC_BINDIR' -B '$ZVEC_BINDIR' \
        -d '$old/data' -D '$ZVEC_SCRATCH/checksums-$new/data' -s '$old/socket' -U postgres ${mode#copy}" \
        >"$ZVEC_SCRATCH/upgrade" 2>&1 ||
        { tail -n 30 "$ZVEC_SCRATCH/upgrade" "$ZVEC_SCRATCH/checksums-$new"/data/pg_upgrade_output.d/*/log/*.log; false; }
    zvec_result $? "upgrade: pg_upgrade ($mode)"
    zvec_start checksums-$new && whole moved &&
        PGDATABASE=moved says_nothing "DELETE FROM t WHERE id % 3 = 0" "VACUUM" "SELECT zvec_check('t')" \
            "$more" "SELECT zvec_check('t')" "SELECT id FROM t WHERE e IS DISTINCT FROM v(id, ver)" "VACUUM FULL t" \
            "SELECT zvec_check('t')" "SELECT id FROM t WHERE e IS DISTINCT FROM v(id, ver)"
    zvec_result $? "upgrade: everything is there and works ($mode)"
    goes_on moved
    zvec_result $? "upgrade: included columns and a collection go on ($mode)"
    PGDATABASE=moved is "$tied" 1 && gone moved
    zvec_result $? "upgrade: the extension can be dropped ($mode)"
    zvec_stop checksums-$new
    crash_log_is_clean checksums-$new
    zvec_result $? "upgrade: the new server's log is clean ($mode)"
done
