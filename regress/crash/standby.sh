#!/usr/bin/env bash
# A physical standby shows the same rows, vectors and neighbours as its primary; snapshots on it never meet a reused
# slot, whatever the settings for conflicts; promoted, it is a server like any other.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin standby-test
. regress/crash/lib.bash

# on CLUSTER COMMAND...: runs a command against that server.
on() {
    local PGHOST
    zvec_use "$1"
    shift
    "$@"
}

# standby NAME PRIMARY SETTING...: makes a standby with pg_basebackup, while the primary is being written.
standby() {
    local name=$1 dir=$ZVEC_SCRATCH/$1 primary=$ZVEC_SCRATCH/$2
    shift 2
    zvec_as_server mkdir -p "$dir" && zvec_as_server mkdir -m 700 "$dir/socket" &&
        zvec_as_server "$ZVEC_BINDIR/pg_basebackup" -h "$primary/socket" -p 54315 -U postgres -D "$dir/data" \
            -R -X stream -c fast --no-sync || return 1
    zvec_conf "$name" "unix_socket_directories = '$dir/socket'" "$@" && zvec_start "$name"
}

# catch_up STANDBY: waits until it has replayed what the primary has written by now.
catch_up() {
    local lsn i
    lsn=$(on primary psql -XAtqc "SELECT pg_current_wal_flush_lsn()")
    for ((i = 0; i < 300; i++)); do
        [ "$(on "$1" psql -XAtqc "SELECT pg_last_wal_replay_lsn() >= '$lsn'")" != t ] || return 0
        sleep 0.1
    done
    echo "$1 does not catch up with $lsn" && return 1
}

# all_of SERVER: everything that a query can show of the tables.
all_of() {
    on "$1" psql -XAt 2>&1 <<'SQL'
SELECT relname, md5(string_agg(row, E'\n' ORDER BY row)), count(*) FROM (
    SELECT 't' AS relname, format('%s %s %s %s %s', id, tag, pad, ver, e) AS row FROM t
    UNION ALL SELECT 'a', a::text FROM a UNION ALL SELECT 'w', w::text FROM w UNION ALL SELECT 'c', c::text FROM c) x
    GROUP BY relname ORDER BY relname;
SELECT q, array(SELECT id FROM t WHERE vector_dims(e) = vector_dims(v(q, 0)) ORDER BY e <-> v(q, 0), id LIMIT 10)
    FROM generate_series(1, 16) q;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT q, array(SELECT id FROM t ORDER BY g <-> g(q, 1), id LIMIT 20) FROM generate_series(1, 16) q;
SELECT q, array(SELECT id FROM t WHERE tag < 50 ORDER BY g <=> g(q, 1) LIMIT 10) FROM generate_series(17, 24) q;
RESET enable_seqscan;
RESET enable_sort;
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pageinspect') AS has_pageinspect \gset
\if :has_pageinspect
SELECT 'pages of ' || c.relname, b, md5(substr(get_raw_page(c.relname, 'main', b), 25))
    FROM pg_class c JOIN pg_am m ON m.oid = relam, generate_series(0, pg_relation_size(c.oid) / 8192 - 1) b
    WHERE m.amname = 'zvec_hnsw' ORDER BY 1, b;
\endif
SELECT 'a', segment, column_name, dimensions, live + dead + free FROM zvec_segments('a');
SELECT 't', segment, column_name, dimensions, live + dead + free FROM zvec_segments('t');
SELECT problems();
SQL
}

same() {
    # which may clean up pages, and cancel queries of a standby that is at them
    all_of primary >"$ZVEC_SCRATCH/of.primary"
    catch_up "$1" || return 1
    all_of "$1" >"$ZVEC_SCRATCH/of.$1"
    diff "$ZVEC_SCRATCH/of.primary" "$ZVEC_SCRATCH/of.$1" && ! grep ERROR "$ZVEC_SCRATCH/of.$1" &&
        [ "$(wc -l <"$ZVEC_SCRATCH/of.$1")" -gt 20 ]
}

