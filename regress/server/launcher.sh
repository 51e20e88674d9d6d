#!/usr/bin/env bash
# A server that loads pg_zvec at its start: the launcher and its workers, what ends them and what they leave undone, whom they
# give way to, in which order and how fast they work, and what zvec_worker_status() says of that.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
. regress/server/databases.bash
zvec_begin launcher-test

# set_to SETTING VALUE...: in postgresql.conf, for all processes that are there.
set_to() {
    local setting
    while [ $# -gt 0 ]; do
        setting="$1 = '$2'"
        sql postgres "ALTER SYSTEM SET $setting" >/dev/null
        shift 2
    done
    sql postgres "SELECT pg_reload_conf()" "SELECT pg_sleep(0.2)" >/dev/null
}

# in_log PATTERN: how often the server's log has it since the last call of from_here.
from_here() { here=$(wc -l <"$ZVEC_SCRATCH/$cluster/log"); }
in_log() { tail -n +$((here + 1)) "$ZVEC_SCRATCH/$cluster/log" | grep -cE "$1"; }
# it_logs PATTERN: within a minute.
it_logs() {
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(in_log "$1")" = 0 ] || return 0
        sleep 0.1
    done
    return 1
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

helpers="CREATE EXTENSION pg_zvec;
CREATE FUNCTION vec(i int) RETURNS zvec(64) LANGUAGE sql IMMUTABLE
    AS 'SELECT array_agg(sin(i * (j + 1.7) * 12.9898)::real)::zvec FROM generate_series(1, 64) j';
CREATE TABLE vectors AS SELECT i, vec(i) AS v FROM generate_series(1, 30000) i;
CREATE FUNCTION pending(of regclass DEFAULT NULL) RETURNS bigint LANGUAGE sql
    AS 'SELECT sum(s.pending)::bigint FROM pg_class c, LATERAL zvec_index_stats(c.oid) s
        WHERE c.relam = (SELECT oid FROM pg_am WHERE amname = ''zvec_hnsw'') AND (of IS NULL OR of = c.oid)';
CREATE FUNCTION status(what text) RETURNS text LANGUAGE sql AS 'SELECT value FROM zvec_worker_status() WHERE key = what';
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
CREATE FUNCTION workers() RETURNS bigint LANGUAGE sql
    AS 'SELECT count(*) FROM pg_stat_activity WHERE backend_type = ''pg_zvec drain''';
CREATE FUNCTION launcher() RETURNS text LANGUAGE sql
    AS 'SELECT pid::text FROM pg_stat_activity WHERE backend_type = ''pg_zvec launcher''';
-- adds vectors, and asks nobody to drain them
CREATE PROCEDURE add(tab regclass, first int, last int) LANGUAGE plpgsql SET pg_zvec.background_drain = off SET pg_zvec.max_pending = 1000000
    AS \$\$ BEGIN EXECUTE format('INSERT INTO %s SELECT i, v FROM vectors WHERE i BETWEEN %s AND %s', tab, first, last); END \$\$;
CREATE PROCEDURE make(tab text) LANGUAGE plpgsql AS \$\$
BEGIN
    EXECUTE format('CREATE TABLE %I (id int, v zvec(64)) USING zvec WITH (autovacuum_enabled = off)', tab);
    EXECUTE format('CREATE INDEX %I ON %I USING zvec_hnsw (v)', tab || '_v', tab);
END \$\$;"

cluster=main
settings=("shared_preload_libraries = 'pg_zvec'" "autovacuum = off" "max_worker_processes = 8" "shared_buffers = 32MB"
    "deadlock_timeout = 1h" "pg_zvec.log_level = info" "maintenance_work_mem = 256MB")
zvec_start main "${settings[@]}"
zvec_result $? "launcher: the server starts"
comes postgres "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zvec launcher'" 1
# no database has the extension: it is woken by nothing
sleep 1
launcher=$(sql postgres "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_zvec launcher'")
switches() { awk '/_ctxt_switches/ { n += $2 } END { print n }' "/proc/$launcher/status"; }
before=$(switches)
sleep 3
[ "$(switches)" = "$before" ] && is postgres "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain'" 0
zvec_result $? "launcher: sleeps while no database has the extension"

status=0
for database in one two; do
    createdb $database && psql -Xq -v ON_ERROR_STOP=1 -d $database -c "$helpers" || status=1
done
zvec_result $status "launcher: databases are made"
is one "SELECT string_agg(key, ' ') FROM zvec_worker_status()" \
    "preloaded worker_pid worker_ready databases running queue_length last_drain last_error version" &&
    is one "SELECT status('preloaded'), status('worker_ready'), status('worker_pid') = launcher(), status('databases'), status('running'),
        status('queue_length'), status('last_drain') IS NULL, status('last_error') IS NULL" "on|on|t|||0|t|t"
zvec_result $? "launcher: the status of a server with nothing to do"

# each database gets its own worker, and one only
sql one "CALL make('a')" "CALL make('b')"
sql two "CALL make('a')" "CALL make('b')"
for database in one two; do
    sql $database "SET pg_zvec.max_pending = 100000; INSERT INTO a SELECT i, v FROM vectors" &
    sql $database "SET pg_zvec.max_pending = 100000; INSERT INTO b SELECT i, v FROM vectors WHERE i % 2 = 0" &
done
both=0 most=0
for ((i = 0; i < 300; i++)); do
    got=$(sql one "SELECT status('databases'), max(n) FROM (SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain' GROUP BY datname) s")
    [ "${got%|*}" != "one, two" ] || both=$((both + 1))
    [ "${got#*|}" -le "$most" ] 2>/dev/null || most=${got#*|}
    [ "$both" -lt 3 ] || [ -n "$(jobs -r)" ] || break
    sleep 0.02
done
wait
[ $both -ge 1 ] && [ "${most:-0}" = 1 ]
zvec_result $? "launcher: each database has one worker ($both, $most)"
comes one "SELECT pending()" 0 && comes two "SELECT pending()" 0 && is one "SELECT count(*) FROM zvec_check('a')" 0
zvec_result $? "launcher: nothing is left waiting"
comes one "SELECT workers()" 0 && is one "SELECT status('databases'), status('running'), status('queue_length'), status('last_drain') ~ '^20.* vectors of index \"[ab]_v\" in database \"(one|two)\"$'" "||0|t"
zvec_result $? "launcher: workers end, and the last drain is shown"

# what is shown of an index is for its owner and for who may read all statistics
sql one "CREATE ROLE owns" "CREATE ROLE reads" "CREATE ROLE plain" "GRANT pg_read_all_stats TO reads" "CALL make('secret')" "ALTER TABLE secret OWNER TO owns"
sql one "CALL add('secret', 1, 30000)"
show="SELECT status('running') ~ 'drain of index \"secret_v\"', status('running') ~ 'drain of index <insufficient privilege>'"
sql one "INSERT INTO secret SELECT 0, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"secret_v\"')" "$show" \
    "SET ROLE owns; $show" "SET ROLE reads; $show" "SET ROLE plain; $show" >"$ZVEC_SCRATCH/shown"
[ "$(tr '\n' ' ' <"$ZVEC_SCRATCH/shown")" = "t t|f t|f t|f f|t " ] || { cat "$ZVEC_SCRATCH/shown"; false; }
zvec_result $? "launcher: who may see what is worked at"
comes one "SELECT pending()" 0
last="SELECT status('last_drain') ~ 'secret_v', status('last_drain') ~ 'vectors of index <insufficient privilege>'"
is one "$last" "t|f" && is one "SET ROLE owns; $last" "t|f" && is one "SET ROLE plain; $last" "f|t"
zvec_result $? "launcher: and what was"

# DDL does not wait for a worker
sql one "CALL make('large')" "CALL add('large', 1, 30000)"
got=$(sql one "INSERT INTO large SELECT 0, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"large_v\"')" \
    "BEGIN; SET LOCAL lock_timeout = '30s'; ALTER TABLE large ADD COLUMN more int; SELECT pending('large_v') > 0; COMMIT" | tr '\n' ' ')
[ "$got" = "t t " ]
zvec_result $? "launcher: a worker gives way to ALTER TABLE ($got)"
comes one "SELECT pending()" 0 && is one "SELECT count(*) FROM zvec_check('large')" 0
zvec_result $? "launcher: and goes on afterwards"

# a worker, and the launcher, that is told to end does so at once, and is started again
sql one "CALL make('ended')" "CALL add('ended', 1, 30000)"
sql one "INSERT INTO ended SELECT 0, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"ended_v\"')" >/dev/null
pid=$(sql one "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain'")
sleep 0.3
began=$(milliseconds)
sql one "SELECT pg_terminate_backend($pid)" >/dev/null
while [ -d "/proc/$pid" ] && [ $(($(milliseconds) - began)) -lt 10000 ]; do sleep 0.01; done
took=$(($(milliseconds) - began))
[ "$took" -lt 1000 ] && is one "SELECT pending('ended_v') > 0" t
zvec_result $? "launcher: a worker ends at once in the midst of a drain ($took ms)"
comes one "SELECT pending()" 0
zvec_result $? "launcher: and another one goes on"
pid=$(sql one "SELECT launcher()")
sql one "SELECT pg_terminate_backend($pid)" >/dev/null
sql one "INSERT INTO ended SELECT i, v FROM vectors WHERE i <= 700"
comes one "SELECT pending()" 0
zvec_result $? "launcher: while it is gone, sessions do without it"
comes one "SELECT launcher() <> '$pid'" t && is one "SELECT status('worker_pid') = launcher(), status('worker_ready')" "t|on"
zvec_result $? "launcher: it is started again"

# the server starts over when one is killed, and finds what waits without being asked
for victim in drain launcher; do
    sql two "DROP TABLE IF EXISTS killed" "CALL make('killed')" "CALL add('killed', 1, 30000)"
    sql two "INSERT INTO killed SELECT 0, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"killed_v\"')" >/dev/null
    kill -9 "$(sql one "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_zvec $victim' LIMIT 1")"
    sleep 0.5
    comes two "SELECT 1" 1 && comes two "SELECT pending()" 0 && is two "SELECT count(*) FROM zvec_check('killed')" 0 &&
        is two "SELECT launcher() IS NOT NULL" t
    zvec_result $? "launcher: a server of which the $victim is killed starts over and goes on"
done
comes two "SELECT workers()" 0
sql two "CALL add('a', 1, 2000)" "CALL add('killed', 1, 100)" "CHECKPOINT"
zvec_stop main immediate
zvec_start main
comes two "SELECT pending('a_v')" 0 && is two "SELECT count(*) FROM zvec_check('a')" 0
zvec_result $? "launcher: what waited before a crash is found"
is two "SELECT pending('killed_v')" 100
zvec_result $? "launcher: what is not worth it is left"

# shutdown while a worker is at it
sql one "CALL make('stopped')" "CALL add('stopped', 1, 30000)"
sql one "INSERT INTO stopped SELECT 0, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"stopped_v\"')" "CHECKPOINT" >/dev/null
from_here
began=$(milliseconds)
zvec_stop main
took=$(($(milliseconds) - began))
[ "$took" -lt 3000 ] && [ "$(in_log 'received immediate shutdown')" = 0 ]
zvec_result $? "launcher: the server stops at once ($took ms)"
zvec_start main
comes one "SELECT pending()" 0
zvec_result $? "launcher: and goes on when it starts"

# databases that are dropped, copied, closed
createdb three && psql -Xq -v ON_ERROR_STOP=1 -d three -c "$helpers"
sql three "CALL make('large')" "CALL add('large', 1, 30000)"
sql three "INSERT INTO large SELECT 0, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"large_v\"')" >/dev/null
began=$(milliseconds)
createdb -T three four
status=$? took=$(($(milliseconds) - began))
[ $status = 0 ] && [ $took -lt 5000 ]
zvec_result $? "launcher: a database is copied beside its worker ($took ms)"
comes three "SELECT pending()" 0
zvec_result $? "launcher: which goes on afterwards"
sql three "CALL make('more')" "CALL add('more', 1, 30000)"
sql three "INSERT INTO more SELECT 0, v FROM vectors WHERE i = 1" "SELECT seen('drain of index \"more_v\"')" >/dev/null
began=$(milliseconds)
dropdb three
status=$? took=$(($(milliseconds) - began))
[ $status = 0 ] && [ $took -lt 5000 ]
zvec_result $? "launcher: a database is dropped beside its worker ($took ms)"
comes one "SELECT status('queue_length')" 0
zvec_result $? "launcher: and forgotten"
# a template that allows no connections: nobody waits for it, and it can be copied
sql four "UPDATE pg_database SET datistemplate = true, datallowconn = false WHERE datname = 'four'"
sql postgres "SELECT pg_sleep(0.1)" >/dev/null
zvec_stop main
zvec_start main
from_here
createdb -T four five
zvec_result $? "launcher: a template that allows no connections is copied"
sql postgres "UPDATE pg_database SET datistemplate = false WHERE datname = 'four'"
dropdb four && dropdb five
zvec_result $? "launcher: and dropped"

# in which order: first the list that is nearly full, then the other, which asked before
comes one "SELECT workers()" 0
sql one "CALL make('few')" "CALL make('many')" "CALL add('few', 1, 499)" "CALL add('many', 1, 8000)"
from_here
kill -STOP "$(sql one "SELECT launcher()")"
sql one "INSERT INTO few SELECT i, v FROM vectors WHERE i <= 50" "INSERT INTO many SELECT i, v FROM vectors WHERE i <= 50"
is one "SELECT status('queue_length')" 2
kill -CONT "$(sql one "SELECT launcher()")"
comes one "SELECT pending('few_v') + pending('many_v')" 0
first=$(tail -n +$((here + 1)) "$ZVEC_SCRATCH/main/log" | grep -oE 'drained .* index "(few|many)_v"' | head -1 | grep -oE '(few|many)_v')
[ "$first" = many_v ]
zvec_result $? "launcher: the index that needs it soonest is first ($first)"
sql one "DROP TABLE few, many"

# what finds no room on the list is found all the same (in the time that a test has: without delay)
comes one "SELECT workers()" 0
set_to autovacuum_vacuum_cost_delay 0
sql two "CREATE TABLE crowd (n int, id int, v zvec(64)) USING zvec WITH (autovacuum_enabled = off)"
sql one "DO \$\$ BEGIN FOR n IN 1..260 LOOP CALL make('crowd' || n); CALL add(('crowd' || n)::regclass, 1, 499); END LOOP; END \$\$"
kill -STOP "$(sql one "SELECT launcher()")"
sql one "DO \$\$ BEGIN FOR n IN 1..260 LOOP EXECUTE format('INSERT INTO crowd%s SELECT i, v FROM vectors WHERE i <= 20', n); END LOOP; END \$\$"
is one "SELECT status('queue_length')" 256
zvec_result $? "launcher: the list is full"
sql two "CALL make('unlucky')" "INSERT INTO unlucky SELECT i, v FROM vectors WHERE i <= 700"
kill -CONT "$(sql one "SELECT launcher()")"
comes one "SELECT count(*) FILTER (WHERE pending(oid) > 0) FROM pg_class WHERE relname ~ '^crowd.*_v'" 0
zvec_result $? "launcher: what found no room on it is drained, too"
comes two "SELECT pending('unlucky_v')" 0
zvec_result $? "launcher: also of a database that has nothing on it"
sql one "DO \$\$ BEGIN FOR n IN 1..260 LOOP EXECUTE 'DROP TABLE crowd' || n; COMMIT; END LOOP; END \$\$"

# throttled as autovacuum, but not where it is urgent
comes one "SELECT pending()" 0
drained_in() {
    from_here
    sql one "INSERT INTO slow SELECT 0, v FROM vectors WHERE i = 1"
    comes one "SELECT pending('slow_v')" 0
    tail -n +$((here + 1)) "$ZVEC_SCRATCH/main/log" | sed -nE 's/.*drained .* index "slow_v" in ([0-9]+) ms.*/\1/p' | paste -sd+ | sed 's/^$/0/' | bc_sum
}
bc_sum() { local sum; read -r sum; echo $((${sum:-0})); }
sql one "CALL make('slow')" "CALL add('slow', 1, 5000)" "SELECT zvec_optimize('slow')" >/dev/null
comes one "SELECT workers()" 0
set_to autovacuum_vacuum_cost_delay 0
sql one "CALL add('slow', 5001, 5600)"
fast=$(drained_in)
comes one "SELECT workers()" 0
set_to autovacuum_vacuum_cost_delay 20ms autovacuum_vacuum_cost_limit 200
sql one "CALL add('slow', 6001, 6600)"
slow=$(drained_in)
[ "$fast" -gt 0 ] && [ "$slow" -gt $((3 * fast)) ]
zvec_result $? "launcher: a worker is throttled as autovacuum is ($fast ms, $slow ms)"
comes one "SELECT workers()" 0
set_to pg_zvec.max_pending 200
sql one "CALL add('slow', 7001, 7600)"
urgent=$(drained_in)
[ "$urgent" -gt 0 ] && [ "$urgent" -lt $((slow / 2)) ]
zvec_result $? "launcher: but not where it is urgent ($urgent ms)"
sql postgres "ALTER SYSTEM RESET ALL" "SELECT pg_reload_conf()" >/dev/null

# a worker takes so much memory for a chunk
chunks() {
    sql one "DROP TABLE IF EXISTS chunk" "CALL make('chunk')" "CALL add('chunk', 1, 30000)"
    sql one "INSERT INTO chunk SELECT 0, v FROM vectors WHERE i = 1"
    sql one "DO \$\$
        DECLARE seen bigint[]; now bigint;
        BEGIN
            FOR i IN 1..60000 LOOP
                SELECT sum(nodes) INTO now FROM zvec_index_stats('chunk_v');
                IF now > 0 AND now < 30001 AND NOT now = ANY (coalesce(seen, '{}')) THEN seen := seen || now; END IF;
                EXIT WHEN now = 30001;
                PERFORM pg_sleep(0.002);
            END LOOP;
            RAISE NOTICE 'chunks %', cardinality(seen);
        END \$\$" 2>&1 | grep -oE 'chunks.*'
}
few=$(chunks)
comes one "SELECT workers()" 0
set_to pg_zvec.max_buffer_size 2MB
many=$(chunks)
sql postgres "ALTER SYSTEM RESET ALL" "SELECT pg_reload_conf()" >/dev/null
echo "  $few, $many"
few=${few#chunks } many=${many#chunks }
[ "${few#<NULL>}" = "" ] && few=0
[ "${many:-0}" -ge 3 ] 2>/dev/null && [ "${few:-0}" -lt "$many" ]
zvec_result $? "launcher: a chunk of what a worker drains in memory takes no more than pg_zvec.max_buffer_size"

# none may run
set_to pg_zvec.max_drain_workers 0
is one "SELECT status('worker_ready')" off
zvec_result $? "launcher: the status where no worker may run"
sql one "INSERT INTO a SELECT i, v FROM vectors WHERE i <= 700" "SELECT pg_sleep(1)" >/dev/null
is one "SELECT pending('a_v'), workers()" "700|0"
zvec_result $? "launcher: none may run, and none does"
# one for two databases
set_to pg_zvec.max_drain_workers 1
sql one "CALL make('turns')" "CALL add('turns', 1, 30000)"
sql two "CALL make('turns')" "CALL add('turns', 1, 30000)"
sql one "INSERT INTO turns SELECT 0, v FROM vectors WHERE i = 1"
sql two "INSERT INTO turns SELECT 0, v FROM vectors WHERE i = 1"
most=0
for ((i = 0; i < 600; i++)); do
    got=$(sql one "SELECT workers(), pending('turns_v')")
    [ "${got%|*}" -le $most ] || most=${got%|*}
    [ "${got#*|}" != 0 ] || [ "$(sql two "SELECT pending('turns_v')")" != 0 ] || break
    sleep 0.05
done
[ $i -lt 600 ] && [ $most = 1 ]
zvec_result $? "launcher: one worker serves two databases ($most)"
sql postgres "ALTER SYSTEM RESET ALL" "SELECT pg_reload_conf()" >/dev/null

# errors, and a library of another version than the extension
comes one "SELECT workers()" 0
sql one "CALL make('broken')" "CALL add('broken', 1, 2000)" "CHECKPOINT"
file=$ZVEC_SCRATCH/main/data/$(sql one "SELECT pg_relation_filepath('broken_v')")
blocks=$(sql one "SELECT pg_relation_size('broken_v') / 8192")
sql one "UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'pg_zvec'"
zvec_stop main
zvec_as_server dd if=/dev/zero of="$file" bs=8192 seek=2 count=$((blocks - 2)) conv=notrunc status=none
from_here
zvec_start main
it_logs 'WARNING: +database "one": extension "pg_zvec" is of version 0.0.9, and the library of version [0-9.]+: ALTER EXTENSION pg_zvec UPDATE'
zvec_result $? "launcher: a library of another version is told of"
is one "SELECT status('version') ~ 'is of version 0.0.9'" t
zvec_result $? "launcher: also by the status"
comes one "SELECT status('last_error') ~ 'in database \"one\".*broken_v'" t && [ "$(in_log 'ERROR: .*broken_v')" -ge 1 ] &&
    is one "SET ROLE plain; SELECT status('last_error') ~ 'broken_v', status('last_error') ~ 'insufficient privilege'" "f|t"
zvec_result $? "launcher: the last error is shown to who may see it"
sql one "UPDATE pg_extension SET extversion = '0.1.0' WHERE extname = 'pg_zvec'" "DROP TABLE broken"
# levels of the log
comes one "SELECT workers()" 0
from_here
sql one "INSERT INTO b SELECT i, v FROM vectors WHERE i <= 700"
comes one "SELECT pending('b_v')" 0
it_logs 'LOG: +drained .*b_v' && [ "$(in_log 'LOG: .*pg_zvec worker')" = 0 ]
zvec_result $? "launcher: the log at level info"
for level in debug warn; do
    set_to pg_zvec.log_level $level
    comes one "SELECT workers()" 0
    from_here
    sql one "INSERT INTO b SELECT i, v FROM vectors WHERE i <= 700"
    comes one "SELECT pending('b_v')" 0
    comes one "SELECT workers()" 0
    [ $level = debug ] && expected="1 1" || expected="0 0"
    got="$(in_log 'LOG: +drained .*b_v' | sed 's/[1-9].*/1/') $(in_log 'LOG: .*pg_zvec (worker|launcher)' | sed 's/[1-9].*/1/')"
    [ "$got" = "$expected" ]
    zvec_result $? "launcher: the log at level $level ($got)"
done

# what waits and nobody asks for is come back to, in its time
comes one "SELECT workers()" 0
sql one "CALL add('b', 1, 700)"
sleep 3
is one "SELECT pending('b_v')" 700
zvec_result $? "launcher: what nobody asks for waits"
set_to pg_zvec.look_interval 2
comes one "SELECT pending('b_v')" 0
zvec_result $? "launcher: until the database is looked at again"
comes one "SELECT workers()" 0
sql one "CALL add('b', 1, 700)"
comes one "SELECT pending('b_v')" 0
zvec_result $? "launcher: and again"
set_to pg_zvec.look_interval 600

# a plain user sets what is theirs without touching a vector
sql one "CREATE ROLE setter LOGIN" "GRANT ALL ON SCHEMA public TO setter"
psql -XAtq -v ON_ERROR_STOP=1 -U setter -d one -c "ALTER ROLE setter SET zvec.ef_search = 12" -c "ALTER ROLE setter SET pg_zvec.query_threads = 1" \
    -c "CREATE FUNCTION exact() RETURNS text LANGUAGE sql SET zvec.ef_search = 13 AS 'SELECT current_setting(''zvec.ef_search'')'" &&
    [ "$(psql -XAtq -U setter -d one -c "SHOW zvec.ef_search" -c "SHOW pg_zvec.query_threads" -c "SELECT exact()" | tr '\n' ' ')" = "12 1 13 " ]
zvec_result $? "launcher: a plain user's settings"

# a standby has nothing to do, until it is promoted
zvec_stop main
zvec_conf main "pg_zvec.background_drain = off"
zvec_start main
sql one "CALL add('a', 1, 3000)"
pg_basebackup -D "$ZVEC_SCRATCH/standby.data" -R -c fast >/dev/null && chown -R --reference="$ZVEC_SCRATCH/main/data" "$ZVEC_SCRATCH/standby.data" &&
    zvec_as_server mkdir -p "$ZVEC_SCRATCH/standby/socket" && mv "$ZVEC_SCRATCH/standby.data" "$ZVEC_SCRATCH/standby/data" &&
    chmod 700 "$ZVEC_SCRATCH/standby/data"
zvec_conf standby "unix_socket_directories = '$ZVEC_SCRATCH/standby/socket'" "pg_zvec.background_drain = on"
zvec_start standby
cluster=standby
comes one "SELECT pending('a_v') >= 3000" t && is one "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_zvec%'" 0 &&
    is one "SELECT status('preloaded'), status('worker_ready'), status('worker_pid') IS NULL" "on|off|t"
zvec_result $? "launcher: a standby has none"
sql postgres "SELECT pg_promote()" >/dev/null
comes one "SELECT status('worker_ready')" on && comes one "SELECT pending('a_v')" 0 && is one "SELECT count(*) FROM zvec_check('a')" 0
zvec_result $? "launcher: it starts when the standby is promoted"
zvec_stop standby
zvec_use main

# without preloading
zvec_stop main
zvec_conf main "shared_preload_libraries = ''" "pg_zvec.background_drain = on"
zvec_start main
cluster=main
is one "SELECT status('preloaded'), status('worker_ready'), status('worker_pid') IS NULL, status('queue_length')" "off|on|t|0"
zvec_result $? "launcher: the status without preloading"
sql one "INSERT INTO b SELECT i, v FROM vectors WHERE i <= 700" "SELECT seen('drain%')" >/dev/null
comes one "SELECT pending('b_v')" 0
sql one "INSERT INTO large SELECT i, v FROM vectors" "SELECT seen('drain of index \"large_v\"')" \
    "SELECT status('worker_pid') = pid::text, status('databases') FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain'" >"$ZVEC_SCRATCH/shown"
[ "$(tr '\n' ' ' <"$ZVEC_SCRATCH/shown")" = "t t|one " ] || { cat "$ZVEC_SCRATCH/shown"; false; }
zvec_result $? "launcher: and the workers that there are then"

for cluster in main standby; do
    zvec_stop $cluster
    # servers of which a process was killed say so
    ! grep -nEi 'PANIC: |TRAP: |terminated by signal (6|7|11)|(refcount|reference|file|shared memory) leak' "$ZVEC_SCRATCH/$cluster/log"
    zvec_result $? "launcher: the log of $cluster is clean"
done
