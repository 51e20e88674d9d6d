-- The settings: their names, who may set them; and that searches find the same whether or not pages are read past the server's
-- pins and locks, changed at any time.
CREATE SCHEMA settings;
SET search_path = settings, knn, public;
SELECT vector_dims('[1]'::zvec) AS loaded;
-- zvec.* for what a session sets while it searches, pg_zvec.* for the rest: README.md's table
SELECT name, boot_val AS default, unit, min_val AS least, max_val AS most, context FROM pg_settings WHERE name ~ '^(pg_)?zvec\.' ORDER BY name COLLATE "C";

-- misspelt names are refused, wherever they are said
SET zvec.optimistic_read = off;
SET pg_zvec.maxpending = 10;
-- of the other prefix
SET pg_zvec.ef_search = 10;
SET zvec.max_pending = 10;
SET LOCAL zvec.ef = 10;
SELECT set_config('zvec.optimistic', 'off', false);
SHOW pg_zvec.hint_memroy;
CREATE FUNCTION misspelt() RETURNS int LANGUAGE sql SET zvec.efsearch = 10 AS 'SELECT 1';
ALTER ROLE CURRENT_USER SET zvec.optimistic_raeds = off;
-- and values that are none
SET zvec.optimistic_reads = sometimes;

-- who may switch it
CREATE ROLE regress_zvec_plain LOGIN;
CREATE ROLE regress_zvec_operator LOGIN;
SET zvec.optimistic_reads = on;
SET ROLE regress_zvec_plain;
SET zvec.optimistic_reads = off;
SET LOCAL zvec.optimistic_reads = off;
SELECT set_config('zvec.optimistic_reads', 'off', false);
ALTER ROLE regress_zvec_plain SET zvec.optimistic_reads = off;
SHOW zvec.optimistic_reads;
-- what a superuser has made for others to call may
RESET ROLE;
CREATE FUNCTION pinned() RETURNS text LANGUAGE sql SECURITY DEFINER SET zvec.optimistic_reads = off AS $$ SELECT current_setting('zvec.optimistic_reads') $$;
GRANT USAGE ON SCHEMA settings TO public;
SET ROLE regress_zvec_plain;
SELECT pinned(), current_setting('zvec.optimistic_reads') AS afterwards;
RESET ROLE;
-- whoever is granted it may
GRANT SET ON PARAMETER zvec.optimistic_reads TO regress_zvec_operator;
SET ROLE regress_zvec_operator;
SET zvec.optimistic_reads = off;
SHOW zvec.optimistic_reads;
RESET ROLE;
REVOKE SET ON PARAMETER zvec.optimistic_reads FROM regress_zvec_operator;
-- before the library is loaded nobody knows the names; what was set then is dropped when it is
\set superuser :USER
\c - regress_zvec_plain
SET zvec.optimistic_reads = off;
SET zvec.optimistic = on;
SELECT vector_dims('[1]'::zvec) AS loaded;
SELECT setting = reset_val AS unchanged, source <> 'session' AS not_the_sessions FROM pg_settings WHERE name = 'zvec.optimistic_reads';
SHOW zvec.optimistic;
\c - :superuser
SET search_path = settings, knn, public;
SET zvec.optimistic_reads = off;
SELECT vector_dims('[1]'::zvec) AS loaded;
SHOW zvec.optimistic_reads;
DROP FUNCTION pinned;
REVOKE USAGE ON SCHEMA settings FROM public;
DROP ROLE regress_zvec_plain;
DROP ROLE regress_zvec_operator;