# work_for SECONDS: sessions change the primary's tables meanwhile.
work_for() {
    local s pids=() stop=$ZVEC_SCRATCH/stop
    rm -f "$stop"
    for s in 1 2; do
        on primary psql -Xqc "SET client_min_messages = warning" -c "CALL work($s, '$ZVEC_SCRATCH/primary')" \
            >"$ZVEC_SCRATCH/work.$s" 2>&1 &
        pids+=($!)
    done
    while [ ! -e "$stop" ]; do
        shuf "$ZVEC_CRASH/maintenance.sql" | while read -r command && [ ! -e "$stop" ]; do
            on primary psql -Xqc "SET client_min_messages = error" -c "$command"
        done
    done >"$ZVEC_SCRATCH/maintenance" 2>&1 &
    pids+=($!)
    sleep "$1"
    [ -z "${2:-}" ] || "${@:2}"
    local status=$?
    touch "$stop"
    wait "${pids[2]}"
    on primary psql -XAtqc "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                            WHERE query ~ '^CALL work'" >/dev/null
    wait "${pids[@]}"
    on primary psql -Xqc "ALTER TABLE a SET ACCESS METHOD zvec"
    return $status
}

crash_cluster primary "wal_level = logical" "pg_zvec.max_pending = 50" "pg_zvec.background_drain = off" "wal_log_hints = on" "autovacuum = off" "max_wal_senders = 10" "wal_keep_size = 200MB"
zvec_result $? "standby: the primary starts"
# where the server has it, the indexes' pages are compared too
psql -Xqc "CREATE EXTENSION IF NOT EXISTS pageinspect" 2>/dev/null
work_for 1 standby eager primary "max_standby_streaming_delay = 0" "hot_standby_feedback = off"
zvec_result $? "standby: pg_basebackup while tables change, and the standby starts"
same eager
zvec_result $? "standby: the copy shows what the primary shows"
standby patient primary "max_standby_streaming_delay = -1" "hot_standby_feedback = off"
zvec_result $? "standby: another one that waits for its queries"
# meanwhile rows are logged for decoding, too
! zvec_has test_decoding || on primary psql -Xq -o /dev/null -c "SELECT pg_create_logical_replication_slot('d', 'test_decoding')"

# reading STANDBY OPTIMISTIC: until told to stop, with that setting of zvec.optimistic_reads, looks at rows and vectors in one snapshot, which must agree, and prints what is
# neither right nor a cancellation. An index that REINDEX CONCURRENTLY has replaced since the snapshot was taken (_ccold) is
# not judged: queries use the new one, and that has the rows that snapshots of the primary need, whatever its method.
reading() {
    local allowed='due to conflict with recovery|commands ignored|relation ".*" does not exist|_ccold: '
    while [ ! -e "$ZVEC_SCRATCH/stop" ]; do
        on "$1" psql -XAtq 2>&1 <<SQL | grep -E '^(wrong|differs|ERROR|FATAL|PANIC)' | grep -vE "$allowed"
SET zvec.optimistic_reads = $2;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 'wrong in t: ', count(*) FROM t WHERE e IS DISTINCT FROM v(id, ver) HAVING count(*) > 0;
SELECT pg_sleep(0.2) IS NULL WHERE false;
SELECT 'wrong in t later: ', count(*) FROM t WHERE e IS DISTINCT FROM v(id, ver) HAVING count(*) > 0;
SELECT 'differs from its model: ', wrong('t', 'mt') WHERE wrong('t', 'mt') > 0;
SELECT 'wrong by index: ', index_problems('t');
COMMIT;
SQL
    done
}
while_reading() {
    local name optimistic pids=()
    for name in eager patient; do
        for optimistic in on off; do
            reading $name $optimistic >"$ZVEC_SCRATCH/read.$name.$optimistic" &
            pids+=($!)
        done
    done
    sleep 4
    touch "$ZVEC_SCRATCH/stop"
    wait "${pids[@]}"
    ! grep . "$ZVEC_SCRATCH"/read.*
}
work_for 0.1 while_reading
zvec_result $? "standby: queries beside VACUUM on the primary are right or cancelled"
for name in eager patient; do
    same $name
    zvec_result $? "standby: $name shows what the primary shows"
done

if zvec_has test_decoding; then
    on primary is "SELECT count(*) > 100 FROM pg_logical_slot_get_changes('d', NULL, NULL)" t
    zvec_result $? "standby: all that was written meanwhile is decoded"
    on primary psql -Xq -o /dev/null -c "SELECT pg_drop_replication_slot('d')"
