-- Collections: what the README shows, what follows from statements, transactions, drops and renames
CREATE SCHEMA collections;
SET search_path = collections, public;
CREATE TABLE items (id text PRIMARY KEY, embedding float4[]);
SELECT zvec_create_collection('items_idx', 'items', 'embedding', 1536,
       'cosine', 'hnsw', '{"m":16,"ef_construction":200}');
SELECT zvec_attach_table('items_idx', 'items', 'id', 'embedding');
INSERT INTO items VALUES ('doc1', array_fill(0.1::float4, ARRAY[1536]));
SELECT * FROM zvec_search('items_idx', array_fill(0.1::float4, ARRAY[1536]), 10);
SELECT name, table_name, key_column, vector_column, dimension, metric, index_type, m, ef_construction, ef_search, attached
FROM zvec_collections ORDER BY name;
SELECT key, value FROM zvec_stats('items_idx') WHERE key <> 'bytes';
SELECT value::bigint > 50000 AS bytes FROM zvec_stats('items_idx') WHERE key = 'bytes';
-- by a collection's name, a table's, an index's; drained before, by then
SELECT drained, removed FROM zvec_optimize('items_idx');
SELECT drained, removed FROM zvec_optimize('zvec_collection.items_idx');
SELECT drained, removed FROM zvec_optimize('zvec_collection.items_idx_vector_idx'::regclass);
\set VERBOSITY terse
SELECT zvec_optimize('nosuch');
\set VERBOSITY default
-- an error names the row, and nothing of the statement stays
INSERT INTO items VALUES ('doc2', array_fill(0.2::float4, ARRAY[1536])), ('doc3', '{1,2,3}');
INSERT INTO items VALUES ('doc2', array_fill('NaN'::float4, ARRAY[1536]));
INSERT INTO items VALUES ('doc2', array_fill(NULL::float4, ARRAY[1536]));
SELECT count(*) FROM items;
SELECT pk FROM zvec_search('items_idx', array_fill(0.1::float4, ARRAY[1536]), 10);

\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/include/collections.sql'
\i :helpers
CREATE TABLE t (id int PRIMARY KEY, e float4[], title text);
-- last first, so that keys can be moved up
INSERT INTO t SELECT i, v(i), 'old' FROM generate_series(2000, 1, -1) i;
SELECT zvec_create_collection('t', 't', 'e', 3, 'l2');
SELECT zvec_attach_table('t', 't', 'id', 'e') AS loaded;
SELECT differences('t');
-- is the check a check?
BEGIN;
DELETE FROM zvec_collection.t WHERE key = '7';
UPDATE zvec_collection.t SET key = 'x' WHERE key = '8';
SELECT differences('t') ORDER BY 1;
ROLLBACK;
-- keys that change places
UPDATE t SET id = id + 1;
SELECT differences('t');
SELECT * FROM zvec_search('t', v(500), 2);
UPDATE t SET id = -id, e = v(-id) WHERE id % 3 = 0;
SELECT differences('t');
-- keys and vectors that become NULL, and come back
UPDATE t SET e = NULL WHERE id % 5 = 0;
SELECT differences('t');
SELECT count(*) = (SELECT count(*) FROM t WHERE e IS NOT NULL) AS as_many FROM zvec_search('t', v(0), 5000);
UPDATE t SET e = v(id) WHERE id % 10 = 0;
DELETE FROM t WHERE id % 11 = 0;
SELECT differences('t');
INSERT INTO t VALUES (2, v(5)), (-7, v(-77)) ON CONFLICT (id) DO UPDATE SET e = EXCLUDED.e, title = 'conflict';
MERGE INTO t USING (SELECT g, v(-g) AS e FROM generate_series(1990, 2020) g) AS s ON s.g = t.id
WHEN MATCHED AND g < 1995 THEN DELETE WHEN MATCHED THEN UPDATE SET e = s.e WHEN NOT MATCHED THEN INSERT VALUES (g, s.e);
COPY t (id, e) FROM stdin;
9001	{1,2,3}
9002	\N
9003	{4,5,6}
\.
SELECT differences('t');
SELECT * FROM zvec_search('t', '{4,5,6}', 1);
-- other columns: not a vector is written
SELECT sum(live + dead) AS slots FROM zvec_segments('zvec_collection.t') \gset
UPDATE t SET title = 'new';
SELECT sum(live + dead) - :slots AS more FROM zvec_segments('zvec_collection.t');
-- one statement that changes rows twice: functions and triggers in it
CREATE FUNCTION once_more(key int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN UPDATE t SET e = v(key + 5000) WHERE id = key; RETURN key; END $$;
INSERT INTO t VALUES (200000, '{9,9,9}') RETURNING once_more(id);
SELECT differences('t');
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE t SET e = v(id + 5000) WHERE id = NEW.id AND e = '{9,9,9}';
    DELETE FROM t WHERE id = NEW.id AND e = '{9,9,8}';
    UPDATE t SET id = id + 1000 WHERE id = NEW.id AND e = '{9,9,7}';
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION again();
INSERT INTO t VALUES (200001, '{9,9,9}'), (200002, '{9,9,8}'), (200003, '{9,9,7}'), (200004, '{9,9,6}');
SELECT differences('t');
SELECT key FROM zvec_collection.t WHERE key >= '200000' ORDER BY 1;
DROP TRIGGER again ON t;
-- a table that refers to itself
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE, e float4[]);
SELECT zvec_create_collection('tree', 'tree', 'e', 3), zvec_attach_table('tree', 'tree', 'id', 'e');
INSERT INTO tree VALUES (1, NULL, v(1)), (2, 1, v(2)), (3, 2, v(3)), (4, NULL, v(4));
UPDATE tree SET id = 40 WHERE id = 4;
DELETE FROM tree WHERE id = 1;
SELECT differences('tree');
SELECT pk FROM zvec_search('tree', v(1), 5);

