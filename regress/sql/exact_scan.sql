-- Exact scans: in order of distance, where no index has the order
CREATE SCHEMA exact_scan;
SET search_path = exact_scan, knn, public;
SET max_parallel_workers_per_gather = 0;

-- ties, NULL vectors, zero vectors
CREATE TABLE t (id int, v zvec(37), note text, n int) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT id, array_agg((sin(id % 1500 * 12.9898 + i * 78.233 + (id % 1500) * i * 0.37) * 10)::real ORDER BY i)::zvec, 'n' || id, id % 10
FROM generate_series(1, 2000) id, generate_series(1, 37) i GROUP BY id;
INSERT INTO t SELECT 3000 + i, NULL, 'null', i % 10 FROM generate_series(1, 20) i;
INSERT INTO t SELECT 4000 + i, array_fill(0::real, ARRAY[37])::zvec, 'zero', i FROM generate_series(1, 3) i;
ANALYZE t;
CREATE TABLE q (id int PRIMARY KEY, v zvec(37)) USING zvec;
INSERT INTO q SELECT id, v FROM t WHERE id IN (1, 500, 999);
INSERT INTO q VALUES (4001, array_fill(0::real, ARRAY[37])::zvec);

-- what it looks like
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 10;
EXPLAIN (COSTS OFF, VERBOSE) SELECT id, n + 1 FROM t WHERE n < 5 ORDER BY (SELECT v FROM q WHERE id = 1) <=> v LIMIT 10;
EXPLAIN (COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF, ANALYZE) SELECT id FROM t WHERE n < 5 AND id > 1 ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 3;
EXPLAIN (COSTS OFF, FORMAT JSON) SELECT id FROM t ORDER BY v <#> (SELECT v FROM q WHERE id = 1) LIMIT 10;

-- every metric, to the end and not
SELECT q.id, operator, (compared('t', operator, q.v::text, scan => 'ZvecExactScan')).*, (compared('t', operator, q.v::text, rows => 10, scan => 'ZvecExactScan')).*
FROM q, unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator ORDER BY q.id, operator;
SELECT (compared('t', '<->', v::text, 'n = 3', 5, scan => 'ZvecExactScan')).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'id = 1234', 1, scan => 'ZvecExactScan')).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'id > 1990', scan => 'ZvecExactScan')).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'v IS NULL', scan => 'ZvecExactScan')).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'v <-> ' || quote_literal(v::text) || ' < 40', scan => 'ZvecExactScan')).* FROM q WHERE id = 500;
-- conditions that keep other rows than was expected are asked about all rows before a second pass, unless they are volatile
SELECT condition, (compared('t', '<->', v::text, condition, scan => 'ZvecExactScan')).* FROM q, unnest(ARRAY['n * 0 = 1', 'id * 1 % 500 = 7', 'id * 1 > 1000', 'n * 1 = 3 OR v IS NULL',
    'random() < 2 AND id % 3 = 0', 'id = (SELECT max(id) FROM q WHERE q.id > t.id)', 'note || n IN (''n73'', ''zero1'', ''null2'')']) condition WHERE id = 500;
