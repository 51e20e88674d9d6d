-- An index's worker leaves no lock behind, so that the next one can start.
SET pg_zvec.background_drain = on;
CREATE TABLE worked (id int, v zvec(3)) USING zvec WITH (autovacuum_enabled = off);
CREATE INDEX worked_v ON worked USING zvec_hnsw (v zvec_l2_ops);
-- Waits for the worker to have ended; returns how many vectors still wait, and the locks of the worker that are left.
CREATE FUNCTION after_work(OUT pending bigint, OUT locks bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..600 LOOP
        PERFORM pg_sleep(0.05);
        PERFORM pg_stat_clear_snapshot();
        SELECT sum(s.pending) INTO pending FROM zvec_index_stats('worked_v') s;
        EXIT WHEN pending = 0
            AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain' AND datname = current_database());
    END LOOP;
    SELECT count(*) INTO locks FROM pg_locks WHERE relation = 'worked_v'::regclass AND locktype = 'page';
END $$;
INSERT INTO worked SELECT i, ARRAY[i, i % 7, 1]::real[] FROM generate_series(1, 2000) i;
SELECT * FROM after_work();
-- A backend asks once a second at the most.
SELECT pg_sleep(1.1);
INSERT INTO worked SELECT i, ARRAY[i, i % 7, 1]::real[] FROM generate_series(2001, 4000) i;
SELECT * FROM after_work();
SELECT count(*) FROM zvec_check('worked');
DROP TABLE worked;
DROP FUNCTION after_work();

-- A large graph is repaired by a worker after VACUUM, which does not wait for it.
CREATE TABLE mended (id int, v zvec(4)) USING zvec WITH (autovacuum_enabled = off);
INSERT INTO mended SELECT i, ARRAY[i % 101, i % 97, i % 89, i % 83]::real[] FROM generate_series(1, 12000) i;
CREATE INDEX mended_v ON mended USING zvec_hnsw (v);
CREATE FUNCTION after_repair(OUT nodes bigint, OUT dead bigint, OUT workers bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..600 LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT count(*) INTO workers FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain' AND datname = current_database();
        SELECT sum(s.nodes), sum(s.dead) INTO nodes, dead FROM zvec_index_stats('mended_v') s;
        EXIT WHEN dead = 0;
        PERFORM pg_sleep(0.05);
    END LOOP;
END $$;
DELETE FROM mended WHERE id % 5 < 2;
VACUUM mended;
SELECT * FROM after_repair();
SELECT count(*) FROM zvec_check('mended');
-- The numbers that the worker has freed are used again.
INSERT INTO mended SELECT i, ARRAY[i % 101, i % 97, i % 89, i % 83]::real[] FROM generate_series(12001, 16000) i;
VACUUM mended;
SELECT nodes, dead, pending FROM zvec_index_stats('mended_v');
SELECT count(*) FROM zvec_check('mended');
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM mended ORDER BY v <-> '[1,2,3,4]') s;
RESET enable_seqscan;
-- Without workers VACUUM does it, and a small graph's is done at once.
SET pg_zvec.background_drain = off;
DELETE FROM mended WHERE id % 5 = 2;
VACUUM mended;
SELECT nodes, dead FROM zvec_index_stats('mended_v');
SET pg_zvec.background_drain = on;
DELETE FROM mended WHERE id % 5 = 3;
DELETE FROM mended WHERE id % 5 = 4 AND id % 2 = 0;
VACUUM mended;
SELECT nodes, dead FROM zvec_index_stats('mended_v');
-- A worker that is cancelled leaves the repair to the next one, which the next insert asks for.
INSERT INTO mended SELECT i, ARRAY[i % 101, i % 97, i % 89, i % 83]::real[] FROM generate_series(20001, 50000) i;
VACUUM mended;
DELETE FROM mended WHERE id % 3 = 0;
SET client_min_messages = error;
DO $$
DECLARE cancelled bool := false;
BEGIN
    FOR i IN 1..1000 LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT bool_or(pg_cancel_backend(pid)) INTO cancelled FROM pg_stat_activity
        WHERE backend_type = 'pg_zvec drain' AND datname = current_database();
        EXIT WHEN NOT coalesce(cancelled, false);
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
VACUUM mended;
DO $$
BEGIN
    FOR i IN 1..1000 LOOP
        PERFORM pg_stat_clear_snapshot();
        EXIT WHEN (SELECT bool_or(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain'
            AND query LIKE 'repair%' AND datname = current_database())
            OR (SELECT sum(dead) = 0 FROM zvec_index_stats('mended_v'));
        PERFORM pg_sleep(0.001);
    END LOOP;
END $$;
RESET client_min_messages;
SELECT count(*) FROM zvec_check('mended');
SELECT pg_sleep(1.1);
INSERT INTO mended VALUES (100000, '[1,2,3,4]');
SELECT dead FROM after_repair();
SELECT count(*) FROM zvec_check('mended');
DROP TABLE mended;
DROP FUNCTION after_repair();
