-- ordinary large values beside vectors: TOAST as in a heap table
CREATE SCHEMA table_toast;
SET search_path = table_toast, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
CREATE FUNCTION noise(seed int, parts int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT string_agg(md5(seed || '.' || i), '' ORDER BY i) FROM generate_series(1, parts) i $$;
CREATE TABLE t (id int PRIMARY KEY, body text, v zvec(64), doc jsonb, raw bytea, w zvec(2000), n int DEFAULT 0) USING zvec
    WITH (autovacuum_enabled = off);
ALTER TABLE t ALTER raw SET STORAGE EXTERNAL;
INSERT INTO t SELECT i, noise(i, i * 20), vec(i, 64),
    jsonb_build_object('id', i, 'text', noise(-i, 200), 'list', to_jsonb(ARRAY[i, i + 1])),
    decode(noise(i, 100), 'hex'), vec(i, 2000)
FROM generate_series(1, 60) i;
CREATE FUNCTION wrong(OUT rows bigint, OUT wrong bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE (body, v, doc ->> 'text', raw, w) IS DISTINCT FROM
        (noise(id, id * 20), vec(id, 64), noise(-id, 200), decode(noise(id, 100), 'hex'), vec(id, 2000)))
    FROM t $$;
SELECT * FROM wrong();
-- the values are out of line: the chunks stand beside the vectors
SELECT sum(pg_column_size(body)) > 500000 AS large FROM t;
CREATE FUNCTION chunks(OUT large_values bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT count(DISTINCT chunk_id) FROM ' || (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 't'::regclass)
        INTO large_values;
END $$;
SELECT * FROM chunks();
SELECT column_name, dimensions, live, dead FROM zvec_segments('t') ORDER BY segment;
SELECT * FROM zvec_check('t');
-- a part of a large value
SELECT id, length(body), substr(body, 1000, 10) = substr(noise(id, id * 20), 1000, 10) AS part,
       substring(raw FROM 1001 FOR 20) = substring(decode(noise(id, 100), 'hex') FROM 1001 FOR 20) AS raw_part,
       subvector(w, 1999, 2) = subvector(vec(id, 2000), 1999, 2) AS vector_part
FROM t WHERE id IN (7, 60) ORDER BY id;
SELECT id FROM t WHERE doc @> '{"list": [17, 18]}' ORDER BY id;

-- updates: of the vector, of the large value, of neither, of both
UPDATE t SET v = vec(id, 64) WHERE id <= 10;
UPDATE t SET n = n + 1 WHERE id <= 20;
SELECT * FROM wrong();
SELECT * FROM chunks();
SELECT column_name, live, dead FROM zvec_segments('t') ORDER BY segment;
UPDATE t SET body = 'short', v = vec(-1, 64) WHERE id = 1;
UPDATE t SET body = noise(500, 100), w = vec(3, 2000) WHERE id = 2;
UPDATE t SET doc = doc - 'text', raw = NULL WHERE id = 3;
UPDATE t SET body = repeat('compressible ', 5000) WHERE id = 4;
SELECT id, length(body), length(doc::text) > 6000 AS text_there, length(raw), v = vec(id, 64) AS v_same, w = vec(id, 2000) AS w_same
FROM t WHERE id < 6 ORDER BY id;
SELECT * FROM wrong();
SELECT * FROM chunks();
UPDATE t SET body = noise(id, id * 20), v = vec(id, 64), doc = jsonb_build_object('id', id, 'text', noise(-id, 200)),
    raw = decode(noise(id, 100), 'hex'), w = vec(id, 2000) WHERE id < 5;
SELECT * FROM wrong();
SELECT * FROM zvec_check('t');

-- rollback
BEGIN;
INSERT INTO t SELECT id + 1000, body, v, doc, raw, w FROM t;
UPDATE t SET body = body || 'x', w = NULL;
DELETE FROM t WHERE id % 2 = 0;
SELECT count(*) FROM t;
ROLLBACK;
SELECT * FROM wrong();
-- VACUUM of rows, chunks and slots
DELETE FROM t WHERE id % 2 = 0;
VACUUM t;
SELECT * FROM wrong();
SELECT * FROM chunks();
SELECT column_name, live, dead FROM zvec_segments('t') ORDER BY segment;
SELECT * FROM zvec_check('t');
INSERT INTO t SELECT i, noise(i, i * 20), vec(i, 64), jsonb_build_object('text', noise(-i, 200)), decode(noise(i, 100), 'hex'),
    vec(i, 2000) FROM generate_series(2, 60, 2) i;
SELECT * FROM wrong();
SELECT * FROM zvec_check('t');
VACUUM FULL t;
SELECT * FROM wrong();
SELECT * FROM chunks();
SELECT column_name, live, dead FROM zvec_segments('t') ORDER BY segment;
SELECT * FROM zvec_check('t');

-- to other tables and back
CREATE TABLE in_heap USING heap AS SELECT * FROM t;
CREATE TABLE again USING zvec AS SELECT * FROM in_heap;
SELECT count(*) FROM (TABLE t EXCEPT TABLE again) d;
-- a large value that arrives as a pointer into the heap table
INSERT INTO t SELECT id + 100, body, v, doc, raw, w FROM in_heap WHERE id = 60;
DROP TABLE in_heap;
SELECT body = noise(60, 1200) AS body, w = vec(60, 2000) AS w FROM t WHERE id = 160;
DELETE FROM t WHERE id = 160;

-- through PL/pgSQL variables, arrays and aggregates
DO $$
DECLARE r t; many zvec[]; body text;
BEGIN
    SELECT * INTO r FROM t WHERE id = 59;
    SELECT array_agg(t.w ORDER BY id) INTO many FROM t;
    DELETE FROM t WHERE id = 59;
    r.id := 259;
    r.body := r.body || '!';
    INSERT INTO t SELECT r.*;
    SELECT t.body INTO body FROM t WHERE id = 259 AND v = r.v AND w = many[59];
    RAISE NOTICE '%', body = noise(59, 1180) || '!';
END $$;
SELECT id, v = vec(59, 64) AS v, w = vec(59, 2000) AS w FROM t WHERE id > 60;
SELECT count(*) FROM t a JOIN again b ON a.id = b.id AND a.w = b.w AND a.body = b.body;
SELECT count(*), count(DISTINCT w), count(DISTINCT body) FROM t;

-- a table whose TOAST relation is asked for large values only
CREATE TABLE texts (id int, body text) USING zvec;
INSERT INTO texts SELECT i, noise(i, 1000) FROM generate_series(1, 5) i;
SELECT id, body = noise(id, 1000) AS same FROM texts ORDER BY id;
DELETE FROM texts WHERE id < 4;
VACUUM texts;
INSERT INTO texts SELECT i, noise(i, 1000) FROM generate_series(1, 3) i;
SELECT id, body = noise(id, 1000) AS same FROM texts ORDER BY id;
ALTER TABLE texts ADD v zvec(3);
UPDATE texts SET v = vec(id, 3);
SELECT id, body = noise(id, 1000) AS same, v FROM texts ORDER BY id;
SELECT * FROM zvec_check('texts');
SELECT * FROM zvec_check('again');
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA table_toast CASCADE;
