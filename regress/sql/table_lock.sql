-- row locks of every strength, in one session: they leave vectors and slots alone
CREATE SCHEMA table_lock;
SET search_path = table_lock, public;
CREATE TABLE t (id int PRIMARY KEY, v zvec(3), n int DEFAULT 0) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, ARRAY[i, i * 2, i * 3]::zvec FROM generate_series(1, 6) i;
CREATE VIEW slots AS SELECT live, dead FROM zvec_segments('table_lock.t');
BEGIN;
SELECT * FROM t WHERE id = 1 FOR UPDATE;
SELECT * FROM t WHERE id = 2 FOR NO KEY UPDATE NOWAIT;
SELECT * FROM t WHERE id = 3 FOR SHARE SKIP LOCKED;
SELECT * FROM t WHERE id = 4 FOR KEY SHARE;
SELECT id FROM t WHERE xmax <> 0 ORDER BY id;
SELECT * FROM slots;
SELECT id, v <-> '[1,2,3]' AS l2 FROM t ORDER BY v <-> '[1,2,3]' FOR UPDATE;
COMMIT;
SELECT * FROM t ORDER BY id;
SELECT * FROM slots;
SELECT * FROM zvec_check('t');

-- lock, then change; several locks of one transaction and its subtransactions
BEGIN;
SELECT id FROM t WHERE id <= 3 ORDER BY id FOR SHARE;
SAVEPOINT a;
SELECT id FROM t WHERE id <= 2 ORDER BY id FOR UPDATE;
UPDATE t SET v = v * '[2,2,2]' WHERE id = 1 RETURNING v;
SELECT v FROM t WHERE id = 1 FOR UPDATE;
SAVEPOINT b;
UPDATE t SET n = 1 WHERE id = 1 RETURNING *;
SELECT v FROM t WHERE id = 1 FOR KEY SHARE;
DELETE FROM t WHERE id = 2 RETURNING v;
SELECT id FROM t WHERE id <= 3 ORDER BY id FOR UPDATE;
ROLLBACK TO b;
SELECT * FROM t WHERE id <= 3 ORDER BY id FOR UPDATE;
ROLLBACK TO a;
SELECT * FROM t WHERE id <= 3 ORDER BY id FOR NO KEY UPDATE;
UPDATE t SET v = '[9,9,9]' WHERE id = 1;
COMMIT;
SELECT * FROM t ORDER BY id;
SELECT * FROM slots;
SELECT * FROM zvec_check('t');

-- a locked row deleted, updated with its key; a lock through a join, a subquery, a view, a cursor
CREATE VIEW seen AS SELECT id, v FROM t WHERE n = 0;
CREATE TABLE other (id int, t int, w zvec(2)) USING zvec;
INSERT INTO other SELECT i, i % 3 + 1, ARRAY[i, 1]::zvec FROM generate_series(1, 6) i;
BEGIN;
SELECT o.id, t.v, o.w FROM other o JOIN t ON t.id = o.t WHERE o.id < 4 ORDER BY o.id FOR UPDATE OF t FOR SHARE OF o;
SELECT * FROM (SELECT * FROM t WHERE id = 5 FOR UPDATE) s;
SELECT * FROM seen WHERE id = 6 FOR UPDATE;
SELECT id FROM t WHERE xmax = pg_current_xact_id()::xid ORDER BY id;
DECLARE c CURSOR FOR SELECT id, v FROM t ORDER BY id FOR UPDATE;
FETCH 2 FROM c;
UPDATE t SET v = v + '[0,0,1]' WHERE CURRENT OF c RETURNING *;
FETCH 1 FROM c;
DELETE FROM t WHERE CURRENT OF c RETURNING *;
UPDATE t SET id = 40 WHERE id = 4 RETURNING *;
COMMIT;
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_check('other');

-- what can't be locked
SELECT id FROM t GROUP BY id FOR UPDATE;
SELECT count(*) FROM t FOR UPDATE;

-- locks of many rows with LIMIT (a work queue)
CREATE TABLE queue (id int PRIMARY KEY, state text DEFAULT 'new', v zvec(4)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO queue SELECT i, 'new', ARRAY[i, 0, 0, i]::zvec FROM generate_series(1, 100) i;
CREATE FUNCTION take(count int) RETURNS SETOF queue LANGUAGE sql AS $$
    UPDATE queue SET state = 'done' WHERE id IN (
        SELECT id FROM queue WHERE state = 'new' ORDER BY v <-> '[50,0,0,50]', id LIMIT count FOR UPDATE SKIP LOCKED) RETURNING * $$;
SELECT id, v FROM take(3) ORDER BY id;
SELECT id, v FROM take(4) ORDER BY id;
SELECT state, count(*), sum(v) FROM queue GROUP BY state ORDER BY state;
SELECT live, dead FROM zvec_segments('queue');
SELECT * FROM zvec_check('queue');
-- VACUUM and freezing of locked rows and multixacts
BEGIN;
SELECT count(*) FROM (SELECT * FROM queue FOR SHARE) s;
SAVEPOINT a;
SELECT count(*) FROM (SELECT * FROM queue FOR UPDATE) s;
COMMIT;
VACUUM (FREEZE) queue;
SELECT state, count(*), sum(v) FROM queue GROUP BY state ORDER BY state;
SELECT * FROM zvec_check('queue');
-- LOCK TABLE
BEGIN;
LOCK TABLE t, queue IN ACCESS EXCLUSIVE MODE;
SELECT id, v FROM t ORDER BY id LIMIT 1;
COMMIT;
SET client_min_messages = warning;
DROP SCHEMA table_lock CASCADE;
