#!/usr/bin/env bash
# Collections: the printed example in an empty database; dump and restore by several jobs; two-phase commit and crashes; a standby;
# a subscriber; many sessions at once.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin collections
zvec_start main "wal_level = logical" "autovacuum = off" || exit 1
ok() { zvec_result $? "collections: $1"; }
q() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
# what a collection has beside its table, in database $1
differences() {
    q -d "$1" -c "SELECT coalesce(s.id::text, c.key) FROM $2 AS s FULL JOIN zvec_collection.$3 AS c ON c.key = s.id::text
        WHERE (c.key IS NULL) <> (s.e IS NULL) OR s.id IS NULL OR c.vector <> s.e::zvec"
}
same() { [ -z "$(differences "$@")" ]; }

# as printed
createdb example
cat >"$ZVEC_SCRATCH/example.sql" <<'END'
CREATE EXTENSION pg_zvec;
CREATE TABLE items (id text PRIMARY KEY, embedding float4[]);
SELECT zvec_create_collection('items_idx', 'items', 'embedding', 1536,
       'cosine', 'hnsw', '{"m":16,"ef_construction":200}');
SELECT zvec_attach_table('items_idx', 'items', 'id', 'embedding');
INSERT INTO items VALUES ('doc1', array_fill(0.1::float4, ARRAY[1536]));
SELECT * FROM zvec_search('items_idx', array_fill(0.1::float4, ARRAY[1536]), 10);
END
[ "$(q -d example -f "$ZVEC_SCRATCH/example.sql" | tail -1)" = "doc1|0" ]
ok "the printed example"

# dump and restore
q -d example >/dev/null <<'END'
CREATE ROLE keeper;
CREATE SCHEMA "Other";
GRANT USAGE ON SCHEMA "Other" TO keeper;
CREATE TABLE "Other"."T ä" (gone int, id int PRIMARY KEY, e float4[]);
ALTER TABLE "Other"."T ä" DROP COLUMN gone;
INSERT INTO "Other"."T ä" SELECT i, ARRAY[i, i % 7, 1] FROM generate_series(1, 3000) i;
SELECT zvec_create_collection('of t', '"Other"."T ä"', 'e', 3, 'l2') \g /dev/null
SELECT zvec_attach_table('of t', '"Other"."T ä"', 'id', 'e') \g /dev/null
ALTER TABLE "Other"."T ä" OWNER TO keeper;
CREATE TABLE p (id int PRIMARY KEY, e float4[]) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
INSERT INTO p SELECT i, ARRAY[i, i % 7, 1] FROM generate_series(1, 199) i;
SELECT zvec_create_collection('p', 'p', 'e', 3, 'ip', 'flat'), zvec_attach_table('p', 'p', 'id', 'e');
SELECT zvec_create_collection('waiting', 'p', 'e', 3);
END
pg_dump -Fc -f "$ZVEC_SCRATCH/dump" example && createdb restored && createdb cleaned &&
    pg_restore -j4 --exit-on-error -d restored "$ZVEC_SCRATCH/dump" 2>"$ZVEC_SCRATCH/restore.err"
ok "a dump is restored by four jobs"
[ ! -s "$ZVEC_SCRATCH/restore.err" ] || { cat "$ZVEC_SCRATCH/restore.err"; false; }
ok "without a complaint"
all="SELECT * FROM zvec_collections ORDER BY name"
[ -n "$(q -d restored -c "$all")" ] && [ "$(q -d restored -c "$all")" = "$(q -d example -c "$all")" ]
ok "all collections are there again"
triggers="SELECT tgrelid::regclass::text, tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
[ "$(q -d restored -c "$triggers")" = "$(q -d example -c "$triggers")" ]
ok "and all triggers"
same restored '"Other"."T ä"' '"of t"' && same restored p p
ok "with all entries"
[ "$(q -d restored -c "SELECT pk FROM zvec_search('items_idx', array_fill(0.1::float4, ARRAY[1536]), 10)")" = doc1 ] &&
    [ "$(q -d restored -c "SELECT pk FROM zvec_search('of t', '{77,0,1}', 1)")" = 77 ]
