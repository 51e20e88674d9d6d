-- which plan the planner takes for nearest neighbours: clear cases, of tables of several sizes
CREATE SCHEMA index_plans;
SET search_path = index_plans, knn, public;
SET max_parallel_workers_per_gather = 0;
DO $$
DECLARE rows int;
BEGIN
    FOREACH rows IN ARRAY ARRAY[200, 1000, 20000] LOOP
        EXECUTE format('CREATE TABLE t%s (id int, n int, s int, v zvec(3)) USING zvec WITH (autovacuum_enabled = off)', rows);
        EXECUTE format('INSERT INTO t%1$s SELECT i, i %% 1000, i %% 20, vec(i, 3) FROM generate_series(1, %1$s) i', rows);
        EXECUTE format('CREATE INDEX t%1$s_v ON t%1$s USING zvec_hnsw (v)', rows);
        EXECUTE format('ANALYZE t%s', rows);
    END LOOP;
END $$;
-- what reads the table in the plan of a query
CREATE FUNCTION reads(query text) RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(part, ', ') FROM plan_of(query) p, substring(p from '((Index Scan|Index Only Scan|Bitmap Index Scan|Seq Scan|Custom Scan \(Zvec\w+\))( using | on )\w+)') part $$;
CREATE FUNCTION nearest(rows int, k text, filter text DEFAULT 'true') RETURNS text LANGUAGE sql
AS $$ SELECT reads(format('SELECT id FROM t%s WHERE %s ORDER BY v <-> ''[1,2,3]'' LIMIT %s', rows, filter, k)) $$;

-- by size and LIMIT: the graph for few of many, the rows for all, or for what is most of a small table
SELECT rows, k, nearest(rows, k) FROM unnest(ARRAY[200, 1000, 20000]) rows, unnest(ARRAY['1', '10', '500', '10000', 'ALL']) k
WHERE (rows, k) NOT IN ((200, '1'), (200, '10'));
-- filters without another index: by how many rows must be passed by
SELECT rows, filter, nearest(rows, '10', filter) FROM unnest(ARRAY[1000, 20000]) rows, unnest(ARRAY['n < 500', 's = 1', 'n = 5', 'id = 77', 'n = 5 AND s = 5']) filter
WHERE (rows, filter) NOT IN ((1000, 's = 1'));
-- with btrees: the selective one wins, the other does not
CREATE INDEX t20000_n ON t20000 (n);
CREATE INDEX t20000_s ON t20000 (s);
CREATE UNIQUE INDEX t20000_id ON t20000 (id);
SELECT filter, k, nearest(20000, k, filter) FROM unnest(ARRAY['n < 500', 's < 10', 'n = 5', 'id = 77', 'n IN (1, 2, 3)', 'n = 5 AND s = 5', 'id BETWEEN 100 AND 200']) filter, unnest(ARRAY['10', '1000']) k
WHERE (filter, k) NOT IN (('n < 500', '1000'), ('s < 10', '1000'));
-- the query's form
CREATE FUNCTION pg_temp.of(queries text[]) RETURNS TABLE (query text, reads text) LANGUAGE sql
AS $$ SELECT q, reads(q) FROM unnest(queries) q $$;
SELECT * FROM pg_temp.of(ARRAY[
    $q$SELECT id FROM t20000 ORDER BY v <-> '[1,2,3]' DESC LIMIT 5$q$,
    $q$SELECT id FROM t20000 ORDER BY v <-> '[1,2,3]', id LIMIT 5$q$,
    $q$SELECT id FROM t20000 ORDER BY v <=> '[1,2,3]' LIMIT 5$q$,
    $q$SELECT id FROM t20000 ORDER BY (v <-> '[1,2,3]') + 1 LIMIT 5$q$,
    $q$SELECT id FROM t20000 ORDER BY l2_distance(v, '[1,2,3]') LIMIT 5$q$,
    $q$SELECT id FROM t20000 WHERE v <-> '[1,2,3]' < 2$q$,
    $q$SELECT id FROM t20000 WHERE v <-> '[1,2,3]' < 2 ORDER BY v <-> '[1,2,3]' LIMIT 5$q$,
    $q$SELECT id, v <-> '[1,2,3]' AS d FROM t20000 ORDER BY d LIMIT 5$q$,
    $q$SELECT id FROM t20000 ORDER BY '[1,2,3]' <-> v LIMIT 5$q$,
    $q$SELECT id FROM t20000 ORDER BY v <-> '[1,2,3]' FETCH FIRST 5 ROWS WITH TIES$q$,
    $q$SELECT id FROM t20000 ORDER BY v <-> '[1,2,3]' OFFSET 20 LIMIT 5$q$,
    $q$SELECT id FROM t20000 ORDER BY v <-> '[1,2,3]' LIMIT 5 FOR UPDATE$q$,
    $q$SELECT DISTINCT s FROM (SELECT s FROM t20000 ORDER BY v <-> '[1,2,3]' LIMIT 5) x$q$,
    $q$SELECT count(*) FROM t20000$q$,
    $q$SELECT id FROM t20000 WHERE v IS NULL$q$,
    $q$SELECT min(v <-> '[1,2,3]') FROM t20000$q$,
    $q$WITH a AS (SELECT id FROM t20000 ORDER BY v <-> '[1,2,3]' LIMIT 5), b AS (SELECT id FROM t20000 ORDER BY v <-> '[3,2,1]' LIMIT 5) SELECT * FROM a UNION ALL SELECT * FROM b$q$,
    $q$UPDATE t20000 SET s = 1 WHERE id IN (SELECT id FROM t20000 ORDER BY v <-> '[1,2,3]' LIMIT 5)$q$]);
