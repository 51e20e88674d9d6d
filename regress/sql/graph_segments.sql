-- Conditions inside searches of many graphs: to search each of them costs more than to compare the codes of the rows that satisfy
-- the conditions, and what a scan collects of those is within work_mem.
SET client_min_messages = warning;
CREATE SCHEMA graph_segments;
SET search_path = graph_segments, knn, public;
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION strategy(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; found text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        found := coalesce(found, substring(line FROM 'Strategy: (.*)'));
    END LOOP;
    RETURN found;
END $$;
SET pg_zvec.segment_capacity = 1000;
CREATE TABLE many (id int, c int, v zvec(4)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO many SELECT i, i % 10, vec(i, 4) FROM generate_series(1, 40000) i;
CREATE INDEX many_v ON many USING zvec_hnsw (v) INCLUDE (c) WITH (m = 8, ef_construction = 24);
RESET pg_zvec.segment_capacity;
CREATE TABLE one (LIKE many) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO one SELECT * FROM many;
CREATE INDEX one_v ON one USING zvec_hnsw (v) INCLUDE (c) WITH (m = 8, ef_construction = 24);
ANALYZE many, one;
SELECT t, count(*) AS segments FROM (SELECT 'one' AS t FROM zvec_segments('one') UNION ALL SELECT 'many' FROM zvec_segments('many')) s
    GROUP BY t ORDER BY t;
SET enable_seqscan = off;
SET enable_sort = off;
SET zvec.enable_exact_scan = off;
SELECT t, strategy(format('SELECT id FROM %I WHERE c = 3 ORDER BY v <-> vec(5, 4, 5) LIMIT 10', t)) FROM unnest(ARRAY['one', 'many']) t;
SELECT * FROM same('many', '<->', vec(5, 4, 5), 10, 'c = 3');
-- more of them than work_mem holds: passes hand out the rest
SET work_mem = '64kB';
SELECT strategy('SELECT id FROM many WHERE c = 3 ORDER BY v <-> vec(5, 4, 5) LIMIT 10');
SELECT * FROM same('many', '<->', vec(5, 4, 5), 10, 'c = 3');
SELECT * FROM same('many', '<->', vec(5, 4, 5), 3000, 'c = 3');
SELECT * FROM same('many', '<->', vec(6, 4, 5), NULL, 'c = 3');
DROP SCHEMA graph_segments CASCADE;
