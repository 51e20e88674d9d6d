# Private PostgreSQL clusters for tests and demos. Source this file from bash; see design/testing.md.
#
# A script calls `zvec_begin NAME`, which makes a scratch folder, a private copy of the PostgreSQL installation with
# the extension in it, and the traps that stop every server and remove the folder on exit, failure and signals.
# `zvec_start CLUSTER [setting...]` then makes and starts a server that listens on a socket in that folder only, and
# points PGHOST and PGPORT to it. Nothing outside the scratch folder is written: not the system's PostgreSQL, not its
# clusters.
#
# Started by another script that has called `zvec_begin`, a script shares its installation and gets a folder of its own.
#
# After `zvec_begin`: ZVEC_ROOT is the checkout, ZVEC_SCRATCH the folder (the server's user may write there),
# ZVEC_BINDIR the private installation's programs (also first in PATH).

ZVEC_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
ZVEC_SERVER_USER=postgres

# Prints the folder of the servers that setup.sh gets for testing with PG=16, 17 or 18: where the servers' user can read.
zvec_servers() {
    if [ -n "${ZVEC_SERVERS:-}" ]; then
        echo "$ZVEC_SERVERS"
    elif [ "$(id -u)" = 0 ]; then
        echo /var/cache/pg_zvec/servers
    else
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/pg_zvec/servers"
    fi
}

# Prints the pg_config to build and test with: PG_CONFIG, or that of version PG (15 if not given): for 15, Debian's in its
# place, or one in PATH if it is of that version and belongs to a server (Debian's libpq-dev has one that does not).
zvec_pg_config() {
    local version=${PG:-15} debian
    debian=/usr/lib/postgresql/$version/bin/pg_config
    if [ -n "${PG_CONFIG:-}" ]; then
        echo "$PG_CONFIG"
    elif [ "$version" != 15 ] && [ -x "$debian" ] && [ -x "${debian%/*}/postgres" ]; then
        echo "$debian"
    elif [ "$version" = 17 ]; then
        echo "$(zvec_servers)/17/usr/lib/postgresql/17/bin/pg_config"
    elif [ "$version" != 15 ]; then
        echo "$(zvec_servers)/$version/bin/pg_config"
    elif [ ! -x "$debian" ] && pg_config --version 2>/dev/null | grep -q "^PostgreSQL $version" &&
        [ -x "$(pg_config --bindir)/postgres" ]; then
        command -v pg_config
    else
        echo "$debian"
    fi
}

# Prints the version of that pg_config: 15, 16, ...
zvec_version() {
    local number
    number=$("$(zvec_pg_config)" --version 2>/dev/null) || return 1
    number=${number#PostgreSQL }
    echo "${number%%[!0-9]*}"
}

# Prints cargo's target folder for that version. Each has its own, so that going from one to another builds nothing anew.
zvec_target() {
    local version
    version=$(zvec_version) || return 1
    if [ "$version" = 15 ]; then echo target; else echo "target/pg$version"; fi
}

# Prints cargo's options for that version.
zvec_features() {
    local version
    version=$(zvec_version) || return 1
    [ "$version" = 15 ] || echo "--no-default-features --features pg$version"
}

# Runs a command as the user that owns the servers: PostgreSQL refuses to run as root.
zvec_as_server() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && exec setpriv --reuid="$ZVEC_SERVER_USER" --regid="$ZVEC_SERVER_USER" --init-groups "$@")
    else
        (cd / && exec "$@")
    fi
}

