-- Exact scans of what a table consists of, at any depth: the planner keeps their sort keys beside those of the whole, in a place of
-- its own from 18 on. Where one is not found, a sort takes its place without an error: so plans are looked at.
CREATE TABLE tree (a int, b text, v zvec(3)) PARTITION BY LIST (b);
CREATE TABLE tree_x PARTITION OF tree FOR VALUES IN ('x') PARTITION BY RANGE (a);
CREATE TABLE tree_x1 PARTITION OF tree_x FOR VALUES FROM (0) TO (200) USING zvec;
CREATE TABLE tree_x2 PARTITION OF tree_x DEFAULT USING zvec;
CREATE TABLE tree_y (v zvec(3), gone int, b text, a int) USING zvec;
ALTER TABLE tree_y DROP gone;
ALTER TABLE tree ATTACH PARTITION tree_y FOR VALUES IN ('y');
CREATE TABLE single (a int, v zvec(3)) USING zvec;
INSERT INTO tree SELECT i, CASE WHEN i % 3 = 0 THEN 'y' ELSE 'x' END, ARRAY[i, i % 13, i % 5]::real[] FROM generate_series(1, 600) i;
INSERT INTO single SELECT 1000 + i, ARRAY[i + 0.25, i % 13, 0]::real[] FROM generate_series(1, 300) i;
ANALYZE tree, single;
-- all of it, some of it, one of it
EXPLAIN (COSTS OFF) SELECT a FROM tree ORDER BY v <-> '[250,3,1]' LIMIT 3;
SELECT a, v <-> '[250,3,1]' AS d FROM tree ORDER BY d LIMIT 3;
EXPLAIN (COSTS OFF) SELECT a FROM tree WHERE b = 'x' ORDER BY v <#> '[250,3,1]' LIMIT 3;
SELECT a, v <#> '[250,3,1]' AS d FROM tree WHERE b = 'x' ORDER BY d LIMIT 3;
EXPLAIN (COSTS OFF) SELECT a FROM tree WHERE b = 'x' AND a = 7 ORDER BY v <-> '[250,3,1]' LIMIT 3;
-- found at run time
PREPARE near(zvec, text) AS SELECT a, tableoid::regclass FROM tree WHERE b = $2 ORDER BY v <-> $1 LIMIT 2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE near('[250,3,1]', 'y');
EXECUTE near('[250,3,1]', 'y');
EXECUTE near('[100,3,1]', 'x');
RESET plan_cache_mode;
-- beside others, under one another's columns
EXPLAIN (COSTS OFF) SELECT a FROM (SELECT a, v FROM tree UNION ALL SELECT a, v FROM single) u ORDER BY v <-> '[250,3,1]' LIMIT 4;
SELECT a, v <-> '[250,3,1]' AS d FROM (SELECT a, v FROM tree UNION ALL SELECT a, v FROM single) u ORDER BY d LIMIT 4;
-- for each row of another table
EXPLAIN (COSTS OFF) SELECT q, n.a FROM (VALUES ('[250,3,1]'::zvec), ('[9,9,2]')) w (q), LATERAL (SELECT a FROM tree ORDER BY v <-> q LIMIT 2) n;
SELECT q, n.a FROM (VALUES ('[250,3,1]'::zvec), ('[9,9,2]')) w (q), LATERAL (SELECT a FROM tree ORDER BY v <-> q LIMIT 2) n;
-- joined partition by partition, with keys of both sides
SET enable_partitionwise_join = on;
SELECT t.a FROM tree t JOIN tree o USING (b, a) ORDER BY t.v <-> '[250,3,1]' LIMIT 3;
RESET enable_partitionwise_join;
-- the same distances as of a sort of all rows
CREATE FUNCTION tree_distances() RETURNS float8[] LANGUAGE sql
    AS $$ SELECT array_agg(d) FROM (SELECT v <-> '[311,2,4]' AS d FROM tree ORDER BY v <-> '[311,2,4]' LIMIT 100) s $$;
CREATE TEMP TABLE scanned AS SELECT tree_distances() AS d;
SET zvec.enable_exact_scan = off;
SELECT array_length(d, 1), d = tree_distances() AS equal FROM scanned;
RESET zvec.enable_exact_scan;
DROP TABLE tree, single, scanned;
DROP FUNCTION tree_distances;