-- transactions
BEGIN;
SAVEPOINT a;
DELETE FROM t;
SELECT count(*) FROM zvec_search('t', '{1,1,1}', 10);
ROLLBACK TO a;
SELECT count(*) FROM zvec_search('t', '{1,1,1}', 10);
INSERT INTO t VALUES (300000, '{0.5,0.5,0.5}');
SELECT pk FROM zvec_search('t', '{0.5,0.5,0.5}', 1);
ROLLBACK;
SELECT pk = '300000' AS there FROM zvec_search('t', '{0.5,0.5,0.5}', 1);
BEGIN ISOLATION LEVEL REPEATABLE READ;
TRUNCATE t;
SELECT count(*) FROM zvec_search('t', '{1,1,1}', 10);
ROLLBACK;
SELECT differences('t');

-- a trigger's text says which columns are meant, by number: names may change
ALTER TABLE t RENAME TO u;
ALTER TABLE u RENAME id TO "Key";
ALTER TABLE u RENAME e TO "a, b";
CREATE SCHEMA "collections two";
ALTER TABLE u SET SCHEMA "collections two";
INSERT INTO "collections two".u ("Key", "a, b") VALUES (400000, '{3,3,3}');
SELECT * FROM zvec_search('t', '{3,3,3}', 1);
SELECT * FROM zvec_search_filtered('t', '{3,3,3}', 1, '"Key" <> 400000 AND u."a, b"[3] = 1');
SELECT differences('t');
ALTER TABLE zvec_collection.t RENAME TO renamed;
INSERT INTO "collections two".u ("Key", "a, b") VALUES (400001, '{3,3,3.5}');
SELECT * FROM zvec_search('t', '{3,3,3.5}', 1);
ALTER TABLE zvec_collection.renamed RENAME TO t;
ALTER TABLE "collections two".u SET SCHEMA collections;
ALTER TABLE u RENAME TO t;
ALTER TABLE t RENAME "Key" TO id;
ALTER TABLE t RENAME "a, b" TO e;

-- what a collection needs
ALTER TABLE t DROP CONSTRAINT t_pkey;
ALTER TABLE t ADD UNIQUE (id);
ALTER TABLE t DROP CONSTRAINT t_pkey;
ALTER TABLE t ALTER id DROP NOT NULL;
INSERT INTO t VALUES (NULL, '{1,2,3}'), (NULL, '{1,2,4}'), (500000, '{1,2,5}');
UPDATE t SET id = NULL WHERE id = 500000;
UPDATE t SET id = 500001 WHERE id IS NULL AND e = '{1,2,5}';
SELECT differences('t');
SELECT pk FROM zvec_search('t', '{1,2,5}', 1);
ALTER TABLE t DROP COLUMN e;
ALTER TABLE t ALTER id TYPE bigint;
CREATE TABLE child () INHERITS (t);
ALTER TABLE t SET UNLOGGED;
SELECT relpersistence FROM pg_class WHERE oid = 'zvec_collection.t'::regclass;
ALTER TABLE t SET LOGGED;
SELECT relpersistence FROM pg_class WHERE oid = 'zvec_collection.t'::regclass;
SELECT differences('t');
-- and what becomes of it without
BEGIN;
DROP TRIGGER zvec_insert_t ON t;
SELECT attached FROM zvec_collections WHERE name = 't';
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT * FROM zvec_search('t', v(1), 1);
ROLLBACK;
BEGIN;
ALTER TABLE t DROP COLUMN e CASCADE;
SELECT attached FROM zvec_collections WHERE name = 't';
ROLLBACK;
SELECT differences('t');

