-- CLUSTER and VACUUM FULL: rows keep their transactions, vectors come out dense and in the new order
CREATE SCHEMA table_rewrite;
SET search_path = table_rewrite, public;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg((((seed * 37 + i * 11 + seed * i) % 4093) / 4.0)::real ORDER BY i)::zvec
          FROM generate_series(1, dims) i $$;
CREATE TABLE t (id int PRIMARY KEY, place int, v zvec(50), w zvec, body text) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, (i * 7919) % 10007, CASE WHEN i % 11 <> 0 THEN vec(i, 50) END, vec(i, 1 + i % 3), repeat(md5(i::text), i % 200)
FROM generate_series(1, 1000) i;
CREATE INDEX t_place ON t (place);
CREATE INDEX t_w ON t (w);
DELETE FROM t WHERE id % 4 = 0;
UPDATE t SET v = vec(id + 1, 50) WHERE id % 4 = 1;
UPDATE t SET place = -place WHERE id % 4 = 2;
CREATE VIEW slots AS SELECT column_name, dimensions, live, dead, free FROM zvec_segments('table_rewrite.t') ORDER BY segment;
CREATE FUNCTION wrong(OUT rows bigint, OUT wrong bigint, OUT by_key bigint) LANGUAGE plpgsql AS $$
BEGIN
    SELECT count(*), count(*) FILTER (WHERE v IS DISTINCT FROM CASE WHEN id % 4 = 1 THEN vec(id + 1, 50) WHEN id % 11 <> 0 THEN vec(id, 50) END
        OR w <> vec(id, 1 + id % 3) OR body <> repeat(md5(id::text), id % 200)) INTO rows, wrong FROM t;
    PERFORM set_config('enable_seqscan', 'off', true);
    PERFORM set_config('enable_bitmapscan', 'off', true);
    SELECT count(*) INTO by_key FROM generate_series(1, 1000) i, LATERAL (SELECT w FROM t WHERE t.id = i OFFSET 0) s
        WHERE s.w = vec(i, 1 + i % 3);
    PERFORM set_config('enable_seqscan', 'on', true);
    PERFORM set_config('enable_bitmapscan', 'on', true);
END $$;
SELECT * FROM wrong();
SELECT column_name, dimensions, live, dead FROM slots;
CREATE TABLE ids USING heap AS SELECT id, xmin::text AS made_by FROM t;

-- CLUSTER by index scan and by sort
SELECT sum(data_bytes) AS before FROM zvec_segments('t') \gset
SET enable_indexscan = on;
CLUSTER t USING t_place;
SELECT * FROM wrong();
SELECT column_name, dimensions, live, dead FROM slots;
SELECT sum(data_bytes) <= :before AS not_larger FROM zvec_segments('t');
SELECT count(*) FROM (SELECT place, lag(place) OVER (ORDER BY ctid) AS before FROM t) s WHERE place < before;
SELECT count(*) FROM t JOIN ids USING (id) WHERE t.xmin::text <> ids.made_by;
SELECT indisclustered FROM pg_index WHERE indexrelid = 't_place'::regclass;
SELECT * FROM zvec_check('t');
SET enable_indexscan = off;
CLUSTER t USING t_pkey;
RESET enable_indexscan;
SELECT * FROM wrong();
SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY ctid) AS before FROM t) s WHERE id < before;
SELECT count(*) FROM t JOIN ids USING (id) WHERE t.xmin::text <> ids.made_by;
SELECT * FROM zvec_check('t');
UPDATE t SET place = place + 1;
UPDATE t SET w = w WHERE id % 2 = 1;
CLUSTER t;
CLUSTER t USING t_w;
SELECT * FROM wrong();
SELECT * FROM zvec_check('t');
-- clustered by the vector itself
SELECT count(*) FROM (SELECT w, lag(w) OVER (ORDER BY ctid) AS before FROM t) s WHERE w < before;

-- VACUUM FULL: shrinks, keeps xmin
DELETE FROM t WHERE id > 500;
TRUNCATE ids;
INSERT INTO ids SELECT id, xmin::text FROM t;
SELECT sum(data_bytes) AS data, sum(slots) AS slots FROM zvec_segments('t') \gset before_
VACUUM FULL t;
SELECT rows, wrong FROM wrong();
SELECT column_name, dimensions, live, dead FROM slots;
SELECT sum(data_bytes) <= :before_data AS not_larger FROM zvec_segments('t');
SELECT count(*) FROM t JOIN ids USING (id) WHERE t.xmin::text <> ids.made_by;
SELECT * FROM zvec_check('t');
VACUUM (FULL, FREEZE, ANALYZE) t;
SELECT rows, wrong FROM wrong();
SELECT age(relfrozenxid) < 100 AS frozen FROM pg_class WHERE oid = 't'::regclass;
SELECT * FROM zvec_check('t');
-- the new store is written to
INSERT INTO t SELECT i, i, CASE WHEN i % 4 = 1 THEN vec(i + 1, 50) WHEN i % 11 <> 0 THEN vec(i, 50) END, vec(i, 1 + i % 3), repeat(md5(i::text), i % 200)
FROM generate_series(501, 1000) i;
UPDATE t SET place = 5 WHERE id % 3 = 0;
UPDATE t SET v = v WHERE id % 3 = 1;
SELECT rows, wrong FROM wrong();
SELECT * FROM zvec_check('t');

