-- What run.sh measures with: where the figures go, what they should be, and the procedures that take them.
CREATE EXTENSION pg_zvec;
CREATE EXTENSION pg_walinspect;

CREATE TABLE source (id int, label int, note text, v zvec);
CREATE TABLE queries (v zvec);

-- One row a run; report.sql takes the best run of each table.
CREATE TABLE runs (seq serial, input text, what text, am text, ms float8);
-- What is counted, not timed.
CREATE TABLE facts (seq serial, input text, what text, am text, value float8);

-- What to print, in this order, and the goals. `unit` of what is timed: ms, or tps where a run is one transaction's
-- mean. There `least` is zvec's speed / heap's speed; of anything else, the bounds are those of zvec's own figure.
CREATE TABLE goals (seq serial, what text PRIMARY KEY, unit text, least float8, most float8);
INSERT INTO goals (what, unit, least, most) VALUES
    ('exact KNN top 10 by L2, 1 process', 'ms', 4, NULL),
    ('exact KNN top 10 by cosine, 1 process', 'ms', 4, NULL),
    ('exact KNN top 10 by L2, 2 parallel workers', 'ms', NULL, NULL),
    ('exact KNN top 10 by cosine, 2 parallel workers', 'ms', NULL, NULL),
    ('binary COPY in, 1 session', 'ms', 1, NULL),
    ('binary COPY in, 2 sessions, the same rows in halves', 'ms', NULL, NULL),
    ('COPY by 2 sessions: times the rate of 1', 'times', 1.5, NULL),
    ('count(*)', 'ms', 1, NULL),
    ('count(*) with a filter on a scalar', 'ms', 1, NULL),
    ('index lookup by primary key', 'tps', 1 / 1.1, NULL),
    ('single-row INSERT transactions', 'tps', 0.8, NULL),
    ('UPDATE of a scalar of 10,000 rows, HOT', 'ms', 1, NULL),
    ('that UPDATE: rows updated HOT', 'count', 10000, NULL),
    ('that UPDATE: WAL records of kind Generic', 'count', NULL, 0),
    ('that UPDATE: WAL records that touch the TOAST relation', 'count', NULL, 0),
    ('that UPDATE: WAL', 'kB', NULL, NULL),
    ('UPDATE of an indexed scalar of 10,000 rows, not HOT', 'ms', 1, NULL),
    ('that UPDATE, not HOT: rows updated HOT', 'count', NULL, 0),
    ('that UPDATE, not HOT: WAL records of kind Generic', 'count', NULL, NULL),
    ('that UPDATE, not HOT: WAL records that touch the TOAST relation', 'count', NULL, NULL),
    ('that UPDATE, not HOT: WAL', 'kB', NULL, NULL),
    ('DELETE of 30% of the rows', 'ms', NULL, NULL),
    ('VACUUM after that, TOAST included', 'ms', 2, NULL),
    ('VACUUM FULL after that', 'ms', 1, NULL),
    ('disk bytes beyond rows / (rows x dimensions x 4)', 'times', NULL, 1.05),
    ('disk blocks of the rows', 'count', NULL, NULL);

