-- zvec_hnsw: rows that are gone, VACUUM, drains by those who insert, small memory, and what an UPDATE writes
CREATE SCHEMA index_hnsw_vacuum;
SET search_path = index_hnsw_vacuum, knn, public;
SET vacuum_cost_delay = 0;

-- nine of ten rows deleted and not vacuumed: ef_search counts those that are left
CREATE TABLE gone (id int, v zvec(20)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO gone SELECT i, vec(i, 20) FROM generate_series(1, 8000) i;
CREATE INDEX gone_v ON gone USING zvec_hnsw (v);
SELECT recall('gone', '<->', 20) AS before \gset
DELETE FROM gone WHERE id % 10 <> 0;
SELECT recall('gone', '<->', 20) >= :before - 0.01 AS as_good;
SELECT * FROM same('gone', '<->', vec(1, 20, 5));
VACUUM gone;
SELECT recall('gone', '<->', 20) >= :before - 0.01 AS as_good;
SELECT * FROM same('gone', '<->', vec(1, 20, 5));
SELECT nodes, dead, pending FROM zvec_index_stats('gone_v');
-- all of them
DELETE FROM gone;
SELECT * FROM same('gone', '<->', vec(1, 20, 5));
VACUUM gone;
SELECT * FROM same('gone', '<->', vec(1, 20, 5));
INSERT INTO gone SELECT i, vec(i, 20, 2) FROM generate_series(1, 2000) i;
VACUUM gone;
SELECT * FROM same('gone', '<->', vec(1, 20, 5));
SELECT recall('gone', '<->', 20) >= 0.97 AS recall;
-- everything that waited is gone before the first drain; then all that is in the graph
CREATE TABLE early (id int, v zvec(3)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX early_v ON early USING zvec_hnsw (v);
INSERT INTO early SELECT i, vec(i, 3) FROM generate_series(1, 700) i;
DELETE FROM early;
VACUUM early;
SELECT pending FROM zvec_index_stats('early_v');
INSERT INTO early SELECT i, vec(i, 3, 2) FROM generate_series(1, 700) i;
SELECT * FROM same('early', '<->', vec(1, 3, 5));
VACUUM early;
SELECT * FROM same('early', '<->', vec(1, 3, 5));
BEGIN;
INSERT INTO early SELECT i, vec(i, 3, 4) FROM generate_series(1001, 1700) i;
ROLLBACK;
VACUUM early;
SELECT nodes, pending FROM zvec_index_stats('early_v');
SELECT * FROM same('early', '<->', vec(1, 3, 5));

-- ten rounds of deleting a fifth, inserting a fifth, and VACUUM
CREATE TABLE rounds (id int, v zvec(16)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO rounds SELECT i, vec(i, 16) FROM generate_series(1, 5000) i;
CREATE INDEX rounds_v ON rounds USING zvec_hnsw (v);
SELECT format('DELETE FROM rounds WHERE hashint4(id + %s) %% 5 = 0', i), format('INSERT INTO rounds SELECT i, vec(i, 16) FROM generate_series(%s, %s) i', 4001 + i * 1000, 5000 + i * 1000), 'VACUUM rounds'
FROM generate_series(1, 10) i \gexec
SELECT * FROM same('rounds', '<->', vec(1, 16, 5));
SELECT recall('rounds', '<->', 16, 10, 100) AS recall, pg_relation_size('rounds_v') AS size \gset
CREATE INDEX fresh ON rounds USING zvec_hnsw (v);
DROP INDEX rounds_v;
SELECT :recall >= recall('rounds', '<->', 16, 10, 100) - 0.01 AS as_good, :size <= pg_relation_size('fresh') * 1.5 AS not_much_larger;

-- those who insert drain
SET pg_zvec.max_pending = 0;
CREATE TABLE inline_ (id int, v zvec(8)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX inline_l2 ON inline_ USING zvec_hnsw (v);
CREATE INDEX inline_l1 ON inline_ USING zvec_hnsw (v zvec_l1_ops);
CREATE INDEX inline_cosine ON inline_ USING zvec_hnsw (v zvec_cosine_ops);
INSERT INTO inline_ SELECT i, vec(i, 8) FROM generate_series(1, 1500) i;
SELECT index, nodes, pending FROM zvec_index_stats('inline_') ORDER BY 1;
SELECT recall('inline_', '<->', 8) >= 0.97 AS l2, recall('inline_', '<+>', 8) >= 0.97 AS l1, recall('inline_', '<=>', 8) >= 0.97 AS cosine;
BEGIN;
INSERT INTO inline_ SELECT i, vec(i, 8) FROM generate_series(2001, 2500) i;
SELECT * FROM same('inline_', '<->', vec(1, 8, 5));
SAVEPOINT a;
DELETE FROM inline_ WHERE id % 2 = 0;
INSERT INTO inline_ SELECT i, vec(i, 8) FROM generate_series(2501, 2600) i;
ROLLBACK TO a;
INSERT INTO inline_ SELECT i, vec(i, 8, 7) FROM generate_series(2501, 2550) i;
SELECT * FROM same('inline_', '<->', vec(1, 8, 5));
ROLLBACK;
SELECT * FROM same('inline_', '<->', vec(1, 8, 5));
SET pg_zvec.max_pending = 10;
INSERT INTO inline_ SELECT i, vec(i, 8) FROM generate_series(3001, 3500) i;
SELECT index, pending BETWEEN 0 AND 10 AS few_wait FROM zvec_index_stats('inline_') ORDER BY 1;
SELECT * FROM same('inline_', '<->', vec(1, 8, 5));
VACUUM inline_;
SELECT index, nodes, dead, pending FROM zvec_index_stats('inline_') ORDER BY 1;
SELECT * FROM same('inline_', '<->', vec(1, 8, 5));
RESET pg_zvec.max_pending;

-- little memory: slower, not worse
CREATE TABLE little (id int, v zvec(24)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO little SELECT i, vec(i, 24) FROM generate_series(1, 7000) i;
SET maintenance_work_mem = '1MB';
CREATE INDEX little_v ON little USING zvec_hnsw (v);
SELECT * FROM same('little', '<->', vec(1, 24, 5));
SELECT recall('little', '<->', 24, 10, 60) AS built \gset
INSERT INTO little SELECT i, vec(i, 24) FROM generate_series(7001, 8000) i;
DELETE FROM little WHERE id % 3 = 0;
VACUUM little;
SELECT nodes, dead, pending FROM zvec_index_stats('little_v');
SELECT * FROM same('little', '<->', vec(1, 24, 5));
SELECT recall('little', '<->', 24, 10, 60) AS vacuumed \gset
RESET maintenance_work_mem;
REINDEX INDEX little_v;
SELECT :built >= recall - 0.015 AS built, :vacuumed >= recall - 0.015 AS vacuumed, recall >= 0.95 AS fresh FROM recall('little', '<->', 24, 10, 60);

-- 10,000 updates of an indexed number beside a vector index: what is written is what is written without it
CREATE TABLE plain (id int PRIMARY KEY, n int, v zvec(32)) USING zvec WITH (autovacuum_enabled = off, fillfactor = 50);
CREATE INDEX plain_n ON plain (n);
INSERT INTO plain SELECT i, i, vec(i, 32) FROM generate_series(1, 10000) i;
CREATE TABLE indexed (LIKE plain INCLUDING ALL) USING zvec WITH (autovacuum_enabled = off, fillfactor = 50);
INSERT INTO indexed SELECT * FROM plain;
CREATE INDEX indexed_v ON indexed USING zvec_hnsw (v);
CREATE FUNCTION pages_of(rel regclass) RETURNS text LANGUAGE sql AS $$ SELECT md5(pg_read_binary_file(pg_relation_filepath(rel))) $$;
VACUUM plain, indexed;
CHECKPOINT;
SELECT pages_of('indexed_v') AS pages, pg_current_wal_insert_lsn() AS lsn \gset
UPDATE plain SET n = n + 100000;
SELECT pg_current_wal_insert_lsn() - :'lsn' AS without_index \gset
CHECKPOINT;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE indexed SET n = n + 100000;
SELECT pg_current_wal_insert_lsn() - :'lsn' AS with_index \gset
CHECKPOINT;
SELECT abs(:with_index - :without_index) < :without_index * 0.01 AS wal_as_without_index, pages_of('indexed_v') = :'pages' AS index_unchanged;
SELECT * FROM same('indexed', '<->', vec(1, 32, 5), 10, 'n > 0');
SET client_min_messages = warning;
DROP SCHEMA index_hnsw_vacuum CASCADE;
