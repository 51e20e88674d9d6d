-- transactions: rollback, savepoints, deep subtransactions, prepared statements and transactions, isolation levels
CREATE SCHEMA table_transaction;
SET search_path = table_transaction, public;
CREATE TABLE t (id int PRIMARY KEY, v zvec, n int DEFAULT 0) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t VALUES (1, '[1,1]'), (2, '[2,2]'), (3, NULL);

BEGIN;
INSERT INTO t VALUES (4, '[4,4]');
UPDATE t SET v = '[10,10]' WHERE id = 1;
UPDATE t SET v = '[30,30,30]' WHERE id = 3;
UPDATE t SET v = v + '[1,1]' WHERE id = 1;
DELETE FROM t WHERE id = 2;
SELECT * FROM t ORDER BY id;
ROLLBACK;
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');

-- savepoints
BEGIN;
UPDATE t SET v = '[1,2]' WHERE id = 1;
SAVEPOINT a;
UPDATE t SET v = '[1,3]' WHERE id = 1;
INSERT INTO t VALUES (5, '[5,5]');
SAVEPOINT b;
UPDATE t SET v = '[1,4]' WHERE id = 1;
DELETE FROM t WHERE id IN (2, 5);
SELECT * FROM t ORDER BY id;
ROLLBACK TO b;
SELECT * FROM t ORDER BY id;
ROLLBACK TO a;
SELECT * FROM t ORDER BY id;
UPDATE t SET v = v + '[0,7]' WHERE id = 1;
RELEASE a;
SELECT * FROM t ORDER BY id;
COMMIT;
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');

-- a failed statement in the middle
BEGIN;
SAVEPOINT a;
INSERT INTO t VALUES (6, '[6,6]'), (7, '[7,7]'), (1, '[0,0]');
ROLLBACK TO a;
INSERT INTO t SELECT 6, '[6,7]';
SAVEPOINT b;
UPDATE t SET v = ('[' || id || ',' || 1 / (id - 6) || ']')::zvec WHERE id IN (2, 6);
ROLLBACK TO b;
UPDATE t SET n = 1 / (id - 6) WHERE id IN (2, 6);
ROLLBACK TO b;
COMMIT;
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');

