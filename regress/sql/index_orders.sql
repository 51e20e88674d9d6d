-- Orders that an index gives only in part, and what must not rely on it.
SET client_min_messages = warning;
CREATE SCHEMA index_orders;
SET search_path = index_orders, public;
CREATE TABLE corners (id int, v zvec(2)) USING zvec;
INSERT INTO corners
    SELECT i, (ARRAY['[1,0]', '[0,1]', '[-1,0]', '[0,-1]'])[1 + i % 4]::zvec FROM generate_series(1, 400) i;

-- several distances: the index orders by the first, the rest is sorted
CREATE FUNCTION corners_by(keys text) RETURNS TABLE (access text, corners text) LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    access := '';
    FOR line IN EXECUTE format('EXPLAIN (COSTS OFF) SELECT v FROM corners ORDER BY %s LIMIT 5', keys) LOOP
        access := access || coalesce(substring(line FROM 'Incremental Sort|Index Scan using \w+|Seq Scan|ZvecExactScan') || ' ', '');
    END LOOP;
    EXECUTE format('SELECT string_agg(v::text, '' '') FROM (SELECT v FROM corners ORDER BY %s LIMIT 5) x', keys) INTO corners;
    RETURN NEXT;
END $$;
SELECT * FROM corners_by($$v <-> '[0,0]', v <-> '[1,0]'$$);
CREATE INDEX corners_flat ON corners USING zvec_flat (v);
ANALYZE corners;
SET enable_seqscan = off;
SELECT * FROM corners_by($$v <-> '[0,0]', v <-> '[1,0]'$$);
SELECT * FROM corners_by($$v <-> '[0,0]', v <-> '[0,1]', v <-> '[1,0]'$$);
SELECT * FROM corners_by($$v <-> '[0.1,0]', v <-> '[0,1]'$$);
DROP INDEX corners_flat;
CREATE INDEX corners_graph ON corners USING zvec_hnsw (v);
SELECT * FROM corners_by($$v <-> '[0,0]', v <-> '[1,0]'$$);
SELECT * FROM corners_by($$v <-> '[0,0]', v <-> '[0,1]', v <-> '[1,0]'$$);
SELECT * FROM corners_by($$v <-> '[0.1,0]', v <-> '[0,1]'$$);

-- a distance and something else
CREATE INDEX corners_flat ON corners USING zvec_flat (v zvec_l1_ops) WHERE id > 100;
CREATE FUNCTION first_by(keys text, condition text = 'true') RETURNS TABLE (access text, ids text) LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    access := '';
    FOR line IN EXECUTE format('EXPLAIN (COSTS OFF) SELECT id FROM corners WHERE %s ORDER BY %s LIMIT 4', condition, keys) LOOP
        access := access || coalesce(substring(line FROM 'Incremental Sort|Index Scan using \w+|Seq Scan') || ' ', '');
    END LOOP;
    EXECUTE format('SELECT string_agg(id::text, '' '') FROM (SELECT id FROM corners WHERE %s ORDER BY %s LIMIT 4) x',
        condition, keys) INTO ids;
    RETURN NEXT;
END $$;
ANALYZE corners;
SELECT * FROM first_by($$v <-> '[1,0.1]', id$$);
SELECT * FROM first_by($$v <-> '[1,0.1]', id DESC$$);
SELECT * FROM first_by($$'[1,0.1]' <-> v, id$$);
SELECT * FROM first_by($$v <-> '[1,0.1]', v <+> '[0,1]', id$$);
SELECT * FROM first_by($$v <+> '[1,0.1]', id$$, 'id > 100');
SET zvec.enable_exact_scan = off;
-- not by this: another operator, another order, an expression of two columns, a partial index that does not cover it
SELECT * FROM first_by($$v <+> '[1,0.1]', id$$);
SELECT * FROM first_by($$v <=> '[1,0.1]', id$$);
SELECT * FROM first_by($$v <-> '[1,0.1]' DESC, id$$);
SELECT * FROM first_by($$v <-> '[1,0.1]' NULLS FIRST, id$$);
SELECT * FROM first_by($$v <-> v, id$$);
SELECT * FROM first_by($$(v <-> '[1,0.1]') + id, id$$);
SELECT * FROM first_by($$id, v <-> '[1,0.1]'$$);
SELECT * FROM first_by($$v <-> NULL, id$$);
RESET zvec.enable_exact_scan;
-- nor for a sample, nor where nothing can be found
SELECT count(*) FROM (SELECT FROM corners TABLESAMPLE bernoulli (0) ORDER BY v <-> '[1,0.1]', id LIMIT 3) x;
SELECT count(*) FROM (SELECT FROM corners TABLESAMPLE system (0) ORDER BY v <-> '[1,0.1]', v <-> '[0,1]' LIMIT 3) x;
SET enable_sort = off;
SELECT count(*) FROM (SELECT FROM corners WHERE false ORDER BY v <-> '[1,0.1]', id LIMIT 3) x;
PREPARE never(int) AS SELECT count(*) FROM (SELECT FROM corners WHERE $1 = 1 ORDER BY v <-> '[1,0.1]', id LIMIT 3) x;
EXECUTE never(2);
EXECUTE never(1);
RESET enable_sort;
DROP INDEX corners_flat;
SET enable_seqscan = on;

