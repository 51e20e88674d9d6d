-- Triggers that name another's collection, on tables of whoever made them, do nothing to it; nor do extra ones on its own table.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/include/collections.sql'
\set VERBOSITY terse
CREATE SCHEMA collections_rivals;
SET search_path = collections_rivals, public;
\i :helpers
CREATE ROLE zvec_victim;
CREATE ROLE zvec_rival;
GRANT CREATE, USAGE ON SCHEMA collections_rivals TO zvec_victim, zvec_rival;
-- as the owner of a database has
GRANT EXECUTE ON FUNCTION zvec_sync_trigger() TO zvec_rival;

SET ROLE zvec_victim;
CREATE TABLE t (id int PRIMARY KEY, e float4[]);
INSERT INTO t SELECT i, v(i) FROM generate_series(1, 10) i;
SELECT zvec_create_collection('rivals', 't', 'e', 3, 'l2', 'flat');

-- they do not keep the owner from attaching
SET ROLE zvec_rival;
CREATE VIEW hv AS SELECT (1 / 0)::int AS id, NULL::float4[] AS e;
CREATE TRIGGER x AFTER INSERT ON hv FOR EACH STATEMENT EXECUTE FUNCTION zvec_sync_trigger('rivals');
CREATE TABLE mt (id bigint, e float4[]);
CREATE TRIGGER x AFTER INSERT ON mt FOR EACH STATEMENT EXECUTE FUNCTION zvec_sync_trigger('rivals');
SET ROLE zvec_victim;
SELECT zvec_attach_table('rivals', 't', 'id', 'e') AS loaded;
-- nor hide that the table's are disabled
ALTER TABLE t DISABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'rivals';
INSERT INTO t VALUES (11, v(11));
ALTER TABLE t ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'rivals';
SELECT differences('rivals');
ALTER TABLE t OWNER TO zvec_victim;
SELECT differences('rivals');
-- one that is disabled does not count as one of the table's
SET ROLE zvec_rival;
ALTER TABLE mt DISABLE TRIGGER x;
SELECT follows FROM zvec_collections WHERE name = 'rivals';
SET ROLE zvec_victim;
ALTER TABLE t DISABLE TRIGGER USER;
ALTER TABLE t ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'rivals';
-- what the rival does to their own tables locks nothing
SET ROLE zvec_rival;
BEGIN;
ALTER TABLE mt ENABLE TRIGGER x;
ALTER TABLE mt OWNER TO zvec_rival;
SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('t'::regclass, 'zvec_collection.rivals'::regclass);
COMMIT;
-- and such a trigger fails
INSERT INTO mt VALUES (1, '{1,2,3}');
RESET ROLE;
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname = 'x' ORDER BY 1;

-- the collection's own table: unlogged, given away
SET ROLE zvec_victim;
ALTER TABLE zvec_collection.rivals SET UNLOGGED;
SELECT relpersistence FROM pg_class WHERE oid = 'zvec_collection.rivals'::regclass;
RESET ROLE;
GRANT CREATE ON SCHEMA zvec_collection TO zvec_rival;
ALTER TABLE zvec_collection.rivals OWNER TO zvec_rival;
REVOKE CREATE ON SCHEMA zvec_collection FROM zvec_rival;
SELECT owner FROM zvec_collections WHERE name = 'rivals';
SELECT differences('rivals');

-- who owns the schema may drop the index, but not concurrently behind the collection's back
ALTER SCHEMA collections_rivals OWNER TO zvec_rival;
SET ROLE zvec_victim;
ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT t_second UNIQUE (id);
CREATE UNIQUE INDEX t_key ON t (id);
ALTER TABLE t DROP CONSTRAINT t_second;
SET ROLE zvec_rival;
DROP INDEX CONCURRENTLY t_key;
RESET ROLE;
SELECT indisvalid, indisready, indislive FROM pg_index WHERE indexrelid = 't_key'::regclass;
INSERT INTO t VALUES (12, v(12));
SELECT differences('rivals');

-- an extra trigger on the table itself hides neither that others are disabled, nor that one is dropped
CREATE TRIGGER extra AFTER UPDATE ON t REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION zvec_sync_trigger('rivals');
ALTER TABLE t DISABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'rivals';
INSERT INTO t VALUES (13, v(13));
ALTER TABLE t ENABLE TRIGGER USER;
SELECT follows FROM zvec_collections WHERE name = 'rivals';
SELECT differences('rivals');
ALTER TABLE t DISABLE TRIGGER extra;
SELECT follows FROM zvec_collections WHERE name = 'rivals';
DROP TRIGGER zvec_insert_rivals ON t;
SELECT attached FROM zvec_collections WHERE name = 'rivals';

-- a partition that is another's is detached
CREATE TABLE p (id int PRIMARY KEY, e float4[]) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT i, v(i) FROM generate_series(1, 19) i;
ALTER TABLE p OWNER TO zvec_victim;
ALTER TABLE p1 OWNER TO zvec_rival;
ALTER TABLE p2 OWNER TO zvec_victim;
ALTER TABLE p21 OWNER TO zvec_rival;
SET ROLE zvec_victim;
SELECT zvec_create_collection('rival_parts', 'p', 'e', 3, 'l2', 'flat'), zvec_attach_table('rival_parts', 'p', 'id', 'e') AS loaded;
ALTER TABLE p DETACH PARTITION p1;
ALTER TABLE p DETACH PARTITION p2;
RESET ROLE;
SELECT count(*) FROM zvec_collection.rival_parts;
INSERT INTO p1 VALUES (0, v(0));
DELETE FROM p21 WHERE id = 15;
-- one that comes with an extra trigger
CREATE TRIGGER extra AFTER INSERT ON p1 FOR EACH STATEMENT EXECUTE FUNCTION zvec_sync_trigger('rival_parts');
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10);
SELECT count(*) FROM zvec_collection.rival_parts;
INSERT INTO p1 VALUES (9, v(9)) ON CONFLICT (id) DO UPDATE SET e = '{9,9,9}';
SELECT differences('rival_parts');

SELECT zvec_drop_collection('rivals'), zvec_drop_collection('rival_parts');
REVOKE EXECUTE ON FUNCTION zvec_sync_trigger() FROM zvec_rival;
SET client_min_messages = warning;
DROP SCHEMA collections_rivals CASCADE;
DROP ROLE zvec_victim, zvec_rival;
