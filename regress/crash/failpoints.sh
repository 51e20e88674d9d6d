#!/usr/bin/env bash
# Errors between any two steps of the write paths. A library with the feature `failpoints`, in an installation of this
# test's own, raises them where a session asks for it (src/pg/failpoint.rs). Each statement runs first to tell which
# points it comes by, then once for each of them: the error is reported, the session goes on, rows and vectors are those
# of a heap table, nothing is left that VACUUM does not free. `ALL=1` tries each point in every context and at every
# pass, which takes longer.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
# an installation of its own, also under `make check`
unset ZVEC_BINDIR
zvec_begin failpoints-test
. regress/crash/lib.bash

# The statements: name, preparation, body. @ is the table's name, %am its access method.
statements() {
    cat <<END
insert||INSERT INTO @ (id, tag, n, e) VALUES (101, 1, 1, v(101, 1))
published insert|%pub|INSERT INTO @ VALUES (101, 1, 1, '[1,2,3,4,5,6]', '[1,2,3]')
published insert long|%pub; %note|INSERT INTO @ (id, tag, n, e, note) SELECT 101, 1, 1, numbers, repeat('x', 5000) FROM base
published insert many|%pub; %note|INSERT INTO @ (id, tag, n, e, note) SELECT i, i, 1, ARRAY[i]::zvec, repeat('x', 3000) FROM generate_series(101, 160) i
published copy|%pub|COPY @ FROM '$files/rows' (FORMAT binary)
published update vector|%pub|UPDATE @ SET e = v(id, 2), n = 2
published update key|%pub; UPDATE @ SET n = n|UPDATE @ SET tag = tag + 1
published update full|%pub; %note; UPDATE @ SET note = repeat('x', 5000); ALTER TABLE @ REPLICA IDENTITY FULL|UPDATE @ SET note = repeat('y', 5000), e = v(id, 2) WHERE id < 5
published update matched twice|%pub; UPDATE @ SET n = n|UPDATE @ SET e = '[1,1]' FROM (VALUES (1), (2)) x (y) WHERE id < 4
published delete|%pub; %note; UPDATE @ SET note = repeat('x', 5000); ALTER TABLE @ REPLICA IDENTITY FULL|DELETE FROM @ WHERE id % 3 = 1
published, on conflict update|%pub; UPDATE @ SET n = n|INSERT INTO @ SELECT i, i, 3, v(i, 3), '[4,5,6]' FROM generate_series(8, 16) i ON CONFLICT (id) DO UPDATE SET (n, e, tag) = (3, excluded.e, @.tag)
published, on conflict lost|%pub; %note; DROP INDEX @_id; CREATE INDEX ON @ (rival('@', id)); CREATE UNIQUE INDEX @_id ON @ (id); ALTER TABLE @ REPLICA IDENTITY USING INDEX @_id; SET test.rival = on|INSERT INTO @ VALUES (101, 1, 1, '[1,2]', '[1,2,3]', repeat('x', 5000)) ON CONFLICT (id) DO NOTHING
published, vacuum full|%pub; %note; UPDATE @ SET note = repeat('x', 5000); DELETE FROM @ WHERE id % 3 = 1; UPDATE @ SET e = '[1,1]' WHERE id % 3 = 0|VACUUM FULL @
published, rewrite|%pub; UPDATE @ SET n = n|ALTER TABLE @ ALTER n TYPE integer USING n + 0
insert long||INSERT INTO @ (id, tag, n, e) SELECT 101, 1, 1, numbers FROM base
insert two vectors||INSERT INTO @ VALUES (101, 1, 1, '[1,2,3,4,5,6]', '[1,2,3]')
insert rows||INSERT INTO @ SELECT i, i, 1, v(i, 1), '[4,5,6]' FROM generate_series(101, 130) i
insert many||INSERT INTO @ (id, tag, n, e) SELECT i, i, 1, ARRAY[i]::zvec FROM generate_series(101, 900) i
copy||COPY @ FROM '$files/rows' (FORMAT binary)
update vector||UPDATE @ SET e = v(id, 2), n = 2
update vector and key||UPDATE @ SET e = v(id, 2), f = '[7,8,9]', tag = tag + 1
update vector, long||UPDATE @ SET e = (SELECT numbers FROM base) WHERE id < 3
update others||UPDATE @ SET n = 2
update key||UPDATE @ SET tag = tag + 1
update key of many|INSERT INTO @ (id, tag, n, e) SELECT i, i, 1, ARRAY[i]::zvec FROM generate_series(101, 1300) i|UPDATE @ SET tag = tag + 1
update key twice||BEGIN; UPDATE @ SET tag = tag + 1; UPDATE @ SET tag = tag + 1; COMMIT
update key in steps||BEGIN; UPDATE @ SET tag = tag + 1; SAVEPOINT c; UPDATE @ SET tag = tag + 1; RELEASE c; COMMIT
update to null||UPDATE @ SET e = NULL
update matched twice||UPDATE @ SET e = '[1,1]' FROM (VALUES (1), (2)) x (y) WHERE id < 4
delete||DELETE FROM @ WHERE id % 3 = 1
on conflict update||INSERT INTO @ SELECT i, i, 3, v(i, 3), '[4,5,6]' FROM generate_series(8, 16) i ON CONFLICT (id) DO UPDATE SET (n, e, tag) = (3, excluded.e, @.tag)
on conflict nothing||INSERT INTO @ SELECT i, i, 3, v(i, 3), '[4,5,6]' FROM generate_series(11, 14) i ON CONFLICT (id) DO NOTHING
on conflict lost|DROP INDEX @_id; CREATE INDEX ON @ (rival('@', id)); CREATE UNIQUE INDEX @_id ON @ (id); SET test.rival = on|INSERT INTO @ VALUES (101, 1, 1, '[1,2]', '[1,2,3]') ON CONFLICT (id) DO NOTHING
nested blocks||DO \$x\$ BEGIN BEGIN UPDATE @ SET tag = tag + 1; BEGIN PERFORM 1; EXCEPTION WHEN division_by_zero THEN NULL; END; EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'caught: %', SQLERRM; END; END \$x\$
vacuum|INSERT INTO @ (id, tag, n, e) SELECT i, i, 1, ARRAY[i]::zvec FROM generate_series(101, 900) i; UPDATE @ SET tag = tag + 1 WHERE id < 9; UPDATE @ SET e = '[1,1]' WHERE id % 3 = 0; DELETE FROM @ WHERE id % 3 = 1|VACUUM @
vacuum full|DELETE FROM @ WHERE id % 3 = 1; UPDATE @ SET e = '[1,1]' WHERE id % 3 = 0|VACUUM FULL @
cluster|DELETE FROM @ WHERE id % 3 = 1; UPDATE @ SET e = '[1,1]' WHERE id % 3 = 0|CLUSTER @ USING @_id
update and cluster||BEGIN; UPDATE @ SET e = v(id, 2), tag = tag + 1; CLUSTER @ USING @_id; COMMIT
truncate||TRUNCATE @
set tablespace||BEGIN; UPDATE @ SET tag = tag + 1; ALTER TABLE @ SET TABLESPACE elsewhere; COMMIT
set tablespace in steps||BEGIN; UPDATE @ SET tag = tag + 1; SAVEPOINT c; ALTER TABLE @ SET TABLESPACE elsewhere; RELEASE c; COMMIT
truncate taken back|ALTER TABLE @ SET (fillfactor = 100); INSERT INTO @ (id, tag, n, e) SELECT i, i, 1, ARRAY[i]::zvec FROM generate_series(101, 300) i|BEGIN; UPDATE @ SET n = n; SAVEPOINT c; TRUNCATE @; INSERT INTO @ SELECT i, i, 1, v(i, 1), '[4,5,6]' FROM generate_series(1, 9) i; UPDATE @ SET tag = tag + 1; ROLLBACK TO c; COMMIT
rewrite||ALTER TABLE @ ALTER n TYPE integer USING n + 0
create as||CREATE TABLE @x USING %am AS SELECT * FROM m
create unlogged||BEGIN; CREATE UNLOGGED TABLE @x (LIKE @) USING %am; INSERT INTO @x SELECT * FROM m; COMMIT
create and truncate||BEGIN; CREATE TABLE @x (LIKE @) USING %am; INSERT INTO @x SELECT * FROM m; TRUNCATE @x; INSERT INTO @x SELECT * FROM m WHERE id < 3; COMMIT
graph build||BEGIN; SELECT graph('@'); COMMIT
graph insert|SELECT graph('@')|INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 4, 2, 3]::zvec FROM generate_series(101, 103) i
graph first vectors|TRUNCATE @; SELECT graph('@')|INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 4, 2, 3]::zvec FROM generate_series(101, 103) i
graph insert drains|TRUNCATE @; SELECT graph('@', 2)|INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 4, 2, 3]::zvec FROM generate_series(101, 108) i
graph insert drains deleted|SELECT graph('@', 99); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 4, 2, 3]::zvec FROM generate_series(101, 140) i; DELETE FROM @ WHERE id % 2 = 0; SELECT graph('@', 2)|INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 4, 2, 3]::zvec FROM generate_series(201, 208) i
graph vacuum drains|SELECT graph('@'); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 9, i % 5, 3]::zvec FROM generate_series(101, 150) i; DELETE FROM @ WHERE id % 7 = 0|VACUUM @
graph vacuum drains in memory|SELECT graph('@'); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 9, i % 8, i % 7]::zvec FROM generate_series(101, 700) i; DELETE FROM @ WHERE id % 7 = 0|VACUUM @
graph vacuum drains into free nodes|SELECT graph('@'); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 8, i % 5]::zvec FROM generate_series(101, 900) i; VACUUM @; DELETE FROM @ WHERE id % 3 = 0; VACUUM @; INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 8, i % 5]::zvec FROM generate_series(901, 1130) i|VACUUM @
graph vacuum learns anew|TRUNCATE @; SELECT graph('@'); INSERT INTO @ (id, tag, n, f) VALUES (100, 1, 1, '[60,40,-40]'); VACUUM @; SELECT graph('@', 0); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 8, i % 5]::zvec FROM generate_series(101, 400) i; SELECT graph('@'); DELETE FROM @ WHERE id % 9 = 0; INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 8, i % 5]::zvec FROM generate_series(401, 420) i|VACUUM @
graph vacuum repairs|SELECT graph('@'); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 8, i % 5]::zvec FROM generate_series(101, 800) i; VACUUM @; DELETE FROM @ WHERE id % 3 = 0|VACUUM @
graph vacuum links anew|SELECT graph('@'); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 8, i % 5]::zvec FROM generate_series(101, 800) i; VACUUM @; DELETE FROM @ WHERE id % 6 <> 0|VACUUM @
graph vacuum repairs on pages|SET maintenance_work_mem = '1MB'; SELECT graph('@', 10000, 128); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 90, i % 8, i % 5]::zvec FROM generate_series(101, 1300) i; VACUUM @; DELETE FROM @ WHERE id < 400 OR id % 9 = 0; VACUUM @; DELETE FROM @ WHERE id % 3 = 0|VACUUM @
graph vacuum empties|SELECT graph('@'); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 2, i % 5]::zvec FROM generate_series(101, 160) i; VACUUM @; DELETE FROM @|VACUUM @
graph reindex|SELECT graph('@')|BEGIN; REINDEX TABLE @; COMMIT
graph truncate|SELECT graph('@')|TRUNCATE @
graph included build|UPDATE @ SET n = n|BEGIN; SELECT graph('@', included => 'INCLUDE (tag, n)'); COMMIT
graph included insert|SELECT graph('@', included => 'INCLUDE (tag, n)')|INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 4, 2, 3]::zvec FROM generate_series(101, 103) i
graph included first vectors|TRUNCATE @; SELECT graph('@', included => 'INCLUDE (n)')|INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 4, 2, 3]::zvec FROM generate_series(101, 103) i
graph included update|SELECT graph('@', included => 'INCLUDE (tag, n)')|UPDATE @ SET n = n + 1
graph included vacuum repairs|SELECT graph('@', included => 'INCLUDE (tag, n)'); INSERT INTO @ (id, tag, n, f) SELECT i, i, 1, ARRAY[i % 10, i % 8, i % 5]::zvec FROM generate_series(101, 800) i; VACUUM @; DELETE FROM @ WHERE id % 3 = 0|VACUUM @
END
}

