-- Conditions that a scan of a graph tests on the table's pages, and rows that sets of addresses lead to: what is returned is what a sort
-- of all rows gives, whatever the rows look like and whoever has changed them.
SET client_min_messages = warning;
CREATE SCHEMA graph_scan_pages;
SET search_path = graph_scan_pages, knn, public;
SET max_parallel_workers_per_gather = 0;
CREATE TYPE mood AS ENUM ('low', 'middle', 'high');
CREATE DOMAIN share AS numeric CHECK (VALUE >= 0);
-- columns of every kind before and behind the vectors, NULLs, short and long ones, one that is gone, and one that rows are older than
CREATE TABLE t (flag bool, small int2, gone text, name text, v zvec(8), c "char", id int NOT NULL, big int8, f4 float4, f8 float8, day date,
    at timestamptz, u uuid, m mood, n numeric, s share, code char(5), note text) USING zvec WITH (autovacuum_enabled = off, fillfactor = 70);
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
INSERT INTO t (flag, small, name, v, c, id, big, f4, f8, day, at, u, m, n, s, code, note)
SELECT i % 3 = 0, CASE WHEN i % 7 > 0 THEN i % 100 END, CASE WHEN i % 11 > 0 THEN repeat('n' || i % 50, i % 5 * 30 + 1) END,
    vec(i, 8), chr(65 + i % 20)::"char", i, CASE WHEN i % 13 > 0 THEN i::int8 << 33 END, i % 40 / 4.0::float4, CASE WHEN i % 17 = 0 THEN 'NaN' ELSE -(i % 60)::float8 END,
    '2026-01-01'::date + i % 365, CASE WHEN i % 5 > 0 THEN '2026-01-01 00:00Z'::timestamptz + i * interval '1 hour' END, md5((i % 80)::text)::uuid,
    CASE WHEN i % 19 > 0 THEN ('{low,middle,high}'::mood[])[i % 3 + 1] END, i % 30 / 2.0, i % 25, 'c' || i % 90, CASE WHEN i % 100 = 0 THEN repeat(md5(i::text), 100) ELSE 'a' END
FROM generate_series(first, last) i $$;
SELECT fill(1, 4000);
ALTER TABLE t DROP COLUMN gone;
ALTER TABLE t ADD COLUMN late int DEFAULT 7;
SELECT fill(4001, 4200);
UPDATE t SET late = NULL WHERE id % 50 = 1;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
-- versions in place, elsewhere, dead, and of transactions that failed
UPDATE t SET small = 5 WHERE id % 20 = 3;
UPDATE t SET name = 'n7' WHERE id % 40 = 4;
DELETE FROM t WHERE id % 33 = 0;
BEGIN;
UPDATE t SET small = 6 WHERE id % 10 = 5;
ROLLBACK;
ANALYZE t;
CREATE TABLE conditions (at int GENERATED ALWAYS AS IDENTITY, condition text, on_pages bool);
INSERT INTO conditions (condition, on_pages) SELECT c, true FROM unnest(ARRAY[
    'small = 5', 'small IS NULL AND id < 1500', 'small <> 5 AND small < 3', '97 <= small', 'small = ANY (''{1,2,NULL}'')', 'small = 5 AND NOT flag', 'flag AND small IN (3, 6)',
    'big > 4000::int8 << 33', 'big IS NULL AND id > 3000', 'id BETWEEN 100 AND 130', 'f4 = 2.25 AND id < 2000', 'f8 = ''NaN'' AND id < 900', 'f8 < -57', 'f8 = f8 + 0 OR id < 30',
    'day = ''2026-03-01''', 'day < ''2026-01-03''::timestamp', 'at < ''2026-01-02 00:00Z''', 'at IS NULL AND id < 300', 'u = md5(''7'')::uuid', 'm = ''high'' AND small = 11', 'n = 3.50 AND id < 1000',
    's = 4.0 AND id > 3000', 'code = ''c8''', 'c = ''D'' AND id < 900', 'name = ''n7''', 'name = repeat(''n7'', 61) OR id < 12', 'name IS NULL AND id < 600',
    'late IS NULL', 'late = 7 AND id > 4100', 'late = 7 AND small = 5', 'note = ''a'' AND id < 40', 'note = repeat(md5(''500''), 100)', 'small = 5 AND (id < 200 OR day = ''2026-03-01'')',
    'flag IS NOT TRUE AND id < 60', 'flag IS UNKNOWN', 'small = NULLIF(id, id) OR id = 9', 'id = -5']) c;
