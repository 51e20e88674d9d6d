#!/usr/bin/env bash
# Statements that fail half-way: no room on disk, cancelled. An error in good time, later statements work, rows and
# slots agree, and VACUUM leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin limits-test
. regress/crash/lib.bash

# sound TABLE ROWS: it has that many rows, each with the right vector, and VACUUM leaves as many slots.
sound() {
    is "SELECT count(*), count(*) FILTER (WHERE e = v(id, ver)) FROM $1" "$2|$2" &&
        says_nothing "SELECT zvec_check('$1')" "VACUUM $1" "SELECT zvec_check('$1')" &&
        is "SELECT sum(live), sum(dead) FROM zvec_segments('$1')" "$2|0" &&
        is "SELECT count(*), count(*) FILTER (WHERE e = v(id, ver)) FROM $1" "$2|$2"
}

# fails_with REGEX QUERY...
fails_with() {
    local output
    output=$(psql -XAtq -v ON_ERROR_STOP=1 -c "$2" 2>&1)
    grep -qE "$1" <<<"$output" ||
        { printf '%s\n  gives %s\n  instead of %s\n' "$2" "${output:0:300}" "$1" && return 1; }
}

crash_cluster limits "autovacuum = off" "pg_zvec.background_drain = off" "max_wal_size = 200MB"
zvec_result $? "limits: the server starts"
rows=$ZVEC_SCRATCH/limits/rows wide=$ZVEC_SCRATCH/limits/wide
psql -Xq -v ON_ERROR_STOP=1 <<SQL
-- 2100 dimensions
COPY (SELECT 8 * i + 1, 1, 'x', v(8 * i + 1, 1) FROM generate_series(1, 4000) i) TO '$rows' (FORMAT binary);
-- 5 dimensions and a wide row
COPY (SELECT 8 * i + 3, 1, repeat('x', 7000), v(8 * i + 3, 1) FROM generate_series(1, 4000) i)
    TO '$wide' (FORMAT binary);
CREATE TABLE d (id integer, ver integer, pad text, e zvec) USING zvec;
ALTER TABLE d ALTER pad SET STORAGE PLAIN;
INSERT INTO d SELECT i, 1, '', v(i, 1) FROM generate_series(1, 16) i;
VACUUM d;
SQL
sound d 16
zvec_result $? "limits: a table to begin with"

# A limit for the size of files: to the server that is as good as a full disk.
zvec_stop limits
(ulimit -f 24576 && zvec_start limits)
too_large='(could not extend|could not write).*(File too large|only [0-9]+ of [0-9]+)'
fails_with "$too_large" "COPY d FROM '$rows' (FORMAT binary)" && sound d 16
zvec_result $? "limits: no room for vectors in a COPY"
fails_with "$too_large" "COPY d FROM '$wide' (FORMAT binary)" && sound d 16
zvec_result $? "limits: no room for rows in a COPY"
fails_with "$too_large" "INSERT INTO d SELECT 8 * i + 1, 1, '', v(8 * i + 1, 1) FROM generate_series(1, 4000) i" &&
    fails_with "$too_large" "INSERT INTO d SELECT 8 * i + 3, 1, repeat('x', 7000), v(8 * i + 3, 1)
                             FROM generate_series(1, 4000) i" && sound d 16
zvec_result $? "limits: no room in an INSERT"
fails_with "$too_large" "CREATE TABLE f USING zvec AS SELECT 8 * i + 1 AS id, v(8 * i + 1, 1) AS e
                         FROM generate_series(1, 4000) i" && fails_with 'does not exist' "SELECT FROM f"
zvec_result $? "limits: no room in CREATE TABLE AS"
# room is left in the pages that the failed statements have added
says_nothing "INSERT INTO d SELECT 8 * i + 1, 1, '', v(8 * i + 1, 1) FROM generate_series(101, 1100) i" &&
    sound d 1016 &&
    says_nothing "UPDATE d SET ver = 2, e = v(id, 2) WHERE id % 16 = 1" "DELETE FROM d WHERE id % 16 = 9" && sound d 515
zvec_result $? "limits: later statements work"
crash limits kill && sound d 515 && says_nothing "COPY d FROM '$rows' (FORMAT binary)" && sound d 4515
zvec_result $? "limits: and after a crash, with room again, the COPY does too"

# Cancelled at many moments. Each statement takes longer than the longest time given to it.
psql -Xq -v ON_ERROR_STOP=1 -c "CREATE TABLE big (LIKE d) USING zvec" -c "COPY big FROM '$rows' (FORMAT binary)" \
    -c "DELETE FROM big WHERE id % 16 = 1" -c "CREATE FUNCTION slow(zvec) RETURNS float8 LANGUAGE plpgsql IMMUTABLE
        AS 'BEGIN RETURN public.l2_norm(\$1) + (SELECT count(*) FROM generate_series(1, 1000)); END'"
