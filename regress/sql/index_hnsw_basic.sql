-- zvec_hnsw: operator classes, options, NULLs, zero vectors, duplicates, dimensions, wrong queries
CREATE SCHEMA index_hnsw_basic;
SET search_path = index_hnsw_basic, knn, public;

-- every operator class against the rows, made before the rows (drained by VACUUM) and after them (built)
CREATE TABLE metrics (metric text, op text);
INSERT INTO metrics VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>');
DO $$
DECLARE m text;
BEGIN
    FOR m IN SELECT metric FROM metrics LOOP
        EXECUTE format('CREATE TABLE built_%s (id int, v zvec(16)) USING zvec', m);
        EXECUTE format('INSERT INTO built_%s SELECT i, vec(i, 16) FROM generate_series(1, 2000) i', m);
        EXECUTE format('CREATE INDEX ON built_%s USING zvec_hnsw (v zvec_%1$s_ops)', m);
        EXECUTE format('CREATE TABLE drained_%s (id int, v zvec(16)) USING zvec', m);
        EXECUTE format('CREATE INDEX ON drained_%s USING zvec_hnsw (v zvec_%1$s_ops)', m);
        EXECUTE format('INSERT INTO drained_%s SELECT i, vec(i, 16) FROM generate_series(1, 2000) i', m);
    END LOOP;
END $$;
-- what waits is compared exactly
SELECT metric, same('drained_' || metric, op, vec(7, 16, 5), 50) FROM metrics;
VACUUM drained_l2, drained_ip, drained_cosine, drained_l1;
SELECT metric, recall('built_' || metric, op, 16) >= 0.97 AS built, recall('drained_' || metric, op, 16) >= 0.97 AS drained FROM metrics;
-- all of them, in order
SELECT metric, (same('built_' || metric, op, vec(7, 16, 5))).*, (same('drained_' || metric, op, vec(7, 16, 5))).right_ones AS drained FROM metrics;
-- small tables: everything is found
CREATE TABLE small (id int, v zvec(5)) USING zvec;
INSERT INTO small SELECT i, vec(i, 5) FROM generate_series(1, 60) i;
CREATE INDEX small_l2 ON small USING zvec_hnsw (v);
CREATE INDEX small_ip ON small USING zvec_hnsw (v zvec_ip_ops);
CREATE INDEX small_cosine ON small USING zvec_hnsw (v zvec_cosine_ops);
CREATE INDEX small_l1 ON small USING zvec_hnsw (v zvec_l1_ops);
SELECT metric, (same('small', op, vec(3, 5, 5), 10)).* FROM metrics;
-- an operator without its class has no index
DROP INDEX small_l1;
SELECT * FROM by_index('small', '<+>', vec(3, 5, 5), 10);
-- the operands in the other order, and parameters
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM small ORDER BY '[1,2,3,4,5]' <-> v LIMIT 3;
PREPARE nearest(zvec, int) AS SELECT id FROM small ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE nearest('[1,2,3,4,5]', 3);
EXECUTE nearest(vec(9, 5), 1);
EXECUTE nearest(vec(17, 5), 1);
RESET plan_cache_mode;
-- one table has no rows
CREATE TABLE empty (id int, v zvec(3)) USING zvec;
CREATE INDEX empty_v ON empty USING zvec_hnsw (v);
SELECT * FROM by_index('empty', '<->', '[1,2,3]', 3);
VACUUM empty;
REINDEX INDEX empty_v;
SELECT * FROM by_index('empty', '<->', '[1,2,3]', 3);
INSERT INTO empty VALUES (1, '[1,2,3]');
SELECT * FROM by_index('empty', '<->', '[1,2,3]', 3);

-- options
SHOW zvec.ef_search;
CREATE INDEX ON small USING zvec_hnsw (v) WITH (m = 3);
CREATE INDEX ON small USING zvec_hnsw (v) WITH (m = 129);
CREATE INDEX ON small USING zvec_hnsw (v) WITH (m = many);
CREATE INDEX ON small USING zvec_hnsw (v) WITH (ef_construction = 7);
CREATE INDEX ON small USING zvec_hnsw (v) WITH (ef_construction = 2001);
CREATE INDEX ON small USING zvec_hnsw (v) WITH (lists = 100);
CREATE INDEX ON small USING zvec_hnsw (v) WITH (fillfactor = 70);
SET zvec.ef_search = 0;
SET zvec.ef_search = 10001;
SET zvec.ef_serach = 10;
CREATE INDEX small_few ON small USING zvec_hnsw (v) WITH (m = 4, ef_construction = 8);
DROP INDEX small_l2;
SELECT * FROM same('small', '<->', vec(3, 5, 5), 10);
ALTER INDEX small_few SET (m = 128, ef_construction = 2000);
SELECT pg_get_indexdef('small_few'::regclass);
ALTER INDEX small_few SET (m = 1000);
-- the options of an index that is there hold from the next REINDEX on; meanwhile it works as it was made
INSERT INTO small SELECT i, vec(i, 5) FROM generate_series(61, 400) i;
VACUUM small;
SELECT * FROM same('small', '<->', vec(3, 5, 5), 10);
REINDEX INDEX small_few;
SELECT * FROM same('small', '<->', vec(3, 5, 5), 10);
ALTER INDEX small_few RESET (m);
SELECT pg_get_indexdef('small_few'::regclass);
-- a larger ef_search finds more; even the smallest one gives all that is asked for
CREATE TABLE hard (id int, v zvec(100)) USING zvec;
INSERT INTO hard SELECT i, vec(i, 100) FROM generate_series(1, 3000) i;
CREATE INDEX hard_v ON hard USING zvec_hnsw (v) WITH (m = 8, ef_construction = 16);
SET zvec.ef_search = 10;
CREATE TABLE found AS SELECT recall('hard', '<->', 100) AS few;
SET zvec.ef_search = 400;
SELECT few < recall AS more_with_more, few > 0.2 AS few, recall > 0.95 AS many FROM found, recall('hard', '<->', 100) recall;
SET zvec.ef_search = 1;
SELECT count(*), count(DISTINCT id) FROM by_index('hard', '<->', vec(1, 100, 4), 500);
SELECT count(*), count(DISTINCT id) FROM by_index('hard', '<->', vec(1, 100, 4), NULL);
SET zvec.ef_search = 10000;
SELECT * FROM same('hard', '<->', vec(1, 100, 4), 100);
RESET zvec.ef_search;
DROP TABLE hard;

