-- Casts between pgvector's types and those of pg_zvec.
\set VERBOSITY terse
SELECT castsource::regtype, casttarget::regtype, castmethod, castcontext
FROM pg_cast c JOIN pg_depend d ON d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_zvec_pgvector'
ORDER BY castsource::regtype::text, casttarget::regtype::text;
SELECT '[1,2.5,-3e-4]'::vector::zvec, '[1,2.5,-3e-4]'::zvec::vector, '[1,2.5]'::halfvec::zhalf, '[1,2.5]'::zhalf::halfvec,
    '{1:0.5,7:2}/1000'::sparsevec::zsparse, '{1:0.5,7:2}/1000'::zsparse::sparsevec, B'10110'::zbit, zbit '10110'::bit(5);
SELECT '[1,2.5,-3.5]'::vector::zhalf, '[1,2.5,-3.5]'::vector::zint8, '[0,2.5,0]'::vector::zsparse,
    '[1,2.5]'::halfvec::zvec, '[1,2.5]'::halfvec::zint8, '{2:3}/3'::sparsevec::zvec;
SELECT '[1,2.5]'::zhalf::vector, '[1,-128]'::zint8::vector, '{2:3}/3'::zsparse::vector,
    '[1,2.5]'::zvec::halfvec, '[1,-128]'::zint8::halfvec, '[0,3,0]'::zvec::sparsevec;
-- the bytes are the same, of the value and as they are sent
SELECT bool_and(vector_send(v) = zvec_send(v::zvec) AND vector_send(v) = vector_send(v::zvec::vector)
    AND pg_column_size(v) = pg_column_size(v::zvec)
    AND halfvec_send(v::halfvec) = zhalf_send(v::halfvec::zhalf)
    AND sparsevec_send(v::sparsevec) = zsparse_send(v::sparsevec::zsparse)
    AND v::zvec = v::float4[]::zvec AND v::halfvec::zhalf = v::zvec::zhalf)
FROM (SELECT (SELECT array_agg(round((random() * 20 - 10)::numeric, 3)) FROM generate_series(1, n + 0 * i))::vector AS v
    FROM generate_series(1, 40) AS n, generate_series(1, 3) AS i) AS vectors;
-- the dimensions that a column declares
CREATE TEMP TABLE declared (v vector(3), z zvec(3), h halfvec(3), zh zhalf(3), s sparsevec(3), zs zsparse(3));
INSERT INTO declared SELECT '[1,2,3]'::zvec, '[1,2,3]'::vector, '[1,2,3]'::zhalf, '[1,2,3]'::halfvec, '{1:1}/3'::zsparse, '{1:1}/3'::sparsevec;
TABLE declared;
INSERT INTO declared (v) SELECT '[1,2]'::zvec;
INSERT INTO declared (z) SELECT '[1,2]'::vector;
INSERT INTO declared (h) SELECT '[1,2]'::zhalf;
INSERT INTO declared (zh) SELECT '[1,2]'::halfvec;
INSERT INTO declared (zs) SELECT '{1:1}/2'::sparsevec;
-- A column's type may be changed both ways. To pgvector's, rows are written anew: what stands for a vector in a row of ours would
-- have dimensions to functions that know nothing of it.
CREATE TABLE changed (id int, v zvec(3), h zhalf(2)) USING zvec;
INSERT INTO changed VALUES (1, '[1,2,3]', '[4,5]');
SELECT pg_relation_filenode('changed') AS before \gset
ALTER TABLE changed ALTER v TYPE vector(3);
SELECT pg_relation_filenode('changed') <> :before AS written_anew, pg_relation_filenode('changed') AS before \gset
\echo :written_anew
ALTER TABLE changed ALTER h TYPE halfvec;
SELECT pg_relation_filenode('changed') <> :before AS written_anew, pg_relation_filenode('changed') AS before \gset
\echo :written_anew
TABLE changed;
ALTER TABLE changed ALTER v TYPE vector(2);
ALTER TABLE changed ALTER v TYPE zvec, ALTER h TYPE zhalf;
SELECT pg_relation_filenode('changed') <> :before AS written_anew \gset
\echo :written_anew
TABLE changed;
DROP TABLE changed;
-- what does not fit
SELECT '[1e6]'::vector::zhalf;
SELECT '[200]'::vector::zint8;
SELECT '[70000]'::zvec::halfvec;
-- no call or operator has got more than one meaning, or another one
SELECT '[1,2]'::vector <-> '[3,4]', '[1,2]' <-> '[3,4]'::zvec, l2_distance('[1,2]'::vector, '[3,4]'), vector_dims('[1,2]'::vector),
    vector_dims('[1,2]'::zvec), '[1,2]'::vector + '[1,1]', '[1,2]'::halfvec <=> '[3,4]', pg_typeof(l2_normalize('[3,4]'::vector));
SELECT '[1,2]'::vector <-> '[3,4]'::zvec;
SELECT '[1,2]'::vector::zvec <-> '[3,4]'::zvec;
-- the operator classes
SELECT amname, opcname, opcintype::regtype, opcdefault, amvalidate(c.oid)
FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
WHERE amname LIKE 'zvec%' AND opcintype IN ('vector'::regtype, 'halfvec'::regtype) ORDER BY 1, 3, 2;
-- every object says what it is
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
WHERE e.extname = 'pg_zvec_pgvector' AND d.deptype = 'e' AND obj_description(d.objid, d.classid::regclass::name) IS NULL;
