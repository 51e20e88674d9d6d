-- vectors and numbers of every type, in both orders
SELECT v * 2 AS int4, v * 2::smallint AS int2, v * 2::bigint AS int8, v * 0.5 AS "numeric", v * 0.5::real AS float4,
    v * 0.5::float8 AS float8, v * '[2,3,4]' AS vector
FROM (VALUES ('[1,-2.5,0]'::zvec)) AS t(v);
SELECT 2 * v AS int4, 2::smallint * v AS int2, 2::bigint * v AS int8, 0.5 * v AS "numeric", 0.5::real * v AS float4,
    0.5::float8 * v AS float8, '[2,3,4]' * v AS vector
FROM (VALUES ('[1,-2.5,0]'::zvec)) AS t(v);
SELECT v / 2 AS int4, v / 0.5 AS "numeric", v / 4::real AS float4, v / 10 AS tenth FROM (VALUES ('[1,-2.5,0]'::zvec)) AS t(v);
SELECT -v AS negated, - -v AS twice, -v * 2 AS first_negated, v - -v AS difference, -'[1,2]'::zvec(2) AS of_a_literal,
    v + -1 * v = v - v AS zeros_are_equal
FROM (VALUES ('[1,-2.5,0]'::zvec)) AS t(v);
SELECT pg_typeof('[1]'::zvec * 2), pg_typeof(2 * '[1]'::zvec), pg_typeof('[1]'::zvec / 2), pg_typeof(-'[1]'::zvec);
-- rounded once, in double precision
SELECT '[3,7]'::zvec * 0.1 AS tenth, '[3e38]'::zvec * 1e-40 * 1e40 AS there_and_back, '[1e-30]'::zvec * 1e60 * 1e-60 AS up,
    '[16777216]'::zvec * 1.00000006 AS wider_than_real;
-- a weighted average, as one writes it
SELECT (0.25 * '[1,2]'::zvec + 0.75 * '[5,6]'::zvec) / (0.25 + 0.75) AS average;
-- a result of other dimensions than declared is none here: the modifier is that of the column
CREATE TABLE numbers (id int PRIMARY KEY, v zvec(3), factor float8) USING zvec;
INSERT INTO numbers VALUES (1, '[1,2,3]', 2), (2, '[-1,0,0.5]', -0.5), (3, NULL, 2), (4, '[1,1,1]', NULL);
SELECT id, v * factor AS product, factor * v AS other, v / factor AS quotient, -v AS negated FROM numbers ORDER BY id;
UPDATE numbers SET v = v * 2 WHERE id = 1 RETURNING v;
UPDATE numbers SET v = -v WHERE id = 2 RETURNING v;
UPDATE numbers SET v = v / 2 WHERE id = 1 RETURNING v;
SELECT id, v FROM numbers ORDER BY id;
SELECT * FROM zvec_check('numbers');
-- distances to a product
SELECT id FROM numbers WHERE v IS NOT NULL ORDER BY v <-> 2 * '[0.5,1,1.5]'::zvec, id;
DROP TABLE numbers;
-- long vectors stored out of line, in a zvec and in a heap table, and behind short headers
CREATE TABLE numbers_store (id int, v zvec) USING zvec;
CREATE TABLE numbers_heap (id int, v zvec) USING heap;
INSERT INTO numbers_store SELECT d, array_agg(i)::zvec FROM unnest(ARRAY[1, 2, 20, 30, 31, 2500]) AS d, generate_series(1, d) AS i GROUP BY d;
INSERT INTO numbers_heap SELECT * FROM numbers_store;
SELECT id, (v * 2)::float8[] = ARRAY(SELECT 2 * i::float8 FROM generate_series(1, id) AS i) AS product,
    (-v)::float8[] = ARRAY(SELECT -i::float8 FROM generate_series(1, id) AS i) AS negated,
    (v / 4)::float8[] = ARRAY(SELECT i::float8 / 4 FROM generate_series(1, id) AS i) AS quotient
