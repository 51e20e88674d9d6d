-- zvec_flat: what it returns is what a sequential scan and a sort return
CREATE SCHEMA index_flat;
SET search_path = index_flat, knn, public;
SET max_parallel_workers_per_gather = 0;
SELECT opcname, opcdefault, amvalidate(oid) FROM pg_opclass
WHERE opcmethod = (SELECT oid FROM pg_am WHERE amname = 'zvec_flat') ORDER BY opcname;
SELECT pg_indexam_has_property(oid, 'can_order') AS can_order, pg_indexam_has_property(oid, 'can_unique') AS can_unique,
    pg_indexam_has_property(oid, 'can_multi_col') AS can_multi_col, pg_indexam_has_property(oid, 'can_include') AS can_include
FROM pg_am WHERE amname = 'zvec_flat';

-- ties, NULL vectors and zero vectors, all metrics, vectors on one page and across pages
CREATE TABLE t (id int, v zvec(37), note text, n int) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT id, array_agg((sin(id % 1500 * 12.9898 + i * 78.233 + (id % 1500) * i * 0.37) * 10)::real ORDER BY i)::zvec, 'n' || id, id % 10
FROM generate_series(1, 2000) id, generate_series(1, 37) i GROUP BY id;
INSERT INTO t SELECT 3000 + i, NULL, 'null', i % 10 FROM generate_series(1, 20) i;
INSERT INTO t SELECT 4000 + i, array_fill(0::real, ARRAY[37])::zvec, 'zero', i FROM generate_series(1, 3) i;
CREATE INDEX t_l2 ON t USING zvec_flat (v);
CREATE INDEX t_ip ON t USING zvec_flat (v zvec_ip_ops);
CREATE INDEX t_cosine ON t USING zvec_flat (v zvec_cosine_ops);
CREATE INDEX t_l1 ON t USING zvec_flat (v zvec_l1_ops);
SELECT relname, reltuples, pg_relation_size(oid) / current_setting('block_size')::int AS blocks FROM pg_class WHERE relname IN ('t_l2', 't_cosine') ORDER BY relname;
ANALYZE t;
CREATE TABLE q (id int PRIMARY KEY, v zvec(37)) USING zvec;
INSERT INTO q SELECT id, v FROM t WHERE id IN (1, 500, 999);
INSERT INTO q VALUES (4001, array_fill(0::real, ARRAY[37])::zvec);
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <=> (SELECT v FROM q WHERE id = 1) LIMIT 10;
SELECT q.id, operator, (compared('t', operator, q.v::text)).*, (compared('t', operator, q.v::text, rows => 10)).*
FROM q, unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator ORDER BY q.id, operator;
-- a query in another place: the stored vector itself, the operands swapped
SELECT id FROM t ORDER BY (SELECT v FROM t WHERE id = 77) <-> v, id LIMIT 2;
SELECT id, v <-> (SELECT v FROM t WHERE id = 77) AS d FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 77) LIMIT 3;
-- with conditions: output grows until there are enough rows
SELECT (compared('t', '<->', v::text, 'n = 3', 5)).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'id = 1234', 1)).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'id > 1990')).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'v IS NULL')).* FROM q WHERE id = 1;
SELECT (compared('t', '<->', v::text, 'v <-> ' || quote_literal(v::text) || ' < 40')).* FROM q WHERE id = 500;
-- a NULL query orders nothing
SET enable_seqscan = off;
SELECT count(*), count(v) FROM (SELECT * FROM t ORDER BY v <-> NULL) s;
SELECT count(*), count(DISTINCT id) FROM (SELECT * FROM t ORDER BY v <-> (SELECT NULL::zvec)) s;
-- never without ORDER BY, however discouraged the alternatives
EXPLAIN (COSTS OFF) SELECT count(*) FROM t;
SELECT count(*) FROM t;
-- nor in another order
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1) DESC LIMIT 1;
RESET enable_seqscan;
-- wrong dimensions
SELECT id FROM t ORDER BY v <-> '[1,2]' LIMIT 1;