-- the same results, in both positions
SET pg_zvec.background_drain = off;
SET pg_zvec.max_pending = 10000;
CREATE TABLE graph (id int PRIMARY KEY, n int, v zvec(40)) USING zvec;
INSERT INTO graph SELECT i, i % 10, clustered(i, 40, 50) FROM generate_series(1, 4000) i;
CREATE INDEX graph_v ON graph USING zvec_hnsw (v);
-- some wait outside the graph, some are gone, some have moved
INSERT INTO graph SELECT i, i % 10, clustered(i, 40, 50) FROM generate_series(4001, 4100) i;
DELETE FROM graph WHERE id % 13 = 5;
UPDATE graph SET v = clustered(id + 1, 40, 50) WHERE id % 17 = 3;
UPDATE graph SET n = n + 1 WHERE id % 11 = 3;
CREATE TABLE flat (id int PRIMARY KEY, n int, v zvec(40)) USING zvec;
INSERT INTO flat SELECT * FROM graph;
CREATE INDEX flat_v ON flat USING zvec_flat (v);
CREATE TABLE plain (id int PRIMARY KEY, n int, v zvec(40)) USING zvec;
INSERT INTO plain SELECT * FROM graph;
ANALYZE graph, flat, plain;
-- threads help with the smallest scans
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_sort = off;
CREATE FUNCTION nearest(tab text, q int, rows int = 200, condition text = 'true') RETURNS text LANGUAGE sql
    RETURN format('SELECT id, v <-> %1$L AS d FROM %2$s WHERE %3$s ORDER BY v <-> %1$L LIMIT %4$s', clustered(q, 40, 50), tab, condition, rows);