-- parameters: a LIMIT that is not known is taken for a tenth
PREPARE p(zvec, int) AS SELECT id FROM t20000 ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE p('[1,2,3]', 5);
SET plan_cache_mode = force_custom_plan;
EXPLAIN (COSTS OFF) EXECUTE p('[1,2,3]', 5);
EXPLAIN (COSTS OFF) EXECUTE p('[1,2,3]', 15000);
RESET plan_cache_mode;

-- joins
CREATE TABLE q (id int, v zvec(3)) USING zvec;
INSERT INTO q SELECT i, vec(i, 3, 5) FROM generate_series(1, 100) i;
CREATE TABLE names (n int PRIMARY KEY, name text);
INSERT INTO names SELECT i, 'name ' || i FROM generate_series(0, 999) i;
ANALYZE q, names;
EXPLAIN (COSTS OFF) SELECT q.id, x.id FROM q CROSS JOIN LATERAL (SELECT i.id FROM t20000 i ORDER BY i.v <-> q.v LIMIT 5) x;
EXPLAIN (COSTS OFF) SELECT q.id, x.id FROM q CROSS JOIN LATERAL (SELECT i.id FROM t1000 i ORDER BY i.v <-> q.v LIMIT 5) x;
EXPLAIN (COSTS OFF) SELECT q.id, (SELECT i.id FROM t20000 i ORDER BY i.v <-> q.v LIMIT 1) FROM q;
EXPLAIN (COSTS OFF) SELECT q.id, x.id FROM q CROSS JOIN LATERAL (SELECT i.id FROM t20000 i WHERE i.n = q.id ORDER BY i.v <-> q.v LIMIT 5) x;
EXPLAIN (COSTS OFF) SELECT i.id, names.name FROM t20000 i JOIN names USING (n) ORDER BY i.v <-> '[1,2,3]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT i.id, names.name FROM t20000 i LEFT JOIN names USING (n) WHERE names.name IS NOT NULL ORDER BY i.v <-> '[1,2,3]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT i.id, names.name FROM t20000 i JOIN names USING (n) WHERE names.name = 'name 7' ORDER BY i.v <-> '[1,2,3]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT x.id, names.name FROM (SELECT id, n FROM t20000 ORDER BY v <-> '[1,2,3]' LIMIT 10) x JOIN names USING (n);
EXPLAIN (COSTS OFF) SELECT i.id FROM t20000 i WHERE EXISTS (SELECT FROM names WHERE names.n = i.n) ORDER BY i.v <-> '[1,2,3]' LIMIT 10;

-- partial indexes: for queries that imply the condition, and preferred to a whole one
CREATE INDEX t20000_part ON t20000 USING zvec_hnsw (v) WHERE s = 3;
ANALYZE t20000;
SELECT nearest(20000, '10', 's = 3'), nearest(20000, '10', 's = 4'), nearest(20000, '10', 's = 3 AND n < 500'), nearest(20000, '10');
-- and beside a flat one
CREATE INDEX t20000_flat ON t20000 USING zvec_flat (v);
SELECT nearest(20000, '10');
SELECT nearest(20000, 'ALL');
-- a table that has grown since it was analyzed, and one that never was
CREATE TABLE grown (id int, v zvec(3)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX grown_v ON grown USING zvec_hnsw (v);
INSERT INTO grown SELECT i, vec(i, 3) FROM generate_series(1, 5000) i;
SELECT reads($q$SELECT id FROM grown ORDER BY v <-> '[1,2,3]' LIMIT 10$q$);
SET client_min_messages = warning;
DROP SCHEMA index_plans CASCADE;
