#!/usr/bin/env bash
# The server is killed at many moments while sessions change tables; after recovery everything that was acknowledged is
# there with the right vectors, nothing else is, and VACUUM leaves no slot that no row needs. CRASHES is the number of
# crashes for each kind of server.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin recovery-test
. regress/crash/lib.bash

# maintain: maintenance commands in random order, a transaction for each line, until the connection is lost.
maintain() {
    local command
    while true; do
        while read -r command; do
            psql -Xqc "SET client_min_messages = error" -c "$command"
            [ $? != 2 ] || return
        done < <(shuf "$ZVEC_CRASH/maintenance.sql")
    done
}

# survives CLUSTER ROUND: sessions work, the server dies, and what must hold is looked at.
survives() {
    local name=$1 round=$2 folder=$ZVEC_SCRATCH/$1 kinds=(immediate kill backend) s acked committed pids=() status=0
    for s in 1 2 3; do
        psql -X -v VERBOSITY=terse -c "CALL work($s, '$folder')" >"$folder/acks.$s" 2>&1 &
        pids+=($!)
    done
    maintain >"$folder/maintenance.$round" 2>&1 &
    pids+=($!)
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    sleep 0.4
    crash "$name" "${kinds[round % 3]}" || { tail -n 20 "$folder/log" && return 1; }
    if [ "${kinds[round % 3]}" = backend ]; then
        # the sessions are gone, the maintenance is not
        kill "${pids[3]}" 2>/dev/null
        psql -XAtqc "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()" >/dev/null
    fi
    wait "${pids[@]}" 2>/dev/null
    ! grep ERROR "$folder"/acks.? "$folder/maintenance.$round" | grep -v deadlock || status=1
    for s in 1 2 3; do
        acked=$(sed -nE 's/^NOTICE: +ack ([0-9]+)$/\1/p' "$folder/acks.$s" | tail -n 1)
        committed=$(psql -XAtqc "SELECT n FROM steps WHERE session = $s")
        [ "${committed:-0}" -ge "${acked:-0}" ] ||
            { echo "session $s: step $acked was acknowledged, but $committed is the last one there" && status=1; }
    done
    says_nothing "SELECT problems()" "VACUUM t, a, w, c" "SELECT problems()" "SELECT leftovers()" || status=1
    return $status
}

# ordeal NAME WHAT SETTING...
ordeal() {
    local name=$1 what=$2 round steps
    shift 2
    crash_cluster "$name" "$@"
    zvec_result $? "recovery: $what, the tables are made"
    [ "$name" != decoded ] || psql -Xq -o /dev/null -c "SELECT pg_create_logical_replication_slot('d', 'test_decoding')"
    for ((round = 0; round < ${CRASHES:-5}; round++)); do
        survives "$name" $round
        zvec_result $? "recovery: $what, crash $round"
        [ "$name" = decoded ] || continue
        is "SELECT count(*) > 0, count(*) FILTER (WHERE data LIKE '%''unchanged-toast-datum''%')
            FROM pg_logical_slot_get_changes('d', NULL, NULL)" "t|0"
        zvec_result $? "recovery: $what, crash $round, all is decoded"
    done
    # the sessions have not stood still
    steps=$(psql -XAtqc "SELECT min(n) FROM steps WHERE session <= 3")
    [ "${steps:-0}" -gt 10 ]
    zvec_result $? "recovery: $what, work was done"
    crash_log_is_clean "$name"
    zvec_result $? "recovery: $what, the server's log is clean"
    zvec_stop "$name"
}

ordeal compressed "frequent checkpoints, compressed log" "checkpoint_timeout = 30s" "max_wal_size = 32MB" \
    "wal_compression = on" "autovacuum_naptime = 1" "shared_buffers = 4MB" "pg_zvec.max_pending = 30"
ordeal checksums "checksums and logged hints" "wal_log_hints = on" "autovacuum = off" "shared_buffers = 2MB" "pg_zvec.max_pending = 100"
ordeal minimal "wal_level = minimal" "wal_level = minimal" "max_wal_senders = 0" "full_page_writes = off" \
    "wal_skip_threshold = 100kB"
! zvec_has test_decoding || ordeal decoded "rows are logged for decoding" "wal_level = logical" "max_wal_size = 32MB" "autovacuum_naptime = 1" \
    "shared_buffers = 4MB" "wal_consistency_checking = 'heap2'"
