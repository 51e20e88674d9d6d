-- the extension can be dropped with its tables, and made again
CREATE SCHEMA table_extension;
SET search_path = table_extension, public;
CREATE TABLE t (id int PRIMARY KEY, v zvec(3), body text) USING zvec;
INSERT INTO t SELECT i, ARRAY[i, 0, 0]::zvec, repeat(md5(i::text), 100) FROM generate_series(1, 10) i;
CREATE TABLE in_heap (id int, v zvec(3), n int) USING heap;
INSERT INTO in_heap VALUES (1, '[1,2,3]', 4);
CREATE MATERIALIZED VIEW m USING zvec AS SELECT id, v FROM t;
CREATE TABLE plain (id int) USING zvec;
INSERT INTO plain VALUES (1);
-- undone
SET client_min_messages = warning;
BEGIN;
DROP EXTENSION pg_zvec CASCADE;
SELECT relname FROM pg_class WHERE relnamespace = 'table_extension'::regnamespace AND relkind IN ('r', 'm') ORDER BY relname;
SELECT * FROM in_heap;
SELECT count(*) FROM pg_am WHERE amname LIKE 'zvec%';
ROLLBACK;
SELECT count(*), sum(v) FROM t;
SELECT * FROM zvec_check('t');
BEGIN;
DROP ACCESS METHOD zvec CASCADE;
ROLLBACK;
-- done, and made again in the same session
DROP EXTENSION pg_zvec CASCADE;
SELECT * FROM in_heap;
SELECT count(*) FROM pg_am WHERE amname LIKE 'zvec%';
CREATE EXTENSION pg_zvec SCHEMA public;
CREATE TABLE t (id int, v zvec(3)) USING zvec;
INSERT INTO t VALUES (1, '[1,2,3]');
UPDATE t SET v = v + '[1,1,1]';
SELECT id, v, v <-> '[2,3,3]' AS l2 FROM t;
SELECT * FROM zvec_check('t');
DROP SCHEMA table_extension CASCADE;
