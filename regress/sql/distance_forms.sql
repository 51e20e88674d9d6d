-- Orders that are a distance's, written in another way: functions, similarities, with NULL and zero vectors. Each query is
-- compared with a sequential scan and a sort.
SET client_min_messages = warning;
CREATE SCHEMA distance_forms;
SET search_path = distance_forms, knn, public;
SET max_parallel_workers_per_gather = 0;
-- what reads the table, whether it is sorted, and whether rows come as by a sequential scan and a sort: the query returns (id, score)
CREATE FUNCTION knn.in_two_ways(query text, scan text, whole bool = true, OUT reads text, OUT verdict text) LANGUAGE plpgsql AS $$
DECLARE
    plan text := '';
    line text;
    collect text := format('SELECT array_agg(id), array_agg(score::text), count(*) FROM (%s) s', query);
    ids int[]; scores text[]; n bigint; ids_seq int[]; scores_seq text[]; n_seq bigint;
BEGIN
    PERFORM set_config('enable_indexscan', 'off', true), set_config('zvec.enable_exact_scan', 'off', true);
    EXECUTE collect INTO ids_seq, scores_seq, n_seq;
    PERFORM set_config('enable_indexscan', (scan = 'index')::text, true), set_config('zvec.enable_exact_scan', (scan = 'exact')::text, true),
        set_config('enable_seqscan', (scan = 'exact')::text, true), set_config('enable_sort', 'off', true);
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        plan := concat(plan, substring(line FROM '(Incremental Sort|Sort$|Parallel Index Scan|Index Scan|Zvec\w+|Seq Scan on t\M)') || ' ');
    END LOOP;
    EXECUTE collect INTO ids, scores, n;
    PERFORM set_config('enable_indexscan', 'on', true), set_config('zvec.enable_exact_scan', 'on', true),
        set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true);
    reads := rtrim(plan);
    verdict := CASE
        WHEN n <> n_seq THEN format('%s rows instead of %s', n, n_seq)
        WHEN scores IS DISTINCT FROM scores_seq THEN 'other scores'
        WHEN (SELECT count(DISTINCT i) FROM unnest(ids) i) <> n THEN 'a row twice'
        WHEN whole AND (SELECT array_agg(i ORDER BY i) FROM unnest(ids) i) IS DISTINCT FROM (SELECT array_agg(i ORDER BY i) FROM unnest(ids_seq) i) THEN 'other rows'
        ELSE 'same' END;
END $$;