-- attaching, detaching, dropping
SELECT zvec_attach_table('t', 't', 'id', 'e');
SELECT zvec_detach_table('t');
SELECT zvec_detach_table('t');
SELECT * FROM zvec_search('t', v(1), 1);
SELECT count(*) FROM zvec_collection.t;
INSERT INTO t VALUES (600000, v(600000));
SELECT zvec_attach_table('t', 't', 'id', 'e') > 1000 AS loaded;
SELECT differences('t');
BEGIN;
SELECT zvec_drop_collection('t');
SELECT to_regclass('zvec_collection.t'), (SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass) AS triggers;
ROLLBACK;
CREATE VIEW of_collection AS SELECT key FROM zvec_collection.t;
SELECT zvec_drop_collection('t');
BEGIN;
DROP TABLE zvec_collection.t CASCADE;
SELECT count(*) FROM zvec_collections WHERE name = 't';
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
INSERT INTO t VALUES (700000, '{1}');
ROLLBACK;
DROP VIEW of_collection;
DROP TABLE t;
SELECT to_regclass('zvec_collection.t'), (SELECT count(*) FROM zvec_collections WHERE name = 't') AS rows;
CREATE TABLE t (id int PRIMARY KEY, e float4[]);
SELECT zvec_create_collection('t', 't', 'e', 3, 'l2'), zvec_attach_table('t', 't', 'id', 'e');
INSERT INTO t VALUES (1, v(1));
SELECT * FROM zvec_search('t', v(1), 1);

-- mistakes
SELECT zvec_create_collection('t', 't', 'e', 3);
SELECT zvec_create_collection('t_pkey', 't', 'e', 3);
SELECT zvec_create_collection('x', 'nosuch', 'e', 3);
SELECT zvec_create_collection('x', 't', 'nosuch', 3);
SELECT zvec_create_collection('x', 't', 'id', 3);
SELECT zvec_create_collection('x', 't', 'e', 0);
SELECT zvec_create_collection('x', 't', 'e', 16001);
SELECT zvec_create_collection('x', 't', 'e', NULL);
SELECT zvec_create_collection(NULL, 't', 'e', 3);
SELECT zvec_create_collection('', 't', 'e', 3);
SELECT zvec_create_collection(repeat('x', 64), 't', 'e', 3);
SELECT zvec_create_collection('x', 't', 'e', 3, 'euclid');
SELECT zvec_create_collection('x', 't', 'e', 3, 'l2', 'ivf');
SELECT zvec_create_collection('x', 't', 'e', 3, 'l2', 'hnsw', '[]');
SELECT zvec_create_collection('x', 't', 'e', 3, 'l2', 'hnsw', '{"M":16}');
SELECT zvec_create_collection('x', 't', 'e', 3, 'l2', 'hnsw', '{"m":3}');
SELECT zvec_create_collection('x', 't', 'e', 3, 'l2', 'hnsw', '{"m":"16"}');
SELECT zvec_create_collection('x', 't', 'e', 3, 'l2', 'hnsw', '{"ef_search":1.5}');
SELECT zvec_create_collection('x', 't', 'e', 3, 'l2', 'flat', '{"m":16}');
SELECT zvec_create_collection('x', 't', 'e', 3, data_dir => '/var/lib/vectors');
SELECT zvec_create_collection('x', 't', 'e', 3, data_dir => 'nosuch');
SET pg_zvec.data_dir = 'nosuch either';
SELECT zvec_create_collection('x', 't', 'e', 3);
RESET pg_zvec.data_dir;
CREATE VIEW a_view AS SELECT * FROM t;
SELECT zvec_create_collection('x', 'a_view', 'e', 3);
SELECT zvec_create_collection('x', 'pg_class', 'e', 3);
CREATE TEMP TABLE temporary (id int PRIMARY KEY, e float4[]);
SELECT zvec_create_collection('x', 'temporary', 'e', 3);
CREATE TABLE other (id int, part int, e float4[], f float4[], PRIMARY KEY (id, part), UNIQUE (part) DEFERRABLE);
CREATE UNIQUE INDEX ON other (id) WHERE part > 0;
SELECT zvec_create_collection('x', 'other', 'e', 3);
SELECT zvec_attach_table('x', 't', 'id', 'e');
SELECT zvec_attach_table('nosuch', 'other', 'id', 'e');
SELECT zvec_attach_table('x', 'other', 'id, part', 'e');
SELECT zvec_attach_table('x', 'other', 'id', 'e');
SELECT zvec_attach_table('x', 'other', 'part', 'e');
SELECT zvec_attach_table('x', 'other', 'nosuch', 'e');
SELECT zvec_attach_table('x', 'other', 'id', 'f');
SELECT zvec_attach_table('x', 'other', 'id', NULL);
CREATE UNIQUE INDEX ON other (e);
SELECT zvec_attach_table('x', 'other', 'e', 'e');
INSERT INTO other VALUES (1, 1, '{1,2,3,4}');
CREATE UNIQUE INDEX ON other (id);
SELECT zvec_attach_table('x', 'other', 'id', 'e');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'other'::regclass AND tgname LIKE 'zvec%';
SELECT * FROM zvec_search('x', '{1,2,3}', 1);
SELECT * FROM zvec_search('nosuch', '{1,2,3}', 1);
SELECT * FROM zvec_search('t', '{1,2}', 1);
SELECT * FROM zvec_search('t', '{1,2,NULL}', 1);
SELECT * FROM zvec_search('t', '{1,2,NaN}', 1);
SELECT * FROM zvec_search('t', '{{1,2,3}}', 1);
SELECT * FROM zvec_search('t', '{1,2,3}', 0);
SELECT * FROM zvec_search('t', '{1,2,3}', NULL);
SELECT * FROM zvec_search('t', NULL, 1);
SELECT zvec_sync_trigger();
CREATE TRIGGER mine AFTER INSERT ON other FOR EACH STATEMENT EXECUTE FUNCTION zvec_sync_trigger('t');
INSERT INTO other VALUES (2, 2, '{1,2,3}');
DROP TRIGGER mine ON other;
CREATE TRIGGER mine AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION zvec_sync_trigger('t');
INSERT INTO t VALUES (2, '{1,2,3}');
DROP TRIGGER mine ON t;