-- NULLs are not in the index, yet come last, as ORDER BY has them
CREATE TABLE nulls (id int, v zvec(4)) USING zvec;
INSERT INTO nulls SELECT i, CASE WHEN i % 3 > 0 THEN vec(i, 4) END FROM generate_series(1, 300) i;
CREATE INDEX nulls_v ON nulls USING zvec_hnsw (v);
INSERT INTO nulls SELECT i, CASE WHEN i % 2 > 0 THEN vec(i, 4) END FROM generate_series(301, 400) i;
SELECT * FROM same('nulls', '<->', vec(3, 4, 5));
SELECT (same('nulls', '<->', vec(3, 4, 5), NULL, 'v IS NOT NULL')).*;
SELECT count(*) FROM by_index('nulls', '<->', vec(3, 4, 5), NULL, 'v IS NULL');
UPDATE nulls SET v = NULL WHERE id % 3 = 1;
UPDATE nulls SET v = vec(id, 4, 6) WHERE id % 3 = 0;
SELECT * FROM same('nulls', '<->', vec(3, 4, 5));
VACUUM nulls;
SELECT * FROM same('nulls', '<->', vec(3, 4, 5));
-- nothing but NULLs
UPDATE nulls SET v = NULL;
SELECT * FROM same('nulls', '<->', vec(3, 4, 5));
VACUUM nulls;
SELECT * FROM same('nulls', '<->', vec(3, 4, 5));
INSERT INTO nulls VALUES (0, vec(0, 4));
SELECT * FROM same('nulls', '<->', vec(3, 4, 5), 3);

-- zero vectors: no direction, so after all others by cosine
CREATE TABLE zeros (id int, v zvec(3)) USING zvec;
INSERT INTO zeros SELECT i, CASE WHEN i % 4 = 0 THEN '[0,0,0]' ELSE vec(i, 3) END FROM generate_series(1, 400) i;
CREATE INDEX zeros_cosine ON zeros USING zvec_hnsw (v zvec_cosine_ops);
CREATE INDEX zeros_ip ON zeros USING zvec_hnsw (v zvec_ip_ops);
INSERT INTO zeros SELECT i, CASE WHEN i % 4 = 0 THEN '[0,0,0]' ELSE vec(i, 3) END FROM generate_series(401, 500) i;
SELECT * FROM same('zeros', '<=>', '[1,2,3]');
SELECT * FROM same('zeros', '<=>', '[1,2,3]', 10);
SELECT * FROM same('zeros', '<=>', '[0,0,0]');
SELECT * FROM same('zeros', '<#>', '[0,0,0]');
VACUUM zeros;
SELECT * FROM same('zeros', '<=>', '[1,2,3]');
SELECT * FROM same('zeros', '<#>', '[1,2,3]');
SELECT * FROM same('zeros', '<=>', '[0,0,0]', 20);
-- nothing but zero vectors
DELETE FROM zeros WHERE id % 4 <> 0;
SELECT * FROM same('zeros', '<=>', '[1,2,3]');
REINDEX TABLE zeros;
SELECT * FROM same('zeros', '<=>', '[1,2,3]');
SELECT * FROM same('zeros', '<#>', '[1,2,3]');