-- a condition with a volatile query of its own is asked once a row, and an expensive one only about rows whose turn has come
CREATE SEQUENCE asked;
SELECT count(*) FROM (SELECT id FROM t WHERE (SELECT nextval('asked') + 0 * t.id) > 0 ORDER BY v <-> (SELECT v FROM q WHERE id = 500) OFFSET 0) s;
SELECT last_value = (SELECT count(*) FROM t) AS once FROM asked;
CREATE FUNCTION dear(id int) RETURNS bool LANGUAGE plpgsql STABLE COST 100000 AS $$ BEGIN RAISE DEBUG 'asked'; RETURN id > 0; END $$;
BEGIN;
SET LOCAL track_functions = 'pl';
DECLARE costly CURSOR FOR SELECT id FROM t WHERE dear(id) ORDER BY v <-> (SELECT v FROM q WHERE id = 500);
MOVE 257 FROM costly;
SELECT pg_stat_get_xact_function_calls('dear'::regproc) < 1000 AS few;
ROLLBACK;
SELECT id FROM t WHERE 1 / (id - 777) < 1 ORDER BY v <-> (SELECT v FROM q WHERE id = 500) OFFSET 300;
SELECT id FROM t WHERE false ORDER BY v <-> (SELECT v FROM q WHERE id = 500);
SELECT id, v <-> (SELECT v FROM t WHERE id = 77) AS d, tableoid::regclass FROM t ORDER BY (SELECT v FROM t WHERE id = 77) <-> v, id LIMIT 3;
SELECT * FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 3003) LIMIT 0;
SELECT count(*), count(DISTINCT id) FROM (SELECT * FROM t ORDER BY v <-> (SELECT NULL::zvec)) s;
SELECT id FROM t ORDER BY v <-> '[1,2]' LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1,2]' LIMIT 1;

-- one's own uncommitted rows, rolled-back ones, deleted ones, another vector in the place of a deleted one
CREATE VIEW compared_all AS SELECT q.id, (compared('exact_scan.t', '<->', q.v::text, scan => 'ZvecExactScan')).*, (compared('exact_scan.t', '<=>', q.v::text, rows => 1100, scan => 'ZvecExactScan')).verdict AS first_rows,
    (compared('exact_scan.t', '<->', q.v::text, $$note || '' <> 'n7'$$, scan => 'ZvecExactScan')).verdict AS with_condition FROM q;
BEGIN;
INSERT INTO t SELECT id + 10000, v, 'own', n FROM t WHERE id <= 100;
DELETE FROM t WHERE id % 7 = 0;
UPDATE t SET v = v * v WHERE id % 11 = 0;
SELECT * FROM compared_all ORDER BY id;
SAVEPOINT s;
INSERT INTO t SELECT id + 20000, v, 'rolled back', n FROM t WHERE id <= 100;
UPDATE t SET note = note || note WHERE id % 3 = 0;
SELECT * FROM compared_all ORDER BY id;
ROLLBACK TO s;
SELECT * FROM compared_all ORDER BY id;
ROLLBACK;
DELETE FROM t WHERE id % 7 = 0;
UPDATE t SET n = n + 1 WHERE id % 4 = 0;
UPDATE t SET v = v + v WHERE id % 9 = 0;
VACUUM t;
INSERT INTO t SELECT id + 30000, v - (SELECT v FROM q WHERE id = 1), 'reused', n FROM t WHERE id <= 200;
SELECT * FROM compared_all ORDER BY id;
-- a cursor goes on under its snapshot, backwards too, while its own transaction changes the table
BEGIN;
DECLARE before_update SCROLL CURSOR FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1);
FETCH 2 FROM before_update;
UPDATE t SET v = (SELECT v FROM q WHERE id = 999);
INSERT INTO t SELECT id + 50000, v FROM t;
MOVE FORWARD 1500 FROM before_update;
FETCH BACKWARD 1 FROM before_update;
FETCH FIRST FROM before_update;
MOVE FORWARD ALL FROM before_update;
ROLLBACK;

-- the row that a cursor is on can be changed
BEGIN;
DECLARE at CURSOR FOR SELECT id, note FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 500);
FETCH 2 FROM at;
UPDATE t SET note = 'here' WHERE CURRENT OF at RETURNING id;
FETCH 1 FROM at;
DELETE FROM t WHERE CURRENT OF at RETURNING id;
SELECT id FROM t WHERE note = 'here';
ROLLBACK;

