-- arrays to vectors
SELECT ARRAY[1,2,3]::zvec AS int4, ARRAY[1.5,2.25]::real[]::zvec AS float4, ARRAY[1.5,2.25]::float8[]::zvec AS float8,
    ARRAY[1.5,2.25,1e-3]::numeric[]::zvec AS "numeric";
SELECT ARRAY[16777217]::zvec AS rounded_int4, ARRAY[0.1]::float8[]::zvec AS rounded_float8, ARRAY[1e-60]::float8[]::zvec AS tiny_float8,
    ARRAY[1e-60]::numeric[]::zvec AS tiny_numeric;
SELECT '{1,2,3}'::real[]::zvec(3), ARRAY[1,2]::zvec(2), ARRAY[1,2]::numeric[]::zvec(2), ARRAY[1,2]::float8[]::zvec(2);
SELECT '[5:6]={7,8}'::int[]::zvec AS other_lower_bound;
-- vectors to arrays
SELECT '[1,2.5,-0.1]'::zvec::real[], '[1,2.5]'::zvec::float8[], '[1,2.5,3.5,-0.5]'::zvec::int[], '[1,2.5,-0.1]'::zvec::numeric[];
CREATE FUNCTION pg_temp.second(real[]) RETURNS real LANGUAGE sql AS 'SELECT $1[2]';
SELECT pg_temp.second('[1,2.5,3]'::zvec) AS implicit_to_real;
-- length coercion and assignment
SELECT '[1,2,3]'::zvec::zvec(3);
CREATE TABLE cast_target (v zvec(2));
INSERT INTO cast_target SELECT ARRAY[1,2];
INSERT INTO cast_target SELECT ARRAY[1.5,2]::float8[];
INSERT INTO cast_target SELECT ARRAY[2.5,2]::real[];
INSERT INTO cast_target SELECT ARRAY[3.5,2]::numeric[];
INSERT INTO cast_target SELECT '[4.5,2]'::zvec;
SELECT v FROM cast_target;
DROP TABLE cast_target;
-- a fetched value passes through the coercion
CREATE TABLE cast_long (v zvec);
INSERT INTO cast_long SELECT array_agg(i)::zvec FROM generate_series(1, 3000) AS i;
SELECT vector_dims(v::zvec(3000)), (v::zvec(3000))::real[] = v::real[] AS equal FROM cast_long;
DROP TABLE cast_long;
-- all casts
SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast
WHERE 'zvec'::regtype IN (castsource, casttarget) ORDER BY castsource::regtype::text, casttarget::regtype::text;
