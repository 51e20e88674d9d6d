#!/usr/bin/env bash
# Logical decoding on a standby (PostgreSQL 16 and later): of what is published vectors are decoded there as on the primary, for any
# plugin and a subscriber. A slot of another plugin that is only there is not seen by the primary: vectors of tables that are not
# published are shown as unchanged ones, never wrong, never with an error. Promoted, the server sees the slot.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin decoding-standby
if [ "$(zvec_version)" -lt 16 ]; then
    echo "left out: slots on a standby, which PostgreSQL $(zvec_version) has not"
    echo "ok decoding standby: nothing to be tested"
    exit 0
fi
zvec_start primary "wal_level = logical" "autovacuum = off"
zvec_result $? "decoding standby: the primary starts"
plugin=test_decoding
zvec_has $plugin || plugin=
on() { zvec_use "$1" && shift && psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
on primary -o /dev/null <<'SQL' || exit 1
CREATE EXTENSION pg_zvec;
CREATE TABLE sent (id int PRIMARY KEY, v zvec, note text) USING zvec;
ALTER TABLE sent ALTER note SET STORAGE EXTERNAL;
CREATE TABLE apart (id int PRIMARY KEY, v zvec(2)) USING zvec;
CREATE PUBLICATION p FOR TABLE sent;
SELECT pg_create_physical_replication_slot('standby');
CREATE DATABASE sub;
SQL
folder=$ZVEC_SCRATCH/standby
zvec_as_server mkdir -p "$folder" && zvec_as_server mkdir -m 700 "$folder/socket" &&
    zvec_as_server "$ZVEC_BINDIR/pg_basebackup" -h "$ZVEC_SCRATCH/primary/socket" -p 54315 -U postgres -D "$folder/data" \
        -R -X stream -c fast --no-sync -S standby &&
    zvec_conf standby "unix_socket_directories = '$folder/socket'" "hot_standby_feedback = on" && zvec_start standby
zvec_result $? "decoding standby: the standby starts"

# A slot is complete when the primary has told of its running transactions.
# on_standby SQL: a statement that makes a slot there
on_standby() {
    on standby -o /dev/null -c "$1" &
    local pid=$!
    while kill -0 $pid 2>/dev/null; do
        on primary -o /dev/null -c "SELECT pg_log_standby_snapshot()"
        sleep 0.2
    done
    wait $pid
}
catch_up() {
    local lsn n
    lsn=$(on primary -c "SELECT pg_current_wal_flush_lsn()")
    for ((n = 0; n < 300; n++)); do
        [ "$(on standby -c "SELECT pg_last_wal_replay_lsn() >= '$lsn'")" != t ] || return 0
        sleep 0.1
    done
    false
}
# gives NAME SERVER SQL EXPECTED
gives() {
    local said
    [ "$2" = primary ] || catch_up
    said=$(on "$2" <<<"$3" 2>&1)
    [ "$said" = "$4" ] || { printf 'expected: %s\ngot: %.2000s\n' "$4" "$said"; false; }
    zvec_result $? "decoding standby: $1"
}
sent="SELECT string_agg(chr(get_byte(data, 0)), '' ORDER BY n), count(*) FILTER (WHERE position('['::bytea IN data) > 0),
    count(*) FILTER (WHERE position('unchanged-toast-datum'::bytea IN data) > 0)
    FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')
    WITH ORDINALITY d(lsn, xid, data, n) WHERE get_byte(data, 0) NOT IN (ascii('B'), ascii('C'), ascii('Y'), ascii('R'))"
changes="SELECT data FROM pg_logical_slot_get_changes('d', NULL, NULL, 'include-xids', 'off', 'skip-empty-xacts', 'on')
    WHERE data NOT IN ('BEGIN', 'COMMIT')"

on_standby "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"
zvec_result $? "decoding standby: a slot on the standby"
[ -z "$plugin" ] || on_standby "SELECT pg_create_logical_replication_slot('d', '$plugin')"
gives "writes" primary "INSERT INTO sent VALUES (1, '[1,2]', 'one'), (2, '[3]', repeat('x', 5000)), (3, NULL, NULL); UPDATE sent SET note = 'n' WHERE id = 1;
    UPDATE sent SET v = '[4,4]' WHERE id = 2; INSERT INTO apart VALUES (1, '[7,7]'); UPDATE apart SET id = 2; DELETE FROM sent WHERE id = 1;
    SELECT id, v FROM sent ORDER BY id" "2|[4,4]
3|"
gives "... of what is published" standby "$sent" "IIIUUD|3|0"
if [ -n "$plugin" ]; then
    gives "... for another plugin" standby "SELECT replace(data, repeat('x', 5000), '5000') FROM ($changes) s" "table public.sent: INSERT: id[integer]:1 v[zvec]:'[1,2]' note[text]:'one'
table public.sent: INSERT: id[integer]:2 v[zvec]:'[3]' note[text]:'5000'
table public.sent: INSERT: id[integer]:3 v[zvec]:null note[text]:null
table public.sent: UPDATE: id[integer]:1 v[zvec]:unchanged-toast-datum note[text]:'n'
table public.sent: UPDATE: id[integer]:2 v[zvec]:'[4,4]' note[text]:unchanged-toast-datum
table public.apart: INSERT: id[integer]:1 v[zvec]:'unchanged-toast-datum'
table public.apart: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 v[zvec]:'unchanged-toast-datum'
table public.sent: DELETE: id[integer]:1"
fi
# a subscriber that follows the standby
on_standby "SELECT pg_create_logical_replication_slot('follow', 'pgoutput')"
zvec_start there && psql -X -q -c "CREATE EXTENSION pg_zvec" -c "CREATE TABLE sent (id int PRIMARY KEY, v zvec, note text) USING zvec" \
    -c "CREATE SUBSCRIPTION follow CONNECTION 'host=$folder/socket port=54315 dbname=postgres user=postgres' PUBLICATION p
        WITH (create_slot = false, slot_name = follow)"
zvec_result $? "decoding standby: a subscriber"
on primary -c "INSERT INTO sent SELECT i, ARRAY[i, i]::zvec, 'n' FROM generate_series(11, 200) i; UPDATE sent SET note = 'm' WHERE id % 3 = 0;
    UPDATE sent SET v = '[0]' WHERE id % 5 = 0; DELETE FROM sent WHERE id % 7 = 0"
rows="SELECT count(*), md5(string_agg(s::text, ',' ORDER BY id)) FROM sent s"
expected=$(on primary -c "$rows")
for ((n = 0; n < 300; n++)); do
    on primary -o /dev/null -c "SELECT pg_log_standby_snapshot()"
    said=$(on there -c "$rows; SELECT * FROM zvec_check('sent')")
    [ "$said" != "$expected" ] || break
    sleep 0.1
done
[ "$said" = "$expected" ]
zvec_result $? "decoding standby: ... has what the primary has"
on there -c "DROP SUBSCRIPTION follow" 2>/dev/null
if [ -n "$plugin" ]; then
    on standby -o /dev/null -c "$changes"
    gives "promoted, the server knows its slots" standby "SELECT pg_promote(); INSERT INTO apart VALUES (3, '[8,8]'); UPDATE apart SET v = '[9,9]' WHERE id = 2; $changes" "t
table public.apart: INSERT: id[integer]:3 v[zvec]:'[8,8]'
table public.apart: UPDATE: id[integer]:2 v[zvec]:'[9,9]'"
fi
for server in primary standby there; do
    zvec_log_is_clean $server
    zvec_result $? "decoding standby: the server's log is clean"
done
