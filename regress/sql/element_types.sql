-- The element types beside zvec: what the types themselves do, without an index.
\pset null '(null)'

-- text
SELECT '[1,2.5,-3e-4]'::zhalf, ' [ 65504 , -0 ] '::zhalf, '[0.1]'::zhalf;
SELECT '[1,-128,127]'::zint8, '[+5]'::zint8;
SELECT '10110'::zbit, ' 1 '::zbit, repeat('01', 20)::zbit;

-- what is refused; each with its state
CREATE FUNCTION state_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; hint text;
BEGIN
    EXECUTE command;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || message || CASE WHEN hint = '' THEN '' ELSE ' | ' || hint END;
END $$;
SELECT value, state_of(format('SELECT %s', value)) FROM unnest(ARRAY[
    $$'[65520]'::zhalf$$, $$'[1e10]'::zhalf$$, $$'[NaN]'::zhalf$$, $$'[x]'::zhalf$$, $$'[]'::zhalf$$,
    $$'[128]'::zint8$$, $$'[2.5]'::zint8$$, $$'[nan]'::zint8$$, $$'[1,,2]'::zint8$$,
    $$'102'::zbit$$, $$''::zbit$$, $$'[1,0]'::zbit$$, $$repeat('1', 64001)::zbit$$,
    $$'[1,2]'::zhalf(3)$$, $$'[1,2]'::zint8(3)$$, $$'10'::zbit(3)$$,
    $$ARRAY[1e6]::float8[]::zhalf$$, $$ARRAY['NaN'::float4]::zhalf$$, $$ARRAY[200]::zint8$$, $$ARRAY[127.5]::float8[]::zint8$$,
    $$ARRAY[1,NULL]::int[]::zint8$$, $$'[70000]'::zvec::zhalf$$, $$'[1000]'::zhalf::zint8$$,
    $$NULL::zhalf(0)$$, $$NULL::zhalf(16001)$$, $$NULL::zint8(1, 2)$$, $$NULL::zbit(64001)$$, $$NULL::zbit(64000)$$,
    $$'[1]'::zhalf <-> '[1,2]'::zhalf$$, $$'[1]'::zint8 <#> '[1,2]'::zint8$$, $$'10'::zbit <~> '101'::zbit$$,
    $$zhalf_distance('[1]', '[2]', 'hamming')$$, $$zbit_distance('1', '0', 'l2')$$, $$get_bit('101'::zbit, 3)$$]) value;

-- binary: pgvector's form of halfvec, that form with bytes, bit's form
SELECT zhalf_send('[1,-2.5]'), zint8_send('[1,-1,-128]'), zbit_send('100000011'), bit_send(B'100000011');
CREATE TABLE wire (h zhalf(3), i zint8(3), b zbit(11)) USING zvec;
INSERT INTO wire VALUES ('[1,2,3]', '[-1,0,1]', '10000000001'), (NULL, NULL, NULL), ('[0.5,-0.25,65504]', '[127,-128,5]', '11111111111');
SELECT path, format('rm %L', path) AS remove
FROM (SELECT current_setting('data_directory') || '/element_types.copy') AS f(path) \gset
COPY wire TO :'path' (FORMAT binary);
CREATE TABLE wire_back (LIKE wire) USING zvec;
COPY wire_back FROM :'path' (FORMAT binary);
SELECT * FROM wire_back ORDER BY b;
COPY wire_back TO STDOUT;
-- a binary value of another number of dimensions, and what is no vector of that type
CREATE TABLE wire_two (h zhalf(2), i zint8, b zbit) USING zvec;
COPY wire_two FROM :'path' (FORMAT binary);
CREATE TABLE wire_other (h zint8, i zhalf, b zbit) USING zvec;
COPY wire_other FROM :'path' (FORMAT binary);
COPY wire_other FROM PROGRAM :'remove';