-- among the rows some without a vector, and some of zeros, which have no direction
CREATE TABLE t (id int, n int, v zvec(8)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i % 10, vec(i % 350, 8) FROM generate_series(1, 400) i;
INSERT INTO t SELECT 1000 + i, i, NULL FROM generate_series(1, 5) i;
INSERT INTO t SELECT 2000 + i, i, array_fill(0::real, ARRAY[8])::zvec FROM generate_series(1, 3) i;
CREATE TABLE forms (form text, score text, direction text);
INSERT INTO forms VALUES
    ('<->', 'l2_distance(v, %s)', ''), ('<->', 'l2_distance(%s, v)', ''), ('<=>', 'cosine_distance(v, %s)', ''),
    ('<+>', 'l1_distance(v, %s)', ''), ('<#>', 'zvec_negative_inner_product(v, %s)', ''),
    ('<->', 'zvec_distance(v, %s, ''l2'')', ''), ('<=>', 'zvec_distance(v, %s, ''cosine'')', ''),
    ('<#>', 'zvec_distance(%s, v, ''ip'')', ''), ('<+>', 'zvec_distance(v, %s, metric => ''l1'')', ''),
    ('<#>', 'inner_product(v, %s)', 'DESC'), ('<#>', 'inner_product(%s, v)', 'DESC NULLS LAST'), ('<#>', '-inner_product(v, %s)', ''),
    ('<=>', '1 - (v <=> %s)', 'DESC'), ('<=>', '1 - (v <=> %s)', 'DESC NULLS LAST'), ('<=>', '1 - cosine_distance(%s, v)', 'DESC'),
    ('<=>', '1 - zvec_distance(v, %s, ''cosine'')', 'DESC'), ('<=>', '(1 - (v <=> %s))::real', 'DESC NULLS LAST'),
    ('<=>', '-(v <=> %s)', 'DESC'), ('<=>', '1.0 - (%s <=> v) / 2', 'DESC'), ('<=>', '2 - (v <=> %s) - 1', 'DESC NULLS LAST'),
    ('<=>', '100 * (1 - (v <=> %s))', 'DESC'), ('<=>', '-1 * (1 - (v <=> %s))', ''),
    ('<#>', '(v <#> %s) * -1', 'DESC'), ('<#>', '-(v <#> %s)', 'DESC'), ('<#>', '1 - (v <#> %s)', 'DESC NULLS LAST'), ('<#>', '+(v <#> %s)', ''),
    ('<->', '1 / (1 + (v <-> %s))', 'DESC'), ('<->', '1 / ((v <-> %s) + 0.5::real)', 'DESC NULLS LAST'), ('<+>', '-1 / (1 + (v <+> %s))', ''),
    ('<->', '(v <-> %s) + 1', ''), ('<->', '(v <-> %s) / 0.1', ''), ('<->', 'l2_distance(v, %s) - 1::real', '');
-- in each of them every row, and few: by a table's scan
CREATE VIEW by_table AS SELECT score, direction, whole.reads, whole.verdict, few.verdict AS few, filtered.verdict AS filtered
FROM (SELECT form, score, direction, format(score, quote_literal(vec(7, 8)) || '::zvec') AS s FROM forms) f,
    in_two_ways(format('SELECT id, %s AS score FROM t ORDER BY %1$s %s', s, direction), 'exact') whole,
    in_two_ways(format('SELECT id, %s AS score FROM t ORDER BY %1$s %s LIMIT 12', s, direction), 'exact', false) few,
    in_two_ways(format('SELECT id, %s AS score FROM t WHERE n <> 3 AND v IS NOT NULL ORDER BY score %s, id LIMIT 20', s, direction), 'exact') filtered;
SELECT * FROM by_table;
-- what is no form: it does not fall and rise as a distance does, or its NULLs come elsewhere
SELECT order_by, (in_two_ways(format('SELECT id, %s AS score FROM t ORDER BY %s', regexp_replace(order_by, ' (DESC|NULLS FIRST)', ''), order_by), 'exact')).*
FROM unnest(ARRAY[$$1 - (v <=> '[1,2,3,4,5,6,7,8]')$$, $$(v <=> '[1,2,3,4,5,6,7,8]') DESC$$, $$(v <-> '[1,2,3,4,5,6,7,8]') NULLS FIRST$$,
    $$(v <-> '[1,2,3,4,5,6,7,8]') * -1$$, $$0 * (v <#> '[1,2,3,4,5,6,7,8]')$$, $$1 / ((v <=> '[1,2,3,4,5,6,7,8]') - 3) DESC$$,
    $$1 / (30000 + (v <#> '[1,2,3,4,5,6,7,8]')) DESC$$, $$abs(1 - (v <=> '[1,2,3,4,5,6,7,8]'))$$, $$(v <-> '[1,2,3,4,5,6,7,8]') + n$$,
    $$'NaN' - (v <=> '[1,2,3,4,5,6,7,8]') DESC$$, $$1 - (v <-> v) DESC$$, $$l2_distance(v, v)$$,
    $$zvec_distance(v, '[1,2,3,4,5,6,7,8]', CASE WHEN id > 0 THEN 'l2' END)$$]) order_by;

-- by indexes: a flat one is exact, and a graph of so few rows
CREATE TABLE sets (name text, operators text);
INSERT INTO sets VALUES ('<->', 'zvec_l2_ops'), ('<#>', 'zvec_ip_ops'), ('<=>', 'zvec_cosine_ops'), ('<+>', 'zvec_l1_ops');
CREATE VIEW by_index AS SELECT score, direction, whole.reads, whole.verdict, few.verdict AS few, filtered.verdict AS filtered
FROM (SELECT form, score, direction, format(score, quote_literal(vec(7, 8)) || '::zvec') AS s FROM forms) f,
    in_two_ways(format('SELECT id, %s AS score FROM t WHERE id < 2000 ORDER BY %1$s %s', s, direction), 'index') whole,
    in_two_ways(format('SELECT id, %s AS score FROM t WHERE id < 2000 ORDER BY %1$s %s LIMIT 12', s, direction), 'index', false) few,
    in_two_ways(format('SELECT id, %s AS score FROM t WHERE id < 2000 AND n <> 3 AND v IS NOT NULL ORDER BY score %s, id LIMIT 20', s, direction), 'index') filtered;
DO $$ DECLARE o text; BEGIN FOR o IN SELECT operators FROM sets LOOP EXECUTE format('CREATE INDEX %I ON t USING zvec_flat (v %s)', 't_' || o, o); END LOOP; END $$;
SELECT * FROM by_index;
-- zero vectors come first in a descending order
SELECT score, direction, (in_two_ways(format('SELECT id, %s AS score FROM t ORDER BY %1$s %s', format(score, quote_literal(vec(7, 8))), direction), 'index')).*
FROM forms WHERE form = '<=>';
SELECT (in_two_ways(format('SELECT id, 1 - (v <=> %L) AS score FROM t ORDER BY score DESC', array_fill(0::real, ARRAY[8])::zvec), 'index')).*;
-- in parallel
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT score, direction, (in_two_ways(format('SELECT id, %s AS score FROM t WHERE n * 1 >= 0 ORDER BY %1$s %s', format(score, quote_literal(vec(7, 8))), direction), 'index')).*
FROM forms WHERE form = '<=>' LIMIT 6;
SET max_parallel_workers_per_gather = 0;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
DO $$ DECLARE o text; BEGIN FOR o IN SELECT operators FROM sets LOOP EXECUTE format('DROP INDEX %I', 't_' || o);
    EXECUTE format('CREATE INDEX %I ON t USING zvec_hnsw (v %s)', 't_' || o, o); END LOOP; END $$;
SELECT * FROM by_index;

-- what it looks like
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM t ORDER BY score DESC LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY 1 - (v <=> '[1,2,3,4,5,6,7,8]') DESC NULLS LAST, id LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v IS NOT NULL ORDER BY inner_product(v, '[1,2,3,4,5,6,7,8]') DESC LIMIT 3;
EXPLAIN (COSTS OFF) SELECT max(inner_product('[1,2,3,4,5,6,7,8]', v)) FROM t;
SELECT max(inner_product('[1,2,3,4,5,6,7,8]', v)) = -min('[1,2,3,4,5,6,7,8]' <#> v) FROM t;
RESET enable_seqscan;
SET enable_indexscan = off;
EXPLAIN (COSTS OFF) SELECT id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM t ORDER BY score DESC LIMIT 3;
RESET enable_indexscan;

-- the forms of queries
CREATE TABLE q (id int PRIMARY KEY, v zvec(8)) USING zvec;
INSERT INTO q SELECT i, vec(i, 8, 5) FROM generate_series(1, 5) i;
CREATE TABLE parts (id int, n int, v zvec(8)) PARTITION BY LIST (n);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES IN (0, 1, 2, 3, 4) USING zvec;
CREATE TABLE parts_high PARTITION OF parts FOR VALUES IN (5, 6, 7, 8, 9) USING zvec;
INSERT INTO parts SELECT * FROM t WHERE id < 2000;
CREATE INDEX ON parts USING zvec_hnsw (v zvec_cosine_ops);
CREATE VIEW scored AS SELECT t.id, n, 1 - cosine_distance(v, '[1,2,3,4,5,6,7,8]') AS score FROM t;
CREATE TABLE named (n int PRIMARY KEY, name text);
INSERT INTO named SELECT i, 'name ' || i FROM generate_series(0, 9) i;
ANALYZE;
SELECT query, index.*, exact.* FROM unnest(ARRAY[
    $$SELECT * FROM (SELECT id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM t WHERE id < 2000) s ORDER BY score DESC LIMIT 20$$,
    $$SELECT id, score FROM scored WHERE id < 2000 ORDER BY score DESC LIMIT 20$$,
    $$WITH s AS (SELECT id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM t WHERE id < 2000) SELECT * FROM s ORDER BY score DESC NULLS LAST LIMIT 20$$,
    $$SELECT t.id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM t JOIN named USING (n) WHERE id < 2000 ORDER BY score DESC, t.id LIMIT 20$$,
    $$SELECT q.id * 10000 + x.id AS id, score FROM q CROSS JOIN LATERAL (SELECT t.id, 1 - (t.v <=> q.v) AS score FROM t WHERE t.id < 2000 ORDER BY score DESC LIMIT 7) x$$,
    $$SELECT id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM parts ORDER BY score DESC LIMIT 20$$,
    $$SELECT id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM parts ORDER BY score DESC NULLS LAST$$,
    $$SELECT id, 1 - (v <=> (SELECT v FROM q WHERE id = 3)) AS score FROM t WHERE id < 2000 ORDER BY score DESC LIMIT 20$$,
    $$SELECT id, score FROM (SELECT id, score, rank() OVER (ORDER BY score DESC) AS r FROM scored WHERE id < 2000) s WHERE r < 30$$]) query,
    in_two_ways(query, 'index', false) index, in_two_ways(query, 'exact', false) exact;
-- parameters
PREPARE alike(zvec, int) AS SELECT id, round((1 - (v <=> $1))::numeric, 9) AS score FROM t WHERE id < 1000 ORDER BY 1 - (v <=> $1) DESC LIMIT $2;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) EXECUTE alike('[1,2,3,4,5,6,7,8]', 3);
CREATE TEMP TABLE by_plan AS EXECUTE alike('[1,2,3,4,5,6,7,8]', 30);
SELECT count(*), sum(score) = (SELECT sum(score) FROM (SELECT round((1 - (v <=> '[1,2,3,4,5,6,7,8]'))::numeric, 9) AS score FROM t WHERE id < 1000 ORDER BY score DESC LIMIT 30) s) AS same FROM by_plan;
RESET enable_seqscan;
RESET plan_cache_mode;
-- cursors, rows that are locked, a query that is NULL, and of other dimensions
BEGIN;
SET LOCAL enable_seqscan = off;
DECLARE c CURSOR FOR SELECT id FROM t WHERE id > 399 AND id < 2000 ORDER BY 1 - (v <=> '[1,2,3,4,5,6,7,8]') DESC, id;
FETCH ALL FROM c;
SELECT id FROM t WHERE id > 399 AND id < 2000 ORDER BY 1 - (v <=> '[1,2,3,4,5,6,7,8]') DESC LIMIT 6 FOR UPDATE;
SELECT count(*), count(score) FROM (SELECT 1 - (v <=> (SELECT NULL::zvec)) AS score FROM t ORDER BY score DESC OFFSET 0) s;
SELECT id FROM t ORDER BY 1 - (v <=> '[1,2]') DESC LIMIT 1;
ROLLBACK;
SET enable_indexscan = off;
SELECT id FROM t ORDER BY 1 - (v <=> '[1,2]') DESC LIMIT 1;
SELECT count(*), count(score) FROM (SELECT 1 - (v <=> (SELECT NULL::zvec)) AS score FROM t ORDER BY score DESC OFFSET 0) s;
RESET enable_indexscan;
-- each of several scans under a snapshot begins with the rows without a vector, of which there may be none
CREATE VIEW firsts AS SELECT i, array_agg(x.id) AS ids FROM generate_series(1, 3) i CROSS JOIN LATERAL (SELECT CASE WHEN v IS NULL THEN id ELSE id % 350 END AS id FROM t WHERE id < 2000 AND id + i > 0 ORDER BY 1 - (v <=> '[1,2,3,4,5,6,7,8]') DESC LIMIT 7) x GROUP BY i;
SET enable_seqscan = off;
SELECT * FROM firsts ORDER BY i;
BEGIN;
DELETE FROM t WHERE v IS NULL;
SELECT * FROM firsts ORDER BY i;
INSERT INTO t VALUES (1900, 0, NULL);
SELECT * FROM firsts ORDER BY i;
ROLLBACK;
SET enable_seqscan = on;
SET enable_indexscan = off;
BEGIN;
DELETE FROM t WHERE v IS NULL;
SELECT * FROM firsts ORDER BY i;
INSERT INTO t VALUES (1900, 0, NULL);
SELECT * FROM firsts ORDER BY i;
ROLLBACK;
RESET enable_seqscan;
RESET enable_indexscan;
-- a column that is NOT NULL has no rows to be looked for, but for an older snapshot
DELETE FROM t WHERE v IS NULL;
ALTER TABLE t ALTER v SET NOT NULL;
SELECT whole.* FROM in_two_ways($$SELECT id, 1 - (v <=> '[1,2,3,4,5,6,7,8]') AS score FROM t WHERE id < 2000 ORDER BY score DESC$$, 'index') whole;
-- operator classes stay valid
SELECT count(*), bool_and(amvalidate(c.oid)) FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod WHERE a.amname LIKE 'zvec%';
SELECT count(*) FROM zvec_check('t');
DROP SCHEMA distance_forms CASCADE;
