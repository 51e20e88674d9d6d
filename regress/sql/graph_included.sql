-- Conditions on included columns inside the search of a graph: rows come as by a sequential scan and a sort
CREATE SCHEMA graph_included;
SET search_path = graph_included, knn, public;
SET max_parallel_workers_per_gather = 0;
-- all that is found is looked at, so that the few rows of a test come in the very order
SET zvec.ef_search = 400;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE t (id int, v zvec(6), i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, b bool, o oid, c "char", d date, ts timestamp, tz timestamptz, m mood,
    u uuid, n numeric, x text, vc varchar(30), bp char(5), nm name, p percent, iv interval, j jsonb, z text COLLATE "C") USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX t_v ON t USING zvec_hnsw (v) INCLUDE (i2, i4, i8, f4, f8, b, o, c, d, ts, tz, m, u, n, x, vc, bp, nm, p, iv, j, z);
CREATE FUNCTION rows_of(first int, last int) RETURNS SETOF t LANGUAGE sql AS $$
SELECT i, vec(i, 6),
    CASE WHEN i % 20 = 0 THEN NULL ELSE i % 100 - 50 END, CASE i % 50 WHEN 0 THEN NULL WHEN 1 THEN 2147483647 WHEN 2 THEN -2147483648 ELSE i % 30 END,
    CASE i % 40 WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775806 WHEN 3 THEN -9223372036854775807 WHEN 4 THEN NULL ELSE i * 1000000007::bigint END,
    CASE i % 12 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-0' WHEN 3 THEN 0 WHEN 4 THEN NULL ELSE (i % 50) / 7.0 END,
    CASE i % 13 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN '-0' WHEN 3 THEN 0 WHEN 4 THEN NULL ELSE (i % 50) / -7.0 END,
    CASE i % 5 WHEN 0 THEN NULL ELSE i % 2 = 0 END, CASE i % 9 WHEN 0 THEN 4294967295 WHEN 1 THEN 0 WHEN 2 THEN NULL ELSE i % 20 END::oid, chr(40 + i % 80)::"char",
    CASE i % 15 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN NULL ELSE '2000-01-01'::date + i % 60 END,
    CASE i % 16 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN NULL ELSE '2000-01-01'::timestamp + i % 60 * interval '1 hour' END,
    CASE i % 17 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN NULL ELSE '2000-01-01 00:00:00+00'::timestamptz + i % 60 * interval '1 day' END,
    (ARRAY['sad', 'ok', 'happy', NULL])[1 + i % 4]::mood, md5((i % 50)::text)::uuid, (ARRAY[0, 1, 1.0, 1.00, 'NaN', -5, 12345678901234567890.5, NULL])[1 + i % 8],
    (ARRAY['a', 'A', 'a ', '', NULL, repeat('long', 3000)])[1 + i % 6], (ARRAY['a', 'A', 'a ', '', NULL])[1 + i % 5], (ARRAY['a', 'A', 'a ', '', NULL])[1 + i % 5],
    (ARRAY['a', 'b', NULL])[1 + i % 3], i % 101, (ARRAY['1 day', '24 hours', '1 month', '30 days', NULL])[1 + i % 5]::interval, (ARRAY['{"a": 1}', '{"a": 1.0}', '1', NULL])[1 + i % 4]::jsonb, (ARRAY['x', 'y', NULL])[1 + i % 3]
FROM generate_series(first, last) i $$;
INSERT INTO t SELECT * FROM rows_of(1, 2000);
VACUUM t;
INSERT INTO t (id, i4) SELECT 5000 + i, i % 30 FROM generate_series(1, 30) i;
INSERT INTO t SELECT * FROM rows_of(2001, 2200);
ANALYZE t;

-- rows by the scan, and as they are: the first few, and all; which conditions are tested, and by which ways
CREATE TABLE conditions (n serial, condition text);
CREATE FUNCTION filtered(condition text, OUT tested bool, OUT verdict text) LANGUAGE plpgsql AS $$
DECLARE
    query text;
    ids int[]; d float8[]; ids_seq int[]; d_seq float8[]; line text;
