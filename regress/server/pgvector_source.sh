#!/usr/bin/env bash
# A collection of a column of pgvector's type, where the server has pgvector.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin pgvector-source
zvec_has vector || exit 0
zvec_start main "autovacuum = off" || exit 1
ok() { zvec_result $? "collections of pgvector's vector: $1"; }
q() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
# what the collection c has beside the table t, or has with other elements, bit by bit
differences() {
    q -c "SELECT coalesce(s.id::text, c.key) FROM t AS s FULL JOIN zvec_collection.c AS c ON c.key = s.id::text
        WHERE (c.key IS NULL) <> (s.e IS NULL) OR s.id IS NULL
            OR (SELECT array_agg(float4send(x) ORDER BY n) FROM unnest(c.vector::real[]) WITH ORDINALITY AS u(x, n))
                <> (SELECT array_agg(float4send(x) ORDER BY n) FROM unnest(s.e::real[]) WITH ORDINALITY AS u(x, n))"
}
same() { [ -z "$(differences)" ]; }

q >/dev/null <<'END'
CREATE EXTENSION vector;
CREATE EXTENSION pg_zvec;
CREATE TABLE t (id int PRIMARY KEY, e vector(3));
INSERT INTO t SELECT i, ARRAY[sin(i), cos(i * 1.3), i * 1e-3]::real[]::vector FROM generate_series(1, 2000) i;
INSERT INTO t VALUES (2001, NULL), (2002, '[0,-1e-40,3e38]');
SELECT zvec_create_collection('c', 't', 'e', 3, 'l2');
END
[ "$(q -c "SELECT zvec_attach_table('c', 't', 'id', 'e')")" = 2001 ] && same
ok "rows are loaded"
q <<'END' && same && [ "$(q -c 'SELECT count(*) FROM zvec_collection.c')" = "$(q -c 'SELECT count(e) FROM t')" ]
INSERT INTO t VALUES (3000, '[1,2,3]'), (3001, '[4,5,6]');
INSERT INTO t SELECT i, ARRAY[i, 1, 1]::real[]::vector FROM generate_series(4000, 5000) i;
UPDATE t SET e = '[7,8,9]' WHERE id BETWEEN 10 AND 20;
UPDATE t SET e = NULL WHERE id = 31;
UPDATE t SET e = '[2,2,2]' WHERE id = 2001;
UPDATE t SET id = id + 10000 WHERE id % 5 = 0;
DELETE FROM t WHERE id % 7 = 0;
END
ok "and followed"
[ "$(q -c "SELECT pk FROM zvec_search('c', '{4,5,6}', 1)")" = 3001 ] &&
    [ "$(q -c "SELECT string_agg(pk, ' ' ORDER BY pk) FROM zvec_search_filtered('c', '{7,8,9}', 2, 'id < 13 AND vector_dims(e) = 3')")" = "11 12" ]
ok "they are searched"
# what pgvector finds and what the collection finds
[ "$(q -c "SELECT array_agg(score::numeric(8,4)) FROM zvec_search('c', '{0.5,0.5,0.5}', 10)")" = \
    "$(q -c "SELECT array_agg(d::numeric(8,4)) FROM (SELECT e <-> '[0.5,0.5,0.5]' AS d FROM t ORDER BY d LIMIT 10) s")" ]
ok "with the distances of pgvector"
got=$(psql -XAtq -v VERBOSITY=terse -c "CREATE TABLE u (id int PRIMARY KEY, e vector)" \
    -c "SELECT zvec_create_collection('u', 'u', 'e', 3), zvec_attach_table('u', 'u', 'id', 'e')" \
    -c "INSERT INTO u VALUES (1, '[1,2,3]'), (2, '[1,2]')" -c "SELECT count(*) FROM u" 2>&1 | tail -2 | tr '\n' ' ')
[ "$got" = 'ERROR:  vector of the row with key "2" does not fit collection "u": has 2 dimensions, not 3 0 ' ] || { echo "$got"; false; }
ok "a vector of other dimensions is refused, and the key named"
# long vectors, which are stored out of line
q <<'END' >/dev/null && [ "$(q -c "SELECT count(*) FROM long AS s JOIN zvec_collection.l AS c ON c.key = s.id AND c.vector = s.e::real[]::zvec")" = 200 ]
CREATE TABLE long (id text PRIMARY KEY, e vector(1536));
INSERT INTO long SELECT 'k' || i, (SELECT array_agg(sin(i * j)::real) FROM generate_series(1, 1536) j)::vector FROM generate_series(1, 100) i;
SELECT zvec_create_collection('l', 'long', 'e', 1536, 'cosine', 'flat'), zvec_attach_table('l', 'long', 'id', 'e');
INSERT INTO long SELECT 'l' || i, (SELECT array_agg(cos(i * j)::real) FROM generate_series(1, 1536) j)::vector FROM generate_series(1, 100) i;
END
ok "long vectors"
# a domain over it, and the type in another schema
q <<'END' >/dev/null && [ "$(q -c "SELECT pk FROM zvec_search('d', '{3,2,1}', 1)")" = b ] && [ "$(q -c "SELECT pk FROM zvec_search('c', '{5,5,6}', 1)")" = 3003 ]
CREATE SCHEMA elsewhere;
ALTER EXTENSION vector SET SCHEMA elsewhere;
CREATE DOMAIN embedding AS elsewhere.vector(3);
CREATE TABLE d (id text PRIMARY KEY, e embedding);
SELECT zvec_create_collection('d', 'd', 'e', 3), zvec_attach_table('d', 'd', 'id', 'e');
INSERT INTO d VALUES ('a', '[1,2,3]'), ('b', '[3,2,1]');
INSERT INTO t VALUES (3003, '[5,5,6]');
END
ok "a domain, and the extension in another schema"
# a type of that name that is not pgvector's
got=$(psql -XAtq -v VERBOSITY=terse -c "CREATE TYPE public.vector AS (x real)" -c "CREATE TABLE f (id int PRIMARY KEY, e public.vector)" \
    -c "SELECT zvec_create_collection('f', 'f', 'e', 3)" 2>&1)
[ "$got" = 'ERROR:  column "e" of table "f" is of type vector, which holds no vectors' ] || { echo "$got"; false; }
ok "another type of that name is none"
got=$(psql -XAtq -v VERBOSITY=terse -c "DROP EXTENSION vector" 2>&1)
[ "$got" = 'ERROR:  cannot drop extension vector because other objects depend on it' ] &&
    q -c "SET client_min_messages = warning; DROP EXTENSION vector CASCADE" &&
    [ "$(q -c "SELECT string_agg(name || ' ' || attached, ', ' ORDER BY name) FROM zvec_collections")" = "c false, d false, l false, u false" ]
ok "dropping pgvector detaches"
zvec_log_is_clean main
ok "the log is clean"
