# What the crash tests share; sourced after regress/cluster.sh. design/testing.md tells the idea.

ZVEC_CRASH=$ZVEC_ROOT/regress/crash
# else errors carry a backtrace as their DETAIL
unset RUST_BACKTRACE

# crash_cluster NAME SETTING...: starts a server with the tables of model.sql.
crash_cluster() {
    crash_init "$@" && zvec_start "$1" && psql -Xqb -v ON_ERROR_STOP=1 -c "CREATE EXTENSION pg_zvec" \
        -f "$ZVEC_CRASH/model.sql"
}

# crash_init NAME SETTING...: as zvec_init, but copies a cluster that is made once. Those named checksums* have data
# checksums.
crash_init() {
    local name=$1 dir=$ZVEC_SCRATCH/$1 template=$ZVEC_SCRATCH/template
    shift
    if [ ! -d "$template" ]; then
        zvec_init template || return 1
    fi
    zvec_as_server mkdir -p "$dir" && zvec_as_server mkdir -m 700 "$dir/socket" &&
        zvec_as_server cp -a "$template/data" "$dir/" || return 1
    zvec_conf "$name" "unix_socket_directories = '$dir/socket'" "$@"
    case $name in
    checksums*) zvec_as_server "$ZVEC_BINDIR/pg_checksums" --enable --no-sync -D "$dir/data" >/dev/null 2>&1 ;;
    esac
}

# server_pids CLUSTER: stops the postmaster, so that it starts no other child meanwhile, which would be left alive and keep
# the shared memory; prints its id, then its children's. For killing them all.
server_pids() {
    local pid
    read -r pid <"$ZVEC_SCRATCH/$1/data/postmaster.pid" && kill -STOP "$pid" || return 1
    while ! grep -q '^State:.[TZ]' "/proc/$pid/status" 2>/dev/null && [ -d "/proc/$pid" ]; do sleep 0.01; done
    echo "$pid" && cat "/proc/$pid/task/$pid/children"
}

# crash CLUSTER immediate|kill|backend: the server dies and is started again. "backend": one process of a session is
# killed, upon which the server ends all the others and recovers by itself.
crash() {
    local pids n i
    case $2 in
    immediate)
        zvec_stop "$1" immediate
        ;;
    kill)
        pids=$(server_pids "$1")
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null
        for n in $pids; do
            while [ -d "/proc/$n" ] && ! grep -q '^State:.Z' "/proc/$n/status" 2>/dev/null; do sleep 0.02; done
        done
        # where nobody reaps orphans, the postmaster's id would look taken
        rm -f "$ZVEC_SCRATCH/$1/data/postmaster.pid" "$ZVEC_SCRATCH/$1"/socket/.s.*
        ;;
    backend)
        n=$(psql -XAtc "SELECT pid FROM pg_stat_activity WHERE query ~ 'CALL work' AND pid <> pg_backend_pid()
                        ORDER BY random() LIMIT 1") && [ -n "$n" ] && kill -KILL "$n"
        for ((i = 0; i < 300; i++)); do
            sleep 0.1
            psql -Xqc "SELECT 1" >/dev/null 2>&1 && return 0
        done
        return 1
        ;;
    esac
    zvec_start "$1"
}

# crash_log_is_clean CLUSTER: as zvec_log_is_clean, but for the processes that the test itself kills.
crash_log_is_clean() {
    ! zvec_log_is_clean "$1" | grep -v 'was terminated by signal 9'
}

# says_nothing QUERY...: runs queries and prints what they return; true if that is nothing and they succeed.
says_nothing() {
    local output query
    for query in "$@"; do
        output=$(psql -XAtq -v ON_ERROR_STOP=1 -c "$query" 2>&1) && [ -z "$output" ] ||
            { head -n 20 <<<"$output" && return 1; }
    done
}

# is QUERY EXPECTED: runs a query; true if it returns that (unaligned), otherwise prints what it does return.
is() {
    local output
    output=$(psql -XAtq -v ON_ERROR_STOP=1 -c "$1" 2>&1)
    [ "$output" = "$2" ] || { printf '%s\n  returns %s\n  instead of %s\n' "$1" "$output" "$2" && return 1; }
}

# Installs a library with failpoints. It is built from a copy of target/ (hard links), so that the dependencies need not be
# built again and the normal library stays as it is.
build_with_failpoints() {
    local from to own
    from=$(zvec_target) && to=target/failpoints${from#target} || return 1
    if [ ! -d "$to" ]; then
        mkdir -p "$to" && cp -al "$from/release" "$to/release" || return 1
        own=$(find "$to/release" \( -name '*pg_zvec*' -o -name '.cargo-lock' \) -prune -print)
        # what cargo writes in place must not be shared
        # shellcheck disable=SC2086 # several files
        [ -z "$own" ] || rm -rf $own
    fi
    # shellcheck disable=SC2046 # several options
    CARGO_TARGET_DIR=$to PGRX_PG_CONFIG_PATH=$(zvec_pg_config) cargo build --quiet --release $(zvec_features) \
        --features failpoints &&
        install -m 755 "$to/release/libpg_zvec.so" "$("$ZVEC_BINDIR/pg_config" --pkglibdir)/pg_zvec.so"
}
