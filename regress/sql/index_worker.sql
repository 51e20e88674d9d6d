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