-- a collection's own number of candidates
CREATE TABLE many (id int PRIMARY KEY, e float4[]);
INSERT INTO many SELECT i, ARRAY[sin(i), cos(1.3 * i), sin(0.7 * i), cos(0.2 * i)] FROM generate_series(1, 3000) i;
SELECT zvec_create_collection('many', 'many', 'e', 4, 'l2', 'hnsw', '{"ef_search": 2000}');
SELECT zvec_attach_table('many', 'many', 'id', 'e');
SET zvec.ef_search = 1;
SELECT count(*) FROM (SELECT pk FROM zvec_search('many', '{0.1,0.2,0.3,0.4}', 20)) AS s
    JOIN (SELECT id FROM many ORDER BY e::zvec <-> '[0.1,0.2,0.3,0.4]' LIMIT 20) AS x ON x.id::text = s.pk;
SHOW zvec.ef_search;
RESET zvec.ef_search;
-- each metric, and that its score is the operator's
SELECT zvec_create_collection('many_' || metric, 'many', 'e', 4, metric, 'flat')
FROM unnest(ARRAY['cosine', 'l2', 'ip', 'l1']) AS metric;
SELECT zvec_attach_table('many_' || metric, 'many', 'id', 'e') FROM unnest(ARRAY['cosine', 'l2', 'ip', 'l1']) AS metric;
SELECT metric, s.score = zvec_distance(e::zvec, '[0.1,0.2,0.3,0.4]', metric) AS same,
    s.score = (SELECT min(zvec_distance(e::zvec, '[0.1,0.2,0.3,0.4]', metric)) FROM many) AS least
FROM unnest(ARRAY['cosine', 'l2', 'ip', 'l1']) AS metric,
    LATERAL zvec_search('many_' || metric, '{0.1,0.2,0.3,0.4}', 1) AS s JOIN many ON many.id::text = s.pk ORDER BY metric;
SET client_min_messages = warning;
DROP SCHEMA collections, "collections two" CASCADE;
SELECT count(*) FROM zvec_collections;
SELECT relname FROM pg_class WHERE relnamespace = 'zvec_collection'::regnamespace;
