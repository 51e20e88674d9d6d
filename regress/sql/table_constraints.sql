-- foreign keys, deferred and exclusion constraints, checks, generated columns, identity and defaults
CREATE SCHEMA table_constraints;
SET search_path = table_constraints, public;
CREATE TABLE doc (id int PRIMARY KEY, v zvec(2)) USING zvec WITH (autovacuum_enabled = off);
CREATE TABLE chunk_cascade (id int PRIMARY KEY, doc int REFERENCES doc ON DELETE CASCADE ON UPDATE CASCADE, v zvec(3)) USING zvec;
CREATE TABLE chunk_null (id int PRIMARY KEY, doc int REFERENCES doc ON DELETE SET NULL ON UPDATE SET NULL, v zvec(3)) USING zvec;
CREATE TABLE chunk_default (id int PRIMARY KEY, doc int DEFAULT 1 REFERENCES doc ON DELETE SET DEFAULT ON UPDATE SET DEFAULT, v zvec(3))
    USING zvec;
CREATE TABLE chunk_restrict (id int PRIMARY KEY, doc int REFERENCES doc ON DELETE RESTRICT ON UPDATE RESTRICT, v zvec(3)) USING zvec;
CREATE TABLE in_heap (id int PRIMARY KEY, doc int REFERENCES doc ON DELETE CASCADE ON UPDATE CASCADE) USING heap;
INSERT INTO doc SELECT i, ARRAY[i, i]::zvec FROM generate_series(1, 9) i;
INSERT INTO chunk_cascade SELECT i, i, ARRAY[i, 1, 1]::zvec FROM generate_series(1, 6) i;
INSERT INTO chunk_null SELECT i, i, ARRAY[i, 2, 2]::zvec FROM generate_series(1, 6) i;
INSERT INTO chunk_default SELECT i, i, ARRAY[i, 3, 3]::zvec FROM generate_series(1, 6) i;
INSERT INTO chunk_restrict VALUES (5, 5, '[5,4,4]'), (8, 8, '[8,4,4]');
INSERT INTO in_heap SELECT i, i FROM generate_series(1, 6) i;
INSERT INTO chunk_cascade VALUES (99, 99, '[0,0,0]');
UPDATE chunk_null SET doc = 99, v = '[0,0,0]' WHERE id = 1;
DELETE FROM doc WHERE id IN (2, 3);
UPDATE doc SET id = 40, v = v + '[1,1]' WHERE id = 4;
UPDATE doc SET v = v + '[1,1]' WHERE id = 5;
DELETE FROM doc WHERE id = 5;
UPDATE doc SET id = 80 WHERE id = 8;
SELECT * FROM doc ORDER BY id;
SELECT * FROM chunk_cascade ORDER BY id;
SELECT * FROM chunk_null ORDER BY id;
SELECT * FROM chunk_default ORDER BY id;
SELECT * FROM chunk_restrict ORDER BY id;
SELECT * FROM in_heap ORDER BY id;
SELECT live, dead FROM zvec_segments('chunk_null');
-- a zvec table that references a heap table, and itself
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, heap int REFERENCES in_heap ON DELETE CASCADE, v zvec(1))
    USING zvec;
INSERT INTO tree VALUES (1, NULL, 1, '[1]'), (2, 1, NULL, '[2]'), (3, 2, 40, '[3]'), (3, 2, 1, '[3]');
INSERT INTO tree VALUES (1, NULL, 1, '[1]'), (2, 1, NULL, '[2]'), (3, 2, 6, '[3]'), (4, 3, 5, '[4]'), (5, 1, 6, '[5]');
DELETE FROM in_heap WHERE id = 6;
SELECT * FROM tree ORDER BY id;
DELETE FROM tree WHERE id = 1;
SELECT count(*) FROM tree;
-- a foreign key over vectors
CREATE TABLE anchor (v zvec(2) PRIMARY KEY, name text) USING zvec;
CREATE TABLE member (id int, v zvec(2) REFERENCES anchor ON UPDATE CASCADE ON DELETE CASCADE) USING zvec;
INSERT INTO anchor VALUES ('[1,0]', 'x'), ('[0,1]', 'y');
INSERT INTO member VALUES (1, '[1,0]'), (2, '[0,1]'), (3, '[1,0]');
INSERT INTO member VALUES (4, '[1,1]');
UPDATE anchor SET v = '[1,0.5]' WHERE name = 'x';
DELETE FROM anchor WHERE name = 'y';
SELECT * FROM member ORDER BY id;
SELECT * FROM zvec_check('anchor');
SELECT * FROM zvec_check('member');
SELECT * FROM zvec_check('tree');

