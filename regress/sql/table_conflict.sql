-- INSERT ... ON CONFLICT and MERGE
CREATE SCHEMA table_conflict;
SET search_path = table_conflict, public;
CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, v zvec(2), n int DEFAULT 0) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t VALUES (1, 'a', '[1,1]'), (2, 'b', '[2,2]');
CREATE VIEW slots AS SELECT live, dead FROM zvec_segments('table_conflict.t');
SELECT * FROM slots;
-- DO NOTHING: no vector of a refused row is kept
INSERT INTO t VALUES (1, 'x', '[9,9]'), (3, 'c', '[3,3]') ON CONFLICT DO NOTHING RETURNING *;
INSERT INTO t VALUES (9, 'a', '[9,9]') ON CONFLICT (code) DO NOTHING RETURNING *;
INSERT INTO t VALUES (9, 'a', '[9,9]') ON CONFLICT (id) DO NOTHING;
INSERT INTO t VALUES (4, 'd', '[4,4]'), (4, 'd', '[5,5]') ON CONFLICT (id) DO NOTHING RETURNING v;
SELECT * FROM t ORDER BY id;
-- the one insertion that got as far as its vector is of the statement that failed
SELECT live FROM slots;
VACUUM t;
SELECT * FROM slots;
-- DO UPDATE: with the new vector, the old one, both, none
INSERT INTO t VALUES (1, 'x', '[7,8]') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING *;
SELECT * FROM slots;
INSERT INTO t VALUES (1, 'x', '[7,8]') ON CONFLICT (id) DO UPDATE SET v = excluded.v, n = t.n + 1 RETURNING *;
-- the same vector again: nothing new
SELECT * FROM slots;
INSERT INTO t VALUES (1, 'x', '[1,0]') ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v RETURNING *;
INSERT INTO t VALUES (1, 'x', '[5,5]') ON CONFLICT (id) DO UPDATE SET n = t.n + 1 RETURNING *, v <-> '[8,8]' AS l2;
INSERT INTO t VALUES (1, 'x', '[5,5]') ON CONFLICT (id) DO UPDATE SET v = NULL RETURNING *;
INSERT INTO t VALUES (1, 'x', '[5,5]') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING *;
INSERT INTO t AS old VALUES (1, 'x', '[6,6]') ON CONFLICT (id) DO UPDATE SET v = excluded.v
    WHERE old.v <-> excluded.v < 1 RETURNING *;
INSERT INTO t AS old VALUES (1, 'x', '[5.5,5]') ON CONFLICT (id) DO UPDATE SET v = excluded.v
    WHERE old.v <-> excluded.v < 1 RETURNING *;
INSERT INTO t VALUES (10, 'b', '[20,20]') ON CONFLICT ON CONSTRAINT t_code_key DO UPDATE SET id = excluded.id, v = excluded.v RETURNING *;
INSERT INTO t VALUES (5, 'e', '[5,5]'), (5, 'f', '[6,6]') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');
-- many at once, half of them there
INSERT INTO t SELECT i, 'm' || i, ARRAY[i, -i]::zvec FROM generate_series(101, 200) i;
INSERT INTO t SELECT i, 'm' || i, ARRAY[i, i]::zvec FROM generate_series(151, 250) i ON CONFLICT (id) DO UPDATE SET v = excluded.v, n = 1;
SELECT n, count(*), count(*) FILTER (WHERE v = ARRAY[id, -id]::zvec) AS old, count(*) FILTER (WHERE v = ARRAY[id, id]::zvec) AS new
FROM t WHERE id > 100 GROUP BY n ORDER BY n;
INSERT INTO t SELECT id, code, v * '[10,10]' FROM t WHERE id > 100 ON CONFLICT (id) DO UPDATE SET v = excluded.v, n = 2 WHERE t.id % 2 = 0;
SELECT n, count(*), count(*) FILTER (WHERE v <#> v < -10000 * id) AS times_ten FROM t WHERE id > 100 GROUP BY n ORDER BY n;
SELECT live = (SELECT count(v) FROM t) AS live FROM slots;
VACUUM t;
SELECT live = (SELECT count(v) FROM t) AS live, dead FROM slots;
SELECT * FROM zvec_check('t');
-- in a transaction that is rolled back, and in a savepoint
BEGIN;
INSERT INTO t VALUES (1, 'x', '[0,0]') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
SAVEPOINT a;
INSERT INTO t VALUES (1, 'x', '[0,1]') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING v;
INSERT INTO t VALUES (300, 'y', '[0,2]') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING v;
INSERT INTO t VALUES (300, 'y', '[0,3]') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING v;
ROLLBACK TO a;
SELECT v FROM t WHERE id IN (1, 300);
ROLLBACK;
SELECT v FROM t WHERE id IN (1, 300);
-- a unique index over the vector itself
CREATE TABLE once (v zvec(3) UNIQUE, n int DEFAULT 1) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO once SELECT ARRAY[i % 5, 1, 2]::zvec FROM generate_series(1, 5) i ON CONFLICT DO NOTHING;
INSERT INTO once SELECT DISTINCT ARRAY[i % 7, 1, 2]::zvec FROM generate_series(1, 20) i ON CONFLICT (v) DO UPDATE SET n = once.n + 1;
SELECT * FROM once ORDER BY v;
INSERT INTO once VALUES ('[3,1,2]');
SELECT live FROM zvec_segments('once');
SELECT * FROM zvec_check('once');

-- MERGE
CREATE TABLE source (id int, v zvec(2), op text) USING zvec;
INSERT INTO source VALUES (1, '[100,1]', 'update'), (3, '[100,3]', 'delete'), (4, NULL, 'keep'), (50, '[100,50]', 'insert'),
    (51, NULL, 'insert'), (10, '[1,1]', 'add');
BEGIN;
MERGE INTO t USING source s ON t.id = s.id
WHEN MATCHED AND s.op = 'update' THEN UPDATE SET v = s.v
WHEN MATCHED AND s.op = 'add' THEN UPDATE SET v = t.v + s.v, n = 7
WHEN MATCHED AND s.op = 'delete' THEN DELETE
WHEN MATCHED THEN DO NOTHING
WHEN NOT MATCHED THEN INSERT (id, code, v) VALUES (s.id, s.op || s.id, s.v);
SELECT * FROM t WHERE id < 100 ORDER BY id;
SELECT * FROM zvec_check('t');
ROLLBACK;
MERGE INTO t USING (SELECT id, v FROM source WHERE v IS NOT NULL) s ON t.id = s.id AND t.v <-> s.v > 50
WHEN MATCHED THEN UPDATE SET v = s.v, n = -1
WHEN NOT MATCHED AND s.id >= 50 THEN INSERT VALUES (s.id, 's' || s.id, s.v + '[0,1]');
SELECT * FROM t WHERE id < 100 ORDER BY id;
MERGE INTO source s USING t ON t.id = s.id WHEN MATCHED AND s.v = t.v THEN DELETE WHEN MATCHED THEN UPDATE SET v = t.v;
SELECT * FROM source ORDER BY id;
-- a row may not be changed twice
MERGE INTO t USING (VALUES (1, '[1,1]'::zvec), (1, '[2,2]')) s(id, v) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v;
SELECT v FROM t WHERE id = 1;
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_check('source');
SET client_min_messages = warning;
DROP SCHEMA table_conflict CASCADE;
