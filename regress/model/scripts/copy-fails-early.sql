-- COPY that fails before it reads a row: the session goes on.
0: COPY t (id, nothing) FROM STDIN (FORMAT csv) <<7,1
0: SELECT count(*) FROM t
0: BEGIN
0: COPY nothing FROM STDIN (FORMAT csv) <<7,1
0: ROLLBACK
0: COPY t (id, num, v, note) FROM STDIN (FORMAT csv) <<7,1,"[1,2,3]",it's k1|8,2,,k2
0: SELECT * FROM t
0: COPY t (id, num, v, note) FROM STDIN (FORMAT csv) <<9,1,"[1,2,3]",k1|7,2,,k2
0: SELECT * FROM t
-- What COPY waits for takes a column away.
0: BEGIN
0: ALTER TABLE t DROP COLUMN note
1: COPY t (id, num, v, note) FROM STDIN (FORMAT csv) <<10,1,"[1,2,3]",k1
0: COMMIT
1: UPDATE t SET num = 0 WHERE id = 1
1: SELECT * FROM t
