-- an UPDATE that leaves a vector alone neither copies it nor writes it: shown by the WAL of the table's store
CREATE SCHEMA table_unchanged;
SET search_path = table_unchanged, public;
CREATE EXTENSION IF NOT EXISTS pg_walinspect SCHEMA public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0, k int DEFAULT 0, v zvec(2000), w zvec(500), body text) USING zvec
    WITH (fillfactor = 10, autovacuum_enabled = off);
CREATE INDEX t_k ON t (k);
INSERT INTO t SELECT i, 0, i, vec(i, 2000), vec(-i, 500), repeat(md5(i::text), 100) FROM generate_series(1, 100) i;
VACUUM (FREEZE) t;
CREATE VIEW slots AS SELECT column_name, live, dead FROM zvec_segments('table_unchanged.t') ORDER BY segment;
CREATE VIEW size AS SELECT sum(slots) AS slots, sum(slot_bytes) AS slot_bytes, sum(data_bytes) AS data_bytes FROM zvec_segments('table_unchanged.t');
SELECT * FROM slots;
SELECT * FROM size \gset before_
CREATE FUNCTION wrong() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM t WHERE v IS DISTINCT FROM vec(id, 2000) OR w IS DISTINCT FROM vec(-id, 500) OR body <> repeat(md5(id::text), 100) $$;
-- what was written since a point of the WAL, without images of full pages: records of rows and of the store, bytes for
-- each of a hundred rows
CREATE FUNCTION written(since pg_lsn, OUT hot bigint, OUT row_records boolean, OUT store_records boolean, OUT store_bytes text)
LANGUAGE plpgsql AS $$
DECLARE toast oid; main text; store text; bytes bigint;
BEGIN
    SELECT reltoastrelid INTO toast FROM pg_class WHERE oid = 't'::regclass;
    main := '%/' || pg_relation_filenode('t') || ' %';
    store := '%/' || pg_relation_filenode(toast::regclass) || ' %';
    SELECT count(*) FILTER (WHERE resource_manager = 'Heap' AND record_type LIKE 'HOT_UPDATE%' AND block_ref LIKE main),
        count(*) FILTER (WHERE resource_manager LIKE 'Heap%' AND block_ref LIKE main) >= 100,
        count(*) FILTER (WHERE block_ref LIKE store) > 0,
        COALESCE(sum(record_length - fpi_length) FILTER (WHERE block_ref LIKE store), 0) / 100
    INTO hot, row_records, store_records, bytes
    FROM pg_get_wal_records_info(since, pg_current_wal_flush_lsn()) WHERE record_type NOT LIKE 'FPI%';
    store_bytes := CASE WHEN bytes = 0 THEN 'none' WHEN bytes < 600 THEN 'a slot' WHEN bytes < 8000 THEN 'less than a vector'
        ELSE 'a vector' END;
END $$;

-- what is to be seen when a vector does change
CHECKPOINT;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET v = v + vec(1, 2000);
SELECT row_records, store_records, store_bytes FROM written(:'lsn');
SELECT * FROM slots;
UPDATE t SET v = vec(id, 2000);
VACUUM (FREEZE) t;
SELECT wrong();
SELECT * FROM slots;
SELECT * FROM size \gset before_

-- HOT: nothing
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET n = n + 1;
SELECT * FROM written(:'lsn');
-- the same columns named
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET n = n + 1, v = v, w = w;
SELECT * FROM written(:'lsn');
VACUUM t;
-- the same bytes given anew
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET n = n + 1, v = vec(id, 2000), w = vec(-id, 500);
SELECT * FROM written(:'lsn');
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET v = v + vec(0, 2000) - vec(0, 2000), k = k, body = body;
SELECT hot, store_records FROM written(:'lsn');
VACUUM t;
CREATE TABLE given USING heap AS TABLE t;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET v = g.v, w = g.w, k = g.k FROM given g WHERE g.id = t.id;
SELECT * FROM written(:'lsn');
-- by key, all columns, as a mapper of objects writes them
PREPARE save(int, int, int, zvec, zvec) AS UPDATE t SET n = $2, k = $3, v = $4, w = $5 WHERE id = $1;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
SELECT format('EXECUTE save(%s, %s, %s, %L, %L)', id, n + 1, k, v, w) FROM given ORDER BY id
\set ECHO none
\gexec
\set ECHO all
SELECT * FROM written(:'lsn');
VACUUM t;
-- an upsert of the same vector
SELECT pg_current_wal_insert_lsn() AS lsn \gset
INSERT INTO t SELECT id, n, k, v, w FROM given ON CONFLICT (id) DO UPDATE SET v = excluded.v, w = excluded.w, n = t.n + 1;
SELECT * FROM written(:'lsn');
MERGE INTO t USING given g ON g.id = t.id WHEN MATCHED THEN UPDATE SET v = g.v, n = t.n + 1;
-- through a BEFORE trigger that hands NEW on, and one that writes the same vector into it
CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := vec(NEW.id, 2000); NEW.w := OLD.w; RETURN NEW; END $$;
CREATE TRIGGER same BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION same();
VACUUM t;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET n = n + 1;
SELECT * FROM written(:'lsn');
DROP TRIGGER same ON t;
SELECT wrong();
SELECT * FROM slots;
SELECT slots = :before_slots AND slot_bytes = :before_slot_bytes AND data_bytes = :before_data_bytes AS no_growth FROM size;
SELECT * FROM zvec_check('t');

