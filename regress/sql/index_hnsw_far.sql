-- zvec_hnsw: scans that read farther than work_mem holds go on with passes over the vectors
CREATE SCHEMA index_hnsw_far;
SET search_path = index_hnsw_far, knn, public;
-- bytes of this session's own memory; shared buffers do not count
CREATE FUNCTION own_memory() RETURNS bigint LANGUAGE sql
AS $$ SELECT 1024 * substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+) kB')::bigint $$;

-- several segments, equal distances, rows without a vector
SET pg_zvec.segment_capacity = 10000;
CREATE TABLE t (id int, n int, v zvec(4)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i % 100, CASE WHEN i % 50 > 0 THEN vec(i / 2, 4) END FROM generate_series(1, 30000) i;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
RESET pg_zvec.segment_capacity;
ANALYZE t;
SET work_mem = '64kB';
SELECT * FROM same('t', '<->', vec(1, 4, 5));
SELECT number, once, in_order FROM unnest(ARRAY[300, 1500, 5000, 20000, 29000]) k, same('t', '<->', vec(2, 4, 5), k);
-- to a vector that thousands of others equal
INSERT INTO t SELECT i, 0, vec(7, 4) FROM generate_series(40001, 43000) i;
SELECT * FROM same('t', '<->', vec(7, 4));
SELECT * FROM same('t', '<->', vec(7, 4), 2500);
-- a condition that few rows fulfil, or none
SELECT * FROM same('t', '<->', vec(3, 4, 5), 20, 'id % 4000 = 7');
SELECT * FROM same('t', '<->', vec(3, 4, 5), 20, 'id < 0');
-- what waits for the graph, alone and beside it; what was deleted or changed
DELETE FROM t WHERE n < 20;
UPDATE t SET v = vec(id, 4, 2) WHERE n = 50;
UPDATE t SET id = -id WHERE n = 60;
INSERT INTO t SELECT i, i % 100, vec(i, 4) FROM generate_series(50001, 53000) i;
SELECT * FROM same('t', '<->', vec(4, 4, 5));
CREATE TABLE waiting (id int, v zvec(4)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX waiting_v ON waiting USING zvec_hnsw (v);
INSERT INTO waiting SELECT i, vec(i, 4) FROM generate_series(1, 5000) i;
SELECT * FROM same('waiting', '<->', vec(4, 4, 5));
SELECT * FROM same('waiting', '<->', vec(4, 4, 5), 7);
-- most of a graph is dead
BEGIN;
DELETE FROM t WHERE n < 95;
SELECT * FROM same('t', '<->', vec(4, 4, 5), 1300);
SELECT * FROM same('t', '<->', vec(4, 4, 5));
ROLLBACK;
VACUUM t;
SELECT * FROM same('t', '<->', vec(4, 4, 5));

-- a partial index: only what it has
CREATE TABLE p (id int, here bool, v zvec(4)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO p SELECT i, i % 3 = 0, vec(i, 4) FROM generate_series(1, 20000) i;
CREATE INDEX p_v ON p USING zvec_hnsw (v) WHERE here;
ANALYZE p;
UPDATE p SET here = NOT here WHERE id % 7 = 0;
INSERT INTO p SELECT i, i % 3 = 0, vec(i, 4) FROM generate_series(30001, 31000) i;
SELECT * FROM same('p', '<->', vec(5, 4, 5), NULL, 'here');
SELECT * FROM same('p', '<->', vec(5, 4, 5), 3000, 'here');
SET enable_seqscan = off;
SET enable_sort = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM p WHERE here ORDER BY v <-> NULL) x;
SELECT (SELECT count(*) FROM p WHERE here) AS there;

-- distances that are not numbers come last of all, infinite ones before them
CREATE TABLE odd (id int, v zvec(2)) USING zvec;
INSERT INTO odd SELECT i, CASE i % 3 WHEN 0 THEN '[0,0]' WHEN 1 THEN ARRAY[i, 1]::zvec END FROM generate_series(1, 6000) i;
CREATE INDEX odd_cosine ON odd USING zvec_hnsw (v zvec_cosine_ops);
CREATE INDEX odd_ip ON odd USING zvec_hnsw (v zvec_ip_ops);
SELECT * FROM same('odd', '<=>', '[1,1]');
SELECT * FROM same('odd', '<=>', '[1,1]', 3000);
SELECT * FROM same('odd', '<#>', '[3e38,3e38]');
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM odd ORDER BY v <=> NULL) x;

-- a cursor that goes on from the graph to the passes, while rows come, go and are repaired
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
DECLARE c NO SCROLL CURSOR FOR SELECT id, v <-> vec(10, 4, 5) AS d FROM t ORDER BY v <-> vec(10, 4, 5);
CREATE TEMP TABLE wanted AS SELECT id, v <-> vec(10, 4, 5) AS d FROM t;
SELECT pg_temp.fetch(100);
DELETE FROM t WHERE id % 3 = 0;
INSERT INTO t SELECT i, 1, vec(10, 4, 5) FROM generate_series(60001, 60100) i;
UPDATE t SET v = vec(10, 4, 5) WHERE n = 70;
SELECT pg_temp.fetch(3000);
SELECT count(*) > 0 AS optimized FROM zvec_optimize('t_v');
DELETE FROM t WHERE id % 5 = 0;
UPDATE t SET n = n + 1;
SELECT pg_temp.fetch(16500) AS into_the_second_pass;
INSERT INTO t SELECT i, 1, vec(10, 4, 5) FROM generate_series(60101, 60200) i;
SELECT pg_temp.fetch(100000) > 3000 AS the_rest;
SELECT count(*) = count(DISTINCT id) AS once, count(*) = (SELECT count(*) FROM wanted) AS as_many,
    count(*) FILTER (WHERE d < before) <= 1 AS in_order_but_for_late_ones
    FROM (SELECT *, lag(d) OVER (ORDER BY n) AS before FROM fetched) x;
SELECT count(*) FROM (SELECT id, d FROM fetched EXCEPT SELECT * FROM wanted) x;
ROLLBACK;
-- started anew while the passes run
SELECT count(*), count(DISTINCT (q.i, y.id)) FROM (VALUES (1), (2), (3)) q(i),
    LATERAL (SELECT id FROM t ORDER BY v <-> vec(q.i, 4, 5) LIMIT 4000) y;

-- what the graph was late to find comes at the end, in order
CREATE TABLE c (id int, v zvec(16)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO c SELECT i, clustered(i, 16, 300) FROM generate_series(1, 18000) i;
CREATE INDEX c_v ON c USING zvec_hnsw (v) WITH (m = 4, ef_construction = 8);
SET zvec.ef_search = 1;
SELECT count(*), count(DISTINCT id) AS ids, count(*) FILTER (WHERE d < before) <= 1 AS one_break
    FROM generate_series(1, 8) q, LATERAL (SELECT id, d, lag(d) OVER (ORDER BY n) AS before
        FROM (SELECT id, d, row_number() OVER () AS n FROM (SELECT id, v <-> clustered(q * 31, 16, 300) AS d FROM c ORDER BY 2) x) y) z
    GROUP BY q ORDER BY q;
SELECT count(*) > 0 AS some_late FROM generate_series(1, 8) q, LATERAL (SELECT d, max(d) OVER (ORDER BY n) AS farthest
    FROM (SELECT d, row_number() OVER () AS n FROM (SELECT v <-> clustered(q * 31, 16, 300) AS d FROM c ORDER BY 1) x) y) z WHERE d < farthest;
RESET zvec.ef_search;

-- memory stays within bounds, however far a scan reads; where work_mem allows, all is kept
CREATE TABLE many (id int, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO many SELECT i, ARRAY[i % 500, i / 500]::zvec FROM generate_series(1, 100000) i;
CREATE INDEX many_v ON many USING zvec_hnsw (v) WITH (m = 4, ef_construction = 16);
CREATE FUNCTION grown(distance int) RETURNS bigint LANGUAGE plpgsql SET enable_sort = off SET enable_seqscan = off AS $$
DECLARE c NO SCROLL CURSOR FOR SELECT id FROM many ORDER BY v <-> '[250,100]'; before bigint; after bigint;
BEGIN
    OPEN c;
    MOVE FORWARD 10 FROM c;
    before := own_memory();
    MOVE FORWARD distance FROM c;
    after := own_memory();
    CLOSE c;
    RETURN after - before;
END $$;
\c -
SET search_path = index_hnsw_far, knn, public;
SET work_mem = '64kB';
SELECT grown(20000) < 2500000 AS bounded, grown(60000) < 2500000 AS bounded_farther;
\c -
SET search_path = index_hnsw_far, knn, public;
SET work_mem = '1GB';
SELECT grown(60000) > 3000000 AS kept;
DROP TABLE many;

-- more pages than a session may remember the buffers of: some are looked for
\c -
SET search_path = index_hnsw_far, knn, public;
SET pg_zvec.hint_memory = '16kB';
CREATE TABLE wide (id int, v zvec(1900)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO wide SELECT i, array_fill((hashint4(i) / 2147483648.0)::real, ARRAY[1900])::zvec FROM generate_series(1, 6000) i;
CREATE INDEX wide_v ON wide USING zvec_hnsw (v) WITH (m = 4, ef_construction = 16);
SELECT pg_relation_size(reltoastrelid) / 8192 > 4096 AS more_pages FROM pg_class WHERE oid = 'wide'::regclass;
SELECT round, t.once AND t.in_order AND t.right_ones AND t.right_distances AS one, p.once AND p.in_order AND p.right_ones AND p.right_distances AS other,
    w.once AND w.in_order AND w.right_ones AND w.right_distances AS wide
    FROM generate_series(1, 3) round, same('t', '<->', vec(round, 4, 6), 40) t, same('p', '<->', vec(round, 4, 6), 40, 'here') p,
        same('wide', '<->', array_fill(round / 5.0::real, ARRAY[1900])::zvec, 3000 * round) w;
SELECT * FROM zvec_check('wide');
SHOW pg_zvec.hint_memory;
SET client_min_messages = warning;
DROP SCHEMA index_hnsw_far CASCADE;