-- a hundred subtransactions deep, some of each kind aborted
CREATE FUNCTION dig(level int, deepest int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO t VALUES (1000 + level, ARRAY[level, level]::zvec);
    UPDATE t SET v = v + '[0,1]' WHERE id = 1;
    BEGIN
        IF level < deepest THEN
            PERFORM dig(level + 1, deepest);
        END IF;
        IF level % 3 = 0 THEN
            UPDATE t SET v = '[-1,-1]' WHERE id = 1000 + level;
            DELETE FROM t WHERE id = 1000 + level - 1;
            RAISE EXCEPTION 'back to level %', level;
        END IF;
        UPDATE t SET v = v * '[2,2]' WHERE id = 1000 + level;
    EXCEPTION WHEN raise_exception THEN
        UPDATE t SET n = n + 1 WHERE id = 1000 + level;
    END;
END $$;
UPDATE t SET v = '[0,0]' WHERE id = 1;
BEGIN;
SELECT dig(1, 100);
-- level 3 throws everything below away
SELECT * FROM t WHERE id > 1000 OR id = 1 ORDER BY id;
ROLLBACK;
CREATE FUNCTION steps(deepest int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE command text := 'INSERT INTO t VALUES (2000, ''[0]'')';
BEGIN
    EXECUTE command;
    FOR level IN 1..deepest LOOP
        BEGIN
            INSERT INTO t VALUES (2000 + level, ARRAY[level]::zvec);
            UPDATE t SET v = v + '[1]' WHERE id = 2000;
            IF level % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF;
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$;
SELECT steps(100);
SELECT v FROM t WHERE id = 2000;
SELECT count(*), sum(v) FROM t WHERE id > 2000;
SELECT count(*) FROM t WHERE id > 2000 AND v <> ARRAY[id - 2000]::zvec;
-- savepoint within savepoint, to depth 100, by one statement each
CREATE TABLE depth (level int, v zvec(2)) USING zvec;
BEGIN;
SELECT 'SAVEPOINT s' || i || '; INSERT INTO depth VALUES (' || i || ', ''[' || i || ',1]''); UPDATE depth SET v = v + ''[0,1]'';'
FROM generate_series(1, 100) i
\set ECHO none
\gexec
\set ECHO all
SELECT count(*), min(v <#> '[0,-1]'), max(v <#> '[0,-1]') FROM depth;
ROLLBACK TO s60;
SELECT level, v FROM depth WHERE level IN (1, 2, 58, 59, 60) ORDER BY level;
INSERT INTO depth VALUES (60, '[0,0]');
RELEASE s10;
UPDATE depth SET v = v * '[1,-1]' WHERE level > 57;
COMMIT;
SELECT count(*), count(*) FILTER (WHERE v = ARRAY[level, 61 - level]::zvec) FROM depth;
SELECT level, v FROM depth WHERE level > 55 ORDER BY level;
SELECT * FROM zvec_check('depth');
SELECT * FROM zvec_check('t');

-- prepared statements: custom and generic plans
PREPARE put(int, zvec) AS INSERT INTO t VALUES ($1, $2) RETURNING *;
EXECUTE put(20, '[1,2,3,4]');
EXECUTE put(21, NULL);
PREPARE nearest(zvec) AS SELECT id, v <-> $1 AS l2 FROM t WHERE vector_dims(v) = 4 ORDER BY v <-> $1, id LIMIT 2;
EXECUTE put(22, '[0,0,0,0]');
SET plan_cache_mode = force_generic_plan;
EXECUTE nearest('[1,2,3,4]');
EXECUTE nearest('[0,0,0,1]');
EXECUTE put(23, '[3]');
SET plan_cache_mode = force_custom_plan;
EXECUTE nearest('[0,0,0,1]');
RESET plan_cache_mode;
PREPARE change(int, zvec) AS UPDATE t SET v = $2 WHERE id = $1 RETURNING v;
EXECUTE change(20, '[7]');
EXECUTE change(21, '[8]');
EXECUTE change(22, NULL);
SELECT * FROM t WHERE id BETWEEN 20 AND 23 ORDER BY id;
DEALLOCATE ALL;

-- two-phase commit
BEGIN;
INSERT INTO t VALUES (30, '[30]');
UPDATE t SET v = '[31]' WHERE id = 20;
DELETE FROM t WHERE id = 21;
PREPARE TRANSACTION 'table_transaction_commit';
SELECT id, v FROM t WHERE id IN (20, 21, 30) ORDER BY id;
SELECT * FROM zvec_check('t');
COMMIT PREPARED 'table_transaction_commit';
SELECT id, v FROM t WHERE id IN (20, 21, 30) ORDER BY id;
BEGIN;
INSERT INTO t VALUES (32, '[32]');
UPDATE t SET v = '[33]' WHERE id = 20;
DELETE FROM t WHERE id = 30;
PREPARE TRANSACTION 'table_transaction_abort';
ROLLBACK PREPARED 'table_transaction_abort';
SELECT id, v FROM t WHERE id IN (20, 30, 32) ORDER BY id;
SELECT * FROM zvec_check('t');

-- isolation levels, alone
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT v FROM t WHERE id = 30;
UPDATE t SET v = v + '[1]' WHERE id = 30 RETURNING v;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT v FROM t WHERE id = 30;
UPDATE t SET n = 5 WHERE id = 30;
ROLLBACK;
-- an earlier snapshot within one transaction: a cursor sees the vectors of its time
BEGIN;
DECLARE c CURSOR FOR SELECT id, v FROM t WHERE id IN (1, 2, 30) ORDER BY id;
UPDATE t SET v = '[99]' WHERE id IN (1, 2, 30);
UPDATE t SET v = '[98]' WHERE id IN (1, 2);
DELETE FROM t WHERE id = 2;
FETCH ALL FROM c;
SELECT id, v FROM t WHERE id IN (1, 2, 30) ORDER BY id;
ROLLBACK;
SELECT * FROM zvec_check('t');
-- ids of inserting and deleting transactions are of one transaction or another
BEGIN;
INSERT INTO t VALUES (40, '[40]');
SELECT id, v, xmin::text::bigint = pg_current_xact_id()::text::bigint & 4294967295 AS mine, tableoid::regclass FROM t WHERE id IN (30, 40) ORDER BY id;
COMMIT;
-- VACUUM takes away what transactions left: no dead slots
VACUUM t;
SELECT dimensions, live, dead FROM zvec_segments('t') ORDER BY dimensions;
SELECT vector_dims(v) AS dimensions, count(v) FROM t WHERE v IS NOT NULL GROUP BY 1 ORDER BY 1;
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA table_transaction CASCADE;
