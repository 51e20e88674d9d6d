-- What owners do to their collections and tables behind the extension's back, and what others try, leaves no session with values of
-- another type than it takes them for, runs nobody's code as somebody else, and keeps nobody's statements from running.
\set VERBOSITY terse
CREATE SCHEMA collections_hostile;
SET search_path = collections_hostile, public;
CREATE ROLE zvec_hostile;
GRANT CREATE, USAGE ON SCHEMA collections_hostile TO zvec_hostile;
SET ROLE zvec_hostile;

-- a key column of another type in the collection's own table
CREATE TABLE t (id int PRIMARY KEY, e real[]);
SELECT zvec_create_collection('hostile', 't', 'e', 3, 'l2', 'flat'), zvec_attach_table('hostile', 't', 'id', 'e');
INSERT INTO t VALUES (1, '{1,2,3}');
SELECT * FROM zvec_search('hostile', '{1,2,3}', 1);
ALTER TABLE zvec_collection.hostile RENAME key TO k;
ALTER TABLE zvec_collection.hostile ADD key bigint DEFAULT 4702111234474983745;
SELECT * FROM zvec_search('hostile', '{1,2,3}', 1);
SELECT * FROM zvec_search_filtered('hostile', '{1,2,3}', 1, 'true');
ALTER TABLE zvec_collection.hostile DROP key;
ALTER TABLE zvec_collection.hostile RENAME k TO key;
SELECT * FROM zvec_search('hostile', '{1,2,3}', 1);

-- schemas that change places: the collection stays with its table
RESET ROLE;
CREATE SCHEMA hostile_1 AUTHORIZATION zvec_hostile;
CREATE SCHEMA hostile_2 AUTHORIZATION zvec_hostile;
GRANT CREATE ON DATABASE :DBNAME TO zvec_hostile;
SET ROLE zvec_hostile;
CREATE TABLE hostile_1.t (id int PRIMARY KEY, e real[]);
CREATE TABLE hostile_2.t (id int PRIMARY KEY, e bigint);
SELECT zvec_create_collection('hostile_swap', 'hostile_1.t', 'e', 3, 'l2', 'flat'),
    zvec_attach_table('hostile_swap', 'hostile_1.t', 'id', 'e');
INSERT INTO hostile_1.t VALUES (1, '{1,1,1}');
INSERT INTO hostile_2.t VALUES (2, 4702111234474983745);
ALTER SCHEMA hostile_1 RENAME TO hostile_0;
ALTER SCHEMA hostile_2 RENAME TO hostile_1;
INSERT INTO hostile_0.t VALUES (2, '{2,2,2}');
SELECT * FROM zvec_search('hostile_swap', '{2,2,2}', 5);

-- a domain's check within a key is the owner's code, whoever searches
CREATE TABLE seen (who text);
CREATE FUNCTION evil(i int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'zvec_hostile' THEN
        INSERT INTO collections_hostile.seen VALUES (current_user);
    END IF;
    RETURN true;
END $$;
CREATE DOMAIN evil_int AS int CHECK (collections_hostile.evil(VALUE));
CREATE TYPE evil_key AS (a evil_int);
CREATE TABLE d (id evil_key PRIMARY KEY, e real[]);
SELECT zvec_create_collection('hostile_domain', 'd', 'e', 3, 'l2', 'flat'),
    zvec_attach_table('hostile_domain', 'd', 'id', 'e');
INSERT INTO d VALUES (ROW(1), '{1,1,1}');
RESET ROLE;
SELECT * FROM zvec_search_filtered('hostile_domain', '{1,1,1}', 1, 'true');
SELECT * FROM seen;
SET ROLE zvec_hostile;

-- triggers of our function are not for everybody to make
CREATE TABLE other (id bigint);
CREATE TRIGGER x AFTER TRUNCATE ON other EXECUTE FUNCTION zvec_sync_trigger('hostile');

-- TRUNCATE where triggers are off
RESET ROLE;
SET session_replication_role = replica;
TRUNCATE t;
RESET session_replication_role;
SELECT count(*) FROM zvec_search('hostile', '{1,2,3}', 1);

-- partitions made within CREATE SCHEMA, and children
CREATE TABLE p (id int PRIMARY KEY, e real[]) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
SELECT zvec_create_collection('hostile_parts', 'p', 'e', 3, 'l2', 'flat'),
    zvec_attach_table('hostile_parts', 'p', 'id', 'e');
CREATE SCHEMA hostile_3
    CREATE TABLE p2 PARTITION OF collections_hostile.p FOR VALUES FROM (10) TO (20);
INSERT INTO p1 VALUES (1, '{1,1,1}');
INSERT INTO hostile_3.p2 VALUES (11, '{2,2,2}');
SELECT * FROM zvec_search('hostile_parts', '{1,1,1}', 5);
CREATE SCHEMA hostile_4
    CREATE TABLE child () INHERITS (collections_hostile.t);

-- a partition that lost a trigger
DROP TRIGGER zvec_insert_hostile_parts ON p1;
SELECT attached FROM zvec_collections WHERE name = 'hostile_parts';

SELECT zvec_drop_collection('hostile'), zvec_drop_collection('hostile_swap'), zvec_drop_collection('hostile_domain'),
    zvec_drop_collection('hostile_parts');
SET client_min_messages = warning;
DROP SCHEMA hostile_0, hostile_1, hostile_3, collections_hostile CASCADE;
REVOKE ALL ON DATABASE :DBNAME FROM zvec_hostile;
DROP ROLE zvec_hostile;
