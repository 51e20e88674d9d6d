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
        access := access || coalesce(substring(line FROM 'Incremental Sort|Index Scan using \w+|Seq Scan') || ' ', '');
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
-- not by this: another operator, another order, an expression of two columns, a partial index that does not cover it
SELECT * FROM first_by($$v <+> '[1,0.1]', id$$);
SELECT * FROM first_by($$v <=> '[1,0.1]', id$$);
SELECT * FROM first_by($$v <-> '[1,0.1]' DESC, id$$);
SELECT * FROM first_by($$v <-> '[1,0.1]' NULLS FIRST, id$$);
SELECT * FROM first_by($$v <-> v, id$$);
SELECT * FROM first_by($$(v <-> '[1,0.1]') + id, id$$);
SELECT * FROM first_by($$id, v <-> '[1,0.1]'$$);
SELECT * FROM first_by($$v <-> NULL, id$$);
DROP INDEX corners_flat;
SET enable_seqscan = on;

-- groups are not made by the order of a graph, ranks are
EXPLAIN (COSTS OFF) SELECT v <-> '[0,0]', count(*) FROM corners GROUP BY 1 ORDER BY 1 LIMIT 3;
SET enable_seqscan = off;
SET enable_hashagg = off;
EXPLAIN (COSTS OFF) SELECT v <-> '[0,0]', count(*) FROM corners GROUP BY 1;
EXPLAIN (COSTS OFF) SELECT DISTINCT v <-> '[0,0]' FROM corners;
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
