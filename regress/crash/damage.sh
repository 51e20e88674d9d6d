#!/usr/bin/env bash
# Pages of the vector store and references in rows are overwritten while the server is stopped. Whatever is then done
# with the table gives an error that names the relation (and the block, where it is a page that is damaged) or the right
# result; zvec_check tells of the damage; nothing hangs, the server stays up and other tables are not concerned.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin damage-test
. regress/crash/lib.bash

# Where, what, and what it may lead to. Where: the first page of a kind and an offset on it, or the file's `end`, or
# `row` and an offset in the first vector reference. What: bytes in hexadecimal, or `zero` or `noise` for a whole page.
# Then "seen": zvec_check has to tell; "hint": the bytes are a hint and cannot do any harm; "value": results may differ.
# Segment 0 holds vectors of 2100 dimensions, segment 1 of 400; the row's is the latter's first.
damages() {
    grep -v '^ *#' <<'END'
root 24 00000000 seen
root 28 02 seen
root 29 63 seen
root 30 01 seen
root 32 01000000 seen
root 36 01000000 seen
root 40 00000000 seen
root 40 01000000 seen
root 40 03000000 seen
root 40 ffffffff seen
root 48 00000000 seen
root 48 03000000 seen
root 48 ffffffff seen
root 48 feffffff seen
root 48 ffffff00 seen
root 0 zero seen
root 0 noise seen
segment 24 00000000 seen
segment 28 04 seen
segment 29 02 seen
segment 32 05000000 seen
segment 36 05000000 seen
segment 40 0000 seen
segment 40 0100 seen
segment 40 ff7f seen
segment 42 0000 seen
segment 42 ffff seen
segment 42 9101 seen
segment 44 02 seen
segment 48 00000000 seen
segment 48 01000000 seen
segment 52 00000000 seen
segment 52 ffffffff seen
segment 56 0000 seen
segment 56 6801 seen
segment 56 ffff seen
segment 58 0000 seen
segment 58 ffff seen
segment 60 ffffffff hint
segment 60 ffffff7f hint
segment 72 00000000 seen
segment 72 01000000 seen
segment 72 ffffffff seen
segment 72 f0ffffff seen
segment 72 ffffff00 seen
segment 76 00000000 seen
segment 76 ffffffff seen
segment 76 00f0ffff seen
segment 76 a0860100 seen
segment 2952 00000000 seen
segment 2952 01000000 seen
segment 2952 feffffff seen
segment 2956 00000000 seen
segment 2956 01000000 seen
segment 2956 ffffffff seen
segment 2956 00000040 seen
segment 0 zero seen
segment 0 noise seen
slots 24 00000000 seen
slots 28 04 seen
slots 32 01000000 seen
slots 36 01000000 seen
# the id of a frozen slot's transaction does not count
slots 40 ffffff7f hint
slots 40 ffffffff hint
slots 44 ffffffff any
slots 44 02000000 seen
slots 48 ffffffff seen
slots 48 feffffffffff seen
slots 54 feffffff0100 any
slots 54 00000000ffff any
slots 60 ffff seen
slots 62 ffff seen
slots 62 0000 seen
slots 62 0100 seen
slots 62 0300 seen
slots 8176 ffff hint
slots 8176 0000 hint
slots 8178 0100 hint
slots 0 zero seen
slots 0 noise seen
data 24 00000000 seen
data 28 03 seen
data 29 00 seen
data 32 01000000 seen
data 36 07000000 seen
data 36 ffffffff seen
data 40 0000c07f0000c07f value
data 4000 ffffffffffffffff value
data 10 0000000000000000 any
data 0 zero seen
data 0 noise seen
end 1 cut seen
end 20 cut seen
end 999999 cut seen
row 1 02 seen
row 1 00 seen
row 2 0000 seen
row 2 ffff seen
row 2 9101 seen
row 4 ffffffff seen
row 4 ffff7f00 seen
row 4 00000000 seen
row 4 00008000 seen
row 4 05004000 value
row 8 0100 seen
END
}