-- casts: half to even, and back
SELECT ARRAY[1.5,2.49,-0.1]::real[]::zhalf, ARRAY[0.5,1.5,2.5,-1.5,-128.4]::float8[]::zint8, ARRAY[1,2,-3]::zhalf, ARRAY[1,2,-3]::zint8;
SELECT '[1,2.5]'::zhalf::real[], '[1,2.5]'::zhalf::float8[], '[1,2.5,3.5]'::zhalf::int[], '[1,-128]'::zint8::real[],
    '[1,-128]'::zint8::float8[], '[1,-128]'::zint8::int[];
SELECT '[1.1,2]'::zvec::zhalf, '[1.1,2]'::zvec::zhalf::zvec, '[1.5,-2]'::zvec::zint8, '[1,-2]'::zint8::zvec, '[1,-2]'::zint8::zhalf,
    '[1.5,2.5]'::zhalf::zint8;
SELECT B'10110'::zbit, '10110'::zbit::bit(5), '10110'::zbit::varbit, '10110'::zbit::varbit::zbit(5), binary_quantize('[1,-1,0,0.5]'::zvec),
    binary_quantize('[1,-1,3]'::zhalf), binary_quantize('[1,-1,3]'::zint8), bit_count('10110'::zbit), get_bit('10110'::zbit, 1);
SELECT '10110'::zbit = B'10110'::zbit, B'101'::zbit <~> '100';

-- arithmetic is that of zvec
SELECT '[1,2]'::zhalf + '[0.5,1]'::zhalf, '[1,2]'::zint8 * 3.0::float8, l2_norm('[3,4]'::zint8), subvector('[1,2,3]'::zhalf, 2, 2),
    pg_typeof('[1]'::zhalf + '[1]'::zhalf), vector_dims('[1,2]'::zhalf), vector_dims('[1,2,3]'::zint8), vector_dims('10110'::zbit),
    l2_normalize('[3,4]'::zhalf), '[1]'::zhalf || '[2]'::zint8;

-- distances: as of zvec to the bit, of elements that all types have
CREATE TABLE numbers AS SELECT i, (SELECT array_agg(((i * 7 + k * k * 13) % 255 - 127)::int ORDER BY k) FROM generate_series(1, 50) k) a
    FROM generate_series(1, 40) i;