fi

# A snapshot on the standby that needs rows which the primary removes, and whose slots it gives to others.
on primary psql -Xq -c "CREATE TABLE o (id integer, ver integer, e zvec) USING zvec WITH (autovacuum_enabled = off)" \
    -c "INSERT INTO o SELECT i, 0, v(16 * i + 2, 0) FROM generate_series(1, 200) i"
catch_up eager && catch_up patient
old_snapshot() {
    on "$1" psql -XAtq -v VERBOSITY=terse 2>&1 <<SQL
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM o WHERE e = v(16 * id + 2, 0);
\! touch $ZVEC_SCRATCH/ready.$1
\! while [ ! -e $ZVEC_SCRATCH/reused ]; do sleep 0.1; done
SELECT count(*), count(*) FILTER (WHERE e = v(16 * id + 2, 0)) FROM o;
SQL
}
old_snapshot eager >"$ZVEC_SCRATCH/old.eager" &
one=$!
old_snapshot patient >"$ZVEC_SCRATCH/old.patient" &
two=$!
while [ ! -e "$ZVEC_SCRATCH/ready.eager" ] || [ ! -e "$ZVEC_SCRATCH/ready.patient" ]; do sleep 0.1; done
on primary psql -Xq -c "DELETE FROM o WHERE id % 2 = 0" -c "VACUUM o" \
    -c "INSERT INTO o SELECT i, 1, v(16 * i + 2, 1) FROM generate_series(1001, 1100) i"
