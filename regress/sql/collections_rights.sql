-- Collections: who may do what; hostile owners and readers
CREATE SCHEMA collections_rights;
GRANT USAGE ON SCHEMA collections_rights TO public;
CREATE ROLE zvec_owner2;
CREATE ROLE zvec_writer;
CREATE ROLE zvec_reader2;
GRANT CREATE ON SCHEMA collections_rights TO zvec_owner2;
CREATE SCHEMA zvec_reader2 AUTHORIZATION zvec_reader2;
SET search_path = collections_rights, public;
SET ROLE zvec_owner2;
CREATE TABLE t (id int PRIMARY KEY, e float4[], secret text, tenant name);
INSERT INTO t SELECT i, ARRAY[i, i % 7, 1], 'secret ' || i, CASE i % 100 WHEN 0 THEN 'zvec_reader2' ELSE 'zvec_writer' END
FROM generate_series(1, 5000) i;
SELECT zvec_create_collection('rights', 't', 'e', 3, 'l2'), zvec_attach_table('rights', 't', 'id', 'e');
SELECT owner, attached FROM zvec_collections WHERE name = 'rights';
-- the owner has what they own, and no more
CREATE TABLE zvec_collection.mine (i int);
INSERT INTO zvec_collection_catalog SELECT 'mine', collection, source, vector_column, metric, index_type FROM zvec_collection_catalog;
UPDATE zvec_collection_catalog SET source = 't';
DROP SCHEMA zvec_collection;
RESET ROLE;
-- others manage nothing
SET ROLE zvec_writer;
SELECT zvec_create_collection('x', 't', 'e', 3);
SELECT zvec_attach_table('rights', 't', 'id', 'e');
SELECT zvec_detach_table('rights');
SELECT zvec_drop_collection('rights');
SELECT zvec_optimize('rights');
SELECT zvec_stats('rights');
SELECT * FROM zvec_search('rights', '{1,1,1}', 1);
SELECT * FROM zvec_search_filtered('rights', '{1,1,1}', 1, 'true');
-- somebody's table with a trigger for the collection of another
CREATE TEMP TABLE stolen (id int PRIMARY KEY, e float4[]);
CREATE TRIGGER steal AFTER INSERT ON stolen REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION zvec_sync_trigger('rights');
INSERT INTO stolen VALUES (1, '{5,5,5}');
RESET ROLE;
-- who writes needs no right on the collection
GRANT INSERT, UPDATE, DELETE, SELECT ON t TO zvec_writer;
SET ROLE zvec_writer;
INSERT INTO t VALUES (6000, '{6000,1,1}', 's', 'zvec_writer');
UPDATE t SET id = 6001 WHERE id = 6000;
DELETE FROM t WHERE id = 1;
SELECT * FROM zvec_search('rights', '{6000,1,1}', 1);
SELECT * FROM zvec_collection.rights;
DELETE FROM zvec_collection.rights;
RESET ROLE;
-- a reader of the key, and of nothing else
GRANT SELECT (id) ON t TO zvec_reader2;
SET ROLE zvec_reader2;
SELECT * FROM zvec_search('rights', '{6000,1,1}', 1);
SELECT pk FROM zvec_search_filtered('rights', '{6000,1,1}', 1, 'id < 100');
SELECT pk FROM zvec_search_filtered('rights', '{6000,1,1}', 1, $$secret > ''$$);
SELECT * FROM zvec_stats('rights');
RESET ROLE;
GRANT SELECT (e) ON t TO zvec_reader2;
REVOKE SELECT (id) ON t FROM zvec_reader2;
SET ROLE zvec_reader2;
SELECT * FROM zvec_search('rights', '{6000,1,1}', 1);
RESET ROLE;
GRANT SELECT ON t TO zvec_reader2;
-- a schema that is closed
REVOKE USAGE ON SCHEMA collections_rights FROM public;
SET ROLE zvec_reader2;
SELECT * FROM zvec_search('rights', '{6000,1,1}', 1);
RESET ROLE;
GRANT USAGE ON SCHEMA collections_rights TO public;

-- row-level security: as many as may be seen, each seen in the table; one row in a hundred
SET ROLE zvec_owner2;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t TO public USING (tenant = current_user);
RESET ROLE;
SET ROLE zvec_reader2;
SELECT count(*), bool_and(pk::int % 100 = 0) AS own FROM zvec_search('rights', '{2500,1,1}', 20);
SELECT string_agg(pk, ' ' ORDER BY score) = (SELECT string_agg(id::text, ' ' ORDER BY d)
    FROM (SELECT id, e::zvec <-> '[2517,1,1]' AS d FROM t ORDER BY d LIMIT 20) AS x) AS nearest
