-- The extension comes and goes; what rows hold does not depend on it.
\set VERBOSITY terse
SELECT current_database() AS home \gset
CREATE DATABASE pgv_extension;
\c pgv_extension
CREATE EXTENSION pg_zvec_pgvector;
CREATE EXTENSION vector; CREATE EXTENSION pg_zvec;
-- before the extension: stored as vectors are, and searched exactly
CREATE TABLE items (id int, v vector(3), h halfvec(3)) USING zvec;
INSERT INTO items SELECT i, ARRAY[i, 1, 2]::vector, ARRAY[2, i, 1]::halfvec FROM generate_series(1, 100) i;
SELECT column_name, live FROM zvec_segments('items') ORDER BY 1;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[50,1,2]' LIMIT 3;
SELECT id FROM items ORDER BY v <-> '[50.1,1,2]' LIMIT 3;
CREATE INDEX ON items USING zvec_hnsw (v);
-- in schemas of others, who have put things in the way
CREATE ROLE pgv_mischief; GRANT CREATE ON DATABASE pgv_extension TO pgv_mischief;
CREATE SCHEMA mischief AUTHORIZATION pgv_mischief;
SET ROLE pgv_mischief;
CREATE TYPE mischief.vector AS RANGE (subtype = integer); CREATE TYPE mischief.zvec AS RANGE (subtype = integer);
CREATE FUNCTION mischief.far(public.vector, public.vector) RETURNS float8 LANGUAGE sql AS 'SELECT 0.0::float8';
CREATE OPERATOR mischief.<-> (LEFTARG = public.vector, RIGHTARG = public.vector, FUNCTION = mischief.far);
-- what bears the names of pgvector's types and operators, and is not
RESET ROLE;
BEGIN; ALTER TYPE halfvec RENAME TO half_vec; CREATE TYPE halfvec AS RANGE (subtype = numeric); CREATE EXTENSION pg_zvec_pgvector; ROLLBACK;
BEGIN; ALTER OPERATOR <+> (vector, vector) SET SCHEMA mischief;
CREATE OPERATOR <+> (LEFTARG = vector, RIGHTARG = vector, FUNCTION = l2_distance); CREATE EXTENSION pg_zvec_pgvector; ROLLBACK;
SET ROLE pgv_mischief;
-- anybody who may create in the database may install it, though not without vector
CREATE EXTENSION pg_zvec_pgvector SCHEMA mischief;
RESET ROLE;
SELECT format_type(castsource, NULL), format_type(casttarget, NULL), casttarget = 'public.zvec'::regtype AS ours FROM pg_cast WHERE castmethod = 'b' AND castsource = 'public.vector'::regtype;
SELECT count(*) FROM pg_cast WHERE 'mischief.vector'::regtype IN (castsource, casttarget) OR 'mischief.zvec'::regtype IN (castsource, casttarget);
SELECT DISTINCT oprnamespace::regnamespace, oprname FROM pg_amop JOIN pg_am a ON a.oid = amopmethod JOIN pg_operator o ON o.oid = amopopr
WHERE amname LIKE 'zvec%' AND amopstrategy = 1 AND amoplefttype = 'public.vector'::regtype ORDER BY 2;
CREATE INDEX ON items USING zvec_hnsw (v);
CREATE INDEX ON items USING zvec_flat (h mischief.halfvec_ip_ops);
INSERT INTO items VALUES (101, '[101,1,2]', '[2,101,1]');
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[50,1,2]' LIMIT 3;
SELECT id FROM items ORDER BY v <-> '[100.9,1,2]' LIMIT 3;
ALTER EXTENSION pg_zvec_pgvector SET SCHEMA public;
-- away
DROP EXTENSION pg_zvec_pgvector;
DROP EXTENSION pg_zvec_pgvector CASCADE;
SELECT id, v, h FROM items WHERE id IN (1, 101);
INSERT INTO items VALUES (102, '[102,1,2]', '[2,102,1]');
SELECT id FROM items ORDER BY v <-> '[101.9,1,2]' LIMIT 3;
SELECT * FROM zvec_check('items');
-- and here again, with what was written meanwhile
CREATE EXTENSION pg_zvec_pgvector;
CREATE INDEX ON items USING zvec_hnsw (v vector_cosine_ops);
SELECT live FROM zvec_segments('items') WHERE column_name = 'v';
-- pgvector goes, with its columns; the rows stay
DROP EXTENSION vector;
DROP EXTENSION vector CASCADE;
SELECT count(*), min(id), max(id) FROM items;
UPDATE items SET id = id + 1000 WHERE id > 100;
VACUUM items; VACUUM FULL items;
SELECT count(*), max(id) FROM items;
SELECT * FROM zvec_check('items');
CREATE EXTENSION vector; CREATE EXTENSION pg_zvec_pgvector;
ALTER TABLE items ADD COLUMN v vector(2); UPDATE items SET v = ARRAY[id, 1]::vector;
SELECT id, v FROM items ORDER BY v <-> '[5,1]' LIMIT 1;
DROP EXTENSION pg_zvec CASCADE;
SELECT count(*) FROM pg_extension WHERE extname LIKE 'pg_zvec%';
\c :home
DROP DATABASE pgv_extension; DROP ROLE pgv_mischief;
