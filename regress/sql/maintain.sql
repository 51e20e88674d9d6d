-- Who may maintain: the owner, and from 17 on whoever has MAINTAIN. Before there was such a right, membership in the owner is
-- granted in its place, so that each version prints the same.
CREATE ROLE zvec_table_owner;
CREATE ROLE zvec_maintainer;
CREATE SCHEMA maintain;
GRANT ALL ON SCHEMA maintain TO zvec_table_owner, zvec_maintainer;
SET search_path = maintain, public;
CREATE FUNCTION has_right() RETURNS bool LANGUAGE sql AS 'SELECT current_setting(''server_version_num'')::int >= 170000';
-- grants or revokes the right on tables, or on all of them
CREATE PROCEDURE right_of_maintainer(what text, tables text) LANGUAGE plpgsql AS $$
DECLARE
    link text := CASE what WHEN 'GRANT' THEN 'TO' ELSE 'FROM' END;
    object text := CASE WHEN NOT has_right() THEN 'zvec_table_owner' WHEN tables = 'all' THEN 'pg_maintain'
        ELSE 'MAINTAIN ON ' || tables END;
BEGIN
    EXECUTE format('%s %s %s zvec_maintainer', what, object, link);
END $$;
SET ROLE zvec_table_owner;
CREATE TABLE maintain.t (id int, v zvec(3)) USING zvec;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
CREATE FUNCTION maintain.is_even(i int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT i % 2 = 0';
CREATE INDEX t_even ON t USING zvec_hnsw (v) WHERE maintain.is_even(id);
INSERT INTO t SELECT i, ARRAY[i, i % 7, 1]::real[] FROM generate_series(1, 40) i;
GRANT SELECT ON t TO zvec_maintainer;
-- to read is not enough
SET ROLE zvec_maintainer;
SELECT * FROM zvec_optimize('t');
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_check('t_v');
-- the right on the table is, for its indexes too
RESET ROLE;
CALL right_of_maintainer('GRANT', 't');
SET ROLE zvec_maintainer;
SELECT * FROM zvec_optimize('t_even');
SELECT * FROM zvec_optimize('t') ORDER BY index::text;
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_check('t_even');
-- but it is not ownership
CREATE FUNCTION is_refused(command text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    IF has_right() THEN
        EXECUTE command;
        RETURN false;
    END IF;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN true;
END $$;
SELECT is_refused('SELECT zvec_recall(''t_even'')'), is_refused('ALTER TABLE t ADD COLUMN more int');
-- and it can be taken back
RESET ROLE;
CALL right_of_maintainer('REVOKE', 't');
SET ROLE zvec_maintainer;
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_optimize('t_v');
-- the right on all tables
RESET ROLE;
CALL right_of_maintainer('GRANT', 'all');
SET ROLE zvec_maintainer;
SELECT * FROM zvec_check('t');
SELECT count(*) FROM zvec_optimize('t');
RESET ROLE;
CALL right_of_maintainer('REVOKE', 'all');
-- each partition's own counts
CREATE TABLE p (id int, v zvec(3)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100) USING zvec;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (300) USING zvec;
ALTER TABLE p OWNER TO zvec_table_owner;
ALTER TABLE p1 OWNER TO zvec_table_owner;
CALL right_of_maintainer('GRANT', 'p, p1');
SET ROLE zvec_maintainer;
SELECT * FROM zvec_check('p1');
SELECT * FROM zvec_check('p');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA maintain CASCADE;
DROP ROLE zvec_table_owner, zvec_maintainer;