FROM zvec_search('rights', '{2517,1,1}', 20);
SELECT count(*) FROM zvec_search('rights', '{2500,1,1}', 1000);
SELECT pk FROM zvec_search_filtered('rights', '{2500,1,1}', 3, 'id > 4000');
SELECT count(*) FROM zvec_search_filtered('rights', '{2500,1,1}', 3, 'id = 4001');
-- a function that tells what it sees, in a condition
CREATE FUNCTION zvec_reader2.tell(text) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001 AS
    $$ BEGIN IF $1 NOT LIKE '%00' THEN RAISE NOTICE 'seen: %', $1; END IF; RETURN true; END $$;
SELECT count(*) FROM zvec_search_filtered('rights', '{2500,1,1}', 10, 'zvec_reader2.tell(secret)');
SET row_security = off;
SELECT count(*) FROM zvec_search('rights', '{2500,1,1}', 10);
RESET row_security;
RESET ROLE;
SET ROLE zvec_writer;
SELECT count(*), bool_and(pk::int % 100 <> 0) AS own FROM zvec_search('rights', '{2500,1,1}', 20);
INSERT INTO t VALUES (7000, '{7000,1,1}', 's', 'zvec_writer');
SELECT pk FROM zvec_search('rights', '{7000,1,1}', 1);
RESET ROLE;
-- the owner sees all, and a policy that is forced upon them keeps nothing out of the collection
SET ROLE zvec_owner2;
SELECT count(*) FROM zvec_search('rights', '{2500,1,1}', 10000);
ALTER TABLE t FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM zvec_search('rights', '{2500,1,1}', 10000);
RESET ROLE;
INSERT INTO t VALUES (8000, '{8000,1,1}', 's', 'zvec_reader2');
SELECT pk FROM zvec_search('rights', '{8000,1,1}', 1);
SET ROLE zvec_owner2;
ALTER TABLE t NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
RESET ROLE;