-- in a transaction: CLUSTER of a table with rows that it inserted, changed and deleted itself
BEGIN;
INSERT INTO t SELECT i, i, NULL, '[5]', 'new' FROM generate_series(2001, 2010) i;
SAVEPOINT a;
INSERT INTO t SELECT i, i, NULL, '[6]', 'aborted' FROM generate_series(2011, 2020) i;
UPDATE t SET w = '[7]' WHERE id = 2001;
ROLLBACK TO a;
UPDATE t SET w = '[8,8]' WHERE id = 2002;
UPDATE t SET body = 'changed' WHERE id = 2003;
UPDATE t SET place = 0 WHERE id = 2004;
DELETE FROM t WHERE id = 2005;
SAVEPOINT b;
DECLARE c CURSOR FOR SELECT id, w, body FROM t WHERE id > 2000 ORDER BY id;
CLUSTER t USING t_place;
ROLLBACK TO b;
CLUSTER t USING t_place;
SELECT id, place, w, body FROM t WHERE id > 2000 ORDER BY id;
SELECT * FROM zvec_check('t');
ROLLBACK;
SELECT rows, wrong FROM wrong();
BEGIN;
INSERT INTO t SELECT i, i, NULL, '[5]', 'new' FROM generate_series(2001, 2010) i;
UPDATE t SET w = '[8,8]' WHERE id = 2002;
UPDATE t SET w = '[9,9]' WHERE id = 2002;
UPDATE t SET place = 0 WHERE id = 2004;
UPDATE t SET place = 1 WHERE id = 2004;
DELETE FROM t WHERE id = 2005;
CLUSTER t USING t_place;
UPDATE t SET w = '[3,3,3]' WHERE id = 2002;
INSERT INTO t VALUES (2005, 1, NULL, '[2]', 'again');
COMMIT;
SELECT id, place, w, body FROM t WHERE id > 2000 ORDER BY id;
SELECT * FROM zvec_check('t');
VACUUM t;
SELECT * FROM zvec_check('t');
DELETE FROM t WHERE id > 2000;

-- with an old version that a prepared transaction deletes or has locked
BEGIN;
SELECT id FROM t WHERE id = 1 FOR UPDATE;
PREPARE TRANSACTION 'table_rewrite';
BEGIN;
SET LOCAL lock_timeout = '10ms';
CLUSTER t USING t_pkey;
ROLLBACK;
ROLLBACK PREPARED 'table_rewrite';
VACUUM FULL t;
SELECT rows, wrong FROM wrong();
SELECT * FROM zvec_check('t');
-- what CLUSTER refuses
CREATE TABLE bare (id int, v zvec(1)) USING zvec;
CLUSTER bare;
CREATE INDEX bare_partial ON bare (id) WHERE id > 0;
CLUSTER bare USING bare_partial;
CREATE INDEX bare_hash ON bare USING hash (id);
CLUSTER bare USING bare_hash;
-- empty, all dead, all NULL
VACUUM FULL bare;
INSERT INTO bare SELECT i, '[1]' FROM generate_series(1, 100) i;
DELETE FROM bare;
VACUUM FULL bare;
SELECT * FROM zvec_segments('bare');
INSERT INTO bare SELECT i, NULL FROM generate_series(1, 100) i;
VACUUM FULL bare;
UPDATE bare SET v = ARRAY[id]::zvec;
SELECT sum(v), count(*) FROM bare;
VACUUM FULL bare;
SELECT column_name, live, dead FROM zvec_segments('bare');
SELECT sum(v), count(*) FROM bare;
SELECT * FROM zvec_check('bare');
-- long chains of versions; non-HOT chains
CREATE TABLE chain (id int, k int, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX ON chain (k);
INSERT INTO chain SELECT i, i, ARRAY[i, 0]::zvec FROM generate_series(1, 20) i;
SELECT format('UPDATE chain SET %s', CASE i % 3 WHEN 0 THEN 'k = k + 1' WHEN 1 THEN 'v = v + ''[0,1]''' ELSE 'id = id' END) FROM generate_series(1, 30) i
\set ECHO none
\gexec
\set ECHO all
SELECT count(*) FROM chain WHERE v = ARRAY[id, 10]::zvec AND k = id + 10;
VACUUM FULL chain;
SELECT count(*) FROM chain WHERE v = ARRAY[id, 10]::zvec AND k = id + 10;
SELECT live, dead FROM zvec_segments('chain');
SELECT * FROM zvec_check('chain');
SELECT * FROM zvec_check('t');
SET client_min_messages = warning;
DROP SCHEMA table_rewrite CASCADE;
