-- exact nearest neighbours without an index, against distances computed in SQL from plain arrays
CREATE SCHEMA table_knn;
SET search_path = table_knn, public;
-- the reference's numbers: never of type zvec
CREATE TABLE plain (id int PRIMARY KEY, e real[]) USING heap;
INSERT INTO plain SELECT id, array_agg((sin(id * 12.9898 + i * 78.233 + id * i * 0.37) * 10)::real ORDER BY i)
FROM generate_series(1, 2000) id, generate_series(1, 37) i GROUP BY id;
CREATE TABLE t (id int, v zvec(37), note text) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT id, e::zvec, 'n' || id FROM plain ORDER BY id;
INSERT INTO t VALUES (0, NULL, 'null');
-- rows that must not be found
INSERT INTO t SELECT -id, e::zvec, 'deleted' FROM plain WHERE id % 3 = 0;
DELETE FROM t WHERE id < 0;
BEGIN;
INSERT INTO t SELECT -id, e::zvec, 'rolled back' FROM plain WHERE id % 3 = 1;
ROLLBACK;
-- rows whose vector was another one first, and rows that moved
UPDATE t SET v = v * v WHERE id % 5 = 0;
UPDATE t SET note = note || '!' WHERE id % 5 = 1;
UPDATE t SET v = p.e::zvec FROM plain p WHERE p.id = t.id AND t.id % 5 = 0;

CREATE VIEW reference AS
SELECT q.id AS query, p.id,
    d.l2, d.ip, 1 - d.dot / (sqrt(d.qq) * sqrt(d.pp)) AS cosine, d.l1
FROM plain q, plain p, LATERAL (
    SELECT sqrt(sum((a::float8 - b::float8) ^ 2)) AS l2, -sum(a::float8 * b::float8) AS ip,
        sum(a::float8 * b::float8) AS dot, sum(a::float8 ^ 2) AS qq, sum(b::float8 ^ 2) AS pp,
        sum(abs(a::float8 - b::float8)) AS l1
    FROM unnest(q.e, p.e) u(a, b)) d
WHERE q.id IN (1, 500, 999, 2000);
CREATE TABLE reference_rank USING heap AS
SELECT query, id, l2, ip, cosine, l1,
    row_number() OVER (PARTITION BY query ORDER BY l2) AS l2_rank, row_number() OVER (PARTITION BY query ORDER BY ip) AS ip_rank,
    row_number() OVER (PARTITION BY query ORDER BY cosine) AS cosine_rank, row_number() OVER (PARTITION BY query ORDER BY l1) AS l1_rank
FROM reference;
ANALYZE t, reference_rank;

-- the ten nearest of each query by each metric, in order; the distances agree too
CREATE FUNCTION knn(metric text, operator text, OUT metric_ text, OUT neighbours bigint, OUT same_rank bigint, OUT same_distance bigint)
LANGUAGE plpgsql AS $$
DECLARE q int; part record;
BEGIN
    metric_ := metric;
    neighbours := 0;
    same_rank := 0;
    same_distance := 0;
    FOREACH q IN ARRAY ARRAY[1, 500, 999, 2000] LOOP
        EXECUTE format($q$
            WITH nearest AS MATERIALIZED (SELECT id, v OPERATOR(%1$s) %3$L::zvec AS distance FROM t ORDER BY v OPERATOR(%1$s) %3$L LIMIT 10),
                 numbered AS (SELECT *, row_number() OVER () AS rank FROM nearest)
            SELECT count(*) AS neighbours, count(*) FILTER (WHERE rank = %2$s_rank) AS same_rank,
                count(*) FILTER (WHERE abs(distance - %2$s) < 1e-5 * (1 + 37 * 100)) AS same_distance
            FROM numbered JOIN reference_rank r ON r.query = %4$s AND r.id = numbered.id $q$,
            'public.' || operator, metric, (SELECT e::zvec FROM plain WHERE id = q), q) INTO part;
        neighbours := neighbours + part.neighbours;
        same_rank := same_rank + part.same_rank;
        same_distance := same_distance + part.same_distance;
    END LOOP;