# Makes and prints a scratch folder: in the checkout if the server's user can reach it, else in the temporary folder.
# Socket paths may have 107 bytes at most, which rules out a deep checkout too.
zvec_make_scratch() {
    local inside=$ZVEC_ROOT/.scratch dir
    mkdir -p "$inside" 2>/dev/null
    if [ ${#inside} -le 50 ] && [ -w "$inside" ] && zvec_as_server test -x "$inside" 2>/dev/null; then
        dir=$(mktemp -d "$inside/$1.XXXXXX") || return 1
    else
        rmdir "$inside" 2>/dev/null
        dir=$(mktemp -d "/tmp/pg_zvec.$1.XXXXXX") || return 1
    fi
    chmod 755 "$dir"
    [ "$(id -u)" != 0 ] || chown "$ZVEC_SERVER_USER:$ZVEC_SERVER_USER" "$dir" || return 1
    echo "$dir"
}

# Prints a folder with a psql for pg_regress: the server's own, and behind it as-15.pl, so that what later servers print
# differently is printed as by 15.
zvec_psql_as_15() {
    local folder=$ZVEC_SCRATCH/as-15
    if [ "$(zvec_version)" = 15 ]; then
        echo "$ZVEC_BINDIR"
        return
    fi
    mkdir -p "$folder" && chmod 755 "$folder" || return 1
    cat >"$folder/psql" <<END
#!/bin/bash
set -o pipefail
'$ZVEC_BINDIR/psql' "\$@" 2>&1 | perl '$ZVEC_ROOT/regress/as-15.pl'
END
    chmod 755 "$folder/psql" && echo "$folder"
}

# Removes what killed runs of this checkout have left. Their servers, if any, stop by themselves when they find their
# files gone.
zvec_sweep() {
    local dir pid root
    for dir in "$ZVEC_ROOT"/.scratch/* /tmp/pg_zvec.*; do
        [ ! -L "$dir" ] && [ -f "$dir/owner" ] && read -r pid root <"$dir/owner" || continue
        [ "$root" != "$ZVEC_ROOT" ] || [ -d "/proc/$pid" ] || rm -rf -- "$dir"
    done
}

# Copies the PostgreSQL installation to $ZVEC_SCRATCH/installation and installs the extension there. PostgreSQL finds
# its folders relative to its programs, so a copy that keeps the layout is an installation of its own.
zvec_private_install() {
    local system to=$ZVEC_SCRATCH/installation bin lib share part
    system=$(zvec_pg_config)
    bin=$("$system" --bindir) && lib=$("$system" --pkglibdir) && share=$("$system" --sharedir) || return 1
    mkdir -p "$to$bin" "$to$lib" "$to$share/extension" || return 1
    cp -p "$bin"/* "$to$bin/" || return 1
    # Large parts that are only read may stay where they are.
    for part in "$lib"/* "$share"/*; do
        case ${part##*/} in
        bitcode | man | contrib | timezonesets | tsearch_data) ln -s "$part" "$to$part" ;;
        *) cp -rpL "$part" "$to${part%/*}/" ;;
        esac || return 1
    done
    ZVEC_BINDIR=$to$bin
    if [ "$("$ZVEC_BINDIR/pg_config" --pkglibdir)" != "$to$lib" ] ||
        [ "$("$ZVEC_BINDIR/pg_config" --sharedir)" != "$to$share" ]; then
        echo "the PostgreSQL installation of $system cannot be copied: its copy points outside itself" >&2
        return 1
    fi
    "${MAKE:-make}" --no-print-directory -C "$ZVEC_ROOT" -s install-files PG_CONFIG="$ZVEC_BINDIR/pg_config" DESTDIR=
}

# zvec_begin NAME
zvec_begin() {
    local variable
    for variable in $(compgen -v PG); do
        case $variable in PG | PG_CONFIG | PGRX_*) ;; *) unset "$variable" ;; esac
    done
    export LC_ALL=C PGUSER=postgres PGDATABASE=postgres PGAPPNAME=pg_zvec_$1 PSQLRC=/dev/null PSQL_PAGER='' PAGER=''
    ZVEC_CLUSTERS=()
    ZVEC_PARENT=${ZVEC_BINDIR:+${ZVEC_SCRATCH:-}}
    trap zvec_end EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    ZVEC_SCRATCH=
    if [ -n "$ZVEC_PARENT" ]; then
        ZVEC_SCRATCH=$(mktemp -d "$ZVEC_PARENT/$1.XXXX") && chmod 755 "$ZVEC_SCRATCH" || exit 1
        [ "$(id -u)" != 0 ] || chown "$ZVEC_SERVER_USER:$ZVEC_SERVER_USER" "$ZVEC_SCRATCH" || exit 1
    else
        zvec_sweep
        ZVEC_SCRATCH=$(zvec_make_scratch "$1") && echo "$$ $ZVEC_ROOT" >"$ZVEC_SCRATCH/owner" || exit 1
        zvec_private_install || exit 1
    fi
    PATH=$ZVEC_BINDIR:$PATH
    export ZVEC_ROOT ZVEC_SCRATCH ZVEC_BINDIR PATH
}

# Stops everything that this script has started and removes its scratch folder; runs from the EXIT trap. A script that
# sets ZVEC_KEEP and succeeds leaves both.
zvec_end() {
    local status=$? cluster
    trap '' HUP INT TERM
    if [ -n "${ZVEC_KEEP:-}" ] && [ "$status" = 0 ]; then
        rm -f "$ZVEC_SCRATCH/owner"
        exit 0
    fi
    for cluster in "${ZVEC_CLUSTERS[@]}"; do
        zvec_stop "$cluster" immediate
    done
    if [ -n "$ZVEC_SCRATCH" ]; then
        rm -rf -- "$ZVEC_SCRATCH"
        rmdir "$ZVEC_ROOT/.scratch" 2>/dev/null
    fi
    exit "$status"
}

