-- what arrays have, vectors have
SELECT array_length(v, 1), array_length(v, 2), array_length(v, 0), array_length(v, -1), array_length(v, NULL), array_length(NULL::zvec, 1)
FROM (VALUES ('[1,2,3]'::zvec)) AS t(v);
SELECT pg_typeof(array_length('[1]'::zvec, 1)), pg_typeof(unnest('[1]'::zvec));
SELECT unnest('[1,2.5,-0.1]'::zvec);
SELECT * FROM unnest('[1,2.5,-0.1]'::zvec) WITH ORDINALITY AS e(element, i);
SELECT * FROM unnest('[7]'::zvec) AS e, unnest(ARRAY[1,2]) AS n;
SELECT unnest(NULL::zvec);
SELECT id, unnest(v), generate_series(1, 2) FROM (VALUES (1, '[1,2]'::zvec), (2, NULL), (3, '[3]')) AS t(id, v) ORDER BY id;
SELECT * FROM ROWS FROM (unnest('[1,2]'::zvec), unnest('[3]'::zvec)) AS e(a, b);
SELECT vector_norm('[3,4]'::zvec), vector_norm('[3,4]'::zvec) = l2_norm('[3,4]'::zvec) AS same;
-- of stored vectors, in both kinds of tables; dimensions are told without reading the vector
CREATE TABLE arrays_store (id int PRIMARY KEY, v zvec) USING zvec;
CREATE TABLE arrays_heap (id int PRIMARY KEY, v zvec) USING heap;
INSERT INTO arrays_store SELECT d, array_agg(i)::zvec FROM unnest(ARRAY[1, 2, 30, 31, 2500, 16000]) AS d, generate_series(1, d) AS i GROUP BY d;
INSERT INTO arrays_heap SELECT * FROM arrays_store;
SELECT id, array_length(v, 1) = id AS length, (SELECT count(*) FROM unnest(v)) AS elements,
    (SELECT sum(e::float8) FROM unnest(v) AS e) = id::float8 * (id + 1) / 2 AS sum,
    (SELECT bool_and(e = i) FROM unnest(v) WITH ORDINALITY AS u(e, i)) AS ordered
FROM (SELECT * FROM arrays_store UNION ALL SELECT * FROM arrays_heap) AS t ORDER BY id;
SELECT i, sum(e) FROM arrays_store, unnest(v) WITH ORDINALITY AS u(e, i) WHERE id < 30 GROUP BY i ORDER BY i;
-- a cursor that stops half-way
BEGIN;
DECLARE half CURSOR FOR SELECT unnest(v) FROM arrays_store WHERE id = 16000;
FETCH 2 FROM half;
COMMIT;
-- from arrays
SELECT ARRAY[1,2]::bigint[]::zvec AS int8, ARRAY[1,-2]::smallint[]::zvec AS int2, ARRAY['1','-2.5',' 3e-4 ']::text[]::zvec AS text,
    string_to_array('1,2,3', ',')::zvec(3) AS split, '{1,2}'::bigint[]::zvec(2) AS bounded;
SELECT ARRAY[9223372036854775807, -9223372036854775808, 16777217]::bigint[]::zvec AS rounded,
    ARRAY[32767, -32768]::smallint[]::zvec AS least_and_most;