SELECT count(*), bool_and(a::zhalf <-> b::zhalf = a::zvec <-> b::zvec), bool_and(a::zhalf <#> b::zhalf = a::zvec <#> b::zvec),
    bool_and(a::zhalf <=> b::zhalf = a::zvec <=> b::zvec), bool_and(a::zhalf <+> b::zhalf = a::zvec <+> b::zvec),
    bool_and(a::zint8 <-> b::zint8 = a::zvec <-> b::zvec), bool_and(a::zint8 <#> b::zint8 = a::zvec <#> b::zvec),
    bool_and(a::zint8 <=> b::zint8 = a::zvec <=> b::zvec), bool_and(a::zint8 <+> b::zint8 = a::zvec <+> b::zvec)
FROM (SELECT x.a, y.a b FROM numbers x, numbers y) p;
SELECT l2_distance('[1,2]'::zhalf, '[4,6]'), inner_product('[1,2]'::zhalf, '[4,6]'), cosine_distance('[1,0]'::zint8, '[0,1]'),
    l1_distance('[1,2]'::zint8, '[4,6]'), inner_product('[1,0]'::zint8, '[0,1]'), '[0,0]'::zint8 <=> '[1,1]', '[0,0]'::zhalf <=> '[1,1]';
SELECT '10110'::zbit <~> '11011', '10110'::zbit <%> '11011', '000'::zbit <%> '000', '000'::zbit <%> '111', hamming_distance('1'::zbit, '0'),
    jaccard_distance('110'::zbit, '011');
SELECT zhalf_distance('[1,2]', '[4,6]', 'l2'), zint8_distance('[1,2]', '[4,6]', 'ip'), zbit_distance('110', '011', 'jaccard'),
    zbit_distance('110', '011', 'hamming');
-- bits as the server counts them
WITH b AS (SELECT i, (SELECT string_agg(((i * k * 2654435761) >> 7 & 1)::text, '' ORDER BY k) FROM generate_series(1, 77) k) t
    FROM generate_series(1, 30) i)
SELECT count(*), bool_and(x.t::zbit <~> y.t::zbit = bit_count(x.t::varbit # y.t::varbit)),
    bool_and(abs((x.t::zbit <%> y.t::zbit) - (1 - bit_count(x.t::varbit & y.t::varbit)::float8 / bit_count(x.t::varbit | y.t::varbit))) < 1e-15)
FROM b x, b y;

-- order, equality, hashing
SELECT h FROM unnest(ARRAY['[1,2]', '[1]', '[0.5,9]', '[-1]', '[1,2,0]']::zhalf[]) h ORDER BY h;
SELECT i FROM unnest(ARRAY['[1,2]', '[1]', '[-5,9]', '[-1]', '[1,2,0]']::zint8[]) i ORDER BY i DESC;
SELECT b FROM unnest(ARRAY['10', '1', '011', '100', '0']::zbit[]) b ORDER BY b;
SELECT '[0]'::zhalf = '[-0]', zhalf_hash('[0,1]') = zhalf_hash('[-0,1]'), zint8_hash('[1]') = zint8_hash('[1]'),
    zbit_hash('10') = zbit_hash('100'), '10'::zbit < '100', '[1]'::zhalf <> '[2]', '[3]'::zint8 >= '[2]';
SELECT min(h), max(h) FROM unnest(ARRAY['[1,2]', '[1]', '[0.5,9]']::zhalf[]) h;
SELECT min(i), max(i) FROM unnest(ARRAY['[1,2]', '[1]', '[-5,9]']::zint8[]) i;
SELECT min(b), max(b) FROM unnest(ARRAY['10', '1', '011']::zbit[]) b;
SELECT avg(h), sum(h), pg_typeof(avg(h)) FROM unnest(ARRAY['[1,65504]', '[2,65504]']::zhalf[]) h;
SELECT avg(i), sum(i), pg_typeof(sum(i)) FROM unnest(ARRAY['[1,127]', '[2,127]', '[2,-127]']::zint8[]) i;
SELECT avg(h), sum(h) FROM unnest(ARRAY[]::zhalf[]) h;

-- in tables: what is of a reference's length in a row, and is none. 11 bytes, and 81 to 88 bits
CREATE TABLE lengths (id int, i zint8, b zbit, h zhalf);
INSERT INTO lengths SELECT n, (SELECT array_agg(k % 100) FROM generate_series(1, n) k)::zint8, repeat('1', n)::zbit,
    (SELECT array_agg(k % 100) FROM generate_series(1, n) k)::zhalf FROM generate_series(1, 130) n;
CREATE TABLE stored (LIKE lengths) USING zvec;
INSERT INTO stored SELECT * FROM lengths;
SELECT count(*), bool_and(l.i = s.i AND l.b = s.b AND l.h = s.h),
    bool_and(vector_dims(s.i) = id AND vector_dims(s.b) = id AND vector_dims(s.h) = id),
    bool_and(bit_count(s.b) = id), sum(l.i <-> s.i), sum(l.b <~> s.b), sum(l.h <-> s.h) FROM lengths l JOIN stored s USING (id);
-- through sorts, which shorten headers
SELECT count(*), bool_and(l.i = o.i) FROM (SELECT i, id FROM stored ORDER BY md5(id::text)) o JOIN lengths l USING (id);
SELECT count(DISTINCT i), count(DISTINCT b), count(DISTINCT h) FROM stored;
SELECT id FROM (SELECT * FROM lengths WHERE id IN (10, 11, 12, 80, 81, 88, 89) ORDER BY random()) l
    WHERE l.i <-> l.i = 0 AND l.b <~> l.b = 0 ORDER BY id;
SELECT * FROM zvec_check('stored');
-- compared with what has other dimensions and the same bytes
SELECT state_of($$SELECT b <~> repeat('1', 82)::zbit FROM stored WHERE id = 81$$),
    state_of($$SELECT repeat('1', 9)::zbit <~> b FROM stored WHERE id = 81$$),
    state_of($$SELECT i <-> '[1,2]' FROM stored WHERE id = 3$$), state_of($$SELECT h <-> '[1,2]' FROM stored WHERE id = 3$$);
ALTER TABLE stored SET ACCESS METHOD heap;
SELECT count(*), bool_and(l.i = s.i AND l.b = s.b AND l.h = s.h) FROM lengths l JOIN stored s USING (id);
ALTER TABLE stored SET ACCESS METHOD zvec;
SELECT count(*), bool_and(l.i = s.i AND l.b = s.b AND l.h = s.h) FROM lengths l JOIN stored s USING (id);
-- a default in the catalog, of a reference's length
ALTER TABLE stored ADD COLUMN d zint8(11) DEFAULT '[1,2,3,4,5,6,7,8,9,10,11]';
SELECT DISTINCT d, d <-> '[1,2,3,4,5,6,7,8,9,10,12]', vector_dims(d) FROM stored;
UPDATE stored SET id = id + 1000 WHERE id < 5;
VACUUM FULL stored;
SELECT DISTINCT d FROM stored;
SELECT * FROM zvec_check('stored');
-- another element type
ALTER TABLE stored ALTER COLUMN i TYPE zhalf USING i::zhalf, ALTER COLUMN h TYPE zvec;
SELECT count(*), bool_and(l.i::zhalf = s.i AND l.h::zvec = s.h) FROM lengths l JOIN stored s USING (id);
SELECT column_name, dimensions, live FROM zvec_segments('stored') WHERE dimensions IN (11, 88) ORDER BY segment;
SELECT * FROM zvec_check('stored');
-- the most that there may be
CREATE TABLE most (h zhalf(16000), i zint8(16000), b zbit(64000)) USING zvec;
INSERT INTO most SELECT a::zhalf, a::zint8, repeat('10', 32000)::zbit FROM (SELECT array_agg(k % 128) a FROM generate_series(1, 16000) k) m;
INSERT INTO most SELECT * FROM most;
SELECT h <-> (SELECT h FROM most LIMIT 1), i <-> (SELECT i FROM most LIMIT 1), b <~> repeat('01', 32000)::zbit, b <%> repeat('10', 32000)::zbit,
    vector_dims(b), bit_count(b) FROM most;
SELECT state_of($$INSERT INTO most (b) VALUES (repeat('1', 64001)::zbit)$$);
-- a value that stays in its place, and one that does not
CREATE TABLE changes (id int PRIMARY KEY, h zhalf(3), i zint8(3), b zbit(9)) USING zvec;
INSERT INTO changes SELECT n, ARRAY[n, 1, 2]::zhalf, ARRAY[n % 100, 1, 2]::zint8, (n::bit(9))::zbit FROM generate_series(1, 300) n;
UPDATE changes SET h = h, i = i, b = b;
UPDATE changes SET h = ARRAY[-id, 1, 2]::zhalf WHERE id % 3 = 0;
UPDATE changes SET b = ((id + 1)::bit(9))::zbit, i = NULL WHERE id % 5 = 0;
DELETE FROM changes WHERE id % 7 = 0;
VACUUM changes;
SELECT count(*), count(i), bool_and(h = CASE WHEN id % 3 = 0 THEN ARRAY[-id, 1, 2] ELSE ARRAY[id, 1, 2] END::zhalf),
    bool_and(b = CASE WHEN id % 5 = 0 THEN (id + 1)::bit(9) ELSE id::bit(9) END::zbit) FROM changes;
SELECT column_name, dimensions, live, dead FROM zvec_segments('changes') ORDER BY 1;
SELECT * FROM zvec_check('changes');
DROP TABLE wire, wire_back, wire_two, wire_other, lengths, stored, most, changes, numbers;
DROP FUNCTION state_of;
