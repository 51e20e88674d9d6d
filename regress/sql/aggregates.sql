SELECT avg(v), sum(v), count(v) FROM unnest(ARRAY['[1,2,3]', '[4,5,7]', NULL]::zvec[]) AS v;
-- nothing in, NULL out
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::zvec[]) AS v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[NULL, NULL]::zvec[]) AS v;
SELECT k, avg(v), sum(v) FROM (VALUES (1, '[1,2]'::zvec), (1, '[3,4]'), (2, '[5]'), (3, NULL)) AS t(k, v) GROUP BY k ORDER BY k;
-- as window functions: the state is not shared between frames
SELECT i, sum(v) OVER (ORDER BY i), avg(v) OVER (ORDER BY i ROWS 1 PRECEDING)
FROM (VALUES (1, '[1,2]'::zvec), (2, '[3,4]'), (3, '[5,9]')) AS t(i, v);
-- intermediate sums beyond real are no overflow
SELECT avg(v) FROM unnest(ARRAY['[3e38]', '[3e38]', '[3e38]']::zvec[]) AS v;
-- support functions leave the values they are given alone
WITH s AS MATERIALIZED (SELECT '{1,2}'::float8[] AS state)
SELECT zvec_accum(state, '[3]'), zvec_combine(state, '{2,5}'), zvec_combine('{0}', state), zvec_combine(state, '{0}'), state FROM s;
-- in parallel
CREATE TABLE aggregated (id int, v zvec);
INSERT INTO aggregated SELECT i, ARRAY[i, 1, -i]::zvec FROM generate_series(1, 20000) AS i;
ALTER TABLE aggregated SET (parallel_workers = 2);
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v) FROM aggregated;
SELECT avg(v), sum(v) FROM aggregated;
SELECT avg(v), sum(v) FROM aggregated WHERE id < 0;
SELECT avg(v), sum(v) FROM aggregated WHERE id = 7;
RESET ALL;
SET max_parallel_workers_per_gather = 0;
SELECT avg(v), sum(v) FROM aggregated;
RESET ALL;
DROP TABLE aggregated;