ok "they are searched"
q -d restored >/dev/null <<'END' && same restored '"Other"."T ä"' '"of t"' && same restored p p
UPDATE "Other"."T ä" SET id = id + 10000, e = e || '{}'::float4[] WHERE id % 3 = 0;
ALTER TABLE "Other"."T ä" RENAME COLUMN id TO number;
DELETE FROM "Other"."T ä" WHERE number < 100;
ALTER TABLE "Other"."T ä" RENAME COLUMN number TO id;
INSERT INTO p1 VALUES (0, '{1,1,1}');
UPDATE p SET id = 150 + id WHERE id < 10 AND id + 150 NOT IN (SELECT id FROM p);
DELETE FROM p2 WHERE id = 155;
SET ROLE keeper;
SET search_path = "Other", public;
SELECT zvec_optimize('of t');
END
ok "and follow their tables"
# a second time over the same: the restore drops first
pg_dump -Fc --clean -f "$ZVEC_SCRATCH/dump2" restored && pg_restore -d cleaned "$ZVEC_SCRATCH/dump" &&
    pg_restore --clean --if-exists -d cleaned "$ZVEC_SCRATCH/dump2" 2>"$ZVEC_SCRATCH/clean.err"
[ "$(q -d cleaned -c "$all")" = "$(q -d restored -c "$all")" ] && same cleaned '"Other"."T ä"' '"of t"' && same cleaned p p
ok "a dump is restored over another"
# the owner of a database dumps and restores what is theirs, and can enter nothing else into the catalog
q -d postgres -c 'CREATE ROLE tenant LOGIN' -c 'CREATE ROLE neighbour LOGIN' -c 'CREATE DATABASE house OWNER tenant' \
    -c 'CREATE DATABASE moved OWNER tenant' -c 'CREATE DATABASE taken OWNER tenant'
q -U tenant -d house >/dev/null <<'END'
CREATE EXTENSION pg_zvec;
CREATE TABLE t (id int PRIMARY KEY, e float4[]);
INSERT INTO t SELECT i, ARRAY[i, i % 7, 1] FROM generate_series(1, 500) i;
SELECT zvec_create_collection('t', 't', 'e', 3, 'l2'), zvec_attach_table('t', 't', 'id', 'e');
CREATE TABLE p (id int PRIMARY KEY, e float4[]) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
INSERT INTO p SELECT i, ARRAY[i, i % 7, 1] FROM generate_series(1, 99) i;
SELECT zvec_create_collection('p', 'p', 'e', 3, 'ip', 'flat'), zvec_attach_table('p', 'p', 'id', 'e');
END
pg_dump -U tenant -Fc -f "$ZVEC_SCRATCH/house" house &&
    pg_restore -U tenant -j4 --exit-on-error -d moved "$ZVEC_SCRATCH/house" 2>"$ZVEC_SCRATCH/moved.err" && [ ! -s "$ZVEC_SCRATCH/moved.err" ] ||
    { cat "$ZVEC_SCRATCH/moved.err"; false; }
ok "the owner of a database restores their dump"
q -U tenant -d moved -c "INSERT INTO t VALUES (1000, '{1000,1,1}')" -c "DELETE FROM p1 WHERE id < 10" &&
    [ "$(q -U tenant -d moved -c "$all")" = "$(q -U tenant -d house -c "$all")" ] && same moved t t && same moved p p &&
    [ "$(q -U tenant -d moved -c "$triggers")" = "$(q -U tenant -d house -c "$triggers")" ] &&
    [ "$(q -U tenant -d moved -c "SELECT pk FROM zvec_search('t', '{1000,0,1}', 1)")" = 1000 ]
