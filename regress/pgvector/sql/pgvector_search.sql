-- Searches of pgvector's types in zvec tables give what pgvector gives on heap tables: same rows, same order, same distances.
\set VERBOSITY terse
SET max_parallel_workers_per_gather = 0;
CREATE SCHEMA pgv; SET search_path = pgv, public;
-- Elements are small whole numbers, so that pgvector's sums of floats are exact, and ties are ties.
CREATE TABLE on_heap (id int PRIMARY KEY, n int, v vector(9), h halfvec(9)) USING heap;
INSERT INTO on_heap SELECT i, i % 10, v, v::halfvec
FROM (SELECT i, array_agg((hashint8(i::bigint * 100 + j) >> 16) % 8 ORDER BY j)::vector AS v FROM generate_series(1, 1500) i, generate_series(1, 9) j GROUP BY i) made;
INSERT INTO on_heap SELECT 2000 + i, i % 10, NULL, NULL FROM generate_series(1, 20) i;
INSERT INTO on_heap SELECT 3000 + i, i, array_fill(0, ARRAY[9])::vector, array_fill(0, ARRAY[9])::halfvec FROM generate_series(1, 3) i;
CREATE TABLE in_zvec (LIKE on_heap INCLUDING ALL) USING zvec;
INSERT INTO in_zvec TABLE on_heap;
CREATE TABLE queries AS SELECT i, v::text AS q FROM on_heap JOIN unnest(ARRAY[7, 500, 3001]) i ON i = id
    UNION ALL SELECT 1, '[1,-2,3,0.5,0,0,7,-8,2.25]';
ANALYZE on_heap, in_zvec;

CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
-- Runs a query with @ for the table over both; what is in the zvec table's plan; whether the rows, in order, are the same.
CREATE FUNCTION compared(query text, OUT scan text, OUT rows bigint, OUT same bool) LANGUAGE plpgsql AS $$
DECLARE heap text[]; zvec text[]; plan text;
BEGIN
    EXECUTE format('SELECT array_agg(r::text) FROM (%s) r', replace(query, '@', 'on_heap')) INTO heap;
    EXECUTE format('SELECT array_agg(r::text) FROM (%s) r', replace(query, '@', 'in_zvec')) INTO zvec;
    SELECT string_agg(p, ' ') INTO plan FROM plan_of(replace(query, '@', 'in_zvec')) p;
    scan := CASE WHEN plan LIKE '%Custom Scan (ZvecExactScan)%' THEN 'exact' ELSE (regexp_match(plan, 'Index Scan using (\w+)'))[1] END;
    rows := coalesce(cardinality(heap), 0); same := heap IS NOT DISTINCT FROM zvec;
    IF NOT same THEN RAISE NOTICE '% % %', query, heap[1:20], zvec[1:20]; END IF;
END $$;
-- All shapes of queries by a distance, for each type, operator and query.
CREATE FUNCTION all_compared(shapes text[]) RETURNS TABLE (shape text, scan text, same bigint, different bigint, rows numeric) LANGUAGE sql AS $$
    SELECT shape, c.scan, count(*) FILTER (WHERE c.same), count(*) FILTER (WHERE NOT c.same), sum(c.rows)
    FROM unnest(shapes) WITH ORDINALITY s(shape, nth), queries, (VALUES ('v', 'vector'), ('h', 'halfvec')) columns(col, type),
        (VALUES ('<->'), ('<#>'), ('<=>'), ('<+>')) operators(op),
        LATERAL compared(format(shape, col, op, quote_literal(q) || '::' || type)) c
    GROUP BY nth, shape, c.scan ORDER BY nth, c.scan $$;

