-- COPY of a zvec table: text, csv and binary, in and out
CREATE SCHEMA table_copy;
SET search_path = table_copy, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
\getenv builddir PG_ABS_BUILDDIR
\cd :builddir

CREATE TABLE doc (id int PRIMARY KEY, a zvec(3), note text DEFAULT 'none', b zvec) USING zvec;
COPY doc FROM stdin;
1	[1,2,3]	one	[1]
2	\N	two	[1,2]
3	[0.5,-0.25,3e10]	\N	\N
\.
COPY doc (id, b) FROM stdin (FORMAT csv);
4,"[9,8,7]"
5,
\.
COPY doc (b, id, a) FROM stdin (FORMAT csv, HEADER match, DELIMITER ';', NULL 'nothing');
b;id;a
[1,2,3,4];6;nothing
nothing;7;[3,2,1]
\.
COPY (SELECT * FROM doc ORDER BY id) TO stdout;
COPY (SELECT * FROM doc ORDER BY id) TO stdout (FORMAT csv, HEADER, FORCE_QUOTE *);
COPY doc TO stdout;

-- rows that the command refuses leave nothing
COPY doc FROM stdin;
8	[1,2,3]	eight	[1]
9	[1,2]	wrong dimensions	[1]
\.
COPY doc FROM stdin;
10	[1,2,3]	ten	[1]
11	[1,2,x]	malformed	[1]
\.
COPY doc FROM stdin;
12	[1,2,3]	twelve	[5]
1	[1,2,3]	duplicate	[6]
\.
COPY doc FROM stdin WHERE id > 20;
13	[1,2,3]	filtered out	[1]
21	[2,2,2]	kept	[2,2]
\.
SELECT * FROM doc ORDER BY id;
SELECT * FROM zvec_check('doc');

-- many rows, several pages of vectors, in one command; through files and back
CREATE TABLE big (id int, v zvec(100), w zvec(7), t text) USING zvec;
INSERT INTO big SELECT i, CASE WHEN i % 10 <> 0 THEN vec(i, 100) END, vec(i, 7), repeat('t', i % 50)
FROM generate_series(1, 3000) i;
\copy big TO 'results/table_copy.bin' (FORMAT binary)
\copy big TO 'results/table_copy.txt'
\copy big TO 'results/table_copy.csv' (FORMAT csv)
CREATE TABLE back (LIKE big) USING zvec;
\copy back FROM 'results/table_copy.bin' (FORMAT binary)
SELECT count(*), count(v), count(w) FROM back;
SELECT count(*) FROM back b JOIN big USING (id) WHERE b.v IS NOT DISTINCT FROM big.v AND b.w = big.w AND b.t = big.t;
SELECT column_name, dimensions, live, dead FROM zvec_segments('back') ORDER BY segment;
SELECT * FROM zvec_check('back');
TRUNCATE back;
\copy back FROM 'results/table_copy.txt'
SELECT count(*) FROM back WHERE v IS NOT DISTINCT FROM (CASE WHEN id % 10 <> 0 THEN vec(id, 100) END) AND w = vec(id, 7);
SELECT * FROM zvec_check('back');
TRUNCATE back;
\copy back FROM 'results/table_copy.csv' (FORMAT csv)
SELECT count(*) FROM back WHERE v IS NOT DISTINCT FROM (CASE WHEN id % 10 <> 0 THEN vec(id, 100) END) AND w = vec(id, 7);
SELECT * FROM zvec_check('back');

-- a binary file made from a heap table
CREATE TABLE in_heap (LIKE big) USING heap;
\copy in_heap FROM 'results/table_copy.bin' (FORMAT binary)
SELECT count(*) FROM (TABLE in_heap EXCEPT TABLE big) d;
\copy in_heap TO 'results/table_copy_heap.bin' (FORMAT binary)
TRUNCATE back;
\copy back FROM 'results/table_copy_heap.bin' (FORMAT binary)
SELECT count(*) FROM back b JOIN big USING (id) WHERE b.v IS NOT DISTINCT FROM big.v AND b.w = big.w;

-- COPY rolled back, and COPY in a savepoint
BEGIN;
\copy back FROM 'results/table_copy.bin' (FORMAT binary)
SELECT count(*), count(v) FROM back;
ROLLBACK;
SELECT count(*), count(v) FROM back;
BEGIN;
SAVEPOINT s;
\copy back FROM 'results/table_copy.bin' (FORMAT binary)
ROLLBACK TO s;
\copy back FROM 'results/table_copy.bin' (FORMAT binary)
COMMIT;
SELECT id % 1000 = 0 AS round, count(*), count(v) FROM back GROUP BY 1 ORDER BY 1;
SELECT * FROM zvec_check('back');

-- COPY FREEZE: into a table made or emptied by the same transaction only
COPY back FROM stdin (FREEZE);
\.
BEGIN;
TRUNCATE back;
\copy back FROM 'results/table_copy.bin' (FORMAT binary, FREEZE)
SELECT count(*) FROM back WHERE w = vec(id, 7);
COMMIT;
SELECT count(*) FROM back WHERE v IS NOT DISTINCT FROM (CASE WHEN id % 10 <> 0 THEN vec(id, 100) END) AND w = vec(id, 7);
SELECT * FROM zvec_check('back');
BEGIN;
TRUNCATE back;
\copy back FROM 'results/table_copy.bin' (FORMAT binary, FREEZE)
ROLLBACK;
SELECT count(*) FROM back WHERE w = vec(id, 7);
DELETE FROM back WHERE id % 3 = 0;
UPDATE back SET w = vec(id + 1, 7) WHERE id % 3 = 1;
SELECT count(*), count(*) FILTER (WHERE w = vec(id + 1, 7)), count(*) FILTER (WHERE w = vec(id, 7)) FROM back;
SELECT * FROM zvec_check('back');

-- with a trigger COPY inserts row by row
CREATE TABLE audited (id int, v zvec(2)) USING zvec;
CREATE FUNCTION double() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN NEW.v := NEW.v + NEW.v; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON audited FOR EACH ROW EXECUTE FUNCTION double();
COPY audited FROM stdin;
1	[1,2]
2	\N
3	[4,-5]
\.
SELECT * FROM audited ORDER BY id;
SELECT * FROM zvec_check('audited');
SET client_min_messages = warning;
DROP SCHEMA table_copy CASCADE;
