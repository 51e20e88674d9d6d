-- indexes of other kinds on a zvec table: built before and after the rows, kept by every change
CREATE SCHEMA table_index;
SET search_path = table_index, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
CREATE TABLE t (
    id int PRIMARY KEY, code text UNIQUE, tags int[], spot point, day date, doc jsonb, words tsvector, v zvec(16)
) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX t_day_before ON t USING brin (day) WITH (pages_per_range = 2);
CREATE INDEX t_tags_before ON t USING gin (tags);
CREATE FUNCTION put(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO t SELECT i, 'c' || i, ARRAY[i % 10, i % 7], point(i % 100, i / 100), '2020-01-01'::date + i / 10,
        jsonb_build_object('k', i % 13), to_tsvector('simple', 'w' || i % 11 || ' all'), table_index.vec(i, 16)
    FROM generate_series(first, last) i $$;
SELECT put(1, 2000);
CREATE INDEX t_code_hash ON t USING hash (code);
CREATE INDEX t_tags ON t USING gin (tags);
CREATE INDEX t_doc ON t USING gin (doc jsonb_path_ops);
CREATE INDEX t_spot ON t USING gist (spot);
CREATE INDEX t_spot_sp ON t USING spgist (spot);
CREATE INDEX t_words ON t USING gist (words);
CREATE INDEX t_day ON t USING brin (day) WITH (pages_per_range = 4);
CREATE INDEX t_some ON t (day) INCLUDE (code) WHERE id % 10 = 3;
CREATE INDEX t_expression ON t ((id % 100), lower(code));
CREATE INDEX t_dims ON t ((vector_dims(v)), (l2_norm(v)));
CREATE INDEX t_vector ON t (v);
CREATE INDEX CONCURRENTLY t_concurrently ON t (day, id);
CREATE UNIQUE INDEX CONCURRENTLY t_unique ON t (code, id);

CREATE FUNCTION uses(query text, plan text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ ('(using|Index Scan on|Index Scan Backward using) ' || plan || '\y') THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
-- each query twice: with the index that its name tells, and by a sequential scan
CREATE TABLE query (index text, condition text);
INSERT INTO query VALUES
    ('t_pkey', 'id = 77'), ('t_pkey', 'id BETWEEN 300 AND 350'), ('t_code_key', $$code BETWEEN 'c10' AND 'c11'$$),
    ('t_code_hash', $$code = 'c1234'$$), ('t_tags', 'tags @> ARRAY[3, 5]'), ('t_doc', $$doc @> '{"k": 4}'$$),
    ('t_spot', $$spot <@ box '((10,3),(20,6))'$$), ('t_spot_sp', $$spot <@ box '((50,13),(52,16))'$$),
    ('t_words', $$words @@ 'w4'$$), ('t_day', $$day = '2020-03-01'$$),
    ('t_some', $$id % 10 = 3 AND day < '2020-02-01'$$), ('t_expression', $$id % 100 = 7 AND lower(code) < 'c3'$$),
    ('t_dims', 'vector_dims(v) = 16 AND l2_norm(v) < 1900'), ('t_vector', 'v = table_index.vec(1500, 16)'),
    ('t_vector', $$v < '[20]'$$), ('t_concurrently', $$day = '2020-05-05' AND id > 1254$$),
    ('t_unique', $$code = 'c99' AND id = 99$$);
CREATE FUNCTION answer(condition text, OUT rows bigint, OUT ids bigint, OUT vectors bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT count(*), sum(id * 31 % 997), count(*) FILTER (WHERE v IS NOT DISTINCT FROM expected(t)) FROM t WHERE '
        || condition INTO rows, ids, vectors;
END $$;
CREATE FUNCTION expected(t) RETURNS zvec LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN $1.doc ? 'changed' THEN vec($1.id + 1, 16) ELSE vec($1.id, 16) END $$;
CREATE FUNCTION ask(OUT index text, OUT condition text, OUT used boolean, OUT rows bigint, OUT agree boolean)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE q query; by_index record; by_scan record; other text;
BEGIN
    FOR q IN SELECT * FROM query LOOP
        index := q.index;
        condition := q.condition;
        PERFORM set_config('enable_seqscan', 'off', true);
        -- only the index at hand
        UPDATE pg_index SET indisvalid = indexrelid = q.index::regclass WHERE indrelid = 't'::regclass;
        used := uses('SELECT * FROM t WHERE ' || q.condition, q.index);
        SELECT * FROM answer(q.condition) INTO by_index;
        UPDATE pg_index SET indisvalid = true WHERE indrelid = 't'::regclass;
        PERFORM set_config('enable_seqscan', 'on', true);
        PERFORM set_config('enable_indexscan', 'off', true);
        PERFORM set_config('enable_indexonlyscan', 'off', true);
        PERFORM set_config('enable_bitmapscan', 'off', true);
        SELECT * FROM answer(q.condition) INTO by_scan;
        PERFORM set_config('enable_indexscan', 'on', true);
        PERFORM set_config('enable_indexonlyscan', 'on', true);
        PERFORM set_config('enable_bitmapscan', 'on', true);
        rows := by_index.rows;
        agree := by_index = by_scan AND by_scan.rows = by_scan.vectors;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM ask();

-- after changes of every kind
DELETE FROM t WHERE id % 9 = 0;
UPDATE t SET day = day + 1, code = code || 'x' WHERE id % 8 = 1;
UPDATE t SET v = vec(id + 1, 16), doc = doc || '{"changed": true}' WHERE id % 8 = 2;
UPDATE t SET words = words WHERE id % 8 = 3;
BEGIN;
SELECT put(5001, 5500);
UPDATE t SET v = NULL, tags = '{3,5}', day = '2020-03-01';
ROLLBACK;
SELECT put(2001, 2500);
SELECT * FROM ask() WHERE NOT used OR NOT agree;
SELECT index, rows FROM ask() ORDER BY index, condition;
VACUUM t;
SELECT * FROM ask() WHERE NOT used OR NOT agree;
SELECT put(9, 9), put(2502, 2600);
SELECT * FROM ask() WHERE NOT used OR NOT agree;
SELECT * FROM zvec_check('t');

-- constraints by index
INSERT INTO t (id, code, v) VALUES (1, 'new', NULL);
INSERT INTO t (id, code, v) VALUES (20000, 'c2000', NULL);
UPDATE t SET id = 3 WHERE id = 4;
INSERT INTO t (id, v) VALUES (NULL, vec(1, 16));
CREATE UNIQUE INDEX t_not_unique ON t (vector_dims(v));
CREATE UNIQUE INDEX CONCURRENTLY t_not_unique ON t (vector_dims(v));
DROP INDEX t_not_unique;
SELECT * FROM zvec_check('t');

-- REINDEX and CREATE INDEX beside versions that are dead or not yet committed
BEGIN;
UPDATE t SET day = day + 1 WHERE id % 8 = 5;
DELETE FROM t WHERE id % 8 = 6;
CREATE INDEX t_inside ON t (id DESC);
REINDEX INDEX t_tags;
SELECT * FROM ask() WHERE NOT used OR NOT agree;
COMMIT;
REINDEX TABLE t;
SELECT * FROM ask() WHERE NOT used OR NOT agree;
REINDEX TABLE CONCURRENTLY t;
REINDEX INDEX CONCURRENTLY t_words;
SELECT * FROM ask() WHERE NOT used OR NOT agree;
SELECT count(*), count(*) FILTER (WHERE v = expected(t)) FROM t;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 't'::regclass AND NOT indisvalid;

-- a parallel build; BRIN summaries
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
CREATE INDEX t_parallel ON t (code DESC, day);
SET enable_seqscan = off;
SELECT id, v = expected(t) AS "right" FROM t ORDER BY code DESC, day LIMIT 3;
SELECT count(*) FROM t WHERE code < 'c2';
RESET ALL;
SET search_path = table_index, public;
SELECT brin_desummarize_range('t_day', 0);
SELECT brin_summarize_new_values('t_day') > 0 AS summarised;
SELECT * FROM ask() WHERE NOT used OR NOT agree;
DROP INDEX t_tags, t_words;
ALTER TABLE t DROP CONSTRAINT t_pkey;
SELECT count(*), count(*) FILTER (WHERE v = expected(t)) FROM t;
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA table_index CASCADE;