SELECT regexp_replace(plan_of(nearest('graph', 1)), '''\[.*\]''', '...');
SELECT regexp_replace(plan_of(nearest('flat', 1)), '''\[.*\]''', '...');
SELECT regexp_replace(plan_of(nearest('plain', 1)), '''\[.*\]''', '...');
CREATE FUNCTION result(query text, setting text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    PERFORM set_config('zvec.optimistic_reads', setting, false);
    EXECUTE format('SELECT string_agg(format(''%%s %%s'', id, d), '','') FROM (%s) x', query) INTO found;
    RETURN found;
END $$;
SELECT tab, condition, count(*), count(*) FILTER (WHERE was = now) AS same, count(*) FILTER (WHERE was = again) AS again,
    count(DISTINCT was) AS different, min(length(was)) > 1000 AS has_rows
FROM (VALUES ('graph'), ('flat'), ('plain')) t (tab), (VALUES ('true'), ('n = 3')) c (condition), generate_series(1, 20) q,
    nearest(tab, q, 200, condition) query, result(query, 'on') was, result(query, 'off') now, result(query, 'on') again
GROUP BY tab, condition ORDER BY tab, condition;
-- by the rows, too
SET zvec.optimistic_reads = off;
SELECT * FROM same('graph', '<->', clustered(5, 40, 50), 100);
SELECT * FROM same('flat', '<->', clustered(6, 40, 50), 100);
SELECT * FROM compared('flat', '<->', clustered(7, 40, 50)::text);
SELECT * FROM compared('plain', '<->', clustered(8, 40, 50)::text, scan => 'ZvecExactScan');
SET zvec.optimistic_reads = on;
SELECT sum(id) AS ids, count(*), sum((v <-> clustered(9, 40, 50))::numeric(20, 3)) AS distances FROM plain \gset first_
SET zvec.optimistic_reads = off;
SELECT sum(id) = :first_ids AND count(*) = :first_count AND sum((v <-> clustered(9, 40, 50))::numeric(20, 3)) = :first_distances AS same FROM plain;

-- while it is off each page that a search reads is pinned, which the server counts; while it is on hardly any
CREATE FUNCTION pages(query text, setting text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
    found bigint;
BEGIN
    PERFORM set_config('zvec.optimistic_reads', setting, false);
    -- the first time it is learned in which buffers pages are
    FOR i IN 1..2 LOOP
        EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
    END LOOP;
    SELECT (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint INTO found;
    RETURN found;
END $$;
SELECT pages(query, 'off') > 5 * pages(query, 'on') AS more, pages(query, 'off') > 400 AS all
FROM nearest('graph', 3, 10) query;

-- cursors that stay open while it is switched, at every few rows
CREATE FUNCTION by_cursor(query text, each int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    next record;
    n int := 0;
    result text[];
BEGIN
    OPEN c NO SCROLL FOR EXECUTE query;
    LOOP
        IF n % each = 0 THEN
            PERFORM set_config('zvec.optimistic_reads', CASE n / each % 2 WHEN 0 THEN 'on' ELSE 'off' END, false);
        END IF;
        FETCH c INTO next;
        EXIT WHEN NOT FOUND;
        n := n + 1;
        result := result || format('%s %s', next.id, next.d);
    END LOOP;
    CLOSE c;
    RETURN array_to_string(result, ',');
END $$;
SELECT tab, count(*), count(*) FILTER (WHERE by_cursor(query, each) = result(query, 'on')) AS same
FROM (VALUES ('graph'), ('flat'), ('plain')) t (tab), (VALUES (1), (7), (100)) e (each), generate_series(31, 34) q, nearest(tab, q, 1000) query
GROUP BY tab ORDER BY tab;
-- as a session does it, with changes of its own, a savepoint and a rollback in between
SET enable_seqscan = off;
SELECT string_agg(id::text, ' ') AS ids FROM (SELECT id FROM graph ORDER BY v <-> clustered(3, 40, 50) LIMIT 30) x \gset
BEGIN;
SET LOCAL zvec.optimistic_reads = on;
DECLARE c CURSOR FOR SELECT id FROM graph ORDER BY v <-> clustered(3, 40, 50) LIMIT 30;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM graph ORDER BY v <-> clustered(3, 40, 50) LIMIT 30;
CREATE FUNCTION fetched(INOUT c refcursor, number int, OUT ids text) LANGUAGE plpgsql AS $$
DECLARE found int;
BEGIN
    FOR i IN 1..number LOOP
        FETCH c INTO found;
        ids := concat_ws(' ', ids, found);
    END LOOP;
END $$;
SELECT ids AS first_10 FROM fetched('c', 10) \gset
SAVEPOINT s;
SET LOCAL zvec.optimistic_reads = off;
DELETE FROM graph WHERE id % 3 = 0;
SELECT ids AS next_10 FROM fetched('c', 10) \gset
ROLLBACK TO s;
SHOW zvec.optimistic_reads;
SELECT ids AS last_10 FROM fetched('c', 10) \gset
SELECT :'ids' = concat_ws(' ', :'first_10', :'next_10', :'last_10') AS same;
SET LOCAL zvec.optimistic_reads = off;
COMMIT;
SELECT :'ids' = ids AS same FROM fetched('h', 30);
CLOSE h;
RESET enable_seqscan;

-- changes while it is off, and what is found of them while it is on
SET zvec.optimistic_reads = off;
SET pg_zvec.max_pending = 20;
INSERT INTO graph SELECT i, i % 10, clustered(i, 40, 50) FROM generate_series(5001, 5300) i;
DELETE FROM graph WHERE id % 7 = 2;
VACUUM graph, flat, plain;
INSERT INTO graph SELECT i, i % 10, clustered(i, 40, 50) FROM generate_series(6001, 6050) i;
SELECT * FROM zvec_check('graph');
SELECT recall('graph', '<->', 40) > 0.8 AS good;
SET zvec.optimistic_reads = on;
SELECT * FROM zvec_check('graph');
SELECT recall('graph', '<->', 40) > 0.8 AS good;
SELECT count(*), count(*) FILTER (WHERE result(query, 'on') = result(query, 'off')) AS same
FROM generate_series(41, 60) q, nearest('graph', q, 300) query;
-- a temporary table has buffers of the session's own
CREATE TEMP TABLE own USING zvec AS SELECT * FROM graph;
CREATE INDEX own_v ON own USING zvec_hnsw (v);
SELECT count(*), count(*) FILTER (WHERE result(query, 'on') = result(query, 'off')) AS same
FROM generate_series(61, 70) q, nearest('own', q, 300) query;
DROP SCHEMA settings CASCADE;
