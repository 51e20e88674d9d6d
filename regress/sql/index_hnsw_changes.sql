-- zvec_hnsw: what a statement, a savepoint, a transaction changed is what the index finds
CREATE SCHEMA index_hnsw_changes;
SET search_path = index_hnsw_changes, knn, public;
CREATE TABLE t (id int PRIMARY KEY, n int, note text, v zvec(6)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX t_n ON t (n);
CREATE INDEX t_v ON t USING zvec_hnsw (v);
INSERT INTO t SELECT i, i, 'row ' || i, vec(i, 6) FROM generate_series(1, 1500) i;
VACUUM t;
-- of every vector that a row has or had, whether the index finds the row, and nothing else at that distance
CREATE FUNCTION at(q zvec) RETURNS int[] LANGUAGE sql AS $$
    SELECT array_agg(id ORDER BY id) FROM by_index('t', '<->', q, 20) WHERE distance = 0 $$;

-- own uncommitted rows, at once; rolled-back ones never
BEGIN;
INSERT INTO t VALUES (2001, 1, 'mine', vec(2001, 6));
SELECT at(vec(2001, 6));
SAVEPOINT a;
INSERT INTO t VALUES (2002, 1, 'mine', vec(2002, 6));
UPDATE t SET v = vec(2003, 6) WHERE id = 1;
DELETE FROM t WHERE id = 2;
SELECT at(vec(2002, 6)) AS put, at(vec(2003, 6)) AS changed, at(vec(1, 6)) AS before, at(vec(2, 6)) AS deleted;
SAVEPOINT b;
UPDATE t SET v = vec(2004, 6) WHERE id = 1;
UPDATE t SET v = vec(2005, 6) WHERE id = 2001;
SELECT at(vec(2003, 6)), at(vec(2004, 6)), at(vec(2001, 6)), at(vec(2005, 6));
RELEASE b;
SAVEPOINT c;
DELETE FROM t WHERE id IN (1, 2001, 2002);
SELECT at(vec(2004, 6)), at(vec(2005, 6)), at(vec(2002, 6));
ROLLBACK TO c;
SELECT at(vec(2004, 6)), at(vec(2005, 6)), at(vec(2002, 6));
ROLLBACK TO a;
SELECT at(vec(2001, 6)) AS put, at(vec(2002, 6)) AS rolled_back, at(vec(2003, 6)), at(vec(2004, 6)), at(vec(2005, 6)), at(vec(1, 6)) AS back, at(vec(2, 6)) AS back;
SELECT * FROM same('t', '<->', vec(5, 6, 5));
ROLLBACK;
SELECT at(vec(2001, 6)), at(vec(2005, 6));
SELECT * FROM same('t', '<->', vec(5, 6, 5));
-- the slots of what was rolled back are given to others
VACUUM t;
INSERT INTO t SELECT i, i, 'again', vec(i, 6, 2) FROM generate_series(2001, 2010) i;
SELECT at(vec(2001, 6)), at(vec(2001, 6, 2)), at(vec(2010, 6, 2));
DELETE FROM t WHERE id > 2000;
-- an INSERT that fails half-way
INSERT INTO t SELECT CASE WHEN i = 3050 THEN 7 ELSE i END, i, '', vec(i, 6) FROM generate_series(3001, 3100) i;
SELECT at(vec(3001, 6)), at(vec(3050, 6)), at(vec(7, 6));
-- and one in a block that catches it
DO $$ BEGIN
    INSERT INTO t VALUES (3001, 0, '', vec(3001, 6));
    BEGIN
        INSERT INTO t VALUES (3002, 0, '', vec(3002, 6));
        INSERT INTO t VALUES (3001, 0, '', vec(3003, 6));
    EXCEPTION WHEN unique_violation THEN
        INSERT INTO t VALUES (3004, 0, '', vec(3004, 6));
    END;
END $$;
SELECT at(vec(3001, 6)), at(vec(3002, 6)), at(vec(3003, 6)), at(vec(3004, 6));
DELETE FROM t WHERE id > 2000;

-- isolation levels: each sees its own
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO t VALUES (2001, 1, 'mine', vec(2001, 6));
UPDATE t SET v = vec(2002, 6) WHERE id = 3;
SELECT at(vec(2001, 6)), at(vec(2002, 6)), at(vec(3, 6));
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO t VALUES (2001, 1, 'mine', vec(2001, 6));
UPDATE t SET v = vec(2002, 6) WHERE id = 3;
SELECT at(vec(2001, 6)), at(vec(2002, 6)), at(vec(3, 6));
COMMIT;
SELECT at(vec(2001, 6)), at(vec(2002, 6)), at(vec(3, 6));
DELETE FROM t WHERE id = 2001;
-- a statement does not see what it does itself
INSERT INTO t SELECT 2000 + row_number() OVER (), 0, 'copy', v FROM (SELECT v FROM t ORDER BY v <-> vec(10, 6) LIMIT 3) near;
SELECT at(vec(10, 6)), count(*) FILTER (WHERE cardinality(at(v)) = 2) AS twice FROM t WHERE id > 2000;
UPDATE t SET v = vec(2011, 6) WHERE id IN (SELECT id FROM t ORDER BY v <-> vec(10, 6) LIMIT 4);
SELECT at(vec(10, 6)), cardinality(at(vec(2011, 6)));
DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY v <-> vec(2011, 6) LIMIT 4);
SELECT at(vec(2011, 6));

