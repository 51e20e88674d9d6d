-- Conditions inside the search of a graph: whatever the scan does, rows come as by a sequential scan and a sort
SET client_min_messages = warning;
CREATE SCHEMA graph_scan;
SET search_path = graph_scan, knn, public;
SET max_parallel_workers_per_gather = 0;
-- all that is found is looked at, so that the few rows of a test come in the very order
SET zvec.ef_search = 400;
CREATE TABLE t (id int, tenant int, status text, created timestamptz, hidden bool, tags text[], doc jsonb, v zvec(16)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i % 200, (ARRAY['a', 'b', 'c', 'd'])[1 + i % 4], '2026-01-01'::timestamptz + i * interval '1 hour', i % 5 = 0,
    CASE WHEN i % 50 = 0 THEN ARRAY['x', 'y'] WHEN i % 3 = 0 THEN ARRAY['y'] END, jsonb_build_object('k', i % 40), vec(i, 16) FROM generate_series(1, 6000) i;
INSERT INTO t SELECT 7000 + i, i, 'a', '2026-01-01', false, NULL, '{}', NULL FROM generate_series(1, 30) i;
-- the same vector in many rows
INSERT INTO t SELECT 8000 + i, i % 7, 'e', '2027-01-01', false, NULL, '{}', vec(1, 16) FROM generate_series(1, 60) i;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
-- vectors that wait
INSERT INTO t SELECT 9000 + i, i % 200, 'a', '2027-02-01', i % 2 = 0, NULL, '{}', vec(9000 + i, 16) FROM generate_series(1, 100) i;
ANALYZE t;

-- rows by the scan, and as they are: the first few, and all. What stands first is whose plan it is.
CREATE TABLE one AS SELECT vec(3, 16) AS v;
CREATE FUNCTION filtered(condition text, rows text = '10', query zvec = vec(77, 16), settings text = '', OUT plan text, OUT verdict text) LANGUAGE plpgsql AS $$
DECLARE
    sql text := format('SELECT array_agg(id), array_agg(d) FROM (SELECT id, v <-> %L AS d FROM t WHERE %s ORDER BY v <-> %1$L LIMIT %3$s) s', query, condition, rows);
    ids int[]; d float8[]; ids_seq int[]; d_seq float8[]; line text;
BEGIN
    PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('zvec.enable_exact_scan', 'off', true);
    EXECUTE sql INTO ids_seq, d_seq;
    PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_bitmapscan', (settings NOT LIKE '%no bitmap%')::text, true),
        set_config('enable_seqscan', (settings NOT LIKE '%no table%')::text, true), set_config('enable_sort', 'off', true);
    plan := '';
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || sql LOOP
        plan := concat_ws(', ', nullif(plan, ''), substring(line FROM '(Zvec\w+|Bitmap Index Scan|Index Scan using \w+|Seq Scan|Sort$)'));
    END LOOP;
    EXECUTE sql INTO ids, d;
    PERFORM set_config('enable_bitmapscan', 'on', true), set_config('zvec.enable_exact_scan', 'on', true), set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true);
    verdict := CASE
        WHEN cardinality(ids) IS DISTINCT FROM cardinality(ids_seq) THEN format('%s rows instead of %s', cardinality(ids), cardinality(ids_seq))
        WHEN d IS DISTINCT FROM d_seq THEN 'other distances'
        WHEN (SELECT count(DISTINCT i) FROM unnest(ids) i) <> cardinality(ids) THEN 'a row twice'
        WHEN rows = 'ALL' AND (SELECT array_agg(i ORDER BY i) FROM unnest(ids) i) IS DISTINCT FROM (SELECT array_agg(i ORDER BY i) FROM unnest(ids_seq) i) THEN 'other rows'
        ELSE 'same' END;
