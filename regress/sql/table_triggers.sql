-- triggers of every kind, transition tables, rules, views, row security
CREATE SCHEMA table_triggers;
SET search_path = table_triggers, public;
CREATE TABLE t (id int PRIMARY KEY, v zvec(2), n int DEFAULT 0) USING zvec WITH (autovacuum_enabled = off);
CREATE TABLE log (no int GENERATED ALWAYS AS IDENTITY, what text, old zvec, new zvec, l2 float8) USING zvec;
-- BEFORE: changes NEW
CREATE FUNCTION before_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RETURN CASE WHEN OLD.n < 0 THEN NULL ELSE OLD END;
    END IF;
    IF NEW.n = 1 THEN NEW.v := NEW.v * '[2,2]'; END IF;         -- the vector
    IF NEW.n = 2 THEN NEW.v := l2_normalize(NEW.v); NEW.n := 20; END IF;
    IF NEW.n = 3 THEN NEW.v := OLD.v; END IF;                   -- the old vector
    IF NEW.n = 4 THEN NEW.v := NULL; END IF;
    IF NEW.n = 5 THEN RETURN NULL; END IF;                      -- nothing happens
    IF NEW.n = 7 THEN NEW.v := (SELECT avg(t.v) FROM t); END IF;
    IF NEW.n = 8 THEN NEW.n := NEW.n * 10; END IF;              -- another column
    IF NEW.n = 6 THEN NEW := ROW(NEW.id, '[6,6]'::zvec(2), 60); END IF;  -- the whole row
    RETURN NEW;
END $$;
CREATE FUNCTION after_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log (what, old, new, l2) VALUES (TG_OP || ' ' || COALESCE(NEW.id, OLD.id), OLD.v, NEW.v, OLD.v <-> NEW.v);
    RETURN NULL;
END $$;
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION before_row();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION after_row();
INSERT INTO t VALUES (1, '[1,0]', 0), (2, '[1,1]', 1), (3, '[3,4]', 2), (4, '[9,9]', 4), (5, '[5,5]', 5), (6, '[0,0]', 6) RETURNING *;
INSERT INTO t VALUES (7, '[0,0]', 7), (8, NULL, 1), (9, '[8,8]', -1) RETURNING *;
UPDATE t SET v = v + '[1,1]' WHERE id = 1 RETURNING *;
UPDATE t SET v = '[50,50]', n = 3 WHERE id = 2 RETURNING *;
UPDATE t SET v = '[6,8]', n = 2 WHERE id = 3 RETURNING *;
UPDATE t SET n = 1 WHERE id = 6 RETURNING *;
UPDATE t SET n = 4 WHERE id = 7 RETURNING *;
UPDATE t SET n = 8 WHERE id = 1 RETURNING *;
UPDATE t SET v = '[1,2]', n = 5 WHERE id = 1 RETURNING *;
DELETE FROM t WHERE id IN (2, 9) RETURNING *;
INSERT INTO t VALUES (1, '[3,3]', 1) ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING *;
SELECT * FROM t ORDER BY id;
SELECT what, old, new, round(l2::numeric, 4) AS l2 FROM log ORDER BY no;
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_check('log');
DROP TRIGGER a ON t;
DROP TRIGGER b ON t;
TRUNCATE log;

-- conditions on vectors, columns named
CREATE TRIGGER c AFTER UPDATE ON t FOR EACH ROW WHEN (OLD.v IS DISTINCT FROM NEW.v) EXECUTE FUNCTION after_row();
UPDATE t SET n = 5;
UPDATE t SET v = v;
UPDATE t SET v = '[1,2]' WHERE id IN (1, 4);
SELECT what, old, new FROM log ORDER BY no;
DROP TRIGGER c ON t;
CREATE TRIGGER d BEFORE UPDATE OF v ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT ctid AS before FROM t WHERE id = 1 \gset
UPDATE t SET v = v, n = 5 WHERE id = 1;
SELECT ctid = :'before' AS untouched FROM t WHERE id = 1;
DROP TRIGGER d ON t;
TRUNCATE log;

-- statement triggers with transition tables
CREATE FUNCTION statement_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO log (what, new) SELECT 'inserted ' || count(*), sum(v) FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO log (what, old) SELECT 'deleted ' || count(*), sum(v) FROM old_rows;
    ELSE
        INSERT INTO log (what, old, new, l2)
            SELECT 'updated ' || o.id, o.v, n.v, o.v <-> n.v FROM old_rows o JOIN new_rows n USING (id) ORDER BY o.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ei AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION statement_change();
