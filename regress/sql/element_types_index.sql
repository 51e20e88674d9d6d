-- The element types beside zvec in searches: exact scans, zvec_flat, zvec_hnsw. Needs index_helpers.
SET enable_seqscan = on;
CREATE TABLE source AS
    SELECT i, (SELECT array_agg(round(40 * sin(i * k / 7.0 + k) + 20 * cos(i * i / 31.0 + k))::int ORDER BY k) FROM generate_series(1, 32) k) a
    FROM generate_series(1, 1500) i;
CREATE TABLE elements (id int PRIMARY KEY, kind int, h zhalf(32), i zint8(32), b zbit(160)) USING zvec;
ALTER TABLE elements SET (autovacuum_enabled = off, toast.autovacuum_enabled = off);
INSERT INTO elements SELECT s.i, s.i % 10, (SELECT array_agg(x / 7.0) FROM unnest(a) x)::float8[]::zhalf, a::zint8,
    (SELECT string_agg(((x + 128)::bit(8)::varbit)::text, '') FROM unnest(a[1:20]) x)::zbit FROM source s WHERE s.i <= 1200;
INSERT INTO elements (id, kind) SELECT n, 3 FROM generate_series(2001, 2010) n;
ANALYZE elements;

-- what a sort finds, by each operator, and what a scan with a given plan does
CREATE FUNCTION order_of(operator text, col text, way text, lim int DEFAULT 15) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    PERFORM set_config('enable_indexscan', (way IN ('zvec_flat', 'zvec_hnsw'))::text, true),
        set_config('zvec.enable_exact_scan', (way = 'exact')::text, true), set_config('enable_sort', (way = 'sort')::text, true);
    EXECUTE format('SELECT array_agg(d)::text FROM (SELECT (%1$s %2$s (SELECT %1$s FROM elements WHERE id = 77))::numeric(12, 6) d '
        'FROM elements ORDER BY %1$s %2$s (SELECT %1$s FROM elements WHERE id = 77) LIMIT %3$s) x', col, operator, lim) INTO answer;
    RETURN answer;
END $$;
CREATE FUNCTION plan_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || command LOOP
        plan := plan || line || ' | ';
    END LOOP;
    RETURN plan;
END $$;
CREATE TABLE operators (col text, operator text, class text);
INSERT INTO operators VALUES ('h', '<->', 'zhalf_l2_ops'), ('h', '<#>', 'zhalf_ip_ops'), ('h', '<=>', 'zhalf_cosine_ops'),
    ('h', '<+>', 'zhalf_l1_ops'), ('i', '<->', 'zint8_l2_ops'), ('i', '<#>', 'zint8_ip_ops'), ('i', '<=>', 'zint8_cosine_ops'),
    ('i', '<+>', 'zint8_l1_ops'), ('b', '<~>', 'zbit_hamming_ops'), ('b', '<%>', 'zbit_jaccard_ops');

-- without an index
SELECT col, operator, order_of(operator, col, 'sort') = order_of(operator, col, 'exact') AS same FROM operators;
SET enable_sort = off;
-- later servers say otherwise what the first plan returns
SELECT replace(replace(plan_of(format('SELECT id FROM elements ORDER BY %1$s %2$s (SELECT %1$s FROM elements WHERE id = 77) LIMIT 5', col, operator)),
    ' (returns $0)', ''), '(InitPlan 1).col1', '$0') AS plan FROM operators;
RESET enable_sort;
-- the functions, and what else orders as they do
SELECT plan_of($$SELECT id FROM elements ORDER BY hamming_distance(b, repeat('1', 160)::zbit) LIMIT 5$$),
    plan_of($$SELECT id FROM elements ORDER BY zint8_distance(i, array_fill(1, ARRAY[32])::zint8, 'cosine') LIMIT 5$$),
    plan_of($$SELECT id FROM elements ORDER BY inner_product(h, array_fill(1, ARRAY[32])::zhalf) DESC LIMIT 5$$);

-- zvec_flat and zvec_hnsw by each operator class
CREATE TABLE found (col text, operator text, method text, build text, same boolean, recall boolean, problems bigint);
DO $$
DECLARE o record; method text; recall float8;
BEGIN
    FOR o IN SELECT * FROM operators LOOP
        FOREACH method IN ARRAY ARRAY['zvec_flat', 'zvec_hnsw'] LOOP
            EXECUTE format('CREATE INDEX tried ON elements USING %s (%s %s)', method, o.col, o.class);
            SELECT zvec_recall('tried', 50, 10, 200) INTO recall;
            INSERT INTO found VALUES (o.col, o.operator, method, 'built',
                order_of(o.operator, o.col, 'sort') = order_of(o.operator, o.col, method), recall > 0.95,
                (SELECT count(*) FROM zvec_check('tried')) + (SELECT count(*) FROM zvec_check('elements')));
            DROP INDEX tried;
        END LOOP;
    END LOOP;
END $$;
SELECT col, operator, method, same, recall, problems FROM found ORDER BY method, col, operator;

-- the operator classes are complete
SELECT count(*), bool_and(amvalidate(oid)) FROM pg_opclass WHERE opcname ~ '^z(vec|half|int8|bit)_';

