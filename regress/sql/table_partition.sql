-- partitions and inheritance: zvec and heap tables side by side, rows that move between them
CREATE SCHEMA table_partition;
SET search_path = table_partition, public;
CREATE TABLE p (id int, region text, v zvec(2), n int DEFAULT 0, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE p_zvec PARTITION OF p FOR VALUES IN ('z') USING zvec WITH (autovacuum_enabled = off);
CREATE TABLE p_heap PARTITION OF p FOR VALUES IN ('h') USING heap;
-- the same columns in another order, with one that was dropped
CREATE TABLE p_other (n int DEFAULT 0, gone zvec(9), v zvec(2), region text NOT NULL, id int NOT NULL) USING zvec;
ALTER TABLE p_other DROP COLUMN gone;
ALTER TABLE p ATTACH PARTITION p_other FOR VALUES IN ('o');
CREATE TABLE p_sub PARTITION OF p FOR VALUES IN ('s') PARTITION BY RANGE (id);
CREATE TABLE p_sub_low PARTITION OF p_sub FOR VALUES FROM (0) TO (100) USING zvec;
CREATE TABLE p_sub_high PARTITION OF p_sub DEFAULT USING zvec;
INSERT INTO p VALUES (1, 'z', '[1,1]'), (2, 'h', '[2,2]'), (3, 'o', '[3,3]'), (4, 's', '[4,4]'), (500, 's', '[5,5]'), (6, 'z', NULL);
INSERT INTO p VALUES (9, 'nowhere', '[9,9]');
COPY p (id, region, v) FROM stdin;
11	z	[11,1]
12	h	[12,1]
13	o	[13,1]
14	s	[14,1]
150	s	[15,1]
16	z	[16,1]
\.
SELECT tableoid::regclass AS partition, * FROM p ORDER BY id;
SELECT id, region, v <-> '[10,1]' AS l2 FROM p ORDER BY v <-> '[10,1]' LIMIT 4;
-- rows that move: zvec to heap, heap to zvec, zvec to zvec
UPDATE p SET region = 'h' WHERE id = 1 RETURNING tableoid::regclass, *;
UPDATE p SET region = 'z', v = v + '[0,1]' WHERE id = 2 RETURNING tableoid::regclass, *;
UPDATE p SET region = 'z' WHERE id = 3 RETURNING tableoid::regclass, *;
UPDATE p SET id = 40 - id, region = 'o' WHERE region = 's' RETURNING tableoid::regclass, *;
UPDATE p SET region = 's' WHERE region = 'z' RETURNING tableoid::regclass, *;
UPDATE p SET id = id + 200 WHERE region = 's' AND v IS NOT NULL RETURNING tableoid::regclass, *;
BEGIN;
UPDATE p SET region = 'h', v = v * '[100,100]';
SELECT count(*), sum(v) FROM p_heap;
ROLLBACK;
INSERT INTO p VALUES (1, 'h', '[7,7]') ON CONFLICT (id, region) DO UPDATE SET region = 'z', v = excluded.v RETURNING tableoid::regclass, *;
INSERT INTO p VALUES (1, 'h', '[7,7]') ON CONFLICT (id, region) DO UPDATE SET v = excluded.v, n = 5 RETURNING tableoid::regclass, *;
INSERT INTO p VALUES (26, 'o', '[8,8]') ON CONFLICT (id, region) DO UPDATE SET v = p.v + excluded.v RETURNING tableoid::regclass, *;
MERGE INTO p USING (VALUES (26, '[26,0]'::zvec), (206, '[27,0]'), (77, '[77,0]')) s(id, v) ON p.id = s.id
    WHEN MATCHED THEN UPDATE SET region = 'z', v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, 's', s.v);
DELETE FROM p WHERE id IN (12, 211) RETURNING tableoid::regclass, *;
SELECT tableoid::regclass AS partition, * FROM p ORDER BY id;
-- detach, attach, change a partition's access method
ALTER TABLE p DETACH PARTITION p_zvec;
INSERT INTO p_zvec VALUES (1000, 'z', '[1,0]');
ALTER TABLE p ATTACH PARTITION p_zvec FOR VALUES IN ('z');
ALTER TABLE p_heap SET ACCESS METHOD zvec;
ALTER TABLE p_sub_low SET ACCESS METHOD heap;
SELECT tableoid::regclass AS partition, count(*), sum(v) FROM p GROUP BY 1 ORDER BY 1;
SELECT t, violations.* FROM unnest(ARRAY['p_zvec', 'p_heap', 'p_other', 'p_sub_high']::regclass[]) t, zvec_check(t) violations;
-- across partitions: parallel append, vectors of several tables in one sort and one aggregate
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_parallel_append = on;
SELECT id, v FROM p ORDER BY v <-> '[3,3]', id LIMIT 5;
SELECT count(*), sum(v) FROM p;
RESET ALL;
SET search_path = table_partition, public;
ANALYZE p;
VACUUM p;
TRUNCATE p;
SELECT count(*) FROM p;
-- hash partitions, and a row trigger of the parent that changes the vector
CREATE TABLE hashed (id int, v zvec(3)) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0) USING zvec;
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1) USING heap;
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := NEW.v + '[1,1,1]'; RETURN NEW; END $$;
CREATE TRIGGER bump BEFORE INSERT OR UPDATE ON hashed FOR EACH ROW EXECUTE FUNCTION bump();
INSERT INTO hashed SELECT i, ARRAY[i, i, i]::zvec FROM generate_series(1, 100) i;
UPDATE hashed SET id = id + 1000;
SELECT count(*), count(*) FILTER (WHERE v = ARRAY[id - 998, id - 998, id - 998]::zvec OR v = ARRAY[id - 997, id - 997, id - 997]::zvec) FROM hashed;
SELECT * FROM zvec_check('hashed_0');

-- inheritance
CREATE TABLE base (id int, v zvec(2)) USING zvec;
CREATE TABLE child (note text) INHERITS (base) USING zvec;
CREATE TABLE child_heap (w zvec(1)) INHERITS (base) USING heap;
CREATE TABLE grandchild (more zvec(3)) INHERITS (child) USING zvec;
INSERT INTO base VALUES (1, '[1,0]');
INSERT INTO child VALUES (2, '[2,0]', 'c');
INSERT INTO child_heap VALUES (3, '[3,0]', '[9]');
INSERT INTO grandchild VALUES (4, '[4,0]', 'g', '[1,2,3]');
SELECT tableoid::regclass, * FROM base ORDER BY id;
SELECT * FROM child ORDER BY id;
UPDATE base SET v = v + '[0,1]' RETURNING tableoid::regclass, *;
DELETE FROM base WHERE id = 2 RETURNING tableoid::regclass, *;
SELECT * FROM ONLY base;
ALTER TABLE base ADD extra zvec DEFAULT '[5,5,5]';
INSERT INTO grandchild (id, v) VALUES (5, '[5,0]');
SELECT tableoid::regclass, * FROM base ORDER BY id;
SELECT * FROM grandchild ORDER BY id;
SELECT id FROM base ORDER BY v <-> '[4,4]' LIMIT 2;
ALTER TABLE child NO INHERIT base;
SELECT count(*) FROM base;
SELECT t, violations.* FROM unnest(ARRAY['base', 'child', 'grandchild']::regclass[]) t, zvec_check(t) violations;
SET client_min_messages = warning;
DROP SCHEMA table_partition CASCADE;
