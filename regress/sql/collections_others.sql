-- Nobody's commands wait for, or fail by, what others' collections are in.
CREATE SCHEMA collections_others;
SET search_path = collections_others, public;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/include/collections.sql'
\i :helpers
\set VERBOSITY terse
CREATE ROLE zvec_bystander;
GRANT CREATE, USAGE ON SCHEMA collections_others TO zvec_bystander;
CREATE TABLE t (id int, e float4[]);
CREATE UNIQUE INDEX t_key ON t (id);
INSERT INTO t SELECT i, v(i) FROM generate_series(1, 20) i;
SELECT zvec_create_collection('others', 't', 'e', 3, 'l2', 'flat'), zvec_attach_table('others', 't', 'id', 'e');

-- the key's index is kept in both ways to drop it
DROP INDEX t_key;
DROP INDEX CONCURRENTLY t_key;
SELECT indisvalid, indisready, indislive FROM pg_index WHERE indexrelid = 't_key'::regclass;
INSERT INTO t VALUES (21, '{2,1,1}');
SELECT differences('others');
SET ROLE zvec_bystander;
DROP INDEX CONCURRENTLY t_key;
DROP INDEX CONCURRENTLY no_such_index;
DROP INDEX CONCURRENTLY IF EXISTS no_such_index;
RESET ROLE;
CREATE UNIQUE INDEX t_second ON t (id);
DROP INDEX CONCURRENTLY t_key;
INSERT INTO t VALUES (22, '{2,2,1}');
SELECT differences('others');

-- an index that is lost in spite of that is nobody else's concern
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_second'::regclass;
SET ROLE zvec_bystander;
CREATE TABLE b (id int PRIMARY KEY, e float4[]);
CREATE INDEX b_e ON b (e);
DROP INDEX b_e;
ALTER TABLE b DROP CONSTRAINT b_pkey;
DROP TABLE b;
RESET ROLE;
UPDATE pg_index SET indisvalid = true WHERE indexrelid = 't_second'::regclass;

-- nor is a shape that is not possible
ALTER EVENT TRIGGER zvec_follow_changes DISABLE;
CREATE TABLE child () INHERITS (t);
ALTER EVENT TRIGGER zvec_follow_changes ENABLE ALWAYS;
SET ROLE zvec_bystander;
CREATE TABLE b (id int PRIMARY KEY, e float4[]) PARTITION BY RANGE (id);
CREATE TABLE b1 PARTITION OF b DEFAULT;
ALTER TABLE b DETACH PARTITION b1;
DROP TABLE b, b1;
RESET ROLE;
DROP TABLE child;

-- a trigger of another's that has the name of one of the collection's
SET ROLE zvec_bystander;
CREATE TABLE b (id int);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER zvec_truncate_others AFTER TRUNCATE ON b EXECUTE FUNCTION nothing();
DROP TABLE b;
DROP FUNCTION nothing();
RESET ROLE;
SELECT differences('others');

SET client_min_messages = warning;
DROP SCHEMA collections_others CASCADE;
DROP ROLE zvec_bystander;
SELECT count(*) FROM zvec_collections;
