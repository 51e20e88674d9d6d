-- zvec_hnsw: scans that go on and on, cursors, partial indexes, several segments, joins
CREATE SCHEMA index_hnsw_scans;
SET search_path = index_hnsw_scans, knn, public;
CREATE TABLE t (id int, rare bool, n int, v zvec(12)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i % 1000 = 7, i % 100, vec(i, 12) FROM generate_series(1, 12000) i;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
ANALYZE t;

-- a filter that keeps 1 row in 1,000 still gives as many as LIMIT says, if there are so many, and the right ones
SELECT * FROM same('t', '<->', vec(1, 12, 5), 10, 'rare');
SELECT * FROM same('t', '<->', vec(2, 12, 5), 12, 'rare');
SELECT * FROM same('t', '<->', vec(3, 12, 5), 20, 'rare');
SELECT * FROM same('t', '<->', vec(4, 12, 5), 10, 'id = 77');
SELECT * FROM same('t', '<->', vec(4, 12, 5), 10, 'false OR id < 0');
SELECT * FROM same('t', '<->', vec(5, 12, 5), 100, 'n = 5');
SET zvec.ef_search = 1;
SELECT * FROM same('t', '<->', vec(6, 12, 5), 10, 'rare');
SELECT number, once FROM same('t', '<->', vec(6, 12, 5), 300);
RESET zvec.ef_search;
-- OFFSET, and LIMITs beyond ef_search
SET enable_seqscan = off;
SET enable_sort = off;
SELECT array_agg(id) = (SELECT array_agg(id) FROM (SELECT id FROM by_index('t', '<->', vec(7, 12, 5), 300) OFFSET 200) x) AS same
FROM (SELECT id FROM t ORDER BY v <-> vec(7, 12, 5) OFFSET 200 LIMIT 100) x;
SELECT number, once, in_order FROM unnest(ARRAY[64, 65, 100, 1000, 5000]) k, same('t', '<->', vec(8, 12, 5), k);
-- without LIMIT: every row once, in order
SELECT * FROM same('t', '<->', vec(9, 12, 5));
SELECT q.id, number, once, in_order FROM (VALUES (1), (5000), (11999)) q(id), same('t', '<->', vec(q.id, 12));
-- with rows that wait, rows that are gone and rows without a vector among them
DELETE FROM t WHERE n < 10;
INSERT INTO t SELECT i, false, i % 100, CASE WHEN i % 4 > 0 THEN vec(i, 12) END FROM generate_series(12001, 13000) i;
UPDATE t SET v = vec(id, 12, 2) WHERE n = 50;
SELECT * FROM same('t', '<->', vec(9, 12, 5));
SELECT * FROM same('t', '<->', vec(9, 12, 5), 10, 'rare');

-- cursors: forward as far as one likes
CREATE TEMP TABLE fetched (n serial, id int, d float8);
CREATE FUNCTION pg_temp.fetch(times int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'c'; r record; got int := 0;
BEGIN
    FOR i IN 1..times LOOP
        FETCH c INTO r;
        EXIT WHEN NOT FOUND;
        INSERT INTO fetched (id, d) VALUES (r.id, r.d);
        got := got + 1;
    END LOOP;
    RETURN got;
END $$;
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, v <-> vec(10, 12, 5) AS d FROM t ORDER BY v <-> vec(10, 12, 5);
SELECT pg_temp.fetch(5);
FETCH BACKWARD 1 FROM c;
ROLLBACK;
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, v <-> vec(10, 12, 5) AS d FROM t ORDER BY v <-> vec(10, 12, 5);
CREATE TEMP TABLE wanted AS SELECT id, v <-> vec(10, 12, 5) AS d FROM t;
SELECT pg_temp.fetch(5);
-- what changes meanwhile, the cursor does not see
SAVEPOINT a;
DELETE FROM t WHERE id % 2 = 0;
INSERT INTO t SELECT i, false, 1, vec(10, 12, 5) FROM generate_series(20001, 20100) i;
UPDATE t SET v = vec(10, 12, 5) WHERE n = 70;
UPDATE t SET n = n + 1;
SELECT pg_temp.fetch(500);
ROLLBACK TO a;
SELECT pg_temp.fetch(100);
DELETE FROM t WHERE id % 3 = 0;
SELECT pg_temp.fetch(100000);
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE d < before) <= 1 AS in_order_but_for_late_ones FROM (SELECT *, lag(d) OVER (ORDER BY n) AS before FROM fetched) x;
SELECT count(*) FROM (SELECT id, d FROM fetched EXCEPT SELECT * FROM wanted) x;
ROLLBACK;
-- with SCROLL the executor keeps what it needs
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM t ORDER BY v <-> vec(11, 12, 5);
CREATE TEMP TABLE there AS SELECT id, row_number() OVER () FROM by_index('t', '<->', vec(11, 12, 5), 4);
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH 3 FROM c;
SELECT * FROM there;
ROLLBACK;
-- WITH HOLD
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT id, v <-> vec(12, 12, 5) FROM t ORDER BY v <-> vec(12, 12, 5) LIMIT 2000;
CREATE TABLE held AS SELECT array_agg(id) FILTER (WHERE n > 100) AS rest FROM (SELECT id, row_number() OVER () AS n FROM by_index('t', '<->', vec(12, 12, 5), 2000)) x;
MOVE 100 FROM c;
COMMIT;
DELETE FROM t WHERE id > 11000;
VACUUM t;
INSERT INTO t SELECT i, false, i % 100, vec(i, 12) FROM generate_series(14001, 16000) i;
VACUUM t;
CREATE FUNCTION pg_temp.rest() RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'c'; r record; ids int[];
BEGIN
    LOOP
        FETCH c INTO r;
        EXIT WHEN NOT FOUND;
        ids := ids || r.id;
    END LOOP;
    RETURN ids;
END $$;
SELECT pg_temp.rest() = rest AS same, cardinality(rest) FROM held;
CLOSE c;
SELECT * FROM same('t', '<->', vec(9, 12, 5));

-- joins that scan again and again, with NULL queries and without a match
CREATE TABLE q (id int, v zvec(12)) USING zvec;
INSERT INTO q SELECT i, vec(i, 12, 5) FROM generate_series(1, 40) i;
INSERT INTO q VALUES (0, NULL);
EXPLAIN (COSTS OFF) SELECT q.id, x.id FROM q CROSS JOIN LATERAL (SELECT t.id FROM t ORDER BY t.v <-> q.v LIMIT 5) x;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE x.d <= e.d) AS right_ones
FROM q CROSS JOIN LATERAL (SELECT t.v <-> q.v AS d FROM t ORDER BY t.v <-> q.v LIMIT 5) x
JOIN (SELECT q.id, max(distance) AS d FROM q, exact('t', '<->', q.v, 5) WHERE q.id < 10 GROUP BY q.id) e USING (id);
-- nothing satisfies it
SELECT count(*) FROM q LEFT JOIN LATERAL (SELECT t.id FROM t WHERE t.n = 200 + q.id ORDER BY t.v <-> q.v LIMIT 5) x ON true WHERE q.id < 5;
SELECT q.id, (SELECT t.id FROM t WHERE t.v IS NOT NULL ORDER BY t.v <-> q.v LIMIT 1) = (SELECT x.id FROM exact('t', '<->', q.v, 1) x) AS nearest FROM q WHERE q.id BETWEEN 1 AND 5 ORDER BY q.id;
-- two scans of one index side by side
SELECT count(*) FROM (SELECT id, row_number() OVER () AS n FROM (SELECT id FROM t ORDER BY v <-> vec(13, 12, 5) LIMIT 200) x) a
JOIN (SELECT id, row_number() OVER () AS n FROM (SELECT id FROM t ORDER BY v <-> vec(13, 12, 5) LIMIT 200) x) b USING (id, n);
-- several indexes on one column, several columns
CREATE TABLE two (id int, v zvec(4), w zvec(7)) USING zvec;
INSERT INTO two SELECT i, vec(i, 4), vec(i, 7, 3) FROM generate_series(1, 1000) i;
CREATE INDEX two_v ON two USING zvec_hnsw (v);
CREATE INDEX two_vc ON two USING zvec_hnsw (v zvec_cosine_ops);
CREATE INDEX two_w ON two USING zvec_hnsw (w);
UPDATE two SET w = vec(id, 7, 4) WHERE id % 2 = 0;
UPDATE two SET v = vec(id, 4, 4) WHERE id % 3 = 0;
SELECT * FROM same('two', '<->', vec(1, 4, 5));
SELECT * FROM same('two', '<=>', vec(1, 4, 5));
SELECT id, w <-> vec(10, 7, 4) AS d FROM two ORDER BY w <-> vec(10, 7, 4) LIMIT 1;
SELECT id, w <-> vec(11, 7, 3) AS d FROM two ORDER BY w <-> vec(11, 7, 3) LIMIT 1;