ok "and its collections follow"
# of others' tables too, where they all become one's own
q -d moved -c 'CREATE SCHEMA theirs' -c 'CREATE TABLE theirs.t (id int PRIMARY KEY, e float4[])' \
    -c "SELECT zvec_create_collection('theirs', 'theirs.t', 'e', 3), zvec_attach_table('theirs', 'theirs.t', 'id', 'e')" \
    -c 'GRANT USAGE ON SCHEMA theirs TO neighbour, tenant' -c "ALTER TABLE theirs.t OWNER TO neighbour" \
    -c "INSERT INTO theirs.t VALUES (1, '{1,2,3}')" >/dev/null
pg_dump -Fc --no-acl -f "$ZVEC_SCRATCH/mixed" moved &&
    pg_restore -U tenant -j4 --no-owner --exit-on-error -d taken "$ZVEC_SCRATCH/mixed" &&
    [ "$(q -d taken -c "SELECT DISTINCT owner FROM zvec_collections")" = tenant ] && same taken theirs.t theirs && same taken p p
ok "others' collections become theirs with --no-owner"
q -U tenant -d moved >/dev/null <<'END'
CREATE TABLE zvec_collection.made (key text PRIMARY KEY, vector zvec(3) NOT NULL) USING zvec;
CREATE TABLE zvec_collection.heap (key text PRIMARY KEY, vector zvec(3) NOT NULL) USING heap;
CREATE TABLE made (key text PRIMARY KEY, vector zvec(3) NOT NULL) USING zvec;
CREATE VIEW seen AS SELECT 1 AS id;
END
# enters NAME COLLECTION SOURCE [METRIC] [INDEX TYPE], as $user: what is complained of
user=tenant
enters() {
    psql -XAtq -v VERBOSITY=sqlstate -U "$user" -d moved 2>&1 -c "INSERT INTO zvec_collection_catalog
        (name, collection, source, vector_column, metric, index_type) VALUES ('$1', '$2', '$3', 'e', '${4:-l2}', '${5:-flat}')"
}
refused=$(enters a zvec_collection.made theirs.t; enters a zvec_collection.theirs t; enters a zvec_collection.theirs theirs.t
    enters a zvec_collection.heap t; enters a made t; enters a pg_class t; enters a zvec_collection.made pg_class
    enters a zvec_collection.made seen; enters a zvec_collection.made 1; enters a zvec_collection.t t
    enters t zvec_collection.made t; enters a zvec_collection.made t 'l2_ops); DROP' ; enters a zvec_collection.made t l2 'flat ON x'
    user=neighbour; enters a zvec_collection.theirs theirs.t)
expected=$(printf 'ERROR: %s ' 42501 42501 42501 42501 42501 42501 42501 42501 42501 42501 23505 23514 23514 42501)
# shellcheck disable=SC2086,SC2116 # lines become words
[ "$(echo $refused) " = "$expected" ] || { echo "$refused"; false; }
ok "and enters nothing that is not theirs"
psql -XAtq -v VERBOSITY=sqlstate -U tenant -d moved -c "UPDATE zvec_collection_catalog SET name = 'b'" \
    -c "DELETE FROM zvec_collection_catalog" -c "ALTER TABLE zvec_collection_catalog DISABLE TRIGGER ALL" \
    -c "TRUNCATE zvec_collection_catalog" >"$ZVEC_SCRATCH/rights" 2>&1
[ "$(tr '\n' ' ' <"$ZVEC_SCRATCH/rights")" = "ERROR:  42501 ERROR:  42501 ERROR:  42501 ERROR:  42501 " ] || { cat "$ZVEC_SCRATCH/rights"; false; }
ok "nor changes what is there"
[ -z "$(enters made zvec_collection.made t)" ] && q -U tenant -d moved -c 'DROP TABLE t' &&
    [ "$(q -d moved -c "SELECT string_agg(name, ' ' ORDER BY name) FROM zvec_collections")" = "p theirs" ] &&
    [ "$(q -d moved -c "SELECT to_regclass('zvec_collection.made'), to_regclass('zvec_collection.theirs')")" = "|zvec_collection.theirs" ]
