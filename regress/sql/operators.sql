-- distances
SELECT '[1,2,2]'::zvec <-> '[4,6,2]' AS l2, '[1,2,2]'::zvec <#> '[4,6,2]' AS ip,
    '[3,4]'::zvec <=> '[4,3]' AS cosine, '[1,2,2]'::zvec <+> '[4,6,2]' AS l1;
SELECT l2_distance('[1,2,2]'::zvec, '[4,6,2]'), inner_product('[1,2,2]'::zvec, '[4,6,2]'),
    cosine_distance('[3,4]'::zvec, '[4,3]'), l1_distance('[1,2,2]'::zvec, '[4,6,2]'),
    zvec_negative_inner_product('[1,2,2]'::zvec, '[4,6,2]');
SELECT metric, zvec_distance('[1,2,2]', '[4,6,2]', metric), pg_typeof(zvec_distance('[1,2,2]', '[4,6,2]', metric))
FROM unnest(ARRAY['l2', 'cosine', 'ip', 'l1']) AS metric;
SELECT pg_typeof('[1]'::zvec <-> '[1]'), pg_typeof('[1]'::zvec <#> '[1]'), pg_typeof('[1]'::zvec <=> '[1]'),
    pg_typeof('[1]'::zvec <+> '[1]');
-- the edges: a zero vector has no direction; huge and tiny elements do not overflow or vanish
SELECT '[0,0]'::zvec <=> '[1,2]' AS zero, '[2,4]'::zvec <=> '[1,2]' AS same, '[1,0]'::zvec <=> '[-3,0]' AS opposite,
    '[1,0]'::zvec <=> '[0,2]' AS orthogonal;
SELECT '[3e38,0]'::zvec <-> '[-3e38,0]' > 5.9e38 AS l2, '[3e38]'::zvec <=> '[3e38]' AS cosine,
    '[1e-45]'::zvec <=> '[1e-45]' AS tiny_cosine, '[1e-30]'::zvec <-> '[0]' > 9e-31 AS tiny_l2,
    '[1,0]'::zvec <#> '[0,1]' AS no_minus_zero, inner_product('[1,0]'::zvec, '[0,1]') AS ip;
-- operators of strict functions
SELECT '[1]'::zvec <-> NULL::zvec AS l2, NULL::zvec + '[1]'::zvec AS sum, zvec_distance('[1]', '[1]', NULL) AS metric;
-- the distances of long vectors stored out of line equal those of plain ones
CREATE TABLE operands (id int, v zvec);
INSERT INTO operands SELECT n, (SELECT array_agg(((i * n) % 7)::real)::zvec FROM generate_series(1, 2500) AS i)
FROM generate_series(1, 3) AS n;
SELECT a.id, b.id, round((a.v <-> b.v)::numeric, 3) AS l2, a.v <#> b.v AS ip, a.v <+> b.v AS l1,
    round((a.v <=> b.v)::numeric, 6) AS cosine
FROM operands AS a JOIN operands AS b ON a.id < b.id ORDER BY a.id, b.id;
SELECT a.id, b.id,
    (SELECT round(sqrt(sum((x - y) ^ 2))::numeric, 3) FROM unnest(a.v::real[], b.v::real[]) AS e(x, y)) AS l2,
    (SELECT sum(-x::float8 * y) FROM unnest(a.v::real[], b.v::real[]) AS e(x, y)) AS ip,
    (SELECT sum(abs(x - y)) FROM unnest(a.v::real[], b.v::real[]) AS e(x, y)) AS l1,
    (SELECT round((1 - sum(x * y) / sqrt(sum(x * x) * sum(y * y)))::numeric, 6)
     FROM unnest(a.v::float8[], b.v::float8[]) AS e(x, y)) AS cosine
FROM operands AS a JOIN operands AS b ON a.id < b.id ORDER BY a.id, b.id;
DROP TABLE operands;
-- arithmetic
SELECT '[1,2,3]'::zvec + '[0.5,-2,4]' AS add, '[1,2,3]'::zvec - '[0.5,-2,4]' AS sub,
    '[1,2,3]'::zvec * '[0.5,-2,4]' AS mul, '[1,2]'::zvec || '[3]' AS concat;
-- norms and parts
SELECT l2_norm('[3,4]'::zvec), l2_normalize('[3,4]'::zvec), l2_normalize('[0,0]'::zvec), vector_dims('[1,2,3]'::zvec);
SELECT subvector('[1,2,3,4,5]'::zvec, 1, 3), subvector('[1,2,3,4,5]'::zvec, 4, 10), subvector('[1,2,3,4,5]'::zvec, -1, 3),
    subvector('[1,2,3,4,5]'::zvec, 3, 2147483647);
-- every function of the type runs in parallel and is immutable
SELECT proname FROM pg_proc, unnest(proargtypes) AS argument
WHERE argument = 'zvec'::regtype AND prokind = 'f' AND (proparallel <> 's' OR provolatile <> 'i' OR NOT proisstrict);
