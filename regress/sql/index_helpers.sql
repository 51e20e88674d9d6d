-- What the tests of indexes share: vectors that look random and are always the same, and comparisons of an index's
-- answers with exact ones. Tables have columns id and v. The schema stays for the tests that follow.
CREATE SCHEMA knn;
SET search_path = knn, public;
-- elements from -1 to 1
CREATE FUNCTION vec(i int, dims int, seed int DEFAULT 1) RETURNS zvec
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT array_agg((hashint8extended(i::bigint * 20000 + j, seed) >> 32)::real / 2147483648.0::real ORDER BY j)::zvec FROM generate_series(1, dims) j $$;
-- as a row of one of so many groups whose members lie close together
CREATE FUNCTION clustered(i int, dims int, groups int) RETURNS zvec
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT vec(i % groups, dims, 77) + vec(i, dims, 78) * array_fill(0.1::real, ARRAY[dims])::zvec $$;

CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql
AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
CREATE FUNCTION query_text(rel regclass, op text, q zvec, k int, filter text) RETURNS text LANGUAGE sql
AS $$ SELECT format('SELECT id, v OPERATOR(public.%1$s) %2$L::public.zvec FROM %3$s WHERE %4$s ORDER BY v OPERATOR(public.%1$s) %2$L::public.zvec LIMIT %5$s',
    op, q, rel, filter, coalesce(k::text, 'ALL')) $$;
-- the nearest, as an index scan gives them; an error if the plan has none
CREATE FUNCTION by_index(rel regclass, op text, q zvec, k int, filter text DEFAULT 'true')
RETURNS TABLE (id int, distance float8) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off SET enable_bitmapscan = off
AS $$
DECLARE query text := query_text(rel, op, q, k, filter);
BEGIN
    IF NOT EXISTS (SELECT FROM plan_of(query) p WHERE p LIKE '%Index Scan using%' OR p LIKE '%ZvecGraphScan%') OR EXISTS (SELECT FROM plan_of(query) p WHERE p ~ '^[ >-]*(Incremental )?Sort$') THEN
        RAISE 'no index scan: %', (SELECT string_agg(p, E'\n') FROM plan_of(query) p);
    END IF;
    RETURN QUERY EXECUTE query;
END $$;
-- the nearest, from the rows
CREATE FUNCTION exact(rel regclass, op text, q zvec, k int, filter text DEFAULT 'true')
RETURNS TABLE (id int, distance float8) LANGUAGE plpgsql
SET enable_seqscan = on SET enable_sort = on SET enable_indexscan = off SET zvec.enable_exact_scan = off SET enable_indexonlyscan = off SET max_parallel_workers_per_gather = 0
AS $$
DECLARE query text := query_text(rel, op, q, k, filter);
BEGIN
    IF EXISTS (SELECT FROM plan_of(query) p WHERE p LIKE '%Index%Scan using%') THEN
        RAISE 'an index scan';
    END IF;
    RETURN QUERY EXECUTE query;
END $$;
-- the share of the k nearest that the index finds, over so many queries
CREATE FUNCTION recall(rel regclass, op text, dims int, k int DEFAULT 10, queries int DEFAULT 30, filter text DEFAULT 'true') RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    q zvec;
    farthest float8;
    wanted bigint := 0;
    found bigint := 0;
BEGIN
    FOR i IN 1..queries LOOP
        -- half of them near a row
        q := CASE WHEN i % 2 = 0 THEN vec(i, dims, 99) END;
        IF q IS NULL THEN
            EXECUTE format('SELECT v FROM %s WHERE v IS NOT NULL AND %s ORDER BY hashint4(id + %s) LIMIT 1', rel, filter, i) INTO q;
            q := q + vec(i, dims, 98) * array_fill(0.01::real, ARRAY[dims])::zvec;
        END IF;
        SELECT wanted + count(*), max(distance) INTO wanted, farthest FROM exact(rel, op, q, k, filter);
        found := found + (SELECT count(DISTINCT id) FROM by_index(rel, op, q, k, filter) WHERE distance <= farthest);
    END LOOP;
    RETURN round(found::numeric / wanted, 4);
END $$;
-- whether the index gives just what the rows give: each row once, the same rows, the same distances, in order. Five rows in
-- 1,000 may come after their places in a long scan; they are in order among themselves.
CREATE FUNCTION same(rel regclass, op text, q zvec, k int DEFAULT NULL, filter text DEFAULT 'true', wanted text DEFAULT NULL,
    OUT number bigint, OUT once bool, OUT in_order bool, OUT right_ones bool, OUT right_distances bool) LANGUAGE sql
