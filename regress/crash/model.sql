-- Tables with known contents for the crash tests. Every transaction that changes a zvec table changes a heap table in
-- the same way, which tells after a crash what must be there. A row's vector follows from its id and version alone.

-- numbers from -1 to 1 that look random and are the same in every cluster
CREATE TABLE base AS SELECT array_agg(sin(i * i)::real ORDER BY i)::zvec AS numbers FROM generate_series(1, 16000) i;

-- dimensions 5, 400, 2100 and 7000: several vectors on a page, two pages, and more than a log record can hold
CREATE FUNCTION v(id integer, ver integer) RETURNS zvec LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN subvector((SELECT numbers FROM base), 1 + ((id::bigint * 31 + ver * 7919) % 8999)::integer,
                     CASE WHEN id % 16 = 0 THEN 7000 WHEN id % 8 = 1 THEN 2100 WHEN id % 2 = 0 THEN 400 ELSE 5 END);
END $$;

-- A small vector of a row, for indexes; many are equal.
CREATE FUNCTION g(id integer, ver integer) RETURNS zvec LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE id % 4
        WHEN 0 THEN ARRAY[id % 3, ver % 3, 0, 1, 0, 0, 1, 2]
        ELSE ARRAY[sin(id), sin(id * 2.7 + ver), cos(id * 3.1), sin(ver * 5 + id), cos(ver), sin(id * 7.9), ver % 7, id % 5]
    END::real[]::public.zvec
$$;

CREATE TABLE t (id integer PRIMARY KEY, tag integer, pad text, ver integer, e zvec,
                g zvec(8) GENERATED ALWAYS AS (g(id, ver)) STORED) USING zvec WITH (fillfactor = 80);
CREATE INDEX ON t (tag);
CREATE INDEX t_g ON t USING zvec_hnsw (g) WITH (m = 6, ef_construction = 40);
CREATE INDEX t_g_some ON t USING zvec_hnsw (g zvec_cosine_ops) INCLUDE (tag) WHERE tag < 50;
CREATE TABLE mt (id integer PRIMARY KEY, tag integer, pad text, ver integer);
CREATE TABLE a (id integer, ver integer, e zvec) USING zvec;
CREATE TABLE ma (id integer, ver integer);
CREATE TABLE w (id integer, ver integer, e zvec) USING zvec;
CREATE TABLE mw (id integer, ver integer);
CREATE TABLE c (id integer, ver integer, e zvec) USING zvec;
CREATE TABLE mc (id integer, ver integer);
INSERT INTO ma SELECT i, 1 FROM generate_series(1, 60) i;
INSERT INTO a SELECT id, ver, v(id, ver) FROM ma;
CREATE TABLE steps (session integer PRIMARY KEY, n integer);
INSERT INTO steps SELECT i, 0 FROM generate_series(1, 9) i;

-- One session's changes, a transaction for each step, until the server dies. Each commit is acknowledged by a notice.
CREATE PROCEDURE work(s integer, folder text) LANGUAGE plpgsql AS $$
DECLARE
    step integer := (SELECT n FROM steps WHERE session = s);
    lo integer := s * 10000000;
    hi integer := lo + 9999999;
    new integer;
    x integer;
    file text := format('%s/rows.%s', folder, s);
