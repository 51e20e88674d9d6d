VACUUM t
VACUUM t
VACUUM (FREEZE) t
VACUUM FULL t
VACUUM FULL a
CLUSTER t USING t_pkey
ALTER TABLE t ADD COLUMN IF NOT EXISTS extra integer DEFAULT 7
ALTER TABLE t DROP COLUMN IF EXISTS extra
ALTER TABLE a SET ACCESS METHOD heap
ALTER TABLE a SET ACCESS METHOD zvec
ALTER TABLE a SET UNLOGGED; ALTER TABLE a SET LOGGED
ALTER TABLE a ALTER ver TYPE bigint; ALTER TABLE a ALTER ver TYPE integer
UPDATE ma SET ver = ver + 1; UPDATE a SET ver = ver + 1, e = v(id, ver + 1)
TRUNCATE w, mw
TRUNCATE w, mw; INSERT INTO mw SELECT i, 1 FROM generate_series(1, 80) i; INSERT INTO w SELECT id, ver, v(id, ver) FROM mw
INSERT INTO mw SELECT i, (SELECT coalesce(max(ver), 0) + 1 FROM mw) FROM generate_series(1, 40) i; INSERT INTO w SELECT id, ver, v(id, ver) FROM mw WHERE ver = (SELECT max(ver) FROM mw)
DROP TABLE c; TRUNCATE mc; INSERT INTO mc SELECT i, 1 FROM generate_series(1, 200) i; CREATE TABLE c USING zvec AS SELECT id, ver, v(id, ver) AS e FROM mc
DROP TABLE c; TRUNCATE mc; CREATE TABLE c (id integer, ver integer, e zvec) USING zvec; INSERT INTO c SELECT i, 3, v(i, 3) FROM generate_series(1, 50) i; INSERT INTO mc SELECT id, ver FROM c; DELETE FROM c WHERE id > 30; DELETE FROM mc WHERE id > 30
CHECKPOINT
CHECKPOINT