-- not these, or not all of them
INSERT INTO conditions (condition, on_pages) SELECT c, false FROM unnest(ARRAY['id % 50 = 3', 'small = 5 AND id % 3 = 0', 'name LIKE ''n7%''', 'row(id, small) < row(30, 5)', 'name < ''n1'' AND id < 900']) c;
-- with as many rows as there are, and with some: the same rows at the same distances as by a sort; whether rows were tested on their pages
CREATE FUNCTION compared(condition text, rows text, OUT same bool, OUT plan bool, OUT tested bool) LANGUAGE plpgsql AS $$
DECLARE query text := format('SELECT id, v <-> %1$L AS d FROM t WHERE %2$s ORDER BY v <-> %1$L LIMIT %3$s', vec(77, 8), condition, rows);
    node jsonb; here text; there text; as_text text := format('SELECT string_agg(d || '' '' || id, '','' ORDER BY d, id) FROM (%s) s', query);
BEGIN
    PERFORM set_config('enable_sort', 'off', true), set_config('zvec.enable_exact_scan', 'off', true), set_config('zvec.ef_search', '1000', true);
    EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) ' || query INTO node;
    node := node #> '{0,Plan,Plans,0}';
    plan := node ->> 'Custom Plan Provider' IS NOT DISTINCT FROM 'ZvecGraphScan';
    tested := (node ->> 'Rows Tested on Pages')::numeric > (node ->> 'Rows Asked')::numeric;
    EXECUTE as_text INTO here;
    PERFORM set_config('enable_sort', 'on', true), set_config('enable_indexscan', 'off', true), set_config('zvec.enable_graph_scan', 'off', true);
    EXECUTE as_text INTO there;
    PERFORM set_config('enable_indexscan', 'on', true), set_config('zvec.enable_graph_scan', 'on', true), set_config('zvec.enable_exact_scan', 'on', true);
    same := here IS NOT DISTINCT FROM there;
END $$;
SELECT condition, rows, on_pages, r.* FROM conditions, unnest(ARRAY['10', '100000']) rows, compared(condition, rows) r
WHERE same IS NOT TRUE OR plan IS NOT TRUE OR tested AND NOT on_pages ORDER BY at, rows;
-- those that few rows satisfy are found by a test of all
SELECT count(*) FILTER (WHERE tested) > 25 AS most FROM conditions, compared(condition, '100000') WHERE on_pages;
-- what this transaction has changed, and a snapshot that others have passed by
BEGIN;
UPDATE t SET small = 99 WHERE id % 1000 < 3;
DELETE FROM t WHERE id = 1001;
SELECT * FROM compared('small = 99', '100000');
DECLARE before CURSOR FOR SELECT id FROM t WHERE small = 99 AND id % 1000 < 3 ORDER BY v <-> vec(77, 8);
UPDATE t SET small = 98 WHERE small = 99;
FETCH ALL FROM before;
SELECT * FROM compared('small = 98', '100000');
ROLLBACK;
SELECT * FROM compared('small = 99', '100000');
-- SERIALIZABLE leaves it to the server
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM compared('small = 5', '100000');
SELECT * FROM compared('small = 5', '10');
COMMIT;
-- prepared, with values that change
SET plan_cache_mode = force_generic_plan;
SET enable_sort = off;
PREPARE nearest(int, text) AS SELECT id FROM t WHERE small = $1 AND name = $2 ORDER BY v <-> vec(77, 8) LIMIT 3;
EXPLAIN (COSTS OFF) EXECUTE nearest(5, 'n7');
EXECUTE nearest(5, 'n7');
EXECUTE nearest(4, 'n4');
EXECUTE nearest(NULL, 'n7');
EXECUTE nearest(5, repeat('n' || 23, 91));
ALTER TABLE t ALTER COLUMN small TYPE int8;
EXECUTE nearest(5, 'n7');
SELECT count(*) FROM generate_series(1, 30) g, LATERAL (SELECT id FROM t WHERE small = g ORDER BY v <-> vec(g, 8) LIMIT 3) s;
RESET plan_cache_mode;
RESET enable_sort;

