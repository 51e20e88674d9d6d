#!/usr/bin/env bash
# Background workers of the whole server: how many there are, what they leave to others, what they leave undone, and to whom
# they give way. And the memory of what works in the background.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
. regress/server/databases.bash
zvec_begin worker-test

# who waits for a lock would cancel a worker after deadlock_timeout: never here, so the workers give way by themselves
zvec_start main "autovacuum = off" "max_worker_processes = 8" "shared_buffers = 16MB" "deadlock_timeout = 1h" \
    "min_parallel_table_scan_size = 0" "parallel_setup_cost = 0" "log_min_messages = notice" "autovacuum_naptime = 1s"
zvec_result $? "worker: the server starts"

# make DATABASE TABLE: a table with an index.
make() {
    sql "$1" "CREATE TABLE $2 (id int, v zvec(64)) USING zvec WITH (autovacuum_enabled = off)" \
        "CREATE INDEX $2_v ON $2 USING zvec_hnsw (v)"
}

helpers="CREATE EXTENSION pg_zvec;
CREATE FUNCTION vec(i int) RETURNS zvec(64) LANGUAGE sql IMMUTABLE
    AS 'SELECT array_agg(sin(i * (j + 1.7) * 12.9898)::real)::zvec FROM generate_series(1, 64) j';
CREATE TABLE vectors AS SELECT i, vec(i) AS v FROM generate_series(1, 20000) i;
CREATE FUNCTION pending() RETURNS bigint LANGUAGE sql
    AS 'SELECT sum(s.pending)::bigint FROM pg_class c, LATERAL zvec_index_stats(c.oid) s
        WHERE c.relam = (SELECT oid FROM pg_am WHERE amname = ''zvec_hnsw'')';
-- waits until a worker does that
CREATE FUNCTION seen(what text) RETURNS bool LANGUAGE plpgsql AS \$\$
BEGIN
    FOR i IN 1..20000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain' AND query LIKE what AND state = 'active')
        THEN RETURN true; END IF;
        PERFORM pg_sleep(0.001);
    END LOOP;
    RETURN false;
END \$\$;
-- how many workers drain now
CREATE FUNCTION workers() RETURNS bigint LANGUAGE sql
    AS 'SELECT count(*) FROM pg_stat_activity WHERE backend_type = ''pg_zvec drain''';
-- how many of them may work: have a number among the server's. One that ends has given its number back, and may have had the
-- next one started, before it disappears; one that starts may find no number.
CREATE FUNCTION numbered() RETURNS bigint LANGUAGE sql
    AS 'SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = ''page'' AND database = 0 AND granted
        AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = ''pg_zvec drain'')';"
status=0
for database in postgres other; do
    [ $database = postgres ] || createdb $database
    psql -Xq -v ON_ERROR_STOP=1 -d $database -c "$helpers" || status=1
done
sql postgres "CREATE TABLE plain AS SELECT i FROM generate_series(1, 20000) i" \
    "CREATE FUNCTION launched() RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE line text; least int := 99;
BEGIN
    SET max_parallel_workers_per_gather = 2;
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT count(*) FROM plain' LOOP
        IF line LIKE '%Workers Launched%' THEN least := substring(line from '[0-9]+'); END IF;
    END LOOP;
    RETURN least;
END \$\$" || status=1
zvec_result $status "worker: databases are made"

# twelve tables loaded at once, here and in another database, beside parallel queries
status=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    make postgres "t$i" || status=1
    [ "$i" -gt 3 ] || make other "t$i" || status=1
done
sql postgres "CREATE TABLE seen (workers int, launched int)"
psql -Xq >/dev/null 2>&1 <<'SQL' &
DO $$
BEGIN
    FOR i IN 1..100000 LOOP
        PERFORM pg_stat_clear_snapshot();
        INSERT INTO seen SELECT numbered(), launched();
        COMMIT;
        PERFORM pg_sleep(0.01);
        EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'enough');
    END LOOP;