-- partial indexes: rows come and go with other columns
CREATE TABLE p (id int, live bool, n int, v zvec(5)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO p SELECT i, i % 10 = 0, i, vec(i, 5) FROM generate_series(1, 3000) i;
CREATE INDEX p_n ON p (n);
CREATE INDEX p_v ON p USING zvec_hnsw (v) WHERE live;
SELECT * FROM by_index('p', '<->', vec(1, 5, 5), 5, 'NOT live');
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
UPDATE p SET live = true WHERE id % 10 = 1;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
UPDATE p SET live = false WHERE id % 20 = 0;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
UPDATE p SET n = n + 1;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
VACUUM p;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
UPDATE p SET live = NOT live;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
BEGIN;
UPDATE p SET live = NOT live WHERE id < 1000;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
ROLLBACK;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
UPDATE p SET v = vec(id, 5, 2) WHERE NOT live;
UPDATE p SET live = true, v = NULL WHERE id < 100;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
DELETE FROM p WHERE id % 2 = 0;
VACUUM p;
SELECT * FROM same('p', '<->', vec(1, 5, 5), NULL, 'live');
SELECT * FROM same('p', '<->', vec(1, 5, 5), 10, 'live AND n % 7 = 0');
-- the index is as small as what it covers
CREATE INDEX p_few ON p USING zvec_hnsw (v) WHERE n = 7;
CREATE INDEX p_all ON p USING zvec_hnsw (v);
SELECT pg_relation_size('p_few') * 5 < pg_relation_size('p_all') AS smaller;

-- several segments of one column
SET pg_zvec.segment_capacity = 678;
CREATE TABLE s (id int, v zvec(9)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX s_v ON s USING zvec_hnsw (v);
INSERT INTO s SELECT i, vec(i, 9) FROM generate_series(1, 3000) i;
SELECT count(*) FROM zvec_segments('s');
SELECT * FROM same('s', '<->', vec(1, 9, 5));
VACUUM s;
SELECT * FROM same('s', '<->', vec(1, 9, 5));
SELECT recall('s', '<->', 9) >= 0.97 AS recall;
DELETE FROM s WHERE id BETWEEN 500 AND 1500;
SELECT * FROM same('s', '<->', vec(1, 9, 5));
VACUUM s;
INSERT INTO s SELECT i, vec(i, 9) FROM generate_series(3001, 5000) i;
UPDATE s SET v = vec(id, 9, 2) WHERE id % 5 = 0;
SELECT * FROM same('s', '<->', vec(1, 9, 5));
VACUUM s;
SELECT * FROM same('s', '<->', vec(1, 9, 5));
REINDEX INDEX s_v;
SELECT * FROM same('s', '<->', vec(1, 9, 5));
SELECT recall('s', '<->', 9) >= 0.97 AS recall;
SELECT * FROM same('s', '<->', vec(2, 9, 5), 10, 'id % 500 = 3');
RESET pg_zvec.segment_capacity;
SELECT * FROM zvec_check('s');
SET client_min_messages = warning;
DROP SCHEMA index_hnsw_scans CASCADE;