# %pub publishes the table, so that vectors are logged for decoding; %note gives it a column of long texts
spelt() {
    local sql=${1//%pub/ALTER PUBLICATION p_@ SET TABLE @; ALTER TABLE @ ALTER id SET NOT NULL; ALTER TABLE @ REPLICA IDENTITY USING INDEX @_id}
    sql=${sql//%note/ALTER TABLE @ ADD note text; ALTER TABLE @ ALTER note SET STORAGE EXTERNAL}
    sql=${sql//@/$2}
    echo "${sql//%am/$3}"
}
of_t() { spelt "$1" t zvec; }
of_m() { spelt "$1" m heap; }

# run CONTEXT SETTING PREPARATION BODY: prints the SQL of one run, in which BODY is to fail.
# The settings before "armed" and after the failure leave the points alone.
run() {
    local setting=$2 pre="UPDATE @ SET tag = tag + 1, e = v(id, 8) WHERE id % 4 = 1" body=$4
    echo "CALL fresh();"
    [ -z "$3" ] || printf '%s;\n%s;\n' "$(of_m "$3")" "$(of_t "$3")"
    case $1 in
    alone)
        echo "SET pg_zvec.failpoint = '$setting';"
        of_t "$body;"
        # rolls back what the failure has left
        case $body in BEGIN\;*) [ "$setting" = trace ] || echo "ROLLBACK;" ;; esac
        echo "RESET pg_zvec.failpoint;"
        [ "$setting" != trace ] || printf 'SET test.rival = on;\n%s;\n' "$(of_m "$body")"
        echo "SET test.rival = off;"
        ;;
    savepoint | prepared)
        echo "BEGIN; $(of_t "$pre"); $(of_m "$pre"); SAVEPOINT a; SET LOCAL pg_zvec.failpoint = '$setting';"
        # a subtransaction begins: what waits is written
        echo "$(of_t "$body"); SAVEPOINT b; RELEASE b; ROLLBACK TO a;"
        echo "SET LOCAL test.rival = off; $(of_t "$body"); $(of_m "$body");"
        if [ "$1" = savepoint ]; then echo "COMMIT;"; else echo "PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p';"; fi
        ;;
    block)
        echo "DO \$do\$ BEGIN $(of_t "$pre"); $(of_m "$pre"); BEGIN"
        echo "PERFORM set_config('pg_zvec.failpoint', '$setting', true); EXECUTE \$e\$$(of_t "$body")\$e\$;"
        echo "EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'caught: %', SQLERRM; END;"
        echo "PERFORM set_config('pg_zvec.failpoint', '', true); PERFORM set_config('test.rival', 'off', true);"
        [ "$setting" = trace ] || echo "EXECUTE \$e\$$(of_t "$body")\$e\$; EXECUTE \$e\$$(of_m "$body")\$e\$;"
        echo "END \$do\$;"
        ;;
    esac
}