ok "what they have entered goes with its table"
# a dump of what is turned off
q -U tenant -d taken -c "ALTER TABLE p DISABLE TRIGGER USER" -c "DELETE FROM p WHERE id < 20" 2>/dev/null
createdb -O tenant off && pg_dump -U tenant -Fc -f "$ZVEC_SCRATCH/off" taken &&
    pg_restore -U tenant -j4 --exit-on-error -d off "$ZVEC_SCRATCH/off" &&
    [ "$(q -d off -c "SELECT follows FROM zvec_collections WHERE name = 'p'")" = f ] && [ -n "$(differences off p p)" ] &&
    q -U tenant -d off -c "ALTER TABLE p ENABLE TRIGGER USER" && same off p p &&
    [ "$(q -d off -c "SELECT follows FROM zvec_collections WHERE name = 'p'")" = t ]
ok "what is disabled when it is dumped is, when it is restored"
# rows alone, with triggers disabled, as pg_dump writes them
q -d house -c "$triggers" >"$ZVEC_SCRATCH/before"
pg_dump -a --disable-triggers -t t -t p1 house >"$ZVEC_SCRATCH/rows.sql" && grep -q 'DISABLE TRIGGER ALL' "$ZVEC_SCRATCH/rows.sql" &&
    q -d house -c 'DELETE FROM t; DELETE FROM p1' && q -d house -f "$ZVEC_SCRATCH/rows.sql" >/dev/null 2>&1 &&
    [ "$(q -d house -c 'SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM p)')" = "500|99" ] && same house t t && same house p p &&
    q -d house -c "$triggers" | diff "$ZVEC_SCRATCH/before" -
ok "rows that pg_dump writes with triggers disabled are followed"

rows=$(q -d restored -c 'SELECT count(*) FROM p')
left="SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal), to_regnamespace('zvec_collection')"
q -d restored -c 'SET client_min_messages = error; DROP EXTENSION pg_zvec CASCADE' && [ "$(q -d restored -c "$left")" = "$rows|0|" ]
ok "DROP EXTENSION leaves the tables without triggers"

# two phases, and a crash between them
q -d example <<'END'
BEGIN; INSERT INTO "Other"."T ä" VALUES (9001, '{9001,0,1}'); PREPARE TRANSACTION 'kept';
BEGIN; DELETE FROM "Other"."T ä" WHERE id = 5; PREPARE TRANSACTION 'dropped';
END
zvec_stop main immediate
zvec_start main
[ "$(q -d example -c "SELECT pk FROM zvec_search('of t', '{9001,0,1}', 1)")" = 3000 ] &&
    q -d example -c "COMMIT PREPARED 'kept'" && q -d example -c "ROLLBACK PREPARED 'dropped'" &&
    [ "$(q -d example -c "SELECT pk FROM zvec_search('of t', '{9001,0,1}', 1)")" = 9001 ] &&
    [ "$(q -d example -c "SELECT pk FROM zvec_search('of t', '{5,5,1}', 1)")" = 5 ] && same example '"Other"."T ä"' '"of t"'
ok "two-phase commit, across a crash"

