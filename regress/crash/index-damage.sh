#!/usr/bin/env bash
# Pages of indexes are overwritten while the server is stopped. Whatever is then done with table and index gives an error
# that names index and block, or goes on; zvec_check tells of the damage; nothing hangs, the server stays up, rows and
# vectors are as they were, other tables are not concerned, and REINDEX heals the index.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin index-damage-test
. regress/crash/lib.bash

# Where, what, and what it may lead to. Where: the first page of a kind and an offset on it, or the file's `end`. What:
# bytes in hexadecimal, `free` for the number of a free node, or `zero` or `noise` for a whole page. Then "seen":
# zvec_check has to tell; "value": results may differ, and nothing else; "unseen": it is a hint. The graph has m = 4 and
# vectors of 16 dimensions. A + stands for an index with an included column.
damages() {
    grep -v '^ *#' <<'END'
meta 24 00000000 seen
meta 28 02 seen
meta 29 63 seen
meta 32 01000000 seen
meta 36 01000000 seen
meta 40 0000 seen
meta 40 0500 seen
meta 40 ffff seen
meta 42 0000 seen
meta 42 1100 seen
meta 44 00 seen
meta 44 02 seen
meta 48 00000000 seen
meta 48 02000000 seen
meta 48 ffffffff seen
meta 64 00000000 seen
meta 68 00000000 seen
meta 68 02000000 seen
meta 68 ffffffff seen
meta 68 ffffff00 seen
meta 0 zero seen
meta 0 noise seen
root 24 00000000 seen
root 28 03 seen
root 32 01000000 seen
root 40 00000000 seen
root 44 0000 seen
root 44 1100 seen
root 44 ffff seen
root 46 02 seen
root 47 00 seen
root 47 03 seen
root 48 00000000 seen
root 48 0000c07f seen
root 48 00007f43 value
root 52 00 seen
root 53 0f seen
root 56 00000000 seen
root 56 ffffffff seen
root 56 20000000 seen
root 56 52020000 seen
root 60 00000000 seen
root 60 01000000 seen
root 60 ffffffff seen
root 64 00000000 seen
root 64 ffffffff seen
root 68 ffffffff seen
root 68 fffffffe seen
root 68 2c010000 seen
root 72 00000000 seen
root 72 ffffffff seen
root 76 ffffffff seen
root 76 01000000 seen
root 80 00000000 seen
root 80 ffffffff seen
root 80 40000000 seen
root 84 ffffffff unseen
root 88 ffffffff unseen
root 92 ffffffff unseen
root 96 0000 seen
root 96 ffff seen
root 98 0000 seen
root 100 0000 seen
root 102 0000 seen
root 104 0000 seen
root 106 0000 seen
root 108 ffffffff unseen
root 112 00000000 seen
root 112 ffffffff seen
root 112 feffff7f seen
root 116 00000000 seen
root 116 ffffffff seen
root 1456 02000000 seen
root 0 zero seen
root 0 noise seen
codes 24 00000000 seen
codes 32 01000000 seen
codes 36 05000000 seen
codes 64 00000000 seen
codes 64 ffffffff seen
codes 68 0100 seen
codes 72 0000c07f seen
codes 72 0000807f seen
codes 72 000000ff value
codes 76 0000c0ff seen
codes 80 ffffff7f value
codes 88 8080808080808080 value
codes 0 zero seen
codes 0 noise seen
nodes 24 00000000 seen
nodes 36 ffffffff seen
nodes 40 01 seen
nodes 40 ff seen
nodes 41 00 seen
nodes 41 02 seen
nodes 48 00000000 seen
nodes 48 01000000 seen
nodes 48 05000000 seen
nodes 48 feffffff seen
nodes 56 00000000 seen
nodes 56 fffffffe seen
nodes 56 free seen
nodes 56 ffffffff value
nodes 0 zero seen
nodes 0 noise seen
upper 28 04 seen
upper 40 fffffffe seen
upper 40 00000000000000000000000000000000 seen
upper 40 ffffffff value
upper 0 zero seen
upper 0 noise seen
map 24 00000000 seen
map 40 00000000 seen
map 40 02000000 seen
map 40 ffffffff seen
map 40 feffffff seen
map 44 0100 seen
map 0 zero seen
map 0 noise seen
pending 36 01000000 seen
pending 40 00000000 seen
pending 40 ffffffff seen
pending 44 0500 seen
pending 48 noise seen
pending 0 zero seen
center 24 00000000 seen
center 40 0000c07f0000c07f seen
center 40 0000004100000041 value
center 0 zero seen
center 0 noise seen
included 24 00000000 seen
included 28 06 seen
included 36 01000000 seen
included 40 ffffffffffffffff seen
included 48 0000000000000000 seen
included 56 0000000000000000 seen
included 56 0500000000000080 seen
included 56 ffffffffffffffff seen
included 8056 0100000000000000 seen
included 0 zero seen
included 0 noise seen
meta+ 29 01 seen
meta+ 52 00 seen
meta+ 52 02 seen
meta+ 52 ff seen
meta+ 8184 63 seen
meta+ 8184 02 value
root+ 29 01 seen
root+ 8176 0000 seen
root+ 8176 ffff seen
end 1 cut seen
end 4 cut seen
end 999999 cut seen
flat 24 00000000 seen
flat 29 09 seen
flat 35 01 seen
flat 0 zero seen
flat 0 noise seen
flat 0 cut seen
END
}