-- filters that are more than a condition
SET ROLE zvec_reader2;
CREATE TABLE zvec_reader2.kept (i int);
\set VERBOSITY terse
SELECT filter, (SELECT count(*) FROM zvec_search_filtered('rights', '{1,1,1}', 10, filter))
FROM unnest(ARRAY['id < 5 -- and more', 'id < 5 /* and more */', E'id < 5 --\n', '(id) < $$5$$::int', 'id < 5 or id = 6',
    'now() > $q$2000-01-01$q$ and id < 4', 't.id < 5', 'false', 'NULL', 'id::text like ''1%''',
    'U&"\0069\0064" < 5', 'id = any (array[3, 4])', '(id, 1) < (5, 1)', 'case when id < 5 then true end']) AS filter;
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true) OR (true');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, '1=1; DROP TABLE zvec_reader2.kept');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true /*');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true) --');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true ''');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true $$');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, '');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, '-- nothing');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true, false');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true AS x');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true FROM pg_class');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true WHERE true');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true ORDER BY 1');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true LIMIT 1');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true FOR UPDATE');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'DISTINCT true');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true GROUP BY 1');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'true UNION SELECT true');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, '*');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'id');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'id IN (SELECT 1)');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'EXISTS (TABLE pg_authid)');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, '(SELECT true)');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'id = ANY (ARRAY(SELECT 1))');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'count(*) > 0');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'row_number() OVER () > 0');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'generate_series(1, 2) > 0');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'random() < 2');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'pg_terminate_backend(1)');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, '$1 IS NOT NULL');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'id = ANY ($1)');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, '''pg_nosuch''::regclass IS NULL');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'nosuch');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'rights.key IS NULL');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, NULL);
\set VERBOSITY default
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'id < 5 AND nosuch');
SELECT zvec_search_filtered('rights', '{1,1,1}', 1, 'id < 5 5');
-- a function that has become volatile since
CREATE FUNCTION zvec_reader2.f(i int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN i < 3; END $$;
SELECT count(*) FROM zvec_search_filtered('rights', '{1,1,1}', 10, 'zvec_reader2.f(id)');
ALTER FUNCTION zvec_reader2.f(int) VOLATILE;
SELECT count(*) FROM zvec_search_filtered('rights', '{1,1,1}', 10, 'zvec_reader2.f(id)');
-- one filter, two meanings by the search path
CREATE FUNCTION zvec_reader2.low(i int) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT i < 3 $$;
SET search_path = zvec_reader2, public;
SELECT count(*) FROM zvec_search_filtered('rights', '{1,1,1}', 10, 'low(id)');
SET search_path = collections_rights, public;
SELECT count(*) FROM zvec_search_filtered('rights', '{1,1,1}', 10, 'low(id)');
RESET ROLE;
SELECT count(*) FROM zvec_reader2.kept;

-- a hostile owner: code of theirs on the table, on the collection, in types; a superuser writes, searches, drops
SET ROLE zvec_owner2;
CREATE TABLE log (who name, whose text, what text);
GRANT INSERT ON log TO public;
CREATE FUNCTION take(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO collections_rights.log VALUES (current_user, current_setting('search_path'), what);
    BEGIN EXECUTE 'ALTER ROLE zvec_owner2 SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE 'SET ROLE NONE'; EXCEPTION WHEN OTHERS THEN NULL; END;
    RETURN true;
END $$;
CREATE FUNCTION look(i text, what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN collections_rights.take(what); END $$;
CREATE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM collections_rights.take(TG_ARGV[0]); RETURN NULL; END $$;
-- the collection's table is theirs
CREATE TRIGGER evil AFTER INSERT OR UPDATE OR DELETE ON zvec_collection.rights FOR EACH ROW EXECUTE FUNCTION on_write('a trigger on the collection');
CREATE TRIGGER evil_too AFTER TRUNCATE ON zvec_collection.rights FOR EACH STATEMENT EXECUTE FUNCTION on_write('a trigger for TRUNCATE');
ALTER TABLE zvec_collection.rights ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY evil ON zvec_collection.rights USING (look(key, 'a policy of the collection''s')) WITH CHECK (look(key, 'a policy for rows'));
TRUNCATE log;
RESET ROLE;
INSERT INTO t VALUES (9000, '{9000,1,1}');
UPDATE t SET id = 9001 WHERE id = 9000;
INSERT INTO t SELECT i, ARRAY[i, 1, 1] FROM generate_series(9100, 9110) i;
SELECT pk FROM zvec_search('rights', '{9001,1,1}', 1);
SELECT count(*) FROM zvec_search_filtered('rights', '{9001,1,1}', 10, 'id > 9000');
SELECT count(*) > 10 AS stats FROM zvec_stats('rights');
SELECT count(*) FROM zvec_optimize('rights');
SELECT DISTINCT who, whose, what FROM log ORDER BY 1, 2, 3;
SELECT rolsuper FROM pg_roles WHERE rolname = 'zvec_owner2';
SELECT current_user = session_user AS myself, current_setting('search_path');
BEGIN;
TRUNCATE t;
INSERT INTO t SELECT i, ARRAY[i, 1, 1] FROM generate_series(1, 20) i;
SELECT zvec_detach_table('rights');
SELECT zvec_attach_table('rights', 't', 'id', 'e') AS loaded;
SELECT DISTINCT who, whose, what FROM log ORDER BY 1, 2, 3;
ROLLBACK;
BEGIN;
DROP TABLE t CASCADE;
ROLLBACK;
SELECT DISTINCT who FROM log ORDER BY 1;
SELECT rolsuper FROM pg_roles WHERE rolname = 'zvec_owner2';
-- a tablespace takes a right
SET ROLE zvec_owner2;
SELECT zvec_create_collection('x', 't', 'e', 3, data_dir => 'pg_global');
RESET ROLE;
-- another owner
ALTER TABLE t OWNER TO zvec_writer;
SELECT owner FROM zvec_collections WHERE name = 'rights';
SET ROLE zvec_owner2;
SELECT zvec_drop_collection('rights');
RESET ROLE;
INSERT INTO t VALUES (9500, '{9500,1,1}');
SET ROLE zvec_writer;
SELECT pk FROM zvec_search('rights', '{9500,1,1}', 1);
SELECT zvec_drop_collection('rights');
RESET ROLE;
-- DROP OWNED, with the table and the collection
SET ROLE zvec_owner2;
CREATE TABLE u (id int PRIMARY KEY, e float4[]);
SELECT zvec_create_collection('u', 'u', 'e', 3), zvec_attach_table('u', 'u', 'id', 'e');
RESET ROLE;
SET client_min_messages = warning;
DROP OWNED BY zvec_owner2 CASCADE;
SELECT count(*) FROM zvec_collections WHERE name = 'u';
SELECT count(*) FROM pg_class WHERE relnamespace = 'zvec_collection'::regnamespace;
DROP SCHEMA collections_rights, zvec_reader2 CASCADE;
DROP OWNED BY zvec_writer, zvec_reader2 CASCADE;
DROP ROLE zvec_owner2, zvec_writer, zvec_reader2;