-- the defaults are L2 and Hamming
CREATE INDEX elements_h ON elements USING zvec_hnsw (h);
CREATE INDEX elements_i ON elements USING zvec_hnsw (i) WITH (m = 8);
CREATE INDEX elements_b ON elements USING zvec_hnsw (b);
CREATE INDEX elements_cosine ON elements USING zvec_hnsw (i zint8_cosine_ops) WHERE kind < 5;
SELECT plan_of($$SELECT id FROM elements ORDER BY h <-> array_fill(1, ARRAY[32])::zhalf LIMIT 5$$),
    plan_of($$SELECT id FROM elements ORDER BY i <-> array_fill(1, ARRAY[32])::zint8 LIMIT 5$$),
    plan_of($$SELECT id FROM elements ORDER BY b <~> repeat('1', 160)::zbit LIMIT 5$$),
    plan_of($$SELECT id FROM elements WHERE kind < 5 ORDER BY i <=> array_fill(1, ARRAY[32])::zint8 LIMIT 5$$);
SELECT index, nodes, codes FROM zvec_index_stats('elements') ORDER BY 1;
-- vectors that wait, then are drained; changes, deletes, VACUUM
INSERT INTO elements SELECT s.i, s.i % 10, (SELECT array_agg(x / 7.0) FROM unnest(a) x)::float8[]::zhalf, a::zint8,
    (SELECT string_agg(((x + 128)::bit(8)::varbit)::text, '') FROM unnest(a[1:20]) x)::zbit FROM source s WHERE s.i > 1200;
UPDATE elements SET i = array_fill(0, ARRAY[32])::zint8, b = repeat('0', 160)::zbit, h = array_fill(0, ARRAY[32])::zhalf WHERE id % 100 = 1;
DELETE FROM elements WHERE id % 9 = 0;
CREATE FUNCTION check_orders() RETURNS TABLE (col text, operator text, same boolean) LANGUAGE sql AS $$
    SELECT col, operator, order_of(operator, col, 'sort', 40) = order_of(operator, col, 'zvec_hnsw', 40) FROM operators
    WHERE operator IN ('<->', '<~>') $$;
SET zvec.ef_search = 400;
SELECT * FROM check_orders();
SELECT index, pending > 0 AS pending FROM zvec_index_stats('elements') ORDER BY 1;
VACUUM elements;
SELECT index, drained > 0, removed > 0 FROM zvec_optimize('elements') ORDER BY 1;
SELECT * FROM check_orders();
SELECT index, pending FROM zvec_index_stats('elements') ORDER BY 1;
SELECT * FROM zvec_check('elements');
SELECT bool_and(zvec_recall(index, 50, 10, 200) > 0.95) FROM zvec_index_stats('elements');
-- a bound, and NULLs first
SELECT count(*), count(*) FILTER (WHERE b <~> repeat('1', 160)::zbit < 80) FROM
    (SELECT * FROM elements WHERE b <~> repeat('1', 160)::zbit < 80 ORDER BY b <~> repeat('1', 160)::zbit) x;
SELECT count(*) FROM (SELECT * FROM elements WHERE i <-> array_fill(1, ARRAY[32])::zint8 < 200 ORDER BY i <-> array_fill(1, ARRAY[32])::zint8 LIMIT 100000) x;
SELECT count(*) FROM elements WHERE i <-> array_fill(1, ARRAY[32])::zint8 < 200;
-- a query of other dimensions, and a rewrite
SELECT id FROM elements ORDER BY b <~> repeat('1', 161)::zbit LIMIT 1;
SELECT id FROM elements ORDER BY i <-> '[1,2]' LIMIT 1;
VACUUM FULL elements;
SELECT * FROM check_orders();
SELECT * FROM zvec_check('elements');
REINDEX INDEX elements_b;
SELECT zvec_prewarm('elements_b') > 0;
-- a column's type changes with its index
DROP INDEX elements_cosine;
ALTER TABLE elements ALTER COLUMN h TYPE zhalf;
DROP INDEX elements_h;
ALTER TABLE elements ALTER COLUMN h TYPE zhalf;
CREATE INDEX ON elements USING zvec_hnsw (h);
CREATE INDEX ON elements USING zvec_hnsw (b zbit_l2_ops);
CREATE INDEX ON elements USING zvec_hnsw (h zvec_l2_ops);
-- wide ones: codes over several pages, bits of many bytes
CREATE TABLE wide (id int, h zhalf(9000), b zbit(64000)) USING zvec;
INSERT INTO wide SELECT n, (SELECT array_agg((n * k % 17)::float8 / 4 ORDER BY k) FROM generate_series(1, 9000) k)::zhalf,
    (SELECT string_agg(((n * k) % 7 % 2)::text, '' ORDER BY k) FROM generate_series(1, 64000) k)::zbit FROM generate_series(1, 20) n;
CREATE INDEX wide_h ON wide USING zvec_hnsw (h zhalf_cosine_ops);
CREATE INDEX wide_b ON wide USING zvec_hnsw (b zbit_jaccard_ops);
SELECT zvec_recall('wide_h', 20, 10, 50), zvec_recall('wide_b', 20, 10, 50);
SELECT * FROM zvec_check('wide');
DROP TABLE wide, elements, source, operators, found;
DROP FUNCTION order_of, plan_of, check_orders;