BEGIN
    LOOP
        step := step + 1;
        new := lo + step * 50;
        x := step / 10 % 11;
        CASE step % 10
        WHEN 0 THEN -- COPY
            INSERT INTO mt SELECT i, i % 97, 'copied', 0 FROM generate_series(new, new + 39) i;
            EXECUTE format('COPY (SELECT *, v(id, ver) FROM mt WHERE id BETWEEN %s AND %s) TO %L (FORMAT binary)',
                           new, new + 39, file);
            EXECUTE format('COPY t (id, tag, pad, ver, e) FROM %L (FORMAT binary)', file);
        WHEN 1, 2 THEN -- one row
            INSERT INTO mt VALUES (new, step % 97, 'one', 0);
            INSERT INTO t (id, tag, pad, ver, e) VALUES (new, step % 97, 'one', 0, v(new, 0));
        WHEN 3 THEN -- other columns only, no index concerned
            UPDATE mt SET pad = 'hot ' || step WHERE id BETWEEN lo AND hi AND id % 11 = x;
            UPDATE t SET pad = 'hot ' || step WHERE id BETWEEN lo AND hi AND id % 11 = x;
        WHEN 4 THEN -- other columns only, an indexed one
            UPDATE mt SET tag = tag + 1 WHERE id BETWEEN lo AND hi AND id % 5 = x % 5;
            UPDATE t SET tag = tag + 1 WHERE id BETWEEN lo AND hi AND id % 5 = x % 5;
        WHEN 5 THEN -- the vector
            UPDATE mt SET ver = ver + 1 WHERE id BETWEEN lo AND hi AND id % 11 = x;
            UPDATE t SET ver = ver + 1, e = v(id, ver + 1) WHERE id BETWEEN lo AND hi AND id % 11 = x;
        WHEN 6 THEN -- the vector and an indexed column, and an equal vector
            UPDATE mt SET ver = ver + 1, tag = tag + 1 WHERE id BETWEEN lo AND hi AND id % 13 = x;
            UPDATE t SET ver = ver + 1, e = v(id, ver + 1), tag = tag + 1 WHERE id BETWEEN lo AND hi AND id % 13 = x;
            UPDATE t SET e = v(id, ver), tag = tag WHERE id BETWEEN lo AND hi AND id % 13 = x;
        WHEN 7 THEN
            DELETE FROM mt WHERE id BETWEEN lo AND hi AND id % 11 = x;
            DELETE FROM t WHERE id BETWEEN lo AND hi AND id % 11 = x;
        WHEN 8 THEN -- part of a transaction rolled back
            INSERT INTO mt VALUES (new, step % 97, 'kept', 0);
            INSERT INTO t (id, tag, pad, ver, e) VALUES (new, step % 97, 'kept', 0, v(new, 0));
            BEGIN
                UPDATE t SET ver = 99, e = v(id, 99) WHERE id BETWEEN lo AND hi AND id % 11 = x;
                INSERT INTO t (id, tag, pad, ver, e)
                    SELECT i, 0, 'lost', 0, v(i, 0) FROM generate_series(new + 1, new + 9) i;
                DELETE FROM t WHERE id BETWEEN lo AND hi AND id % 7 = x % 7;
                RAISE division_by_zero;
            EXCEPTION WHEN division_by_zero THEN NULL;
            END;
        ELSE -- all of it rolled back
            INSERT INTO t (id, tag, pad, ver, e) SELECT i, 0, 'lost', 0, v(i, 0) FROM generate_series(new, new + 19) i;
            UPDATE t SET tag = tag + 1, ver = 99, e = v(id, 99) WHERE id BETWEEN lo AND hi AND id % 3 = 0;
            ROLLBACK;
        END CASE;
        UPDATE steps SET n = step WHERE session = s;
        COMMIT;
        RAISE NOTICE 'ack %', step;
    END LOOP;
END $$;

-- Maintenance of more than one statement, in one transaction.
CREATE PROCEDURE add_to_w(rows integer) LANGUAGE plpgsql AS $$
DECLARE
    next integer := (SELECT coalesce(max(ver), 0) + 1 FROM mw);
BEGIN
    INSERT INTO mw SELECT i, next FROM generate_series(1, rows) i;
    INSERT INTO w SELECT i, next, v(i, next) FROM generate_series(1, rows) i;
END $$;
CREATE PROCEDURE make_c_by_query(rows integer) LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE c;
    TRUNCATE mc;
    INSERT INTO mc SELECT i, 1 FROM generate_series(1, rows) i;
    CREATE TABLE c USING zvec AS SELECT id, ver, v(id, ver) AS e FROM mc;
END $$;
CREATE PROCEDURE make_c_and_fill_it(rows integer) LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE c;
    TRUNCATE mc;
    CREATE TABLE c (id integer, ver integer, e zvec) USING zvec;
    INSERT INTO c SELECT i, 3, v(i, 3) FROM generate_series(1, rows) i;
    DELETE FROM c WHERE id % 3 = 0;
    UPDATE c SET ver = 4, e = v(id, 4) WHERE id % 3 = 1;
    INSERT INTO mc SELECT i, 5 - i % 3 FROM generate_series(1, rows) i WHERE i % 3 <> 0;
END $$;