-- deferred
CREATE TABLE late (id int PRIMARY KEY, next int REFERENCES late DEFERRABLE INITIALLY DEFERRED,
    place int UNIQUE DEFERRABLE INITIALLY DEFERRED, v zvec(2)) USING zvec;
BEGIN;
INSERT INTO late VALUES (1, 2, 1, '[1,1]'), (2, 3, 2, '[2,2]');
INSERT INTO late VALUES (3, 1, 2, '[3,3]'), (4, 1, 3, '[4,4]');
UPDATE late SET place = 3, v = v + '[0,1]' WHERE id = 3;
UPDATE late SET place = 4 WHERE id = 4;
COMMIT;
SELECT * FROM late ORDER BY id;
UPDATE late SET place = place + 1, v = v + '[0,1]';
-- two that fail at the end
BEGIN;
INSERT INTO late VALUES (5, 2, 9, '[7,7]');
UPDATE late SET v = '[8,8]', place = 9 WHERE id = 2;
COMMIT;
BEGIN;
DELETE FROM late WHERE id = 3;
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
BEGIN;
DELETE FROM late WHERE id = 3;
INSERT INTO late VALUES (3, 4, 4, '[3,5]');
UPDATE late SET v = v + '[0,1]' WHERE place < 5;
SET CONSTRAINTS ALL IMMEDIATE;
COMMIT;
SELECT * FROM late ORDER BY id;
SELECT * FROM zvec_check('late');

-- exclusion
CREATE TABLE booking (room int, during int4range, v zvec(2),
    EXCLUDE USING gist (int4range(room, room, '[]') WITH =, during WITH &&), EXCLUDE USING btree (v WITH =) DEFERRABLE) USING zvec;
INSERT INTO booking VALUES (1, '[1,5)', '[1,1]'), (1, '[5,9)', '[2,2]'), (2, '[1,9)', '[3,3]');
INSERT INTO booking VALUES (1, '[4,6)', '[4,4]');
INSERT INTO booking VALUES (3, '[4,6)', '[3,3]');
INSERT INTO booking VALUES (1, '[4,6)', '[4,4]') ON CONFLICT DO NOTHING;
UPDATE booking SET during = '[4,9)', v = '[5,5]' WHERE v = '[2,2]';
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
UPDATE booking SET v = v + '[1,1]';
COMMIT;
SELECT * FROM booking ORDER BY v;
SELECT * FROM zvec_check('booking');

-- checks and generated columns over the vector; identity, defaults
CREATE TABLE made (
    id int GENERATED ALWAYS AS IDENTITY, v zvec DEFAULT '[3,4]' CHECK (vector_dims(v) = 2) NOT NULL,
    norm float8 GENERATED ALWAYS AS (l2_norm(v)) STORED, one zvec GENERATED ALWAYS AS (l2_normalize(v)) STORED,
    label text, double_label text GENERATED ALWAYS AS (label || label) STORED
) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO made DEFAULT VALUES;
INSERT INTO made (v, label) VALUES ('[6,8]', 'a'), ('[0,2]', 'b');
INSERT INTO made (v) VALUES ('[1,2,3]');
INSERT INTO made (v) VALUES (NULL);
INSERT INTO made (one) VALUES ('[1,1]');
INSERT INTO made (id) VALUES (7);
UPDATE made SET v = '[0,-5]' WHERE label = 'b' RETURNING *;
UPDATE made SET label = 'c' WHERE label = 'a' RETURNING *;
UPDATE made SET v = DEFAULT WHERE label = 'b' RETURNING *;
UPDATE made SET v = '[1]' WHERE label = 'c';
SELECT id, v, norm, one, double_label FROM made ORDER BY id;
SELECT column_name, dimensions, live, dead FROM zvec_segments('made') ORDER BY column_name;
ALTER TABLE made ADD far float8 GENERATED ALWAYS AS (v <-> '[0,0]') STORED;
ALTER TABLE made ADD CHECK (l2_norm(v) > 6) NOT VALID;
INSERT INTO made DEFAULT VALUES;
ALTER TABLE made VALIDATE CONSTRAINT made_v_check1;
SELECT id, v, far FROM made ORDER BY id;
SELECT * FROM zvec_check('made');
SELECT t, violations.* FROM unnest(ARRAY['doc', 'chunk_cascade', 'chunk_null', 'chunk_default', 'chunk_restrict']::regclass[]) t, zvec_check(t) violations;
SET client_min_messages = warning;
DROP SCHEMA table_constraints CASCADE;
