# The measurements of run.sh, which sources this file: every function takes the input's name from `input`. Runs of the
# heap table and the zvec table alternate, so that a slow minute of the machine slows both.
# A heap table and a zvec table are called NAME_heap and NAME_zvec; see setup.sql for the tables of results.

sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

# timed AM WHAT STATEMENT...: the statements' time together.
timed() {
    local am=$1 what=$2
    shift 2
    { echo "SELECT clock_timestamp() AS started \\gset"
        printf '%s;\n' "$@"
        echo "INSERT INTO runs (input, what, am, ms) VALUES
            (:'input', :'what', :'am', 1000 * extract(epoch FROM clock_timestamp() - :'started'));"
    } | sql -v input="$input" -v am="$am" -v what="$what"
}

# record AM WHAT MS
record() {
    echo "INSERT INTO runs (input, what, am, ms) VALUES (:'input', :'what', :'am', :ms)" |
        sql -v input="$input" -v am="$1" -v what="$2" -v ms="$3"
}

# together STATEMENT...: runs each in a session of its own, at once; prints the time from the first one's start to the
# last one's end.
together() {
    local statement now="SELECT extract(epoch FROM clock_timestamp())"
    {
        for statement; do
            sql -At -c "$now" -c "$statement" -c "$now" &
        done
        wait
    } | sort -n | awk -v lines=$((2 * $#)) 'NR == 1 { start = $1 } END { print 1000 * ($1 - start); exit NR != lines }'
}

# copy_in AM WHAT FILE...: one session for each file, into an empty table without indexes.
copy_in() {
    local am=$1 what=$2 ms file statements=()
    shift 2
    for file; do
        statements+=("COPY items_$am FROM '$file' (FORMAT binary)")
    done
    sql -c "TRUNCATE items_$am" -c "CHECKPOINT" && ms=$(together "${statements[@]}") && record "$am" "$what" "$ms"
}

# How much work two sessions do in the time of one where they share nothing, at best: what the machine can give.
measure_machine() {
    local run work="DO 'BEGIN FOR i IN 1..3000000 LOOP END LOOP; END'"
    for run in 1 2 3 4 5; do
        together "$work" && together "$work" "$work" || return 1
    done | awk 'NR % 2 && (!one || $1 < one) { one = $1 } NR % 2 == 0 && (!two || $1 < two) { two = $1 }
        END { printf "%.2f", 2 * one / two }'
}

# Loads, deletes, vacuums and rewrites, RUNS times; leaves items_* full, vacuumed and with a primary key.
measure_loads() {
    local run am
    sql -c "CALL make_tables('items')" || return 1
    for ((run = 1; run <= $1; run++)); do
        for am in heap zvec; do
            echo "  load, delete, vacuum: run $run of $1, $am" >&2
            sql -c "ALTER TABLE items_$am DROP CONSTRAINT IF EXISTS items_${am}_pkey" &&
                copy_in $am "binary COPY in, 2 sessions, the same rows in halves" "$files/half0" "$files/half1" &&
                copy_in $am "binary COPY in, 1 session" "$files/all" &&
                sql -c "ALTER TABLE items_$am ADD PRIMARY KEY (id)" -c "VACUUM items_$am" -c "CHECKPOINT" &&
                timed $am "DELETE of 30% of the rows" "DELETE FROM items_$am WHERE id % 10 < 3" &&
                timed $am "VACUUM after that, TOAST included" "VACUUM items_$am" &&
                sql -c "CHECKPOINT" && timed $am "VACUUM FULL after that" "VACUUM FULL items_$am" || return 1
        done
    done
}

# Fresh, full, vacuumed tables with a primary key, for what only reads; their size.
load_for_reading() {
    local am
    sql -c "CALL make_tables('items')" || return 1
    for am in heap zvec; do
        sql -c "COPY items_$am FROM '$files/all' (FORMAT binary)" -c "ALTER TABLE items_$am ADD PRIMARY KEY (id)" \
            -c "CHECKPOINT" -c "VACUUM (FREEZE, ANALYZE) items_$am" || return 1
    done
    sql -c "CALL measure_size('$input')" -c "CHECKPOINT"
}

measure_scans() {
    echo "  scans" >&2
    local serial="SET max_parallel_workers_per_gather = 0; SET pg_zvec.query_threads = 0"
    sql -c "$serial" -c "CALL measure_query('$input', 'count(*)', 'SELECT count(*) FROM %s', 50)" \
        -c "CALL measure_query('$input', 'count(*) with a filter on a scalar',
            'SELECT count(*) FROM %s WHERE label = 3', 50)"
}

# measure_knn WORKERS HOW
measure_knn() {
    echo "  exact KNN, $2" >&2
    sql -c "CALL measure_knn('$input', 'exact KNN top 10 by L2, $2', '<->', $1)" \
        -c "CALL measure_knn('$input', 'exact KNN top 10 by cosine, $2', '<=>', $1)"
}

# bench_client AM WHAT SECONDS SCRIPT: pgbench, one client, prepared statements.
bench_client() {
    local tps
    printf '%s\n' "$4" >"$ZVEC_SCRATCH/script"
    tps=$(PGOPTIONS="$PGOPTIONS -c synchronous_commit=off" pgbench -n -M prepared -c 1 -T "$3" \
        -f "$ZVEC_SCRATCH/script" 2>"$ZVEC_SCRATCH/pgbench.err" | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
    if ! [[ $tps =~ ^[1-9] ]] || grep -q ERROR "$ZVEC_SCRATCH/pgbench.err"; then
        cat "$ZVEC_SCRATCH/pgbench.err" >&2
        return 1
    fi
    record "$1" "$2" "$(awk "BEGIN { print 1000 / $tps }")"
}

# measure_clients RUNS SECONDS: lookups by primary key; then INSERT of one row a transaction, from rows of a table whose
# vectors are stored inline (`feed`, a heap table), so that both tables are handed the same bytes by the same plan.
measure_clients() {
    local run am rows
    rows=$(sql -Atc "SELECT count(*) FROM items_zvec") && sql -c "CALL make_tables('inserted')" || return 1
    for ((run = 1; run <= $1; run++)); do
        echo "  pgbench: run $run of $1" >&2
        for am in heap zvec; do
            bench_client $am "index lookup by primary key" "$2" "\\set id random(1, $rows)
SELECT label, note FROM items_$am WHERE id = :id;" || return 1
        done
        for am in heap zvec; do
            sql -c "TRUNCATE inserted_$am" -c "CHECKPOINT" &&
                bench_client $am "single-row INSERT transactions" "$2" "\\set id random(1, 1000)
INSERT INTO inserted_$am SELECT id, label, note, v FROM feed WHERE id = :id;" || return 1
        done
    done
}

# A CHECKPOINT comes before each VACUUM: with synchronous_commit = off VACUUM takes no row for visible to all whose
# commit has not reached the disk, and the table loaded last would be at a disadvantage.
#
# measure_updates WHAT LOG RUNS: 10,000 rows of updated_*, all runs alike: VACUUM has made the room before. The first,
# not timed, tells how many rows were updated HOT and what it wrote to the log.
measure_updates() {
    local run am update
    echo "  $1" >&2
    for am in heap zvec; do
        sql -c "INSERT INTO updated_$am SELECT id, label, note, v FROM source WHERE id <= 10000" \
            -c "CHECKPOINT" -c "VACUUM ANALYZE updated_$am" -c "CHECKPOINT" || return 1
        sql -v input="$input" -v what="$2" -v am=$am <<SQL || return 1
SELECT pg_current_wal_insert_lsn() AS first \\gset
BEGIN;
UPDATE updated_$am SET label = label + 1;
SELECT n_tup_hot_upd AS hot FROM pg_stat_xact_user_tables WHERE relid = 'updated_$am'::regclass \\gset
COMMIT;
SELECT pg_current_wal_insert_lsn() AS last \\gset
CALL measure_log(:'input', :'what', :'am', :hot, :'first', :'last');
SQL
    done
    for ((run = 1; run <= $3; run++)); do
        for am in heap zvec; do
            sql -c "CHECKPOINT" -c "VACUUM updated_$am" -c "CHECKPOINT" &&
                timed $am "$1" "UPDATE updated_$am SET label = label + 1" || return 1
        done
    done
}
