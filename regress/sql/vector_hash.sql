-- equal vectors have equal hashes, both zeros included
SELECT zvec_hash('[0,1]') = zvec_hash('[-0,1]') AS zeros, zvec_hash_extended('[0,-0]', 7) = zvec_hash_extended('[-0,0]', 7) AS seeded,
    zvec_hash('[1,2]') <> zvec_hash('[2,1]') AS by_place, zvec_hash('[0]') <> zvec_hash('[0,0]') AS by_dimensions,
    zvec_hash_extended('[1]', 1) <> zvec_hash_extended('[1]', 2) AS by_seed;
-- the extended hash without a seed ends as the plain one; these numbers are in hash indexes and partitions, and stay
SELECT v, zvec_hash(v), zvec_hash_extended(v, 0), zvec_hash_extended(v, 42),
    zvec_hash(v)::bit(32) = (zvec_hash_extended(v, 0) & 4294967295)::bit(32) AS agree
FROM unnest(ARRAY['[0]', '[1]', '[1,-2.5]', '[1e-45,3.4028235e38]']::zvec[]) AS v;
SELECT opcname, amname, opcdefault, opcintype::regtype, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcname = 'zvec_ops' ORDER BY amname;
SELECT oprcanhash, oprcanmerge FROM pg_operator WHERE oprname = '=' AND oprleft = 'zvec'::regtype;
-- the same vector in every form: plain, behind a short header, out of line, in a zvec table
CREATE TABLE hash_store (id int, v zvec) USING zvec;
CREATE TABLE hash_heap (id int, v zvec) USING heap;
INSERT INTO hash_store SELECT d * 10 + z, array_agg(CASE WHEN i = d THEN CASE z WHEN 0 THEN 0 ELSE -0.0::float8 END ELSE i END ORDER BY i)::zvec
FROM unnest(ARRAY[1, 2, 20, 30, 31, 600, 2500]) AS d, generate_series(0, 1) AS z, generate_series(1, d) AS i GROUP BY d, z;
INSERT INTO hash_heap SELECT * FROM hash_store;
ALTER TABLE hash_heap ALTER v SET STORAGE main;
INSERT INTO hash_heap SELECT * FROM hash_store;
SELECT vector_dims(v), count(*), count(DISTINCT v) AS different, count(DISTINCT zvec_hash(v)) AS hashes,
    count(DISTINCT zvec_hash_extended(v, 3)) AS extended, count(DISTINCT v::text) AS texts
FROM (SELECT v FROM hash_store UNION ALL SELECT v FROM hash_heap UNION ALL SELECT v::real[]::zvec FROM hash_store) AS t
GROUP BY 1 ORDER BY 1;
-- GROUP BY, DISTINCT, set operations by hashing
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT v, count(*) FROM hash_store GROUP BY v;
SELECT vector_dims(v), count(*) FROM (SELECT v, count(*) FROM hash_store GROUP BY v) AS t GROUP BY 1 ORDER BY 1;
EXPLAIN (COSTS OFF) SELECT DISTINCT v FROM hash_store;
SELECT count(*) FROM (SELECT DISTINCT v FROM hash_store) AS t;
EXPLAIN (COSTS OFF) SELECT v FROM hash_store UNION SELECT v FROM hash_heap;
SELECT count(*) FROM (SELECT v FROM hash_store UNION SELECT v FROM hash_heap) AS t;
SELECT count(*) FROM (SELECT v FROM hash_store INTERSECT SELECT v FROM hash_heap WHERE id > 300) AS t;
SELECT count(*) FROM (SELECT v FROM hash_store EXCEPT SELECT v FROM hash_heap WHERE id > 300) AS t;
RESET enable_sort;
WITH RECURSIVE steps AS (SELECT '[1,1]'::zvec AS v UNION SELECT CASE WHEN v = '[4,4]' THEN '[1,1]' ELSE v + '[1,1]' END FROM steps)
SELECT * FROM steps ORDER BY v;
-- joins by hashing, between tables of both kinds
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT * FROM hash_store AS s JOIN hash_heap AS h USING (v);
SELECT s.id, array_agg(h.id ORDER BY h.id) FROM hash_store AS s JOIN hash_heap AS h USING (v) GROUP BY s.id ORDER BY s.id;
SELECT s.id, array_agg(o.id ORDER BY o.id) FROM hash_store AS s JOIN hash_store AS o USING (v) GROUP BY s.id ORDER BY s.id;
SELECT id FROM hash_heap WHERE v NOT IN (SELECT v FROM hash_store WHERE id <> 311 AND id <> 310) ORDER BY id;
SELECT count(*) FROM hash_store AS s FULL JOIN (VALUES ('[0]'::zvec), ('[77]')) AS o(v) USING (v);
RESET ALL;
SELECT id FROM hash_store WHERE v IN ('[0]','[2]','[3]','[4]','[5]','[6]','[7]','[8]','[9]','[1,-0]') ORDER BY id;
-- against sorting, with more groups and rows than work_mem holds
CREATE TABLE many (id int, v zvec(40)) USING zvec;
INSERT INTO many SELECT i, (SELECT array_agg(CASE WHEN j < 40 THEN i % 3000 WHEN i % 7 = 0 THEN -0.0::float8 ELSE 0 END ORDER BY j)
    FROM generate_series(1, 40) AS j)::zvec
