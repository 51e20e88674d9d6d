#!/usr/bin/env bash
# The owner of the extension's schema gives its name to another, again and again, with a table of theirs that is called like the
# catalog of collections: nothing of theirs runs as the superuser.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin collections-names
zvec_start main "autovacuum = off" "pg_zvec.background_drain = off" || exit 1
ok() { zvec_result $? "collections-names: $1"; }
q() { psql -X -q -At -d owned "$@"; }

psql -X -q -c 'CREATE ROLE owner LOGIN' -c 'CREATE DATABASE owned OWNER owner'
q -U owner >/dev/null <<'END'
CREATE EXTENSION pg_zvec;
CREATE SCHEMA mine;
CREATE SCHEMA other;
CREATE TABLE mine.t (id int PRIMARY KEY, e real[]);
SELECT zvec_create_collection('c', 'mine.t', 'e', 3, 'l2', 'flat'), zvec_attach_table('c', 'mine.t', 'id', 'e');
CREATE TABLE other.zvec_collection_catalog (LIKE public.zvec_collection_catalog INCLUDING ALL);
INSERT INTO other.zvec_collection_catalog SELECT * FROM public.zvec_collection_catalog;
CREATE TABLE mine.seen (who text);
CREATE FUNCTION mine.f() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mine.seen VALUES (current_user);
    RETURN NEW;
END $$;
CREATE TRIGGER x BEFORE UPDATE ON other.zvec_collection_catalog FOR EACH ROW EXECUTE FUNCTION mine.f();
END
renames() {
    while :; do
        echo 'BEGIN; ALTER SCHEMA public RENAME TO z; ALTER SCHEMA other RENAME TO public; COMMIT;'
        echo 'BEGIN; ALTER SCHEMA public RENAME TO other; ALTER SCHEMA z RENAME TO public; COMMIT;'
    done | head -n 200000
}
renames >"$ZVEC_SCRATCH/renames.sql"
q -U owner -f "$ZVEC_SCRATCH/renames.sql" >"$ZVEC_SCRATCH/renames.out" 2>&1 &
renaming=$!
for ((i = 0; i < 2000; i++)); do
    echo 'ALTER TABLE mine.t DISABLE TRIGGER USER;'
    echo 'ALTER TABLE mine.t ENABLE TRIGGER USER;'
done >"$ZVEC_SCRATCH/switches.sql"
PGOPTIONS='-c client_min_messages=error' timeout 120 psql -X -q -At -d owned -U owner -f "$ZVEC_SCRATCH/switches.sql" >"$ZVEC_SCRATCH/switches.out" 2>&1
kill -0 "$renaming" && [ ! -s "$ZVEC_SCRATCH/renames.out" ]
ok "names change all the while"
kill "$renaming"
wait "$renaming" 2>/dev/null
[ "$(q -c "SELECT count(*) FROM mine.seen")" = 0 ] || { q -c "SELECT who, count(*) FROM mine.seen GROUP BY 1"; false; }
ok "nothing runs as the superuser"
[ ! -s "$ZVEC_SCRATCH/switches.out" ] || { sort "$ZVEC_SCRATCH/switches.out" | uniq -c | head -5; false; }
ok "and no command fails"
