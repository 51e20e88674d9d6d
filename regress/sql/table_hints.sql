-- what is said, and what one is told to do, where a table's own ways are not the usual ones
CREATE SCHEMA table_hints;
SET search_path = table_hints, public;
-- the vector store is not rewritten alone, by whatever command
CREATE TABLE t (id int, v zvec(3), w zvec(2)) USING zvec WITH (autovacuum_enabled = off);
CREATE TEMP TABLE u (id int, v zvec(3)) USING zvec;
INSERT INTO t SELECT i, '[1,2,3]', '[1,2]' FROM generate_series(1, 10) i;
SELECT reltoastrelid::regclass AS toast FROM pg_class WHERE oid = 't'::regclass \gset
SELECT reltoastrelid::regclass AS temporary FROM pg_class WHERE oid = 'u'::regclass \gset
SELECT relname AS toast_index FROM pg_index JOIN pg_class i ON i.oid = indexrelid WHERE indrelid = :'toast'::regclass \gset
\set ECHO none
\set VERBOSITY sqlstate
VACUUM FULL :toast;
SELECT :'LAST_ERROR_SQLSTATE', regexp_replace(:'LAST_ERROR_MESSAGE', '\d+', 'N');
CLUSTER :toast USING :toast_index;
SELECT :'LAST_ERROR_SQLSTATE', regexp_replace(:'LAST_ERROR_MESSAGE', '\d+', 'N');
VACUUM FULL :temporary;
SELECT :'LAST_ERROR_SQLSTATE', regexp_replace(:'LAST_ERROR_MESSAGE', '\d+', 'N');
\set VERBOSITY default
\set ECHO all
SELECT * FROM zvec_check('t');
SELECT count(v) FROM t;
-- nor is there a store without a table
CREATE TABLE pg_temp_123 (id int) USING zvec_segment;

-- dimensions that are not declared
CREATE TABLE free (v zvec) USING zvec;
CREATE INDEX ON free USING zvec_hnsw (v);
CREATE MATERIALIZED VIEW seen USING zvec AS SELECT id, v + '[1,1,1]' AS v FROM t;
CREATE INDEX ON seen USING zvec_hnsw (v);
CREATE INDEX ON seen USING zvec_flat (v);
DROP MATERIALIZED VIEW seen;
CREATE MATERIALIZED VIEW seen USING zvec AS SELECT id, (v + '[1,1,1]')::zvec(3) AS v FROM t;
CREATE INDEX ON seen USING zvec_hnsw (v);

-- the segment of a column that is gone has no name
ALTER TABLE t DROP COLUMN w;
SELECT segment, column_name, dimensions, live FROM zvec_segments('t') ORDER BY segment;
VACUUM t;
SELECT segment, column_name, dimensions, live, free > 0 AS free FROM zvec_segments('t') ORDER BY segment;
SELECT * FROM zvec_check('t');

SET client_min_messages = warning;
DROP SCHEMA table_hints CASCADE;
