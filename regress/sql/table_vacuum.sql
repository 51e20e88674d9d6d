-- VACUUM: slots of dead vectors are reclaimed and used again; every option; ANALYZE, TRUNCATE, DROP
CREATE SCHEMA table_vacuum;
SET search_path = table_vacuum, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
CREATE TABLE t (id int PRIMARY KEY, v zvec(6), n int DEFAULT 0) USING zvec WITH (autovacuum_enabled = off);
CREATE VIEW slots AS SELECT column_name, dimensions, live, dead, round(dead_share::numeric, 3) AS dead_share
    FROM zvec_segments('table_vacuum.t') ORDER BY segment;
SELECT * FROM slots;
INSERT INTO t SELECT i, vec(i, 6) FROM generate_series(1, 1000) i;
SELECT * FROM slots;
SELECT live + dead + free = slots AS adds_up, slots >= 1000 AS enough, slot_bytes >= 24 * 1000 AS slot_bytes,
       data_bytes >= 24 * 1000 AS data_bytes FROM zvec_segments('t');
DELETE FROM t WHERE id <= 300;
UPDATE t SET v = vec(-id, 6) WHERE id > 900;
SELECT * FROM slots;
VACUUM t;
SELECT * FROM slots;
SELECT * FROM zvec_check('t');
-- reuse: the store does not grow
SELECT slots AS slots_before, data_bytes AS data_before FROM zvec_segments('t') \gset
INSERT INTO t SELECT i, vec(i, 6) FROM generate_series(1, 300) i;
SELECT * FROM slots;
SELECT slots = :slots_before AS slots_same, data_bytes = :data_before AS data_same FROM zvec_segments('t');
SELECT count(*), count(*) FILTER (WHERE v = vec(CASE WHEN id > 900 THEN -id ELSE id END, 6)) FROM t;
SELECT * FROM zvec_check('t');
-- twenty rounds of changing everything, in one place
SELECT 'UPDATE t SET v = vec(id + ' || i || ', 6)', 'VACUUM t' FROM generate_series(1, 20) i
\set ECHO none
\gexec
\set ECHO all
SELECT * FROM slots;
SELECT slots <= 3 * :slots_before AS bounded FROM zvec_segments('t');
SELECT count(*), count(*) FILTER (WHERE v = vec(id + 20, 6)) FROM t;
SELECT * FROM zvec_check('t');
-- what a rollback left
BEGIN;
INSERT INTO t SELECT i, vec(i, 6) FROM generate_series(2001, 2500) i;
UPDATE t SET v = '[0,0,0,0,0,0]' WHERE id <= 100;
ROLLBACK;
VACUUM t;
SELECT * FROM slots;
SELECT count(*), count(*) FILTER (WHERE v = vec(id + 20, 6)) FROM t;
SELECT * FROM zvec_check('t');
-- an UPDATE of another column makes no dead vector
UPDATE t SET n = id;
SELECT * FROM slots;
UPDATE t SET v = vec(id + 20, 6);
SELECT * FROM slots;
VACUUM t;
SELECT * FROM zvec_check('t');

-- options
CREATE FUNCTION change(step int) RETURNS void LANGUAGE sql AS $$
    DELETE FROM t WHERE id % 10 = step;
    UPDATE t SET v = vec(id + 20, 6) + '[1,0,0,0,0,0]' WHERE id % 10 = step + 1;
    UPDATE t SET v = vec(id + 20, 6) WHERE id % 10 = step + 1;
    UPDATE t SET n = -n WHERE id % 10 = step + 2;
    INSERT INTO t SELECT i, vec(i + 20, 6) FROM generate_series(1, 1000) i WHERE i % 10 = step $$;
CREATE FUNCTION wrong(OUT rows bigint, OUT wrong bigint, OUT by_key bigint, OUT violations bigint) LANGUAGE plpgsql AS $$
BEGIN
    SELECT count(*), count(*) FILTER (WHERE v IS DISTINCT FROM vec(id + 20, 6)) INTO rows, wrong FROM t;
    PERFORM set_config('enable_seqscan', 'off', true);
    PERFORM set_config('enable_bitmapscan', 'off', true);
    SELECT count(*) INTO by_key FROM generate_series(1, 1000) i, LATERAL (SELECT v FROM t WHERE t.id = i OFFSET 0) s
        WHERE s.v = vec(i + 20, 6);
    PERFORM set_config('enable_seqscan', 'on', true);
    PERFORM set_config('enable_bitmapscan', 'on', true);
    SELECT count(*) INTO violations FROM zvec_check('t');