-- the planner's other choices: nothing to be gained, or another order
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) DESC LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) NULLS FIRST LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> v LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> array_fill(random()::real, ARRAY[37])::zvec LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v <-> (SELECT v FROM q WHERE id = 1) < 1;
EXPLAIN (COSTS OFF) SELECT id FROM t TABLESAMPLE SYSTEM (50) ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 1;
SET zvec.enable_exact_scan = off;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 1;
RESET zvec.enable_exact_scan;
CREATE TABLE in_heap (id int, v zvec(2)) USING heap;
EXPLAIN (COSTS OFF) SELECT id FROM in_heap ORDER BY v <-> '[1,2]' LIMIT 1;
CREATE TABLE undeclared (id int, v zvec) USING zvec;
INSERT INTO undeclared VALUES (1, '[1,2]'), (2, '[1]');
EXPLAIN (COSTS OFF) SELECT id FROM undeclared ORDER BY v <-> '[1,2]' LIMIT 1;
SELECT id FROM undeclared WHERE id = 1 ORDER BY v <-> '[1,2]' LIMIT 1;
-- rows that do not store the column: it was added with a default, which older rows have got since
CREATE TABLE given (id int) USING zvec;
INSERT INTO given SELECT generate_series(1, 300);
ALTER TABLE given ADD v zvec(2) DEFAULT '[5,5]';
INSERT INTO given SELECT i, ARRAY[i, i]::zvec FROM generate_series(301, 600) i;
ANALYZE given;
EXPLAIN (COSTS OFF) SELECT id FROM given ORDER BY v <-> '[5,5]', id LIMIT 2;
SELECT id FROM given ORDER BY v <-> '[5,5]', id LIMIT 2;
VACUUM FULL given;
EXPLAIN (COSTS OFF) SELECT id FROM given ORDER BY v <-> '[5,5]', id LIMIT 2;
SELECT id FROM given ORDER BY v <-> '[5,5]', id LIMIT 2;
-- what only comes of rows is not given before a scan
SELECT id, v <-> unnest(ARRAY['[5,5]', '[5,6]']::zvec[]) AS d FROM given ORDER BY d, id LIMIT 2;
SELECT id FROM given ORDER BY v <-> array_fill((count(*) OVER ())::real, ARRAY[2])::zvec, id LIMIT 2;
SELECT v, count(*) FROM given WHERE id > 298 GROUP BY v ORDER BY v <-> array_fill(count(*)::real, ARRAY[2])::zvec LIMIT 2;
CREATE INDEX given_v ON given USING zvec_hnsw (v);
SET enable_seqscan = off;
SELECT id, v <-> unnest(ARRAY['[5,5]', '[5,6]']::zvec[]) AS d FROM given ORDER BY d, id LIMIT 2;
SELECT id FROM given ORDER BY v <-> array_fill((count(*) OVER ())::real, ARRAY[2])::zvec LIMIT 1;
DROP INDEX given_v;
CREATE INDEX given_v ON given USING zvec_flat (v);
SELECT id FROM given ORDER BY v <-> array_fill((count(*) OVER ())::real, ARRAY[2])::zvec, id LIMIT 1;
RESET enable_seqscan;
-- no row has a vector of other dimensions to be compared with
CREATE TABLE fresh (id int, v zvec(4)) USING zvec;
SELECT id FROM fresh ORDER BY v <-> '[1,2]' LIMIT 3;
INSERT INTO fresh VALUES (1, NULL);
SELECT id FROM fresh ORDER BY v <-> '[1,2]' LIMIT 3;
INSERT INTO fresh VALUES (2, '[1,2,3,4]');
EXPLAIN (COSTS OFF) SELECT id FROM fresh ORDER BY v <-> '[1,2]' LIMIT 3;
SELECT id FROM fresh ORDER BY v <-> '[1,2]' LIMIT 3;
-- few rows that satisfy a condition are found by it
CREATE INDEX t_id ON t (id);
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE id = 7 ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 1;
-- where an index has the order, it is asked; where it has not, or is switched off, it is not
CREATE INDEX t_flat ON t USING zvec_flat (v zvec_l2_ops) WHERE n < 5;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE n < 5 ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 1;
DROP INDEX t_flat;
CREATE INDEX t_hnsw ON t USING zvec_hnsw (v zvec_l2_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 1;
RESET enable_seqscan;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <=> (SELECT v FROM q WHERE id = 1) LIMIT 1;
SET enable_indexscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) LIMIT 1;
RESET enable_indexscan;
DROP INDEX t_hnsw;