while IFS='|' read -r name statement; do
    status=0 cancelled=0
    for ms in 2 10 30 70 150; do
        begin=$(date +%s%N)
        output=$(PGOPTIONS="-c statement_timeout=$ms" psql -XAtqc "$statement" 2>&1)
        ms_taken=$((($(date +%s%N) - begin) / 1000000 - ms))
        case $output in
        # the server says "user request" when the time is up between two statements
        *'canceling statement due to statement timeout'* | *'canceling statement due to user request'*)
            cancelled=$((cancelled + 1))
            ;;
        *ERROR*) echo "$output" && status=1 ;;
        esac
        # generous: the machine may be busy
        [ $ms_taken -lt 1500 ] || { echo "cancelled $ms_taken ms after $ms ms" && status=1; }
    done
    [ $cancelled -ge 2 ] || { echo "only $cancelled were cancelled" && status=1; }
    says_nothing "SELECT zvec_check('big')" "SELECT relation::regclass, mode FROM pg_locks
        WHERE pid <> pg_backend_pid() AND relation = 'big'::regclass" || status=1
    is "SELECT count(*), count(*) FILTER (WHERE e = v(id, ver)) FROM big" "2000|2000" || status=1
    zvec_result $status "limits: cancelled in time, nothing left: $name"
done <<END
COPY|BEGIN; COPY big FROM '$rows' (FORMAT binary); COPY big FROM '$rows' (FORMAT binary); ROLLBACK
INSERT|BEGIN; INSERT INTO big SELECT id, ver, '', e FROM big, generate_series(1, 9); ROLLBACK
UPDATE of vectors|BEGIN; UPDATE big SET ver = 9, e = v(id, 9); UPDATE big SET ver = 8, e = v(id, 8); ROLLBACK
a nearest neighbour scan|SELECT big.id FROM big, generate_series(1, 500) n ORDER BY e <-> v(9, n) LIMIT 1
zvec_check|SELECT c.* FROM generate_series(1, 500) i, zvec_check(CASE WHEN i > 0 THEN 'big'::regclass END) c
VACUUM FULL|VACUUM FULL big
CREATE INDEX|CREATE INDEX ON big (slow(e))
ALTER TABLE|BEGIN; ALTER TABLE big ADD norm float8 GENERATED ALWAYS AS (slow(e)) STORED; ROLLBACK
END
PGOPTIONS="-c statement_timeout=1s -c vacuum_cost_delay=100 -c vacuum_cost_limit=1" psql -Xqc "VACUUM big" 2>&1 |
    grep -q 'canceling statement due to statement timeout'
zvec_result $? "limits: a slow VACUUM is cancelled"
psql -Xqc "COPY big FROM PROGRAM 'cat $rows; sleep 30' (FORMAT binary)" >"$ZVEC_SCRATCH/copy" 2>&1 &
copy=$!
sleep 1
psql -XAtqc "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^COPY big'" >/dev/null
wait $copy
grep -q 'canceling statement due to user request' "$ZVEC_SCRATCH/copy"
zvec_result $? "limits: pg_cancel_backend ends a COPY"

# The same for a vector index.
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE many (id integer, g zvec(48)) USING zvec;
CREATE FUNCTION h(i integer) RETURNS zvec LANGUAGE sql IMMUTABLE AS
    'SELECT array_agg(sin(i % 40 * (k + 0.3)) + CASE WHEN k % 8 = 0 THEN sin(i * k) ELSE 0 END)::real[]::zvec
     FROM generate_series(1, 48) k';
INSERT INTO many SELECT i, h(i) FROM generate_series(1, 8000) i;
CREATE INDEX many_g ON many USING zvec_hnsw (g);
VACUUM many;
SQL
while IFS='|' read -r name preparation statement; do
    status=0 cancelled=0
    for ms in 3 15 40 90 170; do
        psql -Xqc "$preparation" -c "SELECT 1" >/dev/null
        begin=$(date +%s%N)
        output=$(PGOPTIONS="-c statement_timeout=$ms" psql -XAtq \
            -c "SET pg_zvec.max_pending = ${name##* }" -c "$statement" 2>&1)
        ms_taken=$((($(date +%s%N) - begin) / 1000000 - ms))
        case $output in
        *'canceling statement due to statement timeout'* | *'canceling statement due to user request'*)
            cancelled=$((cancelled + 1))
            ;;
        *ERROR*) echo "$output" && status=1 ;;
        esac
        [ $ms_taken -lt 1500 ] || { echo "cancelled $ms_taken ms after $ms ms" && status=1; }
    done
    [ $cancelled -ge 2 ] || { echo "only $cancelled were cancelled" && status=1; }
    psql -Xqc "SET client_min_messages = warning" -c "DROP INDEX IF EXISTS many_c"
    says_nothing "SELECT zvec_check('many')" "SELECT index_problems('many')" \
        "SELECT relation::regclass, mode FROM pg_locks WHERE pid <> pg_backend_pid() AND relation = 'many_g'::regclass" ||
        status=1
    zvec_result $status "limits: cancelled in time, nothing left: $name"