END $$;
SQL
watcher=$!
loads=()
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    sql postgres "INSERT INTO t$i SELECT i, v FROM vectors WHERE i % 6 = $((i % 6))" &
    loads+=($!)
    [ "$i" -gt 3 ] || { sql other "INSERT INTO t$i SELECT i, v FROM vectors WHERE i % 6 = 1" & loads+=($!); }
done
for load in "${loads[@]}"; do wait "$load" || status=1; done
zvec_result $status "worker: 15 tables are loaded at once"
comes postgres "SELECT pending()" 0 && comes other "SELECT pending()" 0
zvec_result $? "worker: nothing is left waiting, in no database"
comes postgres "SELECT workers()" 0
zvec_result $? "worker: it ends"
sql postgres "CREATE TABLE enough ()"
wait $watcher
is postgres "SELECT max(workers) FROM seen" 1
zvec_result $? "worker: there was one at a time"
is postgres "SELECT min(launched), count(*) > 20 FROM seen" "2|t"
zvec_result $? "worker: a parallel query got its workers all the time"
status=0
for i in 1 7 12; do is postgres "SELECT count(*) FROM zvec_check('t$i')" 0 || status=1; done
is other "SELECT count(*) FROM zvec_check('t2')" 0 || status=1
zvec_result $status "worker: the indexes are sound"

# none may run: inserting sessions and VACUUM do the work. Several may: each is at another index.
sql postgres "LOAD 'pg_zvec'" "ALTER SYSTEM SET pg_zvec.max_drain_workers = 0" "SELECT pg_reload_conf()" >/dev/null
comes postgres "LOAD 'pg_zvec'; SHOW pg_zvec.max_drain_workers" 0
sql postgres "INSERT INTO t1 SELECT i, v FROM vectors WHERE i <= 2000" "SELECT pg_sleep(0.5)" >/dev/null
is postgres "SELECT pending(), workers()" "2000|0"
zvec_result $? "worker: none may run, and none does"
sql postgres "VACUUM t1"
is postgres "SELECT pending()" 0
zvec_result $? "worker: VACUUM does the work"
sql postgres "LOAD 'pg_zvec'" "ALTER SYSTEM SET pg_zvec.max_drain_workers = 7" "SELECT pg_reload_conf()" >/dev/null
comes postgres "LOAD 'pg_zvec'; SHOW pg_zvec.max_drain_workers" 7
psql -Xq >/dev/null 2>&1 <<'SQL' &
DO $$
BEGIN
    FOR i IN 1..100000 LOOP
        PERFORM pg_stat_clear_snapshot();
        INSERT INTO seen SELECT 100 + workers(), launched();
        COMMIT;
        PERFORM pg_sleep(0.01);
        EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'enough2');
    END LOOP;
END $$;
SQL
watcher=$!
loads=()
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    sql postgres "INSERT INTO t$i SELECT i, v FROM vectors WHERE i % 10 = $((i % 10))" &
    loads+=($!)
done
for load in "${loads[@]}"; do wait "$load"; done
comes postgres "SELECT pending()" 0 && comes postgres "SELECT workers()" 0
zvec_result $? "worker: several leave nothing waiting either"
sql postgres "CREATE TABLE enough2 ()"
wait $watcher
is postgres "SELECT max(workers) BETWEEN 102 AND 105, min(launched) FROM seen WHERE workers > 100" "t|2"
zvec_result $? "worker: several leave a quarter of the slots to others"
sql postgres "LOAD 'pg_zvec'" "ALTER SYSTEM RESET pg_zvec.max_drain_workers" "SELECT pg_reload_conf()" >/dev/null

# a worker that drains in memory gives way to ALTER TABLE, long before it has done it
make postgres large
sql postgres "SET pg_zvec.background_drain = off; SET pg_zvec.max_pending = 100000;
    INSERT INTO large SELECT i, v FROM vectors"
