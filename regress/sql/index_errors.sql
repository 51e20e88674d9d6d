-- what the indexes over vectors refuse, with the way out
CREATE SCHEMA index_errors;
SET search_path = index_errors, public;
CREATE TABLE t (id int, v zvec(3), free zvec, w zvec(3), r real[]) USING zvec;
CREATE TABLE in_heap (id int, v zvec(3)) USING heap;
INSERT INTO t VALUES (1, '[1,2,3]', '[1]', '[0,0,1]', '{1,2}');
INSERT INTO in_heap VALUES (1, '[1,2,3]');
CREATE FUNCTION methods() RETURNS SETOF text LANGUAGE sql AS $$ VALUES ('zvec_flat'), ('zvec_hnsw') $$;
CREATE FUNCTION refused(command text, OUT access_method text, OUT state text, OUT message text, OUT hint text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    FOR access_method IN SELECT * FROM methods() LOOP
        BEGIN
            message := NULL;
            EXECUTE format(command, access_method);
            state := 'done';
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
            -- since 17 some messages name the schema
            message := replace(message, 'public.', '');
        END;
        RETURN NEXT;
    END LOOP;
END $$;
\x on
-- another kind of table; the way out
SELECT * FROM refused('CREATE INDEX i ON in_heap USING %s (v)');
SELECT * FROM refused('CREATE MATERIALIZED VIEW m USING heap AS SELECT * FROM t; CREATE INDEX ON m USING %s (v)');
ALTER TABLE in_heap SET ACCESS METHOD zvec;
CREATE INDEX i ON in_heap USING zvec_flat (v);
SELECT id FROM in_heap ORDER BY v <-> '[1,1,1]' LIMIT 1;
-- and back is refused while the index is there
ALTER TABLE in_heap SET ACCESS METHOD heap;
DROP INDEX i;
ALTER TABLE in_heap SET ACCESS METHOD heap;
-- a column that does not declare its dimensions
SELECT * FROM refused('CREATE INDEX i ON t USING %s (free)');
ALTER TABLE t ALTER COLUMN free TYPE zvec(1);
CREATE INDEX i ON t USING zvec_flat (free);
-- the declaration is not taken back while an index is there, also in a session that has not used it yet
ALTER TABLE t ALTER COLUMN free TYPE zvec;
\c -
SET search_path = index_errors, public;
\x on
ALTER TABLE t ALTER COLUMN free TYPE zvec USING free::zvec;
INSERT INTO t (id, free) VALUES (2, '[1]');
DELETE FROM t WHERE id = 2;
ALTER TABLE t ALTER COLUMN w TYPE zvec;
ALTER TABLE t ALTER COLUMN w TYPE zvec(3);
SELECT * FROM refused('DROP INDEX i; CREATE INDEX i ON t USING %s (free); ALTER TABLE t ALTER COLUMN free TYPE zvec');
CREATE TABLE parent (id int, v zvec(2)) PARTITION BY LIST (id);
CREATE TABLE child PARTITION OF parent FOR VALUES IN (1) USING zvec;
SELECT * FROM refused('CREATE INDEX parent_v ON parent USING %s (v); ALTER TABLE parent ALTER COLUMN v TYPE zvec');
DROP TABLE parent;
DROP INDEX i;
ALTER TABLE t ALTER COLUMN free TYPE zvec;
-- expressions, several columns, included ones, constraints, orders
SELECT * FROM refused('CREATE INDEX i ON t USING %s ((v + w))');
SELECT * FROM refused('CREATE INDEX i ON t USING %s ((r::zvec(2)))');
SELECT * FROM refused('CREATE INDEX i ON t USING %s (v, w)');
SELECT * FROM refused('CREATE INDEX i ON t USING %s (v) INCLUDE (v)');
SELECT * FROM refused('CREATE UNIQUE INDEX i ON t USING %s (v)');
SELECT * FROM refused('ALTER TABLE t ADD EXCLUDE USING %s (v WITH =)');
SELECT * FROM refused('CREATE INDEX i ON t USING %s (v DESC)');
SELECT * FROM refused('CREATE INDEX i ON t USING %s (id)');
SELECT * FROM refused('CREATE INDEX i ON t USING %s (r)');
SELECT * FROM refused('CREATE INDEX i ON t USING %s (v zvec_ops)');
SELECT * FROM refused('CREATE INDEX i ON t USING %s (v zvec_l2_ops(a = 1))');
-- a column whose older rows do not store their value
ALTER TABLE t ADD COLUMN late zvec(2) DEFAULT '[1,2]';
SELECT * FROM refused('CREATE INDEX i ON t USING %s (late)');
VACUUM FULL t;
CREATE INDEX i ON t USING zvec_flat (late);
SELECT id, late FROM t ORDER BY late <-> '[0,0]';
DROP INDEX i;
-- options
SELECT * FROM refused('CREATE INDEX i ON t USING %s (v) WITH (fillfactor = 50)');
CREATE INDEX i ON t USING zvec_flat (v) WITH (m = 16);
-- clustering
CREATE INDEX i ON t USING zvec_flat (v);
CLUSTER t USING i;
ALTER TABLE t CLUSTER ON i;
DROP INDEX i;
-- partitions of another access method
CREATE TABLE parts (id int, v zvec(3)) PARTITION BY RANGE (id);
CREATE INDEX ON parts USING zvec_flat (v);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (2) USING heap;
CREATE TABLE part (id int, v zvec(3)) USING heap;
ALTER TABLE parts ATTACH PARTITION part FOR VALUES FROM (1) TO (2);
-- operator classes that make no sense
\x off
CREATE FUNCTION wrong(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 7';
CREATE OPERATOR CLASS bad_function FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY float_ops, FUNCTION 1 wrong(int);
CREATE OPERATOR CLASS bad_operator FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 = (zvec, zvec), FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS bad_order FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY integer_ops, FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS no_function FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY float_ops;
CREATE OPERATOR CLASS no_operator FOR TYPE zvec USING zvec_flat AS
    FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS stored FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY float_ops, FUNCTION 1 zvec_l2_metric(internal), STORAGE real;
CREATE OPERATOR CLASS bad_hint FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY float_ops, OPERATOR 2 @~ (zvec, text), FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS second FOR TYPE zvec USING zvec_flat AS
    OPERATOR 2 <-> (zvec, zvec) FOR ORDER BY float_ops, FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS more FOR TYPE zvec USING zvec_flat AS
    OPERATOR 4 <-> (zvec, zvec) FOR ORDER BY float_ops, FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS hinted FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY float_ops, OPERATOR 3 @~ (zvec, text), FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS good FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY float_ops, FUNCTION 1 zvec_l2_metric(internal);
SELECT opcname, amvalidate(oid) FROM pg_opclass WHERE opcnamespace = 'index_errors'::regnamespace ORDER BY opcname;
-- a support function that names no metric
SELECT * FROM refused('CREATE INDEX i ON t USING zvec_flat (v bad_function)') LIMIT 1;
-- settings
SHOW zvec.ef_search;
SET zvec.ef_search = 0;
SET zvec.ef_search = 10001;
SET zvec.ef_serch = 10;
SHOW pg_zvec.max_pending;
SET pg_zvec.max_pending = -1;
SHOW pg_zvec.optimize_threads;
SET pg_zvec.optimize_threads = 65;
SHOW pg_zvec.rebuild_threshold;
SET pg_zvec.rebuild_threshold = 1.5;
SET client_min_messages = warning;
DROP SCHEMA index_errors CASCADE;