contexts_of() {
    case $1 in
    VACUUM* | BEGIN*) echo alone ;;
    DO*) echo alone ;;
    *) echo alone savepoint block prepared ;;
    esac
}

psql_run() {
    timeout 300 psql -Xq -d "$1" -v VERBOSITY=terse -v SHOW_CONTEXT=never >/dev/null 2>"$2"
}

build_with_failpoints
zvec_result $? "failpoints: the library with failpoints is built"
crash_cluster failpoints "wal_level = logical" "autovacuum = off" "pg_zvec.background_drain = off" "max_prepared_transactions = 10" &&
    psql -Xqb -v ON_ERROR_STOP=1 -f "$ZVEC_CRASH/failpoints.sql"
zvec_result $? "failpoints: the server starts"
psql -Xq -o /dev/null -c "CREATE PUBLICATION p_t" -c "CREATE PUBLICATION p_m" -c "SELECT pg_create_logical_replication_slot('all', 'pgoutput')"
files=$ZVEC_SCRATCH/failpoints
psql -Xq -v ON_ERROR_STOP=1 <<SQL
COPY (SELECT i, i, 1, v(i, 1), '[4,5,6]'::zvec FROM generate_series(101, 140) i) TO '$files/rows' (FORMAT binary);
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE elsewhere LOCATION '';
SQL
work=$ZVEC_SCRATCH