# changes that are applied from another database
createdb subscriber
q -d subscriber >/dev/null <<'END'
CREATE EXTENSION pg_zvec;
CREATE SCHEMA "Other";
CREATE TABLE "Other"."T ä" (id int PRIMARY KEY, e float4[]);
SELECT zvec_create_collection('of t', '"Other"."T ä"', 'e', 3, 'l2'), zvec_attach_table('of t', '"Other"."T ä"', 'id', 'e');
END
q -d example -c 'CREATE PUBLICATION p FOR TABLE "Other"."T ä"' -c "SELECT pg_create_logical_replication_slot('s', 'pgoutput')" >/dev/null
q -d subscriber -c "CREATE SUBSCRIPTION s CONNECTION 'host=$PGHOST port=$PGPORT dbname=example user=postgres' PUBLICATION p WITH (create_slot = false, slot_name = 's')"
caught_up() {
    local i
    for ((i = 0; i < 300; i++)); do
        [ "$(q -d subscriber -c 'SELECT count(*), sum(id) FROM "Other"."T ä"')" = "$(q -d example -c 'SELECT count(*), sum(id) FROM "Other"."T ä"')" ] && return 0
        sleep 0.1
    done
    return 1
}
caught_up && same subscriber '"Other"."T ä"' '"of t"' && [ -n "$(q -d subscriber -c "SELECT pk FROM zvec_search('of t', '{1,1,1}', 1)")" ]
ok "a subscriber's collection has what the first copy brought"
q -d example <<'END'
UPDATE "Other"."T ä" SET id = id + 50000 WHERE id % 10 = 0;
DELETE FROM "Other"."T ä" WHERE id % 10 = 1;
UPDATE "Other"."T ä" SET e = '{1,2,3}' WHERE id % 10 = 2;
INSERT INTO "Other"."T ä" VALUES (70000, '{1,2,3}'), (70001, NULL);
END
caught_up && same subscriber '"Other"."T ä"' '"of t"'
ok "and follows what is applied"
q -d subscriber -c 'DROP SUBSCRIPTION s'

# a standby
zvec_as_server "$ZVEC_BINDIR/pg_basebackup" -h "$PGHOST" -p "$PGPORT" -U postgres -D "$ZVEC_SCRATCH/standby" -R -c fast >/dev/null 2>&1
mkdir -p "$ZVEC_SCRATCH/second" && mv "$ZVEC_SCRATCH/standby" "$ZVEC_SCRATCH/second/data" && mkdir -m 700 "$ZVEC_SCRATCH/second/socket"
[ "$(id -u)" != 0 ] || chown -R postgres:postgres "$ZVEC_SCRATCH/second"
sed -i "s#/main/socket#/second/socket#" "$ZVEC_SCRATCH/second/data/postgresql.conf"
zvec_start second
search="SELECT pk FROM zvec_search('of t', '{70000,0,1}', 3); SELECT pk FROM zvec_search_filtered('of t', '{70,0,1}', 3, 'id > 500')"
[ -n "$(q -d example -c "$search")" ] && [ "$(q -d example -c "$search")" = "$(zvec_use main; q -d example -c "$search")" ]
ok "a standby is searched"
zvec_stop second
zvec_use main

# sessions that all write at once
q -d example -c "CREATE TABLE many (id int PRIMARY KEY, e float4[])" \
    -c "SELECT zvec_create_collection('many', 'many', 'e', 3, 'l2'), zvec_attach_table('many', 'many', 'id', 'e')" >/dev/null
cat >"$ZVEC_SCRATCH/many.sql" <<'END'
\set id random(1, 3000)
\set other random(1, 3000)
INSERT INTO many VALUES (:id, ARRAY[:id, :other, 1]) ON CONFLICT (id) DO UPDATE SET e = EXCLUDED.e;
UPDATE many SET id = 5000 + :other WHERE id = :other AND NOT EXISTS (SELECT FROM many WHERE id = 5000 + :other);
DELETE FROM many WHERE id = 5000 + :id;
SELECT * FROM zvec_search('many', ARRAY[:id, :other, 1], 3);
END
pgbench -n -c 6 -j 2 -T 8 --max-tries=100 -f "$ZVEC_SCRATCH/many.sql" example >"$ZVEC_SCRATCH/pgbench.out" 2>&1
! grep -Ei 'error|busy|aborted' "$ZVEC_SCRATCH/pgbench.out" || { grep -v "^$" "$ZVEC_SCRATCH/pgbench.out" | head; false; }
ok "six sessions write at once, and none fails"
same example many many && [ -z "$(q -d example -c "SELECT * FROM zvec_check('zvec_collection.many')")" ]
ok "and the collection is right afterwards"

zvec_log_is_clean main && zvec_log_is_clean second
ok "the servers' logs are clean"