-- one's own uncommitted rows, rolled-back ones, deleted ones
CREATE VIEW compared_all AS SELECT q.id, (compared('index_flat.t', '<->', q.v::text)).*, (compared('index_flat.t', '<=>', q.v::text, rows => 1100)).verdict AS first_rows FROM q;
BEGIN;
INSERT INTO t SELECT id + 10000, v, 'own', n FROM t WHERE id <= 100;
DELETE FROM t WHERE id % 7 = 0;
UPDATE t SET v = v * v WHERE id % 11 = 0;
SELECT * FROM compared_all ORDER BY id;
SAVEPOINT s;
INSERT INTO t SELECT id + 20000, v, 'rolled back', n FROM t WHERE id <= 100;
DELETE FROM t WHERE id % 5 = 0;
UPDATE t SET note = note || note WHERE id % 3 = 0;
SELECT * FROM compared_all ORDER BY id;
ROLLBACK TO s;
SELECT * FROM compared_all ORDER BY id;
DECLARE before_update CURSOR FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM q WHERE id = 1);
FETCH 2 FROM before_update;
UPDATE t SET v = (SELECT v FROM q WHERE id = 999);
MOVE FORWARD 1500 FROM before_update;
SELECT count(*) FROM t WHERE v IS NULL;
SELECT * FROM compared_all ORDER BY id;
ROLLBACK;
SELECT * FROM compared_all ORDER BY id;
DELETE FROM t WHERE id % 7 = 0;
-- updates of other columns, HOT and not
CREATE INDEX t_n ON t (n);
UPDATE t SET note = note || '!' WHERE id % 3 = 0;
UPDATE t SET n = n + 1 WHERE id % 4 = 0;
UPDATE t SET n = n + 1 WHERE id % 8 = 0;
UPDATE t SET v = v + v WHERE id % 9 = 0;
SELECT * FROM compared_all ORDER BY id;
VACUUM t;
SELECT * FROM compared_all ORDER BY id;
INSERT INTO t SELECT id + 30000, v - (SELECT v FROM q WHERE id = 1), 'reused', n FROM t WHERE id <= 200;
SELECT * FROM compared_all ORDER BY id;
VACUUM FULL t;
SELECT * FROM compared_all ORDER BY id;
REINDEX TABLE t;
REINDEX INDEX CONCURRENTLY t_cosine;
SELECT * FROM compared_all ORDER BY id;
SELECT * FROM zvec_check('t');