# zvec_use CLUSTER: programs connect to this server from now on.
zvec_use() {
    export PGHOST=$ZVEC_SCRATCH/$1/socket PGPORT=54315
}

# zvec_conf CLUSTER SETTING...: appends to postgresql.conf.
zvec_conf() {
    local data=$ZVEC_SCRATCH/$1/data
    shift
    printf '%s\n' "$@" | zvec_as_server tee -a "$data/postgresql.conf" >/dev/null
}

# zvec_init CLUSTER [SETTING...]: makes a cluster with the tests' settings, and does not start it. Without data checksums in
# every version, unless ZVEC_CHECKSUMS is set.
zvec_init() {
    local name=$1 dir=$ZVEC_SCRATCH/$1 checksums=()
    shift
    if [ -n "${ZVEC_CHECKSUMS:-}" ]; then
        checksums=(--data-checksums)
    elif [ "$(zvec_version)" -ge 18 ]; then
        checksums=(--no-data-checksums)
    fi
    zvec_as_server mkdir -p "$dir" || return 1
    zvec_as_server mkdir -m 700 "$dir/socket" || return 1
    zvec_as_server "$ZVEC_BINDIR/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-locale --no-sync \
        "${checksums[@]}" \
        >"$ZVEC_SCRATCH/$name.initdb.log" 2>&1 || { cat "$ZVEC_SCRATCH/$name.initdb.log" >&2; return 1; }
    zvec_conf "$name" "listen_addresses = ''" "unix_socket_directories = '$dir/socket'" "port = 54315" \
        "fsync = off" "autovacuum = on" "max_prepared_transactions = 10" "wal_level = replica" \
        "shared_buffers = 128MB" "log_min_messages = warning" "log_line_prefix = '%m [%p] %a '" "$@"
}

# zvec_start CLUSTER [SETTING...]: starts a cluster, making it first if need be, and connects to it.
zvec_start() {
    local name=$1 dir=$ZVEC_SCRATCH/$1
    [ -d "$dir/data" ] || zvec_init "$@" || return 1
    case " ${ZVEC_CLUSTERS[*]} " in *" $name "*) ;; *) ZVEC_CLUSTERS+=("$name") ;; esac
    if ! zvec_as_server "$ZVEC_BINDIR/pg_ctl" start -s -w -t 60 -D "$dir/data" -l "$dir/log" >&2; then
        tail -n 20 "$dir/log" >&2
        return 1
    fi
    zvec_use "$name"
}

# zvec_stop CLUSTER [fast|immediate|smart]
zvec_stop() {
    local data=$ZVEC_SCRATCH/$1/data
    [ -e "$data/postmaster.pid" ] || return 0
    zvec_as_server "$ZVEC_BINDIR/pg_ctl" stop -s -w -t 60 -m "${2:-fast}" -D "$data" >&2
}

# zvec_log_is_clean CLUSTER: prints the lines of the server's log that no test may cause, and fails if there are any.
zvec_log_is_clean() {
    ! grep -nEi 'PANIC: |TRAP: |was terminated by signal|(refcount|reference|file|shared memory) leak' \
        "$ZVEC_SCRATCH/$1/log"
}

# zvec_has NAME: whether the installation has that extension or library of contrib; says so if not.
zvec_has() {
    local share lib
    share=$("$ZVEC_BINDIR/pg_config" --sharedir) lib=$("$ZVEC_BINDIR/pg_config" --pkglibdir)
    [ -e "$share/extension/$1.control" ] || [ -e "$lib/$1.so" ] ||
        { echo "left out: what needs $1, which this PostgreSQL has not" && false; }
}

# Builds the test drivers, which are clients written in Rust, into target/debug.
zvec_cargo_drivers() {
    (cd "$ZVEC_ROOT" && cargo build --quiet --no-default-features --features drivers --bins)
}

# zvec_result STATUS NAME: prints `ok NAME` or `not ok NAME`, which make check counts.
zvec_result() {
    if [ "$1" = 0 ]; then echo "ok $2"; else echo "not ok $2"; fi
}

# zvec_same NAME OUTPUT: prints whether OUTPUT is what regress/expected/NAME.out says, with the difference if not.
# ACCEPT=1 in the environment makes OUTPUT the expected file, to be looked at before it is committed.
zvec_same() {
    local expected=$ZVEC_ROOT/regress/expected/$1.out got=$2
    if [ "$(zvec_version)" != 15 ]; then
        got=$2.as-15
        perl "$ZVEC_ROOT/regress/as-15.pl" <"$2" >"$got"
    fi
    [ "${ACCEPT:-}" != 1 ] || cp "$got" "$expected"
    diff -u "$expected" "$got"
    zvec_result $? "$1"
}