SELECT ARRAY[repeat('0', 3000) || '1.5', '-0', '1e-60', '+.5', '5.']::text[]::zvec AS texts, '[3:4]={7,8}'::text[]::zvec AS other_lower_bound;
-- back
SELECT v::bigint[], v::smallint[], v::text[] FROM (VALUES ('[1,2.5,3.5,-0.5]'::zvec), ('[-0,1e-7]'), ('[32767.4]')) AS t(v);
SELECT '[9.2e18,-9223372036854775808]'::zvec::bigint[] AS large, '[1e30,1e-30]'::zvec::text[] AS text;
SELECT v::text[]::zvec = v AS text, v::real[]::zvec = v AS "real" FROM (VALUES ('[0.1,-3.4028235e38,1e-45,16777216,0.33333334]'::zvec)) AS t(v);
SELECT array_to_string('[1,2.5]'::zvec::text[], '; ');
SELECT id, v::text[]::zvec = v AS text, v::bigint[]::zvec = v AS int8 FROM arrays_store ORDER BY id;
-- assignment: integers become vectors, and vectors every array; text becomes a vector only when asked to
CREATE TABLE assigned (v zvec(2), i bigint[], t text[]);
INSERT INTO assigned (v) VALUES (ARRAY[1,2]::bigint[]), (ARRAY[3,4]::smallint[]), (ARRAY['5','6']::text[]::zvec);
INSERT INTO assigned (v) VALUES (ARRAY['5','6']);
INSERT INTO assigned (v) VALUES (ARRAY[1,2,3]::bigint[]);
UPDATE assigned SET i = v, t = v;
SELECT * FROM assigned;
DROP TABLE assigned, arrays_store, arrays_heap;
-- what had a meaning before has the same one
CREATE FUNCTION pg_temp.second(real[]) RETURNS real LANGUAGE sql AS 'SELECT $1[2]';
SELECT pg_temp.second('[1,2.5,3]'::zvec) AS implicit_to_real, array_length('{1,2}'::int[], 1), array_length(v::real[], 1), (v::real[])[2],
    array_upper(v::real[], 1), cardinality(v::real[]), array_to_string(v::real[], ',')
FROM (VALUES ('[1,2,3]'::zvec)) AS t(v);
SELECT unnest('[1,2]'::zvec::real[]);
SELECT unnest(ARRAY['[1]', '[2]']::zvec[]);
SELECT * FROM unnest(ARRAY[1,2], ARRAY['a','b']) AS pairs(i, t);
SELECT lexeme FROM unnest('a b'::tsvector);
SELECT v <-> '[1,2,5]' AS literal, v <-> ARRAY[1,2,5]::zvec AS of_array, v = '[1,2,3]' AS equal, v || '[4]' AS concatenated,
    v IN ('[1,2,3]', '[4]') AS in_list, v = ANY (ARRAY['[1]', '[1,2,3]']::zvec[]) AS any_of,
    COALESCE(NULL, v) AS "coalesce", GREATEST(v, '[9]') AS greatest
FROM (VALUES ('[1,2,3]'::zvec)) AS t(v);
SELECT max('b'), min('a'), max(NULL), sum(1), max(ARRAY[1,2]);
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
SELECT r.* FROM unnest(ARRAY['ARRAY[''1'',''x'']', 'ARRAY['''']', 'ARRAY[''1 2'']', 'ARRAY[''NaN'']', 'ARRAY[''-inf'']', 'ARRAY[''1e39'']',
    'ARRAY[''1'',NULL]', '''{}''::text[]', '''{}''::bigint[]', 'ARRAY[1,NULL]::bigint[]', 'ARRAY[[1],[2]]::smallint[]',
    'ARRAY[repeat(''9'', 100)]']) AS a,
    pg_temp.refusal(format('SELECT (%s)::zvec', a)) AS r;
SELECT r.* FROM unnest(ARRAY['[9.3e18]::bigint[]', '[-9.3e18]::bigint[]', '[9223372036854775808]::bigint[]', '[32767.5]::smallint[]', '[-32769]::smallint[]']) AS a,
    pg_temp.refusal(format('SELECT %L::zvec::%s', split_part(a, '::', 1), split_part(a, '::', 2))) AS r;
SELECT r.* FROM unnest(ARRAY['v <-> ''{1,2}''', 'v <-> ARRAY[1,2,3]', 'v <-> ARRAY[1,2,3]::real[]', 'v <-> ARRAY[''1'']', 'v + 1', 'v || 1',
    'array_length(''{1,2}'', 1)', 'cardinality(v)']) AS e,
    pg_temp.refusal(format('SELECT %s FROM (VALUES (''[1,2,3]''::zvec)) AS t(v)', e)) AS r;
\t off
\x off