# Which points does each statement come by, and how often?
while IFS='|' read -r name preparation body; do
    for context in $(contexts_of "$body"); do
        printf '\\warn == %s|%s\n' "$name" "$context"
        run "$context" trace "$preparation" "$body"
        [ "$context" = block ] || echo "CALL verify_locks(); CALL verify(false); VACUUM t; CALL verify(true);"
    done
done >"$work/trace.sql" < <(statements | grep -E "${ONLY:-}")
psql_run postgres "$work/trace" <"$work/trace.sql"
awk -F'|' '/^== / { sub(/^== /, ""); run = $0; next }
    /failpoint / { sub(/.*failpoint /, ""); if (!n[run "|" $0]++) order[++runs] = run "|" $0; next }
    { print "without an error: " run ": " $0 >"/dev/stderr" }
    END { for (i = 1; i <= runs; i++) print order[i] "|" n[order[i]] }' "$work/trace" >"$work/passes" 2>"$work/surprises"
[ ! -s "$work/surprises" ] || head -n 20 "$work/surprises"
[ ! -s "$work/surprises" ]
zvec_result $? "failpoints: without an error the statements do what they do to a heap table"
points=$(grep -rhoE '\bhit\(("|if )[^)]*\)' src | grep -oE '"[^"]+"' | tr -d '"' | sort -u)
unreached=$(comm -23 <(echo "$points") <(cut -d'|' -f3 "$work/passes" | sort -u))
[ -n "$points" ] && [ -z "$unreached" ]
zvec_result $? "failpoints: each of the $(wc -l <<<"$points") points is reached${unreached:+, but for $(tr '\n' ' ' <<<"$unreached")}"