END $$;
CREATE TABLE conditions (n serial, condition text);
INSERT INTO conditions (condition) VALUES ('tenant = 7'), ('tenant = 7 AND status IN (''a'', ''b'')'), ('tenant < 100'), ('tenant = ANY (ARRAY[1, 2, 3, 300])'), ('NOT hidden'),
    ('tags && ''{x}'''), ('created > ''2026-08-01'''), ('tenant = 3 AND status = ''d'' AND created > ''2026-02-01'''), ('doc @> ''{"k": 3}'''), ('status = ''e'''),
    ('tenant IS NULL'), ('tenant = 7 OR tags && ''{x}'''), ('id % 97 = 3'), ('id > 0'), ('status = ''a'' AND id > 9000'), ('tenant = (SELECT min(tenant) + 7 FROM t)'),
    ('id = (SELECT max(x.id) FROM t x WHERE x.id = t.id)'), ('random() < 2 AND id % 3 = 0'), ('tenant + 0 * random() = 5'), ('v IS NULL'), ('v IS NULL OR tenant = 7'), ('status > ''d'' AND v IS NOT NULL');
SELECT condition, few.verdict AS ten, more.verdict AS "300", whole.verdict AS "all" FROM conditions, filtered(condition) few, filtered(condition, '300') more, filtered(condition, 'ALL') whole ORDER BY n;
-- with other indexes, whose plans find the rows
CREATE INDEX t_tenant ON t (tenant);
CREATE INDEX t_created ON t USING brin (created);
CREATE INDEX t_tags ON t USING gin (tags);
CREATE INDEX t_status ON t (status);
SELECT condition, few.plan, few.verdict AS ten, more.verdict AS "300", whole.verdict AS "all" FROM conditions, filtered(condition) few, filtered(condition, '300') more, filtered(condition, 'ALL') whole ORDER BY n;
SELECT condition, few.plan, few.verdict AS ten, whole.verdict AS "all" FROM conditions, filtered(condition, '10', vec(77, 16), 'no bitmap') few, filtered(condition, 'ALL', vec(77, 16), 'no bitmap, no table') whole ORDER BY n;

