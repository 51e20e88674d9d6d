-- zsparse: what lies in the row, and is searched by a sort
SELECT '{1:0.5,7:2}/1000'::zsparse, ' { 7 : 2 , 1:-.5, 3:0 } / 1000000000 '::zsparse, '{}/3'::zsparse;
SELECT '{1:1}/3'::zsparse(4);
SELECT '{4:1}/3'::zsparse;
SELECT '{0:1}/3'::zsparse;
SELECT '{-9223372036854775808:1}/3'::zsparse;
SELECT '{5000000000:1}/3'::zsparse;
SELECT '{1:1,1:2}/3'::zsparse;
SELECT '[1,2]'::zsparse;
SELECT '{1:1}/1000000001'::zsparse;
SELECT NULL::zsparse(0);
SELECT '{1:1}/3'::zsparse <-> '{1:1}/4';
SELECT zsparse_send('{1:1,3:-2.5}/4');
SELECT '[0,1.5,0,-2]'::zvec::zsparse, '{2:1.5,4:-2}/4'::zsparse::zvec, ARRAY[0,0,3]::real[]::zsparse,
    ARRAY[0,-7,3]::zsparse(3), ARRAY[0.1,0,1e-50]::double precision[]::zsparse;
SELECT ARRAY[1e39]::double precision[]::zsparse;
SELECT ARRAY[1,2]::zsparse(3);
SELECT '{2:1.5}/20000'::zsparse::zvec;
SELECT vector_dims('{1:1}/5'::zsparse), l2_norm('{1:3,9:4}/10'::zsparse), l2_distance('{1:3}/9'::zsparse, '{2:4}/9'),
    inner_product('{1:3,2:1}/9'::zsparse, '{2:4}/9'), zsparse_distance('{1:3,2:1}/9', '{2:4}/9', 'l1'), '{}/2'::zsparse <=> '{1:1}/2';
-- as of zvec, to the bit
CREATE TABLE sparse (id int PRIMARY KEY, v zvec(200), s zsparse(200)) USING zvec;
INSERT INTO sparse SELECT n, a, a::zsparse FROM (SELECT n,
    (SELECT array_agg(CASE WHEN (n * k) % 7 = 0 THEN sin(n + k)::real ELSE 0 END ORDER BY k) FROM generate_series(1, 200) k)::zvec a
    FROM generate_series(1, 60) n OFFSET 0) x;
SELECT count(*), bool_and(a.s <-> b.s = a.v <-> b.v), bool_and(a.s <#> b.s = a.v <#> b.v), bool_and(a.s <=> b.s IS NOT DISTINCT FROM a.v <=> b.v),
    bool_and(a.s <+> b.s = a.v <+> b.v), bool_and((a.s < b.s) = (a.v < b.v)), bool_and((a.s = b.s) = (a.v = b.v)) FROM sparse a, sparse b;
SELECT array_agg(id ORDER BY s <-> '{7:0.5,14:-0.5}/200', id) = array_agg(id ORDER BY v <-> '{7:0.5,14:-0.5}/200'::zsparse::zvec, id) FROM sparse;
EXPLAIN (COSTS off) SELECT id FROM sparse ORDER BY s <-> '{7:0.5,14:-0.5}/200' LIMIT 3;
SELECT count(DISTINCT s), min(s) = (SELECT min(v) FROM sparse)::zsparse, max(s) = (SELECT max(v) FROM sparse)::zsparse FROM sparse;
CREATE INDEX ON sparse (s);
CREATE INDEX ON sparse USING zvec_hnsw (s);
-- larger than a row holds
INSERT INTO sparse (id, s) SELECT 100, format('{%s}/200', string_agg(k || ':' || k, ','))::zsparse FROM generate_series(1, 200) k;
CREATE TABLE large (id int, s zsparse) USING zvec;
INSERT INTO large SELECT 1, format('{%s}/1000000000', string_agg(k * 60000 || ':' || k, ','))::zsparse FROM generate_series(1, 16000) k;
INSERT INTO large SELECT id + 1, s FROM large;
SELECT id, vector_dims(s), s <-> (SELECT s FROM large WHERE id = 1), length(s::text), s <#> '{60000:2,960000000:1}/1000000000' FROM large ORDER BY id;
VACUUM FULL large;
SELECT * FROM zvec_check('large');
SELECT id, l2_norm(s) FROM large ORDER BY id;
DROP TABLE sparse, large;
