-- cursors of every kind, and WHERE CURRENT OF
CREATE SCHEMA table_cursor;
SET search_path = table_cursor, public;
CREATE TABLE t (id int PRIMARY KEY, v zvec(3), w zvec(700), n int DEFAULT 0) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, ARRAY[i, i, 0]::zvec, array_fill(i::real, ARRAY[700])::zvec FROM generate_series(1, 10) i;
-- scrollable, in every direction
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, v FROM t;
FETCH 2 FROM c;
FETCH LAST FROM c;
FETCH BACKWARD 2 FROM c;
FETCH ABSOLUTE 5 FROM c;
FETCH RELATIVE -3 FROM c;
FETCH FIRST FROM c;
FETCH PRIOR FROM c;
MOVE FORWARD 8 IN c;
FETCH NEXT FROM c;
CLOSE c;
-- scrollable through a sort, which keeps vectors
DECLARE c SCROLL CURSOR FOR SELECT id, v, w <-> w AS zero FROM t ORDER BY v <-> '[6,6,0]', id;
FETCH 3 FROM c;
FETCH LAST FROM c;
FETCH BACKWARD 1 FROM c;
FETCH FIRST FROM c;
COMMIT;
-- backward through an index
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, v FROM t WHERE id > 3 ORDER BY id;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH LAST FROM c;
COMMIT;
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_sort;

-- WHERE CURRENT OF
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t WHERE id > 2;
FETCH 1 FROM c \g /dev/null
UPDATE t SET v = v + '[0,0,1]' WHERE CURRENT OF c RETURNING id, v;
UPDATE t SET n = n + 1 WHERE CURRENT OF c RETURNING id, v, n;
FETCH 2 FROM c \g /dev/null
DELETE FROM t WHERE CURRENT OF c RETURNING id, v, w = array_fill(id::real, ARRAY[700])::zvec AS w;
UPDATE t SET v = NULL WHERE CURRENT OF c RETURNING id;
SELECT id, v, n FROM t WHERE id < 7 ORDER BY id;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT id, v FROM t WHERE id > 2 FOR UPDATE;
FETCH 1 FROM c;
UPDATE t SET v = '[9,9,9]' WHERE CURRENT OF c;
FETCH 1 FROM c;
SAVEPOINT a;
UPDATE t SET v = '[8,8,8]' WHERE CURRENT OF c;
ROLLBACK TO a;
UPDATE t SET v = '[7,7,7]' WHERE CURRENT OF c RETURNING id, v;
COMMIT;
SELECT id, v FROM t WHERE id < 6 ORDER BY id;
-- in PL/pgSQL
DO $$
DECLARE c CURSOR FOR SELECT * FROM t ORDER BY id FOR UPDATE; r record;
BEGIN
    FOR r IN c LOOP
        IF r.id % 2 = 0 THEN UPDATE t SET v = r.v * '[2,2,2]', n = r.id WHERE CURRENT OF c;
        ELSIF r.id = 9 THEN DELETE FROM t WHERE CURRENT OF c;
        END IF;
    END LOOP;
END $$;
SELECT id, v, n FROM t ORDER BY id;
SELECT * FROM zvec_check('t');

-- holdable: the vectors stay readable after the transaction, after changes, after the table is gone
BEGIN;
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT id, v, w FROM t ORDER BY id;
DECLARE unsorted CURSOR WITH HOLD FOR SELECT id, v FROM t WHERE id IN (1, 10);
FETCH 1 FROM unsorted;
COMMIT;
UPDATE t SET v = '[0,0,0]', w = NULL;
VACUUM FULL t;
FETCH 1 FROM unsorted;
MOVE 3 IN h;
CREATE TABLE fetched (id int, v zvec(3), w zvec(700)) USING zvec;
CREATE FUNCTION take() RETURNS SETOF fetched LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'h'; r fetched;
BEGIN
    LOOP
        FETCH c INTO r;
        EXIT WHEN NOT FOUND;
        RETURN NEXT r;
    END LOOP;
END $$;
INSERT INTO fetched SELECT * FROM take();
SELECT id, v, w = array_fill(id::real, ARRAY[700])::zvec AS w FROM fetched ORDER BY id;
DROP TABLE t;
MOVE FIRST IN h;
SELECT id, v, w = array_fill(id::real, ARRAY[700])::zvec AS w FROM take() ORDER BY id;
CLOSE h;
CLOSE unsorted;
SELECT * FROM zvec_check('fetched');

-- a cursor opened before changes of its own transaction, fetched after them
CREATE TABLE t (id int PRIMARY KEY, v zvec(3)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, ARRAY[i, i, i]::zvec FROM generate_series(1, 5) i;
BEGIN;
DECLARE before CURSOR FOR SELECT * FROM t ORDER BY id;
UPDATE t SET v = v * '[10,10,10]';
DECLARE between_ CURSOR FOR SELECT * FROM t ORDER BY id;
UPDATE t SET v = v * '[10,10,10]';
DELETE FROM t WHERE id = 1;
INSERT INTO t VALUES (1, '[0,0,1]');
FETCH ALL FROM before;
FETCH ALL FROM between_;
SELECT * FROM t ORDER BY id;
COMMIT;
-- a portal with values that outlive the rows they came from
CREATE FUNCTION all_vectors() RETURNS zvec[] LANGUAGE plpgsql AS $$
DECLARE vs zvec[]; r record;
BEGIN
    FOR r IN SELECT v FROM t ORDER BY id LOOP vs := vs || r.v; END LOOP;
    TRUNCATE t;
    RETURN vs;
END $$;
SELECT all_vectors();
SELECT count(*) FROM t;
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA table_cursor CASCADE;