-- duplicates by the thousand, and others among them
CREATE TABLE twins (id int, v zvec(8)) USING zvec;
INSERT INTO twins SELECT i, vec(CASE WHEN i % 10 = 0 THEN i ELSE i % 3 END, 8) FROM generate_series(1, 6000) i;
CREATE INDEX twins_v ON twins USING zvec_hnsw (v);
SELECT * FROM same('twins', '<->', vec(1, 8));
SELECT count(*), count(DISTINCT id), max(distance) FROM by_index('twins', '<->', vec(1, 8), 1700);
SELECT recall('twins', '<->', 8, 10, 20, 'id % 10 = 0') >= 0.97 AS others;
INSERT INTO twins SELECT i, vec(i % 3, 8) FROM generate_series(6001, 9000) i;
VACUUM twins;
SELECT * FROM same('twins', '<->', vec(2, 8));
DELETE FROM twins WHERE id % 10 <> 0 AND id < 7000;
SELECT * FROM same('twins', '<->', vec(2, 8));
VACUUM twins;
SELECT * FROM same('twins', '<->', vec(2, 8));
-- nothing but one vector
CREATE TABLE one (id int, v zvec(2)) USING zvec;
CREATE INDEX one_v ON one USING zvec_hnsw (v);
INSERT INTO one SELECT i, '[1,2]' FROM generate_series(1, 3000) i;
VACUUM one;
SELECT * FROM same('one', '<->', '[3,4]');

-- dimensions
CREATE TABLE dims (n int, rows int);
INSERT INTO dims VALUES (1, 3000), (3, 1000), (2000, 100), (9000, 60), (16000, 60);
DO $$
DECLARE d dims;
BEGIN
    FOR d IN SELECT * FROM dims LOOP
        EXECUTE format('CREATE TABLE dims_%s (id int, v zvec(%1$s)) USING zvec', d.n);
        EXECUTE format('INSERT INTO dims_%s SELECT i, vec(i, %1$s) FROM generate_series(1, %2$s / 2) i', d.n, d.rows);
        EXECUTE format('CREATE INDEX ON dims_%s USING zvec_hnsw (v)', d.n);
        EXECUTE format('INSERT INTO dims_%s SELECT i, vec(i, %1$s) FROM generate_series(%2$s / 2 + 1, %2$s) i', d.n, d.rows);
    END LOOP;
END $$;
SELECT n, (same('dims_' || n, '<->', vec(3, n, 5))).* FROM dims;
VACUUM dims_1, dims_3, dims_2000, dims_9000, dims_16000;
SELECT n, (same('dims_' || n, '<->', vec(3, n, 5))).* FROM dims;
SELECT n, (same('dims_' || n, '<->', vec(3, n, 5), 10)).* FROM dims;
-- few candidates, so that the graph is walked: each row finds itself
SET zvec.ef_search = 4;
SELECT n, count(*) FILTER (WHERE b.id = i) >= 15 AS found FROM dims, generate_series(1, rows, rows / 16) i, by_index('dims_' || n, '<->', vec(i, n), 1) b GROUP BY n ORDER BY n;
RESET zvec.ef_search;

-- very large and very small elements
CREATE TABLE extremes (id int, v zvec(4)) USING zvec;
CREATE INDEX extremes_l2 ON extremes USING zvec_hnsw (v);
CREATE INDEX extremes_ip ON extremes USING zvec_hnsw (v zvec_ip_ops);
CREATE INDEX extremes_cosine ON extremes USING zvec_hnsw (v zvec_cosine_ops);
CREATE INDEX extremes_l1 ON extremes USING zvec_hnsw (v zvec_l1_ops);
INSERT INTO extremes SELECT i, ARRAY[3e38, -3e38, i * 1e37, 0]::real[]::zvec FROM generate_series(1, 30) i;
INSERT INTO extremes SELECT i, ARRAY[1e-40, 0, i * 1e-41, 0]::real[]::zvec FROM generate_series(31, 60) i;
INSERT INTO extremes SELECT i, vec(i, 4) FROM generate_series(61, 90) i;
SELECT metric, (same('extremes', op, '[1,2,3,4]')).* FROM metrics;
VACUUM extremes;
SELECT metric, (same('extremes', op, '[1,2,3,4]')).* FROM metrics;
SELECT metric, (same('extremes', op, '[3e38,3e38,-3e38,1]')).* FROM metrics;
REINDEX TABLE extremes;
SELECT metric, (same('extremes', op, '[1,2,3,4]')).* FROM metrics;
SELECT metric, (same('extremes', op, '[1e-40,1e-40,-1e-42,0]')).* FROM metrics;

-- queries of other dimensions, or none
SELECT id FROM small ORDER BY v <-> '[1,2,3]' LIMIT 1;
SELECT id FROM small ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 1;
SELECT count(*) FROM (SELECT id FROM small ORDER BY v <-> NULL) x;
-- a plan of all versions alike
DO $$ BEGIN PERFORM set_config(name, 'off', false) FROM pg_settings WHERE name = 'enable_presorted_aggregate'; END $$;
PREPARE whatever(zvec) AS SELECT count(DISTINCT id) FROM (SELECT id FROM small ORDER BY v <-> $1) x;
SET plan_cache_mode = force_generic_plan;
EXECUTE whatever(NULL);
EXECUTE whatever('[1,2]');
EXECUTE whatever(vec(1, 5));
EXPLAIN (COSTS OFF) EXECUTE whatever(NULL);
RESET plan_cache_mode;
RESET enable_seqscan;
SET client_min_messages = warning;
DROP SCHEMA index_hnsw_basic CASCADE;