done <<'END'
CREATE INDEX, waiting 10000||CREATE INDEX ON many USING zvec_hnsw (g) WITH (ef_construction = 300)
CREATE INDEX in little memory, waiting 10000|SELECT|BEGIN; SET LOCAL maintenance_work_mem = '1MB'; CREATE INDEX ON many USING zvec_hnsw (g); ROLLBACK
CREATE INDEX CONCURRENTLY, waiting 10000|DROP INDEX IF EXISTS many_c|CREATE INDEX CONCURRENTLY many_c ON many USING zvec_hnsw (g) WITH (ef_construction = 300)
REINDEX, waiting 10000||REINDEX INDEX many_g
INSERT that drains, waiting 0||INSERT INTO many SELECT 20000 + i, h(i) FROM generate_series(1, 3000) i
VACUUM that drains, waiting 10000|INSERT INTO many SELECT 30000 + i, h(i + 7) FROM generate_series(1, 1500) i|VACUUM many
VACUUM that repairs, waiting 10000|DELETE FROM many WHERE id % 7 = (random() * 6)::integer|VACUUM many
END
says_nothing "VACUUM many" "SELECT zvec_check('many')" "SELECT index_problems('many')"
zvec_result $? "limits: VACUUM completes the index"
sound big 2000
zvec_result $? "limits: VACUUM frees what the cancelled statements have left"
crash_log_is_clean limits
zvec_result $? "limits: the server's log is clean"
zvec_stop limits

# No room for an index: files of 4 MB, which the log's fit into.
crash_init full "autovacuum = off" "wal_keep_size = 0" "max_wal_size = 32MB" "min_wal_size = 2MB" &&
    zvec_as_server "$ZVEC_BINDIR/pg_resetwal" --wal-segsize=1 -D "$ZVEC_SCRATCH/full/data" >/dev/null && zvec_start full &&
    psql -Xqb -v ON_ERROR_STOP=1 -c "CREATE EXTENSION pg_zvec" -f "$ZVEC_CRASH/model.sql" \
        -c "CREATE TABLE f (id integer, g zvec(8)) USING zvec" \
        -c "INSERT INTO f SELECT i, g(i, i % 50) FROM generate_series(1, 9000) i" && zvec_stop full
zvec_result $? "limits: a server with small log files"
(ulimit -f 4096 && zvec_start full)
fails_with "$too_large" "CREATE INDEX f_g ON f USING zvec_hnsw (g) WITH (m = 64, ef_construction = 30)" &&
    is "SELECT count(*) FROM pg_class WHERE relname = 'f_g'" 0 && says_nothing "SELECT zvec_check('f')"
zvec_result $? "limits: no room for CREATE INDEX"
says_nothing "DELETE FROM f WHERE id > 5000" "VACUUM f" \
    "CREATE INDEX f_g ON f USING zvec_hnsw (g) WITH (m = 64, ef_construction = 30)" "SELECT index_problems('f')"
zvec_result $? "limits: but for a smaller one"
says_nothing "INSERT INTO f SELECT i, g(i, i % 50) FROM generate_series(5001, 9000) i" "SELECT index_problems('f')" &&
    fails_with "$too_large" "VACUUM f" && fails_with "$too_large" "VACUUM f" && says_nothing "SELECT index_problems('f')"
zvec_result $? "limits: no room for what VACUUM moves into the graph"
fails_with "$too_large" "SET pg_zvec.max_pending = 0; SET pg_zvec.background_drain = off;
    INSERT INTO f SELECT i, g(i, i % 50) FROM generate_series(9001, 14000) i" && says_nothing "SELECT index_problems('f')"
zvec_result $? "limits: no room for what an INSERT moves into the graph"
says_nothing "DELETE FROM f WHERE id % 2 = 0" "SELECT index_problems('f')" && crash full kill &&
    says_nothing "SELECT index_problems('f')" "VACUUM f" "VACUUM f" "SELECT zvec_check('f')" "SELECT index_problems('f')" &&
    is "SELECT count(*) FROM f" 4500
zvec_result $? "limits: with room again, VACUUM completes it"
crash_log_is_clean full
zvec_result $? "limits: the log of the full server is clean"
