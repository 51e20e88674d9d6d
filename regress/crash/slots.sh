#!/usr/bin/env bash
# The bookkeeping of slots where it is not what a run of this version leaves: segments with more slot pages than their
# capacity takes, free slots that the hints know nothing of, a slot that was lost.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin slots
. regress/crash/lib.bash
zvec_start slots "autovacuum = off" || exit 1
psql -Xqb -v ON_ERROR_STOP=1 <<'END' || exit 1
CREATE EXTENSION pg_zvec;
SET pg_zvec.segment_capacity = 4000;
CREATE TABLE wide (id int, v zvec(3)) USING zvec;
CREATE FUNCTION vec(i int) RETURNS zvec LANGUAGE sql IMMUTABLE AS $$ SELECT ARRAY[i, -i, i / 2.0]::real[]::zvec $$;
INSERT INTO wide SELECT i, vec(i) FROM generate_series(1, 3000) i;
CREATE VIEW wide_now AS SELECT count(*), count(*) FILTER (WHERE v = vec(id)) AS whole FROM wide;
CREATE VIEW wide_segments AS
    SELECT segment, live, dead, free, slot_bytes / 8192 AS slot_pages FROM zvec_segments('wide') ORDER BY 1;
END
is "TABLE wide_segments" "0|3000|0|1000|12"
zvec_result $? "slots: a segment with 12 slot pages"

# 12 slot pages, and a capacity of 3390, which takes 10
file=$ZVEC_SCRATCH/slots/data/$(psql -XAtqc "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class
    WHERE oid = 'wide'::regclass")
zvec_stop slots
# the segment's page is the file's second; its capacity stands at 52
printf '\x3e\x0d\x00\x00' | dd of="$file" bs=1 seek=$((8192 + 52)) conv=notrunc status=none
zvec_start slots || exit 1
is "TABLE wide_segments" "0|3000|0|390|12"
zvec_result $? "slots: the pages past the capacity hold no slots"
psql -Xqc "INSERT INTO wide SELECT i, vec(i) FROM generate_series(3001, 5000) i"
is "TABLE wide_segments" "0|3390|0|0|12
1|1610|0|85|5"
zvec_result $? "slots: a full segment is left for a new one"
is "TABLE wide_now" "5000|5000" && says_nothing "SELECT * FROM zvec_check('wide')"
zvec_result $? "slots: every vector is its row's"
psql -Xqc "DELETE FROM wide WHERE id % 2 = 0" -c "VACUUM wide" \
    -c "INSERT INTO wide SELECT i, vec(i) FROM generate_series(5001, 7500) i"
is "SELECT segment, live, free FROM wide_segments" "0|3390|0
1|1610|85"
zvec_result $? "slots: what VACUUM freed is used again"
is "TABLE wide_now" "5000|5000" && says_nothing "SELECT * FROM zvec_check('wide')"
zvec_result $? "slots: every vector is its row's still"

# grown NAME: as many rows as VACUUM found room for are inserted; no new slots may be made.
grown() {
    local slots
    slots="SELECT sum(slots) FROM zvec_segments('freed')"
    slots=$(psql -XAtqc "$slots")
    psql -Xqc "INSERT INTO freed SELECT i, vec(i) FROM generate_series(1, (SELECT sum(free)::int FROM zvec_segments('freed'))) i"
    is "SELECT sum(slots), sum(free) FROM zvec_segments('freed')" "$slots|0" &&
        says_nothing "SELECT * FROM zvec_check('freed')" "SELECT id FROM freed WHERE v <> vec(id)"
    zvec_result $? "slots: $1"
}

# VACUUM frees slots and lowers the hints; the crash brings the segment page's old hint back, and replay the free slots
psql -Xqb -v ON_ERROR_STOP=1 -c "CREATE TABLE freed (id int, v zvec(3)) USING zvec" \
    -c "INSERT INTO freed SELECT i, vec(i) FROM generate_series(1, 10000) i" -c "VACUUM freed" -c "CHECKPOINT" \
    -c "DELETE FROM freed WHERE id <= 4000" -c "VACUUM freed" || exit 1
is "SELECT live, free >= 4000 FROM zvec_segments('freed')" "6000|t"
zvec_result $? "slots: VACUUM frees them"
crash slots immediate || exit 1
psql -Xqc "VACUUM freed"
grown "free slots that were made before a crash are used after the next VACUUM"

# the same for a slot page's hint: that of the first one says that all is taken
psql -Xqb -c "DELETE FROM freed WHERE id % 3 = 0" -c "VACUUM freed"
file=$ZVEC_SCRATCH/slots/data/$(psql -XAtqc "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class
    WHERE oid = 'freed'::regclass")
zvec_stop slots
# the file's third page is the segment's first slot page
[ "$(od -An -tx1 -j $((2 * 8192 + 28)) -N 1 "$file")" = " 03" ] || zvec_result 1 "slots: the third page is a slot page"
printf '\x53\x01' | dd of="$file" bs=1 seek=$((2 * 8192 + 8176)) conv=notrunc status=none
zvec_start slots || exit 1
psql -Xqc "VACUUM freed"
grown "free slots that their page's hint hides are used after the next VACUUM"

# a vector that is lost is an error to CLUSTER, also where it sorts, and where the row has been locked
psql -Xqb -v ON_ERROR_STOP=1 -c "CREATE TABLE lost (id int PRIMARY KEY, v zvec(3)) USING zvec" \
    -c "INSERT INTO lost SELECT i, vec(i) FROM generate_series(1, 1000) i" || exit 1
file=$ZVEC_SCRATCH/slots/data/$(psql -XAtqc "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class
    WHERE oid = 'lost'::regclass")
zvec_stop slots
# the state of the first slot, which is the first row's: free
printf '\x00\x00' | dd of="$file" bs=1 seek=$((2 * 8192 + 40 + 22)) conv=notrunc status=none
zvec_start slots || exit 1
for by_index in on off; do
    psql -XAtqc "SET enable_indexscan = $by_index" \
        -c "BEGIN; SELECT FROM lost WHERE id = 1 FOR UPDATE; CLUSTER lost USING lost_pkey; COMMIT" 2>&1 |
        grep -q 'is not in its vector store'
    zvec_result $? "slots: CLUSTER tells of the lost vector of a locked row (enable_indexscan $by_index)"
done

zvec_log_is_clean slots
zvec_result $? "slots: the server's log is clean"
