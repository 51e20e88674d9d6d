#!/usr/bin/env bash
# Transaction ids go round their circle, VACUUM FREEZE or autovacuum coming along as they do in a real system: every row
# keeps its vector, and no slot is taken for another transaction's.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin wraparound-test
. regress/crash/lib.bash

crash_cluster wrap "autovacuum_naptime = 1" "autovacuum_freeze_max_age = 100000" "autovacuum_vacuum_cost_delay = 0" \
    "vacuum_freeze_table_age = 50000" "vacuum_freeze_min_age = 1000" "log_autovacuum_min_duration = -1"
zvec_result $? "wraparound: the server starts"

# jump XID EPOCH: the next transaction gets that id.
jump() {
    local data=$ZVEC_SCRATCH/wrap/data segment
    segment=$(printf '%04X' $(($1 / 1048576)))
    zvec_stop wrap || return 1
    # transaction status comes in files for 1,048,576 transactions
    zvec_as_server dd if=/dev/zero of="$data/pg_xact/$segment" bs=256k count=1 status=none &&
        zvec_as_server "$ZVEC_BINDIR/pg_resetwal" -x "$1" -e "$2" -D "$data" >/dev/null && zvec_start wrap || return 1
    is "SELECT pg_current_xact_id()::text::numeric BETWEEN $1 + $2 * 4294967296 AND $1 + $2 * 4294967296 + 1000" t
}

# settle: waits until autovacuum has dealt with old transaction ids in every database.
settle() {
    local i
    for ((i = 0; i < 300; i++)); do
        [ "$(psql -XAtqc "SELECT max(age(datfrozenxid)) < 200000 FROM pg_database")" != t ] || return 0
        sleep 0.2
    done
    psql -Xc "SELECT datname, age(datfrozenxid) FROM pg_database"
    return 1
}

# Rows of many ages and fates, in a table that autovacuum alone looks after and in one that VACUUM FREEZE does.
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE auto (id integer, tag integer, ver integer, e zvec) USING zvec WITH (fillfactor = 60);
CREATE INDEX ON auto (tag);
CREATE TABLE manual (LIKE auto INCLUDING ALL) USING zvec WITH (fillfactor = 60);
CREATE TABLE expected (relname name, round integer, rows bigint);
CREATE PROCEDURE change(round integer) LANGUAGE plpgsql AS $$
DECLARE
    rel name;
BEGIN
    FOREACH rel IN ARRAY ARRAY['auto', 'manual'] LOOP
        EXECUTE format('INSERT INTO %I SELECT %s * 1000 + i, i, 0, v(i, 0) FROM generate_series(1, 160) i', rel, round);
        COMMIT;
        EXECUTE format('INSERT INTO %I SELECT i, i, 0, v(i, 0) FROM generate_series(1, 30) i', rel);
        EXECUTE format('UPDATE %I SET tag = tag + 1, ver = 5, e = v(id %% 1000, 5)', rel);
        EXECUTE format('DELETE FROM %I WHERE id %% 2 = 0', rel);
        ROLLBACK;
        EXECUTE format('UPDATE %I SET ver = ver WHERE id %% 10 = 1', rel);
        COMMIT;
        EXECUTE format('UPDATE %I SET tag = tag + 1 WHERE id %% 10 IN (1, 2)', rel);
        COMMIT;
        EXECUTE format('UPDATE %I SET tag = tag + 1 WHERE id %% 20 = 2', rel);
        ROLLBACK;
        EXECUTE format('UPDATE %I SET ver = ver + 1, e = v(id %% 1000, ver + 1) WHERE id %% 10 = 3', rel);
        COMMIT;
        EXECUTE format('DELETE FROM %I WHERE id %% 1000 BETWEEN 151 AND 160', rel);
        COMMIT;
    END LOOP;
END $$;
SQL

right() {
    local table
    for table in auto manual; do
        is "SELECT count(*), count(*) FILTER (WHERE e = v(id % 1000, ver)) FROM $table" "$((150 * $1))|$((150 * $1))" &&
            is "SELECT count(*) FROM $table WHERE id % 10 = 3 AND ver > 0" $((15 * $1)) &&
            is "SELECT count(*) FROM (SELECT id FROM $table ORDER BY e::text) x" $((150 * $1)) &&
            says_nothing "SELECT zvec_check('$table')" || return 1
    done
}

round=0
for step in "1500000000 0" "3000000000 0" "4294960000 0" "1200000000 1" "2600000000 1"; do
    round=$((round + 1))
    psql -Xqc "CALL change($round)" || zvec_result 1 "wraparound: rows change"
    # shellcheck disable=SC2086
    jump $step && right $round
    zvec_result $? "wraparound: rows are right ${step% *} transactions on (epoch ${step#* })"
    psql -Xqc "VACUUM (FREEZE) manual"
    if [ $round = 3 ]; then
        # step over the border
        pgbench -n -c 2 -t 5000 -f <(echo "SELECT pg_current_xact_id();") >/dev/null 2>&1
        is "SELECT pg_current_xact_id()::text::numeric BETWEEN 4294967296 AND 4294987296" t
        zvec_result $? "wraparound: transaction ids start anew"
    fi
    settle && right $round
    zvec_result $? "wraparound: and after VACUUM"
    is "SELECT sum(live), sum(dead) FROM zvec_segments('auto')" "$((150 * round))|0" &&
        is "SELECT sum(live), sum(dead) FROM zvec_segments('manual')" "$((150 * round))|0"
    zvec_result $? "wraparound: no slot was left or lost"
done
crash_log_is_clean wrap
zvec_result $? "wraparound: the server's log is clean"