-- another column with an index changes: not HOT, the slot learns the row's place, the vector stays
VACUUM t;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET k = k + 1000;
SELECT * FROM written(:'lsn');
SELECT * FROM slots;
SELECT wrong();
SELECT * FROM zvec_check('t');
VACUUM t;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET k = k + 1000, v = vec(id, 2000);
SELECT * FROM written(:'lsn');
SELECT * FROM slots;
SELECT slots = :before_slots AND slot_bytes = :before_slot_bytes AND data_bytes = :before_data_bytes AS no_growth FROM size;
SELECT wrong();
-- again and again, without VACUUM: older versions that nobody can see are no reason for a copy
SELECT 'UPDATE t SET k = k + 1' FROM generate_series(1, 10)
\set ECHO none
\gexec
\set ECHO all
SELECT * FROM slots;
SELECT wrong();
SELECT * FROM zvec_check('t');
VACUUM t;
SELECT * FROM slots;
SELECT * FROM zvec_check('t');
SET enable_seqscan = off;
SELECT count(*) FROM t WHERE k > 0 AND v = vec(id, 2000);
RESET enable_seqscan;
-- rolled back
BEGIN;
UPDATE t SET k = k + 1;
UPDATE t SET n = n + 1;
UPDATE t SET k = k + 1;
SELECT wrong();
ROLLBACK;
SELECT wrong();
SELECT * FROM zvec_check('t');
UPDATE t SET k = k + 1;
SELECT wrong();
VACUUM t;
SELECT * FROM slots;
SELECT * FROM zvec_check('t');

-- one vector of two changes
SELECT pg_current_wal_insert_lsn() AS lsn \gset
UPDATE t SET w = w + vec(1, 500);
SELECT store_records, store_bytes FROM written(:'lsn');
SELECT * FROM slots;
UPDATE t SET w = vec(-id, 500);
VACUUM t;
SELECT wrong();
-- locks write nothing to the store; deletes only slots
SELECT pg_current_wal_insert_lsn() AS lsn \gset
SELECT count(*) FROM (SELECT * FROM t FOR UPDATE) s;
SELECT row_records, store_records FROM written(:'lsn');
SELECT pg_current_wal_insert_lsn() AS lsn \gset
DELETE FROM t;
SELECT store_records, store_bytes FROM written(:'lsn');
SELECT * FROM zvec_check('t');

-- equal is not the same: the sign of a zero is kept
CREATE TABLE zero (id int, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO zero VALUES (1, '[0,1]');
UPDATE zero SET v = '[-0,1]' WHERE v = '[-0,1]' RETURNING v;
SELECT v FROM zero;
SELECT live, dead FROM zvec_segments('zero');
-- to NULL and back, to other dimensions
CREATE TABLE other (id int, v zvec) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO other VALUES (1, '[1,2]');
UPDATE other SET v = NULL;
UPDATE other SET v = NULL, id = 2;
UPDATE other SET v = '[1,2]';
UPDATE other SET v = '[1,2,0]';
SELECT * FROM other;
SELECT dimensions, live, dead FROM zvec_segments('other') ORDER BY dimensions;
-- the vector of another row with the same value is not ours
INSERT INTO other SELECT 3, v FROM other;
UPDATE other SET v = (SELECT v FROM other WHERE id = 2) WHERE id = 3;
DELETE FROM other WHERE id = 2;
VACUUM other;
INSERT INTO other VALUES (4, '[9,9,9]'), (5, '[8,8,8]');
SELECT * FROM other ORDER BY id;
SELECT * FROM zvec_check('zero');
SELECT * FROM zvec_check('other');
SET client_min_messages = warning;
DROP SCHEMA table_unchanged CASCADE;