END $$;
CREATE VIEW all_metrics AS
SELECT knn.* FROM (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) m(metric, operator), knn(m.metric, m.operator);
-- by a sequential scan and a sort
SET zvec.enable_exact_scan = off;
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT e::zvec FROM plain WHERE id = 1) LIMIT 10;
SELECT * FROM all_metrics;
-- every distance, not only the nearest
SELECT count(*), count(*) FILTER (WHERE abs((v <-> q.e::zvec) - l2) < 1e-5) AS l2, count(*) FILTER (WHERE abs((v <#> q.e::zvec) - ip) < 1e-5 * 37 * 100) AS ip,
    count(*) FILTER (WHERE abs((v <=> q.e::zvec) - cosine) < 1e-6) AS cosine, count(*) FILTER (WHERE abs((v <+> q.e::zvec) - l1) < 1e-4) AS l1
FROM reference_rank r JOIN t USING (id) JOIN plain q ON q.id = r.query;
-- the functions and both orders of the operands
SELECT count(*), count(*) FILTER (WHERE l2_distance(v, q) = l2_distance(q, v) AND l2_distance(q, v) = (v <-> q)) AS l2,
    count(*) FILTER (WHERE inner_product(v, q) = inner_product(q, v) AND inner_product(q, v) = -(v <#> q)) AS ip,
    count(*) FILTER (WHERE cosine_distance(v, q) = cosine_distance(q, v) AND cosine_distance(q, v) = (v <=> q)) AS cosine,
    count(*) FILTER (WHERE l1_distance(v, q) = l1_distance(q, v) AND l1_distance(q, v) = (v <+> q)) AS l1,
    count(*) FILTER (WHERE abs(zvec_distance(v, q, 'cosine') - (v <=> q)) < 1e-6) AS named,
    count(*) FILTER (WHERE abs(l2_norm(v) - l2_norm(v || q) * l2_norm(v) / sqrt(l2_norm(v) ^ 2 + l2_norm(q) ^ 2)) < 1e-4) AS norm
FROM t, (SELECT e::zvec AS q FROM plain WHERE id = 77 OFFSET 0) one WHERE t.id > 0;
-- a stored vector against stored vectors: self-join
SELECT count(*), count(*) FILTER (WHERE abs((a.v <-> b.v) - r.l2) < 1e-5) FROM t a JOIN t b ON a.id = 999 JOIN reference_rank r ON r.query = 999 AND r.id = b.id;
SELECT a.id, (SELECT b.id FROM t b WHERE b.id <> a.id ORDER BY b.v <-> a.v LIMIT 1) = (SELECT r.id FROM reference_rank r WHERE r.query = a.id AND r.l2_rank = 2) AS nearest
FROM t a WHERE a.id IN (1, 500, 999, 2000) ORDER BY a.id;
-- with a condition on another column
SELECT count(*) FROM (
    SELECT id, row_number() OVER () AS rank FROM (SELECT id FROM t WHERE note LIKE '%!' ORDER BY v <-> (SELECT e::zvec FROM plain WHERE id = 1) LIMIT 10) n
) n JOIN (SELECT id, row_number() OVER (ORDER BY l2) AS rank FROM reference_rank WHERE query = 1 AND id % 5 = 1) r USING (id, rank);
-- within a distance
SELECT count(*) = (SELECT count(*) FROM reference_rank WHERE query = 500 AND l2 < 40) AS same, count(*) > 10 AS some
FROM t WHERE v <-> (SELECT e::zvec FROM plain WHERE id = 500) < 40;
-- NULL vectors come last
SELECT id, v IS NULL AS is_null FROM t ORDER BY v <-> (SELECT e::zvec FROM plain WHERE id = 1) OFFSET 1999;
-- a zero vector has no angle
INSERT INTO t SELECT 3000, (array_fill(0::real, ARRAY[37]))::zvec, 'zero';
SELECT v <=> (SELECT e::zvec FROM plain WHERE id = 1) AS cosine FROM t WHERE id = 3000;
DELETE FROM t WHERE id = 3000;

-- parallel workers forced
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1]' LIMIT 10;
SELECT * FROM all_metrics;
SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 42) LIMIT 1;
-- after VACUUM and after a rewrite
VACUUM t;
SELECT * FROM all_metrics;
VACUUM FULL t;
SELECT * FROM all_metrics;
RESET max_parallel_workers_per_gather;

-- lengths around what kernels take at once, and vectors that cross page borders
CREATE TABLE lengths (id int, v zvec) USING zvec;
CREATE TABLE lengths_plain (id int, e real[]) USING heap;
INSERT INTO lengths_plain SELECT d * 10 + s, array_agg(cos(d * 1.7 + s * 3.1 + i * 0.77)::real ORDER BY i)
FROM unnest(ARRAY[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 128, 129, 257, 1023, 2047, 2048, 4099, 16000]) d,
    generate_series(0, 4) s, LATERAL generate_series(1, d) i GROUP BY d, s;
INSERT INTO lengths SELECT id, e::zvec FROM lengths_plain;
SELECT count(*), count(*) FILTER (WHERE abs((a.v <-> b.v) - l2) <= 1e-5 * (1 + l2)) AS l2, count(*) FILTER (WHERE abs((a.v <#> b.v) - ip) <= 1e-5 * (1 + size)) AS ip,
    count(*) FILTER (WHERE abs((a.v <+> b.v) - l1) <= 1e-5 * (1 + l1)) AS l1, count(*) FILTER (WHERE abs((a.v <=> b.v) - cosine) <= 1e-5) AS cosine
FROM lengths a JOIN lengths b ON a.id / 10 = b.id / 10 AND a.id < b.id
    JOIN lengths_plain p ON p.id = a.id JOIN lengths_plain r ON r.id = b.id, LATERAL (
    SELECT sqrt(sum((x::float8 - y::float8) ^ 2)) AS l2, -sum(x::float8 * y::float8) AS ip, sum(abs(x::float8 * y::float8)) AS size,
        sum(abs(x::float8 - y::float8)) AS l1,
        1 - sum(x::float8 * y::float8) / sqrt(sum(x::float8 ^ 2) * sum(y::float8 ^ 2)) AS cosine FROM unnest(p.e, r.e) u(x, y)) d;
SELECT count(*) FROM lengths a JOIN lengths_plain p USING (id) WHERE a.v::real[] = p.e;
SELECT * FROM zvec_check('lengths');
SELECT * FROM zvec_check('t');

-- a distance does not depend on where a vector lies, nor on how it is cut
CREATE TABLE places (id int, v zvec(385)) USING zvec;
INSERT INTO places SELECT i, (SELECT array_agg(sin(7 * (j + 1.7))::real) FROM generate_series(1, 385) j)::zvec FROM generate_series(1, 1000) i;
CREATE TABLE in_heap USING heap AS SELECT * FROM places;
WITH q AS (SELECT (SELECT array_agg(sin(8 * (j + 1.7))::real) FROM generate_series(1, 385) j)::zvec AS v),
    d AS (SELECT 'zvec' AS am, p.id, p.v <-> q.v AS l2, p.v <=> q.v AS cosine, p.v <#> q.v AS ip, p.v <+> q.v AS l1 FROM places p, q
    UNION ALL SELECT 'heap', p.id, p.v <-> q.v, p.v <=> q.v, p.v <#> q.v, p.v <+> q.v FROM in_heap p, q
    UNION ALL SELECT 'turned', p.id, q.v <-> p.v, q.v <=> p.v, q.v <#> p.v, q.v <+> p.v FROM places p, q)
SELECT count(*), count(DISTINCT l2) AS l2, count(DISTINCT cosine) AS cosine, count(DISTINCT ip) AS ip, count(DISTINCT l1) AS l1 FROM d;
SET client_min_messages = warning;
DROP SCHEMA table_knn CASCADE;