-- UPDATE of other columns: the index is not touched, the row is found where it went
SELECT pg_relation_size('t_v') AS before \gset
UPDATE t SET note = note || '!' WHERE id % 2 = 0;
UPDATE t SET n = n + 10000 WHERE id % 3 = 0;
UPDATE t SET n = n + 10000, note = 'three times' WHERE id % 6 = 0;
UPDATE t SET n = n + 10000, note = 'again' WHERE id % 6 = 0;
SELECT pg_relation_size('t_v') = :before AS as_large, at(vec(6, 6)), at(vec(4, 6)), at(vec(9, 6));
SELECT * FROM same('t', '<->', vec(5, 6, 5));
VACUUM t;
SELECT * FROM same('t', '<->', vec(5, 6, 5));
-- several times in one transaction, and back
BEGIN;
UPDATE t SET n = n + 1 WHERE id = 6;
UPDATE t SET n = n + 1 WHERE id = 6;
SELECT at(vec(6, 6));
SAVEPOINT a;
UPDATE t SET n = n + 1 WHERE id = 6;
UPDATE t SET v = vec(2006, 6) WHERE id = 6;
UPDATE t SET n = n + 1 WHERE id = 6;
SELECT at(vec(6, 6)), at(vec(2006, 6));
ROLLBACK TO a;
SELECT at(vec(6, 6)), at(vec(2006, 6));
UPDATE t SET n = n + 1 WHERE id = 6;
COMMIT;
SELECT at(vec(6, 6)), at(vec(2006, 6));
-- UPDATE of the vector: to another, to an equal one, to NULL and back, of all rows
UPDATE t SET v = vec(id, 6, 3) WHERE id <= 700;
SELECT at(vec(6, 6)), at(vec(6, 6, 3));
SELECT * FROM same('t', '<->', vec(5, 6, 5));
UPDATE t SET v = vec(id, 6, 3) WHERE id <= 700;
SELECT at(vec(6, 6, 3));
UPDATE t SET v = NULL WHERE id <= 100;
SELECT at(vec(6, 6, 3));
UPDATE t SET v = vec(id, 6, 3) WHERE id <= 100;
SELECT at(vec(6, 6, 3));
UPDATE t SET v = v * '[2,2,2,2,2,2]', n = -n;
UPDATE t SET v = v * '[0.5,0.5,0.5,0.5,0.5,0.5]';
SELECT at(vec(6, 6, 3)), at(vec(1000, 6));
SELECT * FROM same('t', '<->', vec(5, 6, 5));
VACUUM t;
SELECT * FROM same('t', '<->', vec(5, 6, 5));
SELECT recall('t', '<->', 6) >= 0.98 AS recall;
-- vectors change places
UPDATE t a SET v = b.v FROM t b WHERE a.id IN (11, 12) AND b.id = 23 - a.id;
SELECT at(vec(11, 6, 3)), at(vec(12, 6, 3));

-- DELETE and INSERT again
DELETE FROM t WHERE id BETWEEN 100 AND 200;
SELECT at(vec(150, 6, 3));
INSERT INTO t SELECT i, i, 'back', vec(i, 6, 3) FROM generate_series(100, 200) i;
SELECT at(vec(150, 6, 3));
BEGIN;
DELETE FROM t WHERE id = 150;
INSERT INTO t VALUES (150, 1, 'back again', vec(150, 6, 3));
SELECT at(vec(150, 6, 3));
COMMIT;
SELECT at(vec(150, 6, 3));

-- ON CONFLICT
INSERT INTO t VALUES (150, 1, 'conflict', vec(150, 6, 4)), (4001, 1, 'new', vec(4001, 6)) ON CONFLICT DO NOTHING;
SELECT at(vec(150, 6, 4)), at(vec(150, 6, 3)), at(vec(4001, 6));
INSERT INTO t VALUES (150, 1, 'conflict', vec(150, 6, 4)), (4002, 1, 'new', vec(4002, 6))
ON CONFLICT (id) DO UPDATE SET v = excluded.v, note = excluded.note;
SELECT at(vec(150, 6, 4)), at(vec(150, 6, 3)), at(vec(4002, 6));
INSERT INTO t SELECT i, 0, 'bulk', vec(i, 6, 4) FROM generate_series(140, 4010, 10) i ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v WHERE t.id < 160;
SELECT at(vec(140, 6, 3) + vec(140, 6, 4)), at(vec(150, 6, 4) + vec(150, 6, 4)), at(vec(160, 6, 4)), at(vec(4000, 6, 4));
SELECT * FROM same('t', '<->', vec(5, 6, 5));
DELETE FROM t WHERE id > 1500;
MERGE INTO t USING (SELECT i, vec(i, 6, 7) AS w FROM generate_series(1490, 1510) i) s ON t.id = s.i
WHEN MATCHED AND i % 2 = 0 THEN UPDATE SET v = w WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (i, 0, 'merged', w);
SELECT at(vec(1490, 6, 7)), at(vec(1491, 6)), at(vec(1510, 6, 7));

