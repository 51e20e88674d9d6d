-- vectors that are held by variables, arrays, records and other tables when their table changes underneath
CREATE SCHEMA table_values;
SET search_path = table_values, public;
CREATE TABLE x (id int, v zvec(3)) USING zvec;
CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS $$
    TRUNCATE x;
    INSERT INTO x SELECT i, ARRAY[i, i, i]::zvec FROM generate_series(1, 10) i $$;
CREATE FUNCTION held(change text) RETURNS zvec LANGUAGE plpgsql AS $$
DECLARE r zvec;
BEGIN
    SELECT v INTO r FROM x WHERE id = 7;
    EXECUTE change;
    RETURN r;
END $$;
CREATE FUNCTION held_array(change text) RETURNS zvec[] LANGUAGE plpgsql AS $$
DECLARE r zvec[];
BEGIN
    SELECT array_agg(v ORDER BY id) INTO r FROM x WHERE id > 8;
    EXECUTE change;
    RETURN r;
END $$;
-- changes that leave the old versions: every value stays
SELECT fill();
SELECT held('UPDATE x SET v = v + ''[1,1,1]''');
SELECT fill();
SELECT held('DELETE FROM x');
SELECT fill();
SELECT held('DELETE FROM x; INSERT INTO x SELECT i, ARRAY[-i, 0, 0]::zvec FROM generate_series(1, 20) i');
-- a value that was inserted by a subtransaction that is undone
CREATE FUNCTION undone() RETURNS zvec LANGUAGE plpgsql AS $$
DECLARE r zvec;
BEGIN
    BEGIN
        INSERT INTO x VALUES (100, '[1,0,0]') RETURNING v INTO r;
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    INSERT INTO x SELECT i, ARRAY[-i, 0, 0]::zvec FROM generate_series(1, 20) i;
    RETURN r;
END $$;
SELECT undone();
-- arrays and holdable cursors are copies
SELECT fill();
SELECT held_array('TRUNCATE x; INSERT INTO x SELECT i, ARRAY[-i, 0, 0]::zvec FROM generate_series(1, 20) i');
SELECT fill();
SELECT held_array('DROP TABLE x; CREATE TABLE x (id int, v zvec(3)) USING zvec');
SELECT fill();
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT v FROM x WHERE id = 7;
COMMIT;
ALTER TABLE x ALTER id TYPE bigint;
TRUNCATE x;
FETCH ALL FROM c;
CLOSE c;
-- in a procedure that ends transactions
SELECT fill();
DO $$
DECLARE r zvec; s record;
BEGIN
    SELECT v INTO r FROM x WHERE id = 7;
    SELECT * INTO s FROM x WHERE id = 8;
    TRUNCATE x;
    INSERT INTO x SELECT i, ARRAY[-i, 0, 0]::zvec FROM generate_series(1, 20) i;
    COMMIT;
    RAISE NOTICE '% %', r, s;
END $$;
SELECT * FROM zvec_check('x');
-- a function whose table gets a new store: the value or an error, never the vector of another row
CREATE FUNCTION right_or_refused(change text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN held(change)::text = '[7,7,7]';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE NOT LIKE '42%';
END $$;
SELECT fill();
SELECT right_or_refused('TRUNCATE x');
SELECT fill();
SELECT right_or_refused('TRUNCATE x; INSERT INTO x SELECT i, ARRAY[-i, 0, 0]::zvec FROM generate_series(1, 20) i');
SELECT fill();
SELECT right_or_refused('DELETE FROM x WHERE id < 4; ALTER TABLE x ALTER id TYPE int');
SELECT fill();
SELECT right_or_refused('DELETE FROM x WHERE id < 4; ALTER TABLE x ADD w zvec DEFAULT ARRAY[random()]::zvec');
SELECT * FROM zvec_check('x');
SET client_min_messages = warning;
DROP SCHEMA table_values CASCADE;