# statements TABLE: what a table goes through. Each is tried, whatever became of those before it.
statements() {
    cat <<END
SELECT 'rows', count(*) = count(*) FILTER (WHERE v = vec(id)) FROM $1;
SELECT 'check', count(*) FROM zvec_check('$1');
SELECT count(*) FROM zvec_check('$1_h');
SELECT count(*) FROM zvec_index_stats('$1');
SET enable_seqscan = off;
SELECT 'doubles', count(*) - count(DISTINCT id) FROM (SELECT id FROM $1 ORDER BY v <-> vec(7)) s;
SELECT id FROM $1 ORDER BY v <-> vec(9) LIMIT 3;
RESET enable_seqscan;
SELECT zvec_recall('$1_h', 5, 5) BETWEEN 0 AND 1;
SELECT zvec_prewarm('$1') > 0;
ANALYZE $1;
INSERT INTO $1 SELECT i, vec(i) FROM generate_series(901, 903) i;
VACUUM $1;
UPDATE $1 SET v = vec(id) WHERE id % 9 = 0;
DELETE FROM $1 WHERE id % 7 = 0;
BEGIN; DELETE FROM $1; INSERT INTO $1 VALUES (1, vec(1)); ROLLBACK;
VACUUM $1;
SELECT drained >= 0 FROM zvec_optimize('$1');
INSERT INTO $1 SELECT i, vec(i) FROM generate_series(911, 1200) i;
SELECT drained >= 0 FROM zvec_optimize('$1');
SELECT count(*) FROM (SELECT id FROM $1 ORDER BY v <-> vec(5)) s;
SELECT count(*) >= 0 FROM zvec_check('$1');
SELECT 'rows', count(*) = count(*) FILTER (WHERE v = vec(id)) FROM $1;
SELECT count(*) FROM zvec_segments('$1');
REINDEX INDEX $1_h;
SELECT 'healed', count(*) FROM zvec_check('$1');
INSERT INTO $1 SELECT i, vec(i) FROM generate_series(1301, 1303) i;
SELECT 'rows', count(*) = count(*) FILTER (WHERE v = vec(id)) FROM $1;
SET enable_seqscan = off;
SELECT 'rows', (SELECT count(DISTINCT id) FROM (SELECT id FROM $1 ORDER BY v <-> vec(7)) s) = count(*) FROM $1;
SELECT 'healed', count(*) FROM zvec_check('$1');
DROP TABLE $1;
END
}

# put FILE OFFSET HEX
put() {
    printf "$(sed 's/../\\x&/g' <<<"$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# block_of FILE KIND: the first block of that kind.
block_of() {
    local block=0 blocks header
    blocks=$(($(stat -c %s "$1") / 8192))
    while [ $block -lt $blocks ]; do
        header=$(od -An -tx1 -j $((block * 8192 + 24)) -N 5 "$1" | tr -d ' ')
        [ "$header" != "5a564758$2" ] || { echo $block && return; }
        block=$((block + 1))
    done
    return 1
}

# overwrite INDEX WHERE OFFSET WHAT: the index's file.
overwrite() {
    local block=0 kind at
    case $2 in
    end)
        at=$(($(stat -c %s "$1") / 8192 - $3))
        truncate -s $(((at > 0 ? at : 0) * 8192)) "$1"
        return
        ;;
    flat) ;;
    *)
        case $2 in
        meta) kind=01 ;; root) kind=02 ;; codes) kind=03 ;; nodes) kind=04 ;;
        upper) kind=05 ;; map) kind=06 ;; pending) kind=07 ;; center) kind=08 ;;
        included) kind=09 ;; meta+) kind=01 ;; root+) kind=02 ;;
        esac
        block=$(block_of "$1" $kind) || return 1
        ;;
    esac
    case $4 in
    cut) truncate -s 0 "$1" ;;
    zero) dd if=/dev/zero of="$1" bs=8192 count=1 seek="$block" conv=notrunc status=none ;;
    free)
        # the root page has the first free node's number + 1
        at=$(($(block_of "$1" 02) * 8192 + 60))
        at=$(($(od -An -tu4 -j "$at" -N 4 "$1") - 1))
        put "$1" $((block * 8192 + $3)) "$(printf '%02x%02x0000' $((at % 256)) $((at / 256)))"
        ;;
    noise) dd if="$ZVEC_BINDIR/postgres" of="$1" bs=8192 count=1 seek="$block" conv=notrunc status=none ;;
    *) put "$1" $((block * 8192 + $3)) "$4" ;;
    esac
}

