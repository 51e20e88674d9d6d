-- Scans of graphs with conditions of which the planner knows too little: whatever it expects, the work is at most twice that of the
-- best choice, and what it takes to find out. Work is what EXPLAIN counts, not time.
SET client_min_messages = warning;
CREATE SCHEMA graph_scan_estimates;
SET search_path = graph_scan_estimates, knn, public;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE t (id int, n int, few int, most int, v zvec(16)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, (hashint4(i) & 2147483647) % 10000, 1000000, -1, vec(i, 16) FROM generate_series(1, 20000) i;
ANALYZE t;
-- behind the planner's back
UPDATE t SET few = n, most = n;
VACUUM t;
CREATE INDEX t_v ON t USING zvec_hnsw (v);
CREATE TABLE q AS SELECT i AS id, vec(i + 70000, 16) AS v FROM generate_series(1, 5) i;
-- in nanoseconds, as src/hnsw/filtering.rs has them, on the average of the queries: rows asked, codes, lists of links, rows tested on their
-- pages, rows that others have found
CREATE FUNCTION work(condition text, OUT work numeric, OUT strategy text, OUT expected numeric) LANGUAGE plpgsql AS $$
DECLARE node jsonb; one q; by_table bool; by_pages bool; tested numeric; asked numeric; failed numeric;
BEGIN
    work := 0;
    PERFORM set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'on', true);
    FOR one IN SELECT * FROM q LOOP
        EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT id FROM t WHERE %s ORDER BY v <-> %L LIMIT 10', condition, one.v) INTO node;
        node := node -> 0 -> 'Plan' -> 'Plans' -> 0;
        IF node ->> 'Custom Plan Provider' IS DISTINCT FROM 'ZvecGraphScan' THEN RAISE 'another plan: %', node; END IF;
        strategy := node ->> 'Strategy';
        expected := node ->> 'Rows Expected to Qualify';
        -- rows that are asked are tested on their pages before, as far as that can be; where all are tested there, those are far more
        tested := (node ->> 'Rows Tested on Pages')::numeric;
        asked := (node ->> 'Rows Asked')::numeric;
        failed := (node ->> 'Rows Removed When Asked')::numeric;
        by_pages := tested > asked;
        by_table := node -> 'Plans' IS NULL AND strategy LIKE '%known%' AND NOT by_pages;
        work := work + (700 * (asked - failed) + CASE WHEN tested >= asked THEN 150 ELSE 700 END * failed
            + 41 * (node ->> 'Codes Compared')::numeric + 41 * (node ->> 'Nodes Passed Through')::numeric
            + CASE WHEN by_pages THEN 9 * tested WHEN by_table THEN 50 * 20000 ELSE 45 * (node ->> 'Rows Known to Qualify')::numeric END) / (SELECT count(*) FROM q);
    END LOOP;
    PERFORM set_config('enable_sort', 'on', true);
END $$;
-- how many rows the planner is made to expect: as many as there are, next to none, next to all
-- by the statistics; and by conditions that cannot be tested on the rows' pages, a third for the one more
CREATE TABLE lies (lie text, tested bool, condition text);
INSERT INTO lies VALUES ('none', true, 'n < %s'), ('few', true, 'few < %s'), ('most', true, 'most < %s'), ('a third', false, 'n + 0 < %s'),
    ('few', false, 'n < %s AND id * 0 = 0 AND id * 0 + 1 = 1'), ('most', false, 'NOT (n >= %s AND id * 0 = 0 AND id * 0 + 1 = 1)');
CREATE TABLE limits (below int, share text);
INSERT INTO limits VALUES (0, 'none'), (20, '0.2 %'), (300, '3 %'), (2000, '20 %'), (7000, '70 %');
CREATE TABLE measured (btree bool, below int, lie text, tested bool, work numeric, strategy text, expected numeric);
INSERT INTO measured SELECT false, below, lie, tested, (work(format(condition, below))).* FROM lies, limits;
CREATE INDEX t_n ON t (n);
CREATE INDEX t_few ON t (few);
CREATE INDEX t_most ON t (most);
INSERT INTO measured SELECT true, below, lie, tested, (work(format(condition, below))).* FROM lies, limits;
-- what was expected is wrong by a thousand
SELECT bool_and(expected < 10) FILTER (WHERE lie = 'few') AS few, bool_and(expected > 19000) FILTER (WHERE lie = 'most') AS most,
    bool_and(abs(expected - 2 * below) < 500) FILTER (WHERE lie = 'none') AS none FROM measured;
-- the best that any of them does; where a btree is of use only to some, who cannot use it are measured by those without it
SELECT btree, share, lie, tested FROM limits JOIN measured m USING (below),
    LATERAL (SELECT min(work) AS best FROM measured b WHERE b.below = m.below AND b.tested = m.tested
        AND b.btree = (m.btree AND m.lie IN ('none', 'few'))) b
-- a search by ef_search, and as many rows as an estimate counts for
WHERE work > 2 * best + 2 * (64 * 15 * 41 + 24 * 700) OR work IS NULL;
-- with the right estimates each way is taken somewhere
SELECT share, btree, strategy FROM measured JOIN limits USING (below) WHERE lie = 'none' AND below IN (0, 20, 7000) ORDER BY below, btree;
-- the same by statistics that are stale
SELECT count(*) FROM t WHERE n < 20;
UPDATE t SET n = 5 WHERE id % 2 = 0;
-- 450,000 is what the index's rows alone would cost
SELECT work < 250000 AS little FROM work('n < 20');
DROP SCHEMA graph_scan_estimates CASCADE;
