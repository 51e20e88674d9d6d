-- What a statement holds does not grow with the rows that it writes, beyond what it does on a heap table.
CREATE SCHEMA table_memory;
SET search_path = table_memory, public;
CREATE FUNCTION held() RETURNS bigint LANGUAGE sql
    AS $$ SELECT max(total_bytes) FROM pg_backend_memory_contexts WHERE name = 'ExecutorState' $$;
-- notes the memory of the running statement, at its last row
CREATE FUNCTION note(what text, last boolean) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF last THEN PERFORM set_config('table_memory.' || what, held()::text, false); END IF;
    RETURN 0;
END $$;
CREATE PROCEDURE statements(what text, vectors int) LANGUAGE plpgsql AS $$
DECLARE names text; same text; doubled text;
BEGIN
    SELECT string_agg(format('v%s', i), ', '), string_agg(format('ARRAY[i, %s]::zvec', i), ', '),
           string_agg(format('v%s = excluded.v%1$s + excluded.v%1$s', i), ', ')
        INTO names, same, doubled FROM generate_series(1, vectors) i;
    EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, n int UNIQUE, %s) USING %s', what,
        regexp_replace(names, '(v\d+)', '\1 zvec(2)', 'g'), regexp_replace(what, '\d', ''));
    EXECUTE format('INSERT INTO %I SELECT i, i, %s FROM generate_series(1, 10000) i', what, same);
    EXECUTE format('UPDATE %I SET n = -n + note(%L, id = 10000)', what, what || '.update');
    EXECUTE format('INSERT INTO %I SELECT i, -i + note(%L, i = 10000), %s FROM generate_series(1, 10000) i
        ON CONFLICT DO NOTHING', what, what || '.nothing', same);
    EXECUTE format('INSERT INTO %I SELECT i, i + note(%L, i = 10000), %s FROM generate_series(1, 10000) i
        ON CONFLICT (id) DO UPDATE SET %s', what, what || '.upsert', same, doubled);
END $$;
CALL statements('heap1', 1);
CALL statements('zvec1', 1);
CALL statements('heap6', 6);
CALL statements('zvec6', 6);
SELECT vectors, statement, z <= h + 65536 AS held_as_on_heap,
       CASE WHEN z > h + 65536 THEN format('%s bytes, on heap %s', z, h) END AS problem
    FROM (VALUES (1), (6)) AS n (vectors), (VALUES ('update'), ('nothing'), ('upsert')) AS s (statement),
         LATERAL (SELECT current_setting(format('table_memory.zvec%s.%s', vectors, statement))::bigint AS z,
                         current_setting(format('table_memory.heap%s.%s', vectors, statement))::bigint AS h) AS held
    ORDER BY 1, 2;
SELECT count(*) FROM zvec6 JOIN heap6 USING (id, n, v1, v2, v3, v4, v5, v6);
SELECT id, n, v1, v4, v5, v6 FROM zvec6 WHERE id = 77;
SELECT * FROM zvec_check('zvec6');
SET client_min_messages = warning;
DROP SCHEMA table_memory CASCADE;
