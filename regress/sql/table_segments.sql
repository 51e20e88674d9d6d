-- A column's vectors over several segments: small ones here, so that they fill up.
CREATE SCHEMA table_segments;
SET search_path = table_segments, public;
SET pg_zvec.segment_capacity = 400;
CREATE FUNCTION vec(i int, n int) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS $$ SELECT array_agg(i + 0.25 * j)::real[]::zvec FROM generate_series(0, n - 1) j $$;
CREATE TABLE t (id int PRIMARY KEY, v zvec(5), w zvec(2100)) USING zvec;
INSERT INTO t SELECT i, vec(i, 5), CASE WHEN i % 30 = 0 THEN vec(i, 2100) END FROM generate_series(1, 1500) i;
CREATE VIEW wrong AS SELECT id FROM t WHERE v <> vec(id, 5) OR w <> CASE WHEN id % 30 = 0 THEN vec(id, 2100) END OR (id % 30 = 0) <> (w IS NOT NULL);
SELECT segment, column_name, slots, live, dead, free FROM zvec_segments('t') ORDER BY column_name, segment;
SELECT * FROM wrong;
SELECT * FROM zvec_check('t');
SELECT array_agg(id ORDER BY d) FROM (SELECT id, v <-> vec(401, 5) AS d FROM t ORDER BY d LIMIT 5) s;
-- a batch that begins in one segment and ends in another; freed slots of full segments are used again
DELETE FROM t WHERE id BETWEEN 350 AND 450;
VACUUM t;
SELECT segment, column_name, live, dead, free FROM zvec_segments('t') ORDER BY column_name, segment;
COPY (SELECT i, vec(i, 5), CASE WHEN i % 30 = 0 THEN vec(i, 2100) END FROM generate_series(2001, 2101) i)
    TO PROGRAM 'cat > table_segments.tmp' (FORMAT binary);
COPY t FROM PROGRAM 'cat table_segments.tmp; rm table_segments.tmp' (FORMAT binary);
SELECT segment, column_name, live, dead, free FROM zvec_segments('t') ORDER BY column_name, segment;
UPDATE t SET v = vec(id, 5) WHERE id % 100 = 0;
UPDATE t SET id = id + 10000, v = vec(id + 10000, 5), w = CASE WHEN (id + 10000) % 30 = 0 THEN vec(id + 10000, 2100) END
    WHERE id > 1400;
SELECT * FROM wrong;
SELECT * FROM zvec_check('t');
-- a rewrite makes segments anew, of any size
RESET pg_zvec.segment_capacity;
VACUUM FULL t;
SELECT segment, column_name, live, dead FROM zvec_segments('t') ORDER BY column_name, segment;
SELECT * FROM wrong;
SELECT * FROM zvec_check('t');
-- one segment for each number of dimensions
CREATE TABLE free (id int, v zvec) USING zvec;
INSERT INTO free SELECT i, vec(i, 1 + i % 40) FROM generate_series(1, 400) i;
SELECT count(*), sum(live), min(dimensions), max(dimensions) FROM zvec_segments('free');
SELECT count(*) FROM free WHERE v <> vec(id, 1 + id % 40);
SELECT * FROM zvec_check('free');
-- a segment's pages are added several at a time, but not past its capacity
SET pg_zvec.segment_capacity = 3390;
CREATE TABLE filled (id int, v zvec(3)) USING zvec;
INSERT INTO filled SELECT i, vec(i, 3) FROM generate_series(1, 4000) i;
INSERT INTO filled SELECT i, vec(i, 3) FROM generate_series(4001, 7000) i;
SELECT segment, live, dead, free, slot_bytes / 8192 AS slot_pages, data_bytes / 8192 AS data_pages FROM zvec_segments('filled') ORDER BY 1;
SELECT count(*) FROM filled WHERE v = vec(id, 3);
SELECT * FROM zvec_check('filled');
SET pg_zvec.segment_capacity = -1;
SET client_min_messages = warning;
DROP SCHEMA table_segments CASCADE;