# The runs: name, context, point, pass, whether it panics. Of savepoint, block and prepared each point of a statement has
# one, in turns.
awk -F'|' -v all="${ALL:-}" '
    all { for (i = 1; i <= $4 && i <= 40; i++) print $1 "|" $2 "|" $3 "|" i "|"; next }
    # levels are random: these may be passed or not
    $1 ~ /^graph .*(drains|repairs)/ && $3 ~ /^(index.extended|index.grown|repair.entry)$/ { next }
    $2 == "alone" {
        print $1 "|" $2 "|" $3 "|1|"
        # how many nodes of a graph are linked how varies a little
        last = $1 ~ /^graph/ ? int($4 / 2) : $4
        if (last > 1) print $1 "|" $2 "|" $3 "|" last "|"
        if (!panicked[$3]++) print $1 "|" $2 "|" $3 "|1|:panic"
        next
    }
    { key = $1 "|" $3; if (!(key in count)) keys[++n] = key; context[key, ++count[key]] = $2 }
    END { for (i = 1; i <= n; i++) {
        split(keys[i], part, "|")
        print part[1] "|" context[keys[i], 1 + i % count[keys[i]]] "|" part[2] "|1|" (i % 5 ? "" : ":panic")
    } }' "$work/passes" >"$work/runs"

declare -A preparation_of body_of
while IFS='|' read -r name preparation body; do
    preparation_of[$name]=$preparation
    body_of[$name]=$body
done < <(statements)
psql -Xqc "CREATE DATABASE other TEMPLATE postgres" -d template1
zvec_result $? "failpoints: a second database"
number=0
while IFS='|' read -r name context point pass panic; do
    number=$((number + 1))
    {
        printf '\\warn == %s|%s|%s|%s|%s\n' "$name" "$context" "$point" "$pass" "$panic"
        run "$context" "$point:$pass$panic $number" "${preparation_of[$name]}" "${body_of[$name]}" |
            sed "s/ 'p'/ 'p$((number % 2))'/g"
        echo "CALL verify_locks(); CALL verify(false);"
        # vectors come into what the failure has left, before a repair has seen it
        case $name in graph*) echo "CALL churn(5); CALL verify(false);" ;; esac
        echo "VACUUM t; CALL verify(true);"
        case $name in
        graph*) echo "CALL churn(5); CALL verify(false); VACUUM t; CALL churn(10000); VACUUM t; CALL verify(true);" ;;
        esac
    } >>"$work/runs.$((number % 2)).sql"
done <"$work/runs"
# nothing holds interrupts back
for half in 0 1; do
    printf '%s\n' '\warn == at the end' "SET statement_timeout = 100;" "SELECT pg_sleep(20);" >>"$work/runs.$half.sql"
done
psql_run other "$work/result.0" <"$work/runs.0.sql" &
psql_run postgres "$work/result.1" <"$work/runs.1.sql"
wait $!

