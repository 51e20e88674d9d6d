-- Settings do what they say: threads and buffers of a session. Who may set them, in sessions that know the library.
\set superuser :USER
CREATE SCHEMA effects;
SET search_path = effects, knn, public;
SELECT vector_dims('[1]'::zvec) AS loaded;

-- pg_zvec.query_threads: more threads make an exact scan cheaper to the planner, up to as many as it allows; its parallel
-- workers do not count
CREATE TABLE plain (id int PRIMARY KEY, v zvec(40)) USING zvec;
INSERT INTO plain SELECT i, clustered(i, 40, 50) FROM generate_series(1, 6000) i;
VACUUM ANALYZE plain;
SET min_parallel_table_scan_size = 0;
SET enable_sort = off;
CREATE FUNCTION nearest(q int, rows int = 20) RETURNS text LANGUAGE sql
    RETURN format('SELECT id, v <-> %1$L AS d FROM plain ORDER BY v <-> %1$L LIMIT %2$s', clustered(q, 40, 50), rows);
SELECT regexp_replace(plan_of(nearest(1)), '''\[.*\]''', '...');
CREATE FUNCTION cost(threads int, workers int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    PERFORM set_config('pg_zvec.query_threads', threads::text, true);
    PERFORM set_config('max_parallel_workers_per_gather', workers::text, true);
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || nearest(1) INTO plan;
    RETURN plan->0->'Plan'->>'Total Cost';
END $$;
-- threads read pages this way, so there are none without
SET zvec.optimistic_reads = on;
SELECT cost(0, 2) > cost(1, 2) AS one, cost(1, 0) > cost(2, 0) AS two, cost(2, 0) > cost(3, 0) AS three, cost(0, 0) = cost(0, 8) AS none;
CREATE FUNCTION found(q int, threads int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    PERFORM set_config('pg_zvec.query_threads', threads::text, true);
    EXECUTE format('SELECT string_agg(format(''%%s %%s'', id, d), '','') FROM (%s) x', nearest(q)) INTO found;
    RETURN found;
END $$;
SELECT count(*), count(DISTINCT found(q, 0)) AS different, bool_and(found(q, 0) = found(q, 1) AND found(q, 0) = found(q, 64)) AS same
FROM generate_series(1, 20) q;
SET pg_zvec.query_threads = 65;
SET pg_zvec.query_threads = -1;
SET pg_zvec.query_threads = '4kB';

-- pg_zvec.max_buffer_size: pending vectors that have no room for their codes are compared exactly, so their pages are read
SET pg_zvec.background_drain = off;
CREATE TABLE waiting (id int, v zvec(100)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO waiting SELECT i, clustered(i, 100, 50) FROM generate_series(1, 3000) i;
CREATE INDEX waiting_v ON waiting USING zvec_hnsw (v);
INSERT INTO waiting SELECT i, clustered(i, 100, 50) FROM generate_series(3001, 6000) i;
SELECT pending FROM zvec_index_stats('waiting_v');
CREATE FUNCTION pages(buffer text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
    query text := format('SELECT id FROM waiting ORDER BY v <-> %L LIMIT 10', clustered(3, 100, 50));
BEGIN
    PERFORM set_config('pg_zvec.max_buffer_size', buffer, false);
    PERFORM set_config('zvec.optimistic_reads', 'off', false), set_config('enable_seqscan', 'off', false);
    PERFORM set_config('zvec.enable_exact_scan', 'off', false);
    -- codes are made for a thousand vectors at a time
    FOR i IN 1..8 LOOP
        EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
    END LOOP;
    RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint;
END $$;
SELECT bool_or(line LIKE '%Index Scan using waiting_v%') AS by_index
FROM plan_of(format('SELECT id FROM waiting ORDER BY v <-> %L LIMIT 10', clustered(3, 100, 50))) line;
SELECT pages('64kB') AS few, pages('1MB') AS more \gset
SELECT :few > 3 * :more AS fewer_codes_more_pages;
-- what was kept before is given back
SELECT pages('64kB') > 3 * :more AS again;
-- the words differ by version
\set VERBOSITY sqlstate
SET pg_zvec.max_buffer_size = '63kB';
SET pg_zvec.max_buffer_size = '2GB';
\set VERBOSITY default
RESET pg_zvec.max_buffer_size;
SHOW pg_zvec.max_buffer_size;

-- pg_zvec.log_level, pg_zvec.max_drain_workers: the server's
SHOW pg_zvec.log_level;
SET pg_zvec.log_level = debug;
SET pg_zvec.max_drain_workers = 2;
SELECT enumvals, context FROM pg_settings WHERE name = 'pg_zvec.log_level';

-- a plain user may set what users may, for a session, a role, a database of theirs, a function
CREATE ROLE regress_zvec_setter LOGIN;
GRANT CREATE, USAGE ON SCHEMA effects TO regress_zvec_setter;
SET ROLE regress_zvec_setter;
CREATE FUNCTION all_settable() RETURNS TABLE (name text, unset text) LANGUAGE plpgsql AS $$
BEGIN
    FOR name, unset IN SELECT s.name, s.boot_val FROM pg_settings s WHERE s.name ~ '^(pg_)?zvec\.' AND context = 'user' AND s.name <> 'pg_zvec.failpoint' LOOP
        EXECUTE format('SET LOCAL %s = %L', name, unset);
        EXECUTE format('ALTER ROLE regress_zvec_setter SET %s = %L', name, unset);
        EXECUTE format('CREATE FUNCTION with_setting() RETURNS text LANGUAGE sql SET %s = %L AS %L', name, unset, format('SELECT current_setting(%L)', name));
        EXECUTE 'DROP FUNCTION with_setting()';
        RETURN NEXT;
    END LOOP;
END $$;
SELECT name FROM all_settable() ORDER BY name COLLATE "C";
ALTER ROLE regress_zvec_setter SET pg_zvec.log_level = debug;
ALTER ROLE regress_zvec_setter SET zvec.optimistic_reads = off;
-- in a session that has not touched a vector nobody knows the names: a right to set them does where it was granted
\c - regress_zvec_setter
SET zvec.ef_search = 33;
ALTER ROLE regress_zvec_setter SET zvec.ef_search = 33;
\c - :superuser
GRANT SET ON PARAMETER zvec.ef_search TO PUBLIC;
\c - regress_zvec_setter
ALTER ROLE regress_zvec_setter SET zvec.ef_search = 33;
CREATE FUNCTION effects.exactly() RETURNS text LANGUAGE sql SET zvec.ef_search = 44 AS $$ SELECT current_setting('zvec.ef_search') $$;
\c - regress_zvec_setter
SELECT vector_dims('[1]'::zvec) AS loaded, current_setting('zvec.ef_search') AS of_the_role;
SELECT effects.exactly(), current_setting('zvec.ef_search') AS afterwards;
\c - :superuser
REVOKE SET ON PARAMETER zvec.ef_search FROM PUBLIC;
-- with the library loaded at a session's start no right is needed
SELECT current_database() AS database \gset
ALTER DATABASE :"database" SET session_preload_libraries = 'pg_zvec';
ALTER ROLE regress_zvec_setter RESET ALL;
\c - regress_zvec_setter
SHOW zvec.ef_search;
ALTER ROLE regress_zvec_setter SET zvec.ef_search = 55;
ALTER ROLE regress_zvec_setter SET pg_zvec.optimize_threads = 1;
ALTER ROLE regress_zvec_setter SET zvec.ef_serach = 55;
CREATE OR REPLACE FUNCTION effects.exactly() RETURNS text LANGUAGE sql SET pg_zvec.query_threads = 1 AS $$ SELECT current_setting('pg_zvec.query_threads') $$;
\c - regress_zvec_setter
SHOW zvec.ef_search;
SELECT effects.exactly(), current_setting('pg_zvec.query_threads') AS afterwards;
\c - :superuser
ALTER DATABASE :"database" RESET session_preload_libraries;
-- the owner of a database
CREATE DATABASE regress_zvec_settings TEMPLATE template0 OWNER regress_zvec_setter;
\c regress_zvec_settings
CREATE EXTENSION pg_zvec;
SELECT vector_dims('[1]'::zvec) AS loaded;
SET ROLE regress_zvec_setter;
ALTER DATABASE regress_zvec_settings SET zvec.ef_search = 66;
ALTER DATABASE regress_zvec_settings SET pg_zvec.background_drain = off;
\c - regress_zvec_setter
SELECT vector_dims('[1]'::zvec) AS loaded, current_setting('zvec.ef_search'), current_setting('pg_zvec.background_drain');
\c :database :superuser
DROP DATABASE regress_zvec_settings;
SET client_min_messages = warning;
DROP SCHEMA effects CASCADE;
DROP ROLE regress_zvec_setter;