BEGIN
    verdict := '';
    FOREACH query IN ARRAY ARRAY[' LIMIT 10', ' LIMIT 150', ''] LOOP
        query := format('SELECT array_agg(id), array_agg(d) FROM (SELECT id, v <-> %L AS d FROM t WHERE %s ORDER BY v <-> %1$L%3$s) s', vec(77, 6), condition, query);
        PERFORM set_config('enable_indexscan', 'off', true), set_config('zvec.enable_exact_scan', 'off', true);
        EXECUTE query INTO ids_seq, d_seq;
        PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true);
        tested := false;
        FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
            tested := tested OR line LIKE '%Included Cond: %';
        END LOOP;
        EXECUTE query INTO ids, d;
        PERFORM set_config('zvec.enable_exact_scan', 'on', true), set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true);
        verdict := verdict || CASE
            WHEN cardinality(ids) IS DISTINCT FROM cardinality(ids_seq) THEN format('%s rows instead of %s ', cardinality(ids), cardinality(ids_seq))
            WHEN d IS DISTINCT FROM d_seq THEN 'other distances '
            WHEN (SELECT count(DISTINCT i) FROM unnest(ids) i) <> cardinality(ids) THEN 'a row twice '
            WHEN query NOT LIKE '%LIMIT%' AND (SELECT array_agg(i ORDER BY i) FROM unnest(ids) i) IS DISTINCT FROM (SELECT array_agg(i ORDER BY i) FROM unnest(ids_seq) i) THEN 'other rows '
            ELSE 'same ' END;
    END LOOP;
END $$;
-- each operator with values that are in the table, at its ends, beyond, and NULL
INSERT INTO conditions (condition)
SELECT format('%s %s %s', c, op, value)
FROM (VALUES ('i2', '{7::int2,7,-50,49,50,32767,-32768,70000,-9223372036854775808,NULL::int}'::text[]), ('i4', '{7,29,2147483647,-2147483648,2147483648,9223372036854775807,7::int2,NULL::int}'),
    ('i8', '{9223372036854775807,-9223372036854775808,9223372036854775806,-9223372036854775807,5000000035,7,NULL::bigint}'), ('f4', '{0::float4,"''-0''::float8","''NaN''::float4","''Infinity''::float8","''-Infinity''::float8",1::float4,0.1::float8,NULL::float8}'),
    ('f8', '{0::float8,"''-0''::float4","''NaN''::float8","''Infinity''::float8","''-Infinity''::float8",-1::float4,-0.142857142857142857,NULL::float8}'),
    ('b', '{true,false,NULL::bool}'), ('o', '{0::oid,5,4294967295,NULL::oid}'), ('c', '{"''a''","''(''",NULL::\"char\"}'),
    ('d', '{"''2000-01-05''::date","''infinity''::date","''-infinity''::date","NULL::date"}'), ('ts', '{"''2000-01-01 05:00''::timestamp","''infinity''::timestamp","''-infinity''::timestamp"}'),
    ('tz', '{"''2000-01-05 00:00+00''::timestamptz","''infinity''::timestamptz","''-infinity''::timestamptz"}'), ('p', '{0,50,100,101}')) x (c, vals), unnest(vals) value, unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op;
INSERT INTO conditions (condition)
SELECT format('%s %s %s', c, op, value)
FROM (VALUES ('m', '{"''ok''::mood","NULL::mood"}'::text[]), ('u', '{"md5(''7'')::uuid","md5(''x'')::uuid"}'), ('n', '{1,1.000,0,"''NaN''::numeric",12345678901234567890.50,7,NULL::numeric}'),
    ('x', '{"''a''","''a ''","''''","repeat(''long'', 3000)","NULL::text","''a''::name"}'), ('vc', '{"''a''","''a ''","''A''::varchar"}'), ('bp', '{"''a''","''a ''","''a''::bpchar","''''"}'),
    ('nm', '{"''a''","''a''::text"}'), ('iv', '{"interval ''1 day''","interval ''720 hours''"}'), ('j', '{"''{\"a\": 1.00}''::jsonb"}'), ('z', '{"''x''"}')) x (c, vals), unnest(vals) value, unnest(ARRAY['=', '<>']) op;