# says_it_well: reads errors; prints those that do not tell where the damage is, and is true if there are none.
says_it_well() {
    ! grep -E '^(ERROR|FATAL|PANIC|server|connection|psql)' | grep -vE \
        -e '^ERROR:  XX001: invalid page in block [0-9]+ of index "x[0-9]+_h": ' \
        -e '^ERROR:  XX001: invalid zvec_flat page in block 0 of relation "x[0-9]+_h": ' \
        -e '^ERROR:  XX001: (invalid page in block|could not read block|could not read blocks) [0-9.]+ (of relation|in file) ' \
        -e '^ERROR:  XX001: unexpected data beyond EOF in block [0-9]+ of relation '
}

# endures NUMBER EFFECT: uses a table whose index is damaged.
endures() {
    local table=x$1 output=$ZVEC_SCRATCH/x$1.out errors=$ZVEC_SCRATCH/x$1.err status=0
    statements "$table" | timeout 60 psql -XAtq -v VERBOSITY=verbose >"$output" 2>"$errors"
    [ "${PIPESTATUS[1]}" = 0 ] || { echo "psql ended with an error" && tail -n 3 "$errors" && status=1; }
    says_it_well <"$errors" || status=1
    [ "$2" != seen ] || ! grep -q '^check|0$' "$output" || { echo "zvec_check saw nothing" && status=1; }
    if [ "$2" = unseen ]; then
        grep -q '^check|0$' "$output" && [ ! -s "$errors" ] || { echo "a hint did harm" && head -n 4 "$errors" && status=1; }
    fi
    ! grep -E '^rows\|f$' "$output" || status=1
    ! grep -E '^doubles\|[^0]' "$output" || status=1
    [ "$(grep -c '^healed|0$' "$output")" = 2 ] || { echo "REINDEX did not heal it" && tail -n 3 "$errors" && status=1; }
    return $status
}

ordeal() {
    local name=$1 number=0 where offset what effect file
    data=$ZVEC_SCRATCH/$name/data
    crash_cluster "$name" "autovacuum = off" "statement_timeout = 10s"
    zvec_result $? "index damage, $name: the server starts"
    psql -Xq -v ON_ERROR_STOP=1 <<SQL
CREATE FUNCTION vec(id integer) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS 'SELECT array_agg(sin(id * (i + 1.7) * 12.9898)::real)::zvec FROM generate_series(1, 16) i';
CREATE TABLE source AS SELECT i AS id, vec(i) AS v FROM generate_series(1, 600) i;
SET pg_zvec.background_drain = off;
CREATE PROCEDURE make(name text, method text) LANGUAGE plpgsql AS \$\$
BEGIN
    EXECUTE format('CREATE TABLE %I (id integer, v zvec(16)) USING zvec', name);
    EXECUTE format('INSERT INTO %I SELECT * FROM source', name);
    EXECUTE format('CREATE INDEX %I ON %I USING %s', name || '_h', name,
        CASE WHEN method = 'flat' THEN 'zvec_flat (v)' WHEN method IN ('included', 'meta+', 'root+') THEN 'zvec_hnsw (v) INCLUDE (id) WITH (m = 4)'
            ELSE 'zvec_hnsw (v) WITH (m = 4)' END);
    EXECUTE format('DELETE FROM %I WHERE id BETWEEN 300 AND 330', name);
    COMMIT;
    PERFORM zvec_optimize(name);
    EXECUTE format('INSERT INTO %I SELECT i, vec(i) FROM generate_series(701, 750) i', name);
END \$\$;
CALL make('bystander', 'hnsw');
$(number=0; while read -r where _; do number=$((number + 1)); echo "CALL make('x$number', '$where');"; done < <(damages))
CHECKPOINT;
SQL
    says_nothing "SELECT zvec_check(oid::regclass) FROM pg_class WHERE relname ~ '^x[0-9]+$'"
    zvec_result $? "index damage, $name: before, all is well"
    psql -XAtqF ' ' >"$ZVEC_SCRATCH/files" -c "SELECT pg_relation_filepath(oid)
        FROM pg_class WHERE relname ~ '^x[0-9]+_h$' ORDER BY substring(relname, '[0-9]+')::integer"
    zvec_stop "$name"
    while read -r where offset what effect file <&3; do
        overwrite "$data/$file" "$where" "$offset" "$what" || zvec_result 1 "index damage: $where is there"
    done 3< <(paste -d ' ' <(damages) "$ZVEC_SCRATCH/files")
    zvec_start "$name"
    while read -r where offset what effect <&3; do
        number=$((number + 1))
        # with checksums every change is seen
        [ "$name" = plain ] || effect=seen
        endures $number "$effect"
        zvec_result $? "index damage, $name: $where $offset $what"
    done 3< <(damages)
    says_nothing "SELECT zvec_check('bystander')" && is "SELECT count(*) FROM bystander WHERE v = vec(id)" 619
    zvec_result $? "index damage, $name: another table is not concerned"
    crash_log_is_clean "$name"
    zvec_result $? "index damage, $name: the server stayed up"
    zvec_stop "$name"
}

ordeal plain
ordeal checksums
