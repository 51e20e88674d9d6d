-- Columns of pgvector's types in zvec tables: their vectors are in the vector store, and whoever reads them gets pgvector's values.
\set VERBOSITY terse
CREATE TABLE pv (id int PRIMARY KEY, v vector(4), h halfvec(5), any_v vector, s sparsevec(9), note text) USING zvec;
INSERT INTO pv SELECT i, ARRAY[i, i % 3, -i, 0.5]::vector, ARRAY[i % 7, 1, 2, 3, i % 5]::halfvec, array_fill(i, ARRAY[1 + i % 3])::vector,
    '{2:1.5}/9', repeat('n', i) FROM generate_series(1, 100) AS i;
SELECT column_name, dimensions, live FROM zvec_segments('pv') ORDER BY 1, 2;
SELECT id, v, h, any_v, s FROM pv WHERE id IN (7, 100) ORDER BY id;
-- pgvector's functions on what the rows hold
SELECT sum(vector_dims(v)), sum(l2_norm(h))::numeric(9,3), avg(v), count(DISTINCT any_v), max(l2_distance(v, '[0,0,0,0]'))::numeric(9,4),
    min(binary_quantize(v)::text), sum(v) FROM pv;
SELECT count(*) FROM pv a JOIN pv b ON a.v = b.v AND a.h = b.h;
SELECT count(*) FROM (SELECT any_v FROM pv GROUP BY any_v) g;
-- written in each way
UPDATE pv SET v = v + '[1,1,1,1]', h = NULL WHERE id = 1 RETURNING v, h;
UPDATE pv SET note = 'changed' WHERE id = 2 RETURNING v, h;
INSERT INTO pv VALUES (1, '[9,9,9,9]') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING v;
INSERT INTO pv VALUES (101, '[1,2,3]');
INSERT INTO pv VALUES (101, '[1,2,3,4]', NULL, '[]');
COPY pv (id, v, h) FROM stdin;
102	[1,2,3,4]	[1,2,3,4,5]
103	\N	[5,4,3,2,1]
\.
DELETE FROM pv WHERE id = 3 RETURNING any_v;
BEGIN; INSERT INTO pv (id, v) VALUES (104, '[4,3,2,1]'); SAVEPOINT s; UPDATE pv SET v = '[0,0,0,0]' WHERE id = 104; ROLLBACK TO s; COMMIT;
BEGIN; DELETE FROM pv; ROLLBACK;
SELECT id, v, h FROM pv WHERE id IN (1, 2, 3) OR id > 100 ORDER BY id;
SELECT * FROM zvec_check('pv');
VACUUM pv;
SELECT * FROM zvec_check('pv');
-- as a whole row, in a record, in a function's memory, in a cursor that outlives its transaction
SELECT pv, row_to_json(pv) FROM pv WHERE id = 104;
DO $$ DECLARE r record; BEGIN SELECT * INTO r FROM pv WHERE id = 102; RAISE NOTICE '% %', r.v, r.h; END $$;
BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT v, h FROM pv WHERE id IN (102, 103) ORDER BY id; COMMIT;
UPDATE pv SET v = '[7,7,7,7]' WHERE id = 102; VACUUM pv; FETCH ALL held; CLOSE held;
-- long ones; the limits are the same
INSERT INTO pv (id, any_v) VALUES (200, array_fill(1.5, ARRAY[16000])::vector);
INSERT INTO pv (id, any_v) VALUES (201, array_fill(1.5, ARRAY[16001])::vector);
SELECT vector_dims(any_v), any_v = array_fill(1.5, ARRAY[16000])::vector AS same FROM pv WHERE id = 200;
SELECT subvector(any_v, 15999, 2) FROM pv WHERE id = 200;

-- The whole table from heap and back: the same rows.
CREATE TABLE was AS TABLE pv;
ALTER TABLE pv SET ACCESS METHOD heap;
SELECT count(*) FROM (TABLE pv EXCEPT TABLE was) d;
ALTER TABLE pv SET ACCESS METHOD zvec;
SELECT count(*) FROM (TABLE pv EXCEPT TABLE was) d;
VACUUM FULL pv;
SELECT count(*) FROM (TABLE pv EXCEPT TABLE was) d;
SELECT column_name, dimensions, live FROM zvec_segments('pv') ORDER BY 1, 2;

-- A column's type to zvec and back: the rows stay as they are.
CREATE TABLE retyped (id int, v vector(3), w vector, h halfvec) USING zvec;
INSERT INTO retyped SELECT i, ARRAY[i, 1, 2]::vector, ARRAY[i, 3]::vector, ARRAY[i]::halfvec FROM generate_series(1, 5) i;
SELECT pg_relation_filenode('retyped') AS before \gset
ALTER TABLE retyped ALTER COLUMN w TYPE zvec, ALTER COLUMN h TYPE zhalf;
SELECT pg_relation_filenode('retyped') = :before AS not_rewritten;
SELECT id, w, h, w <-> '[3,3]', pg_typeof(w), pg_typeof(h) FROM retyped ORDER BY id;
UPDATE retyped SET w = w * 2 WHERE id = 1; UPDATE retyped SET id = 20 WHERE id = 2;
ALTER TABLE retyped ALTER COLUMN w TYPE vector, ALTER COLUMN v TYPE zvec(3), ALTER COLUMN h TYPE halfvec(1);
INSERT INTO retyped VALUES (6, '[6,1,2]', '[6,3]', '[6]');
SELECT * FROM retyped ORDER BY id;
SELECT * FROM zvec_check('retyped');
ALTER TABLE retyped ADD COLUMN later vector(2) DEFAULT '[1,1]', DROP COLUMN v, ADD COLUMN of_each halfvec(2) GENERATED ALWAYS AS (ARRAY[id, id]::halfvec) STORED;
UPDATE retyped SET later = '[2,2]' WHERE id = 6;
SELECT * FROM retyped ORDER BY id;
VACUUM FULL retyped;
SELECT * FROM retyped ORDER BY id;
SELECT * FROM zvec_check('retyped');

