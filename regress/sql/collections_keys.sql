-- Collections: keys of every type, written under different settings; vectors of every type
CREATE SCHEMA collections_keys;
SET search_path = collections_keys, public;
CREATE TYPE mood AS ENUM ('sad', 'O''Hara "x" \ ,', 'happy');
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE TYPE pair AS (a int, b text);
-- a cast to text that is not the type's text
CREATE FUNCTION lies(mood) RETURNS text LANGUAGE sql AS $$ SELECT 'lie' $$;
SET client_min_messages = error;
CREATE CAST (mood AS text) WITH FUNCTION lies(mood);
RESET client_min_messages;
CREATE TABLE kinds (n serial, type text);
INSERT INTO kinds (type) VALUES ('smallint'), ('int'), ('bigint'), ('small'), ('numeric'), ('text'), ('varchar(20)'), ('char(5)'),
    ('name'), ('uuid'), ('bool'), ('oid'), ('date'), ('timestamptz'), ('timestamp'), ('time'), ('interval'), ('bytea'), ('float8'),
    ('float4'), ('money'), ('inet'), ('macaddr'), ('bit varying'), ('mood'), ('pair'), ('int4range'), ('jsonb'),
    ('tsvector'), ('"char"'), ('text COLLATE "C"');
CREATE TABLE samples (type text, value text);
INSERT INTO samples VALUES ('text', ''), ('text', E'a''b"c\\d\n$$ ;--'), ('text', '{1,2}'), ('text', 'NULL'), ('text', 'ä日本'),
    ('text', '/* '), ('varchar(20)', ' x '), ('char(5)', 'ab'), ('char(5)', 'abcde'), ('name', 'n'), ('bool', 't'), ('bool', 'f'),
    ('uuid', '6b8b4567-327b-23c6-643c-986966334873'), ('date', '2026-02-01'), ('timestamptz', '2026-02-01 12:34:56.789+05'),
    ('timestamp', '2026-02-01 12:34:56'), ('time', '12:34'), ('interval', '1 year 2 mons 3 days 04:05:06'), ('bytea', '\x00ff5c'),
    ('float8', '0.1'), ('float8', '1e300'), ('float8', 'NaN'), ('float4', '0.3'), ('money', '1234.5'), ('inet', '10.0.0.1/8'),
    ('macaddr', '08:00:2b:01:02:03'), ('bit varying', '10101'), ('mood', 'sad'), ('mood', 'O''Hara "x" \ ,'), ('pair', '(1,"x,y")'),
    ('int4range', '[1,5)'), ('jsonb', '{"a": [1, "x"]}'), ('tsvector', '''a'':1 ''b'':2'), ('"char"', 'c'),
    ('text COLLATE "C"', 'Z'), ('numeric', '1.50'), ('numeric', '-12345678901234567890.1');
INSERT INTO samples SELECT type, n FROM (VALUES ('smallint'), ('int'), ('bigint'), ('small'), ('oid')) AS t(type), generate_series(1, 3) AS n;
SELECT format('CREATE TABLE %I (id %s PRIMARY KEY, e float4[])', 'k' || n, type) FROM kinds ORDER BY n \gexec
SELECT zvec_create_collection('k' || n, 'k' || n, 'e', 3, 'l2') FROM kinds ORDER BY n \g /dev/null
SELECT zvec_attach_table('k' || n, 'k' || n, 'id', 'e') FROM kinds ORDER BY n \g /dev/null
SELECT format('INSERT INTO %I SELECT value::%s, ARRAY[length(value), ascii(value), 1] FROM samples WHERE type = %L',
    'k' || n, split_part(type, ' COLLATE', 1), type) FROM kinds ORDER BY n \gexec
SELECT type, pk FROM kinds, LATERAL zvec_search('k' || n, '{0,0,0}', 10) AS s ORDER BY n, pk COLLATE "C";
-- other settings: the same keys are found, changed, and told apart by a condition, which is read as the session has it
SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Tokyo'; SET extra_float_digits = -3; SET bytea_output = 'escape';
SELECT format('UPDATE %I SET e = ARRAY[1, 2, 3]', 'k' || n) FROM kinds ORDER BY n \gexec
SELECT format('SELECT count(*) AS %I FROM zvec_search_filtered(%L, ''{1,2,3}'', 100, ''true'')', type, 'k' || n)
    FROM kinds WHERE type IN ('timestamptz', 'interval', 'float8', 'bytea', 'date', 'mood') ORDER BY n \gexec
SELECT n AS zoned FROM kinds WHERE type = 'timestamptz' \gset
SELECT pk FROM zvec_search_filtered('k' || :zoned, '{1,2,3}', 100, $$id = '01.02.2026 16:34:56.789'$$);
SELECT type, count(*), bool_and(score = 0) AS changed FROM kinds, LATERAL zvec_search('k' || n, '{1,2,3}', 10) AS s GROUP BY type, n ORDER BY n;
SELECT format('DELETE FROM %I', 'k' || n) FROM kinds ORDER BY n \gexec
SELECT sum(value::int) AS "left" FROM kinds, LATERAL zvec_stats('k' || n) AS s WHERE key = 'rows';
RESET DateStyle; RESET IntervalStyle; RESET TimeZone; RESET extra_float_digits; RESET bytea_output;

-- keys that are none: of a type whose = is not sure, or that there are no arrays of
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE FUNCTION lies(colour) RETURNS text LANGUAGE sql AS $$ SELECT 'lie' $$;
SET client_min_messages = error;
CREATE CAST (colour AS text) WITH FUNCTION lies(colour) AS IMPLICIT;
RESET client_min_messages;
CREATE TABLE of_lies (id colour PRIMARY KEY, e float4[]);
CREATE TABLE of_arrays (id int[] PRIMARY KEY, e float4[]);
SELECT zvec_create_collection(t, t, 'e', 3) FROM unnest(ARRAY['of_lies', 'of_arrays']) AS t \g /dev/null
\set VERBOSITY terse
SELECT zvec_attach_table('of_lies', 'of_lies', 'id', 'e');
\set VERBOSITY default
SELECT zvec_attach_table('of_arrays', 'of_arrays', 'id', 'e');

-- vectors: arrays of both kinds, zvec, domains
CREATE DOMAIN embedding AS float8[];
CREATE TABLE in_heap (id int PRIMARY KEY, a float4[], b float8[], c zvec(3), d embedding);
CREATE TABLE in_zvec (id int PRIMARY KEY, a float4[], b float8[], c zvec, d embedding) USING zvec;
SELECT zvec_create_collection(t || c, t, c, 3, 'l2'), zvec_attach_table(t || c, t, 'id', c)
FROM unnest(ARRAY['in_heap', 'in_zvec']) AS t, unnest(ARRAY['a', 'b', 'c', 'd']) AS c \g /dev/null
INSERT INTO in_heap SELECT i, v, v, v::zvec, v FROM generate_series(1, 100) AS i, LATERAL (SELECT ARRAY[i, 0.25, -i]::float4[] AS v) AS v;
INSERT INTO in_zvec SELECT * FROM in_heap;
UPDATE in_heap SET a = b, b = b, c = c + '[1,1,1]' WHERE id < 50;
UPDATE in_zvec SET a = b, b = b, c = c + '[1,1,1]' WHERE id < 50;
SELECT t || c AS collection, s.* FROM unnest(ARRAY['in_heap', 'in_zvec']) AS t, unnest(ARRAY['a', 'b', 'c', 'd']) AS c,
    LATERAL zvec_search(t || c, '{60,0.25,-60}', 1) AS s;
SELECT pk, score FROM zvec_search('in_zvecc', '{41,1.25,-39}', 1);
INSERT INTO in_heap VALUES (101, NULL, '{1e300,1,1}');
INSERT INTO in_heap VALUES (101, NULL, NULL, NULL, '{1,2}');
INSERT INTO in_zvec VALUES (101, NULL, NULL, '[1,2]');
INSERT INTO in_zvec VALUES (101, NULL, '{}');
SELECT count(*) FROM in_zvec;
SET client_min_messages = warning;
DROP SCHEMA collections_keys CASCADE;
SELECT count(*) FROM zvec_collections;
