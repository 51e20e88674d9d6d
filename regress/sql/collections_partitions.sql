-- Collections of partitioned tables: writes to any level, rows that move, partitions that come and go
CREATE SCHEMA collections_partitions;
SET search_path = collections_partitions, public;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/include/collections.sql'
\i :helpers
CREATE TABLE p (id int PRIMARY KEY, e float8[]) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
CREATE TABLE p2 (e float8[], gone int, id int NOT NULL);
ALTER TABLE p2 DROP COLUMN gone;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (100) TO (200);
INSERT INTO p SELECT i, v(i) FROM generate_series(0, 199) i;
SELECT zvec_create_collection('of_p', 'p', 'e', 3, 'ip', 'flat');
SELECT zvec_create_collection('x', 'p1', 'e', 3);
SELECT zvec_attach_table('of_p', 'p', 'id', 'e') AS loaded;
SELECT differences('of_p');
-- a partition by its name
DELETE FROM p1 WHERE id = 5;
SELECT differences('of_p');
INSERT INTO p1 VALUES (5, '{1,2,3}');
UPDATE p2 SET e = '{7,7,7}' WHERE id < 110;
INSERT INTO p2 (id, e) VALUES (150, '{8,8,8}') ON CONFLICT (id) DO UPDATE SET e = EXCLUDED.e;
COPY p2 (id, e) FROM stdin;
\.
SELECT differences('of_p');
-- rows that go from one to the other
DELETE FROM p WHERE id BETWEEN 90 AND 99;
UPDATE p SET id = id - 10 WHERE id BETWEEN 100 AND 104;
UPDATE p SET id = id + 1, e = v(1) WHERE id = 94;
SELECT differences('of_p');
SELECT tableoid::regclass, count(*) FROM p GROUP BY 1 ORDER BY 1;
MERGE INTO p USING generate_series(95, 105) AS g ON g = id WHEN MATCHED AND g % 2 = 0 THEN DELETE
WHEN MATCHED THEN UPDATE SET e = v(g) WHEN NOT MATCHED THEN INSERT VALUES (g, v(2 * g));
SELECT differences('of_p');
-- partitions that come with rows, new ones, trees of them
CREATE TABLE p3 (e float8[], id int NOT NULL);
INSERT INTO p3 SELECT v(i), i FROM generate_series(200, 299) i;
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (200) TO (300);
SELECT differences('of_p');
INSERT INTO p3 VALUES (v(1), 250) ON CONFLICT (id) DO UPDATE SET e = '{4,4,4}';
CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (300) TO (400) PARTITION BY RANGE (id);
CREATE TABLE p4a PARTITION OF p4 FOR VALUES FROM (300) TO (350);
INSERT INTO p4a VALUES (301, v(1));
INSERT INTO p4 VALUES (302, v(2));
INSERT INTO p VALUES (303, v(3));
CREATE TABLE p5 (id int PRIMARY KEY, e float8[]) PARTITION BY RANGE (id);
CREATE TABLE p5a PARTITION OF p5 FOR VALUES FROM (400) TO (450);
INSERT INTO p5 SELECT i, v(i) FROM generate_series(400, 449) i;
ALTER TABLE p ATTACH PARTITION p5 FOR VALUES FROM (400) TO (500);
UPDATE p5a SET e = NULL WHERE id < 410;
SELECT differences('of_p');
SELECT count(*) FROM zvec_search('of_p', '{1,1,1}', 1000);
-- one that comes with a vector that does not fit
CREATE TABLE p6 (id int NOT NULL, e float8[]);
INSERT INTO p6 VALUES (501, '{1}');
ALTER TABLE p ATTACH PARTITION p6 FOR VALUES FROM (500) TO (600);
-- partitions that go
ALTER TABLE p DETACH PARTITION p1;
SELECT differences('of_p');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'p1'::regclass;
INSERT INTO p1 VALUES (5000, v(5)), (50, v(5)) ON CONFLICT DO NOTHING;
ALTER TABLE p DETACH PARTITION p5 CONCURRENTLY;
SELECT differences('of_p');
INSERT INTO p5 VALUES (410, v(1)) ON CONFLICT (id) DO UPDATE SET e = v(2);
BEGIN;
TRUNCATE p3;
SELECT differences('of_p');
ROLLBACK;
SELECT differences('of_p');
TRUNCATE p3;
SELECT differences('of_p');
DROP TABLE p2;
SELECT differences('of_p');
SELECT * FROM zvec_search('of_p', '{1,1,1}', 10);
TRUNCATE p;
SELECT * FROM zvec_search('of_p', '{1,1,1}', 10);
-- the table itself becomes a partition
CREATE TABLE above (id int PRIMARY KEY, e float8[]) PARTITION BY RANGE (id);
ALTER TABLE above ATTACH PARTITION p FOR VALUES FROM (0) TO (1000);
-- all rows by triggers for rows alone
SET session_replication_role = replica;
INSERT INTO p VALUES (310, v(1)), (311, v(2)), (312, v(3));
INSERT INTO p4a VALUES (313, v(4));
UPDATE p SET id = 210 WHERE id = 310;
UPDATE p4a SET e = v(9) WHERE id = 311;
DELETE FROM p WHERE id = 312;
RESET session_replication_role;
SELECT differences('of_p');
SELECT pk FROM zvec_search('of_p', '{1,1,1}', 10) ORDER BY 1;
SELECT zvec_detach_table('of_p');
SELECT count(*) FROM pg_trigger WHERE tgrelid IN (SELECT relid FROM pg_partition_tree('p')) OR tgrelid = 'p'::regclass;
SELECT zvec_attach_table('of_p', 'p', 'id', 'e') AS loaded;
SELECT zvec_drop_collection('of_p');
SELECT count(*) FROM pg_trigger WHERE tgrelid IN (SELECT relid FROM pg_partition_tree('p')) OR tgrelid = 'p'::regclass;
SET client_min_messages = warning;
DROP SCHEMA collections_partitions CASCADE;
