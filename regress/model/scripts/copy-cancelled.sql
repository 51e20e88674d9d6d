-- The case ends with a deadlock, while the first session waits for its lock with a COPY outside of a transaction: it is
-- cancelled before it reads a row.
1: BEGIN
2: BEGIN
1: LOCK TABLE t
2: LOCK TABLE u
0: COPY t (id, num, v, note) FROM STDIN (FORMAT csv) <<10,1,"[1,2,3]",k1
1: SELECT count(*) FROM u
2: SELECT count(*) FROM t
