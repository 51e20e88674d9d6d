-- a zvec table: rows with vectors written, read, changed and deleted
CREATE SCHEMA table_basic;
SET search_path = table_basic, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;

CREATE TABLE item (id int PRIMARY KEY, name text, embedding zvec(3)) USING zvec;
SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.oid = 'item'::regclass;
INSERT INTO item VALUES (1, 'one', '[1,2,3]');
INSERT INTO item VALUES (2, 'two', '[4,5,6]'), (3, 'three', NULL), (4, NULL, '[0.1,-0.2,1e-30]');
INSERT INTO item (id) VALUES (5);
SELECT * FROM item ORDER BY id;
-- what comes out is an ordinary value
SELECT id, embedding + '[1,1,1]' AS moved, vector_dims(embedding), embedding <-> '[1,2,3]' AS l2,
       embedding::real[] AS elements, pg_typeof(embedding)
FROM item ORDER BY id;
SELECT id FROM item WHERE embedding = '[4,5,6]';
SELECT id FROM item WHERE embedding IS NULL ORDER BY id;
SELECT count(*), count(embedding), sum(embedding), avg(embedding) FROM item WHERE id < 4;

-- INSERT ... SELECT, from the table itself too
INSERT INTO item SELECT id + 10, name, embedding FROM item;
INSERT INTO item SELECT 100 + i, 'made', vec(i, 3) FROM generate_series(1, 500) i;
SELECT count(*), count(embedding) FROM item;
SELECT * FROM item WHERE id BETWEEN 10 AND 103 ORDER BY id;
SELECT count(*) FROM item WHERE id > 100 AND embedding <> vec(id - 100, 3);

-- RETURNING
INSERT INTO item VALUES (1001, 'r', '[7,8,9]') RETURNING *, embedding <#> '[1,1,1]' AS ip;
UPDATE item SET embedding = embedding * '[2,2,2]' WHERE id = 1001 RETURNING id, embedding;
UPDATE item SET name = 'renamed' WHERE id = 1001 RETURNING *;
UPDATE item SET embedding = NULL WHERE id = 1001 RETURNING *;
UPDATE item SET embedding = '[1,1,1]' WHERE id = 1001 RETURNING *;
DELETE FROM item WHERE id = 1001 RETURNING id, name, embedding, embedding <-> '[1,1,2]' AS l2;
WITH gone AS (DELETE FROM item WHERE id > 598 RETURNING *)
SELECT id, embedding = vec(id - 100, 3) AS as_written FROM gone ORDER BY id;
-- moved by one statement from row to row
UPDATE item a SET embedding = b.embedding FROM item b WHERE a.id = 1 AND b.id = 2 RETURNING a.embedding, b.embedding;
SELECT * FROM item WHERE id IN (1, 2) ORDER BY id;
-- all rows
UPDATE item SET embedding = embedding + '[1,0,0]' WHERE id > 100;
SELECT count(*) FROM item WHERE id > 100 AND embedding - '[1,0,0]' <> vec(id - 100, 3);
UPDATE item SET name = name || '!' WHERE id > 100;
SELECT count(*) FROM item WHERE id > 100 AND embedding - '[1,0,0]' = vec(id - 100, 3);
DELETE FROM item WHERE id % 2 = 0;
SELECT count(*), count(embedding), sum(id) FROM item;
SELECT * FROM zvec_check('item');

-- several vector columns, of different dimensions
CREATE TABLE pair (id int, a zvec(2), b zvec(5), note text, c zvec(2)) USING zvec;
INSERT INTO pair SELECT i, vec(i, 2), vec(i + 1, 5), 'n' || i, vec(i + 2, 2) FROM generate_series(1, 300) i;
INSERT INTO pair VALUES (301, NULL, vec(302, 5), NULL, NULL), (302, NULL, NULL, NULL, NULL), (303, '[1,2]', NULL, 'x', '[1,2]');
SELECT * FROM pair WHERE id IN (1, 2, 301, 302, 303) ORDER BY id;
SELECT count(*) FROM pair WHERE a = vec(id, 2) AND b = vec(id + 1, 5) AND c = vec(id + 2, 2);
UPDATE pair SET b = NULL, c = a WHERE id <= 100;
UPDATE pair SET a = c, c = a WHERE id > 200;
SELECT count(*) FROM pair WHERE id <= 100 AND b IS NULL AND c = a AND a = vec(id, 2);
SELECT count(*) FROM pair WHERE id BETWEEN 201 AND 300 AND a = vec(id + 2, 2) AND b = vec(id + 1, 5) AND c = vec(id, 2);
SELECT column_name, dimensions, live, dead FROM zvec_segments('pair') ORDER BY segment;
SELECT * FROM zvec_check('pair');

