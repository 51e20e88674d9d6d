-- Summarising indexes (BRIN): from 16 on a row version may be heap-only although a column of theirs changes, and only they are
-- told of it. What is heap-only is asked of an equal heap table, so that each version prints the same.
SET min_parallel_table_scan_size = '1GB';
CREATE TABLE brin_z (id int PRIMARY KEY, day int, tag int, v zvec(3)) USING zvec WITH (autovacuum_enabled = off, fillfactor = 50);
CREATE TABLE brin_h (id int PRIMARY KEY, day int, tag int, v zvec(3)) USING heap WITH (autovacuum_enabled = off, fillfactor = 50);
INSERT INTO brin_h SELECT i, i / 10, i % 7, ARRAY[i, i % 11, 1]::real[] FROM generate_series(1, 1200) i;
INSERT INTO brin_z SELECT * FROM brin_h;
CREATE INDEX brin_z_day ON brin_z USING brin (day) WITH (pages_per_range = 1);
CREATE INDEX brin_h_day ON brin_h USING brin (day) WITH (pages_per_range = 1);
CREATE INDEX brin_z_far ON brin_z USING brin ((day * 2)) WITH (pages_per_range = 1);
CREATE INDEX brin_h_far ON brin_h USING brin ((day * 2)) WITH (pages_per_range = 1);
CREATE INDEX brin_z_v ON brin_z USING zvec_hnsw (v);
CREATE INDEX brin_h_v ON brin_h (v);
CREATE FUNCTION heap_only(tab regclass) RETURNS bigint LANGUAGE sql AS 'SELECT pg_stat_get_xact_tuples_hot_updated(tab)';
-- updates both tables alike; how many rows, whether as many row versions were heap-only in both, and whether all were from that
-- version on (NULL: none in any), and none before
CREATE FUNCTION updated(assignments text, which text, since int) RETURNS TABLE (rows bigint, "as in heap" bool, "heap-only" bool)
    LANGUAGE plpgsql AS $$
DECLARE
    h bigint := heap_only('brin_h');
    z bigint := heap_only('brin_z');
BEGIN
    EXECUTE format('UPDATE brin_h SET %s WHERE %s', assignments, which);
    EXECUTE format('UPDATE brin_z SET %s WHERE %s', assignments, which);
    GET DIAGNOSTICS rows = ROW_COUNT;
    h := heap_only('brin_h') - h;
    z := heap_only('brin_z') - z;
    "as in heap" := z = h;
    "heap-only" := z = CASE WHEN current_setting('server_version_num')::int >= since * 10000 THEN rows ELSE 0 END;
    RETURN NEXT;
END $$;
-- what the indexes find, against the rows
CREATE FUNCTION brin_finds(condition text) RETURNS TABLE (rows bigint, equal bool) LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_indexscan = off AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT * FROM brin_z WHERE ' || condition LOOP plan := plan || line; END LOOP;
    IF plan !~ 'Bitmap Index Scan on brin_z_(day|far)' THEN RAISE '%', plan; END IF;
    EXECUTE format('SELECT count(*) FROM brin_z WHERE %s', condition) INTO rows;
    EXECUTE format('SELECT NOT EXISTS (TABLE brin_h EXCEPT ALL TABLE brin_z) AND count(*) = %s FROM brin_h WHERE %s', rows, condition)
        INTO equal;
    RETURN NEXT;
END $$;
-- the column alone, to where no page's summary reaches
SELECT * FROM updated('day = day + 100000', 'id % 100 = 3', 16);
SELECT * FROM brin_finds('day > 90000');
SELECT * FROM brin_finds('day * 2 > 180000');
-- with the vector, which has an index that is told by the table
SELECT * FROM updated('day = day + 200000, v = ''[5,5,5]''', 'id % 100 = 4', NULL);
SELECT * FROM brin_finds('day > 190000');
-- with NULL for the vector; a chain; a column that no index is of
SELECT * FROM updated('day = 300000, v = NULL', 'id % 100 = 5', NULL);
SELECT * FROM updated('day = day + 1', 'id % 100 = 5', 16);
SELECT * FROM updated('tag = tag + 1', 'id % 100 IN (3, 4, 5)', 0);
SELECT * FROM brin_finds('day BETWEEN 300000 AND 300001');
-- with a column of a B-tree: never heap-only
SELECT * FROM updated('day = day + 400000, id = id + 10000', 'id % 100 = 6', NULL);
SELECT * FROM brin_finds('day > 390000');
SELECT count(*) FROM brin_z WHERE id > 10000;
-- upserts and MERGE come by the same way
INSERT INTO brin_h VALUES (103, 0, 0, NULL), (104, 0, 0, NULL) ON CONFLICT (id) DO UPDATE SET day = 500000 + excluded.id;
INSERT INTO brin_z VALUES (103, 0, 0, NULL), (104, 0, 0, NULL) ON CONFLICT (id) DO UPDATE SET day = 500000 + excluded.id;
MERGE INTO brin_h t USING (VALUES (203)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET day = 600000;
MERGE INTO brin_z t USING (VALUES (203)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET day = 600000;
SELECT * FROM brin_finds('day > 490000');
-- nearest neighbours are those of the rows, through the index and without, before and after VACUUM
CREATE FUNCTION brin_nearest() RETURNS bool LANGUAGE sql SET enable_seqscan = off SET enable_sort = off AS $$
    SELECT count(*) = 40 AND bool_and(z.d = h.d) FROM (SELECT v <-> '[300,3,1]' AS d, row_number() OVER () AS nr
            FROM (SELECT v FROM brin_z ORDER BY v <-> '[300,3,1]' LIMIT 40) n) z
        JOIN (SELECT v <-> '[300,3,1]' AS d, row_number() OVER (ORDER BY v <-> '[300,3,1]') AS nr FROM brin_h) h USING (nr)
$$;
EXPLAIN (COSTS OFF) SELECT v FROM brin_z ORDER BY v <-> '[300,3,1]' LIMIT 40;
SELECT brin_nearest();
SELECT * FROM zvec_check('brin_z');
VACUUM brin_z, brin_h;
SELECT * FROM brin_finds('day > 90000');
SELECT brin_nearest();
SELECT * FROM zvec_check('brin_z');
-- rolled back, a summary is wider than it need be, and nothing else
BEGIN;
SELECT * FROM updated('day = 700000', 'id % 100 = 7', 16);
ROLLBACK;
SELECT * FROM brin_finds('day = 700000');
DROP TABLE brin_z, brin_h;
DROP FUNCTION updated, heap_only, brin_finds, brin_nearest;