SET enable_nestloop = off SET enable_sort = on AS $$
    WITH index AS MATERIALIZED (SELECT *, row_number() OVER () AS n FROM by_index(rel, op, q, k, filter)),
        exact AS MATERIALIZED (SELECT * FROM exact(rel, op, q, k, coalesce(wanted, filter))),
        -- NULL after everything, NaN before it
        breaks AS (SELECT n FROM (SELECT distance, lag(distance) OVER (ORDER BY n) AS before, n FROM index) x
            WHERE n > 1 AND coalesce(before > distance, before IS NULL AND distance IS NOT NULL))
    SELECT (SELECT count(*) FROM index), (SELECT count(*) = count(DISTINCT id) FROM index),
        (SELECT count(*) <= 1 FROM breaks) AND (SELECT count(*) <= (SELECT count(*) FROM index) / 200 FROM index
            WHERE distance IS NOT NULL AND n >= (SELECT min(n) FROM breaks)),
        -- which of several at the last distance come is left open
        (SELECT count(*) = 0 FROM index LEFT JOIN exact USING (id) WHERE exact.id IS NULL AND index.distance < (SELECT max(distance) FROM exact))
            AND (SELECT count(*) FROM index) = (SELECT count(*) FROM exact),
        NOT EXISTS (SELECT FROM index JOIN exact USING (id) WHERE index.distance IS DISTINCT FROM exact.distance)
$$;
-- compares rows and distances with those by a sequential scan and a sort, row by row. Which scan: 'Index Scan', 'ZvecExactScan'
CREATE FUNCTION compared(tab text, operator text, query text, condition text = 'true', rows int = NULL, scan text = 'Index Scan', OUT returned bigint, OUT verdict text)
LANGUAGE plpgsql AS $$
DECLARE
    sql text := format('SELECT array_agg(id), array_agg(d), count(*) FROM (SELECT id, v OPERATOR(public.%s) %L AS d FROM %s WHERE %s ORDER BY v OPERATOR(public.%1$s) %2$L LIMIT %5$s) s',
        operator, query, tab, condition, coalesce(rows::text, 'ALL'));
    by_index bool := scan = 'Index Scan';
    ids int[]; distances float8[]; ids_seq int[]; distances_seq float8[]; n bigint; plan text; line text;
BEGIN
    PERFORM set_config('enable_indexscan', 'off', true), set_config('zvec.enable_exact_scan', 'off', true);
    EXECUTE sql INTO ids_seq, distances_seq, n;
    PERFORM set_config('enable_indexscan', by_index::text, true), set_config('zvec.enable_exact_scan', (NOT by_index)::text, true),
        set_config('enable_seqscan', (NOT by_index)::text, true), set_config('enable_sort', 'off', true);
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || sql LOOP plan := concat(plan, line, E'\n'); END LOOP;
    plan := regexp_replace(plan, '\n *Disabled: true', '', 'g');
    EXECUTE sql INTO ids, distances, returned;
    PERFORM set_config('enable_indexscan', 'on', true), set_config('zvec.enable_exact_scan', 'on', true),
        set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true);
    verdict := CASE
        WHEN plan NOT LIKE '%' || scan || '%' OR plan NOT LIKE '%Order By: %' OR plan LIKE '%Sort%' THEN 'another plan: ' || plan
        WHEN returned <> n THEN 'other rows'
        WHEN distances IS DISTINCT FROM distances_seq THEN 'other distances'
        WHEN (SELECT count(DISTINCT i) FROM unnest(ids) i) <> returned THEN 'a row twice'
        WHEN rows IS NULL AND (SELECT array_agg(i ORDER BY i) FROM unnest(ids) i) IS DISTINCT FROM (SELECT array_agg(i ORDER BY i) FROM unnest(ids_seq) i) THEN 'other rows'
        WHEN plan LIKE '%Parallel Index Scan%' THEN 'same, in parallel'
        ELSE 'same' END;
END $$;

-- the helpers notice what they are for
SELECT vec(1, 3), vec(1, 3) = vec(1, 3) AS again, vec(1, 3) <> vec(2, 3) AS other_row, vec(1, 3) <> vec(1, 3, 2) AS other_seed;
SELECT count(*), count(DISTINCT v), min(vector_dims(v)), round(min(l2_norm(v))::numeric, 1) > 0 AS none_short
FROM (SELECT vec(i, 20) AS v FROM generate_series(1, 2000) i) x;
CREATE TABLE helped (id int, v zvec(4)) USING zvec;
INSERT INTO helped SELECT i, vec(i, 4) FROM generate_series(1, 500) i;
INSERT INTO helped VALUES (0, NULL);
SELECT * FROM by_index('helped', '<->', vec(1, 4), 3);
CREATE INDEX helped_v ON helped USING zvec_hnsw (v);
SELECT * FROM same('helped', '<->', vec(1, 4), 20);
SELECT * FROM same('helped', '<->', vec(1, 4));
SELECT id, distance = 0 AS nearest FROM by_index('helped', '<->', vec(1, 4), 1);
SELECT recall('helped', '<->', 4);
-- rows that are missing, and rows too many
SELECT * FROM same('helped', '<->', vec(1, 4), NULL, 'id <> 7', 'true');
SELECT * FROM same('helped', '<->', vec(1, 4), NULL, 'true', 'id <> 7');
SELECT * FROM same('helped', '<->', vec(1, 4), 20, 'id % 2 = 0', 'true');
SELECT * FROM same('helped', '<->', vec(1, 4), 20, 'true', 'id % 2 = 0');
-- a plan without an index
DROP INDEX helped_v;
SELECT * FROM by_index('helped', '<->', '[0,0,0,0]', 3);
SELECT * FROM compared('helped', '<->', '[0,0,0,0]');
SELECT * FROM compared('helped', '<->', '[0,0,0,0]', scan => 'ZvecExactScan');
DROP TABLE helped;
