-- Code that others wrote: a condition's functions, a hostile reader, a hostile owner; what a reader may learn.
CREATE SCHEMA index_privileges;
GRANT USAGE ON SCHEMA index_privileges TO public;
CREATE ROLE zvec_owner;
CREATE ROLE zvec_reader;
GRANT CREATE ON SCHEMA index_privileges TO zvec_owner;
CREATE SCHEMA reader AUTHORIZATION zvec_reader;
SET pg_zvec.background_drain = off;

-- the owner's condition calls a function by an unqualified name
SET search_path = index_privileges, public;
SET ROLE zvec_owner;
CREATE FUNCTION pub(i int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN abs(i) > 10; END $$;
CREATE TABLE t (id int PRIMARY KEY, c int, v zvec(3)) USING zvec;
INSERT INTO t SELECT i, i, array[i, i % 7, 1]::real[]::zvec FROM generate_series(1, 60) i;
CREATE INDEX t_p ON t USING zvec_hnsw (v) WHERE pub(c);
CREATE INDEX t_fp ON t USING zvec_flat (v) WHERE pub(c);
CREATE INDEX t_h ON t USING zvec_hnsw (v);
-- and another one a type
CREATE DOMAIN kind AS text;
CREATE FUNCTION is_kind(i int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;
CREATE INDEX t_k ON t USING zvec_flat (v) WHERE is_kind(c);
-- (which PostgreSQL 17 does not find where it makes an index)
CREATE OR REPLACE FUNCTION is_kind(i int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN i::text::kind <> ''; END $$;
GRANT SELECT ON t TO zvec_reader;
RESET ROLE;
-- the reader has a function of that name, which takes what it can get from whoever runs it
SET ROLE zvec_reader;
CREATE FUNCTION reader.abs(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'GRANT ALL ON index_privileges.t TO zvec_reader';
    RETURN i;
END $$;
GRANT USAGE ON SCHEMA reader TO public;
-- and a type of that name, which is found where no other is
CREATE FUNCTION reader.taken(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'GRANT ALL ON index_privileges.t TO zvec_reader';
    RETURN true;
END $$;
CREATE DOMAIN pg_temp.kind AS text CHECK (reader.taken(VALUE));
SET search_path = reader, index_privileges, public, pg_catalog;
SELECT zvec_recall('t_p');
SELECT zvec_recall('t_fp');
SELECT zvec_recall('t_k');
SELECT zvec_check('t_p');
SELECT zvec_check('t');
SELECT zvec_optimize('t_p');
-- what runs nobody's code is a reader's, too
SELECT zvec_recall('t_h', 10, 5, 1000);
SELECT index::text ~ 't_', nodes FROM zvec_index_stats('t') ORDER BY nodes;
SELECT count(*) FROM zvec_segments('t');
SELECT zvec_prewarm('t_p') > 0;
RESET ROLE;
DROP DOMAIN pg_temp.kind;
SET client_min_messages = error;
DROP INDEX t_k;
RESET client_min_messages;
-- the owner, and whoever may do all, with the reader's schema on their path
SET ROLE zvec_owner;
SELECT zvec_recall('t_p', 10, 5, 1000), zvec_recall('t_fp', 10, 5);
SELECT * FROM zvec_check('t');
SELECT count(*) FROM zvec_optimize('t');
RESET ROLE;
SELECT zvec_recall('t_p', 10, 5, 1000), zvec_recall('t_fp', 10, 5);
SELECT * FROM zvec_check('t');
SELECT count(*) FROM zvec_optimize('t');
SELECT has_table_privilege('zvec_reader', 'index_privileges.t', 'DELETE') AS "the reader has got it";
SHOW search_path;

-- a hostile owner, whom others than readers ask for maintenance
SET search_path = index_privileges, public;
SET ROLE zvec_owner;
CREATE TABLE log (who name, path text, tried text, came text);
CREATE FUNCTION log(tried text, came text) RETURNS void LANGUAGE sql
    AS $$ INSERT INTO index_privileges.log SELECT current_user, current_setting('search_path'), tried, came $$;
CREATE FUNCTION act(i int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOREACH command IN ARRAY ARRAY['ALTER ROLE zvec_owner SUPERUSER', 'SET ROLE NONE', 'RESET SESSION AUTHORIZATION',
        'CREATE TEMP TABLE left_behind (i int)', 'SET search_path = reader, public', 'SET zvec.ef_search = 7'] LOOP
        BEGIN
            EXECUTE command;
            PERFORM index_privileges.log(command, 'done');
        EXCEPTION WHEN OTHERS THEN
            PERFORM index_privileges.log(command, regexp_replace(SQLERRM, '^must be superuser to alter superuser roles.*',
                'permission denied to alter role'));
        END;
    END LOOP;
    RETURN true;
END $$;
CREATE FUNCTION hostile(i int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS $$ BEGIN RETURN index_privileges.act(i); END $$;
CREATE TABLE h (id int, c int, v zvec(3)) USING zvec;
INSERT INTO h SELECT i, i, array[i, i % 7, 1]::real[]::zvec FROM generate_series(1, 3) i;
CREATE INDEX h_p ON h USING zvec_hnsw (v) WHERE hostile(c);
CREATE INDEX h_f ON h USING zvec_flat (v) WHERE hostile(c);
RESET ROLE;
RESET search_path;
-- those that only read, move and repair run nothing
TRUNCATE index_privileges.log;
SELECT sum(nodes) FROM zvec_index_stats('index_privileges.h');
SELECT count(*) FROM zvec_segments('index_privileges.h');
SELECT zvec_prewarm('index_privileges.h') > 0, zvec_prewarm('index_privileges.h_p') > 0;
SELECT sum(drained), sum(removed) FROM zvec_optimize('index_privileges.h');
DELETE FROM index_privileges.h WHERE id = 2;
SELECT sum(drained), sum(removed) FROM zvec_optimize('index_privileges.h');
VACUUM index_privileges.h;
SELECT * FROM index_privileges.log;
-- the others run it as its author, who gets nowhere, and leave nothing behind
SELECT zvec_recall('index_privileges.h_p', 2, 2, 100), zvec_recall('index_privileges.h_f', 2, 2);
SELECT * FROM zvec_check('index_privileges.h');
SELECT count(*) > 0 AS ran FROM index_privileges.log;
SELECT * FROM (SELECT DISTINCT * FROM index_privileges.log) log ORDER BY tried COLLATE "C", path COLLATE "C";
SHOW search_path;
SHOW zvec.ef_search;
SELECT to_regclass('pg_temp.left_behind'), rolsuper FROM pg_roles WHERE rolname = 'zvec_owner';
-- after an error, too
SET search_path = index_privileges, public;
CREATE OR REPLACE FUNCTION hostile(i int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS $$ BEGIN RAISE EXCEPTION 'as % on %', current_user, current_setting('search_path'); END $$;
SELECT zvec_check('h');
SELECT zvec_recall('h_p');
SELECT current_user <> 'zvec_owner' AS "is oneself";
SHOW search_path;
BEGIN;
SAVEPOINT s;
SELECT zvec_recall('h_p');
ROLLBACK TO s;
SELECT current_user <> 'zvec_owner' AS "is oneself";
SHOW search_path;
COMMIT;

-- rows that policies hide
SET ROLE zvec_owner;
CREATE TABLE hidden (id int, v zvec(3)) USING zvec;
INSERT INTO hidden SELECT i, array[i, i % 7, 1]::real[]::zvec FROM generate_series(1, 50) i;
CREATE INDEX hidden_h ON hidden USING zvec_hnsw (v);
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON hidden TO zvec_reader USING (id < 4);
GRANT SELECT ON hidden TO zvec_reader;
SELECT zvec_recall('hidden_h', 10, 5, 1000);
SET ROLE zvec_reader;
SELECT count(*) FROM hidden;
SELECT zvec_recall('hidden_h', 10, 5, 1000);
SET ROLE zvec_owner;
ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
SELECT zvec_recall('hidden_h', 10, 5, 1000);
RESET ROLE;
ALTER ROLE zvec_reader BYPASSRLS;
SET ROLE zvec_reader;
SELECT zvec_recall('hidden_h', 10, 5, 1000);
RESET ROLE;

ALTER ROLE zvec_reader NOBYPASSRLS;
-- and that a condition's functions must not see before the policies have, since they may tell of them
SET search_path = index_privileges, public;
SET ROLE zvec_owner;
ALTER TABLE hidden NO FORCE ROW LEVEL SECURITY;
ALTER TABLE hidden ADD COLUMN c int;
UPDATE hidden SET c = 1000 + id;
CREATE INDEX hidden_p ON hidden USING zvec_hnsw (v) WHERE pub(c);
CREATE INDEX hidden_f ON hidden USING zvec_flat (v) WHERE pub(c);
CREATE INDEX hidden_o ON hidden USING zvec_flat (v zvec_l1_ops) WHERE c > 1000;
SET ROLE zvec_reader;
CREATE OR REPLACE FUNCTION reader.abs(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF i > 1003 THEN RAISE WARNING 'there is a row with %', i; END IF;
    RETURN i;
END $$;
SET search_path = reader, index_privileges, public, pg_catalog;
SET enable_seqscan = off;
SET zvec.enable_exact_scan = off;
SELECT id FROM hidden WHERE pub(c) ORDER BY v <-> '[1,1,1]' LIMIT 5;
SET enable_sort = off;
SELECT id FROM hidden WHERE pub(c) ORDER BY v <-> '[1,1,1]' LIMIT 5;
-- conditions that cannot tell anything are another matter
EXPLAIN (COSTS OFF) SELECT id FROM hidden WHERE c > 1000 ORDER BY v <+> '[1,1,1]' LIMIT 5;
SELECT id FROM hidden WHERE c > 1000 ORDER BY v <+> '[1,1,1]' LIMIT 5;
RESET ROLE;
SET search_path = index_privileges, public;
EXPLAIN (COSTS OFF) SELECT id FROM hidden WHERE pub(c) ORDER BY v <-> '[1,1,1]' LIMIT 5;
RESET enable_seqscan;
RESET zvec.enable_exact_scan;
RESET enable_sort;

-- partitions are their owners'
CREATE TABLE p (id int, v zvec(3)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100) USING zvec;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (300) USING zvec;
ALTER TABLE p OWNER TO zvec_owner;
ALTER TABLE p1 OWNER TO zvec_owner;
SET ROLE zvec_owner;
SELECT zvec_check('p1');
SELECT zvec_check('p');
RESET ROLE;
SELECT zvec_check('p');

SET client_min_messages = warning;
DROP SCHEMA index_privileges CASCADE;
DROP SCHEMA reader CASCADE;
DROP ROLE zvec_owner, zvec_reader;
