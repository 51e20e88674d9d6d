-- README's table of plans: which one there is for each kind of query
CREATE SCHEMA plan_kinds;
SET search_path = plan_kinds, public;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE t (id int PRIMARY KEY, few int, many int, v zvec(4) NOT NULL) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i / 100, i % 10, ARRAY[sin(i), cos(1.7 * i), sin(0.3 * i), i % 7]::zvec FROM generate_series(1, 20000) i;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
CREATE INDEX t_few ON t (few);
ANALYZE t;
PREPARE nearest (zvec) AS SELECT id FROM t ORDER BY v <-> $1 LIMIT 10;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE nearest ('[1,2,3,4]');
-- conditions
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE many < 5 ORDER BY v <-> '[1,2,3,4]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE few = 5 ORDER BY v <-> '[1,2,3,4]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v <-> '[1,2,3,4]' < 2 ORDER BY v <-> '[1,2,3,4]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v <-> '[1,2,3,4]' < 2;
CREATE INDEX t_part ON t USING zvec_hnsw (v) WHERE many = 3;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE many = 3 ORDER BY v <-> '[1,2,3,4]' LIMIT 10;
DROP INDEX t_part;
-- other keys, joins
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1,2,3,4]', id LIMIT 10;
EXPLAIN (COSTS OFF) SELECT t.id FROM t JOIN t u ON u.id = t.id + 1 ORDER BY t.v <-> '[1,2,3,4]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT n.id FROM (SELECT v FROM t WHERE id < 5) q CROSS JOIN LATERAL (SELECT id FROM t ORDER BY t.v <-> q.v LIMIT 10) n;
-- all rows, groups, no index
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1,2,3,4]';
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 15000;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t GROUP BY v <-> '[1,2,3,4]' ORDER BY v <-> '[1,2,3,4]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <=> '[1,2,3,4]' LIMIT 10;
CREATE TABLE undeclared (id int, v zvec) USING zvec;
INSERT INTO undeclared SELECT id, v FROM t WHERE id < 1000;
ANALYZE undeclared;
EXPLAIN (COSTS OFF) SELECT id FROM undeclared ORDER BY v <-> '[1,2,3,4]' LIMIT 10;
-- partitions
CREATE TABLE p (id int, v zvec(4) NOT NULL) PARTITION BY HASH (id);
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0) USING zvec;
CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1) USING zvec;
CREATE INDEX p0_v ON p0 USING zvec_hnsw (v);
INSERT INTO p SELECT id, v FROM t;
ANALYZE p;
EXPLAIN (COSTS OFF) SELECT id FROM p ORDER BY v <-> '[1,2,3,4]' LIMIT 10;
SET client_min_messages = warning;
DROP SCHEMA plan_kinds CASCADE;
