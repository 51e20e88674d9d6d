-- The demo: 5,000 Debian packages, each with a sentence embedding of its description, in a vector table.
--
-- `make demo` runs this in a private server. In a database of yours, with the extension installed:
--     cd sql/demo && psql -f demo.sql
-- It makes (and first drops) a table `packages`. With `-v check=1` it leaves out what differs from run to run: times,
-- sizes and measured recall.
\set ON_ERROR_STOP on
\set QUIET on
\pset pager off
\pset footer off
\pset linestyle ascii
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_zvec;
DROP TABLE IF EXISTS packages;
\set ECHO queries
\if :{?check}
\else
\timing on
\endif

\echo
\echo === A table for vectors: the rows are PostgreSQL heap rows, the vectors are stored apart, side by side
CREATE TABLE packages (
    name text PRIMARY KEY,
    section text NOT NULL,
    summary text NOT NULL,
    embedding zvec(384)
) USING zvec;

\echo
\echo === Load 5,000 packages by COPY
\set ECHO none
\echo '\\copy packages from program ''./rows.sh'''
\copy packages from program './rows.sh'
\set ECHO queries
ANALYZE packages;
SELECT count(*) AS packages, count(DISTINCT section) AS sections FROM packages;

\echo
\echo === Which packages are like postgresql? (<=> is cosine distance)
SELECT name, left(summary, 52) AS summary,
    round((embedding <=> (SELECT embedding FROM packages WHERE name = 'postgresql'))::numeric, 3) AS distance
FROM packages
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'postgresql')
LIMIT 8;

\echo
\echo === The same question within one section: games like the chess engine stockfish
SELECT name, left(summary, 52) AS summary,
    round((embedding <=> (SELECT embedding FROM packages WHERE name = 'stockfish'))::numeric, 3) AS distance
FROM packages
WHERE section = 'games' AND name <> 'stockfish'
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'stockfish')
LIMIT 5;

\echo
\echo === Vectors add up: between PostgreSQL, maps and a library for nearest-neighbour search
BEGIN;
INSERT INTO packages
SELECT 'my-vector-db', 'database', 'made up for this demo', avg(embedding)
FROM packages WHERE name IN ('postgresql', 'postgis', 'r-cran-fnn');

\echo
\echo === ... and the search finds it at once, in this transaction
SELECT name, section, left(summary, 40) AS summary
FROM packages
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'my-vector-db')
LIMIT 4;

\echo
\echo === A second session does not see it: it is not committed
\set second_session `psql -XAtq -c "SELECT count(*) FROM packages WHERE name = 'my-vector-db'"`
\echo the second session finds :second_session rows named my-vector-db

\echo
\echo === ROLLBACK, and the same search again: nothing is left behind
\set ECHO none
SELECT embedding AS vector FROM packages WHERE name = 'my-vector-db' \gset
\set ECHO queries
ROLLBACK;
\echo SELECT name, section, left(summary, 40) AS summary FROM packages ORDER BY embedding <=> '(the vector)' LIMIT 4;
\set ECHO none
-- the vector itself would fill the screen
SELECT name, section, left(summary, 40) AS summary FROM packages ORDER BY embedding <=> :'vector' LIMIT 4;
\set ECHO queries

\echo
\echo === What the vector store holds: the vector that was rolled back waits for VACUUM
SELECT column_name, dimensions, live, dead FROM zvec_segments('packages');

\echo
\echo === Move the chess programs to a section of their own: no vector is copied
UPDATE packages SET section = 'chess' WHERE section = 'games' AND summary LIKE '%chess%';
SELECT section, count(*) FROM packages WHERE section IN ('chess', 'games') GROUP BY section ORDER BY section;
SELECT column_name, dimensions, live, dead FROM zvec_segments('packages');

\echo
\echo === Delete a section and VACUUM: its slots are free for the next vectors
DELETE FROM packages WHERE section = 'haskell';
VACUUM packages;
SELECT column_name, dimensions, live, dead FROM zvec_segments('packages');

\echo
\echo === Without an index a search reads every vector ...
EXPLAIN (COSTS OFF)
SELECT name FROM packages
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'nginx') LIMIT 5;
SELECT name, left(summary, 52) AS summary FROM packages
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'nginx') LIMIT 5;

\echo
\echo === ... with one it walks a graph. The query stays as it is
CREATE INDEX packages_embedding ON packages USING zvec_hnsw (embedding zvec_cosine_ops);
EXPLAIN (COSTS OFF)
SELECT name FROM packages
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'nginx') LIMIT 5;
SELECT name, left(summary, 52) AS summary FROM packages
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'nginx') LIMIT 5;

\echo
\echo === A new row waits in a list beside the graph, and is found at once; VACUUM moves it into the graph
INSERT INTO packages
SELECT 'my-web-server', 'httpd', 'made up for this demo', avg(embedding)
FROM packages WHERE name IN ('nginx', 'lighttpd');
SELECT name FROM packages
ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'my-web-server') LIMIT 3;
SELECT index, nodes, dead, pending FROM zvec_index_stats('packages');
VACUUM packages;
SELECT index, nodes, dead, pending FROM zvec_index_stats('packages');

\if :{?check}
\else
\echo
\echo === What share of the ten nearest does the graph find, with few candidates and with many?
SELECT ef_search, zvec_recall('packages_embedding', queries => 100, k => 10, ef_search => ef_search) AS recall
FROM unnest(ARRAY[10, 40, 160]) ef_search;

\echo
\echo === Sizes: the table with everything, and what its vectors alone are in memory
SELECT pg_size_pretty(pg_total_relation_size('packages')) AS table_and_indexes,
    pg_size_pretty(pg_relation_size('packages_embedding')) AS of_it_graph,
    pg_size_pretty(pg_relation_size('packages')) AS of_it_rows,
    pg_size_pretty(count(*) * 384 * 4) AS live_vectors_in_memory
FROM packages;
\endif

\echo
\echo === Is everything in order? zvec_check compares rows, slots and graph, and returns a row for each contradiction
\pset footer on
SELECT * FROM zvec_check('packages');