# statements: a table's life. Each is tried, whatever became of those before it.
statements() {
    cat <<END
SELECT 'rows', count(*) FROM $1;
SELECT 'right', count(*) FROM $1 WHERE e = v(id, ver);
SELECT 'near', id FROM $1 WHERE id % 2 = 0 ORDER BY e <-> v(4, 1) LIMIT 1;
SELECT 'text', count(e::text) FROM $1;
SELECT 'check', count(*) FROM zvec_check('$1');
SELECT count(*) FROM zvec_segments('$1');
COPY $1 TO '/dev/null';
ANALYZE $1;
INSERT INTO $1 SELECT i, 1, v(i, 1) FROM generate_series(1002, 1003) i;
COPY $1 FROM '$2' (FORMAT binary);
UPDATE $1 SET ver = 1 WHERE id < 9;
UPDATE $1 SET ver = 3, e = v(id, 3) WHERE id % 3 = 0;
UPDATE $1 SET e = e WHERE id % 5 = 0;
DELETE FROM $1 WHERE id % 7 = 0;
BEGIN; DELETE FROM $1; INSERT INTO $1 VALUES (1, 1, v(1, 1)); ROLLBACK;
VACUUM $1;
VACUUM FREEZE $1;
SELECT 'still right', count(*) = count(*) FILTER (WHERE e = v(id, ver)) FROM $1;
SELECT count(*) FROM zvec_check('$1');
CREATE INDEX ON $1 (ver);
ALTER TABLE $1 ADD COLUMN f zvec(3) DEFAULT '[1,2,3]';
VACUUM FULL $1;
ALTER TABLE $1 SET ACCESS METHOD heap;
SELECT 'in the end', count(*) = count(*) FILTER (WHERE e = v(id, ver)) FROM $1;
TRUNCATE $1;
ALTER TABLE $1 SET ACCESS METHOD zvec;
INSERT INTO $1 (id, ver, e) SELECT i, 1, v(i, 1) FROM generate_series(1, 20) i;
SELECT 'anew', count(*) FILTER (WHERE e = v(id, ver)) FROM $1;
SELECT 'check anew', count(*) FROM zvec_check('$1');
DROP TABLE $1;
END
}

# file_of RELATION: path of its main fork.
file_of() {
    echo "$data/$(psql -XAtqc "SELECT pg_relation_filepath($1)")"
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
        [ "$header" != "5a564543$2" ] || { echo $block && return; }
        block=$((block + 1))
    done
    return 1
}

# overwrite STORE TABLE WHERE OFFSET WHAT: the files of the vector store and of the table's rows.
overwrite() {
    local block kind at
    case $3 in
    end)
        at=$(($(stat -c %s "$1") / 8192 - $4))
        truncate -s $(((at > 0 ? at : 0) * 8192)) "$1"
        ;;
    row)
        # a reference to a vector of 400 dimensions: length, version, dimensions; the last on a page is its first row's
        at=$(head -c 8192 "$2" | grep -obUaP '\x21\x01\x90\x01' | tail -n 1 | cut -d: -f1) && put "$2" $((at + $4)) "$5"
        ;;
    *)
        case $3 in root) kind=01 ;; segment) kind=02 ;; slots) kind=03 ;; data) kind=04 ;; esac
        block=$(block_of "$1" $kind) || return 1
        case $5 in
        zero) dd if=/dev/zero of="$1" bs=8192 count=1 seek="$block" conv=notrunc status=none ;;
        noise) dd if="$ZVEC_BINDIR/postgres" of="$1" bs=8192 count=1 seek="$block" conv=notrunc status=none ;;
        *) put "$1" $((block * 8192 + $4)) "$5" ;;
        esac
        ;;
    esac
}

# says_it_well: reads errors; prints those that do not tell where the damage is, and is true if there are none.
says_it_well() {
    ! grep -E '^(ERROR|FATAL|PANIC|server|connection|psql)' | grep -vE \
        -e '^ERROR:  XX001: invalid vector store page in block [0-9]+ of relation "pg_toast_[0-9]+": ' \
        -e '^ERROR:  XX001: vector [0-9]+ of table "d[0-9]+" is not in its vector store' \
        -e '^ERROR:  XX001: a stored zvec is damaged: its size does not match its dimensions' \
        -e '^ERROR:  XX001: a row of table "d[0-9]+" holds a vector reference of an unknown format' \
        -e '^ERROR:  XX001: (invalid page in block|could not read block|could not read blocks) [0-9.]+ (of relation|in file) ' \
        -e '^ERROR:  25P02: ' -e '^ERROR:  22000: different vector dimensions [0-9]+ and 400' \
        -e '^ERROR:  XX001: unexpected data beyond EOF in block [0-9]+ of relation '
}

