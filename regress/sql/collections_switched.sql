-- Triggers that are turned off and on: what a collection missed is known, told, and made good.
CREATE SCHEMA collections_switched;
SET search_path = collections_switched, public;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/include/collections.sql'
\i :helpers
\set VERBOSITY terse
CREATE FUNCTION states(collection text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s %s', t.tgrelid::regclass, string_agg(t.tgenabled, '' ORDER BY t.tgname)) FROM pg_trigger AS t
    WHERE t.tgname ~ ('^zvec_.*_' || collection || '$') GROUP BY t.tgrelid ORDER BY t.tgrelid::regclass::text $$;
CREATE TABLE t (id int PRIMARY KEY, e float4[]);
INSERT INTO t SELECT i, v(i) FROM generate_series(1, 1500) i;
SELECT zvec_create_collection('switched', 't', 'e', 3, 'l2', 'flat');
SELECT attached, follows FROM zvec_collections WHERE name = 'switched';
SELECT zvec_attach_table('switched', 't', 'id', 'e') AS loaded;
SELECT attached, follows FROM zvec_collections WHERE name = 'switched';
SELECT states('switched');

-- one of them: whoever does it is told, and whoever searches, once
ALTER TABLE t DISABLE TRIGGER zvec_insert_switched;
SELECT attached, follows FROM zvec_collections WHERE name = 'switched';
SELECT value FROM zvec_stats('switched') WHERE key = 'follows';
INSERT INTO t VALUES (2001, '{2001,0,0}');
UPDATE t SET e = '{0,0,9}' WHERE id = 1;
SELECT pk FROM zvec_search('switched', '{2001,0,0}', 1);
SELECT pk FROM zvec_search('switched', '{2001,0,0}', 1);
SELECT differences('switched');
-- the others are enabled, that one is not
ALTER TABLE t ENABLE TRIGGER zvec_update_switched;
SELECT differences('switched');
ALTER TABLE t ENABLE TRIGGER zvec_insert_switched;
SELECT differences('switched');
SELECT attached, follows FROM zvec_collections WHERE name = 'switched';
SELECT pk FROM zvec_search('switched', '{2001,0,0}', 1);

-- all of them, as programs do that load rows: every kind of change is made good, and only what differs is written
CREATE TABLE before AS SELECT key, ctid AS at FROM zvec_collection.switched;
ALTER TABLE t DISABLE TRIGGER ALL;
INSERT INTO t SELECT i, v(i) FROM generate_series(3001, 3600) i;
DELETE FROM t WHERE id BETWEEN 100 AND 700;
UPDATE t SET id = id + 10000 WHERE id BETWEEN 701 AND 710;
UPDATE t SET e = '{5,5,5}' WHERE id BETWEEN 711 AND 720;
UPDATE t SET e = NULL WHERE id = 721;
SELECT count(*) FROM (SELECT differences('switched')) AS d;
ALTER TABLE t ENABLE TRIGGER USER;
SELECT differences('switched');
SELECT count(*) AS same, count(*) FILTER (WHERE c.ctid <> b.at) AS written FROM before AS b JOIN zvec_collection.switched AS c USING (key);
-- they fire as they did, also those that are special
SELECT states('switched');
ALTER TABLE t ENABLE TRIGGER ALL;
SELECT states('switched');
SELECT attached, follows FROM zvec_collections WHERE name = 'switched';
INSERT INTO t VALUES (4000, '{4,0,0}');
SELECT differences('switched');

-- TRUNCATE; and what would fire only where changes are applied does not fire here
ALTER TABLE t ENABLE REPLICA TRIGGER zvec_truncate_switched;
TRUNCATE t;
INSERT INTO t VALUES (1, '{1,1,1}');
SELECT count(*) FROM (SELECT differences('switched')) AS d;
ALTER TABLE t ENABLE TRIGGER zvec_truncate_switched;
SELECT differences('switched');
SELECT states('switched');
ALTER TABLE t ENABLE REPLICA TRIGGER zvec_delete_switched;
DELETE FROM t;
SELECT differences('switched');
ALTER TABLE t ENABLE ALWAYS TRIGGER zvec_delete_switched;
SELECT differences('switched');
SELECT states('switched');
ALTER TABLE t ENABLE TRIGGER zvec_delete_switched;
-- where changes are applied, that of rows fires
SET session_replication_role = replica;
INSERT INTO t SELECT i, v(i) FROM generate_series(1, 20) i;
UPDATE t SET id = id + 100, e = '{3,3,3}' WHERE id < 5;
DELETE FROM t WHERE id = 6;
SELECT differences('switched');
SELECT count(*) FROM zvec_collection.switched;
TRUNCATE t;
SELECT count(*) FROM zvec_collection.switched;
RESET session_replication_role;
ALTER TABLE t DISABLE TRIGGER zvec_row_switched;
SET session_replication_role = replica;
INSERT INTO t VALUES (7, '{7,7,7}');
RESET session_replication_role;
SELECT differences('switched');
ALTER TABLE t ENABLE REPLICA TRIGGER zvec_row_switched;
SELECT differences('switched');

-- in a transaction: rolled back, nothing was
BEGIN;
ALTER TABLE t DISABLE TRIGGER USER;
INSERT INTO t VALUES (8, '{8,8,8}');
SAVEPOINT s;
ALTER TABLE t ENABLE TRIGGER USER;
SELECT differences('switched');
ROLLBACK TO s;
SELECT differences('switched');
SELECT follows FROM zvec_collections WHERE name = 'switched';
ROLLBACK;
SELECT differences('switched');
SELECT follows FROM zvec_collections WHERE name = 'switched';
-- what does not fit is told when it is made good
ALTER TABLE t DISABLE TRIGGER USER;
INSERT INTO t VALUES (9, '{9,9}');
ALTER TABLE t ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'switched';
DELETE FROM t WHERE id = 9;
ALTER TABLE t ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'switched';
-- other triggers do not matter
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER own AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE t DISABLE TRIGGER own;
SELECT follows FROM zvec_collections WHERE name = 'switched';
-- attaching anew makes good, too
ALTER TABLE t DISABLE TRIGGER USER;
INSERT INTO t VALUES (10, '{10,10,10}');
SELECT zvec_detach_table('switched'), zvec_attach_table('switched', 't', 'id', 'e');
SELECT follows FROM zvec_collections WHERE name = 'switched';
SELECT differences('switched');

-- partitions
CREATE TABLE p (id int PRIMARY KEY, e float4[]) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (100) TO (150);
INSERT INTO p SELECT i, v(i) FROM generate_series(0, 149) i;
SELECT zvec_create_collection('parts', 'p', 'e', 3, 'ip', 'flat'), zvec_attach_table('parts', 'p', 'id', 'e') AS loaded;
SELECT states('parts');
ALTER TABLE p1 DISABLE TRIGGER USER;
DELETE FROM p1 WHERE id < 10;
INSERT INTO p VALUES (5, '{5,5,5}');
SELECT differences('parts') ORDER BY 1;
ALTER TABLE p DISABLE TRIGGER USER;
DELETE FROM p WHERE id = 120;
ALTER TABLE p ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'parts';
ALTER TABLE p1 ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'parts';
SELECT differences('parts');
SELECT states('parts');
-- a partition that comes while they are off
ALTER TABLE p DISABLE TRIGGER USER;
CREATE TABLE p22 PARTITION OF p2 FOR VALUES FROM (150) TO (200);
INSERT INTO p VALUES (160, '{160,1,1}');
ALTER TABLE p ENABLE TRIGGER USER;
ALTER TABLE p22 ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'parts';
SELECT differences('parts');
SELECT states('parts');

SET client_min_messages = warning;
DROP SCHEMA collections_switched CASCADE;
SELECT count(*) FROM zvec_collections;