END $$;
CREATE INDEX t_n ON t (n);
CREATE INDEX t_n2 ON t (n, id);
SELECT change(0);
VACUUM (FREEZE) t;
SELECT * FROM wrong();
SELECT * FROM slots;
SELECT change(1);
VACUUM (DISABLE_PAGE_SKIPPING) t;
SELECT * FROM wrong();
SELECT change(2);
VACUUM (INDEX_CLEANUP OFF) t;
SELECT * FROM wrong();
SELECT change(3);
VACUUM (INDEX_CLEANUP ON, PARALLEL 2) t;
SELECT * FROM wrong();
SELECT * FROM slots;
SELECT change(4);
VACUUM (PROCESS_TOAST OFF) t;
SELECT * FROM wrong();
SELECT change(5);
SELECT 'VACUUM ' || reltoastrelid::regclass AS command, reltoastrelid::regclass AS toast FROM pg_class WHERE oid = 't'::regclass \gset
\set ECHO none
:command;
\set ECHO all
SELECT * FROM wrong();
SELECT change(6);
VACUUM (TRUNCATE OFF, SKIP_LOCKED, ANALYZE) t;
SELECT * FROM wrong();
SELECT change(7);
SET vacuum_freeze_min_age = 0;
SET vacuum_freeze_table_age = 0;
VACUUM t;
RESET vacuum_freeze_min_age;
RESET vacuum_freeze_table_age;
SELECT * FROM wrong();
SELECT age(relfrozenxid) < 10 AS frozen FROM pg_class WHERE oid = 't'::regclass;
SELECT * FROM slots;
-- all rows gone: the table shrinks, the store stays usable
DELETE FROM t;
VACUUM t;
SELECT pg_relation_size('t') AS main_bytes, count(*) FROM t;
SELECT * FROM slots;
INSERT INTO t SELECT i, vec(i + 20, 6) FROM generate_series(1, 1000) i;
SELECT * FROM wrong();

-- ANALYZE: null fraction and width of a vector column
UPDATE t SET v = NULL WHERE id % 4 = 0;
ANALYZE t;
SELECT attname, null_frac, avg_width, n_distinct FROM pg_stats WHERE schemaname = 'table_vacuum' AND tablename = 't' AND attname <> 'n' ORDER BY attname;
SELECT reltuples FROM pg_class WHERE oid = 't'::regclass;
ANALYZE t (v);
SELECT * FROM zvec_check('t');

-- TRUNCATE
TRUNCATE t;
SELECT * FROM slots;
SELECT count(*) FROM t;
INSERT INTO t VALUES (1, vec(21, 6));
BEGIN;
TRUNCATE t;
INSERT INTO t VALUES (1, vec(1, 6)), (2, vec(2, 6));
SELECT id, v FROM t ORDER BY id;
ROLLBACK;
SELECT id, v = vec(21, 6) AS same FROM t;
BEGIN;
INSERT INTO t VALUES (3, vec(3, 6));
SAVEPOINT a;
TRUNCATE t;
INSERT INTO t VALUES (4, vec(4, 6));
ROLLBACK TO a;
INSERT INTO t VALUES (5, vec(5, 6));
COMMIT;
SELECT id, v IN (vec(21, 6), vec(3, 6), vec(5, 6)) AS same FROM t ORDER BY id;
SELECT * FROM slots;
SELECT * FROM zvec_check('t');
-- made and emptied in one transaction
BEGIN;
CREATE TABLE made (id int, v zvec(2)) USING zvec;
INSERT INTO made VALUES (1, '[1,1]');
TRUNCATE made;
INSERT INTO made VALUES (2, '[2,2]');
TRUNCATE made;
INSERT INTO made VALUES (3, '[3,3]');
COMMIT;
SELECT * FROM made;
SELECT * FROM zvec_check('made');
-- DROP, undone and done
BEGIN;
DROP TABLE t CASCADE;
ROLLBACK;
SELECT count(*), count(v) FROM t;
DROP TABLE t CASCADE;
SELECT * FROM zvec_segments('t');
SET client_min_messages = warning;
DROP SCHEMA table_vacuum CASCADE;
