#!/usr/bin/env bash
# Errors of the server in the midst of reads, as when memory runs out: one at a time, wherever a page is pinned again. They
# are reported, and the session goes on: what it remembers is as good as before, so its later reads, writes and searches do
# what they do for a heap table.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
# an installation of its own, also under `make check`
unset ZVEC_BINDIR
zvec_begin read-errors-test
. regress/crash/lib.bash

build_with_failpoints
zvec_result $? "read-errors: the library with failpoints is built"
zvec_start main "autovacuum = off" "pg_zvec.background_drain = off" "max_parallel_workers_per_gather = 0" "pg_zvec.query_threads = 0"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
CREATE FUNCTION v(i integer) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS 'SELECT array_agg((i * (j + 3) % 101)::real)::zvec FROM generate_series(1, 300) j';
CREATE TABLE m (id integer PRIMARY KEY, tag integer, e zvec(300));
INSERT INTO m SELECT i, 0, v(i) FROM generate_series(1, 400) i;
CREATE TABLE graph (LIKE m) USING zvec;
CREATE TABLE flat (LIKE m) USING zvec;
CREATE TABLE exact (LIKE m) USING zvec;
CREATE PROCEDURE fill(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I SELECT * FROM m ORDER BY id', name);
    EXECUTE format('CREATE UNIQUE INDEX ON %I (id)', name);
    EXECUTE format('CREATE INDEX ON %I (tag)', name);
    EXECUTE format('ANALYZE %I', name);
END $$;
CALL fill('graph');
CALL fill('flat');
CALL fill('exact');
CREATE INDEX graph_e ON graph USING zvec_hnsw (e zvec_l2_ops) INCLUDE (tag);
CREATE INDEX flat_e ON flat USING zvec_flat (e zvec_l2_ops);
INSERT INTO m SELECT i, 0, v(i) FROM generate_series(401, 440) i;
INSERT INTO graph SELECT * FROM m WHERE id > 400;
INSERT INTO flat SELECT * FROM m WHERE id > 400;
INSERT INTO exact SELECT * FROM m WHERE id > 400;

-- Whether the tables are as m is, for this session.
CREATE PROCEDURE verify() LANGUAGE plpgsql AS $$
DECLARE
    name text;
    found text;
    wrong bigint;
BEGIN
    FOREACH name IN ARRAY ARRAY['graph', 'flat', 'exact'] LOOP
        EXECUTE format('SELECT count(*) FROM %I t FULL JOIN m ON t.id = m.id WHERE t.id IS NULL OR m.id IS NULL
            OR t.tag <> m.tag OR t.e <> m.e OR t.e <-> v(7) <> m.e <-> v(7)', name) INTO wrong;
        IF wrong > 0 THEN RAISE WARNING '%: % rows are wrong', name, wrong; END IF;
        PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true);
        EXECUTE format('SELECT count(*) FROM (SELECT id, row_number() OVER () r, e <-> v(7) d FROM %I ORDER BY e <-> v(7)) t
            FULL JOIN (SELECT id, e <-> v(7) d FROM m) m ON t.id = m.id WHERE t.d IS DISTINCT FROM m.d', name) INTO wrong;
        IF wrong > 0 THEN RAISE WARNING '%: % rows in order are wrong', name, wrong; END IF;
        FOR found IN EXECUTE format('SELECT c::text FROM zvec_check(%L) c', name) LOOP RAISE WARNING '%: %', name, found; END LOOP;
    END LOOP;
END $$;
SQL
zvec_result $? "read-errors: tables"

# Statements, each with how it is done to m, if it changes anything.
statements() {
    cat <<'END'
distances|SELECT sum(e <-> v(7)) FROM @|
distances of two tables|SELECT sum(g.e <-> x.e) FROM graph g JOIN @ x USING (id)|
distances in a sort|SELECT id FROM (SELECT * FROM @ OFFSET 0) x ORDER BY e <=> v(3)|
values|SELECT length(e::text) FROM @|
nearest|SELECT id FROM @ ORDER BY e <-> v(9) LIMIT 20|
nearest of some|SELECT id FROM @ WHERE tag < 1 AND id % 3 = 0 ORDER BY e <-> v(9) LIMIT 20|
nearest of those known|SELECT id FROM @ WHERE id % 40 = 0 AND tag = 0 ORDER BY e <-> v(9) LIMIT 20|
nearest of those that an index finds|SELECT id FROM @ WHERE id < 9 ORDER BY e <-> v(9) LIMIT 20|
all in order|SELECT id FROM @ ORDER BY e <-> v(9)|
a cursor|DO $$ DECLARE c CURSOR FOR SELECT id FROM @ ORDER BY e <-> v(9); i integer; BEGIN OPEN c; FOR j IN 1..50 LOOP FETCH c INTO i; END LOOP; END $$|
a block|DO $$ BEGIN PERFORM sum(e <-> v(7)) FROM @; EXCEPTION WHEN internal_error THEN RAISE; END $$|
check|SELECT zvec_check('@')|
segments|SELECT zvec_segments('@')|
prewarm|SELECT zvec_prewarm('@')|
insert|INSERT INTO @ SELECT i, 0, v(i) FROM generate_series(1001, 1020) i|DELETE FROM @ WHERE id > 1000
update|UPDATE @ SET e = v(id + 1) WHERE id % 9 = 0|UPDATE @ SET e = v(id) WHERE id % 9 = 0
update of others|UPDATE @ SET tag = tag + 1|UPDATE @ SET tag = 0
delete|DELETE FROM @ WHERE id % 9 = 0|INSERT INTO @ SELECT i, 0, v(i) FROM generate_series(1, 440) i WHERE NOT EXISTS (SELECT FROM @ t WHERE t.id = i)
vacuum|VACUUM @|
reindex|REINDEX TABLE @|
rewrite|VACUUM FULL @|
END
}

# One session for all. Each statement fails at its first, 2nd, 5th, ... pin, until there are no so many. In every other run
# zvec.optimistic_reads is off: then the server is asked for pins that are otherwise taken past it.
number=0
while IFS='|' read -r name body back; do
    for table in graph flat exact; do
        for pass in 1 2 3 7 20 60 200; do
            number=$((number + 1))
            printf '\\warn == %s|%s|%s\n' "$name" "$table" "$pass"
            [ $((number % 2)) = 0 ] || echo "SET zvec.optimistic_reads = off;"
            echo "SET pg_zvec.failpoint = 'pin.recent:$pass $number'; ${body//@/$table};"
            printf '\\warn =\n'
            echo "RESET pg_zvec.failpoint; RESET zvec.optimistic_reads; ${back:+${back//@/$table};}"
            # quick after each, thorough now and then
            echo "SELECT 1 / (abs((SELECT sum(e <-> v(7)) FROM $table) - (SELECT sum(e <-> v(7)) FROM m)) < 0.001)::integer \\g /dev/null"
            [ $((number % 7)) != 0 ] || echo "CALL verify();"
        done
    done
done < <(statements) >"$ZVEC_SCRATCH/runs.sql"
{
    echo "SELECT sum(e <-> v(7)) FROM graph \\g /dev/null"
    cat "$ZVEC_SCRATCH/runs.sql"
    echo "SET statement_timeout = 100; SELECT pg_sleep(20);"
} | timeout 500 psql -Xq -o /dev/null -v VERBOSITY=terse -v SHOW_CONTEXT=never >/dev/null 2>"$ZVEC_SCRATCH/result"
awk -F'|' '
    /^== / { sub(/^== /, ""); run = $0; name = $1; names[name]; during = 1; next }
    /^=$/ { during = 0; next }
    during && /invalid memory alloc request size/ { failures[name]++; next }
    # VACUUM names the table whose slots it did not get through
    during && /WARNING: .* the vectors of table "[^"]*" could not be vacuumed/ { next }
    /canceling statement due to statement timeout/ { ended = 1; next }
    { print run ": " $0; bad[name]++ }
    END {
        for (name in names) print (bad[name] || !failures[name] ? "not ok" : "ok") " read-errors: " name " (" failures[name] + 0 " failures)"
        print (ended ? "ok" : "not ok") " read-errors: the session can be cancelled at the end" }
' "$ZVEC_SCRATCH/result" | awk '/^(not )?ok/ || ++other < 40'
zvec_log_is_clean main
zvec_result $? "read-errors: the server's log"