SELECT * FROM all_compared(ARRAY[
    'SELECT id, %1$s, %1$s %2$s %3$s AS d FROM @ ORDER BY %1$s %2$s %3$s, id LIMIT 30',
    'SELECT id, %1$s %2$s %3$s AS d FROM @ ORDER BY d, id',
    'SELECT id FROM @ ORDER BY %3$s %2$s %1$s, id LIMIT 15',
    'SELECT id FROM @ WHERE n = 3 ORDER BY %1$s %2$s %3$s, id DESC LIMIT 20',
    'SELECT id FROM @ WHERE id > 1490 ORDER BY %1$s %2$s %3$s, id',
    'SELECT id, %1$s %2$s %3$s AS d FROM @ WHERE %1$s %2$s %3$s < 6 ORDER BY d, id LIMIT 100',
    'SELECT id FROM @ ORDER BY 1 - (%1$s %2$s %3$s) DESC NULLS LAST, id LIMIT 20',
    'SELECT id FROM @ ORDER BY 1 - (%1$s %2$s %3$s) DESC, id LIMIT 40',
    'SELECT id FROM @ ORDER BY (%1$s %2$s %3$s) * -1 DESC NULLS LAST, id OFFSET 5 LIMIT 20']);
-- a condition on a distance is pgvector's, whatever the scan computes: here it is not in the scan
SELECT * FROM all_compared(ARRAY['SELECT id FROM @ WHERE %1$s %2$s %3$s < 3 ORDER BY id', 'SELECT id FROM @ WHERE 1 - (%1$s %2$s %3$s) > 0.5 ORDER BY id']);
EXPLAIN (COSTS OFF) SELECT id FROM in_zvec WHERE v <-> '[1,1,1,1,1,1,1,1,1]' < 5 ORDER BY v <-> '[1,1,1,1,1,1,1,1,1]' LIMIT 5;
-- the functions under the operators
SELECT f, c.* FROM (VALUES ('l2_distance(v, %s)'), ('cosine_distance(v, %s)'), ('l1_distance(%s, v)'), ('-inner_product(v, %s)'), ('vector_negative_inner_product(v, %s)')) functions(f),
    LATERAL compared(format('SELECT id FROM @ ORDER BY ' || f || ', id LIMIT 25', quote_literal('[1,-2,3,0.5,0,0,7,-8,2]') || '::vector')) c;
-- parameters, an InitPlan, a join's other side
PREPARE nearest(vector, int) AS SELECT id FROM in_zvec ORDER BY v <-> $1, id LIMIT $2;
EXECUTE nearest('[1,1,1,1,1,1,1,1,1]', 3);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE nearest('[1,1,1,1,1,1,1,1,1]', 3);
EXECUTE nearest('[1,1,1,1,1,1,1,1,1]', 3);
EXECUTE nearest(NULL, 2);
EXECUTE nearest('[1,2]', 2);
RESET plan_cache_mode; DEALLOCATE nearest;
SELECT (compared('SELECT id FROM @ ORDER BY v <=> (SELECT v FROM @ WHERE id = 77), id LIMIT 10')).*;
SELECT count(*), sum(a.id * b.id) FROM on_heap a, LATERAL (SELECT id FROM on_heap ORDER BY v <-> a.v, id LIMIT 3) b WHERE a.id < 12;
SELECT count(*), sum(a.id * b.id) FROM in_zvec a, LATERAL (SELECT id FROM in_zvec ORDER BY v <-> a.v, id LIMIT 3) b WHERE a.id < 12;
-- without our scans
SET zvec.enable_exact_scan = off;
SELECT * FROM all_compared(ARRAY['SELECT id, %1$s %2$s %3$s AS d FROM @ ORDER BY %1$s %2$s %3$s, id LIMIT 30']);
RESET zvec.enable_exact_scan;

-- zvec_flat: the operator classes of both types
CREATE INDEX ON in_zvec USING zvec_flat (v); CREATE INDEX ON in_zvec USING zvec_flat (v vector_ip_ops);
CREATE INDEX ON in_zvec USING zvec_flat (v vector_cosine_ops); CREATE INDEX ON in_zvec USING zvec_flat (v vector_l1_ops);
CREATE INDEX ON in_zvec USING zvec_flat (h); CREATE INDEX ON in_zvec USING zvec_flat (h halfvec_ip_ops);
CREATE INDEX ON in_zvec USING zvec_flat (h halfvec_cosine_ops); CREATE INDEX ON in_zvec USING zvec_flat (h halfvec_l1_ops);
SET enable_seqscan = off;
SELECT shape, count(scan), sum(same) AS same, sum(different) AS different, sum(rows) FROM all_compared(ARRAY[
    'SELECT id, %1$s, %1$s %2$s %3$s AS d FROM @ ORDER BY %1$s %2$s %3$s, id LIMIT 30',
    'SELECT id, %1$s %2$s %3$s AS d FROM @ ORDER BY d, id',
    'SELECT id FROM @ WHERE n = 3 ORDER BY %1$s %2$s %3$s, id DESC LIMIT 20',
    'SELECT id, %1$s %2$s %3$s AS d FROM @ WHERE %1$s %2$s %3$s < 6 ORDER BY d, id LIMIT 100',
    'SELECT id FROM @ ORDER BY 1 - (%1$s %2$s %3$s) DESC, id LIMIT 40']) GROUP BY shape ORDER BY shape;
