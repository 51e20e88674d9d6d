-- text input and output
SELECT '[1,2.5,-3e-4]'::zvec;
SELECT ' [ 1 ,	2 , 3 ] '::zvec;
SELECT '[+1,.5,5.,-0,1E3]'::zvec;
SELECT '[1000000,999999,0.0001,0.00001,3.4028235e38,1e-45,1e-50]'::zvec;
-- elements print as real prints
SELECT v::text = '[' || array_to_string(v::real[], ',') || ']' AS same
FROM (SELECT (array_agg(((random() - 0.5) * 10 ^ (i % 40 - 20))::real))::zvec AS v FROM generate_series(1, 8000) AS i) AS s;
-- ties and midpoints are where printing routines differ
SELECT v, v::text = '[' || array_to_string(v::real[], ',') || ']' AS same
FROM (VALUES ('[0.000244140625,0.0024414063,0.12695313,2097152.25,33554448,33554472,8589934592]'::zvec)) AS t(v);
-- the limits
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::zvec);
SELECT '[7]'::zvec;
-- type modifiers
SELECT '[1,2,3]'::zvec(3), format_type('zvec'::regtype, 3), format_type('zvec'::regtype, -1);
CREATE TABLE io (id int, v zvec(3), w zvec);
INSERT INTO io VALUES (1, '[1,2,3]', '[1]'), (2, NULL, '[1,2]'), (3, '[4,5,6]', NULL);
SELECT * FROM io ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod), attstorage, attalign FROM pg_attribute
WHERE attrelid = 'io'::regclass AND attnum > 1 ORDER BY attnum;
-- binary form: int16 dimensions, int16 zero, float4 elements, in network order
SELECT encode(zvec_send('[1,-2.5]'), 'hex');
CREATE TABLE io_copy (LIKE io);
SELECT path, format('rm %L', path) AS remove
FROM (SELECT current_setting('data_directory') || '/type_io.copy') AS f(path) \gset
COPY io TO :'path' (FORMAT binary);
COPY io_copy FROM :'path' (FORMAT binary);
COPY io_copy FROM PROGRAM :'remove';
SELECT * FROM io_copy ORDER BY id;
SELECT count(*) FROM io JOIN io_copy USING (id)
WHERE io.v IS NOT DISTINCT FROM io_copy.v AND io.w IS NOT DISTINCT FROM io_copy.w;
-- long vectors are stored out of line, short ones behind a 1-byte header; all read back
CREATE TABLE io_sizes (dims int, v zvec);
INSERT INTO io_sizes SELECT n, (SELECT array_agg(i)::zvec FROM generate_series(1, n) AS i)
FROM unnest(ARRAY[1, 2, 29, 30, 31, 32, 400, 499, 600, 2100, 16000]) AS n;
SELECT dims, vector_dims(v), pg_column_size(v),
    v::real[] = (SELECT array_agg(i::real) FROM generate_series(1, dims) AS i) AS equal,
    v <-> v AS distance
FROM io_sizes ORDER BY dims;
-- compressed, inline and out of line
CREATE TABLE io_compressed (dims int, v zvec);
ALTER TABLE io_compressed ALTER v SET STORAGE extended;
INSERT INTO io_compressed SELECT n, (SELECT array_agg(7)::zvec FROM generate_series(1, n) AS i)
FROM unnest(ARRAY[100, 3000]) AS n;
INSERT INTO io_compressed SELECT 16000, (SELECT array_agg(hashint4(i) % 9)::zvec FROM generate_series(1, 16000) AS i);
SELECT dims, vector_dims(v), pg_column_compression(v), pg_column_size(v) < 4 * dims AS smaller,
    l2_norm(v) = l2_norm(v::real[]::zvec) AS equal, v <-> v AS distance
FROM io_compressed ORDER BY dims;
SELECT pg_relation_size(reltoastrelid) > 0 AS out_of_line FROM pg_class WHERE oid = 'io_compressed'::regclass;
-- statistics: null fraction and width, nothing that needs the elements
INSERT INTO io_sizes SELECT 0, NULL FROM generate_series(1, 11);
ANALYZE io_sizes;
SELECT null_frac, avg_width > 0 AS has_width, n_distinct, most_common_vals IS NULL AS no_values,
    histogram_bounds IS NULL AS no_histogram
FROM pg_stats WHERE tablename = 'io_sizes' AND attname = 'v';
DROP TABLE io, io_copy, io_sizes, io_compressed;