FROM (SELECT * FROM numbers_store UNION ALL SELECT * FROM numbers_heap) AS t ORDER BY id;
-- max and min
SELECT max(v), min(v), count(v) FROM (VALUES ('[1,2]'::zvec), ('[2]'), (NULL), ('[1,2,0]'), ('[-1,9]')) AS t(v);
SELECT max(v), min(v) FROM unnest(ARRAY[]::zvec[]) AS v;
SELECT max(v), min(v) FROM unnest(ARRAY[NULL, NULL]::zvec[]) AS v;
SELECT k, max(v), min(v) FROM (VALUES (1, '[1,2]'::zvec), (1, '[3,4]'), (2, '[5]'), (3, NULL)) AS t(k, v) GROUP BY k ORDER BY k;
SELECT i, max(v) OVER (ORDER BY i), min(v) OVER (ORDER BY i ROWS 1 PRECEDING)
FROM (VALUES (1, '[3,2]'::zvec), (2, '[1,4]'), (3, '[5,9]')) AS t(i, v);
SELECT zvec_larger('[1,2]', '[1,3]'), zvec_smaller('[1,2]', '[1,3]'), zvec_larger('[2]', '[1,3]'), zvec_smaller('[1]', '[1,0]'),
    zvec_larger('[0]', '[-0]') AS first_of_equals, zvec_smaller('[-0]', '[0]') AS first_of_equals;
SELECT vector_dims(max(v)) AS greatest, vector_dims(min(v)) AS least FROM numbers_store;
SELECT vector_dims(max(v)) AS greatest, vector_dims(min(v)) AS least FROM numbers_heap;
DROP TABLE numbers_store, numbers_heap;
-- in parallel, and by an index
CREATE TABLE extremes (id int, v zvec) USING zvec;
INSERT INTO extremes SELECT i, ARRAY[i * 37 % 20011, i]::zvec FROM generate_series(1, 20000) AS i;
ALTER TABLE extremes SET (parallel_workers = 2);
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT max(v), min(v) FROM extremes;
SELECT max(v), min(v) FROM extremes;
SELECT ARRAY[max(i * 37 % 20011), min(i * 37 % 20011)] AS expected FROM generate_series(1, 20000) AS i;
RESET ALL;
CREATE INDEX ON extremes (v);
EXPLAIN (COSTS OFF) SELECT max(v) FROM extremes;
SELECT max(v), min(v) FROM extremes;
DROP TABLE extremes;
-- what had a meaning before has the same one
SELECT '2' * 3 AS number, '[1,2]' * '[3,4]'::zvec AS vectors, -'5'::int AS minus, '4'::int / '2' AS quotient;
SELECT '2' * interval '1 day' AS interval_product, interval '1 day' * '3' AS other, '6'::money / '2'::money AS money;
CREATE DOMAIN place AS zvec(2);
SELECT '[1,2]'::place * 2 AS product, 2 * '[1,2]'::place AS other, '[1,2]'::place * '[3,4]' AS vectors, -'[1,2]'::place AS negated,
    '[1,2]'::place / 2 AS quotient;
DROP DOMAIN place;
PREPARE scaled(float8) AS SELECT '[1,2]'::zvec * $1 AS product, $1 * '[1,2]'::zvec AS other;
EXECUTE scaled(3);
PREPARE guessed AS SELECT '[1,2]'::zvec * $1 AS a_vector;
EXECUTE guessed('[3,4]');
DEALLOCATE ALL;
-- refused
CREATE FUNCTION pg_temp.refusal(command text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN QUERY SELECT '00000', 'accepted: ' || command, '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
\x on
\t on
SELECT r.* FROM unnest(ARRAY['* 1e39', '* -1e39', '* 1e300', '/ 1e-39', '* 1e-50', '/ 1e50', '/ 1e300', '/ 0', '/ -0.0::float8',
    '* ''NaN''::float8', '* ''Infinity''::float8', '/ ''-Infinity''::float8', '/ ''NaN''::real', '* ''2''', '* ARRAY[1]', '/ ''[1]''::zvec']) AS t,
    pg_temp.refusal(format('SELECT ''[1]''::zvec %s', t)) AS r;
SELECT r.* FROM unnest(ARRAY['2 / ', '1e39 *', '1e-50 *', '''[1,2]'' *', 'true *', '+']) AS t,
    pg_temp.refusal(format('SELECT %s ''[1]''::zvec', t)) AS r;
SELECT r.* FROM pg_temp.refusal($$SELECT '[1,2,3]' * 2$$) AS r;
SELECT r.* FROM pg_temp.refusal($$SELECT -'[1,2,3]'$$) AS r;
\t off
\x off
