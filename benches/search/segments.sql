-- What a query takes where the vectors lie in 1, 4, 16 and 40 segments of 10,000 each: time, and the session's own memory.
--
--     psql -qX -f benches/search/segments.sql
--
-- connects as a superuser to a server that has the extension, and leaves nothing behind. It takes a minute or two.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_zvec;
CREATE SCHEMA segments;
SET search_path = segments, public;
-- bytes of the session's own memory, of which shared buffers are no part
CREATE FUNCTION own_memory() RETURNS bigint LANGUAGE sql
AS $$ SELECT 1024 * substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+) kB')::bigint $$;
CREATE TABLE queries AS SELECT (SELECT array_agg(random() + 0 * (i + j)) FROM generate_series(1, 32) j)::real[]::zvec AS q FROM generate_series(1, 1000) i;
SET pg_zvec.segment_capacity = 10000;
SET maintenance_work_mem = '1GB';
CREATE PROCEDURE make(segments int) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE t%s (id int, v zvec(32)) USING zvec WITH (autovacuum_enabled = off)', segments);
    EXECUTE format('INSERT INTO t%s SELECT i, (SELECT array_agg(random() + 0 * (i + j)) FROM generate_series(1, 32) j)::real[]::zvec FROM generate_series(1, %s) i',
        segments, segments * 10000);
    EXECUTE format('CREATE INDEX ON t%s USING zvec_hnsw (v) WITH (m = 8, ef_construction = 24)', segments);
END $$;
CREATE FUNCTION measured(segments int, OUT microseconds numeric, OUT kilobytes bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE query zvec; ids int[]; before bigint; began timestamptz; found bool;
    sql text := format('SELECT array_agg(id) FROM (SELECT id FROM t%s ORDER BY v <-> $1 LIMIT 10) x', segments);
BEGIN
    FOR query IN SELECT q FROM queries LIMIT 5 LOOP
        EXECUTE 'SELECT array_agg(id) FROM (SELECT id FROM queries, t1 LIMIT 10) x' INTO ids;
    END LOOP;
    before := own_memory();
    FOR round IN 1..3 LOOP
        began := clock_timestamp();
        FOR query IN SELECT q FROM queries LOOP
            EXECUTE sql INTO ids USING query;
        END LOOP;
        microseconds := least(microseconds, extract(epoch FROM clock_timestamp() - began) * 1000000 / 1000);
    END LOOP;
    microseconds := round(microseconds);
    kilobytes := (own_memory() - before) / 1024;
END $$;
CALL make(1);
CALL make(4);
CALL make(16);
CALL make(40);
VACUUM ANALYZE t1, t4, t16, t40;
CHECKPOINT;
\echo segments, microseconds a query, kilobytes of the session
\pset tuples_only
\pset format unaligned
\pset fieldsep ' '
-- each in a session of its own
\c -
SET search_path = segments, public;
SELECT 1, * FROM measured(1);
\c -
SET search_path = segments, public;
SELECT 4, * FROM measured(4);
\c -
SET search_path = segments, public;
SELECT 16, * FROM measured(16);
\c -
SET search_path = segments, public;
SELECT 40, * FROM measured(40);
SET client_min_messages = warning;
DROP SCHEMA segments CASCADE;
