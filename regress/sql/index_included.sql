-- zvec_hnsw with included columns: what the index keeps of rows beside their vectors
CREATE SCHEMA index_included;
SET search_path = index_included, knn, public;

-- which types
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN short AS varchar(20);
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE kinds (id int, v zvec(3),
    i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, b bool, o oid, c "char", d date, ts timestamp, tz timestamptz, m mood,
    u uuid, n numeric, t text, vc varchar(30), bp char(5), nm name, sh short, p percent,
    by_ bytea, tm time, iv interval, ip inet, mac macaddr, lsn pg_lsn, j jsonb, reg regclass
) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX kinds_v ON kinds USING zvec_hnsw (v)
    INCLUDE (i2, i4, i8, f4, f8, b, o, c, d, ts, tz, m, u, n, t, vc, bp, nm, sh, p, by_, tm, iv, ip, mac, lsn, j, reg);
INSERT INTO kinds SELECT i, vec(i, 3),
    i, -i, i * 1000000007::bigint, i / 7.0, CASE i % 10 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' ELSE -i / 3.0 END, i % 2 = 0, i, chr(33 + i % 90)::"char",
    CASE WHEN i % 10 = 3 THEN 'infinity' ELSE '2000-01-01'::date + i END, '2000-01-01'::timestamp + i * interval '1 hour',
    CASE WHEN i % 10 = 4 THEN '-infinity' ELSE '2000-01-01 00:00:00+00'::timestamptz - i * interval '1 day' END,
    (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood, md5(i::text)::uuid, i / 8.0, 'text ' || i, repeat('x', i % 30), i % 100, 'name ' || i, 'short ' || i, i % 100,
    decode(md5(i::text), 'hex'), '00:00'::time + i * interval '1 second', i * interval '1 minute', '10.0.0.0'::inet + i, '08:00:2b:01:02:03', '0/0'::pg_lsn + i, jsonb_build_object('a', i), 'kinds'
FROM generate_series(1, 500) i;
-- NULL in each column, and no vector
INSERT INTO kinds (id, v) SELECT i, vec(i, 3) FROM generate_series(501, 600) i;
INSERT INTO kinds (id, i4) VALUES (601, 1);
SELECT * FROM zvec_check('kinds');
SELECT * FROM same('kinds', '<->', vec(1, 3, 5), 50);
VACUUM kinds;
SELECT * FROM zvec_check('kinds');
REINDEX INDEX kinds_v;
SELECT * FROM zvec_check('kinds');
SELECT * FROM same('kinds', '<->', vec(1, 3, 5), 50, 'i2 > 100', 'i2 > 100');
SELECT pg_get_indexdef('kinds_v'::regclass);
-- what the server asks of the columns
SELECT attnum, pg_index_column_has_property('kinds_v', attnum, 'distance_orderable') AS distance,
    pg_index_column_has_property('kinds_v', attnum, 'returnable') AS returnable, pg_index_column_has_property('kinds_v', attnum, 'orderable') AS orderable
FROM generate_series(1, 2) attnum;
SELECT amname, pg_indexam_has_property(oid, 'can_include') FROM pg_am WHERE amname LIKE 'zvec_%' AND amtype = 'i' ORDER BY 1;

-- which not
CREATE TABLE no (id int, v zvec(3), v2 zvec(3), a int[], j json, p point, r int4range, x xml, row_ kinds) USING zvec;
DO $$
DECLARE
    column_ text;
    message text;
    state text;
BEGIN
    FOREACH column_ IN ARRAY ARRAY['v2', 'v', 'a', 'j', 'p', 'r', 'x', 'row_'] LOOP
        BEGIN
            EXECUTE format('CREATE INDEX no_v ON no USING zvec_hnsw (v) INCLUDE (id, %I)', column_);
            RAISE NOTICE '% was accepted', column_;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
            RAISE NOTICE '%: %', state, message;
        END;
    END LOOP;
END $$;
CREATE INDEX ON no USING zvec_hnsw (v) INCLUDE (j);
-- where the server has such collations
DO $$
BEGIN
    CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    ALTER TABLE no ADD loose text COLLATE loose;
    CREATE INDEX no_v ON no USING zvec_hnsw (v) INCLUDE (loose);
    RAISE 'was accepted';
EXCEPTION WHEN feature_not_supported THEN
    IF SQLERRM NOT IN ('ICU is not supported in this build', 'column "loose" cannot be included in index "no_v": its collation is not deterministic') THEN
        RAISE;
    END IF;
END $$;
CREATE INDEX ON no USING zvec_flat (v) INCLUDE (id);
CREATE INDEX ON no USING zvec_hnsw (v) INCLUDE ((id + 1));
CREATE INDEX ON no USING zvec_hnsw (v, v2);
DROP TABLE no;

-- nothing changes for an index without: pages of the first version
CREATE TABLE plain (LIKE kinds) USING zvec;
CREATE INDEX plain_v ON plain USING zvec_hnsw (v);
INSERT INTO plain SELECT * FROM kinds;
CHECKPOINT;
SELECT i, kind, version, count(*) FROM (VALUES ('plain_v'), ('kinds_v')) x (i), LATERAL (
    SELECT get_byte(page, 28) AS kind, get_byte(page, 29) AS version
    FROM generate_series(0, pg_relation_size(i) / 8192 - 1) block, pg_read_binary_file(pg_relation_filepath(i), block * 8192, 8192) page) y
WHERE kind IN (1, 2, 9) GROUP BY 1, 2, 3 ORDER BY 1, 2;

-- at most 8 bytes a value and heads of pages more
CREATE TABLE big (id int, tenant int, status text, created timestamptz, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO big SELECT i, i % 100, 'status ' || i % 5, '2020-01-01'::timestamptz + i * interval '1 minute', vec(i, 2) FROM generate_series(1, 20000) i;
CREATE INDEX big_plain ON big USING zvec_hnsw (v);
CREATE INDEX big_v ON big USING zvec_hnsw (v) INCLUDE (tenant, status, created);
SELECT (pg_relation_size('big_v') - pg_relation_size('big_plain')) / 20000.0 / 3 < 8.8 AS small_;
SELECT (SELECT sum(bytes) FROM zvec_index_stats('big_v')) = pg_relation_size('big_v') - 8192 AS all_counted;
SELECT * FROM zvec_check('big');

-- an UPDATE of an included column gives the row another slot, one of another column does not
CREATE TABLE t (id int PRIMARY KEY, tenant int, note text, n int, v zvec(4)) USING zvec WITH (autovacuum_enabled = off, fillfactor = 50);
INSERT INTO t SELECT i, i % 5, 'note', 0, vec(i, 4) FROM generate_series(1, 300) i;
CREATE INDEX t_v ON t USING zvec_hnsw (v) INCLUDE (tenant, note);
CREATE FUNCTION waiting() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(pending)::bigint FROM zvec_index_stats('t_v') $$;
SELECT waiting();
UPDATE t SET n = n + 1;
SELECT waiting();
UPDATE t SET tenant = tenant;
SELECT waiting();
UPDATE t SET tenant = tenant + 100 WHERE id <= 40;
SELECT waiting();
UPDATE t SET note = NULL WHERE id BETWEEN 31 AND 50;
SELECT waiting();
SELECT * FROM zvec_check('t');
BEGIN;
UPDATE t SET tenant = 7;
SAVEPOINT a;
UPDATE t SET tenant = 8, note = 'a';
SELECT * FROM zvec_check('t');
ROLLBACK TO a;
SELECT * FROM zvec_check('t');
INSERT INTO t SELECT i, 9, repeat('long', 5000), 0, vec(i, 4) FROM generate_series(301, 310) i;
COMMIT;
SELECT * FROM zvec_check('t');
INSERT INTO t SELECT i, 3, 'conflict', 0, vec(i, 4) FROM generate_series(295, 305) i ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, note = excluded.note;
MERGE INTO t USING generate_series(1, 20) i ON id = i WHEN MATCHED THEN UPDATE SET note = 'merged';
DELETE FROM t WHERE id % 7 = 0;
VACUUM t;
SELECT * FROM zvec_check('t');
INSERT INTO t SELECT i, i % 5, 'again', 0, vec(i, 4) FROM generate_series(1, 300) i ON CONFLICT DO NOTHING;
COPY t (id, tenant, note, n, v) FROM stdin;
1001	1	copied	0	[1,2,3,4]
1002	\N	\N	0	[1,2,3,5]
\.
SELECT * FROM zvec_check('t');
SELECT zvec_optimize('t') IS NOT NULL;
SELECT * FROM zvec_check('t');

-- versions that share a slot from before the index: it has the keys of none of them
CREATE TABLE u (id int, tenant int, n int, v zvec(2)) USING zvec WITH (autovacuum_enabled = off, fillfactor = 10);
CREATE INDEX u_tenant ON u (tenant);
INSERT INTO u SELECT i, 1, 0, vec(i, 2) FROM generate_series(1, 200) i;
BEGIN;
UPDATE u SET tenant = 2 WHERE id <= 100;
CREATE INDEX u_v ON u USING zvec_hnsw (v) INCLUDE (tenant);
SELECT * FROM zvec_check('u');
COMMIT;
SELECT * FROM zvec_check('u');
SELECT indcheckxmin FROM pg_index WHERE indexrelid = 'u_v'::regclass;

-- rewrites, types, defaults
VACUUM FULL t;
SELECT * FROM zvec_check('t');
CLUSTER t USING t_pkey;
SELECT * FROM zvec_check('t');
ALTER TABLE t ALTER tenant TYPE bigint;
SELECT * FROM zvec_check('t');
-- the server keeps the index's file where a type changes without a rewrite; its keys are the old type's, and count for nothing
ALTER TABLE t ALTER tenant TYPE int;
SELECT pg_relation_filenode('t_v') AS file \gset
ALTER TABLE t ALTER tenant TYPE oid USING tenant;
SELECT pg_relation_filenode('t_v') = :file AS kept;
INSERT INTO t SELECT i, i, 'oid', 0, vec(i, 4) FROM generate_series(2001, 2010) i;
SELECT * FROM zvec_check('t');
REINDEX TABLE t;
SELECT * FROM zvec_check('t');
ALTER TABLE t ALTER note TYPE varchar;
INSERT INTO t SELECT i, i, 'varchar', 0, vec(i, 4) FROM generate_series(2011, 2020) i;
SELECT * FROM zvec_check('t');
ALTER TABLE t ADD added int DEFAULT 5, ADD added_text text DEFAULT 'five';
CREATE INDEX t_added ON t USING zvec_hnsw (v) INCLUDE (added, added_text);
INSERT INTO t SELECT i, i, 'x', 0, vec(i, 4), i, 'six' FROM generate_series(2021, 2030) i;
UPDATE t SET added = 6 WHERE id < 30;
SELECT * FROM zvec_check('t');
ALTER TABLE t DROP COLUMN added;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1;
ALTER TABLE t SET ACCESS METHOD heap;
DROP INDEX t_v;
ALTER TABLE t SET ACCESS METHOD heap;
ALTER TABLE t SET ACCESS METHOD zvec;
CREATE INDEX t_v ON t USING zvec_hnsw (v) INCLUDE (tenant, n);
SELECT * FROM zvec_check('t');
TRUNCATE t;
INSERT INTO t SELECT i, i, 'x', 0, vec(i, 4) FROM generate_series(1, 30) i;
SELECT * FROM zvec_check('t');

-- partial, generated, unlogged, temporary, partitioned; over several segments
CREATE TABLE g (id int, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX g_v ON g USING zvec_hnsw (v) INCLUDE (twice) WHERE a > 10;
INSERT INTO g (id, a, v) SELECT i, i, vec(i, 2) FROM generate_series(1, 100) i;
UPDATE g SET a = a + 5 WHERE id BETWEEN 5 AND 15;
SELECT * FROM zvec_check('g');
CREATE UNLOGGED TABLE ul (id int, a text, v zvec(2)) USING zvec;
CREATE INDEX ul_v ON ul USING zvec_hnsw (v) INCLUDE (a);
INSERT INTO ul SELECT i, i, vec(i, 2) FROM generate_series(1, 100) i;
SELECT * FROM zvec_check('ul');
CREATE TEMPORARY TABLE temp (id int, a int, v zvec(2)) USING zvec ON COMMIT DELETE ROWS;
CREATE INDEX temp_v ON temp USING zvec_hnsw (v) INCLUDE (a);
BEGIN;
INSERT INTO temp SELECT i, i, vec(i, 2) FROM generate_series(1, 100) i;
SELECT count(*) FROM zvec_check('temp');
COMMIT;
INSERT INTO temp SELECT i, i, vec(i, 2) FROM generate_series(1, 10) i;
CREATE TABLE parent (id int, a int, v zvec(2)) PARTITION BY RANGE (id);
CREATE INDEX parent_v ON parent USING zvec_hnsw (v) INCLUDE (a);
CREATE TABLE part1 PARTITION OF parent FOR VALUES FROM (0) TO (100) USING zvec;
CREATE TABLE part2 (a int, v zvec(2), id int) USING zvec;
INSERT INTO part2 SELECT i % 3, vec(i, 2), i FROM generate_series(100, 150) i;
ALTER TABLE parent ATTACH PARTITION part2 FOR VALUES FROM (100) TO (200);
INSERT INTO parent SELECT i, i % 4, vec(i, 2) FROM generate_series(1, 199) i;
UPDATE parent SET a = a + 1 WHERE id % 3 = 0;
UPDATE parent SET id = id + 100 WHERE id < 20;
SELECT * FROM zvec_check('parent');
CREATE TABLE two (id int, a int, v zvec(2), w zvec(3)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX two_v ON two USING zvec_hnsw (v) INCLUDE (a, id);
CREATE INDEX two_w ON two USING zvec_hnsw (w) INCLUDE (id);
INSERT INTO two SELECT i, i, vec(i, 2), vec(i, 3) FROM generate_series(1, 100) i;
UPDATE two SET a = a + 1 WHERE id < 50;
UPDATE two SET v = NULL WHERE id > 90;
SELECT * FROM zvec_check('two');
-- as many columns as there may be
SELECT format('CREATE TABLE wide (%s, v zvec(2)) USING zvec', string_agg(format('c%s int', i), ', ')) FROM generate_series(1, 32) i \gexec
SELECT format('CREATE INDEX wide_v ON wide USING zvec_hnsw (v) INCLUDE (%s)', string_agg(format('c%s', i), ', ')) FROM generate_series(1, 31) i \gexec
INSERT INTO wide (c1, c31, v) SELECT i, -i, vec(i, 2) FROM generate_series(1, 500) i;
REINDEX INDEX wide_v;
INSERT INTO wide (c1, c30, v) SELECT i, -i, vec(i, 2) FROM generate_series(501, 600) i;
SELECT * FROM zvec_check('wide');
SELECT format('CREATE INDEX ON wide USING zvec_hnsw (v) INCLUDE (%s)', string_agg(format('c%s', i), ', ')) FROM generate_series(1, 32) i \gexec
