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
-- a list that is never empty wanders, and is moved back to the front: nothing is lost, here or in a scan that began before
RESET maintenance_work_mem;
SET pg_zvec.max_pending = 50;
CREATE TABLE w (i int, v zvec(2) NOT NULL) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX w_v ON w USING zvec_hnsw (v) WITH (m = 4, ef_construction = 8);
INSERT INTO w SELECT i, ARRAY[i, i % 10] FROM generate_series(1, 1000) i;
SET enable_seqscan = off;
SET enable_sort = off;
BEGIN;
DECLARE c CURSOR FOR SELECT i FROM w ORDER BY v <-> '[0,0]';
FETCH 3 FROM c;
INSERT INTO w SELECT i, ARRAY[i, i % 10] FROM generate_series(1001, 20000) i;
SELECT pending BETWEEN 1 AND 100 AS some_wait FROM zvec_index_stats('w_v');
SELECT count(*), count(DISTINCT i) FROM (SELECT i FROM w ORDER BY v <-> '[0,0]' OFFSET 0) x;
INSERT INTO w SELECT i, ARRAY[i, i % 10] FROM generate_series(20001, 36000) i;
SELECT count(*), count(DISTINCT i) FROM (SELECT i FROM w ORDER BY v <-> '[0,0]' OFFSET 0) x;
MOVE ALL FROM c;
COMMIT;
SELECT * FROM zvec_check('w');
VACUUM w;
SELECT nodes, pending FROM zvec_index_stats('w_v');
SET client_min_messages = warning;
DROP SCHEMA index_hnsw_drain CASCADE;