-- versions that nobody sees, whose long values are gone already
CREATE TABLE far (id int, note text, v zvec(8)) USING zvec WITH (autovacuum_enabled = off);
ALTER TABLE far ALTER COLUMN note SET STORAGE EXTERNAL;
INSERT INTO far SELECT i, repeat(md5((i % 10)::text), 100), vec(i, 8) FROM generate_series(1, 400) i;
CREATE INDEX far_v ON far USING zvec_hnsw (v);
ANALYZE far;
UPDATE far SET note = 'near' WHERE id % 2 = 0;
BEGIN;
INSERT INTO far SELECT i, repeat(md5('3'), 100), vec(i, 8) FROM generate_series(401, 500) i;
ROLLBACK;
SELECT format('VACUUM %s', reltoastrelid::regclass) AS vacuum FROM pg_class WHERE oid = 'far'::regclass \gset
:vacuum;
SET enable_sort = off;
SELECT id FROM far WHERE note = repeat(md5('3'), 100) AND id < 200 ORDER BY v <-> vec(77, 8) LIMIT 5;
SELECT count(*) FROM (SELECT id FROM far WHERE note = repeat(md5('3'), 100) ORDER BY v <-> vec(77, 8) LIMIT 1000) s;
SELECT count(*) FROM (SELECT id FROM far WHERE note = 'near' AND id % 4 = 0 ORDER BY v <-> vec(77, 8) LIMIT 1000) s;
RESET enable_sort;

-- sets of addresses: of a btree and of GIN, together, in any order, also such as know blocks only
ALTER TABLE t ADD COLUMN tags int[];
UPDATE t SET tags = ARRAY[id % 7, id % 31];
CREATE INDEX t_small ON t (small);
CREATE INDEX t_day ON t (day);
CREATE INDEX t_tags ON t USING gin (tags);
CREATE INDEX t_id ON t USING brin (id) WITH (pages_per_range = 1);
-- in place, behind addresses that lead on
UPDATE t SET note = 'b' WHERE id % 60 = 3;
VACUUM ANALYZE t;
UPDATE t SET note = 'c' WHERE id % 60 = 3;
CREATE FUNCTION by_addresses(condition text, OUT same bool, OUT plan text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true), set_config('zvec.enable_exact_scan', 'off', true);
    SELECT string_agg(substring(p FROM 'Bitmap[A-Za-z ]*[a-z]'), ', ') INTO plan
        FROM plan_of(format('SELECT id FROM t WHERE %s ORDER BY v <-> vec(77, 8) LIMIT 20', condition)) p WHERE p LIKE '%Bitmap%';
    PERFORM set_config('enable_seqscan', 'on', true);
    SELECT bool_and(c.same AND c.plan) INTO same FROM unnest(ARRAY['10', '100000']) rows, compared(condition, rows) c;
END $$;
SELECT condition, r.* FROM unnest(ARRAY['small = 5', 'small = 5 AND day < ''2026-06-01''', 'small = 5 OR day = ''2026-03-01''', 'tags @> ''{3,17}''', 'tags && ''{30}'' AND small > 40',
    'id BETWEEN 200 AND 260', 'small = 5 AND note = ''c''', 'small = 5 AND id % 2 = 1', 'small = -1']) WITH ORDINALITY c(condition, at), by_addresses(condition) r ORDER BY at;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM by_addresses('small = 5 AND note = ''c''');
COMMIT;
-- more pages than a small work_mem holds addresses of
CREATE TABLE wide (id int, n int, filler text, v zvec(8)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO wide SELECT i, i % 4, repeat('x', 1500), vec(i, 8) FROM generate_series(1, 10000) i;
CREATE INDEX wide_v ON wide USING zvec_hnsw (v);
CREATE INDEX wide_n ON wide (n);
VACUUM ANALYZE wide;
SET work_mem = '64kB';
SET enable_sort = off;
SET enable_seqscan = off;
SET zvec.enable_exact_scan = off;
CREATE FUNCTION all_of(condition text, OUT rows bigint, OUT ids bigint, OUT ordered bool) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT count(*), sum(id), bool_and(d >= before) FROM (SELECT id, d, lag(d, 1, 0) OVER () AS before FROM (SELECT id, v <-> vec(7, 8) AS d FROM wide WHERE %s ORDER BY v <-> vec(7, 8)) s) s', condition) INTO rows, ids, ordered;
END $$;
SELECT * FROM all_of('n = 1');
SELECT * FROM all_of('n = 1 AND id > 9000');
SELECT count(*), sum(id) FROM wide WHERE n = 1;
DROP SCHEMA graph_scan_pages CASCADE;