FROM generate_series(1, 9000) AS i;
ANALYZE many;
-- ANALYZE takes vectors for different, so an equality finds one row, and a join by hashing is worth it
SELECT attname, null_frac, n_distinct FROM pg_stats WHERE tablename = 'many' AND attname = 'v';
EXPLAIN (COSTS OFF) SELECT count(*) FROM many AS a JOIN many AS b USING (v);
SET work_mem = '64kB';
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT v, count(*), min(id) FROM many GROUP BY v;
CREATE TEMP TABLE hashed AS SELECT v, count(*), min(id), max(id) FROM many GROUP BY v;
RESET enable_sort;
SET enable_hashagg = off;
CREATE TEMP TABLE sorted AS SELECT v, count(*), min(id), max(id) FROM many GROUP BY v;
RESET enable_hashagg;
SELECT count(*), sum(count) FROM hashed;
(TABLE hashed EXCEPT ALL TABLE sorted) UNION ALL (TABLE sorted EXCEPT ALL TABLE hashed);
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM many AS a JOIN many AS b USING (v);
SELECT count(*), count(*) FILTER (WHERE a.id % 3000 = b.id % 3000) AS right_ones FROM many AS a JOIN many AS b USING (v);
RESET ALL;
-- in parallel
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET enable_sort = off;
SELECT count(*) FROM (SELECT v, count(*) FROM many GROUP BY v) AS t;
SELECT count(*) FROM many AS a JOIN many AS b USING (v);
RESET ALL;
-- hash indexes
CREATE INDEX many_v ON many USING hash (v);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM many WHERE v = (SELECT v FROM many WHERE id = 5);
SELECT id FROM many WHERE v = (SELECT v FROM many WHERE id = 5) ORDER BY id;
UPDATE many SET v = -v WHERE id = 3005;
DELETE FROM many WHERE id = 5;
INSERT INTO many SELECT 10005, v FROM many WHERE id = 6005;
SELECT id FROM many WHERE v = (SELECT v FROM many WHERE id = 6005) ORDER BY id;
SELECT id FROM many WHERE v = (SELECT -v FROM many WHERE id = 6005) ORDER BY id;
RESET enable_seqscan;
VACUUM many;
REINDEX INDEX many_v;
SET enable_seqscan = off;
SELECT id FROM many WHERE v = (SELECT v FROM many WHERE id = 6005) ORDER BY id;
RESET enable_seqscan;
SELECT * FROM zvec_check('many');
ALTER TABLE many ADD EXCLUDE USING hash (v WITH =) WHERE (id > 20000);
INSERT INTO many SELECT 20001, v FROM many WHERE id = 1;
INSERT INTO many SELECT 20002, v FROM many WHERE id = 1;
DROP TABLE many;
-- hash partitions: rows lie where their hash puts them, whichever zero they have
CREATE TABLE parted (id int, v zvec(2)) PARTITION BY HASH (v);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 0) USING zvec;
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 1) USING zvec;
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 2) USING heap;
INSERT INTO parted SELECT i, ARRAY[i / 2, CASE WHEN i % 2 = 0 THEN 0 ELSE -0.0::float8 END]::zvec FROM generate_series(0, 599) AS i;
INSERT INTO parted VALUES (600, NULL);
SELECT tableoid::regclass, count(*) FROM parted GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM (SELECT v FROM parted GROUP BY v HAVING count(DISTINCT tableoid) > 1) AS t;
SELECT id, v FROM parted WHERE v = '[7,0]' ORDER BY id;
EXPLAIN (COSTS OFF) SELECT id FROM parted WHERE v = '[7,-0]';
UPDATE parted SET v = v * 1000 WHERE id < 100;
SELECT count(*) FROM parted WHERE NOT satisfies_hash_partition('parted'::regclass, 3,
    CASE tableoid WHEN 'parted_0'::regclass THEN 0 WHEN 'parted_1'::regclass THEN 1 ELSE 2 END, v);
SET enable_partitionwise_join = on;
SET enable_partitionwise_aggregate = on;
SELECT count(*) FROM parted AS a JOIN parted AS b USING (v);
SELECT count(*) FROM (SELECT v, count(*) FROM parted GROUP BY v) AS t;
RESET ALL;
SELECT * FROM zvec_check('parted');
DROP TABLE parted, hash_store, hash_heap;
