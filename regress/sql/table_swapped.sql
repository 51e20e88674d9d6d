-- Programs that rewrite tables online copy a table into a heap table and swap the files. A zvec table has an ordinary
-- TOAST relation then, and its rows hold their vectors themselves.
CREATE SCHEMA table_swapped;
SET search_path = table_swapped, public;
SET allow_system_table_mods = on;
SET check_function_bodies = off;
SET client_min_messages = warning;

-- What such a program does at the end: tables A and B exchange their files and TOAST relations.
CREATE FUNCTION swap(a regclass, b regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    x pg_class := c FROM pg_class c WHERE oid = a;
    y pg_class := c FROM pg_class c WHERE oid = b;
BEGIN
    EXECUTE format('LOCK TABLE %s, %s IN ACCESS EXCLUSIVE MODE', a, b);
    UPDATE pg_class SET relfilenode = y.relfilenode, reltoastrelid = y.reltoastrelid, relfrozenxid = y.relfrozenxid,
        relpages = y.relpages, reltuples = y.reltuples WHERE oid = a;
    UPDATE pg_class SET relfilenode = x.relfilenode, reltoastrelid = x.reltoastrelid, relfrozenxid = x.relfrozenxid,
        relpages = x.relpages, reltuples = x.reltuples WHERE oid = b;
    UPDATE pg_depend SET refobjid = CASE objid WHEN y.reltoastrelid THEN a ELSE b END
        WHERE classid = 'pg_class'::regclass AND objid IN (x.reltoastrelid, y.reltoastrelid);
END $$;
CREATE FUNCTION long(seed integer) RETURNS zvec LANGUAGE sql IMMUTABLE
    RETURN (SELECT array_agg(((seed * i) % 101)::real ORDER BY i)::zvec FROM generate_series(1, 800) i);

-- Makes table t with `rows` in it, has it rewritten by such a program.
CREATE FUNCTION rewritten() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS t, copy;
    CREATE TABLE t (id integer PRIMARY KEY, e zvec(2), l zvec, note text) USING zvec;
    INSERT INTO t SELECT * FROM rows;
    CREATE TABLE copy AS SELECT * FROM t;
    PERFORM swap('t', 'copy');
    REINDEX TABLE t;
    DROP TABLE copy;
END $$;
CREATE TABLE rows AS
    SELECT i AS id, CASE WHEN i % 10 > 0 THEN format('[%s,%s]', i % 7, i)::zvec(2) END AS e,
        CASE i % 3 WHEN 0 THEN long(i) WHEN 1 THEN '[1,2,3]' END AS l, repeat(md5(i::text), i * 4) AS note
    FROM generate_series(1, 40) i;
CREATE VIEW kind AS SELECT m.amname AS "table", s.amname AS toast, count(d.*) AS dependencies
    FROM pg_class c JOIN pg_am m ON m.oid = c.relam JOIN pg_class x ON x.oid = c.reltoastrelid JOIN pg_am s ON s.oid = x.relam
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = x.oid
    WHERE c.oid = to_regclass('table_swapped.t') GROUP BY 1, 2;
CREATE FUNCTION difference() RETURNS TABLE (what text, id integer) LANGUAGE sql
    AS 'SELECT ''lost'', id FROM (SELECT * FROM rows EXCEPT SELECT * FROM t) x
        UNION ALL SELECT ''new'', id FROM (SELECT * FROM t EXCEPT SELECT * FROM rows) x';

SELECT rewritten();
SELECT * FROM kind;
-- every row is whole, and can be searched
SELECT * FROM difference();
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e <-> '[3,11.2]' LIMIT 3;
SELECT id, e <-> '[3,11.2]' AS distance FROM t ORDER BY 2, 1 LIMIT 3;
SELECT array_agg(id) FROM (SELECT id FROM t WHERE id % 3 = 0 ORDER BY l <-> long(30), id LIMIT 4) s;
-- it says what has happened, and what to do
VACUUM t;
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_segments('t');
SELECT zvec_prewarm('t');
CREATE INDEX ON t USING zvec_hnsw (e);
CREATE INDEX ON t USING zvec_flat (e);

-- it can be written
CREATE TABLE other (LIKE t) USING zvec;
INSERT INTO other VALUES (103, '[3,3]', long(3), 'other'), (104, NULL, long(4), 'other');
INSERT INTO t VALUES (101, '[1,1]', long(1), 'one') RETURNING id, e, l = long(1) AS same;
INSERT INTO t SELECT * FROM other RETURNING id, e, l = long(id - 100) AS same;
COPY t FROM stdin;
105	[5,5]	[5]	copied
106	\N	\N	copied
\.
INSERT INTO t VALUES (101, '[9,9]', '[9]', 'two') ON CONFLICT (id) DO UPDATE SET e = EXCLUDED.e, note = t.note || EXCLUDED.note
    RETURNING id, e, l = long(1) AS same, note;
INSERT INTO t VALUES (107, '[7,7]', '[7]', 'seven') ON CONFLICT (id) DO NOTHING;
UPDATE t SET note = 'updated' WHERE id IN (103, 105);
UPDATE t SET e = '[6,6]', l = long(6) WHERE id = 106;
UPDATE t SET l = NULL WHERE id = 105 RETURNING id, e, l;
UPDATE t SET e = o.e, l = o.l FROM other o WHERE t.id = 107 AND o.id = 103;
BEGIN;
UPDATE t SET l = '[0]';
DELETE FROM t;
ROLLBACK;
DELETE FROM t WHERE id = 104;
UPDATE t SET e = '[1,2,3]' WHERE id = 101;
SELECT id, e, CASE WHEN l = long(1) THEN 1 WHEN l = long(3) THEN 3 WHEN l = long(6) THEN 6 END AS l, note FROM t
    WHERE id > 100 ORDER BY id;
CREATE UNIQUE INDEX unique_e ON t (e) WHERE id > 101 AND id < 107;
INSERT INTO t VALUES (102, '[5,5]', NULL, NULL);
INSERT INTO t VALUES (102, '[5,4]', NULL, NULL);
SELECT id FROM t WHERE e = '[5,4]' AND id > 101 AND id < 107;
TABLE kind;

-- VACUUM FULL makes a store of its own again, and later rewrites find all as it should be
DELETE FROM t WHERE id > 100;
VACUUM FULL t;
TABLE kind;
SELECT * FROM difference();
SELECT * FROM zvec_check('t');
SELECT column_name, dimensions, live, dead FROM zvec_segments('t') ORDER BY 1, 2;
CREATE INDEX by_e ON t USING zvec_flat (e);
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e <-> '[3,11.2]' LIMIT 3;
SELECT id, e <-> '[3,11.2]' AS distance FROM t ORDER BY e <-> '[3,11.2]' LIMIT 3;
ALTER TABLE t ADD COLUMN n serial;
ALTER TABLE t DROP COLUMN n;
VACUUM FULL t;
TABLE kind;
SELECT * FROM difference();
SELECT * FROM zvec_check('t');

-- so do other rewrites
SELECT rewritten();
CLUSTER t USING t_pkey;
TABLE kind;
SELECT * FROM difference();
SELECT * FROM zvec_check('t');
SELECT rewritten();
ALTER TABLE t ALTER id TYPE bigint;
ALTER TABLE t ALTER id TYPE integer;
TABLE kind;
SELECT * FROM difference();
SELECT * FROM zvec_check('t');
SELECT rewritten();
ALTER TABLE t SET ACCESS METHOD heap;
ALTER TABLE t SET ACCESS METHOD zvec;
TABLE kind;
SELECT * FROM difference();
SELECT * FROM zvec_check('t');
-- a rewrite that is rolled back leaves it as it was
SELECT rewritten();
BEGIN;
CLUSTER t USING t_pkey;
UPDATE t SET e = '[0,0]';
ROLLBACK;
TABLE kind;
SELECT * FROM difference();
-- deleted versions that others may see, and rows that the own transaction has made
BEGIN;
UPDATE t SET e = '[0,0]' WHERE id = 1;
UPDATE t SET e = '[1,1]' WHERE id = 1;
DELETE FROM t WHERE id = 2;
INSERT INTO t VALUES (2, '[2,2]', '[1]', '');
CLUSTER t USING t_pkey;
UPDATE t SET (e, l, note) = (SELECT e, l, note FROM rows r WHERE r.id = t.id) WHERE id < 3;
SELECT * FROM difference();
COMMIT;
SELECT * FROM zvec_check('t');
TABLE kind;
-- TRUNCATE keeps the TOAST relation as it is
SELECT rewritten();
TRUNCATE t;
INSERT INTO t SELECT * FROM rows;
TABLE kind;
SELECT * FROM difference();

-- a table without columns of variable length is left without a TOAST relation; it gets one with its first vector column
CREATE TABLE fixed (id integer PRIMARY KEY) USING zvec;
INSERT INTO fixed SELECT id FROM rows;
CREATE TABLE copy AS SELECT * FROM fixed;
SELECT swap('fixed', 'copy');
REINDEX TABLE fixed;
DROP TABLE copy;
DELETE FROM fixed WHERE id % 2 = 0;
VACUUM fixed;
VACUUM FULL fixed;
CLUSTER fixed USING fixed_pkey;
SELECT reltoastrelid FROM pg_class WHERE oid = 'fixed'::regclass;
SELECT * FROM zvec_check('fixed');
SELECT * FROM zvec_segments('fixed');
ALTER TABLE fixed ADD COLUMN e zvec(2);
UPDATE fixed f SET e = r.e FROM rows r WHERE r.id = f.id;
SELECT count(*), count(f.e) FROM fixed f JOIN rows r USING (id) WHERE f.e IS NOT DISTINCT FROM r.e;
SELECT * FROM zvec_check('fixed');
SELECT column_name, dimensions, live, dead FROM zvec_segments('fixed');

-- a plan of before is made anew
CREATE TABLE planned (LIKE t) USING zvec;
INSERT INTO planned SELECT * FROM rows;
SET plan_cache_mode = force_generic_plan;
PREPARE nearest AS SELECT id FROM planned WHERE e IS NOT NULL ORDER BY e <-> '[3,11.2]' LIMIT 3;
EXPLAIN (COSTS OFF) EXECUTE nearest;
EXECUTE nearest;
CREATE TABLE copy AS SELECT * FROM planned;
SELECT swap('planned', 'copy');
DROP TABLE copy;
EXPLAIN (COSTS OFF) EXECUTE nearest;
EXECUTE nearest;

-- indexes that were there before are not searched
CREATE TABLE i (id integer PRIMARY KEY, e zvec(2)) USING zvec;
INSERT INTO i SELECT id, e FROM rows;
CREATE INDEX i_flat ON i USING zvec_flat (e);
CREATE TABLE copy AS SELECT * FROM i;
SELECT swap('i', 'copy');
REINDEX INDEX i_pkey;
SELECT id FROM i WHERE e IS NOT NULL ORDER BY e <-> '[3,11.2]' LIMIT 3;
DROP INDEX i_flat;
SELECT id FROM i WHERE e IS NOT NULL ORDER BY e <-> '[3,11.2]' LIMIT 3;
SELECT swap('i', 'copy');
REINDEX INDEX i_pkey;
CREATE INDEX i_hnsw ON i USING zvec_hnsw (e);
SELECT swap('i', 'copy');
SET enable_seqscan = off;
SELECT id FROM i WHERE e IS NOT NULL ORDER BY e <-> '[3,11.2]' LIMIT 3;
RESET enable_seqscan;
INSERT INTO i VALUES (51, '[1,1]');
VACUUM FULL i;
INSERT INTO i VALUES (51, '[1,1]');
SELECT id FROM i WHERE e IS NOT NULL ORDER BY e <-> '[3,11.2]' LIMIT 3;
SELECT * FROM zvec_check('i');
DROP TABLE copy;
ANALYZE i, t;

-- Where only the file of the TOAST relation was exchanged, its access method says that there is a store.
CREATE TABLE r (id integer, e zvec(2)) USING zvec;
INSERT INTO r SELECT id, e FROM rows;
CREATE TABLE copy AS SELECT * FROM r;
DO $$
DECLARE
    x pg_class := c FROM pg_class c WHERE oid = 'r'::regclass;
    y pg_class := c FROM pg_class c WHERE oid = 'copy'::regclass;
BEGIN
    UPDATE pg_class SET relfilenode = y.relfilenode WHERE oid = x.oid;
    UPDATE pg_class SET relfilenode = x.relfilenode WHERE oid = y.oid;
    UPDATE pg_class SET relfilenode = CASE oid WHEN x.reltoastrelid THEN pg_relation_filenode(y.reltoastrelid)
        ELSE pg_relation_filenode(x.reltoastrelid) END WHERE oid IN (x.reltoastrelid, y.reltoastrelid);
END $$;
SELECT count(*) FROM r JOIN rows USING (id) WHERE r.e IS NOT DISTINCT FROM rows.e;
\set VERBOSITY sqlstate
INSERT INTO r VALUES (41, '[1,2]');
\set VERBOSITY default
ALTER TABLE r SET ACCESS METHOD heap;
ALTER TABLE r SET ACCESS METHOD zvec;
INSERT INTO r VALUES (41, '[1,2]');
SELECT count(*) FROM r JOIN rows USING (id) WHERE r.e IS NOT DISTINCT FROM rows.e;
SELECT * FROM zvec_check('r');

DROP TABLE copy;
-- Where it was not exchanged at all, scans by distance do not find the rows; zvec_check does.
CREATE TABLE s (id integer, e zvec(2)) USING zvec;
INSERT INTO s VALUES (1, '[1,1]'), (2, NULL), (3, '[3,3]');
ALTER TABLE s ADD COLUMN f zvec(2) DEFAULT '[0,1]';
SELECT * FROM zvec_check('s');
CREATE TABLE copy AS SELECT * FROM s;
DO $$
DECLARE
    x pg_class := c FROM pg_class c WHERE oid = 's'::regclass;
    y pg_class := c FROM pg_class c WHERE oid = 'copy'::regclass;
BEGIN
    UPDATE pg_class SET relfilenode = CASE oid WHEN x.oid THEN y.relfilenode ELSE x.relfilenode END WHERE oid IN (x.oid, y.oid);
END $$;
SELECT * FROM s;
SELECT invariant, location, message FROM zvec_check('s') WHERE location LIKE 'row%' ORDER BY location;
VACUUM FULL s;
SELECT * FROM zvec_check('s');
SELECT id FROM s WHERE e IS NOT NULL ORDER BY e <-> '[2,2.5]';
SELECT * FROM s;

-- nothing is left behind
DROP SCHEMA table_swapped CASCADE;
SELECT count(*) FROM pg_depend d WHERE classid = 'pg_class'::regclass AND objid >= 16384
    AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid);