# Each run says that it failed, once, and nothing else but that its transaction is over.
cat "$work/result.0" "$work/result.1" >"$work/result"
awk -F'|' -v problems="$work/problems" '
    function finish() {
        if (run != "" && run != "at the end" && failed != 1) problem("failed " failed " times")
    }
    function problem(what) { print run ": " what >problems; bad[name]++ }
    /^== / { finish(); sub(/^== /, ""); run = $0; name = $1; expected = "failpoint \"" $3 "\" " ($5 == "" ? "was hit" : "panics")
        runs[name]++; failed = 0; next }
    run == "at the end" { if (/canceling statement due to statement timeout/) ended++; else problem($0); next }
    index($0, expected) { failed++; next }
    /current transaction is aborted|there is no transaction in progress|savepoint "c" does not exist/ { next }
    # VACUUM names the table whose slots it did not get through
    /WARNING: .* the vectors of table "t" could not be vacuumed/ { next }
    # a graph that does not fit into memory keeps its codes whatever comes
    name == "graph vacuum repairs on pages" && /NOTICE: .* fit its vectors badly/ { next }
    { problem($0) }
    END { finish(); close(problems)
        for (name in runs) if (name != "at the end")
            print (bad[name] ? "not ok" : "ok") " failpoints: " name " (" runs[name] " failures)"
        print (ended == 2 ? "ok" : "not ok") " failpoints: both sessions come to their end and can be cancelled" }
' "$work/result" | sort
[ ! -s "$work/problems" ] || head -n 60 "$work/problems"
[ "$(grep -c '^== ..*|' "$work/result")" = $number ]
zvec_result $? "failpoints: all $number runs took place"

# What was logged of rows that failed leaves nothing that decoding stumbles over.
sent=$(psql -XAtq -c "SELECT count(*) > 1000, count(*) FILTER (WHERE get_byte(data, 0) = ascii('D')) > 10
    FROM pg_logical_slot_get_binary_changes('all', NULL, NULL, 'proto_version', '1', 'publication_names', 'p_t')" 2>&1)
[ "$sent" = "t|t" ] || [[ -n "${ONLY:-}" && $sent =~ ^[tf].[tf]$ ]] || { echo "$sent"; false; }
zvec_result $? "failpoints: all that was logged is decoded"

# A repair that VACUUM leaves to the background worker, and that fails there, or ends with the server: the next insert has it
# done.
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE worked (id int, v zvec(3)) USING zvec;
INSERT INTO worked SELECT i, ARRAY[i % 101, i % 97, i % 89]::real[] FROM generate_series(1, 12000) i;
CREATE INDEX worked_v ON worked USING zvec_hnsw (v);
SQL
# until CONDITION: waits for it, 20 seconds at the most
until_true() {
    local i
    for ((i = 0; i < 200; i++)); do
        [ "$(psql -XAtqc "SELECT $1" 2>&1)" = t ] && return 0
        sleep 0.1
    done
    echo "  never came: $1" && false
}
dead="(SELECT sum(dead) FROM zvec_index_stats('worked_v'))"
no_worker="NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_zvec drain')"
sound="(SELECT count(*) = 0 FROM zvec_check('worked'))"
number=0
for end in repair.adopt repair.linked repair.done immediate; do
    number=$((number + 1))
    point=$end
    [ $end != immediate ] || point=repair.linked
    # equal vectors, so that dead heads of chains have live twins
    psql -Xq -v ON_ERROR_STOP=1 -c "ALTER DATABASE postgres SET pg_zvec.failpoint = '$point:1 worker $number'" \
        -c "INSERT INTO worked SELECT -i, '[1,2,3]' FROM generate_series(1, 100) i" -c "VACUUM worked" \
        -c "DELETE FROM worked WHERE id % 5 IN ($number, $(((number + 1) % 5))) OR id BETWEEN -50 AND -1" \
        -c "SET pg_zvec.failpoint = ''" -c "SET pg_zvec.background_drain = on" -c "VACUUM worked"
    until_true "$no_worker" && if [ $end = repair.done ]; then until_true "$dead = 0"; else until_true "$dead > 4000"; fi &&
        until_true "$sound" &&
        if [ $end = immediate ]; then zvec_stop failpoints immediate && zvec_start failpoints; fi &&
        psql -Xq -c "ALTER DATABASE postgres RESET pg_zvec.failpoint" &&
        psql -Xq -c "SET pg_zvec.background_drain = on" -c "INSERT INTO worked VALUES (0, '[1,2,3]')" &&
        until_true "$dead = 0" && until_true "$no_worker" && until_true "$sound"
    zvec_result $? "failpoints: a worker's repair that ends at $end is done by the next"
    psql -Xq -c "INSERT INTO worked SELECT i, ARRAY[i % 101, i % 97, i % 89]::real[] FROM generate_series(1, 12000) i
        WHERE NOT EXISTS (SELECT FROM worked WHERE id = i)" -c "VACUUM worked"
done
zvec_log_is_clean failpoints
zvec_result $? "failpoints: the server's log is clean"
