-- zvec_hnsw: VACUUM drains all that waits, however much, in memory and on the pages
CREATE SCHEMA index_hnsw_drain;
SET search_path = index_hnsw_drain, public;
SET pg_zvec.max_pending = 1000000;
SET pg_zvec.background_drain = off;
CREATE TABLE t (id int, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX t_v ON t USING zvec_hnsw (v) WITH (m = 4, ef_construction = 8);
-- more than is drained in memory at a time
INSERT INTO t SELECT i, ARRAY[sin(i), cos(1.7 * i)] FROM generate_series(1, 45000) i;
SELECT nodes, pending FROM zvec_index_stats('t_v');
VACUUM t;
SELECT nodes, pending FROM zvec_index_stats('t_v');
-- too few to load the graph for
INSERT INTO t SELECT i, ARRAY[sin(i), cos(1.7 * i)] FROM generate_series(45001, 45150) i;
VACUUM t;
SELECT nodes, pending FROM zvec_index_stats('t_v');
-- more than memory holds
SET maintenance_work_mem = '1MB';
INSERT INTO t SELECT i, ARRAY[sin(i), cos(1.7 * i)] FROM generate_series(45151, 46150) i;
VACUUM t;
SELECT nodes, pending FROM zvec_index_stats('t_v');
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA index_hnsw_drain CASCADE;
