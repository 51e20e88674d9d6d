#!/usr/bin/env bash
# A session that runs out of memory, at whatever allocation: an error, the server stays up, nothing is left behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin memory-test
. regress/crash/lib.bash
crash_cluster memory "autovacuum = off" "max_parallel_workers_per_gather = 0" "pg_zvec.query_threads = 0"
zvec_result $? "memory: the server starts"
rows=$ZVEC_SCRATCH/memory/rows
psql -Xq -v ON_ERROR_STOP=1 <<SQL
CREATE TABLE big (id integer, ver integer, e zvec) USING zvec;
INSERT INTO big SELECT 16 * i, 1, v(16 * i, 1) FROM generate_series(1, 1000) i;
COPY big TO '$rows' (FORMAT binary);
SQL

# with_room KILOBYTES STATEMENT: runs it in a session that may take that much more memory than it has.
with_room() {
    local to output pid size client i
    mkfifo "$ZVEC_SCRATCH/in"
    psql -XAtq -v VERBOSITY=verbose <"$ZVEC_SCRATCH/in" >"$ZVEC_SCRATCH/out" 2>&1 &
    client=$!
    exec {to}>"$ZVEC_SCRATCH/in"
    # the library is loaded before
    echo "SELECT pg_backend_pid() + 0 * vector_dims(v(1, 1));" >&"$to"
    for ((i = 0; i < 500; i++)); do
        pid=$(grep -m1 -E '^[0-9]+$' "$ZVEC_SCRATCH/out" 2>/dev/null) && break
        sleep 0.02
    done
    size=$(sed -nE 's/^VmSize:[^0-9]*([0-9]+) kB/\1/p' "/proc/$pid/status")
    zvec_as_server prlimit --pid "$pid" --as=$(((size + $1) * 1024))
    echo "$2;" >&"$to"
    exec {to}>&-
    wait $client
    rm "$ZVEC_SCRATCH/in"
    output=$(grep -E '^(ERROR|FATAL|PANIC|server closed|connection to server)' "$ZVEC_SCRATCH/out")
    ! grep -vE '^ERROR:  53200: out of memory' <<<"$output" | grep . || return 1
    [ -z "$output" ] || errors=$((errors + 1))
}

errors=0
while IFS='|' read -r name statement <&3; do
    status=0
    for kilobytes in 0 700 2500 6000; do
        with_room $kilobytes "$statement" || { echo "with $kilobytes kB" && status=1; }
    done
    zvec_result $status "memory: out of memory is an error at most: $name"
done 3<<END
COPY|BEGIN; COPY big FROM '$rows' (FORMAT binary); ROLLBACK
INSERT|BEGIN; INSERT INTO big SELECT id, ver, e FROM big; ROLLBACK
UPDATE|BEGIN; UPDATE big SET ver = 2, e = v(id, 2); ROLLBACK
VACUUM|VACUUM big
VACUUM FULL|VACUUM FULL big
nearest neighbours|SELECT id FROM big ORDER BY e <-> v(16, 1) LIMIT 3
text|SELECT count(e::text) FROM big
a sort|SELECT vector_dims(e) FROM big ORDER BY e::text LIMIT 3
an aggregate|SELECT vector_dims(sum(e)) FROM big
zvec_check|SELECT zvec_check('big')
END
[ $errors -ge 5 ]
zvec_result $? "memory: it did run out"
is "SELECT count(*), count(*) FILTER (WHERE e = v(id, ver)) FROM big" "1000|1000" &&
    says_nothing "SELECT zvec_check('big')" "VACUUM big" "SELECT zvec_check('big')" &&
    is "SELECT sum(live), sum(dead) FROM zvec_segments('big')" "1000|0"
zvec_result $? "memory: nothing is left behind"
zvec_log_is_clean memory
zvec_result $? "memory: the server's log is clean"

# What a session has coded of waiting vectors (6,000 of 1,000 bytes here) it gives back when they wait no more.
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE waits (e zvec(1000)) USING zvec;
INSERT INTO waits SELECT (SELECT array_agg((random() + 0 * i * j)::real) FROM generate_series(1, 1000) j)::zvec
    FROM generate_series(1, 2000) i;
CREATE INDEX waits_e ON waits USING zvec_hnsw (e);
SET pg_zvec.background_drain = off;
SET pg_zvec.max_pending = 100000;
INSERT INTO waits SELECT e FROM waits;
INSERT INTO waits SELECT e FROM waits;
SQL
# anonymous PID: kilobytes of memory that the process alone has.
anonymous() {
    sed -nE 's/^RssAnon:[^0-9]*([0-9]+) kB/\1/p' "/proc/$1/status"
}
coproc session { psql -XAtq 2>&1; }
client=$session_PID
nearest="SELECT pg_backend_pid() FROM (SELECT FROM waits ORDER BY e <-> (SELECT e FROM waits LIMIT 1) LIMIT 1) x;"
printf 'SET enable_seqscan = off;\n' >&"${session[1]}"
for ((i = 0; i < 8; i++)); do
    echo "$nearest" >&"${session[1]}"
    read -r -t 60 pid <&"${session[0]}"
done
coded=$(anonymous "$pid")
psql -XAtqc "SELECT drained FROM zvec_optimize('waits_e')" >"$ZVEC_SCRATCH/drained"
echo "$nearest" >&"${session[1]}"
read -r -t 60 pid <&"${session[0]}"
left=$(anonymous "$pid")
eval "exec ${session[1]}>&-"
wait "$client"
[ "$(cat "$ZVEC_SCRATCH/drained")" = 6000 ] && [ $((coded - left)) -ge 4500 ]
zvec_result $? "memory: codes of vectors that wait no more are given back ($coded kB, then $left)"
