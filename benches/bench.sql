-- Compares a zvec table with a heap table that has the same rows: run by bench.sh, which makes the table `source`
-- (id, label, note, v) and `queries` (v) and gives the variables `input` (what they are) and `file` (a scratch file of
-- the server's).
\set ON_ERROR_STOP on
\set QUIET on
\pset tuples_only on
\pset format unaligned
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET synchronous_commit = off;

CREATE TABLE IF NOT EXISTS measured (seq serial, input text, what text, am text, ms float8);
CREATE TABLE IF NOT EXISTS facts (seq serial, input text, what text, heap text, zvec text);
DROP TABLE IF EXISTS items_heap, items_zvec;
CREATE TABLE items_heap (id int, label int, note text, v zvec) USING heap WITH (fillfactor = 50);
CREATE TABLE items_zvec (id int, label int, note text, v zvec) USING zvec WITH (fillfactor = 50);

-- Times a statement on both tables in turn; %s in it stands for the table. `before` runs first, untimed.
CREATE OR REPLACE PROCEDURE measure(input text, what text, statement text, repeats int, before text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    am text;
BEGIN
    FOR i IN 1..repeats LOOP
        FOREACH am IN ARRAY ARRAY['heap', 'zvec'] LOOP
            IF before IS NOT NULL THEN
                EXECUTE format(before, 'items_' || am);
                COMMIT;
            END IF;
            CHECKPOINT;
            started := clock_timestamp();
            EXECUTE format(statement, 'items_' || am);
            COMMIT;
            INSERT INTO measured (input, what, am, ms)
            VALUES (input, what, am, 1000 * extract(epoch FROM clock_timestamp() - started));
            COMMIT;
        END LOOP;
    END LOOP;
END $$;

-- Ten nearest for each query, one timing for each query and table. The answers must agree, up to rounding: a vector that
-- crosses a page border is added up in pieces.
CREATE OR REPLACE PROCEDURE measure_knn(input text, what text, operator text)
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    am text;
    query zvec;
    answer float8[];
    other float8[];
    difference float8;
    largest float8;
BEGIN
    FOR query IN SELECT v FROM queries LOOP
        other := NULL;
        FOREACH am IN ARRAY ARRAY['heap', 'zvec'] LOOP
            started := clock_timestamp();
            EXECUTE format('SELECT array_agg(d) FROM (SELECT v %s $1 AS d FROM items_%s ORDER BY v %s $1 LIMIT 10) s',
                operator, am, operator) INTO answer USING query;
            INSERT INTO measured (input, what, am, ms)
            VALUES (input, what, am, 1000 * extract(epoch FROM clock_timestamp() - started));
            difference := (SELECT max(abs(a - b) / greatest(1, abs(a)))
                FROM unnest(answer, coalesce(other, answer)) AS pairs(a, b));
            IF difference IS NULL OR difference > 1e-5 THEN
                RAISE EXCEPTION 'the tables differ by % in the distances of the nearest by %', difference, operator;
            END IF;
            largest := greatest(largest, difference);
            other := answer;
        END LOOP;
    END LOOP;
    INSERT INTO facts (input, what, heap, zvec)
    VALUES (input, what || ': largest difference of distances', '', round(largest::numeric, 9)::text);
END $$;

\echo '  copy' :input
COPY source TO :'file' (FORMAT binary);
CALL measure(:'input', 'binary COPY in', format('COPY %%s FROM %L (FORMAT binary)', :'file'), 3, 'TRUNCATE %s');
VACUUM (ANALYZE, FREEZE) items_heap, items_zvec;

\echo '  scans' :input
CALL measure(:'input', 'count(*)', 'SELECT count(*) FROM %s', 7);
CALL measure(:'input', 'count(*) with a filter on a scalar', 'SELECT count(*) FROM %s WHERE label = 3', 7);
CALL measure_knn(:'input', 'exact top 10 by L2, each query', '<->');
CALL measure_knn(:'input', 'exact top 10 by cosine, each query', '<=>');
INSERT INTO facts (input, what, heap, zvec)
SELECT :'input', 'disk bytes beyond rows / (rows x dimensions x 4)',
    round((pg_table_size('items_heap') - pg_relation_size('items_heap')) / bytes, 3),
    round((pg_table_size('items_zvec') - pg_relation_size('items_zvec')) / bytes, 3)
FROM (SELECT sum(vector_dims(v))::numeric * 4 AS bytes FROM source) AS s;

\echo '  updates' :input
CREATE EXTENSION IF NOT EXISTS pg_walinspect;
-- One update alone, to see its log: a vector page or slot is written by a record of the resource manager Generic.
CHECKPOINT;
SELECT pg_current_wal_insert_lsn() AS before \gset
UPDATE items_zvec SET label = label + 1 WHERE id <= 10000;
SELECT pg_current_wal_insert_lsn() AS after, pg_switch_wal() \gset
INSERT INTO facts (input, what, heap, zvec)
SELECT :'input', 'log records of the vector store in an UPDATE of a scalar, up to 10,000 rows', '',
    coalesce(sum(count), 0)::text
FROM pg_get_wal_stats(:'before', :'after') WHERE "resource_manager/record_type" = 'Generic';
-- The heap table goes through the same, to be compared as an equal.
UPDATE items_zvec SET label = label - 1 WHERE id <= 10000;
UPDATE items_heap SET label = label + 1 WHERE id <= 10000;
UPDATE items_heap SET label = label - 1 WHERE id <= 10000;
VACUUM items_heap, items_zvec;
CALL measure(:'input', 'UPDATE of a scalar, up to 10,000 rows', 'UPDATE %s SET label = label + 1 WHERE id <= 10000', 5,
    'SELECT count(*) FROM %s WHERE label = 3');

\echo '  delete and vacuum' :input
DELETE FROM items_heap WHERE id % 10 < 3;
DELETE FROM items_zvec WHERE id % 10 < 3;
SELECT clock_timestamp() AS t0 \gset
VACUUM items_heap;
SELECT clock_timestamp() AS t1 \gset
VACUUM items_zvec;
INSERT INTO measured (input, what, am, ms)
VALUES
    (:'input', 'VACUUM after deleting 30% of the rows', 'heap', 1000 * extract(epoch FROM :'t1' - :'t0'::timestamptz)),
    (:'input', 'VACUUM after deleting 30% of the rows', 'zvec', 1000 * extract(epoch FROM clock_timestamp() - :'t1'));