SELECT condition, f.* FROM conditions, filtered(condition) f ORDER BY n;
TRUNCATE conditions RESTART IDENTITY;
-- lists, NULLs, booleans, AND, OR, expressions on the other side, commuted; and what is not tested
INSERT INTO conditions (condition) VALUES
    ('i4 IN (1, 5, 2147483647)'), ('i4 IN (1, NULL, 7)'), ('i4 NOT IN (1, 5, 2147483647)'), ('i4 NOT IN (1, NULL)'), ('i4 = ANY (ARRAY(SELECT g FROM generate_series(3, 200, 3) g))'), ('i4 <> ALL (''{}''::int[])'), ('i4 = ANY (''{}''::int[])'),
    ('i4 = ANY (NULL::int[])'), ('i4 <> ALL (NULL::int[])'), ('i4 < ANY (ARRAY[5, 3])'), ('i4 < ALL (ARRAY[5, 3])'), ('i4 >= ALL (ARRAY[5, 3, NULL])'), ('i4 <> ANY (ARRAY[5, 3])'), ('i4 = ALL (ARRAY[5, 5])'), ('i8 = ANY (ARRAY[7, 5000000035])'),
    ('x IN (''a'', ''A'')'), ('x NOT IN (''a'', ''A'')'), ('n IN (1, 12345678901234567890.5)'), ('m IN (''sad'', ''happy'')'), ('m > ''sad'''), ('u = ANY (ARRAY[md5(''1'')::uuid, md5(''2'')::uuid])'), ('vc = ANY (''{a,A}''::text[])'),
    ('i4 IS NULL'), ('i4 IS NOT NULL AND i4 < 3'), ('x IS NULL'), ('b'), ('NOT b'), ('b IS TRUE'), ('b IS NOT TRUE'), ('b IS FALSE'), ('b IS NOT FALSE'), ('b IS UNKNOWN'), ('b IS NOT UNKNOWN'), ('b = (i4 > 5)'),
    ('7 = i4'), ('7 < i4 AND 20 >= i4'), ('i4 BETWEEN 5 AND 6 AND m = ''ok'''), ('i4 = 5 OR m = ''ok'' OR x IS NULL'), ('i4 = 5 OR i4 > 100 OR i4 IS NULL'), ('i4 = 5 OR (x = ''a'' AND length(x) = 1)'), ('i4 = 5 OR length(x) = 1'), ('NOT (i4 = 5 OR i4 = 6)'),
    ('i4 = 5 AND length(x) = 1'), ('i4 + 0 = 5'), ('i4 = i2'), ('i4 = 5.0'), ('i4 = (SELECT 7)'), ('i4 = (SELECT max(i2) - 20 FROM t)'), ('i4 = length(version()) - length(version()) + 5'), ('i4 = random() * 0 + 5'), ('i4 = (random() * 0)::int + 5'), ('d = ''2000-01-05''::timestamp'), ('ts >= ''2000-01-02''::date'),
    ('tz > ''2000-01-20''::timestamptz - interval ''3 days'''), ('x LIKE ''a%'''), ('x > ''a'''), ('x = ''a'' COLLATE "C"'), ('x::bpchar = ''a'''), ('vc::bpchar = ''a'''), ('i4::oid = 7'), ('o = 5 AND v IS NOT NULL'), ('i4 = 4 AND v <-> ''[0,0,0,0,0,0]'' < 1'), ('false AND i4 = 5'), ('i4 = 5 AND id % 2 = 0 AND x = ''a''');
SELECT condition, f.* FROM conditions, filtered(condition) f ORDER BY n;
-- where the column would make other keys by now, its conditions are not tested
ALTER TABLE t ALTER o TYPE int USING o;
SELECT f.* FROM filtered('o = 5') f;
ALTER TABLE t ALTER x TYPE bpchar;
SELECT f.* FROM filtered('x = ''a''') f;
REINDEX INDEX t_v;
SELECT f.* FROM filtered('x = ''a''') f;
SELECT f.* FROM filtered('o = 5') f;

