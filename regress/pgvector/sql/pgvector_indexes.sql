-- zvec_hnsw over pgvector's types, and pgvector's own indexes on zvec tables.
\set VERBOSITY terse
SET max_parallel_workers_per_gather = 0; SET max_parallel_maintenance_workers = 0;
CREATE SCHEMA pgvi; SET search_path = pgvi, public;
CREATE TABLE items (id bigserial PRIMARY KEY, category int, embedding vector(32), half halfvec(32));
INSERT INTO items (category, embedding, half) SELECT i % 5, v, v::halfvec
FROM (SELECT i, array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37) ORDER BY j)::vector AS v FROM generate_series(1, 3000) i, generate_series(1, 32) j GROUP BY i) made;
-- The whole migration.
ALTER TABLE items SET ACCESS METHOD zvec;
CREATE INDEX ON items USING zvec_hnsw (embedding vector_cosine_ops);
ANALYZE items;
PREPARE search AS SELECT id FROM items ORDER BY embedding <=> (SELECT embedding FROM items WHERE id = 17) LIMIT 5;
EXPLAIN (COSTS OFF) EXECUTE search;
EXECUTE search;
-- each operator class finds what an exact search finds
CREATE FUNCTION recall(col text, op text, type text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE q text; found int := 0; plan text;
BEGIN
    FOR i IN 1..20 LOOP
        EXECUTE format('SELECT %I::text FROM items WHERE id = %s', col, i * 100) INTO q;
        SET LOCAL enable_indexscan = on; SET LOCAL zvec.enable_exact_scan = off; SET LOCAL hnsw.ef_search = 100; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
        EXECUTE format('EXPLAIN (FORMAT JSON) SELECT id FROM items ORDER BY %I %s %L::%s LIMIT 10', col, op, q, type) INTO plan;
        IF plan NOT LIKE '%Index Scan%' THEN RAISE 'no index scan: %', plan; END IF;
        EXECUTE format('CREATE TEMP TABLE by_index AS SELECT %1$I %2$s %3$L::%4$s AS d FROM items ORDER BY %1$I %2$s %3$L::%4$s LIMIT 10', col, op, q, type);
        SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on;
        -- by distance: many rows are alike
        EXECUTE format('SELECT $1 + count(*) FROM by_index WHERE d <= (SELECT max(d) FROM (SELECT %1$I %2$s %3$L::%4$s AS d FROM items ORDER BY d LIMIT 10) e)', col, op, q, type) INTO found USING found;
        DROP TABLE by_index;
    END LOOP;
    RETURN found / 200.0;
END $$;
DROP INDEX items_embedding_idx;
CREATE TABLE classes (method text, col text, type text, class text, op text, recall_above_90 bool, recall_of_rest bool);
DO $$
DECLARE the record; idx text; before numeric; later numeric;
BEGIN
    FOR the IN SELECT * FROM (VALUES ('embedding', 'vector'), ('half', 'halfvec')) t(col, type),
        (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) o(metric, op), (VALUES ('zvec_hnsw'), ('hnsw'), ('ivfflat')) m(method)
        WHERE NOT (method = 'ivfflat' AND metric = 'l1')
    LOOP
        EXECUTE format('CREATE INDEX i ON items USING %s (%s %s_%s_ops)', the.method, the.col, the.type, the.metric);
        IF the.method = 'ivfflat' THEN SET LOCAL ivfflat.probes = 100; END IF;
        before := recall(the.col, the.op, the.type);
        -- rows that are changed and added
        EXECUTE format('UPDATE items SET %1$s = %1$s + array_fill(0.001, ARRAY[32])::%2$s WHERE id %% 10 = 0', the.col, the.type);
        INSERT INTO items (category, embedding, half) SELECT category, embedding + array_fill(0.01, ARRAY[32])::vector, half FROM items WHERE id BETWEEN 1 AND 50;
        DELETE FROM items WHERE id BETWEEN 201 AND 205;
        later := recall(the.col, the.op, the.type);
        INSERT INTO classes VALUES (the.method, the.col, the.type, the.metric, the.op, before > 0.9, later > 0.9);
        DROP INDEX i;
    END LOOP;
END $$;
TABLE classes;
SELECT * FROM zvec_check('items');
VACUUM items;
SELECT * FROM zvec_check('items');

-- side by side: each operator finds the index that has it; REINDEX, VACUUM FULL, TRUNCATE
TRUNCATE items;
INSERT INTO items (id, category, embedding, half) SELECT i, i % 5, array_fill(i, ARRAY[32])::vector, array_fill(i % 50, ARRAY[32])::halfvec FROM generate_series(1, 500) i;
CREATE INDEX of_zvec ON items USING zvec_hnsw (embedding) WITH (m = 8, ef_construction = 40);
CREATE INDEX of_pgvector ON items USING hnsw (embedding vector_cosine_ops) WITH (m = 8, ef_construction = 40);
CREATE INDEX of_lists ON items USING ivfflat (half halfvec_ip_ops) WITH (lists = 5);
CREATE INDEX partial ON items USING zvec_hnsw (half) WHERE category = 3;
CREATE INDEX ordered ON items (embedding);
SET enable_seqscan = off; SET zvec.enable_exact_scan = off; SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY embedding <-> array_fill(77, ARRAY[32])::vector LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY embedding <=> array_fill(77, ARRAY[32])::vector LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY half <#> array_fill(1, ARRAY[32])::halfvec LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE category = 3 ORDER BY half <-> array_fill(1, ARRAY[32])::halfvec LIMIT 3;
SELECT id FROM items ORDER BY embedding <-> array_fill(77, ARRAY[32])::vector LIMIT 3;
SELECT id FROM items WHERE category = 3 ORDER BY half <-> array_fill(13, ARRAY[32])::halfvec, id LIMIT 3;
SELECT id FROM items WHERE embedding = array_fill(77, ARRAY[32])::vector;
VACUUM FULL items; REINDEX TABLE items;
SELECT id FROM items ORDER BY embedding <-> array_fill(77, ARRAY[32])::vector LIMIT 3;
SELECT id FROM items WHERE embedding = array_fill(77, ARRAY[32])::vector;
SELECT * FROM zvec_check('items');
SELECT zvec_recall('of_zvec', 10, 20);

-- what an index of ours needs
CREATE TABLE undeclared (v vector) USING zvec;
\set VERBOSITY default
CREATE INDEX ON undeclared USING zvec_hnsw (v);
ALTER TABLE items ALTER COLUMN embedding TYPE vector;
CREATE TABLE plain (v vector(3)) USING heap;
CREATE INDEX ON plain USING zvec_hnsw (v vector_l2_ops);
CREATE TABLE sparse (s sparsevec(3), b bit(3)) USING zvec;
CREATE INDEX ON sparse USING zvec_hnsw (s);
\set VERBOSITY terse
-- expressions, as pgvector's documentation has them
CREATE INDEX ON items USING hnsw ((embedding::halfvec(32)) halfvec_l2_ops);
CREATE INDEX ON items USING hnsw ((binary_quantize(embedding)::bit(32)) bit_hamming_ops);
INSERT INTO sparse VALUES ('{1:1}/3', B'101'); CREATE INDEX ON sparse USING hnsw (s sparsevec_l2_ops); CREATE INDEX ON sparse USING hnsw (b bit_hamming_ops);
TABLE sparse;
SELECT id FROM items ORDER BY embedding::halfvec(32) <-> array_fill(77, ARRAY[32])::halfvec LIMIT 1;
-- filtered search with iterative scans of pgvector, and ours
SET hnsw.iterative_scan = strict_order;
SELECT count(*) FROM (SELECT id FROM items WHERE category = 2 ORDER BY embedding <=> array_fill(3, ARRAY[32])::vector LIMIT 3) s;
SELECT id FROM items WHERE category = 2 ORDER BY embedding <-> array_fill(80, ARRAY[32])::vector LIMIT 3;
DROP SCHEMA pgvi CASCADE;
