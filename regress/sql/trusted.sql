\set database :DBNAME
-- whoever may create in a database may install the extension there, and gains nothing else by it
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_zvec_trusted;
DROP ROLE IF EXISTS regress_zvec_owner, regress_zvec_user;
RESET client_min_messages;
CREATE ROLE regress_zvec_owner;
CREATE ROLE regress_zvec_user;
CREATE DATABASE regress_zvec_trusted OWNER regress_zvec_owner TEMPLATE template0;
\c regress_zvec_trusted
SET ROLE regress_zvec_user;
CREATE EXTENSION pg_zvec;
SET ROLE regress_zvec_owner;
-- a schema full of traps: whatever the script names without a schema is here too, and would tell
CREATE SCHEMA trap;
CREATE TABLE trap.sprung (who text, what text);
CREATE FUNCTION trap.spring(what text) RETURNS boolean LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO trap.sprung VALUES (current_user, what); EXECUTE 'ALTER ROLE regress_zvec_owner SUPERUSER'; RETURN true; END$$;
CREATE FUNCTION trap.equal(name, name) RETURNS boolean LANGUAGE sql AS $$SELECT trap.spring('name = name')$$;
CREATE FUNCTION trap.equal(name, text) RETURNS boolean LANGUAGE sql AS $$SELECT trap.spring('name = text')$$;
CREATE FUNCTION trap.equal(anyelement, anyelement) RETURNS boolean LANGUAGE sql AS $$SELECT trap.spring('any = any')$$;
CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = name, FUNCTION = trap.equal);
CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = text, FUNCTION = trap.equal);
CREATE OPERATOR trap.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = trap.equal);
CREATE TABLE trap.pg_am (oid oid, amname name);
CREATE TABLE trap.pg_depend (classid oid, objid oid, objsubid int, refclassid oid, refobjid oid, refobjsubid int, deptype "char");
CREATE DOMAIN trap.bytea AS pg_catalog.text;
CREATE DOMAIN trap.cstring AS pg_catalog.text;
CREATE DOMAIN trap.internal AS pg_catalog.text;
CREATE DOMAIN trap.oid AS pg_catalog.text;
CREATE DOMAIN trap.regclass AS pg_catalog.text;
CREATE FUNCTION trap.l2_distance(anyelement, anyelement) RETURNS float8 LANGUAGE sql AS $$SELECT trap.spring('distance')::int$$;
CREATE FUNCTION trap.zvec_eq(anyelement, anyelement) RETURNS boolean LANGUAGE sql AS $$SELECT trap.spring('zvec_eq')$$;
CREATE FUNCTION trap.eqsel(text, text) RETURNS float8 LANGUAGE sql AS $$SELECT trap.spring('eqsel')::int$$;
-- what is in the way is not replaced
CREATE DOMAIN trap.zvec AS int;
\set VERBOSITY terse
CREATE EXTENSION pg_zvec SCHEMA trap;
\set VERBOSITY default
DROP DOMAIN trap.zvec;
CREATE EXTENSION pg_zvec SCHEMA trap;
SELECT count(*) AS traps_sprung FROM trap.sprung;
-- the extension is the installer's, all that is in it a superuser's
SELECT extowner::regrole FROM pg_extension WHERE extname = 'pg_zvec';
SELECT classid::regclass, count(*) > 0 AS any, bool_and(owner = 10) AS superusers FROM pg_depend AS d,
    LATERAL (SELECT proowner FROM pg_proc WHERE oid = objid AND classid = 'pg_proc'::regclass
        UNION ALL SELECT typowner FROM pg_type WHERE oid = objid AND classid = 'pg_type'::regclass
        UNION ALL SELECT oprowner FROM pg_operator WHERE oid = objid AND classid = 'pg_operator'::regclass
        UNION ALL SELECT opcowner FROM pg_opclass WHERE oid = objid AND classid = 'pg_opclass'::regclass
        UNION ALL SELECT opfowner FROM pg_opfamily WHERE oid = objid AND classid = 'pg_opfamily'::regclass
        UNION ALL SELECT relowner FROM pg_class WHERE oid = objid AND classid = 'pg_class'::regclass
        UNION ALL SELECT nspowner FROM pg_namespace WHERE oid = objid AND classid = 'pg_namespace'::regclass
        UNION ALL SELECT evtowner FROM pg_event_trigger WHERE oid = objid AND classid = 'pg_event_trigger'::regclass) AS o(owner)
WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_zvec')
GROUP BY 1 ORDER BY 1::text;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_zvec_owner';
-- to move what a superuser owns takes a superuser; to make it anew does not
CREATE SCHEMA vectors;
ALTER EXTENSION pg_zvec SET SCHEMA vectors;
DROP EXTENSION pg_zvec;
CREATE EXTENSION pg_zvec SCHEMA vectors;
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;
RESET client_min_messages;
-- it is used by its owner and by others
GRANT USAGE ON SCHEMA vectors TO PUBLIC;
CREATE SCHEMA items AUTHORIZATION regress_zvec_owner;
GRANT CREATE, USAGE ON SCHEMA items TO regress_zvec_user;
SET search_path = items, vectors;
CREATE TABLE t (id int PRIMARY KEY, v zvec(3)) USING zvec;
INSERT INTO t SELECT i, ARRAY[i, i % 7, 1]::zvec FROM generate_series(1, 300) AS i;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
SET enable_seqscan = off;
SELECT id FROM t ORDER BY v <-> '[100,2,1]' LIMIT 1;
SELECT drained FROM zvec_optimize('t_v');
SELECT zvec_recall('t_v', 10, 3) > 0.9 AS recall, zvec_prewarm('t') > 0 AS prewarmed, nodes FROM zvec_index_stats('t_v');
VACUUM t;
SELECT * FROM zvec_check('t');
SET ROLE regress_zvec_user;
CREATE TABLE of_user (id int, v zvec(2)) USING zvec;
INSERT INTO of_user VALUES (1, '[1,2]');
SELECT * FROM of_user WHERE v = '[1,2]';
DROP EXTENSION pg_zvec CASCADE;
-- what a superuser alone may do, the extension's owner may not
SET ROLE regress_zvec_owner;
ALTER FUNCTION zvec_in(cstring, oid, integer) CALLED ON NULL INPUT;
CREATE OR REPLACE FUNCTION vectors.zvec_eq(zvec, zvec) RETURNS boolean LANGUAGE sql AS 'SELECT true';
DROP FUNCTION vectors.zvec_eq(zvec, zvec) CASCADE;
ALTER EXTENSION pg_zvec DROP FUNCTION zvec_eq(zvec, zvec);
ALTER TYPE zvec SET (STORAGE = main);
ALTER TYPE zvec OWNER TO regress_zvec_owner;
CREATE ACCESS METHOD mine TYPE TABLE HANDLER zvec_tableam_handler;
CREATE FUNCTION mine(bytea) RETURNS text AS '$libdir/pg_zvec', 'zvec_out' LANGUAGE C;
CREATE FUNCTION mine(zvec, zvec) RETURNS float8 LANGUAGE sql AS 'SELECT 1.0::float8' SUPPORT zvec_distance_support;
CREATE OPERATOR CLASS mine FOR TYPE zvec USING zvec_hnsw AS OPERATOR 1 <-> FOR ORDER BY pg_catalog.float_ops, FUNCTION 1 zvec_ip_metric(internal);
ALTER OPERATOR FAMILY zvec_l2_ops USING zvec_hnsw DROP FUNCTION 1 (zvec, zvec);
CREATE CAST (bytea AS zvec) WITHOUT FUNCTION;
CREATE AGGREGATE mine(zvec) (SFUNC = zvec_distance_support, STYPE = internal);
SET pg_zvec.segment_capacity = 1;
CREATE TABLE store (id int) USING zvec_segment;
-- how this is refused depends on the minor version
DO $$ BEGIN
    PERFORM zvec_tableam_handler('x');
    RAISE 'called';
EXCEPTION WHEN undefined_function OR feature_not_supported THEN
    RAISE NOTICE 'refused';
END $$;
SELECT zvec_recv('x'::bytea, 0, 0);
DO $$ BEGIN
    PERFORM zvec_tableam_handler(NULL);
    RAISE 'called';
EXCEPTION WHEN undefined_function OR feature_not_supported THEN
    RAISE NOTICE 'refused';
END $$;
-- a setting that takes a superuser is not taken over from before the library was loaded
\c regress_zvec_trusted
SET ROLE regress_zvec_owner;
SET search_path = items, vectors;
SET pg_zvec.segment_capacity = 1;
SELECT '[1]'::zvec;
SHOW pg_zvec.segment_capacity;
-- who installed it may drop it, with the tables that need it, whosever they are
SET client_min_messages = warning;
DROP EXTENSION pg_zvec;
DROP EXTENSION pg_zvec CASCADE;
SELECT count(*) FROM pg_class WHERE relname IN ('t', 'of_user') AND relkind = 'r';
CREATE EXTENSION pg_zvec SCHEMA vectors;
CREATE TABLE t (v zvec(3)) USING zvec;
RESET client_min_messages;
RESET ROLE;
\c :database
DROP DATABASE regress_zvec_trusted;
DROP ROLE regress_zvec_owner, regress_zvec_user;
