-- joins, grouping, sorting, set operations, windows and spills over tables with vectors
CREATE SCHEMA table_join;
SET search_path = table_join, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
CREATE TABLE a (id int, k int, v zvec(120)) USING zvec;
CREATE TABLE b (id int, k int, v zvec(120), w zvec(3)) USING zvec;
CREATE TABLE h (id int, k int, v zvec(120)) USING heap;
INSERT INTO a SELECT i, i % 100, vec(i % 500, 120) FROM generate_series(1, 1000) i;
INSERT INTO b SELECT i, i % 200, CASE WHEN i % 9 <> 0 THEN vec(i, 120) END, vec(i % 7, 3) FROM generate_series(1, 1000) i;
INSERT INTO h SELECT * FROM a WHERE id % 2 = 0;
ANALYZE a, b, h;
CREATE FUNCTION plan(query text, node text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text; found_ boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP found_ := found_ OR line LIKE '%' || node || '%'; END LOOP;
    RETURN found_;
END $$;
-- one query, by each kind of join, in memory and with batches on disk
CREATE FUNCTION joined(OUT rows bigint, OUT right_a bigint, OUT right_b bigint, OUT equal_vectors bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE av = vec(aid % 500, 120)),
        count(*) FILTER (WHERE bv IS NOT DISTINCT FROM CASE WHEN bid % 9 <> 0 THEN vec(bid, 120) END), count(*) FILTER (WHERE av = bv)
    FROM (SELECT a.id AS aid, b.id AS bid, a.v AS av, b.v AS bv FROM a JOIN b ON a.k = b.k WHERE a.id <= 300 OFFSET 0) s $$;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT plan('SELECT a.v, b.v FROM a JOIN b ON a.k = b.k WHERE a.id <= 300', 'Hash Join');
SELECT * FROM joined();
SET work_mem = '64kB';
SELECT * FROM joined();
RESET work_mem;
SET enable_hashjoin = off;
SET enable_mergejoin = on;
SELECT plan('SELECT a.v, b.v FROM a JOIN b ON a.k = b.k WHERE a.id <= 300', 'Merge Join');
SELECT * FROM joined();
SET work_mem = '64kB';
SELECT * FROM joined();
RESET work_mem;
SET enable_mergejoin = off;
SET enable_nestloop = on;
SET enable_memoize = on;
SELECT plan('SELECT a.v, b.v FROM a JOIN b ON a.k = b.k WHERE a.id <= 300', 'Nested Loop');
SELECT * FROM joined();
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_nestloop;
-- the vector as the key: stored against stored, stored against heap
SET enable_nestloop = off;
SELECT count(*), sum(a.id + h.id) FROM a JOIN h ON a.v = h.v;
SET enable_hashjoin = off;
SELECT plan('SELECT a.id FROM a JOIN h ON a.v = h.v', 'Merge Join');
SELECT count(*), sum(a.id + h.id) FROM a JOIN h ON a.v = h.v;
SELECT count(*) FROM a JOIN b ON a.v = b.v WHERE a.id < 100;
RESET ALL;
SET search_path = table_join, public;
-- outer, semi, anti, lateral
SELECT count(*), count(b.v), count(*) FILTER (WHERE b.v = vec(COALESCE(b.id, 0), 120)) FROM a LEFT JOIN b ON a.id = b.id + 500;
SELECT count(*), count(a.v), count(b.v) FROM a FULL JOIN b ON a.id = b.id - 900;
SELECT count(*), sum(id) FROM a WHERE EXISTS (SELECT FROM h WHERE h.v = a.v AND h.id <= 500);
SELECT count(*), sum(id) FROM a WHERE NOT EXISTS (SELECT FROM h WHERE h.v = a.v AND h.id <= 500);
SELECT count(*) FROM a WHERE v IN (SELECT v FROM h WHERE id <= 100);
SELECT a.id, n.id AS nearest, n.l2 = a.v <-> n.v AS same
FROM a, LATERAL (SELECT b.id, b.v, b.v <-> a.v AS l2 FROM b WHERE b.id < 100 ORDER BY b.v <-> a.v, b.id LIMIT 1) n WHERE a.id IN (5, 50) ORDER BY a.id;

-- grouping
SELECT count(*), sum(n), min(n), max(n) FROM (SELECT v, count(*) AS n FROM a GROUP BY v) s;
SELECT w, count(*), min(id) FROM b GROUP BY w ORDER BY w;
SET enable_hashagg = off;
SELECT count(*), sum(n), min(n), max(n) FROM (SELECT v, count(*) AS n FROM a GROUP BY v) s;
SELECT w, count(*), min(id) FROM b GROUP BY w ORDER BY w;
RESET enable_hashagg;
SELECT count(DISTINCT v), count(DISTINCT w) FROM b;
SELECT DISTINCT w FROM b ORDER BY w DESC;
SELECT DISTINCT ON (w) w, id FROM b ORDER BY w, id;
SELECT k, avg(v) <-> sum(v) * array_fill(0.1::real, ARRAY[120])::zvec < 0.01 AS tenth FROM a WHERE k < 3 GROUP BY k ORDER BY k;
SELECT w, GROUPING(w), count(*) FROM b WHERE id < 30 GROUP BY ROLLUP (w) ORDER BY w;
SELECT k, array_length(array_agg(w), 1), (array_agg(w ORDER BY id))[1] FROM b WHERE k < 3 GROUP BY k ORDER BY k;
SELECT w, count(*) FROM b GROUP BY w HAVING w <-> '[0,0,0]' < 100 ORDER BY count(*), w;
-- set operations
SELECT count(*) FROM (SELECT v FROM a UNION SELECT v FROM h) s;
SELECT count(*) FROM (SELECT v FROM a INTERSECT SELECT v FROM b) s;
SELECT count(*) FROM (SELECT v FROM a EXCEPT ALL SELECT v FROM h) s;
SELECT id, v FROM (SELECT id, w AS v FROM b WHERE id < 3 UNION ALL SELECT id, subvector(v, 1, 3) FROM h WHERE id < 5) s ORDER BY v, id;
-- sorting by vectors, on disk too
SET work_mem = '64kB';
SELECT count(*), count(*) FILTER (WHERE v < before) AS unsorted FROM (SELECT v, lag(v) OVER () AS before FROM (SELECT v FROM a ORDER BY v) s) s;
SELECT count(*), count(*) FILTER (WHERE v <> vec(id % 500, 120)) AS wrong FROM (SELECT id, v FROM a ORDER BY md5(id::text) OFFSET 0) s;
SELECT count(DISTINCT v) FROM a;
RESET work_mem;
-- windows
SELECT id, v, l2, rank FROM (SELECT id, w AS v, w <-> first_value(w) OVER by_id AS l2, rank() OVER (ORDER BY w) FROM b WHERE id < 8 WINDOW by_id AS (ORDER BY id)) s ORDER BY id;
SELECT id, lag(w) OVER (ORDER BY id) + w AS pair, sum(w) OVER (ORDER BY id ROWS 1 PRECEDING) AS running FROM b WHERE id < 5 ORDER BY id;
-- CTEs, recursion, subqueries, VALUES, whole rows
WITH RECURSIVE walk AS (
    SELECT id, w, 1 AS step FROM b WHERE id = 1
    UNION ALL
    SELECT n.id, n.w, step + 1 FROM walk, LATERAL (SELECT b.id, b.w FROM b WHERE b.id > walk.id ORDER BY b.w <-> walk.w, b.id LIMIT 1) n WHERE step < 5
) SELECT * FROM walk;
WITH moved AS (DELETE FROM b WHERE id > 990 RETURNING *), put AS (INSERT INTO a SELECT id + 1000, k, v FROM moved RETURNING *)
SELECT count(*), count(v) FROM put;
SELECT (SELECT w FROM b WHERE id = 3) AS scalar, ARRAY(SELECT w FROM b WHERE id < 3 ORDER BY id) AS array;
SELECT (row_to_json(s) ->> 'w') AS json, s::text AS row FROM (SELECT id, w FROM b WHERE id = 4) s;
SELECT (b.*) IS NULL AS is_null, b.w = (b).w AS same, b = b AS equal FROM b WHERE id = 4;
SELECT string_agg(w::text, ';' ORDER BY id) FROM b WHERE id < 4;
SELECT * FROM zvec_check('a');
SELECT * FROM zvec_check('b');
SET client_min_messages = warning;
DROP SCHEMA table_join CASCADE;