DROP TABLE in_zvec;

-- Elements at random: pgvector rounds its sums, so a place may be another row's whose distance is the same but for that.
CREATE TABLE random_heap (id int, v vector(64), h halfvec(64)) USING heap;
INSERT INTO random_heap SELECT i, v, v::halfvec
FROM (SELECT i, array_agg((random() - 0.5) * (1 + i % 3) ORDER BY j)::vector AS v FROM generate_series(1, 2000) i, generate_series(1, 64) j GROUP BY i) made;
CREATE TABLE random_zvec (LIKE random_heap) USING zvec;
INSERT INTO random_zvec TABLE random_heap;
CREATE FUNCTION nearly(col text, op text, q text, k int) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE heap float8[]; zvec float8[];
BEGIN
    EXECUTE format('SELECT array_agg(d) FROM (SELECT %1$s %2$s %3$s AS d FROM random_heap ORDER BY d LIMIT %4$s) r', col, op, q, k) INTO heap;
    EXECUTE format('SELECT array_agg(d) FROM (SELECT %1$s %2$s %3$s AS d FROM random_zvec ORDER BY %1$s %2$s %3$s LIMIT %4$s) r', col, op, q, k) INTO zvec;
    RETURN (SELECT bool_and(abs(a - b) <= 1e-5 * greatest(1, abs(a))) FROM unnest(heap, zvec) pairs(a, b)) AND cardinality(heap) = k AND cardinality(zvec) = k;
END $$;
SELECT col, op, count(*) FILTER (WHERE nearly(col, op, quote_literal(CASE col WHEN 'v' THEN v::text ELSE h::text END) || CASE col WHEN 'v' THEN '::vector' ELSE '::halfvec' END, 50)) AS nearly
FROM random_heap, (VALUES ('v'), ('h')) columns(col), (VALUES ('<->'), ('<#>'), ('<=>'), ('<+>')) operators(op)
WHERE id <= 10 GROUP BY col, op ORDER BY col, op;
-- A bound that is a row's own distance, as pgvector rounds it: the condition keeps that row, and whatever else it keeps in the heap.
CREATE FUNCTION kept(tab text, col text, op text, k int) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE q text; bound float8; answer bigint[];
BEGIN
    EXECUTE format('SELECT %1$s::text FROM random_heap WHERE id = 1', col) INTO q;
    q := quote_literal(q) || CASE col WHEN 'v' THEN '::vector' ELSE '::halfvec' END;
    EXECUTE format('SELECT %1$s %2$s %3$s FROM random_heap WHERE id = %4$s', col, op, q, k) INTO bound;
    EXECUTE format('SELECT array[count(*), sum(id)] FROM (SELECT id FROM %1$s WHERE %2$s %3$s %4$s <= %5$L::float8 ORDER BY %2$s %3$s %4$s LIMIT 2000) r', tab, col, op, q, bound) INTO answer;
    RETURN answer;
END $$;
SELECT col, op, count(*) FILTER (WHERE kept('random_heap', col, op, k) = kept('random_zvec', col, op, k)) AS same
FROM generate_series(2, 41) k, (VALUES ('v'), ('h')) columns(col), (VALUES ('<->'), ('<#>'), ('<=>'), ('<+>')) operators(op) GROUP BY col, op ORDER BY col, op;
DROP SCHEMA pgv CASCADE;