-- what is compared may change from one execution to the next, and from one rescan to the next
CREATE TABLE many (tenant int, hidden bool, name text, v zvec(6)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO many SELECT i % 40, i % 3 = 0, 'n' || i % 7, vec(i, 6) FROM generate_series(1, 2000) i;
CREATE INDEX many_v ON many USING zvec_hnsw (v) INCLUDE (tenant, hidden, name);
ANALYZE many;
SET enable_seqscan = off;
SET enable_sort = off;
SET zvec.enable_exact_scan = off;
PREPARE p(int, text) AS SELECT tenant, name, hidden FROM many WHERE tenant = $1 AND name = $2 AND NOT hidden ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE p (3, 'n4');
EXECUTE p (3, 'n4');
EXECUTE p (5, 'n1');
EXECUTE p (NULL, 'n1');
RESET plan_cache_mode;
EXPLAIN (COSTS OFF) SELECT i, s.* FROM generate_series(1, 5) i, LATERAL (SELECT tenant, name FROM many WHERE tenant = i AND name = ANY (ARRAY['n' || i, 'n5']) ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 2) s;
SELECT i, s.tenant, s.name IN ('n5', 'n' || i) AS named FROM generate_series(1, 5) i, LATERAL (SELECT tenant, name FROM many WHERE tenant = i AND name = ANY (ARRAY['n' || i, 'n5']) ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 2) s;
-- each tenant's nearest, by the scan and as they are; with other indexes too
CREATE FUNCTION by_tenant() RETURNS TABLE (tenant int, d float8) LANGUAGE sql AS $$
    SELECT i, s.d FROM generate_series(0, 45) i, LATERAL (SELECT v <-> '[0.1,0,0,0,0,0]' AS d FROM many WHERE tenant = i AND NOT hidden ORDER BY v <-> '[0.1,0,0,0,0,0]' LIMIT 5) s $$;
CREATE FUNCTION by_rows() RETURNS TABLE (tenant int, d float8) LANGUAGE sql SET enable_indexscan = off SET enable_sort = on AS $$ SELECT * FROM by_tenant() $$;
SELECT count(*) FROM (SELECT * FROM by_tenant() EXCEPT ALL SELECT * FROM by_rows()) x;
SELECT count(*) FROM by_tenant();
CREATE INDEX many_tenant ON many (tenant);
CREATE INDEX many_name ON many (name);
SELECT count(*) FROM (SELECT * FROM by_tenant() EXCEPT ALL SELECT * FROM by_rows()) x;
SELECT count(*) FROM by_tenant();
DROP INDEX many_tenant, many_name;

-- which way is chosen: most, some, few rows
CREATE TABLE sizes (id int, permille int, v zvec(6)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO sizes SELECT i, hashint4(i) & 1023, vec(i, 6) FROM generate_series(1, 20000) i;
SET maintenance_work_mem = '256MB';
CREATE INDEX sizes_v ON sizes USING zvec_hnsw (v) INCLUDE (permille);
ANALYZE sizes;
RESET zvec.ef_search;
CREATE FUNCTION way(below int) RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
BEGIN
    FOR line IN EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM sizes WHERE permille < %s ORDER BY v <-> ''[0.1,0,0,0,0,0]'' LIMIT 10', below) LOOP
        IF line ~ 'Strategy|Included|Custom' THEN
            line := regexp_replace(line, '\(actual rows=(\d+)[^)]*\)', '(\1 rows)');
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
SELECT * FROM way(900);
SELECT * FROM way(3);
-- whatever the planner expects of parameters: keys of some rows are looked at first
PREPARE wide(int, int) AS SELECT id FROM sizes WHERE permille BETWEEN $1 AND $2 ORDER BY v <-> '[0.1,0,0,0,0,0]' LIMIT 10;
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION way_of(statement text) RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE ' || statement LOOP
        IF line ~ 'Strategy|actual' THEN
            line := regexp_replace(line, '\(actual rows=(\d+)[^)]*\)', '(\1 rows)');
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
SELECT * FROM way_of('wide(0, 900)');
SELECT * FROM way_of('wide(0, 4)');
SELECT * FROM way_of('wide(2000, 4000)');
RESET plan_cache_mode;
-- rows that come meanwhile, and go
BEGIN;
INSERT INTO many SELECT 100, false, 'new', vec(i, 6) FROM generate_series(1, 5) i;
SELECT count(*) FROM (SELECT FROM many WHERE tenant = 100 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 10) x;
UPDATE many SET tenant = 101 WHERE tenant = 100 AND v <-> '[0,0,0,0,0,0]' < 1;
SELECT (SELECT count(*) FROM (SELECT FROM many WHERE tenant = 100 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 10) x) + (SELECT count(*) FROM (SELECT FROM many WHERE tenant = 101 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 10) x);
ROLLBACK;
SELECT count(*) FROM (SELECT FROM many WHERE tenant = 100 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 10) x;
-- policies of row-level security, and a function that tells what it was given
CREATE FUNCTION tells(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN IF $1 <> 'n2' THEN RAISE NOTICE 'was given %', $1; END IF; RETURN true; END $$;
CREATE ROLE graph_included_reader;
GRANT USAGE ON SCHEMA graph_included, knn TO graph_included_reader;
GRANT SELECT ON many TO graph_included_reader;
ALTER TABLE many ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_n2 ON many FOR SELECT USING (name = 'n2');
SET ROLE graph_included_reader;
EXPLAIN (COSTS OFF) SELECT name FROM many WHERE tells(name) AND tenant < 3 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 3;
SELECT name FROM many WHERE tells(name) AND tenant < 3 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 3;
SELECT count(*) FROM (SELECT FROM many WHERE name = 'n3' ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 3) x;
RESET ROLE;
DROP OWNED BY graph_included_reader;
DROP ROLE graph_included_reader;
-- FOR UPDATE, cursors, switched off
BEGIN;
SELECT tenant FROM many WHERE tenant = 5 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 2 FOR UPDATE;
DECLARE c CURSOR FOR SELECT tenant FROM many WHERE tenant = 6 ORDER BY v <-> '[0,0,0,0,0,0]';
FETCH 2 FROM c;
DELETE FROM many WHERE tenant = 6;
MOVE ALL FROM c;
ROLLBACK;
SET zvec.enable_graph_scan = off;
EXPLAIN (COSTS OFF) SELECT tenant FROM many WHERE tenant = 5 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 2;
RESET zvec.enable_graph_scan;
EXPLAIN (COSTS OFF, VERBOSE) SELECT tenant FROM many WHERE tenant = 5 OR name = 'n1' ORDER BY v <-> '[0,0,0,0,0,0]', tenant LIMIT 2;