is_reused=$(on primary psql -XAtqc "SELECT free + live FROM zvec_segments('o')")
catch_up eager
touch "$ZVEC_SCRATCH/reused"
wait $one $two
grep -q '^200$' "$ZVEC_SCRATCH/old.eager" && grep -qE 'conflict with recovery|due to conflict' "$ZVEC_SCRATCH/old.eager"
zvec_result $? "standby: a snapshot that needs reused slots is cancelled where queries may not delay"
[ "$(cat "$ZVEC_SCRATCH/old.patient")" = "200
200|200" ] && [ "$is_reused" = 339 ]
zvec_result $? "standby: it is right where replay waits for it"
same patient &&
    is "SELECT count(*) FILTER (WHERE ver = 0), count(*) FILTER (WHERE e = v(16 * id + 2, ver)) FROM o" "100|200"
zvec_result $? "standby: and afterwards the standby has caught up"

# outlives WHAT COMMAND...: what becomes of snapshots of m on the standbys, older than what the command does on the
# primary. The rows give no cause for a conflict: nothing is pruned, no page becomes all-visible. LATER is the second query,
# which must return 20.
outlives() {
    local what=$1 name before pids=() later=${LATER:-SELECT count(*) FROM m WHERE e = ARRAY[id, -id]::zvec AND n = id;}
    shift
    rm -f "$ZVEC_SCRATCH"/ready.* "$ZVEC_SCRATCH/done"
    # nor do rows of the catalogs, which whoever reads them may prune
    on primary psql -Xqc "VACUUM pg_class, pg_type, pg_attribute, pg_index, pg_depend, pg_statistic"
    catch_up eager && catch_up patient
    for name in eager patient; do
        on $name psql -XAtq -v VERBOSITY=terse >"$ZVEC_SCRATCH/old.$name" 2>&1 <<SQL &
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM m WHERE e = ARRAY[id, -id]::zvec;
\\! touch $ZVEC_SCRATCH/ready.$name
\\! while [ ! -e $ZVEC_SCRATCH/done ]; do sleep 0.1; done
$later
SQL
        pids+=($!)
    done
    while [ ! -e "$ZVEC_SCRATCH/ready.eager" ] || [ ! -e "$ZVEC_SCRATCH/ready.patient" ]; do sleep 0.1; done
    before=$(on primary psql -XAtqc "SELECT pg_current_wal_insert_lsn()")
    on primary "$@"
    # a VACUUM that took no xid does not flush its records, a commit does
    on primary psql -Xqc "SELECT pg_logical_emit_message(true, 'flush', '')" -o /dev/null
    catch_up eager
    touch "$ZVEC_SCRATCH/done"
    wait "${pids[@]}"
    ! zvec_as_server "$ZVEC_BINDIR/pg_waldump" -p "$ZVEC_SCRATCH/primary/data/pg_wal" -s "$before" -r Heap2 2>/dev/null |
        grep -E 'PRUNE|VISIBLE cutoff xid [1-9]'
    zvec_result $? "standby: $what: the rows give no cause for a conflict"
    grep -q '^20$' "$ZVEC_SCRATCH/old.eager" && grep -q 'due to conflict' "$ZVEC_SCRATCH/old.eager"
    zvec_result $? "standby: $what: an older snapshot is cancelled where queries may not delay"
    [ "$(cat "$ZVEC_SCRATCH/old.patient")" = "20
20" ]
    zvec_result $? "standby: $what: it is right where replay waits for it"
}
on primary psql -Xq -c "CREATE TABLE m (id integer, n integer, e zvec(2)) USING zvec WITH (autovacuum_enabled = off)" \
    -c "CREATE INDEX ON m (n)" -c "INSERT INTO m SELECT i, i, ARRAY[i, -i]::zvec FROM generate_series(1, 20) i"
outlives "slots give up addresses for newer ones" psql -Xq -c "UPDATE m SET n = n + 100" -c "UPDATE m SET n = n - 100"
# the row of a transaction that has not ended keeps the page from becoming all-visible
freeze_beside_a_writer() {
    psql -Xq -c "INSERT INTO m SELECT i, i, ARRAY[i, -i]::zvec FROM generate_series(21, 40) i"
    psql -Xq <<SQL
BEGIN;
INSERT INTO m VALUES (0, 0, '[0,0]');
\\! psql -Xqc "VACUUM m"
ROLLBACK;
SQL
}
on primary psql -Xq -c "TRUNCATE m" -c "INSERT INTO m SELECT i, i, ARRAY[i, -i]::zvec FROM generate_series(1, 20) i"
outlives "slots are frozen" freeze_beside_a_writer
on primary psql -Xq -c "DROP TABLE m" -c "CREATE TABLE m (id integer, e zvec(2)) USING zvec WITH (autovacuum_enabled = off)" \
    -c "CREATE INDEX ON m USING zvec_hnsw (e)" -c "INSERT INTO m SELECT i, ARRAY[i, -i]::zvec FROM generate_series(1, 20) i"
LATER="SET enable_seqscan = off; SET enable_sort = off;
    SELECT count(*) FILTER (WHERE id <= 20) FROM (SELECT id FROM m ORDER BY e <-> '[0,0]') x;" \
    outlives "an INSERT's drain drops deleted rows from an index" psql -Xq -c "DELETE FROM m WHERE id % 2 = 0" \
    -c "SET pg_zvec.max_pending = 0" -c "INSERT INTO m SELECT i, ARRAY[i, -i]::zvec FROM generate_series(21, 60) i"

# a standby dies and recovers
(zvec_use eager && crash eager kill)
zvec_result $? "standby: recovery of a standby after a crash"
work_for 0.5
same eager
zvec_result $? "standby: it goes on where it was"

same patient
zvec_stop primary immediate
(zvec_use patient && psql -Xqc "SELECT pg_promote()" >/dev/null && says_nothing "SELECT problems()") &&
    all_of patient | diff "$ZVEC_SCRATCH/of.eager" -
zvec_result $? "standby: promoted, it shows what the primary has shown"
work_after() {
    zvec_use patient
    says_nothing "VACUUM t, a, w, c" "SELECT problems()" "SELECT leftovers()" || return 1
    timeout 2 psql -X -v VERBOSITY=terse -c "CALL work(1, '$ZVEC_SCRATCH/patient')" >"$ZVEC_SCRATCH/work.after" 2>&1
    grep -q 'ack' "$ZVEC_SCRATCH/work.after" && ! grep -q ERROR "$ZVEC_SCRATCH/work.after" || return 1
    while psql -XAtqc "SELECT 1 FROM pg_stat_activity WHERE query ~ '^CALL work'" | grep -q 1; do
        psql -XAtqc "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query ~ '^CALL work'" >/dev/null
    done
    says_nothing "VACUUM t, a, w, c" "SELECT problems()" "SELECT leftovers()"
}
work_after
zvec_result $? "standby: promoted, it is written and vacuumed"
for name in primary eager patient; do
    crash_log_is_clean $name
    zvec_result $? "standby: the log of $name is clean"
done