CREATE TRIGGER eu AFTER UPDATE ON t REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION statement_change();
CREATE TRIGGER ed AFTER DELETE ON t REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION statement_change();
INSERT INTO t SELECT i, ARRAY[i, 1]::zvec FROM generate_series(101, 200) i;
UPDATE t SET v = v * '[1,2]' WHERE id BETWEEN 101 AND 103;
UPDATE t SET n = 1 WHERE id = 104;
DELETE FROM t WHERE id > 150;
COPY t (id, v) FROM stdin;
301	[1,1]
302	[2,2]
\.
WITH a AS (UPDATE t SET v = '[0,0]' WHERE id = 301 RETURNING *), b AS (DELETE FROM t WHERE id = 302 RETURNING *)
INSERT INTO t SELECT id + 100, v FROM b;
SELECT what, old, new, l2 FROM log ORDER BY no;
SELECT * FROM zvec_check('t');
DROP TRIGGER ei ON t;
DROP TRIGGER eu ON t;
DROP TRIGGER ed ON t;
-- a deferred constraint trigger that looks at rows that have changed since
TRUNCATE log;
CREATE CONSTRAINT TRIGGER f AFTER INSERT OR UPDATE OR DELETE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION after_row();
BEGIN;
INSERT INTO t VALUES (500, '[5,0]');
UPDATE t SET v = '[5,1]' WHERE id = 500;
UPDATE t SET v = '[5,2]' WHERE id = 500;
UPDATE t SET n = 9 WHERE id = 500;
DELETE FROM t WHERE id = 500;
SELECT count(*) FROM log;
COMMIT;
SELECT what, old, new, l2 FROM log ORDER BY no;
DROP TRIGGER f ON t;

-- rules
CREATE TABLE archive (id int, v zvec, at text) USING zvec;
CREATE RULE keep AS ON DELETE TO t DO ALSO INSERT INTO archive VALUES (OLD.id, OLD.v, 'deleted');
DELETE FROM t WHERE id BETWEEN 101 AND 103;
SELECT * FROM archive ORDER BY id;
DROP RULE keep ON t;
CREATE RULE instead AS ON UPDATE TO t WHERE NEW.n = 77 DO INSTEAD INSERT INTO archive VALUES (NEW.id, NEW.v, 'instead');
UPDATE t SET n = 77, v = v + '[7,7]' WHERE id IN (104, 105);
SELECT * FROM archive WHERE at = 'instead' ORDER BY id;
SELECT id, v, n FROM t WHERE id IN (104, 105) ORDER BY id;
DROP RULE instead ON t;

-- views: updatable by themselves, with check option, by INSTEAD OF triggers
CREATE VIEW near AS SELECT id, v, v <-> '[0,0]' AS l2 FROM t WHERE v <-> '[0,0]' < 10 WITH CHECK OPTION;
INSERT INTO near (id, v) VALUES (600, '[1,1]') RETURNING *;
INSERT INTO near (id, v) VALUES (601, '[100,1]');
UPDATE near SET v = '[3,4]' WHERE id = 600 RETURNING *;
UPDATE near SET v = '[30,40]' WHERE id = 600;
UPDATE near SET v = '[6,6]' WHERE id = 104;
DELETE FROM near WHERE l2 = 5 RETURNING *;
CREATE VIEW joined AS SELECT t.id, t.v, a.at FROM t LEFT JOIN archive a USING (id);
CREATE FUNCTION instead_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN DELETE FROM t WHERE id = OLD.id; RETURN OLD; END IF;
    IF TG_OP = 'UPDATE' THEN UPDATE t SET v = NEW.v WHERE id = OLD.id; RETURN NEW; END IF;
    INSERT INTO t VALUES (NEW.id, NEW.v);
    NEW.v := NEW.v + NEW.v;
    RETURN NEW;
END $$;
CREATE TRIGGER g INSTEAD OF INSERT OR UPDATE OR DELETE ON joined FOR EACH ROW EXECUTE FUNCTION instead_row();
INSERT INTO joined VALUES (700, '[7,0]') RETURNING *;
UPDATE joined SET v = v + '[0,1]' WHERE id = 700 RETURNING *;
DELETE FROM joined WHERE id = 105 RETURNING *;
SELECT id, v FROM t WHERE id IN (105, 700);

-- row security, by a vector too
CREATE ROLE regress_table_triggers;
GRANT USAGE ON SCHEMA table_triggers TO regress_table_triggers;
GRANT SELECT, INSERT, UPDATE, DELETE ON t TO regress_table_triggers;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t USING (n = 0) WITH CHECK (v <-> '[0,0]' < 100);
SELECT count(*) AS all_rows, count(*) FILTER (WHERE n = 0) AS own FROM t;
SET ROLE regress_table_triggers;
SELECT count(*) FROM t;
SELECT id, v FROM t WHERE id IN (1, 4, 700) ORDER BY id;
INSERT INTO t VALUES (800, '[8,8]') RETURNING *;
INSERT INTO t VALUES (801, '[800,8]');
UPDATE t SET v = v * '[2,2]' WHERE id IN (1, 800) RETURNING *;
UPDATE t SET v = v * '[200,2]' WHERE id = 800;
INSERT INTO t VALUES (800, '[9,9]') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING *;
DELETE FROM t WHERE id IN (1, 800) RETURNING *;
RESET ROLE;
SELECT * FROM t WHERE id IN (1, 800) ORDER BY id;
SELECT * FROM zvec_check('t');
SELECT * FROM zvec_check('archive');
SELECT * FROM zvec_check('log');
SET client_min_messages = warning;
DROP SCHEMA table_triggers CASCADE;
DROP ROLE regress_table_triggers;