-- COPY, several rows at a time, INSERT ... SELECT of stored vectors, RETURNING
COPY (SELECT id + 10000, n, note, v FROM t WHERE id BETWEEN 300 AND 400) TO '/dev/null';
COPY t FROM stdin;
5001	1	copied	[1,2,3,4,5,6]
5002	1	copied	[2,2,3,4,5,6]
5003	1	no vector	\N
5004	1	copied	[4,2,3,4,5,6]
\.
SELECT at('[1,2,3,4,5,6]'), at('[2,2,3,4,5,6]'), at('[4,2,3,4,5,6]');
INSERT INTO t VALUES (5005, 1, '', '[5,2,3,4,5,6]'), (5006, 1, '', '[5,2,3,4,5,6]'), (5007, 1, '', NULL) RETURNING id, v;
SELECT at('[5,2,3,4,5,6]');
INSERT INTO t SELECT id + 1000, n, 'copy of a row', v FROM t WHERE id BETWEEN 5001 AND 5006;
SELECT at('[1,2,3,4,5,6]'), at('[5,2,3,4,5,6]');
WITH moved AS (DELETE FROM t WHERE id > 6000 RETURNING *) INSERT INTO t SELECT id + 1000, n, note, v FROM moved;
SELECT at('[1,2,3,4,5,6]'), at('[5,2,3,4,5,6]');
SELECT * FROM same('t', '<->', vec(5, 6, 5));

-- triggers that change the vector, and others that read the index
CREATE FUNCTION halve() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.v := NEW.v * '[0.5,0.5,0.5,0.5,0.5,0.5]';
    RETURN NEW;
END $$;
CREATE TRIGGER halve BEFORE INSERT OR UPDATE OF v ON t FOR EACH ROW EXECUTE FUNCTION halve();
INSERT INTO t VALUES (8001, 1, '', '[9,9,9,9,9,9]');
UPDATE t SET v = '[8,8,8,8,8,8]' WHERE id = 8001;
SELECT at('[9,9,9,9,9,9]'), at('[4.5,4.5,4.5,4.5,4.5,4.5]'), at('[8,8,8,8,8,8]'), at('[4,4,4,4,4,4]');
COPY t FROM stdin;
8002	1	copied	[6,6,6,6,6,6]
\.
SELECT at('[6,6,6,6,6,6]'), at('[3,3,3,3,3,3]');
DROP TRIGGER halve ON t;
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.v := OLD.v;
    RETURN NEW;
END $$;
CREATE TRIGGER keep BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep();
UPDATE t SET v = '[7,7,7,7,7,7]', n = n + 1 WHERE id = 8001;
SELECT at('[7,7,7,7,7,7]'), at('[4,4,4,4,4,4]');
DROP TRIGGER keep ON t;
CREATE TABLE seen (id int, nearest int[]);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen SELECT NEW.id, at(NEW.v);
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION look();
INSERT INTO t VALUES (8003, 1, '', '[0,0,0,0,1,1]'), (8004, 1, '', '[0,0,0,0,1,1]');
UPDATE t SET v = '[0,0,0,0,2,1]' WHERE id = 8004;
SELECT * FROM seen;
DROP TRIGGER look ON t;
-- row locks, and WHERE CURRENT OF
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT id FROM t ORDER BY v <-> '[0,0,0,0,2,1]' LIMIT 1 FOR UPDATE;
DECLARE c CURSOR FOR SELECT id FROM t ORDER BY v <-> '[0,0,0,0,2,1]' FOR UPDATE;
FETCH 1 FROM c;
UPDATE t SET v = '[0,0,0,0,3,1]' WHERE CURRENT OF c;
FETCH 1 FROM c;
DELETE FROM t WHERE CURRENT OF c;
SELECT at('[0,0,0,0,1,1]'), at('[0,0,0,0,2,1]'), at('[0,0,0,0,3,1]');
COMMIT;
SELECT at('[0,0,0,0,1,1]'), at('[0,0,0,0,2,1]'), at('[0,0,0,0,3,1]');
-- two phases
BEGIN;
INSERT INTO t VALUES (9001, 1, '', '[0,0,0,9,9,9]');
UPDATE t SET v = '[0,0,0,8,8,8]' WHERE id = 8001;
PREPARE TRANSACTION 'index_hnsw_changes';
SELECT at('[0,0,0,9,9,9]'), at('[0,0,0,8,8,8]'), at('[4,4,4,4,4,4]');
VACUUM t;
COMMIT PREPARED 'index_hnsw_changes';
SELECT at('[0,0,0,9,9,9]'), at('[0,0,0,8,8,8]'), at('[4,4,4,4,4,4]');
SELECT * FROM same('t', '<->', vec(5, 6, 5));
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA index_hnsw_changes CASCADE;
