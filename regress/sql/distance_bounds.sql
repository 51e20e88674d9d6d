-- Distances below a bound: a scan ends there. Each query is compared with a sequential scan and a sort (knn.in_two_ways, of the
-- test of forms).
SET client_min_messages = warning;
CREATE SCHEMA distance_bounds;
SET search_path = distance_bounds, knn, public;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE t (id int, n int, v zvec(8)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i % 10, vec(i % 2800, 8) FROM generate_series(1, 3000) i;
INSERT INTO t SELECT 10000 + i, i, NULL FROM generate_series(1, 5) i;
INSERT INTO t SELECT 20000 + i, i, array_fill(0::real, ARRAY[8])::zvec FROM generate_series(1, 3) i;
CREATE TABLE q (id int PRIMARY KEY, v zvec(8)) USING zvec;
INSERT INTO q SELECT i, vec(i, 8) FROM generate_series(1, 5) i;
ANALYZE;
CREATE TABLE conditions (operator text, score text, direction text, condition text);
INSERT INTO conditions VALUES
    ('<->', 'v <-> %1$s', '', 'v <-> %1$s < 0.9'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s <= 0.0'), ('<->', 'v <-> %1$s', '', '0.9 > (v <-> %1$s)'),
    ('<->', 'v <-> %1$s', '', 'v <-> %1$s BETWEEN 0.5 AND 0.9'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s < 0.9 AND %1$s <-> v <= 0.7::real'),
    ('<->', 'v <-> %1$s', '', 'l2_distance(%1$s, v) < 0.9 AND n <> 3'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s = 0'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s < -1'),
    ('<->', 'v <-> %1$s', '', 'v <-> %1$s < ''NaN'''), ('<->', 'v <-> %1$s', '', 'v <-> %1$s < ''Infinity'''), ('<->', 'v <-> %1$s', '', 'v <-> %1$s < NULL'),
    ('<->', 'v <-> %1$s', '', 'v <-> %1$s < (SELECT 0.9::float8)'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s <= (SELECT NULL::float8)'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s < 1e308'),
    ('<->', 'l2_distance(v, %1$s)', '', 'v <-> %1$s < 0.9'), ('<->', '1 / (1 + (v <-> %1$s))', 'DESC', 'v <-> %1$s < 0.9'),
    ('<+>', 'v <+> %1$s', '', 'v <+> %1$s < 2.5'), ('<#>', 'v <#> %1$s', '', 'v <#> %1$s < -2'), ('<#>', 'inner_product(v, %1$s)', 'DESC', 'inner_product(v, %1$s) > 2'),
    ('<#>', '(v <#> %1$s) * -1', 'DESC', '(v <#> %1$s) * -1 >= 2'), ('<#>', '-(v <#> %1$s)', 'DESC NULLS LAST', '2 <= -(v <#> %1$s)'),
    ('<=>', 'v <=> %1$s', '', 'v <=> %1$s < 0.2'), ('<=>', '1 - (v <=> %1$s)', 'DESC', 'v <=> %1$s < 0.2'),
    -- the similarity of zeros, NaN, is greater than any number
    ('<=>', '1 - (v <=> %1$s)', 'DESC', '1 - (v <=> %1$s) > 0.8'), ('<=>', '1 - (v <=> %1$s)', 'DESC NULLS LAST', '1 - (v <=> %1$s) >= 0.8'),
    ('<=>', '1 - (v <=> %1$s)', 'DESC', '0.8 <= 1 - (v <=> %1$s) AND n > 1'), ('<=>', '1 - (v <=> %1$s)', 'DESC', '1 - (v <=> %1$s) BETWEEN 0.8 AND 1'),
    ('<=>', 'v <=> %1$s', '', '1 - (v <=> %1$s) > 0.8'), ('<=>', '1 - (v <=> %1$s)', 'DESC', '1 - (v <=> %1$s) >= ''NaN'''), ('<=>', '1 - (v <=> %1$s)', 'DESC', '1 - (v <=> %1$s) > ''-Infinity'''),
    ('<=>', '1 - (v <=> %1$s)', 'DESC', '1 - (v <=> %1$s) >= 1'), ('<=>', '1 - (v <=> %1$s)', 'DESC', '1 - (v <=> %1$s) >= -1'), ('<=>', '-(v <=> %1$s)', 'DESC', '-(v <=> %1$s) >= ''NaN'''),
    -- no bound of the distance by which rows come
    ('<->', 'v <-> %1$s', '', 'v <-> %1$s > 2.5'), ('<->', 'v <-> %1$s', '', 'v <+> %1$s < 2'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s < 0.9 OR n = 3'), ('<->', 'v <-> %1$s', '', 'v <-> %1$s < n * 0.1'),
    ('<->', 'v <-> %1$s', '', '(v <-> %1$s) * 2 < 1.8'), ('<->', 'v <-> %1$s', '', 'zvec_distance(v, %1$s, ''l2'') <= 0.9');
CREATE VIEW asked AS SELECT operator, score, direction, condition, format('SELECT id, %s AS score FROM t WHERE %s ORDER BY %1$s %3$s', format(score, q), format(condition, q), direction) AS query,
    format('SELECT id, 0 AS score FROM t WHERE %s', format(condition, q)) AS unordered
FROM conditions, (SELECT quote_literal(vec(7, 8)) || '::zvec' AS q) q;
-- without an index: in order, the first few, all without an order
SELECT score, direction, condition, whole.reads, whole.verdict, (in_two_ways(query || ' LIMIT 9', 'exact', false)).verdict AS few
FROM asked, in_two_ways(query, 'exact') whole;
CREATE FUNCTION unordered(query text, OUT verdict text) LANGUAGE plpgsql AS $$
DECLARE ids int[]; ids_seq int[]; plan text := ''; line text;
BEGIN
    query := format('SELECT array_agg(id ORDER BY id) FROM (%s) s', query);
    PERFORM set_config('zvec.enable_exact_scan', 'off', true);
    EXECUTE query INTO ids_seq;
    PERFORM set_config('zvec.enable_exact_scan', 'on', true);
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        plan := concat(plan, substring(line FROM '(ZvecExactScan|Distance|Order By|Within|Seq Scan on t\M)') || ' ');
    END LOOP;
    EXECUTE query INTO ids;
    verdict := CASE WHEN ids IS DISTINCT FROM ids_seq THEN 'other rows: ' ELSE 'same: ' END || rtrim(plan);
END $$;
SELECT condition, unordered(unordered) FROM asked WHERE direction !~ 'LAST';
-- more rows than the first pass keeps: the rest comes in any order
CREATE TABLE many (id int, v zvec(2)) USING zvec;
INSERT INTO many SELECT i, ARRAY[i % 1000, i / 1000]::zvec FROM generate_series(1, 40000) i;
ANALYZE many;
EXPLAIN (COSTS OFF) SELECT count(*) FROM many WHERE v <-> '[500,10]' < 400;
SELECT count(*), count(DISTINCT id), sum(id) FROM many WHERE v <-> '[500,10]' < 400;
SELECT count(*), count(DISTINCT id), sum(id) FROM many WHERE v <-> '[500,10]' < 100 AND id % 3 = 0;
SET zvec.enable_exact_scan = off;
SELECT count(*), count(DISTINCT id), sum(id) FROM many WHERE v <-> '[500,10]' < 400;
SELECT count(*), count(DISTINCT id), sum(id) FROM many WHERE v <-> '[500,10]' < 100 AND id % 3 = 0;
RESET zvec.enable_exact_scan;
DELETE FROM many WHERE v <-> '[500,10]' < 3;
UPDATE many SET id = -id WHERE v <-> '[500,10]' <= 4;
SELECT count(*), min(id) FROM many WHERE 5.0 > v <-> '[500,10]';

-- what it looks like, and that the scan ends
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 50;
EXPLAIN (COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF, ANALYZE) SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 50;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE 1 - (v <=> '[1,0,0,0,0,0,0,0]') > 0.7 ORDER BY 1 - (v <=> '[1,0,0,0,0,0,0,0]') DESC LIMIT 50;
-- more rows than one pass keeps
SELECT whole.* FROM in_two_ways($$SELECT id, v <-> '[0,0,0,0,0,0,0,0]' AS score FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 1.7 AND n * 1 <> 4 ORDER BY score$$, 'exact') whole;
SELECT count(*) FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 1.7;

-- by a flat index, in parallel too
CREATE INDEX t_flat_l2 ON t USING zvec_flat (v);
CREATE INDEX t_flat_ip ON t USING zvec_flat (v zvec_ip_ops);
CREATE INDEX t_flat_cosine ON t USING zvec_flat (v zvec_cosine_ops);
CREATE INDEX t_flat_l1 ON t USING zvec_flat (v zvec_l1_ops);
SELECT score, direction, condition, whole.reads, whole.verdict, (in_two_ways(query || ' LIMIT 9', 'index', false)).verdict AS few
FROM asked, in_two_ways(query, 'index') whole;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF, ANALYZE) SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]';
RESET enable_seqscan;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT score, condition, whole.* FROM asked, in_two_ways(query, 'index') whole WHERE operator = '<=>' LIMIT 5;
SET max_parallel_workers_per_gather = 0;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
DROP INDEX t_flat_l2, t_flat_ip, t_flat_cosine, t_flat_l1;

-- by a graph, where there is a LIMIT: it finds them all here; zeros it does not put first
CREATE INDEX t_l2 ON t USING zvec_hnsw (v);
CREATE INDEX t_ip ON t USING zvec_hnsw (v zvec_ip_ops);
CREATE INDEX t_cosine ON t USING zvec_hnsw (v zvec_cosine_ops);
CREATE INDEX t_l1 ON t USING zvec_hnsw (v zvec_l1_ops);
SELECT score, direction, condition, whole.reads, whole.verdict
FROM asked, in_two_ways(replace(query, ' WHERE ', ' WHERE id < 20000 AND ') || ' LIMIT 60', 'index', false) whole;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF, ANALYZE) SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 50;
-- all rows are asked for: no end
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT ALL;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]';
EXPLAIN (COSTS OFF) SELECT id, count(*) OVER () FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 50;
-- parameters
PREPARE near(zvec, float8, int) AS SELECT id FROM t WHERE v <-> $1 < $2 ORDER BY v <-> $1 LIMIT $3;
PREPARE alike(zvec, float8) AS SELECT id FROM t WHERE 1 - (v <=> $1) > $2 AND id < 20000 ORDER BY 1 - (v <=> $1) DESC, id LIMIT 10;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE near('[0,0,0,0,0,0,0,0]', 0.7, 10);
EXECUTE near('[0,0,0,0,0,0,0,0]', 0.7, 10);
EXECUTE near('[0,0,0,0,0,0,0,0]', 0.65, 10);
EXECUTE near('[0,0,0,0,0,0,0,0]', NULL, 10);
EXPLAIN (COSTS OFF) EXECUTE alike('[1,0,0,0,0,0,0,0]', 0.65);
EXECUTE alike('[1,0,0,0,0,0,0,0]', 0.65);
RESET plan_cache_mode;
SET enable_indexscan = off;
SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 10;
SELECT id FROM t WHERE 1 - (v <=> '[1,0,0,0,0,0,0,0]') > 0.65 AND id < 20000 ORDER BY 1 - (v <=> '[1,0,0,0,0,0,0,0]') DESC, id LIMIT 10;
RESET enable_indexscan;
-- a bound and a query for each row, rows that are locked, a cursor
SELECT q.id, x.* FROM q CROSS JOIN LATERAL (SELECT t.id, round((t.v <-> q.v)::numeric, 6) AS d FROM t WHERE t.v <-> q.v < q.id * 0.15 AND t.id > 5 ORDER BY t.v <-> q.v LIMIT 5) x ORDER BY 1, 3;
BEGIN;
SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 4 FOR UPDATE;
DECLARE c CURSOR FOR SELECT id FROM t WHERE v <-> '[0,0,0,0,0,0,0,0]' < 0.7 ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 40;
MOVE FORWARD ALL FROM c;
ROLLBACK;
RESET enable_seqscan;
-- a column of other dimensions
SELECT count(*) FROM t WHERE v <-> '[1,2]' < 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t WHERE v <-> '[1,2]' < 1;
DROP SCHEMA distance_bounds CASCADE;