# endures NUMBER WHERE OFFSET WHAT EFFECT: uses a damaged table.
endures() {
    local table=d$1 output=$ZVEC_SCRATCH/d$1.out errors=$ZVEC_SCRATCH/d$1.err status=0
    statements "$table" "$rows" | timeout 60 psql -XAtq -v VERBOSITY=verbose >"$output" 2>"$errors"
    [ "${PIPESTATUS[1]}" = 0 ] || { echo "psql ended with an error" && tail -n 3 "$errors" && status=1; }
    says_it_well <"$errors" || status=1
    [ "$5" != seen ] || ! grep -q '^check|0$' "$output" || { echo "zvec_check saw nothing" && status=1; }
    if [ "$5" = hint ]; then
        ! grep -q ERROR "$errors" && grep -q '^check|0$' "$output" && grep -q '^in the end|t$' "$output" ||
            { echo "a hint did harm" && head -n 4 "$errors" && status=1; }
    fi
    if [ "$5" != value ]; then
        ! grep -qE '\|f$' "$output" || { grep -E '\|f$' "$output" && status=1; }
        ! grep -E '^(rows|right|text)' "$output" | grep -v '|180$' || status=1
    fi
    grep -q '^anew|20$' "$output" && grep -q '^check anew|0$' "$output" ||
        { echo "TRUNCATE did not mend it" && status=1; }
    return $status
}

ordeal() {
    local name=$1 number=0 where offset what effect
    data=$ZVEC_SCRATCH/$name/data rows=$ZVEC_SCRATCH/$name/rows
    crash_cluster "$name" "autovacuum = off" "statement_timeout = 10s"
    zvec_result $? "damage, $name: the server starts"
    psql -Xq -v ON_ERROR_STOP=1 <<SQL
CREATE TABLE source AS SELECT i AS id, 1 AS ver, v(i, 1) AS e FROM generate_series(1, 400) i
    WHERE i % 8 = 1 OR i % 2 = 0 AND i % 16 <> 0 ORDER BY i LIMIT 200;
COPY (SELECT i, 1, v(i, 1) FROM generate_series(1004, 1010) i) TO '$rows' (FORMAT binary);
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS \$\$
BEGIN
    EXECUTE format('CREATE TABLE %I (id integer, ver integer, e zvec) USING zvec', name);
    EXECUTE format('INSERT INTO %I SELECT * FROM source', name);
    EXECUTE format('DELETE FROM %I WHERE id IN (SELECT id FROM source ORDER BY id LIMIT 20 OFFSET 50)', name);
END \$\$;
CALL make('bystander');
DO \$\$BEGIN FOR i IN 1 .. $(damages | wc -l) LOOP CALL make('d' || i); END LOOP; END\$\$;
VACUUM;
CHECKPOINT;
SQL
    psql -XAtqF ' ' >"$ZVEC_SCRATCH/files" -c "SELECT pg_relation_filepath(reltoastrelid), pg_relation_filepath(oid)
        FROM pg_class WHERE relname ~ '^d[0-9]+$' ORDER BY substr(relname, 2)::integer"
    zvec_stop "$name"
    while read -r where offset what effect store table <&3; do
        overwrite "$data/$store" "$data/$table" "$where" "$offset" "$what" || zvec_result 1 "damage: $where is there"
    done 3< <(paste -d ' ' <(damages) "$ZVEC_SCRATCH/files")
    zvec_start "$name"
    while read -r where offset what effect <&3; do
        number=$((number + 1))
        # with checksums every change is seen
        [ "$name" = plain ] || case $effect in hint | value | any) effect=seen ;; esac
        endures $number "$where" "$offset" "$what" "$effect"
        zvec_result $? "damage, $name: $where $offset $what"
    done 3< <(damages)
    is "SELECT count(*) FROM bystander WHERE e = v(id, ver)" 180 && says_nothing "SELECT zvec_check('bystander')"
    zvec_result $? "damage, $name: another table is not concerned"
    crash_log_is_clean "$name"
    zvec_result $? "damage, $name: the server stayed up"
    zvec_stop "$name"
}

ordeal plain
ordeal checksums
