-- Every refusal with its SQLSTATE, message and hint.
CREATE FUNCTION refusal(command text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN QUERY SELECT '00000', 'accepted: ' || command, '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
\x on
\t on
-- malformed text
SELECT r.* FROM unnest(ARRAY['', '1,2', '[1,2', '[1,2,', '[', '[,1]', '[1,]', '[1,,2]', '[1 2]', '[1]]', '[1] x', '[[1]]',
    '[one]', '[1e]', '[.]', '[0x10]', '{1,2}', '[NULL]', '[$]']) AS t, refusal(format('SELECT %L::zvec', t)) AS r;
-- NaN, infinity, elements out of range
SELECT r.* FROM unnest(ARRAY['[NaN]', '[1,-inf]', '[Infinity]', '[1e39]', '[-1e400]']) AS t,
    refusal(format('SELECT %L::zvec', t)) AS r;
-- zero and too many dimensions
SELECT r.* FROM unnest(ARRAY['[]', '[ ]', '[' || repeat('1,', 16000) || '1]']) AS t, refusal(format('SELECT %L::zvec', t)) AS r;
SELECT * FROM refusal($$SELECT (SELECT array_agg(i) FROM generate_series(1, 16001) AS i)::zvec$$);
SELECT * FROM refusal($$SELECT v || v FROM (SELECT array_agg(i)::zvec FROM generate_series(1, 8001) AS i) AS t(v)$$);
SELECT * FROM refusal($$SELECT subvector('[1,2,3]'::zvec, 4, 1)$$);
SELECT * FROM refusal($$SELECT subvector('[1,2,3]'::zvec, 1, 0)$$);
-- type modifiers
SELECT r.* FROM unnest(ARRAY['0', '-1', '16001', '3,4', 'many', '99999999999', '1.5']) AS t,
    refusal(format('SELECT NULL::zvec(%s)', t)) AS r;
SELECT * FROM refusal($$SELECT '[1,2]'::zvec(3)$$);
SELECT * FROM refusal($$SELECT '[1,2]'::zvec::zvec(3)$$);
SELECT * FROM refusal($$SELECT ARRAY[1,2]::zvec(3)$$);
-- different dimensions
SELECT r.* FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>', '+', '-', '*']) AS op,
    refusal(format('SELECT ''[1,2]''::zvec %s ''[1,2,3]''::zvec', op)) AS r;
SELECT * FROM refusal($$SELECT zvec_distance('[1,2]', '[1]', 'l2')$$);
SELECT * FROM refusal($$SELECT sum(v) FROM unnest(ARRAY['[1]', '[1,2]']::zvec[]) AS v$$);
SELECT * FROM refusal($$SELECT zvec_combine('{1,2}', '{1,2,3}')$$);
-- metrics
SELECT * FROM refusal($$SELECT zvec_distance('[1]', '[1]', 'euclid')$$);
SELECT * FROM refusal($$SELECT zvec_distance('[3e38,3e38]', '[-3e38,-3e38]', 'l2')$$);
-- arrays
SELECT r.* FROM unnest(ARRAY['ARRAY[1,NULL]', 'ARRAY[1,NULL]::real[]', 'ARRAY[1,NULL]::float8[]', 'ARRAY[1,NULL]::numeric[]',
    'ARRAY[[1,2],[3,4]]', 'ARRAY[[1.5]]::real[]', '''{}''::int[]', '''{}''::real[]', '''{NaN}''::real[]', '''{Infinity}''::float8[]',
    '''{NaN}''::numeric[]', '''{1e39}''::float8[]', '''{1e39}''::numeric[]',
    '''{1e5000}''::numeric[]', '''{-Infinity}''::numeric[]']) AS a,
    refusal(format('SELECT (%s)::zvec', a)) AS r;
SELECT * FROM refusal($$SELECT '[3e9]'::zvec::int[]$$);
-- overflow and underflow
SELECT * FROM refusal($$SELECT '[3e38]'::zvec + '[3e38]'$$);
SELECT * FROM refusal($$SELECT '[3e38]'::zvec - '[-3e38]'$$);
SELECT * FROM refusal($$SELECT '[1e20]'::zvec * '[1e20]'$$);
SELECT * FROM refusal($$SELECT '[1e-30]'::zvec * '[1e-30]'$$);
SELECT * FROM refusal($$SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::zvec[]) AS v$$);
-- aggregate states made by hand
SELECT r.* FROM unnest(ARRAY['{}', '{1}', '{0,1}', '{-1,1}', '{NaN,1}']) AS s, refusal(format('SELECT zvec_avg(%L)', s)) AS r;
SELECT * FROM refusal($$SELECT zvec_avg('{1,NULL}')$$);
-- binary input: COPY's header, one row of one field
CREATE TABLE binary_target (v zvec);
CREATE TABLE binary_bounded (v zvec(2));
CREATE FUNCTION copy_of(target text, field bytea) RETURNS text LANGUAGE sql AS $$
    SELECT format('COPY %I FROM PROGRAM %L (FORMAT binary)', target,
        'printf ''' || string_agg('\' || (b >> 6) || (b >> 3 & 7) || (b & 7), '' ORDER BY i) || '''')
    FROM (SELECT '\x5047434f50590aff0d0a00000000000000000000010000'::bytea
        || set_byte('\x0000', 1, length(field)) || field || '\xffff') AS f(bytes),
        generate_series(0, length(bytes) - 1) AS i, get_byte(bytes, i) AS b
$$;
SELECT r.* FROM unnest(ARRAY['', '0002', '000200', '00020000', '000200003f800000', '000200003f8000003f8000',
    '000200003f8000003f80000000', '00020001', '000100013f800000', 'ffff0000', '00000000', '3e810000', '000100007fc00000',
    '000100007f800000', '00010000ff800000']) AS field, refusal(copy_of('binary_target', decode(field, 'hex'))) AS r;
SELECT r.* FROM refusal(copy_of('binary_bounded', '\x000100003f800000')) AS r;
\t off
\x off
DO $$ BEGIN EXECUTE copy_of('binary_bounded', '\x000200003f800000c0200000'); END $$;
SELECT * FROM binary_target;
SELECT * FROM binary_bounded;
DROP FUNCTION copy_of(text, bytea);
DROP TABLE binary_target, binary_bounded;
DROP FUNCTION refusal(text);