-- vectors whose pages are fetched ahead: of less than a page, of more, with gaps between
CREATE TABLE abreast (id int, v zvec(237)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO abreast SELECT a.id * 10000 + b.id, array_fill((a.id % 17 / 4.0)::real, ARRAY[200])::zvec || a.v * b.v
FROM t a, t b WHERE a.id BETWEEN 1 AND 90 AND b.id BETWEEN 100 AND 170 AND a.v IS NOT NULL AND b.v IS NOT NULL;
CREATE TABLE abreast_wide (id int, v zvec(2137)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO abreast_wide SELECT id, array_fill((id % 7 / 4.0)::real, ARRAY[1800])::zvec || v || array_fill((id % 3)::real, ARRAY[100])::zvec FROM abreast WHERE id % 3 > 0;
INSERT INTO abreast VALUES (1, array_fill(0::real, ARRAY[237])), (2, array_fill(1e20::real, ARRAY[237])), (3, array_fill(1e-30::real, ARRAY[237])), (4, NULL);
DELETE FROM abreast WHERE id % 13 = 0 OR id BETWEEN 300000 AND 420000;
DELETE FROM abreast_wide WHERE id % 11 = 0;
CREATE INDEX ON abreast USING zvec_flat (v);
CREATE INDEX ON abreast USING zvec_flat (v zvec_ip_ops);
CREATE INDEX ON abreast USING zvec_flat (v zvec_cosine_ops);
CREATE INDEX ON abreast USING zvec_flat (v zvec_l1_ops);
CREATE INDEX ON abreast_wide USING zvec_flat (v);
CREATE INDEX ON abreast_wide USING zvec_flat (v zvec_ip_ops);
CREATE INDEX ON abreast_wide USING zvec_flat (v zvec_cosine_ops);
CREATE INDEX ON abreast_wide USING zvec_flat (v zvec_l1_ops);
ANALYZE abreast, abreast_wide;
SELECT count(*) > 3000 AS enough FROM abreast;
SELECT count(*) > 2200 AS enough FROM abreast_wide;
SELECT q.id, operator, (compared('abreast', operator, q.v::text)).verdict, (compared('abreast', operator, q.v::text, rows => 10)).verdict, (compared('abreast', operator, q.v::text, rows => 1500)).verdict
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator, (SELECT id, v FROM abreast WHERE id IN (3, 100101, 700155)) q ORDER BY q.id, operator;
SELECT operator, (compared('abreast_wide', operator, q.v::text)).verdict, (compared('abreast_wide', operator, q.v::text, rows => 10)).verdict
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator, (SELECT v FROM abreast_wide ORDER BY id LIMIT 1) q ORDER BY operator;
-- by threads (where there are processors): the same, with segments, rows that are gone, own changes, and more than one pass
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SELECT q.id, operator, (compared('abreast', operator, q.v::text)).verdict, (compared('abreast', operator, q.v::text, rows => 10)).verdict
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator, (SELECT id, v FROM abreast WHERE id IN (3, 100101, 700155)) q ORDER BY q.id, operator;
SELECT operator, (compared('abreast_wide', operator, q.v::text)).verdict, (compared('abreast_wide', operator, q.v::text, rows => 10)).verdict
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator, (SELECT v FROM abreast_wide ORDER BY id LIMIT 1) q ORDER BY operator;
BEGIN;
DELETE FROM abreast WHERE id % 3 = 0;
UPDATE abreast SET v = (SELECT v FROM abreast WHERE id > 500000 ORDER BY id LIMIT 1) WHERE id % 7 = 0;
INSERT INTO abreast SELECT -id, v FROM abreast WHERE id % 11 = 0;
SELECT operator, (compared('abreast', operator, q.v::text)).verdict, (compared('abreast', operator, q.v::text, rows => 300)).verdict
FROM unnest(ARRAY['<->', '<=>']) operator, (SELECT v FROM abreast WHERE id > 500000 ORDER BY id LIMIT 1) q ORDER BY operator;
ROLLBACK;
DELETE FROM abreast WHERE id % 3 = 0;
VACUUM abreast;
SELECT operator, (compared('abreast', operator, q.v::text)).verdict, (compared('abreast', operator, q.v::text, rows => 10)).verdict
FROM unnest(ARRAY['<->', '<=>']) operator, (SELECT v FROM abreast WHERE id > 500000 ORDER BY id LIMIT 1) q ORDER BY operator;
-- a temporary table's buffers are its session's own
CREATE TEMP TABLE abreast_temp USING zvec AS SELECT id, v FROM abreast;
CREATE INDEX ON abreast_temp USING zvec_flat (v);
ANALYZE abreast_temp;
SELECT (compared('abreast_temp', '<->', v::text)).verdict FROM abreast WHERE id > 500000 ORDER BY id LIMIT 1;
RESET min_parallel_table_scan_size;
SET max_parallel_workers_per_gather = 0;
DROP TABLE abreast, abreast_wide, abreast_temp;

-- rows that the session adds while a scan of its is under way, on pages that there were not when it began
CREATE TABLE grows (id int, v zvec(700)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO grows SELECT i, array_fill((i % 97)::real, ARRAY[700])::zvec FROM generate_series(1, 600) i;
CREATE INDEX ON grows USING zvec_flat (v);
ANALYZE grows;
SET enable_seqscan = off;
DO $$
DECLARE r record; n int := 0;
BEGIN
    FOR r IN SELECT id, v FROM grows ORDER BY v <-> array_fill(50::real, ARRAY[700])::zvec LOOP
        n := n + 1;
        INSERT INTO grows VALUES (1000 + r.id, r.v);
    END LOOP;
    RAISE NOTICE '% rows', n;
END $$;
RESET enable_seqscan;
SELECT count(*), count(DISTINCT id) FROM grows;
DROP TABLE grows;

-- parallel scans: each participant returns its share in order (a table too small for threads of one process)
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE t SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1]' LIMIT 10;
SELECT operator, (compared('t', operator, q.v::text)).*, (compared('t', operator, q.v::text, rows => 10)).*
FROM q, unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator WHERE q.id = 500 ORDER BY operator;
BEGIN;
UPDATE t SET n = n + 1 WHERE id % 2 = 0;
UPDATE t SET note = note || '?', n = n + 1 WHERE id % 4 = 0;
DELETE FROM t WHERE id % 5 = 0;
INSERT INTO t SELECT id + 50000, v, 'own', n FROM t WHERE id <= 100;
SELECT * FROM compared_all ORDER BY id;
SELECT (compared('t', '<->', q.v::text, 'n = 3', 5)).* FROM q WHERE id = 1;
ROLLBACK;
SELECT * FROM compared_all ORDER BY id;
SET parallel_leader_participation = off;
SELECT * FROM compared_all ORDER BY id;
RESET parallel_leader_participation;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) = count(*) AS once FROM (SELECT * FROM t ORDER BY v <-> (SELECT NULL::zvec)) s;
RESET enable_seqscan;
SET max_parallel_workers_per_gather = 0;

-- the output of one scan in several passes, beyond the passes' limits, also with little memory
CREATE TABLE many (id int, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
SET pg_zvec.segment_capacity = 5000;
INSERT INTO many SELECT i, ARRAY[i % 173, i % 101]::real[]::zvec FROM generate_series(1, 40000) i;
INSERT INTO many SELECT -i, NULL FROM generate_series(1, 10) i;
RESET pg_zvec.segment_capacity;
CREATE INDEX ON many USING zvec_flat (v zvec_l1_ops);
CREATE INDEX ON many USING zvec_flat (v zvec_cosine_ops);
ANALYZE many;
SELECT count(*) FROM zvec_segments('many');
SET work_mem = '64kB';
SELECT operator, (compared('many', operator, '[50,50.5]')).* FROM unnest(ARRAY['<+>', '<=>']) operator;
SELECT rows, (compared('many', '<+>', '[50,50.5]', rows => rows)).* FROM unnest(ARRAY[1, 999, 1000, 1001, 17000, 17001, 40005]) rows;
ALTER TABLE many SET (parallel_workers = 2);
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT id FROM many ORDER BY v <+> '[1,1]' LIMIT 10;
SELECT rows, (compared('many', '<+>', '[50,50.5]', rows => rows)).* FROM unnest(ARRAY[1, 3001, 17001, 40005, NULL]) rows;
SET max_parallel_workers_per_gather = 0;
RESET work_mem;
-- an invisible majority
BEGIN;
DELETE FROM many WHERE id % 1000 <> 0;
SELECT (compared('many', '<+>', '[50,50.5]', rows => 20)).*, (compared('many', '<+>', '[50,50.5]')).*;
COMMIT;
SELECT (compared('many', '<+>', '[50,50.5]', rows => 20)).*, (compared('many', '<+>', '[50,50.5]')).*;
VACUUM many;
SELECT (compared('many', '<+>', '[50,50.5]', rows => 20)).*, (compared('many', '<+>', '[50,50.5]')).*;
TRUNCATE many;
SELECT (compared('many', '<+>', '[50,50.5]')).*;
INSERT INTO many SELECT i, ARRAY[i, 1]::real[]::zvec FROM generate_series(1, 10) i;
SELECT (compared('many', '<+>', '[3,3]')).*;

-- partial indexes: rows that enter and leave, without a new vector
CREATE TABLE p (id int, v zvec(3), kind int, note text) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO p SELECT i, CASE WHEN i % 50 > 0 THEN ARRAY[sin(i), cos(i), i % 13]::real[]::zvec END, i % 100, 'x' FROM generate_series(1, 3000) i;
CREATE INDEX p_one ON p USING zvec_flat (v) WHERE kind = 1;
CREATE INDEX p_none ON p USING zvec_flat (v zvec_l1_ops) WHERE kind = 1000;
ANALYZE p;
CREATE VIEW compared_partial AS SELECT (compared('index_flat.p', '<->', '[0.5,0.5,3]', 'kind = 1')).*, (compared('index_flat.p', '<->', '[0.5,0.5,3]', 'kind = 1', 3)).verdict AS first_rows;
EXPLAIN (COSTS OFF) SELECT id FROM p WHERE kind = 1 ORDER BY v <-> '[0.5,0.5,3]';
SELECT * FROM compared_partial;
UPDATE p SET kind = 2 WHERE kind = 1 AND id % 3 = 0;
UPDATE p SET kind = 1 WHERE kind = 50;
UPDATE p SET kind = 1 WHERE kind = 7 AND id % 2 = 1;
SELECT * FROM compared_partial;
BEGIN;
UPDATE p SET kind = 1 WHERE kind = 9;
UPDATE p SET kind = 9 WHERE id % 100 = 1;
SELECT * FROM compared_partial;
ROLLBACK;
SELECT * FROM compared_partial;
VACUUM p;
SELECT * FROM compared_partial;
SELECT (compared('p', '<+>', '[0,0,0]', 'kind = 1000')).*;
-- another condition does not use it
EXPLAIN (COSTS OFF) SELECT id FROM p WHERE kind = 2 ORDER BY v <-> '[0.5,0.5,3]';
-- a condition that fails says so in full
CREATE FUNCTION fails(int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF $1 = 5 THEN RAISE 'not %', $1 USING HINT = 'a hint', ERRCODE = 'ZZ001'; END IF; RETURN true; END $$;
CREATE TABLE failing (id int, v zvec(1)) USING zvec;
CREATE INDEX ON failing USING zvec_flat (v) WHERE fails(id);
INSERT INTO failing VALUES (1, '[1]'), (2, '[2]');
SET enable_seqscan = off;
SELECT id FROM failing WHERE fails(id) ORDER BY v <-> '[0]';
DROP INDEX failing_v_idx;
INSERT INTO failing VALUES (5, '[0]');
CREATE INDEX ON failing USING zvec_flat (v) WHERE fails(id);
RESET enable_seqscan;

-- joins that scan anew for each row; prepared statements; a subquery in the select list
SELECT q.id AS query, array_agg(n.id ORDER BY n.d, n.id) FROM q CROSS JOIN LATERAL (SELECT id, t.v <-> q.v AS d FROM t WHERE id < 3000 ORDER BY t.v <-> q.v LIMIT 3) n GROUP BY q.id ORDER BY q.id;
EXPLAIN (COSTS OFF) SELECT * FROM q CROSS JOIN LATERAL (SELECT id FROM t ORDER BY t.v <-> q.v LIMIT 3) n;
SELECT count(*), count(DISTINCT (q.id, n.id)) FROM q CROSS JOIN LATERAL (SELECT id FROM t ORDER BY t.v <-> q.v LIMIT 1200) n;
SELECT count(*) FROM (VALUES ('[1,2,3]'::zvec), (NULL), ('[3,2,1]')) x(v) CROSS JOIN LATERAL (SELECT id FROM p ORDER BY p.v <-> x.v LIMIT 3) n;
PREPARE nearest(zvec, int) AS SELECT id FROM t ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE nearest('[1]', 3);
SELECT v AS v1234 FROM t WHERE id = 1234 \gset
SELECT v AS v1235 FROM t WHERE id = 1235 \gset
EXECUTE nearest(:'v1234', 1);
EXECUTE nearest(:'v1235', 1);
EXECUTE nearest(NULL, 0);
EXECUTE nearest('[1,2]', 1);
RESET plan_cache_mode;
SELECT q.id, (SELECT t.id FROM t WHERE t.id <> q.id AND t.id <> q.id + 1500 ORDER BY t.v <-> q.v LIMIT 1) = (SELECT t.id FROM t WHERE t.id <> q.id AND t.id <> q.id + 1500 ORDER BY (t.v <-> q.v) + 0, t.id LIMIT 1) AS same FROM q WHERE q.id < 4000 ORDER BY q.id;

-- a cursor goes on where it was; backwards it may be told to scroll
BEGIN;
DECLARE forward CURSOR FOR SELECT id FROM many ORDER BY v <+> '[0,0]';
FETCH 3 FROM forward;
FETCH ALL FROM forward;
DECLARE there_and_back SCROLL CURSOR FOR SELECT id FROM many ORDER BY v <+> '[0,0]';
FETCH 3 FROM there_and_back;
FETCH BACKWARD 2 FROM there_and_back;
FETCH ABSOLUTE 9 FROM there_and_back;
COMMIT;

-- SELECT ... FOR UPDATE, UPDATE and DELETE of the nearest
BEGIN;
SELECT id FROM many ORDER BY v <+> '[4,1]' LIMIT 1 FOR UPDATE;
UPDATE many SET id = id + 100 WHERE id = (SELECT id FROM many ORDER BY v <+> '[4,1]' LIMIT 1);
DELETE FROM many WHERE id = (SELECT id FROM many ORDER BY v <+> '[5,1]' LIMIT 1);
SELECT id FROM many ORDER BY v <+> '[4.4,1]' LIMIT 3;
COMMIT;

-- temporary and unlogged tables, partitions, a domain, a dropped column before, two vector columns
CREATE TEMP TABLE temporary (id int, v zvec(2)) USING zvec;
CREATE INDEX ON temporary USING zvec_flat (v);
INSERT INTO temporary SELECT i, ARRAY[i, i]::real[]::zvec FROM generate_series(1, 3000) i;
SELECT (compared('temporary', '<->', '[7,7]')).*;
CREATE UNLOGGED TABLE unlogged (id int, v zvec(2)) USING zvec;
CREATE INDEX unlogged_v ON unlogged USING zvec_flat (v);
INSERT INTO unlogged SELECT i, ARRAY[i, i]::real[]::zvec FROM generate_series(1, 300) i;
SELECT (compared('unlogged', '<->', '[7,7]')).*;
ALTER TABLE unlogged SET LOGGED;
SELECT (compared('unlogged', '<->', '[7,7]')).*;
CREATE TABLE parts (id int, v zvec(2)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100) USING zvec;
CREATE INDEX ON parts USING zvec_flat (v);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200) USING zvec;
INSERT INTO parts SELECT i, ARRAY[i % 77, i]::real[]::zvec FROM generate_series(0, 199) i;
SELECT (compared('parts', '<->', '[7,7]')).*, (compared('parts', '<->', '[7,107]', rows => 5)).*;
CREATE DOMAIN pair AS zvec(2);
CREATE TABLE two (gone int, id int, w zvec(3), v pair) USING zvec;
ALTER TABLE two DROP COLUMN gone;
INSERT INTO two SELECT i, ARRAY[i, i, i]::real[]::zvec, ARRAY[i, -i]::real[]::zvec FROM generate_series(1, 100) i;
CREATE INDEX ON two USING zvec_flat (v);
CREATE INDEX ON two USING zvec_flat (w);
SELECT (compared('two', '<->', '[7,-7]')).*;
SELECT id FROM two ORDER BY w <-> '[7,7,7.1]' LIMIT 2;

-- wide vectors, over several pages each
CREATE TABLE wide (id int, v zvec(16000)) USING zvec;
INSERT INTO wide SELECT id, array_agg(cos(id * 1.7 + i * 0.77)::real ORDER BY i)::zvec FROM generate_series(1, 12) id, generate_series(1, 16000) i GROUP BY id;
CREATE INDEX ON wide USING zvec_flat (v);
CREATE INDEX ON wide USING zvec_flat (v zvec_cosine_ops);
SELECT operator, (compared('wide', operator, v::text)).* FROM wide, unnest(ARRAY['<->', '<=>']) operator WHERE id = 5;

SET client_min_messages = warning;
DROP SCHEMA index_flat CASCADE;