-- A domain, a partition, a materialized view, a temporary table, an unlogged one.
CREATE DOMAIN unit AS vector(2) CHECK (vector_norm(VALUE) < 10);
CREATE TABLE parts (id int, v unit, h halfvec(2)) PARTITION BY RANGE (id);
CREATE TABLE parts_zvec PARTITION OF parts FOR VALUES FROM (0) TO (10) USING zvec;
CREATE TABLE parts_heap PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO parts SELECT i, ARRAY[i % 3, 1]::vector, ARRAY[1, i]::halfvec FROM generate_series(5, 14) i;
INSERT INTO parts VALUES (1, '[10,10]', '[0,0]');
UPDATE parts SET id = 15 WHERE id = 5; UPDATE parts SET id = 6 WHERE id = 14;
SELECT tableoid::regclass, * FROM parts ORDER BY id, h;
SELECT column_name, live FROM zvec_segments('parts_zvec') ORDER BY 1;
CREATE MATERIALIZED VIEW seen USING zvec AS SELECT id, v, h FROM parts;
REFRESH MATERIALIZED VIEW seen;
SELECT column_name, live FROM zvec_segments('seen') ORDER BY 1;
CREATE TEMP TABLE brief (v vector(2)) USING zvec; INSERT INTO brief VALUES ('[1,2]'); TABLE brief;
CREATE UNLOGGED TABLE light (v vector(2)) USING zvec; INSERT INTO light VALUES ('[1,2]'); TABLE light;

-- Types that have the name only.
CREATE SCHEMA other;
CREATE TYPE other.vector AS (x real, y real);
CREATE DOMAIN other.halfvec AS text;
CREATE TABLE other.named (v other.vector, h other.halfvec) USING zvec;
INSERT INTO other.named VALUES (ROW(1, 2), 'text');
SELECT count(*) FROM zvec_segments('other.named');
TABLE other.named;
-- A type of the same C functions under another name is pgvector's: its bytes are.
SET client_min_messages = warning;
CREATE TYPE other.renamed;
CREATE FUNCTION other.renamed_in(cstring, oid, integer) RETURNS other.renamed AS '$libdir/vector', 'vector_in' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION other.renamed_out(other.renamed) RETURNS cstring AS '$libdir/vector', 'vector_out' LANGUAGE C IMMUTABLE STRICT;
CREATE TYPE other.renamed (INPUT = other.renamed_in, OUTPUT = other.renamed_out, STORAGE = external);
RESET client_min_messages;
CREATE TABLE other.same (v other.renamed) USING zvec;
INSERT INTO other.same VALUES ('[1,2]');
SELECT column_name, dimensions FROM zvec_segments('other.same');
TABLE other.same;
-- What a row has does not depend on what is a member of an extension.
ALTER EXTENSION vector DROP TYPE vector;
\c
SELECT v, any_v FROM pv WHERE id = 7;
INSERT INTO pv (id, v) VALUES (300, '[3,0,0,0]');
ALTER EXTENSION vector ADD TYPE vector;
\c
SELECT v FROM pv WHERE id IN (7, 300);
SELECT * FROM zvec_check('pv');
DROP SCHEMA other CASCADE;
-- Collections: of a heap table, and of a zvec table; not of columns with other elements.
CREATE TABLE collected_heap AS SELECT i AS id, ARRAY[i, 1, 2]::vector(3) AS v, ARRAY[i]::halfvec(1) AS h FROM generate_series(1, 50) i;
ALTER TABLE collected_heap ADD PRIMARY KEY (id);
CREATE TABLE collected_zvec (LIKE collected_heap INCLUDING ALL) USING zvec; INSERT INTO collected_zvec TABLE collected_heap;
SELECT zvec_create_collection(t, t, 'v', 3, 'l2'), zvec_attach_table(t, t, 'id', 'v') FROM unnest(ARRAY['collected_heap', 'collected_zvec']) t;
UPDATE collected_heap SET v = '[70,1,2]' WHERE id = 7; UPDATE collected_zvec SET v = '[70,1,2]' WHERE id = 7;
INSERT INTO collected_zvec VALUES (51, '[51,1,2]', '[1]');
SELECT t, pk, score FROM unnest(ARRAY['collected_heap', 'collected_zvec']) t, zvec_search(t, ARRAY[69, 1, 2]::real[], 2) ORDER BY t, score;
INSERT INTO collected_heap VALUES (52, '[1,2]');
SELECT zvec_create_collection('half', 'collected_heap', 'h', 1, 'l2'), zvec_attach_table('half', 'collected_heap', 'id', 'h');
DROP TABLE collected_heap, collected_zvec;
DROP TABLE parts, retyped, was, light CASCADE; DROP DOMAIN unit;
