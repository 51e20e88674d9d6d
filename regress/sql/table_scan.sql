-- every kind of scan reads the vectors of a zvec table
CREATE SCHEMA table_scan;
SET search_path = table_scan, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
CREATE TABLE t (id int, grp int, pad text, v zvec(8)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i % 50, repeat('p', 200), CASE WHEN i % 7 <> 0 THEN vec(i, 8) END FROM generate_series(1, 5000) i;
CREATE INDEX t_id ON t (id);
CREATE INDEX t_grp ON t (grp);
-- versions of every age
DELETE FROM t WHERE id % 10 = 1;
UPDATE t SET v = vec(id + 1, 8) WHERE id % 10 = 2;
UPDATE t SET pad = repeat('q', 200) WHERE id % 10 = 3;
UPDATE t SET grp = grp + 100 WHERE id % 10 = 4;
ANALYZE t;
-- how many rows are as they must be, of how many
CREATE FUNCTION right_rows(query text, OUT rows bigint, OUT "right" bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($q$SELECT count(*), count(*) FILTER (WHERE id %% 10 <> 1 AND v IS NOT DISTINCT FROM
        CASE WHEN id %% 10 = 2 THEN table_scan.vec(id + 1, 8) WHEN id %% 7 <> 0 THEN table_scan.vec(id, 8) END)
        FROM (%s) s$q$, query) INTO rows, "right";
END $$;

-- sequential
SELECT * FROM right_rows('SELECT * FROM t');
SELECT * FROM right_rows('SELECT * FROM t WHERE pad LIKE ''q%''');
SELECT id, v FROM t WHERE id BETWEEN 1 AND 8 ORDER BY id;

-- index, forward and backward
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE id BETWEEN 100 AND 900;
SELECT * FROM right_rows('SELECT * FROM t WHERE id BETWEEN 100 AND 900');
SELECT * FROM right_rows('SELECT * FROM t WHERE id BETWEEN 100 AND 900 ORDER BY id DESC');
EXPLAIN (COSTS OFF) SELECT id, v FROM t ORDER BY id DESC LIMIT 4;
SELECT id, v FROM t ORDER BY id DESC LIMIT 4;
SELECT * FROM right_rows('SELECT * FROM t WHERE grp >= 100');
-- index only: before VACUUM the rows are asked, after it the visibility map
EXPLAIN (COSTS OFF) SELECT count(id) FROM t WHERE id < 1000;
SELECT count(id) FROM t WHERE id < 1000;
VACUUM t;
SELECT count(id) FROM t WHERE id < 1000;
RESET enable_bitmapscan;
SELECT * FROM zvec_check('t');

-- bitmap
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE grp = 8 OR id < 100;
SELECT * FROM right_rows('SELECT * FROM t WHERE grp = 8 OR id < 100');
SELECT count(*) FROM t WHERE grp = 8 OR id < 100;
-- bitmap, lossy: a page of the bitmap stands for all of its rows
SET work_mem = '64kB';
CREATE TABLE wide (id int, k int, v zvec(3), pad text) USING zvec WITH (fillfactor = 10);
INSERT INTO wide SELECT i, i % 4, vec(i, 3), repeat('w', 80) FROM generate_series(1, 20000) i;
CREATE INDEX wide_k ON wide (k);
VACUUM ANALYZE wide;
CREATE FUNCTION lossy(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text; lossy boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        lossy := lossy OR line ~ 'Heap Blocks:.* lossy=[1-9]';
    END LOOP;
    RETURN lossy;
END $$;
SELECT lossy('SELECT * FROM wide WHERE k = 1');
SELECT count(*), count(*) FILTER (WHERE v = vec(id, 3)), sum(id) FROM wide WHERE k = 1;
RESET work_mem;
SELECT lossy('SELECT * FROM wide WHERE k = 1');
SELECT count(*), count(*) FILTER (WHERE v = vec(id, 3)), sum(id) FROM wide WHERE k = 1;
SELECT * FROM zvec_check('wide');
RESET enable_indexscan;
RESET enable_indexonlyscan;
RESET enable_seqscan;

-- TID and TID range
CREATE TABLE few (id int, v zvec(2)) USING zvec;
INSERT INTO few SELECT i, vec(i, 2) FROM generate_series(1, 6) i;
DELETE FROM few WHERE id = 2;
UPDATE few SET v = '[9,9]' WHERE id = 3;
EXPLAIN (COSTS OFF) SELECT ctid, * FROM few WHERE ctid = '(0,4)';
SELECT ctid, * FROM few WHERE ctid = '(0,4)';
SELECT ctid, * FROM few WHERE ctid IN ('(0,2)', '(0,3)', '(0,7)', '(5,1)');
SELECT ctid, * FROM few WHERE ctid = ANY (ARRAY['(0,5)', '(0,6)']::tid[]) ORDER BY id DESC;
EXPLAIN (COSTS OFF) SELECT ctid, * FROM few WHERE ctid > '(0,4)' AND ctid <= '(0,7)';
SELECT ctid, * FROM few WHERE ctid > '(0,4)' AND ctid <= '(0,7)';
SELECT ctid, * FROM few WHERE ctid < '(0,2)';
UPDATE few SET v = v + '[1,1]' WHERE ctid = '(0,7)' RETURNING ctid, *;
DELETE FROM few WHERE ctid = '(0,8)' RETURNING *;
-- joins by TID
SELECT a.id, b.v FROM few a JOIN few b ON a.ctid = b.ctid ORDER BY a.id;
SELECT * FROM right_rows($$ SELECT * FROM t WHERE ctid >= '(10,0)' AND ctid < '(20,0)' $$) r WHERE rows <> "right" OR rows = 0;
SELECT * FROM zvec_check('few');

-- TABLESAMPLE
SELECT * FROM right_rows('SELECT * FROM t TABLESAMPLE system (100)');
SELECT * FROM right_rows('SELECT * FROM t TABLESAMPLE bernoulli (100)');
SELECT rows = "right" AS all_right, rows BETWEEN 1 AND 4499 AS some FROM right_rows('SELECT * FROM t TABLESAMPLE system (50) REPEATABLE (1)');
SELECT rows = "right" AS all_right, rows BETWEEN 1500 AND 3000 AS some FROM right_rows('SELECT * FROM t TABLESAMPLE bernoulli (50) REPEATABLE (2)');
SELECT rows, "right" FROM right_rows('SELECT * FROM t TABLESAMPLE system (0)');

-- parallel: sequential, index, index only, bitmap
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
EXPLAIN (COSTS OFF) SELECT count(*), sum(v) FROM t;
SELECT count(*), sum(v) = (SELECT sum(CASE WHEN id % 10 = 2 THEN vec(id + 1, 8) WHEN id % 7 <> 0 THEN vec(id, 8) END)
    FROM generate_series(1, 5000) id WHERE id % 10 <> 1) AS "right" FROM t;
SET parallel_leader_participation = off;
-- vectors that a worker reads and the leader looks at
SELECT count(*) FILTER (WHERE v = vec(id, 8)) FROM (SELECT id, v FROM t WHERE pad LIKE 'p%' AND id % 10 > 4 OFFSET 0) s;
SELECT id, v FROM t WHERE pad NOT LIKE 'z%' AND id < 6 ORDER BY v, id;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT count(v) FROM t WHERE id > 2500;
SELECT count(v), count(*) FILTER (WHERE v = vec(id, 8)) FROM t WHERE id > 2500 AND id % 10 > 2;
RESET enable_bitmapscan;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT count(v) FROM wide WHERE k < 2;
SELECT count(v), count(*) FILTER (WHERE v = vec(id, 3)), sum(id) FROM wide WHERE k < 2;
SET work_mem = '64kB';
SELECT count(v), count(*) FILTER (WHERE v = vec(id, 3)), sum(id) FROM wide WHERE k < 2;
RESET ALL;
SET search_path = table_scan, public;
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA table_scan CASCADE;
