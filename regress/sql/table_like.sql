-- what is made like a zvec table has the default access method: LIKE copies none, nor do tools that use it
CREATE TABLE model (id int PRIMARY KEY, v zvec(3) NOT NULL, body text) USING zvec;
CREATE INDEX model_v ON model USING zvec_hnsw (v zvec_cosine_ops) WITH (m = 8);
INSERT INTO model SELECT i, ARRAY[i, 1, -i]::zvec, 'row ' || i FROM generate_series(1, 50) AS i;
CREATE TABLE copied (LIKE model INCLUDING ALL EXCLUDING INDEXES);
SELECT relname, amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname IN ('model', 'copied') ORDER BY relname;
DROP TABLE copied;
-- with its vector index it is refused, not made slow
CREATE TABLE copied (LIKE model INCLUDING ALL);
-- the setting says which: for a session, a role, a database; USING overrides it
SET default_table_access_method = zvec;
CREATE TABLE copied (LIKE model INCLUDING ALL);
CREATE TABLE parted (LIKE model INCLUDING ALL) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (26);
CREATE TABLE parted_2 (LIKE parted INCLUDING ALL);
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (26) TO (51);
CREATE TABLE selected AS SELECT * FROM model;
CREATE MATERIALIZED VIEW viewed AS SELECT * FROM model;
CREATE TABLE given (LIKE model) USING heap;
RESET default_table_access_method;
SELECT relname, amname FROM pg_class c JOIN pg_am a ON a.oid = relam
WHERE relname IN ('copied', 'parted', 'parted_1', 'parted_2', 'selected', 'viewed', 'given') ORDER BY relname;
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am a ON a.oid = i.relam
WHERE amname = 'zvec_hnsw' AND indrelid IN ('copied'::regclass, 'parted_1'::regclass, 'parted_2'::regclass) ORDER BY 1::text;
INSERT INTO copied SELECT * FROM model;
INSERT INTO parted SELECT * FROM model;
SELECT id FROM copied ORDER BY v <=> '[7,1,-7]' LIMIT 1;
SELECT id FROM parted ORDER BY v <=> '[7,1,-7]' LIMIT 1;
SELECT tableoid::regclass, count(*) FROM parted GROUP BY 1 ORDER BY 1;
SELECT * FROM zvec_check('copied') UNION ALL SELECT * FROM zvec_check('parted');
DROP MATERIALIZED VIEW viewed;
DROP TABLE copied, parted, selected, given, model;