-- Makes the tables heap and zvec, named PREFIX_heap and PREFIX_zvec.
CREATE PROCEDURE make_tables(prefix text, options text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
    am text;
BEGIN
    FOREACH am IN ARRAY ARRAY['heap', 'zvec'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s_%s', prefix, am);
        EXECUTE format('CREATE TABLE %s_%s (id int, label int, note text, v zvec) USING %s %s', prefix, am, am,
            options);
    END LOOP;
END $$;

-- Times a query of both tables in turn; %s in it stands for the table.
CREATE PROCEDURE measure_query(input text, what text, query text, repeats int) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    am text;
    answer bigint;
    other bigint;
BEGIN
    FOR i IN 1..repeats LOOP
        FOREACH am IN ARRAY ARRAY['heap', 'zvec'] LOOP
            started := clock_timestamp();
            EXECUTE format(query, 'items_' || am) INTO answer;
            INSERT INTO runs (input, what, am, ms)
            VALUES (input, what, am, 1000 * extract(epoch FROM clock_timestamp() - started));
            IF answer <> coalesce(other, answer) THEN
                RAISE EXCEPTION 'the tables differ: % and %', other, answer;
            END IF;
            other := answer;
        END LOOP;
    END LOOP;
END $$;

-- Ten nearest for each query, one timing for each query and table. The answers must agree, up to rounding: a vector
-- that crosses a page border is added up in pieces.
CREATE PROCEDURE measure_knn(input text, what text, operator text, workers int) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    am text;
    search text;
    line text;
    planned int;
    query zvec;
    answer float8[];
    other float8[];
    difference float8;
BEGIN
    PERFORM set_config(setting, '0', true)
    FROM unnest(ARRAY['parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_table_scan_size']) AS setting;
    PERFORM set_config(setting, workers::text, true)
    FROM unnest(ARRAY['max_parallel_workers_per_gather', 'pg_zvec.query_threads']) AS setting;
    FOR query IN SELECT v FROM queries LOOP
        other := NULL;
        FOREACH am IN ARRAY ARRAY['heap', 'zvec'] LOOP
            search := format('SELECT array_agg(d) FROM (SELECT v %s $1 AS d FROM items_%s ORDER BY v %s $1 LIMIT 10) s',
                operator, am, operator);
            planned := 0;
            FOR line IN EXECUTE 'EXPLAIN ' || search USING query LOOP
                planned := coalesce(substring(line FROM 'Workers Planned: (\d+)')::int, planned);
            END LOOP;
            IF planned <> workers THEN
                RAISE EXCEPTION '% workers planned, not %', planned, workers;
            END IF;
            started := clock_timestamp();
            EXECUTE search INTO answer USING query;
            INSERT INTO runs (input, what, am, ms)
            VALUES (input, what, am, 1000 * extract(epoch FROM clock_timestamp() - started));
            difference := (SELECT max(abs(a - b) / greatest(1, abs(a)))
                FROM unnest(answer, coalesce(other, answer)) AS pairs(a, b));
            IF difference IS NULL OR difference > 1e-5 THEN
                RAISE EXCEPTION 'the tables differ by % in the distances of the nearest by %', difference, operator;
            END IF;
            other := answer;
        END LOOP;
    END LOOP;
END $$;

-- The size of what is beside the rows: TOAST or vector store with all forks, and the main relation's maps.
CREATE PROCEDURE measure_size(input text) LANGUAGE sql AS $$
    INSERT INTO facts (input, what, am, value)
    SELECT input, 'disk bytes beyond rows / (rows x dimensions x 4)', am,
        (pg_table_size(('items_' || am)::regclass) - pg_relation_size(('items_' || am)::regclass)) / bytes
    FROM (VALUES ('heap'), ('zvec')) AS tables(am),
        (SELECT sum(vector_dims(v))::float8 * 4 AS bytes FROM source) AS vectors;
    INSERT INTO facts (input, what, am, value)
    SELECT input, 'disk blocks of the rows', am, pg_relation_size(('items_' || am)::regclass) / 8192
    FROM (VALUES ('heap'), ('zvec')) AS tables(am);
$$;

-- What the log between two places says of one UPDATE. Every write to the vector store is a record of the resource
-- manager Generic; a block reference names the file that the record touches.
CREATE PROCEDURE measure_log(input text, what text, am text, hot bigint, first pg_lsn, last pg_lsn) LANGUAGE sql AS $$
    INSERT INTO facts (input, what, am, value)
    SELECT input, what || part, am, value
    FROM (
        SELECT count(*) FILTER (WHERE resource_manager = 'Generic') AS generic,
            count(*) FILTER (WHERE block_ref LIKE '%/' || toast || ' %') AS toasted,
            sum(record_length) / 1024.0 AS kb
        FROM pg_get_wal_records_info(first, last),
            (SELECT pg_relation_filenode(reltoastrelid) FROM pg_class
                WHERE oid = ('updated_' || am)::regclass) AS file(toast)
    ) AS log,
        LATERAL (VALUES (': rows updated HOT', hot), (': WAL records of kind Generic', generic),
            (': WAL records that touch the TOAST relation', toasted), (': WAL', kb)) AS parts(part, value);
$$;

-- A figure as report.sql prints it.
CREATE FUNCTION shown(value float8, unit text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE unit
        WHEN 'ms' THEN round(value::numeric, CASE WHEN value < 100 THEN 2 ELSE 0 END) || ' ms'
        WHEN 'tps' THEN round((1000 / value)::numeric) || ' tps'
        WHEN 'kB' THEN round(value::numeric) || ' kB'
        WHEN 'times' THEN round(value::numeric, 3)::text
        ELSE value::text END;
$$;
