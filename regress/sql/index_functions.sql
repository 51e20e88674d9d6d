-- Functions on indexes: zvec_optimize, zvec_index_stats, zvec_recall, zvec_prewarm, zvec_check.
CREATE SCHEMA index_functions;
SET search_path = index_functions, public;
-- what waits waits for the functions
SET pg_zvec.background_drain = off;
CREATE FUNCTION vec(i int, d int) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS $$ SELECT array_agg(sin(i * (j + 1.7) * 12.9898)::real)::zvec FROM generate_series(1, d) j $$;
CREATE TABLE t (id int PRIMARY KEY, tag int, v zvec(16)) USING zvec;
INSERT INTO t SELECT i, i % 10, vec(i, 16) FROM generate_series(1, 2000) i;
INSERT INTO t VALUES (2001, 3, NULL);
CREATE INDEX t_h ON t USING zvec_hnsw (v);
CREATE INDEX t_p ON t USING zvec_hnsw (v zvec_cosine_ops) WHERE tag = 3;
CREATE INDEX t_f ON t USING zvec_flat (v);
SELECT index, segment, nodes, dead, dead_share, levels BETWEEN 1 AND 8 AS levels, pending,
    bytes = pg_relation_size(index) - 8192 AS bytes, codes FROM zvec_index_stats('t');
SELECT index, nodes FROM zvec_index_stats('t_p');
SELECT * FROM zvec_index_stats('t_f');

-- what waits, and what is dead
INSERT INTO t SELECT i, i % 10, vec(i, 16) FROM generate_series(3001, 3600) i;
DELETE FROM t WHERE id % 4 = 1;
SELECT index, nodes, dead, dead_share, pending FROM zvec_index_stats('t');
SELECT * FROM zvec_check('t');
-- the transaction that deletes may be needed still
BEGIN;
DELETE FROM t WHERE id % 4 = 2;
SELECT index, nodes, dead, pending FROM zvec_index_stats('t');
ROLLBACK;
-- one index, then those of the table; what is done is done, whatever becomes of the transaction
BEGIN;
SELECT * FROM zvec_optimize('t_p');
SELECT mode FROM pg_locks WHERE relation = 't'::regclass AND mode ~ 'Share.*Exclusive';
ROLLBACK;
SELECT * FROM zvec_optimize('t');
SELECT * FROM zvec_optimize('t');
SELECT index, nodes, dead, pending FROM zvec_index_stats('t');
SELECT * FROM zvec_check('t');
-- given back nodes are taken again
INSERT INTO t SELECT i, i % 10, vec(i, 16) FROM generate_series(4001, 4300) i;
SELECT index, drained, removed FROM zvec_optimize('t_h');
SELECT * FROM zvec_check('t_h');
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> vec(7, 16)) s;
RESET enable_seqscan;
-- nobody needs anything any more
DELETE FROM t;
SELECT * FROM zvec_optimize('t');
SELECT index, nodes, dead, levels, pending FROM zvec_index_stats('t');
SELECT * FROM zvec_check('t');
INSERT INTO t SELECT i, i % 10, vec(i, 16) FROM generate_series(1, 1000) i;
SELECT * FROM zvec_optimize('t');
SELECT * FROM zvec_check('t');

-- thousands of equal vectors, most of which go
INSERT INTO t SELECT i, i % 10, vec(i % 3, 16) FROM generate_series(10001, 13000) i;
SELECT * FROM zvec_optimize('t_h');
DELETE FROM t WHERE id > 10000 AND id % 7 <> 0;
SELECT * FROM zvec_optimize('t_h');
SELECT * FROM zvec_check('t_h');
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> vec(1, 16)) s;
RESET enable_seqscan;