-- what it looks like
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE status = 'a' AND tenant < 50 ORDER BY v <-> (SELECT v FROM one) LIMIT 5;
EXPLAIN (COSTS OFF, VERBOSE) SELECT id, v <-> (SELECT v FROM one) FROM t WHERE id % 2 = 0 ORDER BY v <-> (SELECT v FROM one), id LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE id % 2 = 0 AND v <-> (SELECT v FROM one) < 2 ORDER BY v <-> (SELECT v FROM one) LIMIT 5;
CREATE FUNCTION explained(query text, OUT plan json) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'EXPLAIN (COSTS OFF, FORMAT JSON) ' || query INTO plan;
    -- the node; later servers say of every one whether it is disabled, and name what a subquery returns otherwise
    plan := jsonb_pretty(jsonb_set((plan::jsonb #> '{0,Plan,Plans,1}') - 'Disabled', '{Order By}',
        to_jsonb(replace(plan #>> '{0,Plan,Plans,1,Order By}', '(InitPlan 1).col1', '$0'))));
END $$;
SELECT explained('SELECT id FROM t WHERE id % 2 = 0 ORDER BY v <-> (SELECT v FROM one) LIMIT 5');
DROP FUNCTION explained;
-- where there is no condition, and where it is switched off, the index scan stays
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> (SELECT v FROM one) LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v IS NOT NULL ORDER BY v <-> (SELECT v FROM one) LIMIT 5;
SET zvec.enable_graph_scan = off;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE id % 2 = 0 ORDER BY v <-> (SELECT v FROM one) LIMIT 5;
RESET zvec.enable_graph_scan;
SET enable_indexscan = off;
SELECT count(*) AS "no plan" FROM plan_of('SELECT id FROM t WHERE id % 2 = 0 ORDER BY v <-> (SELECT v FROM one) LIMIT 5') p WHERE p LIKE '%ZvecGraph%';
RESET enable_indexscan;

RESET enable_sort;

-- the work that was done, in text and in JSON
CREATE FUNCTION work(query text, OUT strategy text, OUT work jsonb) LANGUAGE plpgsql AS $$
DECLARE node jsonb;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) ' || query INTO node;
    node := node -> 0 -> 'Plan';
    WHILE node ->> 'Custom Plan Provider' IS DISTINCT FROM 'ZvecGraphScan' AND node IS NOT NULL LOOP
        node := node -> 'Plans' -> -1;
    END LOOP;
    strategy := node ->> 'Strategy';
    work := node;
END $$;
RESET zvec.ef_search;
SET enable_sort = off;
SELECT condition, strategy FROM unnest(ARRAY['id > 0', 'tenant < 100', 'tenant = 7', 'id % 1000 = 3', 'status = ''e'' AND id % 2 = 0']) condition, work(format('SELECT id FROM t WHERE %s ORDER BY v <-> vec(3, 16) LIMIT 5', condition));
SELECT (work ->> 'Rows Asked')::int >= 5 AS asked, (work ->> 'Graphs Searched')::int AS graphs, (work ->> 'Nodes Expanded')::int > 10 AS expanded, (work ->> 'Codes Compared')::int > 100 AS compared,
    (work ->> 'Pending Vectors Compared')::int AS pending, (work ->> 'Exact Distances')::int >= 5 AS exact, (work ->> 'Rows Removed When Asked')::int > 0 AS removed, (work ->> 'Vectors Not Visible')::int AS hidden
FROM work('SELECT id FROM t WHERE tenant < 100 ORDER BY v <-> vec(3, 16) LIMIT 20');
RESET enable_sort;
-- it counts as a scan of the index
SELECT pg_stat_force_next_flush();
BEGIN;
SET LOCAL enable_sort = off;
SELECT id FROM t WHERE id % 2 = 0 ORDER BY v <-> vec(3, 16) LIMIT 5;
SELECT pg_stat_get_xact_numscans('t_v'::regclass), pg_stat_get_xact_tuples_returned('t_v'::regclass), pg_stat_get_xact_tuples_fetched('t_v'::regclass);
ROLLBACK;

-- parameters, of conditions, LIMIT and query, with a plan for all
SET zvec.ef_search = 400;
SET plan_cache_mode = force_generic_plan;
SET enable_sort = off;
PREPARE nearest(zvec, int, int) AS SELECT id FROM t WHERE tenant = $2 ORDER BY v <-> $1 LIMIT $3;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL, 7, 3);
EXECUTE nearest(vec(3, 16), 7, 3);
EXECUTE nearest(vec(3, 16), NULL, 3);
EXECUTE nearest(NULL, 9, 3);
EXECUTE nearest('[1,2]', 9, 3);
RESET plan_cache_mode;
RESET enable_sort;
-- for each of many: conditions that change, and that stay the same
CREATE TABLE q AS SELECT i AS id, i * 3 AS tenant, vec(i + 5000, 16) AS v FROM generate_series(1, 8) i;
CREATE FUNCTION per_query(condition text) RETURNS TABLE (q int, rows bigint, same bool, plan bool) LANGUAGE plpgsql AS $$
DECLARE sql text := format('SELECT q.id, near.id AS found, near.d FROM q, LATERAL (SELECT t.id, t.v <-> q.v AS d FROM t WHERE %s ORDER BY t.v <-> q.v LIMIT 4) near', condition);
BEGIN
    PERFORM set_config('enable_sort', 'off', true);
    plan := EXISTS (SELECT FROM plan_of(sql) p WHERE p LIKE '%ZvecGraphScan%');
    EXECUTE 'CREATE TEMP TABLE one AS ' || sql;
    PERFORM set_config('enable_sort', 'on', true), set_config('enable_indexscan', 'off', true);
    EXECUTE 'CREATE TEMP TABLE two AS ' || sql;
    PERFORM set_config('enable_indexscan', 'on', true);
    RETURN QUERY SELECT one.id, count(*), array_agg(one.d ORDER BY one.d) = (SELECT array_agg(d ORDER BY d) FROM two WHERE two.id = one.id), per_query.plan FROM one GROUP BY one.id ORDER BY one.id;
    DROP TABLE one, two;
END $$;
SELECT 'changes' AS condition, * FROM per_query('t.tenant = q.tenant') UNION ALL SELECT 'stays', * FROM per_query('t.tenant = 7') UNION ALL SELECT 'asked', * FROM per_query('t.id % 2 = 0 AND t.id <> q.id');
-- rows are locked, changed and deleted in that order; a cursor goes on under its snapshot
BEGIN;
SET LOCAL enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE id % 2 = 0 ORDER BY v <-> (SELECT v FROM one) LIMIT 2 FOR UPDATE;
SELECT id FROM t WHERE id % 2 = 0 ORDER BY v <-> vec(4, 16) LIMIT 2 FOR UPDATE;
DECLARE at CURSOR FOR SELECT id FROM t WHERE tenant + 0 < 150 ORDER BY v <-> vec(4, 16);
FETCH 1 FROM at;
UPDATE t SET tenant = 199 WHERE CURRENT OF at RETURNING id;
INSERT INTO t SELECT 20000 + i, 4, 'a', NULL, false, NULL, NULL, vec(4, 16) FROM generate_series(1, 50) i;
MOVE FORWARD ALL FROM at;
SELECT count(*) FROM t WHERE tenant + 0 < 150;
CLOSE at;
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET v = v + v WHERE id % 7 = 0;
SELECT condition, few.verdict AS ten, whole.verdict AS "all" FROM conditions, filtered(condition) few, filtered(condition, 'ALL') whole WHERE few.verdict <> 'same' OR whole.verdict <> 'same';
ROLLBACK;
DELETE FROM t WHERE id % 3 = 0 AND id < 6000;
UPDATE t SET tenant = tenant + 1 WHERE id % 4 = 0;
UPDATE t SET v = v + v WHERE id % 9 = 1;
SELECT condition, few.verdict AS ten, whole.verdict AS "all" FROM conditions, filtered(condition) few, filtered(condition, 'ALL') whole WHERE few.verdict <> 'same' OR whole.verdict <> 'same';
VACUUM t;
SELECT condition, few.verdict AS ten, whole.verdict AS "all" FROM conditions, filtered(condition) few, filtered(condition, 'ALL') whole WHERE few.verdict <> 'same' OR whole.verdict <> 'same';

-- a function that tells what it was given learns of no row that policies hide, nor of one that the snapshot does not see
CREATE FUNCTION spy(id int) RETURNS bool LANGUAGE plpgsql COST 0.1 AS $$ BEGIN RAISE NOTICE 'given %', id; RETURN id % 2 = 0; END $$;
ALTER FUNCTION spy STABLE;
CREATE ROLE graph_scan_user;
GRANT USAGE ON SCHEMA graph_scan, knn TO graph_scan_user;
GRANT SELECT ON t TO graph_scan_user;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON t USING (id + 0 BETWEEN 1000 AND 1012);
SET ROLE graph_scan_user;
SET client_min_messages = notice;
SET enable_sort = off;
SELECT * FROM plan_of($$SELECT id FROM t WHERE spy(id) ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]' LIMIT 3$$);
SELECT id FROM t WHERE spy(id) ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]' LIMIT 3;
SET client_min_messages = warning;
RESET enable_sort;
RESET ROLE;
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
BEGIN;
DELETE FROM t WHERE id <> 1006;
SET LOCAL client_min_messages = notice;
SET LOCAL enable_sort = off;
SELECT id FROM t WHERE spy(id) ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]' LIMIT 3;
ROLLBACK;

-- partitions, partial indexes, other kinds of vectors
CREATE TABLE parted (id int, n int, v zvec(8)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (2000) USING zvec;
CREATE TABLE parted_2 (v zvec(8), dropped int, n int, id int) USING zvec;
ALTER TABLE parted_2 DROP dropped;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (2000) TO (9000);
INSERT INTO parted SELECT i, i % 50, vec(i, 8) FROM generate_series(0, 4000) i;
CREATE INDEX ON parted USING zvec_hnsw (v);
ANALYZE parted;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM parted WHERE n % 2 = 0 ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 4;
RESET enable_sort;
CREATE FUNCTION same_as_sorted(query text, OUT verdict bool) LANGUAGE plpgsql AS $$
DECLARE one text; two text;
BEGIN
    query := format('SELECT array_agg(s::text)::text FROM (%s) s', query);
    PERFORM set_config('enable_sort', 'off', true);
    IF NOT EXISTS (SELECT FROM plan_of(query) p WHERE p LIKE '%ZvecGraphScan%') THEN RAISE 'another plan: %', (SELECT string_agg(p, E'\n') FROM plan_of(query) p); END IF;
    EXECUTE query INTO one;
    PERFORM set_config('enable_sort', 'on', true), set_config('enable_indexscan', 'off', true), set_config('zvec.enable_exact_scan', 'off', true);
    EXECUTE query INTO two;
    PERFORM set_config('enable_indexscan', 'on', true), set_config('zvec.enable_exact_scan', 'on', true);
    verdict := one = two;
END $$;
SELECT n, same_as_sorted(format('SELECT id FROM parted WHERE n %% 5 = %s ORDER BY v <-> vec(%1$s, 8), id LIMIT 20', n)) FROM generate_series(0, 4) n;
CREATE INDEX parted_part ON parted_1 USING zvec_hnsw (v) WHERE n < 10;
SELECT n, same_as_sorted(format('SELECT id FROM parted_1 WHERE n < 10 AND id %% 5 = %s ORDER BY v <-> vec(%1$s, 8), id LIMIT 20', n)) FROM generate_series(0, 4) n;
UPDATE parted_1 SET n = 10 WHERE n = 3;
SELECT n, same_as_sorted(format('SELECT id FROM parted_1 WHERE n < 10 AND id %% 5 = %s ORDER BY v <-> vec(%1$s, 8), id LIMIT 20', n)) FROM generate_series(0, 4) n;
CREATE TABLE kinds (id int, h zhalf(8), i zint8(8), b zbit(32)) USING zvec;
INSERT INTO kinds SELECT i, vec(i, 8)::zhalf, (vec(i, 8) * array_fill(100::real, ARRAY[8])::zvec)::zint8, (SELECT string_agg(((hashint4(i) >> j) & 1)::text, '' ORDER BY j) FROM generate_series(0, 31) j)::zbit FROM generate_series(1, 3000) i;
CREATE INDEX ON kinds USING zvec_hnsw (h);
CREATE INDEX ON kinds USING zvec_hnsw (i);
CREATE INDEX ON kinds USING zvec_hnsw (b);
ANALYZE kinds;
SELECT part, same_as_sorted(format('SELECT id %% %s, h <-> (SELECT h FROM kinds WHERE id = 5) AS d FROM kinds WHERE id %% %1$s = 1 ORDER BY 2 LIMIT 20', part)),
    same_as_sorted(format('SELECT id %% %s, i <-> (SELECT i FROM kinds WHERE id = 5) AS d FROM kinds WHERE id %% %1$s = 1 ORDER BY 2 LIMIT 20', part)),
    same_as_sorted(format('SELECT id %% %s, b <~> (SELECT b FROM kinds WHERE id = 5) AS d FROM kinds WHERE id %% %1$s = 1 ORDER BY 2 LIMIT 20', part)) FROM unnest(ARRAY[2, 20, 500]) part;
-- distances written in another way, bounds, what comes first
SELECT same_as_sorted($$SELECT id, 1 / (1 + (v <-> vec(8, 16))) AS d FROM t WHERE tenant % 2 = 0 AND v IS NOT NULL ORDER BY 2 DESC, id LIMIT 20$$),
    same_as_sorted($$SELECT id FROM t WHERE tenant % 2 = 0 ORDER BY 1 / (1 + (v <-> vec(8, 16))) DESC, id LIMIT 20$$),
    same_as_sorted($$SELECT id FROM t WHERE tenant % 20 = 0 AND v <-> vec(8, 16) < 3 ORDER BY v <-> vec(8, 16), id LIMIT 2000$$);
-- joins and semi-joins stay above
CREATE TABLE names AS SELECT n AS tenant, 'name ' || n AS name FROM generate_series(0, 220) n;
ANALYZE names;
SELECT same_as_sorted($$SELECT id, name FROM t JOIN names USING (tenant) WHERE t.tenant % 3 = 0 ORDER BY v <-> vec(8, 16), id LIMIT 20$$),
    same_as_sorted($$SELECT id FROM t WHERE EXISTS (SELECT FROM names WHERE names.tenant = t.tenant AND name LIKE '%7') AND status = 'a' ORDER BY v <-> vec(8, 16), id LIMIT 20$$);
-- little memory: rows beyond it come from passes
SET work_mem = '64kB';
SELECT condition, whole.verdict AS "all" FROM conditions, filtered(condition, 'ALL') whole WHERE whole.verdict <> 'same';
RESET work_mem;
DROP SCHEMA graph_scan CASCADE;
REVOKE USAGE ON SCHEMA knn FROM graph_scan_user;
DROP ROLE graph_scan_user;