-- How many rows of a zvec table are not what its heap table says, or have another vector than they should.
CREATE FUNCTION wrong(zvec regclass, model regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (SELECT * FROM %s) m FULL JOIN (SELECT * FROM %s) z USING (id, ver)
                    WHERE m IS NULL OR z IS NULL OR z.e IS DISTINCT FROM v(id, ver)
                    OR to_jsonb(m) IS DISTINCT FROM to_jsonb(z) - ''e'' - ''g'' - ''extra''', model, zvec) INTO wrong;
    RETURN wrong;
END $$;

-- Everything that is not as it should be, a line each.
CREATE FUNCTION problems() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    zvec text;
    wrong bigint;
BEGIN
    FOREACH zvec IN ARRAY ARRAY['t', 'a', 'w', 'c'] LOOP
        wrong := wrong(zvec::regclass, ('m' || zvec)::regclass);
        IF wrong > 0 THEN
            RETURN NEXT format('%s: %s rows are missing, too many or wrong', zvec, wrong);
        END IF;
        IF (SELECT amname FROM pg_class JOIN pg_am m ON m.oid = relam WHERE pg_class.oid = zvec::regclass) = 'zvec' THEN
            RETURN QUERY SELECT format('%s: %s, %s: %s', zvec, invariant, location, message)
                FROM zvec_check(zvec::regclass) LIMIT 5;
            RETURN QUERY SELECT index_problems(zvec::regclass);
        END IF;
    END LOOP;
END $$;

-- After VACUUM with nobody else there: slots that hold a vector which no row has, or rows without one.
CREATE FUNCTION leftovers() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    zvec text;
    counted bigint;
    counts record;
BEGIN
    FOREACH zvec IN ARRAY ARRAY['t', 'a', 'w', 'c'] LOOP
        IF (SELECT amname FROM pg_class JOIN pg_am m ON m.oid = relam WHERE pg_class.oid = zvec::regclass) = 'zvec' THEN
            -- every row has as many vectors as the table has columns of them
            EXECUTE format('SELECT count(*) * %s FROM %s', CASE zvec WHEN 't' THEN 2 ELSE 1 END, zvec) INTO counted;
            SELECT coalesce(sum(live), 0) AS live, coalesce(sum(dead), 0) AS dead INTO counts
                FROM zvec_segments(zvec::regclass);
            IF counts.live <> counted OR counts.dead <> 0 THEN
                RETURN NEXT format('%s: %s vectors, %s live and %s dead slots', zvec, counted, counts.live, counts.dead);
            END IF;
        END IF;
    END LOOP;
END $$;

-- The nearest rows by an index, which must be used, and by looking at all rows.
CREATE FUNCTION by_index(tab regclass, col text, op text, cond text, query zvec, most bigint)
    RETURNS TABLE (at tid, distance float8) LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_sort = off SET enable_bitmapscan = off AS $$
DECLARE
    sql text := format('SELECT ctid, %I %s %L::zvec FROM %s WHERE %s ORDER BY %1$I %2$s %3$L::zvec LIMIT %6$s',
                       col, op, query, tab, cond, coalesce(most::text, 'NULL'));
    line text;
    used boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || sql LOOP
        used := used OR line ~ 'Index Scan using|ZvecGraphScan';
    END LOOP;
    IF NOT used THEN
        RAISE EXCEPTION 'no index is used by %', sql;
    END IF;
    RETURN QUERY EXECUTE sql;
END $$;
CREATE FUNCTION by_rows(tab regclass, col text, op text, cond text, query zvec, most bigint)
    RETURNS TABLE (at tid, distance float8) LANGUAGE plpgsql
    SET enable_indexscan = off SET zvec.enable_exact_scan = off AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT ctid, %I %s %L::zvec FROM %s WHERE %s ORDER BY 2, 1 LIMIT %s',
                                col, op, query, tab, cond, coalesce(most::text, 'NULL'));
END $$;

-- What is wrong with a table's vector indexes, a line each: scans to the end must return exactly the rows that are there,
-- and the nearest must be mostly those that there are.
CREATE FUNCTION index_problems(tab regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    ix record;
    queries zvec[];
    query zvec;
    counts record;
    hits bigint;
    possible bigint;
BEGIN
    FOR ix IN SELECT i.indexrelid::regclass AS name, a.attname::text AS col, a.atttypmod AS dimensions,
                     o.oprname::text AS op,
                     coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS cond
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
              JOIN pg_opclass k ON k.oid = i.indclass[0] JOIN pg_amop p ON p.amopfamily = k.opcfamily AND p.amoppurpose = 'o'
              JOIN pg_operator o ON o.oid = p.amopopr
              WHERE i.indrelid = tab AND m.amname IN ('zvec_hnsw', 'zvec_flat') AND i.indisvalid LOOP
        EXECUTE format('SELECT array_agg(v) FROM (SELECT %1$I AS v FROM %2$s WHERE %1$I IS NOT NULL
                        ORDER BY random() LIMIT 40) x', ix.col, tab) INTO queries;
        queries := coalesce(queries, ARRAY[array_fill(1::real, ARRAY[ix.dimensions])::zvec]);
        hits := 0;
        possible := 0;
        FOREACH query IN ARRAY queries LOOP
            SELECT hits + count(*) FILTER (WHERE n.distance <= worst) INTO hits
                FROM by_index(tab, ix.col, ix.op, ix.cond, query, 10) n,
                     (SELECT max(distance) AS worst FROM by_rows(tab, ix.col, ix.op, ix.cond, query, 10)) w;
            possible := possible + (SELECT count(distance) FROM by_rows(tab, ix.col, ix.op, ix.cond, query, 10));
        END LOOP;
        -- some queries are hard, of a few dozen most are not: what is broken finds far less
        IF hits < 0.9 * possible THEN
            RETURN NEXT format('%s: %s of the %s nearest are found', ix.name, hits, possible);
        END IF;
        SELECT count(*) FILTER (WHERE n.at IS NULL) AS missing, count(*) FILTER (WHERE r.at IS NULL) AS wrong,
               count(n.at) - count(DISTINCT n.at) AS twice,
               count(*) FILTER (WHERE n.distance IS DISTINCT FROM r.distance AND n.distance <> 'NaN') AS unequal
            INTO counts FROM by_index(tab, ix.col, ix.op, ix.cond, queries[1], NULL) n
            FULL JOIN by_rows(tab, ix.col, ix.op, ix.cond, queries[1], NULL) r USING (at);
        IF (counts.missing, counts.wrong, counts.twice, counts.unequal) <> (0, 0, 0, 0) THEN
            RETURN NEXT format('%s: %s rows are missing, %s are wrong, %s are twice there, %s have another distance', ix.name,
                               counts.missing, counts.wrong, counts.twice, counts.unequal);
        END IF;
    END LOOP;
END $$;