-- recall: with as many candidates as rows everything is found, equal vectors are no misses, rows of the own transaction count
SELECT zvec_recall('t_h', 20, 10, 3000), zvec_recall('t_p', 20, 10, 3000), zvec_recall('t_f', 20, 10);
SELECT zvec_recall('t_h', queries => 5, k => 5000);
SELECT zvec_recall('t_h', 200, 10, 1) BETWEEN 0.05 AND 1 AS "of 1";
BEGIN;
DELETE FROM t;
SELECT zvec_recall('t_h') IS NULL AS nothing;
INSERT INTO t SELECT -i, 3, vec(0, 16) FROM generate_series(1, 30) i;
INSERT INTO t VALUES (0, 3, NULL);
SELECT zvec_recall('t_h', 50, 100, 100), zvec_recall('t_p', 50, 100, 100);
ROLLBACK;
SHOW zvec.ef_search;
SELECT zvec_recall(NULL), zvec_recall('t_h', NULL), zvec_recall('t_h', 10, NULL);
\set VERBOSITY sqlstate
SELECT zvec_recall('t_h', 0);
SELECT zvec_recall('t_h', 100001);
SELECT zvec_recall('t_h', 10, 0);
SELECT zvec_recall('t_h', 10, 10, 0);
SELECT zvec_recall('t_h', 10, 10, 10001);
\set VERBOSITY default
SELECT zvec_recall('t_h', -1);
-- a condition's function runs as the table's owner
CREATE FUNCTION who(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF current_user <> 'zvec_index_owner' THEN RAISE EXCEPTION 'run by %', current_user; END IF;
    RETURN true;
END $$;
CREATE ROLE zvec_index_owner;
GRANT ALL ON SCHEMA index_functions TO zvec_index_owner;
CREATE TABLE w (id int, v zvec(3)) USING zvec;
ALTER TABLE w OWNER TO zvec_index_owner;
SET ROLE zvec_index_owner;
INSERT INTO w SELECT i, array[i, 1, 2]::real[]::zvec FROM generate_series(1, 50) i;
CREATE INDEX w_h ON w USING zvec_hnsw (v) WHERE who(id);
RESET ROLE;
SELECT zvec_recall('w_h', 10, 5, 100), (SELECT count(*) FROM zvec_check('w'));

-- prewarm: the pages are in the buffers
SELECT zvec_prewarm('t_h') > pg_relation_size('t_h') / 8192 AS index_and_vectors,
    zvec_prewarm('t') >= (pg_relation_size('t_h') + pg_relation_size('t_p') + pg_relation_size('t_f')) / 8192 AS "table",
    zvec_prewarm('t_f') BETWEEN 10 AND 200 AS flat;

-- partitions: those of zvec, one after the other
CREATE TABLE p (id int, v zvec(3)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100) USING zvec;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (100) TO (200) USING zvec;
CREATE TABLE p22 PARTITION OF p2 FOR VALUES FROM (200) TO (300) USING heap;
INSERT INTO p SELECT i, array[i, 1, 2]::real[]::zvec FROM generate_series(1, 299) i;
CREATE INDEX p_h ON ONLY p USING zvec_hnsw (v);
CREATE INDEX p1_h ON p1 USING zvec_hnsw (v);
ALTER INDEX p_h ATTACH PARTITION p1_h;
CREATE INDEX p21_h ON p21 USING zvec_hnsw (v);
DELETE FROM p WHERE id % 2 = 0;
SELECT * FROM zvec_optimize('p');
SELECT * FROM zvec_optimize('p_h');
SELECT index, nodes FROM zvec_index_stats('p');
SELECT zvec_prewarm('p') > zvec_prewarm('p_h') AS more;
SELECT * FROM zvec_check('p');
SELECT zvec_recall('p_h');
SELECT zvec_recall('p1_h');

-- what they refuse
SELECT zvec_optimize('t_pkey');
SELECT zvec_optimize('pg_class');
SELECT zvec_index_stats('pg_class_oid_index');
SELECT zvec_recall('t');
SELECT zvec_recall('t_pkey');
CREATE VIEW view AS SELECT 1;
SELECT zvec_prewarm('view');
SELECT zvec_check('view');
CREATE TABLE h (v zvec(3)) USING heap;
SELECT zvec_prewarm('h');
BEGIN READ ONLY;
SELECT zvec_optimize('t');
ROLLBACK;
SET ROLE zvec_index_owner;
SELECT zvec_optimize('t');
SELECT zvec_optimize('t_h');
SELECT zvec_index_stats('t_h');
SELECT zvec_recall('t_h');
SELECT zvec_prewarm('t_h');
SELECT zvec_check('t_h');
SELECT * FROM zvec_optimize('w');
SELECT zvec_recall('w_h', 10, 5, 100);
RESET ROLE;
GRANT SELECT ON t TO zvec_index_owner;
SET ROLE zvec_index_owner;
SELECT zvec_recall('t_h', 10, 5, 3000);
SELECT count(*) FROM zvec_index_stats('t_h');
SELECT zvec_optimize('t_h');
RESET ROLE;

-- temporary and unlogged tables; several segments
CREATE TEMP TABLE tt (v zvec(3)) USING zvec;
CREATE UNLOGGED TABLE tu (v zvec(3)) USING zvec;
CREATE INDEX tt_h ON tt USING zvec_hnsw (v);
CREATE INDEX tu_h ON tu USING zvec_hnsw (v);
INSERT INTO tt SELECT array[i, 1, 2]::real[]::zvec FROM generate_series(1, 300) i;
INSERT INTO tu SELECT array[i, 1, 2]::real[]::zvec FROM generate_series(1, 300) i;
SELECT index, drained FROM zvec_optimize('tt') UNION ALL SELECT index, drained FROM zvec_optimize('tu');
SELECT * FROM zvec_check('tt') UNION ALL SELECT * FROM zvec_check('tu');
SET pg_zvec.segment_capacity = 400;
CREATE TABLE ts (v zvec(3)) USING zvec;
CREATE INDEX ts_h ON ts USING zvec_hnsw (v);
INSERT INTO ts SELECT array[i, 1, 2]::real[]::zvec FROM generate_series(1, 1000) i;
RESET pg_zvec.segment_capacity;
SELECT index, drained FROM zvec_optimize('ts');
SELECT segment, nodes FROM zvec_index_stats('ts') ORDER BY segment;
SELECT * FROM zvec_check('ts');
SELECT zvec_recall('ts_h', 20, 10, 1000);

SET client_min_messages = warning;
DROP SCHEMA index_functions CASCADE;
DROP ROLE zvec_index_owner;
