-- Tables, vectors and functions of run.sh. `dims` and `rows` are given.
CREATE EXTENSION pg_zvec;
CREATE FUNCTION v(seed int, dims int) RETURNS float4[] LANGUAGE sql IMMUTABLE AS
    $$ SELECT array_agg(sin(seed * 1.7 + j * (1 + seed % 13) * 0.37)::float4) FROM generate_series(1, dims) AS j $$;
CREATE TABLE source AS SELECT i AS id, v(i, :dims) AS e FROM generate_series(1, 2 * :rows) AS i;
CREATE TABLE queries AS SELECT i, v(1000000 + i, :dims) AS e FROM generate_series(1, 100) AS i;
CREATE TABLE bare (id int PRIMARY KEY, e float4[]);
CREATE TABLE items (id int PRIMARY KEY, e float4[]);
CREATE TABLE alone (id serial PRIMARY KEY, e float4[]);
CREATE TABLE wide (id serial PRIMARY KEY, e float4[]);
CREATE TABLE linked (id serial PRIMARY KEY, e float4[]);
CREATE TABLE vectors (id serial PRIMARY KEY, e zvec(:dims)) USING zvec;
CREATE INDEX ON vectors USING zvec_hnsw (e);
INSERT INTO bare SELECT * FROM source WHERE id <= :rows;
INSERT INTO items SELECT * FROM source WHERE id <= :rows;
SELECT zvec_create_collection('items', 'items', 'e', :dims, 'l2') \g /dev/null
SELECT zvec_attach_table('items', 'items', 'id', 'e') \g /dev/null
VACUUM ANALYZE;
CHECKPOINT;
-- microseconds a call
CREATE FUNCTION by_query(turns int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    q record;
    r record;
    z zvec;
BEGIN
    FOR turn IN 0 .. turns LOOP
        IF turn = 1 THEN started := clock_timestamp(); END IF;
        FOR q IN SELECT e FROM queries LOOP
            z := q.e;
            FOR r IN SELECT key, vector <-> z AS d FROM zvec_collection.items ORDER BY vector <-> z LIMIT 10 LOOP END LOOP;
        END LOOP;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - started) * 1e6 / (turns * 100);
END $$;
CREATE FUNCTION by_function(turns int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    q record;
    r record;
BEGIN
    FOR turn IN 0 .. turns LOOP
        IF turn = 1 THEN started := clock_timestamp(); END IF;
        FOR q IN SELECT e FROM queries LOOP
            FOR r IN SELECT pk, score FROM zvec_search('items', q.e, 10) LOOP END LOOP;
        END LOOP;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - started) * 1e6 / (turns * 100);
END $$;
-- milliseconds for `count` rows, each in a statement of its own
CREATE FUNCTION one_by_one(into_table text, count int, first int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    r record;
BEGIN
    started := clock_timestamp();
    FOR r IN SELECT id, e FROM source ORDER BY id LIMIT count OFFSET first LOOP
        IF into_table = 'bare' THEN INSERT INTO bare VALUES (r.id, r.e); ELSE INSERT INTO items VALUES (r.id, r.e); END IF;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - started) * 1e3;
END $$;
-- inserts for so many seconds, each row in a transaction of its own; how many
CREATE PROCEDURE write_rows(into_table text, first int, seconds int, INOUT written int) LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz := clock_timestamp() + make_interval(secs => seconds);
    given float4[];
    last int;
BEGIN
    SELECT max(id) INTO last FROM source;
    written := 0;
    WHILE clock_timestamp() < until LOOP
        SELECT e INTO given FROM source WHERE id = 1 + (first + written) % last;
        CASE into_table
            WHEN 'alone' THEN INSERT INTO alone (e) VALUES (given);
            WHEN 'wide' THEN INSERT INTO wide (e) VALUES (given);
            WHEN 'linked' THEN INSERT INTO linked (e) VALUES (given);
            WHEN 'vectors' THEN INSERT INTO vectors (e) VALUES (given);
        END CASE;
        written := written + 1;
        COMMIT;
    END LOOP;
END $$;