-- as a part of larger queries
CREATE TABLE names (n int PRIMARY KEY, name text);
INSERT INTO names SELECT n, 'name ' || n FROM generate_series(0, 10) n;
ANALYZE names;
EXPLAIN (COSTS OFF) SELECT id, name FROM t JOIN names USING (n) ORDER BY v <-> (SELECT v FROM q WHERE q.id = 500) LIMIT 3;
SELECT id, name FROM t JOIN names USING (n) ORDER BY v <-> (SELECT v FROM q WHERE q.id = 500), id LIMIT 3;
EXPLAIN (COSTS OFF) SELECT q.id, near.id FROM q, LATERAL (SELECT id FROM t WHERE n <> q.id ORDER BY t.v <-> q.v, id LIMIT 2) near;
SELECT q.id, near.id FROM q, LATERAL (SELECT id FROM t WHERE n <> q.id ORDER BY t.v <-> q.v, id LIMIT 2) near ORDER BY 1, 2;
-- conditions with queries of their own, which are shown once
EXPLAIN (COSTS OFF) SELECT id, (SELECT name FROM names WHERE names.n = t.n) FROM t WHERE n = (SELECT max(names.n) - 9 FROM names WHERE names.n >= t.n) ORDER BY v <-> (SELECT v FROM q WHERE id = 500) LIMIT 3;
SELECT id, (SELECT name FROM names WHERE names.n = t.n) FROM t WHERE n = (SELECT max(names.n) - 9 FROM names WHERE names.n >= t.n) ORDER BY v <-> (SELECT v FROM q WHERE id = 500) LIMIT 3;
SELECT id, rank() OVER (ORDER BY v <-> (SELECT v FROM q WHERE id = 500)) FROM t WHERE v IS NOT NULL ORDER BY 2, 1 LIMIT 3;
SELECT DISTINCT ON (v <-> (SELECT v FROM q WHERE id = 500)) id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 500), id LIMIT 3;
SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 500) FETCH FIRST 1 ROWS WITH TIES;
-- rows are locked, changed and deleted in that order
BEGIN;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 500) LIMIT 2 FOR UPDATE;
SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 500) LIMIT 2 FOR UPDATE;
UPDATE t SET note = 'near' WHERE ctid = ANY (ARRAY(SELECT ctid FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 500) LIMIT 3));
DELETE FROM t WHERE id IN (SELECT id FROM t WHERE note = 'near' ORDER BY v <-> (SELECT v FROM q WHERE id = 500) LIMIT 1) RETURNING note;
SELECT count(*) FROM t WHERE note = 'near';
ROLLBACK;
-- prepared, with a plan for all parameters
SET plan_cache_mode = force_generic_plan;
PREPARE nearest(zvec, int) AS SELECT id FROM t WHERE v IS NOT NULL ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL, 2);
SELECT v AS stored FROM q WHERE id = 500 \gset
EXECUTE nearest(:'stored', 1);
CREATE FUNCTION far(query zvec, most int) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> query LIMIT most) s';
SELECT far(:'stored', 1000), far(:'stored', 100000) = (SELECT count(*) FROM t) AS all;
-- a table that changes gets another plan
ALTER TABLE t ALTER v TYPE zvec;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL, 2);
EXECUTE nearest(:'stored', 1);
ALTER TABLE t ALTER v TYPE zvec(37);
ALTER TABLE t SET ACCESS METHOD heap;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL, 2);
ALTER TABLE t SET ACCESS METHOD zvec;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL, 2);
EXECUTE nearest(:'stored', 1);
RESET plan_cache_mode;

