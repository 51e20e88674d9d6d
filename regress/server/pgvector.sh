#!/usr/bin/env bash
# pgvector's types in zvec tables (regress/pgvector): for every PostgreSQL that has pgvector. `make check-pgvector` runs it, and
# programs that use client libraries (regress/pgvector/clients.sh).
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin pgvector
zvec_start pgvector "autovacuum = off" "pg_zvec.background_drain = off" "wal_level = logical" || exit 1

if ! zvec_has vector; then
    # what a server without pgvector says
    psql -qXAt -c "CREATE EXTENSION pg_zvec" -c "CREATE EXTENSION pg_zvec_pgvector" 2>&1 |
        grep -q 'required extension "vector" is not '
    zvec_result $? "pgvector: the extension asks for vector"
    exit
fi

pgxs=$("$(zvec_pg_config)" --pgxs)
output=$ZVEC_SCRATCH/output
zvec_as_server mkdir -p "$output/results"
"${pgxs%/makefiles/*}/test/regress/pg_regress" --bindir="$(zvec_psql_as_15)" --inputdir=regress/pgvector --outputdir="$output" \
    --dbname=pg_zvec_pgvector --load-extension=pg_zvec --load-extension=vector --load-extension=pg_zvec_pgvector \
    --encoding=UTF8 --schedule=regress/pgvector/schedule 2>&1
status=$?
[ $status = 0 ] || cat "$output/regression.diffs"
[ -z "${ACCEPT:-}" ] || cp "$output"/results/*.out regress/pgvector/expected/
# design/coming-from-pgvector.md names all that pgvector has
missing=$(psql -qX -At -d pg_zvec_pgvector <<'SQL' | while read -r name; do grep -qwF -- "$name" design/coming-from-pgvector.md || echo "$name"; done
LOAD 'vector';
SELECT DISTINCT name FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e',
    LATERAL (SELECT proname FROM pg_proc WHERE d.classid = 'pg_proc'::regclass AND oid = d.objid
        UNION ALL SELECT typname FROM pg_type WHERE d.classid = 'pg_type'::regclass AND oid = d.objid AND typelem = 0
        UNION ALL SELECT opcname FROM pg_opclass WHERE d.classid = 'pg_opclass'::regclass AND oid = d.objid
        UNION ALL SELECT amname FROM pg_am WHERE d.classid = 'pg_am'::regclass AND oid = d.objid) members(name)
WHERE extname = 'vector'
UNION SELECT name FROM pg_settings WHERE name ~ '^(hnsw|ivfflat)\.';
SQL
)
[ -z "$missing" ] || echo "design/coming-from-pgvector.md does not name:" $missing
[ -z "$missing" ]
zvec_result $? "pgvector: the document names every function, type, operator class and setting"

# a dump holds the extensions, the tables' access method and the indexes
for db in dumped restored; do psql -qX -c "CREATE DATABASE $db" || exit 1; done
psql -qX -v ON_ERROR_STOP=1 -d dumped <<'SQL' || exit 1
CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions; CREATE EXTENSION pg_zvec; CREATE EXTENSION pg_zvec_pgvector SCHEMA extensions;
SET search_path = public, extensions;
CREATE TABLE items (id int PRIMARY KEY, v vector(3), h halfvec(2), z zvec(3) GENERATED ALWAYS AS (v::zvec) STORED) USING zvec;
INSERT INTO items SELECT i, ARRAY[i, 1, 2]::vector, ARRAY[i, 3]::halfvec FROM generate_series(1, 500) i;
CREATE INDEX ON items USING zvec_hnsw (v vector_cosine_ops); CREATE INDEX ON items USING zvec_flat (h); CREATE INDEX ON items USING hnsw (v vector_l2_ops);
SQL
pg_dump -d dumped | psql -qX -v ON_ERROR_STOP=1 -d restored >/dev/null
shown="SELECT count(*), md5(string_agg(id::text || v::text || h::text || z::text, ',' ORDER BY id)) FROM items;
    SELECT indexdef FROM pg_indexes WHERE tablename = 'items' ORDER BY 1; SELECT sum(live) FROM zvec_segments('items'); SELECT * FROM zvec_check('items')"
[ "$(psql -X -At -d dumped -c "$shown")" = "$(psql -X -At -d restored -c "$shown")" ]
zvec_result $? "pgvector: dumped and restored"

# from heap to zvec by logical replication, in binary
psql -qX -v ON_ERROR_STOP=1 -d dumped -c "CREATE TABLE moved (id int PRIMARY KEY, v extensions.vector(3))" \
    -c "INSERT INTO moved SELECT id, v FROM items" -c "CREATE PUBLICATION move FOR TABLE moved" -o /dev/null \
    -c "SELECT pg_create_logical_replication_slot('move', 'pgoutput')"
psql -qX -v ON_ERROR_STOP=1 -d restored -c "CREATE TABLE moved (id int PRIMARY KEY, v extensions.vector(3)) USING zvec" \
    -c "CREATE SUBSCRIPTION move CONNECTION 'host=$PGHOST port=$PGPORT user=postgres dbname=dumped' PUBLICATION move
        WITH (create_slot = false, slot_name = move, binary = true)"
psql -qX -d dumped -c "UPDATE moved SET v = '[7,7,7]' WHERE id = 3" -c "DELETE FROM moved WHERE id = 4" -c "INSERT INTO moved VALUES (501, '[5,0,1]')"
for _ in {1..300}; do
    there=$(psql -X -At -d restored -c "SELECT count(*), sum(hashtext(id || v::text)) FROM moved; SELECT sum(live) FROM zvec_segments('moved')")
    here=$(psql -X -At -d dumped -c "SELECT count(*), sum(hashtext(id || v::text)) FROM moved; SELECT count(*) FROM moved")
    [ "$there" != "$here" ] || break
    sleep 0.1
done
[ "$there" = "$here" ]
zvec_result $? "pgvector: a table is moved by logical replication, in binary"
psql -qX -d restored -c "DROP SUBSCRIPTION move" 2>/dev/null
zvec_stop pgvector
zvec_log_is_clean pgvector
zvec_result $? "pgvector: the server's log is clean"
[ -z "$missing" ] && exit $status
