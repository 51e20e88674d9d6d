-- what a zvec table refuses, and that nothing is left behind
CREATE SCHEMA table_errors;
SET search_path = table_errors, public;
-- the access method of the store is not for ordinary tables
CREATE TABLE t (a int) USING zvec_segment;
CREATE TABLE t USING zvec_segment AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW t USING zvec_segment AS SELECT 1 AS a;
CREATE TEMP TABLE t (a zvec(3)) USING zvec_segment;
CREATE UNLOGGED TABLE t (a zvec(3)) USING zvec_segment;
SET default_table_access_method = zvec_segment;
CREATE TABLE t (a int);
RESET default_table_access_method;
CREATE TABLE in_heap (id int, v zvec(3)) USING heap;
INSERT INTO in_heap VALUES (1, '[1,2,3]');
ALTER TABLE in_heap SET ACCESS METHOD zvec_segment;
SELECT * FROM in_heap;
CREATE TABLE t (id int PRIMARY KEY, v zvec(3), free zvec, n int CHECK (n > 0)) USING zvec WITH (autovacuum_enabled = off);
ALTER TABLE t SET ACCESS METHOD zvec_segment;
\d t

-- dimensions
INSERT INTO t VALUES (1, '[1,2]');
INSERT INTO t VALUES (1, '[1,2,3]', '[]');
INSERT INTO t VALUES (1, '[1,2,3]'), (2, '[1,2,3,4]');
INSERT INTO t SELECT i, array_fill(1::real, ARRAY[i])::zvec FROM generate_series(3, 4) i;
INSERT INTO t VALUES (1, '[1,2,nan]');
INSERT INTO t SELECT 1, NULL, array_fill(1::real, ARRAY[16001])::zvec;
UPDATE t SET v = '[1]';
SELECT count(*) FROM t;
INSERT INTO t VALUES (1, '[1,2,3]', '[1]', 1), (2, '[4,5,6]', '[1,2]', 1);
UPDATE t SET v = free;
UPDATE t SET v = free WHERE id = 2;
SELECT id, v <-> free FROM t ORDER BY id;
SELECT id FROM t ORDER BY free <-> '[1]';
SELECT sum(free) FROM t;
SELECT v + free FROM t;
PREPARE nearest(zvec) AS SELECT id FROM t ORDER BY v <-> $1 LIMIT 1;
EXECUTE nearest('[1,2]');
EXECUTE nearest('[4,5,5]');
SELECT * FROM t ORDER BY id;

-- constraints that fail after the vector was written
INSERT INTO t VALUES (3, '[7,8,9]', '[1]', -1);
INSERT INTO t VALUES (1, '[7,8,9]', '[1]', 1);
UPDATE t SET v = '[0,0,0]', id = 2 WHERE id = 1;
UPDATE t SET v = '[0,0,0]', n = n - id;
INSERT INTO t SELECT 10 - i, '[7,7,7]', NULL, 4 - i FROM generate_series(1, 5) i;
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');
VACUUM t;
SELECT column_name, dimensions, live, dead FROM zvec_segments('t') ORDER BY column_name, dimensions;
SELECT * FROM zvec_check('t');

-- the TOAST relation is the table's: it is not rewritten, changed or written alone
SELECT reltoastrelid::regclass AS toast FROM pg_class WHERE oid = 't'::regclass \gset
CREATE FUNCTION refused(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || regexp_replace(SQLERRM, 'pg_toast_\d+', 'pg_toast_N');
END $$;
SELECT refused('INSERT INTO ' || :'toast' || ' VALUES (1, 1, NULL)');
SELECT refused('DELETE FROM ' || :'toast');
SELECT refused('TRUNCATE ' || :'toast');
SELECT refused('DROP TABLE ' || :'toast');
SELECT refused('SELECT * FROM ' || :'toast');
\set ECHO none
\set VERBOSITY sqlstate
VACUUM FULL :toast;
\set VERBOSITY default
\set ECHO all
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');

-- the inspection functions want a zvec table
SELECT * FROM zvec_check('in_heap');
SELECT * FROM zvec_segments('in_heap');
SELECT * FROM zvec_check('pg_class');
CREATE VIEW seen AS SELECT * FROM t;
SELECT * FROM zvec_segments('seen');
SELECT * FROM zvec_check('t_pkey');
SELECT * FROM zvec_segments(0);
SELECT * FROM zvec_segments(NULL);
CREATE TABLE parent (id int, v zvec(2)) PARTITION BY RANGE (id);
SELECT * FROM zvec_segments('parent');
-- and the right to read it
CREATE ROLE regress_table_errors;
GRANT USAGE ON SCHEMA table_errors TO regress_table_errors;
SET ROLE regress_table_errors;
SELECT * FROM zvec_segments('t');
SELECT * FROM zvec_check('t');
SELECT * FROM t;
RESET ROLE;
GRANT SELECT ON t TO regress_table_errors;
SET ROLE regress_table_errors;
SELECT column_name, dimensions, live FROM zvec_segments('t') ORDER BY column_name, dimensions;
SELECT * FROM zvec_check('t');
SELECT id, v FROM t ORDER BY id;
INSERT INTO t VALUES (100, '[1,1,1]');
UPDATE t SET v = '[1,1,1]';
RESET ROLE;
-- rights for columns
REVOKE SELECT ON t FROM regress_table_errors;
GRANT SELECT (id, v), UPDATE (v) ON t TO regress_table_errors;
SET ROLE regress_table_errors;
SELECT id, v FROM t ORDER BY id;
SELECT free FROM t;
UPDATE t SET v = v + '[0,0,1]' WHERE id = 1 RETURNING v;
UPDATE t SET free = NULL;
RESET ROLE;
SELECT * FROM t ORDER BY id;
SELECT * FROM zvec_check('t');
-- a statement that is cancelled in the middle
CREATE FUNCTION stop_at(int, int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = $2 THEN RAISE EXCEPTION 'stopped at row %', $1; END IF;
    RETURN $1;
END $$;
INSERT INTO t SELECT 1000 + stop_at(i, 2500), ARRAY[i, i, i]::zvec, NULL, 1 FROM generate_series(1, 3000) i;
SELECT count(*) FROM t;
VACUUM t;
SELECT column_name, dimensions, live, dead FROM zvec_segments('t') ORDER BY column_name, dimensions;
SELECT * FROM zvec_check('t');
-- access methods in use cannot go
SELECT refused('DROP ACCESS METHOD zvec');
SELECT refused('DROP EXTENSION pg_zvec');
SET client_min_messages = warning;
DROP SCHEMA table_errors CASCADE;
DROP ROLE regress_table_errors;