-- partitions, heirs, domains, views, materialized views, temporary and unlogged tables
CREATE DOMAIN pair AS zvec(2) CHECK (vector_dims(VALUE) = 2);
CREATE TABLE parted (id int, v pair) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100) USING zvec;
CREATE TABLE parted_2 (v pair, dropped int, id int) USING zvec;
ALTER TABLE parted_2 DROP dropped;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (100) TO (1000);
INSERT INTO parted SELECT i, ARRAY[i, i % 7]::zvec FROM generate_series(0, 400) i;
ANALYZE parted;
EXPLAIN (COSTS OFF) SELECT id FROM parted ORDER BY v <-> '[99.6,0]' LIMIT 4;
SELECT id, v FROM parted ORDER BY v <-> '[99.6,0]' LIMIT 4;
CREATE TABLE parent (id int, v zvec(2)) USING zvec;
CREATE TABLE heir (more int) INHERITS (parent) USING zvec;
INSERT INTO parent SELECT i, ARRAY[i, 0]::zvec FROM generate_series(1, 100) i;
INSERT INTO heir SELECT -i, ARRAY[i + 0.5, 0]::real[]::zvec, i FROM generate_series(1, 100) i;
ANALYZE parent, heir;
SELECT id, v, tableoid::regclass FROM parent ORDER BY v <-> '[50,0]', id LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM ONLY parent ORDER BY v <-> '[50,0]' LIMIT 3;
CREATE MATERIALIZED VIEW kept USING zvec AS SELECT id, v FROM parent;
CREATE TEMP TABLE passing USING zvec AS SELECT id, v FROM parent;
CREATE UNLOGGED TABLE unlogged USING zvec AS SELECT id, v FROM parent;
CREATE VIEW near AS SELECT id, v <-> '[50,0]' AS d FROM parent;
ANALYZE kept, passing, unlogged;
SELECT 'kept' AS "from", id FROM (SELECT id FROM kept ORDER BY v <-> '[50.2,0]' LIMIT 2) s
UNION ALL SELECT 'passing', id FROM (SELECT id FROM passing ORDER BY v <-> '[50.2,0]' LIMIT 2) s
UNION ALL SELECT 'unlogged', id FROM (SELECT id FROM unlogged ORDER BY v <-> '[50.2,0]' LIMIT 2) s
UNION ALL SELECT 'near', id FROM (SELECT id FROM near ORDER BY d LIMIT 1) s;
SELECT relation, count(*) FROM unnest(ARRAY['kept', 'passing', 'unlogged']) relation, plan_of(format('SELECT id FROM %I ORDER BY v <-> ''[50.2,0]'' LIMIT 2', relation)) p WHERE p LIKE '%ZvecExactScan%' GROUP BY 1 ORDER BY 1;
-- what row security hides stays hidden
CREATE ROLE exact_scan_user;
GRANT USAGE ON SCHEMA exact_scan TO exact_scan_user;
GRANT SELECT ON parent TO exact_scan_user;
ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON parent USING (id % 2 = 0);
SET ROLE exact_scan_user;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM ONLY parent WHERE id < 60 ORDER BY v <-> '[51,0]' LIMIT 3;
SELECT id FROM ONLY parent WHERE id < 60 ORDER BY v <-> '[51,0]', id LIMIT 3;
RESET enable_sort;
RESET ROLE;

-- it counts as a sequential scan
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT id FROM parted_1 ORDER BY v <-> '[5,0]' LIMIT 1;
SELECT pg_stat_get_xact_numscans('parted_1'::regclass), pg_stat_get_xact_tuples_returned('parted_1'::regclass);
ROLLBACK;
-- an empty table
TRUNCATE parent, heir;
SELECT id FROM parent ORDER BY v <-> '[5,0]' LIMIT 1;
SET client_min_messages = warning;
DROP SCHEMA exact_scan CASCADE;
DROP ROLE exact_scan_user;
