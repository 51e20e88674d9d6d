-- Tables and checks for failpoints.sh; model.sql comes first. `t` is a zvec table, `m` a heap table with the same rows.

CREATE PROCEDURE fresh() LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL client_min_messages = error;
    PERFORM set_config('pg_zvec.max_pending', '10000', false), set_config('maintenance_work_mem', '64MB', false);
    DROP TABLE IF EXISTS t, m, tx, mx CASCADE;
    CREATE TABLE t (id integer NOT NULL, tag integer, n integer, e zvec, f zvec(3)) USING zvec WITH (fillfactor = 50);
    CREATE TABLE m (id integer NOT NULL, tag integer, n integer, e zvec, f zvec(3));
    INSERT INTO m SELECT i, i, 1, CASE WHEN i % 6 <> 0 THEN v(i, 1) END, ARRAY[i, 2, 3]::zvec
        FROM generate_series(1, 12) i;
    INSERT INTO t SELECT * FROM m;
    CREATE UNIQUE INDEX t_id ON t (id);
    CREATE UNIQUE INDEX m_id ON m (id);
    CREATE INDEX ON t (tag);
    CREATE INDEX ON m (tag);
END $$;

-- Gives a zvec table a zvec_hnsw index, or tells how many vectors may wait outside its graph. As many as there are rows
-- wait at first.
CREATE FUNCTION graph(tab text, waiting integer DEFAULT 10000, m integer DEFAULT 8, included text DEFAULT '') RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pg_zvec.max_pending', waiting::text, false);
    IF tab = 't' AND to_regclass('t_f') IS NULL THEN
        EXECUTE format('CREATE INDEX t_f ON t USING zvec_hnsw (f) %s WITH (m = %s)', included, m);
    END IF;
END $$;

-- Rows come and go, alike in both tables; so many may wait outside graphs.
CREATE PROCEDURE churn(waiting integer) LANGUAGE plpgsql AS $$
DECLARE
    next integer := (SELECT coalesce(max(id), 0) + 1 FROM m);
BEGIN
    PERFORM set_config('pg_zvec.max_pending', waiting::text, false);
    INSERT INTO m (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 9, i % 8, i % 3]::zvec FROM generate_series(next, next + 299) i;
    INSERT INTO t SELECT * FROM m WHERE id >= next;
    DELETE FROM m WHERE id % 7 = next % 7;
    DELETE FROM t WHERE id % 7 = next % 7;
END $$;

-- A rival of the row that the session is inserting appears between the look for conflicts and the index entry: an index
-- on `rival('table', id)`, older than the arbiter, calls this, by its schema: an index is built with the catalog alone on the path.
CREATE FUNCTION make_rival(tab text, id integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF id > 100 AND current_setting('test.rival', true) = 'on' THEN
        PERFORM set_config('test.rival', 'off', false);
        EXECUTE format('INSERT INTO %I (id, tag, n, e) VALUES (%s, 7, 7, ''[7,7]'')', tab, id);
    END IF;
    RETURN id;
END $$;
CREATE FUNCTION rival(tab text, id integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN public.make_rival(tab, id);
END $$;

-- What the session still holds after its transaction. To be asked first in a new one.
CREATE PROCEDURE verify_locks() LANGUAGE plpgsql AS $$
DECLARE
    held text;
BEGIN
    SELECT string_agg(concat_ws(' ', locktype, relation::regclass, mode), ', ') INTO held FROM pg_locks
        WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid' AND relation IS DISTINCT FROM 'pg_locks'::regclass;
    IF held IS NOT NULL THEN
        RAISE WARNING 'locks are left: %', held;
    END IF;
END $$;

-- Whether t is as m is, and in itself consistent; `vacuumed`: its slots too are those of the rows.
CREATE PROCEDURE verify(vacuumed boolean) LANGUAGE plpgsql AS $$
DECLARE
    pair text;
    zvec text;
    wrong bigint;
    counted bigint;
    found text;
    counts record;
BEGIN
    FOREACH pair IN ARRAY ARRAY['', 'x'] LOOP
        zvec := 't' || pair;
        IF (to_regclass(zvec) IS NULL) <> (to_regclass('m' || pair) IS NULL) THEN
            RAISE WARNING 'only one of % and m% is there', zvec, pair;
        END IF;
        CONTINUE WHEN to_regclass(zvec) IS NULL;
        EXECUTE format('SELECT count(*) FROM %s t FULL JOIN m%s m ON t.id = m.id WHERE t.id IS NULL OR m.id IS NULL
            OR (t.tag, t.n) IS DISTINCT FROM (m.tag, m.n) OR t.e IS DISTINCT FROM m.e OR t.f IS DISTINCT FROM m.f',
            zvec, pair) INTO wrong;
        IF wrong > 0 THEN
            RAISE WARNING '%: % rows are missing, too many or wrong', zvec, wrong;
        END IF;
        IF pair = '' AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'note') THEN
            EXECUTE 'SELECT count(*) FROM t FULL JOIN m ON t.id = m.id WHERE t.note IS DISTINCT FROM m.note' INTO wrong;
            IF wrong > 0 THEN
                RAISE WARNING '% long texts are wrong', wrong;
            END IF;
            EXECUTE format('SELECT (SELECT count(note) FROM t) - (SELECT count(DISTINCT chunk_id) FROM %s)',
                (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 't'::regclass)) INTO wrong;
            IF wrong <> 0 THEN
                RAISE WARNING '% long texts too few are stored', wrong;
            END IF;
        END IF;
        FOR found IN SELECT concat_ws(', ', invariant, location, message) FROM zvec_check(zvec::regclass) LOOP
            RAISE WARNING '%: %', zvec, found;
        END LOOP;
        FOR found IN SELECT index_problems(zvec::regclass) LOOP
            RAISE WARNING '%', found;
        END LOOP;
        IF vacuumed THEN
            EXECUTE format('SELECT count(e) + count(f) FROM %s', zvec) INTO counted;
            SELECT coalesce(sum(live), 0) AS live, coalesce(sum(dead), 0) AS dead INTO counts
                FROM zvec_segments(zvec::regclass);
            IF (counts.live, counts.dead) <> (counted, 0) THEN
                RAISE WARNING '%: % vectors, but % live and % dead slots', zvec, counted, counts.live, counts.dead;
            END IF;
        END IF;
    END LOOP;
END $$;
