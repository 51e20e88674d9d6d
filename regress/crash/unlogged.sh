#!/usr/bin/env bash
# Unlogged tables: empty and usable after a crash, kept by a clean stop; SET LOGGED and UNLOGGED keep the vectors.
# Prepared transactions survive a crash with their vectors.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin unlogged-test
. regress/crash/lib.bash
crash_cluster checksums-unlogged "autovacuum = off"
zvec_result $? "unlogged: the server starts"
name=checksums-unlogged

# rows TABLE: how many rows with the right vector, and how many in all
rows() {
    echo "SELECT count(*) FILTER (WHERE e = v(id, ver)), count(*) FROM $1"
}

psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE UNLOGGED TABLE u (id integer PRIMARY KEY, ver integer, long text, e zvec, f zvec(5)) USING zvec;
CREATE INDEX ON u USING zvec_hnsw (f);
INSERT INTO u SELECT i, 1, repeat(md5(i::text), 200), v(i, 1), ARRAY[i % 9, i % 7, i % 5, 1, 0]::zvec
    FROM generate_series(1, 300) i;
CREATE UNLOGGED TABLE to_logged (id integer, ver integer, e zvec, f zvec(5)) USING zvec;
CREATE TABLE to_unlogged (id integer, ver integer, e zvec, f zvec(5)) USING zvec;
CREATE UNLOGGED TABLE emptied (id integer, ver integer, e zvec, f zvec(5)) USING zvec;
CREATE INDEX ON to_logged USING zvec_hnsw (f);
CREATE INDEX ON to_unlogged USING zvec_hnsw (f);
CREATE INDEX ON emptied USING zvec_hnsw (f);
INSERT INTO to_logged SELECT id, ver, e, f FROM u;
INSERT INTO to_unlogged SELECT id, ver, e, f FROM u;
INSERT INTO emptied SELECT id, ver, e, f FROM u;
TRUNCATE emptied;
INSERT INTO emptied SELECT id, ver, e, f FROM u LIMIT 3;
SQL
zvec_stop $name && zvec_start $name
by_indexes() { says_nothing "SELECT index_problems(c::regclass) FROM unnest(ARRAY['u', 'emptied', 'to_logged', 'to_unlogged']) c"; }
is "$(rows u)" "300|300" && is "$(rows emptied)" "3|3" && by_indexes
zvec_result $? "unlogged: a clean stop keeps the rows"

psql -Xqc "ALTER TABLE to_logged SET LOGGED" -c "ALTER TABLE to_unlogged SET UNLOGGED"
is "$(rows to_logged)" "300|300" && is "$(rows to_unlogged)" "300|300" &&
    says_nothing "SELECT zvec_check('to_logged')" "SELECT zvec_check('to_unlogged')" && by_indexes
zvec_result $? "unlogged: SET LOGGED and SET UNLOGGED keep the vectors"

# prepared transactions beside it
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE p (id integer PRIMARY KEY, ver integer, e zvec, g zvec(8) GENERATED ALWAYS AS (g(id, ver)) STORED) USING zvec;
CREATE INDEX ON p USING zvec_hnsw (g);
INSERT INTO p (id, ver, e) SELECT i, 1, v(i, 1) FROM generate_series(1, 40) i;
BEGIN;
INSERT INTO p (id, ver, e) SELECT i, 1, v(i, 1) FROM generate_series(101, 150) i;
UPDATE p SET ver = 2, e = v(id, 2) WHERE id <= 10;
DELETE FROM p WHERE id BETWEEN 11 AND 20;
PREPARE TRANSACTION 'kept';
BEGIN;
INSERT INTO p (id, ver, e) SELECT i, 1, v(i, 1) FROM generate_series(201, 250) i;
UPDATE p SET ver = 2, e = v(id, 2) WHERE id BETWEEN 21 AND 25;
PREPARE TRANSACTION 'lost';
SQL

for how in immediate kill; do
    crash $name $how
    zvec_result $? "unlogged: recovery after a crash ($how)"
    is "$(rows u)" "0|0" && is "$(rows to_unlogged)" "0|0" && is "$(rows emptied)" "0|0" &&
        is "SELECT count(*) FROM zvec_segments('u')" 0 && is "$(rows to_logged)" "300|300" &&
        says_nothing "SELECT zvec_check('u')" "VACUUM u" "SELECT zvec_check('to_logged')" && by_indexes
    zvec_result $? "unlogged: empty after a crash ($how)"
    psql -Xqc "INSERT INTO u SELECT i, 2, repeat(md5(i::text), 200), v(i, 2), '[1,2,3,4,5]'
               FROM generate_series(1, 200) i" -c "UPDATE u SET ver = 3, e = v(id, 3) WHERE id % 2 = 0" \
        -c "DELETE FROM u WHERE id % 5 = 0" -c "VACUUM u"
    is "$(rows u)" "160|160" && is "SELECT sum(live) FROM zvec_segments('u')" "320" &&
        says_nothing "SELECT zvec_check('u')" && by_indexes
    zvec_result $? "unlogged: usable after a crash ($how)"
    # nobody may take the slots of a prepared transaction, and VACUUM may not free them
    is "$(rows p)" "40|40" && psql -Xqc "VACUUM p" \
        -c "INSERT INTO p (id, ver, e) SELECT i, 1, v(i, 1) FROM generate_series(1001, 1020) i" \
        -c "DELETE FROM p WHERE id > 1000" -c "VACUUM p"
    is "$(rows p)" "40|40" && says_nothing "SELECT index_problems('p')"
    zvec_result $? "unlogged: prepared transactions are still open after a crash ($how)"
done
psql -Xqc "COMMIT PREPARED 'kept'" -c "ROLLBACK PREPARED 'lost'" -c "VACUUM p, u"
is "SELECT sum(live), sum(dead) FROM zvec_segments('u')" "320|0"
zvec_result $? "unlogged: VACUUM frees what nobody needs any more"
is "$(rows p)" "80|80" && is "SELECT sum(live), sum(dead) FROM zvec_segments('p')" "160|0" &&
    says_nothing "SELECT zvec_check('p')" "SELECT index_problems('p')"
zvec_result $? "unlogged: prepared transactions end as told after crashes"
crash_log_is_clean $name
zvec_result $? "unlogged: the server's log is clean"
