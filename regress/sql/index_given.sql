-- What a vector index is given is not always the value of the row: a row that takes another row's vector, by ways on which
-- the executor keeps the other row's value.
SET client_min_messages = warning;
CREATE TABLE given (id int PRIMARY KEY, v zvec(2)) USING zvec;
CREATE INDEX given_v ON given USING zvec_hnsw (v);
INSERT INTO given SELECT i, ARRAY[i, -i]::zvec FROM generate_series(1, 5) i;
INSERT INTO given SELECT id + 10, v FROM given;
INSERT INTO given SELECT id + 20, v FROM given WHERE id < 10 ON CONFLICT (id) DO NOTHING;
INSERT INTO given SELECT id, v FROM given WHERE id < 3 ON CONFLICT (id) DO UPDATE SET id = given.id + 30, v = excluded.v;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM given ORDER BY v <-> '[0,0]') x;
SELECT * FROM zvec_check('given');
-- through a partitioned table
CREATE TABLE given_all (id int, v zvec(2)) PARTITION BY LIST (id);
CREATE TABLE given_part PARTITION OF given_all DEFAULT USING zvec;
CREATE INDEX given_part_v ON given_part USING zvec_hnsw (v);
INSERT INTO given_all SELECT i, ARRAY[i, -i]::zvec FROM generate_series(1, 5) i;
INSERT INTO given_all SELECT id + 10, v FROM given_all;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM given_part ORDER BY v <-> '[0,0]') x;
SELECT * FROM zvec_check('given_part');
-- rows that the transaction has moved are found by parallel workers too
CREATE TABLE moved (id int, tag int, v zvec(2)) USING zvec;
INSERT INTO moved SELECT i, i, ARRAY[i, -i]::zvec FROM generate_series(1, 200) i;
CREATE INDEX ON moved (tag);
CREATE INDEX moved_v ON moved USING zvec_hnsw (v);
CREATE TABLE wanted AS SELECT id, ARRAY[id, -id]::zvec AS v FROM generate_series(1, 20) id;
CREATE FUNCTION nearest(q zvec) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE
    AS 'SELECT id FROM moved ORDER BY v <-> q LIMIT 1';
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
RESET enable_seqscan;
EXPLAIN (COSTS off) SELECT count(*) FROM wanted WHERE nearest(v) = id;
BEGIN;
UPDATE moved SET tag = tag + 1 WHERE id <= 20;
SELECT count(*) FROM wanted WHERE nearest(v) = id;
ROLLBACK;
-- a table that is truncated in the transaction that made it keeps its files
BEGIN;
CREATE TABLE anew (id int, v zvec(2)) USING zvec;
CREATE INDEX anew_v ON anew USING zvec_hnsw (v);
SET LOCAL pg_zvec.max_pending = 0;
INSERT INTO anew SELECT i, ARRAY[i, -i]::zvec FROM generate_series(1, 30) i;
TRUNCATE anew;
INSERT INTO anew SELECT i, ARRAY[1000 * i, i]::zvec FROM generate_series(1, 30) i;
COMMIT;
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM anew ORDER BY v <-> '[0,0]') x;
SELECT array_agg(id) FROM (SELECT id FROM anew ORDER BY v <-> '[5000,5]' LIMIT 1) x;
SELECT * FROM zvec_check('anew');
DROP TABLE given, given_all, moved, wanted, anew CASCADE;
DROP FUNCTION nearest;