-- a column without typmod takes any dimensions; each has its segment
CREATE TABLE mixed (id int, v zvec) USING zvec;
INSERT INTO mixed SELECT i, vec(i, 1 + i % 3) FROM generate_series(1, 30) i;
INSERT INTO mixed VALUES (31, vec(1, 2000)), (32, NULL), (33, vec(2, 16000)), (34, vec(3, 2001));
SELECT vector_dims(v), count(*), min(id) FROM mixed GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM mixed WHERE v = vec(id, 1 + id % 3);
SELECT id, v IN (vec(1, 2000), vec(3, 2001)) AS same FROM mixed WHERE id IN (31, 34) ORDER BY id;
SELECT v = vec(2, 16000) AS largest FROM mixed WHERE id = 33;
UPDATE mixed SET v = vec(id, 4) WHERE id <= 10;
SELECT vector_dims(v), count(*) FROM mixed GROUP BY 1 ORDER BY 1;
SELECT dimensions, live, dead FROM zvec_segments('mixed') ORDER BY dimensions;
SELECT id, v FROM mixed WHERE vector_dims(v) = 2 ORDER BY v <-> '[1,1]', id LIMIT 5;
SELECT id FROM mixed WHERE id = 9 ORDER BY v <-> '[1,1]';
SELECT * FROM zvec_check('mixed');

-- domains over the type, arrays and composites of it: ordinary values, in the row
CREATE DOMAIN unit AS zvec(2) CHECK (abs(l2_norm(VALUE) - 1) < 1e-6);
CREATE TYPE labelled AS (label text, v zvec);
CREATE TABLE wrapped (id int, u unit, many zvec[], l labelled, plain zvec) USING zvec;
INSERT INTO wrapped VALUES (1, '[1,0]', ARRAY['[1,2]', '[3]']::zvec[], ('x', '[5,6]'), '[7,8]');
INSERT INTO wrapped SELECT 2, '[0,1]', array_agg(vec(i, 2)), ROW('y', vec(9, 2))::labelled, vec(8, 2) FROM generate_series(1, 3) i;
INSERT INTO wrapped SELECT 3, u, ARRAY[plain, plain], ROW('z', plain)::labelled, plain FROM wrapped WHERE id = 1;
INSERT INTO wrapped VALUES (4, '[1,1]', NULL, NULL, NULL);
UPDATE wrapped SET plain = many[1] WHERE id = 2;
UPDATE wrapped SET plain = (l).v, many[2] = plain WHERE id = 3;
SELECT * FROM wrapped ORDER BY id;
SELECT * FROM zvec_check('wrapped');

-- CREATE TABLE AS, into either kind of table
CREATE TABLE copied USING zvec AS SELECT id, embedding, name FROM item;
CREATE TABLE in_heap USING heap AS SELECT * FROM item;
CREATE TABLE derived USING zvec AS SELECT id, embedding + embedding AS twice, subvector(embedding, 1, 2) AS head FROM in_heap;
SELECT count(*) FROM copied c JOIN item i USING (id) WHERE c.embedding IS NOT DISTINCT FROM i.embedding;
SELECT count(*) FROM (TABLE in_heap EXCEPT TABLE item) d;
SELECT count(*) FROM derived d JOIN item i USING (id) WHERE d.twice = i.embedding * '[2,2,2]' AND d.head = subvector(i.embedding, 1, 2);
DROP TABLE item;
-- the copies do not depend on the table that they came from
SELECT count(*), sum(embedding) IS NOT NULL AS readable FROM copied;
SELECT count(*), sum(embedding) IS NOT NULL AS readable FROM in_heap;
SELECT * FROM zvec_check('copied');
SELECT * FROM zvec_check('derived');

-- no columns, no vector columns
CREATE TABLE empty_row () USING zvec;
INSERT INTO empty_row DEFAULT VALUES;
INSERT INTO empty_row DEFAULT VALUES;
SELECT count(*) FROM empty_row;
CREATE TABLE plain (a int, b text) USING zvec;
INSERT INTO plain VALUES (1, 'x'), (2, repeat('y', 10));
UPDATE plain SET b = b || '!' WHERE a = 1;
SELECT * FROM plain ORDER BY a;
SELECT * FROM zvec_check('empty_row');
SELECT * FROM zvec_check('plain');
SET client_min_messages = warning;
DROP SCHEMA table_basic CASCADE;