got=$(sql postgres "INSERT INTO large SELECT 20001, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"large_v\"')" \
    "BEGIN; SET LOCAL lock_timeout = '30s'; ALTER TABLE large ADD COLUMN more int;
    SELECT sum(pending) > 0 FROM zvec_index_stats('large_v'); COMMIT" | tr '\n' ' ')
[ "$got" = "t t " ]
zvec_result $? "worker: a drain gives way to ALTER TABLE ($got)"
comes postgres "SELECT sum(pending) FROM zvec_index_stats('large_v')" 0 && is postgres "SELECT count(*) FROM zvec_check('large')" 0 &&
    is postgres "SELECT sum(nodes) FROM zvec_index_stats('large_v')" 20001
zvec_result $? "worker: and goes on afterwards"
# and a repair
got=$(sql postgres "DELETE FROM large WHERE id % 3 = 0" "VACUUM large" "SELECT seen('repair of index \"large_v\"')" \
    "BEGIN; SET LOCAL lock_timeout = '30s'; ALTER TABLE large ADD COLUMN still int; SELECT sum(dead) > 0 FROM zvec_index_stats('large_v'); COMMIT" |
    tr '\n' ' ')
[ "$got" = "t t " ]
zvec_result $? "worker: a repair gives way to ALTER TABLE ($got)"
comes postgres "SELECT sum(dead) FROM zvec_index_stats('large_v')" 0 && is postgres "SELECT count(*) FROM zvec_check('large')" 0
zvec_result $? "worker: and is done afterwards"
# to who waits for the end of its transaction
make postgres waited
sql postgres "CREATE INDEX waited_id ON waited (id)" "SET pg_zvec.background_drain = off; SET pg_zvec.max_pending = 100000;
    INSERT INTO waited SELECT i, v FROM vectors"
got=$(sql postgres "INSERT INTO waited SELECT 20001, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"waited_v\"')" \
    "DROP INDEX CONCURRENTLY waited_id" "SELECT sum(pending) > 0 FROM zvec_index_stats('waited_v')" | tr '\n' ' ')
[ "$got" = "t t " ]
zvec_result $? "worker: a drain gives way to DROP INDEX CONCURRENTLY ($got)"
comes postgres "SELECT sum(pending) FROM zvec_index_stats('waited_v')" 0 && is postgres "SELECT count(*) FROM zvec_check('waited')" 0
zvec_result $? "worker: and goes on afterwards, too"

# a table that is locked for longer than a worker waits for new work
sql postgres "BEGIN; LOCK TABLE t1; SELECT pg_sleep(4); COMMIT" >/dev/null &
locker=$!
comes postgres "SELECT count(*) FROM pg_locks WHERE relation = 't1'::regclass AND mode = 'AccessExclusiveLock'" 1
sql postgres "INSERT INTO t2 SELECT i, v FROM vectors WHERE i <= 600" "INSERT INTO t1 SELECT i, v FROM vectors WHERE i <= 600"
wait $locker
comes postgres "SELECT pending()" 0
zvec_result $? "worker: a locked table is come back to"

# a database is dropped beside its worker, and none is started for it again and again
make other large
sql other "SET pg_zvec.background_drain = off; SET pg_zvec.max_pending = 100000; INSERT INTO large SELECT i, v FROM vectors"
sql other "INSERT INTO large SELECT 20001, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"large_v\"')" >/dev/null
sql postgres "INSERT INTO t1 SELECT i, v FROM vectors WHERE i <= 700" "SELECT seen('%')" >/dev/null
dropdb other
zvec_result $? "worker: its database is dropped"
comes postgres "SELECT pending()" 0 && comes postgres "SELECT workers()" 0
zvec_result $? "worker: the other database's vectors do not wait for it"

# a server that dies forgets what was asked for; the next worker finds it, and goes on when it meets damage
sql postgres "SET pg_zvec.background_drain = off; INSERT INTO t4 SELECT i, v FROM vectors WHERE i <= 1500" \
    "SET pg_zvec.background_drain = off; INSERT INTO t6 SELECT i, v FROM vectors WHERE i <= 1500" "CHECKPOINT"
file=$ZVEC_SCRATCH/main/data/$(sql postgres "SELECT pg_relation_filepath('t6_v')")
blocks=$(sql postgres "SELECT pg_relation_size('t6_v') / 8192")
zvec_stop main immediate
# all but the meta page and the root page
zvec_as_server dd if=/dev/zero of="$file" bs=8192 seek=2 count=$((blocks - 2)) conv=notrunc status=none
zvec_start main
sql postgres "INSERT INTO t5 SELECT i, v FROM vectors WHERE i <= 600"
comes postgres "SELECT sum(pending) FROM zvec_index_stats('t4_v')" 0 &&
    comes postgres "SELECT sum(pending) FROM zvec_index_stats('t5_v')" 0 && comes postgres "SELECT workers()" 0
zvec_result $? "worker: what was asked for before a crash is found"
errors=$(grep -c 'ERROR: .*"t6_v"' "$ZVEC_SCRATCH/main/log")
[ "$errors" = 1 ]
zvec_result $? "worker: a damaged index keeps nobody waiting ($errors errors)"
sql postgres "REINDEX INDEX t6_v"

# a graph in memory takes what it is said to: for 100,000 vectors of 4 dimensions 260 bytes each
sql postgres "CREATE TABLE small (id int, v zvec(4)) USING zvec WITH (autovacuum_enabled = off)" \
    "INSERT INTO small SELECT i, ARRAY[sin(i), cos(i * 1.7), sin(i * 2.3), cos(i * 3.1)]::real[]::zvec FROM generate_series(1, 100000) i" \
    "SET maintenance_work_mem = '1GB'; CREATE INDEX small_v ON small USING zvec_hnsw (v) WITH (ef_construction = 16)" \
    "DELETE FROM small WHERE id % 5 = 0"
grown=$(psql -XAtq <<'SQL'
SET maintenance_work_mem = '1GB'; SET pg_zvec.optimize_threads = 1;
-- all shared buffers are known to the process
SELECT count(*) FROM (SELECT zvec_prewarm('small_v')) s \g /dev/null
SELECT count(*) FROM small \g /dev/null
SELECT count(*) FROM vectors \g /dev/null
SELECT count(*) FROM large \g /dev/null
SELECT pg_backend_pid() AS pid \gset
\setenv PID :pid
\! echo 5 > /proc/$PID/clear_refs
\! awk '/^VmHWM/ { print $2 }' /proc/$PID/status
SELECT zvec_optimize('small') \g /dev/null
\! awk '/^VmHWM/ { print $2 }' /proc/$PID/status
SQL
)
before=${grown%%$'\n'*} after=${grown##*$'\n'}
echo "  $(((after - before) * 1024 / 100000)) bytes a vector"
[ $(((after - before) * 1024 / 100000)) -lt 290 ]
zvec_result $? "worker: the links of a graph in memory are there once"

# autovacuum has a setting of its own for memory; VACUUM by hand and sessions do not heed it
sql postgres "ALTER SYSTEM SET autovacuum_work_mem = '1MB'" "ALTER SYSTEM SET autovacuum = on" "SELECT pg_reload_conf()" >/dev/null
sql postgres "CREATE TABLE unlike (id int, v zvec(64)) USING zvec WITH (autovacuum_enabled = off)" \
    "CREATE INDEX unlike_v ON unlike USING zvec_hnsw (v) WITH (ef_construction = 16)" \
    "INSERT INTO unlike SELECT 0, array_agg(1000 * x)::zvec FROM vectors, unnest(v::real[]) x WHERE i = 1" "VACUUM unlike" \
    "SET pg_zvec.background_drain = off; SET pg_zvec.max_pending = 0;
    INSERT INTO unlike SELECT i, v FROM vectors WHERE i <= 5000" \
    "ALTER TABLE unlike SET (autovacuum_enabled = on, autovacuum_vacuum_insert_threshold = 10)"
for ((i = 0; i < 300; i++)); do
    ! grep -q 'index "unlike_v".*does not fit into' "$ZVEC_SCRATCH/main/log" || break
    sleep 0.1
done
grep -q 'index "unlike_v".*does not fit into autovacuum_work_mem' "$ZVEC_SCRATCH/main/log"
zvec_result $? "worker: autovacuum takes no more memory than autovacuum_work_mem"

zvec_log_is_clean main
zvec_result $? "worker: the server's log is clean"