-- parallel plans by several distances, and by an expression that a worker must not compute
CREATE TABLE many (id int, v zvec(2)) USING zvec;
INSERT INTO many SELECT i, ARRAY[i % 100, i % 7]::zvec FROM generate_series(1, 20000) i;
CREATE INDEX many_flat ON many USING zvec_flat (v);
ANALYZE many;
CREATE FUNCTION here() RETURNS zvec LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$BEGIN RETURN '[3,1]'; END$$;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET enable_incremental_sort = off;
SELECT id FROM many ORDER BY v <-> '[3,1]', v <-> '[0,0]', id LIMIT 3;
SELECT count(*), sum(id) FROM (SELECT id FROM many ORDER BY v <-> '[3,1]', v <-> '[0,0]' OFFSET 0) x;
RESET enable_incremental_sort;
SELECT id FROM many ORDER BY v <-> '[3,1]', v <-> '[0,0]', id LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM many ORDER BY v <-> here() LIMIT 3;
SELECT count(*) FROM (SELECT FROM many ORDER BY v <-> here(), id LIMIT 3) x;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET min_parallel_index_scan_size;

-- groups are not made by the order of a graph, ranks are
EXPLAIN (COSTS OFF) SELECT v <-> '[0,0]', count(*) FROM corners GROUP BY 1 ORDER BY 1 LIMIT 3;
SET enable_seqscan = off;
SET enable_hashagg = off;
EXPLAIN (COSTS OFF) SELECT v <-> '[0,0]', count(*) FROM corners GROUP BY 1;
EXPLAIN (COSTS OFF) SELECT DISTINCT v <-> '[0,0]' FROM corners;
SET zvec.enable_exact_scan = off;
EXPLAIN (COSTS OFF) SELECT count(*) OVER (PARTITION BY v <-> '[0,0]') FROM corners ORDER BY v <-> '[0,0]' LIMIT 3;
RESET zvec.enable_exact_scan;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT ltrim(p, ' >-') AS part FROM knn.plan_of($$SELECT count(*) FROM corners JOIN generate_series(0, 3) d ON v <-> '[0,0]' = d$$) p
WHERE p !~ 'Merge Cond|Disabled' ORDER BY ltrim(p, ' >-') COLLATE "C";
RESET enable_hashjoin;
RESET enable_nestloop;
EXPLAIN (COSTS OFF) SELECT id, rank() OVER (ORDER BY v <-> '[0,0]') FROM corners ORDER BY v <-> '[0,0]' LIMIT 3;

SELECT pg_index_column_has_property('corners_graph'::regclass, 1, 'distance_orderable') AS by_distance,
    pg_index_column_has_property('corners_graph'::regclass, 1, 'orderable') AS by_value;

-- scans are counted
SELECT pg_stat_force_next_flush();
SELECT indexrelname, idx_scan > 0 AS counted FROM pg_stat_user_indexes WHERE relname = 'corners';

-- most of a graph is gone, and not vacuumed yet: what is left is found
CREATE TABLE gone (id int, v zvec(4)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO gone SELECT i, ARRAY[sin(i), cos(1.3 * i), sin(2.1 * i), cos(i / 7.0)]::zvec FROM generate_series(1, 20000) i;
CREATE INDEX gone_v ON gone USING zvec_hnsw (v) WITH (m = 8, ef_construction = 24);
DELETE FROM gone WHERE id % 2000 <> 0;
SELECT array_agg(id) FROM (SELECT id FROM gone ORDER BY v <-> '[0,0,0,0]' LIMIT 20) x;
SELECT count(*), bool_and(d >= before) FROM
    (SELECT d, coalesce(lag(d) OVER (), 0) AS before FROM
        (SELECT v <-> '[0,0,0,0]' AS d FROM gone ORDER BY v <-> '[0,0,0,0]' LIMIT 100) x) y;
DROP SCHEMA index_orders CASCADE;
