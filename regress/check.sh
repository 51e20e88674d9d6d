#!/usr/bin/env bash
# Every test of pg_zvec, from a bare checkout: `make check` runs this. See design/testing.md.
# The last line is "N passed, N failed"; the exit status is 0 only if something passed and nothing failed.
# PG=16, 17 or 18 in the environment chooses another PostgreSQL than 15. The library is built, and ONLY=sql: clippy with that
# version, the SQL and isolation tests, the headers and pgvector's types; ONLY=scripts: the scripts of regress/server, crash and versions.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
exec </dev/null
. regress/cluster.sh
PG_CONFIG=$(zvec_pg_config)
export PG_CONFIG PATH=$PATH:${HOME:-/root}/.cargo/bin CARGO_TERM_PROGRESS_WHEN=never

passed=0
failed=0
failures=()

pass() { passed=$((passed + ${1:-1})); }

# fail COUNT WHAT
fail() {
    failed=$((failed + $1))
    failures+=("$2")
}

section() { printf '\n== %s (%d s)\n' "$1" $SECONDS; }

# one NAME COMMAND...: one test, which is the command's success.
one() {
    local name=$1
    shift
    section "$name"
    if "$@" 2>&1; then pass; else fail 1 "$name"; fi
}

finish() {
    section "summary"
    [ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
    printf '%d passed, %d failed\n' $passed $failed
    [ $passed -gt 0 ] && [ $failed -eq 0 ]
    exit
}

# count_lines NAME FILE GOOD BAD STATUS: adds up the tests that a log tells of. A run that failed without naming a
# failed test, or that named no test at all, is a failure of its own.
count_lines() {
    local good bad
    good=$(grep -cE -- "$3" "$2")
    bad=$(grep -cE -- "$4" "$2")
    pass "$good"
    [ "$bad" -eq 0 ] || fail "$bad" "$1: $(grep -E -- "$4" "$2" | tr -s ' ' | paste -sd';')"
    [ "$5" -eq 0 ] || [ "$bad" -gt 0 ] || fail 1 "$1 (exit status $5)"
    [ "$good" -gt 0 ] || [ "$bad" -gt 0 ] || [ "$5" -ne 0 ] || fail 1 "$1 (ran no test)"
}

rust_tests() {
    local log=$ZVEC_LOGS/cargo-test.log status good bad
    section "tests of the pure modules, without PostgreSQL"
    {
        cargo test --no-default-features &&
            cargo test --no-default-features --features drivers --bin zvec_graph
    } 2>&1 | tee "$log"
    status=$?
    good=$(sed -nE 's/^test result: .* ([0-9]+) passed; .*/\1/p' "$log" | paste -sd+ | bc_sum)
    bad=$(sed -nE 's/^test result: .* ([0-9]+) failed; .*/\1/p' "$log" | paste -sd+ | bc_sum)
    pass "$good"
    [ "$bad" -eq 0 ] || fail "$bad" "cargo test"
    [ $status -eq 0 ] || [ "$bad" -gt 0 ] || fail 1 "cargo test (exit status $status)"
    [ "$good" -gt 0 ] || [ "$bad" -gt 0 ] || [ $status -ne 0 ] || fail 1 "cargo test (ran no test)"
}

# Sums "1+2+3" from standard input; nothing is 0.
bc_sum() {
    local sum
    read -r sum || sum=0
    echo $((${sum:-0}))
}

# Each test file is in its schedule and has its expected output, and no schedule names a test that is not there.
everything_is_scheduled() {
    local status=0 kind ext schedule name file
    while read -r kind ext schedule; do
        for file in regress/"$kind"/*."$ext"; do
            [ -e "$file" ] || continue
            name=$(basename "$file" ".$ext")
            scheduled "$schedule" | grep -qxF "$name" || { echo "$file is not in $schedule" && status=1; }
            [ -e "regress/expected/$name.out" ] || { echo "$file has no regress/expected/$name.out" && status=1; }
            [ "$ext" = sql ] || [ ! -e "regress/sql/$name.sql" ] ||
                { echo "$file has the name of a test in regress/sql" && status=1; }
        done
        for name in $(scheduled "$schedule"); do
            [ -e "regress/$kind/$name.$ext" ] || { echo "$schedule names $name, which is not there" && status=1; }
        done
        [ -z "$(scheduled "$schedule" | sort | uniq -d)" ] || { echo "$schedule names a test twice" && status=1; }
    done <<'END'
sql sql regress/schedule
specs spec regress/isolation_schedule
END
    [ "$(scheduled regress/pgvector/schedule | sort)" = "$(cd regress/pgvector/sql && ls | sed 's/\.sql$//' | sort)" ] &&
        [ "$(cd regress/pgvector/sql && ls | sed 's/\.sql$//')" = "$(cd regress/pgvector/expected && ls | sed 's/\.out$//')" ] ||
        { echo "regress/pgvector/schedule does not name what is there" && status=1; }
    for file in regress/crash/*.sh regress/server/*.sh; do
        [ ! -e "$file" ] || [ -x "$file" ] || { echo "$file is not executable" && status=1; }
    done
    return $status
}

# What documents and comments name is there: what Markdown links to, headings included; documents; sources, by as much of their
# path as is written, and other files by their whole path.
documents_lead_somewhere() {
    local status=0 documents=(README.md docs/*.md design/*.md benches/README.md) sources file word target heading
    sources=$(find src benches regress -name '*.rs' | sed 's,^,/,')
    for file in "${documents[@]}"; do
        while read -r word; do
            target=${word%%#*} heading=
            [ "$target" = "$word" ] || heading=${word#*#}
            target=${target:+$(dirname "$file")/$target}
            target=${target:-$file}
            if [ ! -e "$target" ]; then
                echo "$file links to $word, which is not there" && status=1
            elif [ -n "$heading" ] && ! headings "$target" | grep -qxF -- "$heading"; then
                echo "$file links to $word, and $target has no such heading" && status=1
            fi
        done < <(grep -oE '\]\([^) ]+\)' "$file" | sed -E 's/^\]\((.*)\)$/\1/' | grep -vE '^[a-z]+:')
        while read -r word; do
            grep -qE "/${word//./\\.}\$" <<<"$sources" || { echo "$file names $word, which is not there" && status=1; }
        done < <(sed -E 's,[a-z]+://[^ )]*,,g' "$file" | grep -oE '[A-Za-z0-9_/]+\.rs\b' | sort -u)
    done
    while IFS=: read -r file word; do
        # names in capitals stand for any, and a folder in a script may be one that is made
        [ -e "$word" ] || [[ $word =~ [A-Z]{2} || ($word == */ && $file != *.md) ]] || { echo "$file names $word, which is not there" && status=1; }
    done < <(grep -rIoE '\b(design/[a-z0-9-]+\.md|(src|regress|benches)/[A-Za-z0-9_/.-]*(\.(rs|sh|py|sql|pl|bash)\b|/))' \
        "${documents[@]}" CHANGELOG.md Makefile src regress/*.sh regress/server regress/crash sql/*.sql benches | sort -u)
    return $status
}

# The headings of a document, as links name them.
headings() {
    sed -nE 's/^#+ +//p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# The tests that a schedule names, one a line.
scheduled() {
    sed -nE 's/^test: *//p' "$1" | tr -s ' ' '\n' | sed '/^$/d'
}

# suite NAME SERVER PROGRAM SCHEDULE DATABASE: a schedule's tests in a server that runs.
suite() {
    local name=$1 server=$2 program=$3 schedule=$4 database=$5 log output=$ZVEC_SCRATCH/$5 status test extension
    log=$ZVEC_LOGS/$database.log
    [ -n "$(scheduled "$schedule")" ] || return 0
    section "$name"
    zvec_as_server mkdir -p "$output/results"
    cp "$schedule" "$ZVEC_LOGS/$database.schedule" && schedule=$ZVEC_LOGS/$database.schedule
    for test in $(scheduled "$schedule"); do
        extension=$(sed -nE 's/^CREATE EXTENSION IF NOT EXISTS (\w+).*/\1/p' "regress/sql/$test.sql" 2>/dev/null)
        [ -n "$extension" ] && ! zvec_has "$extension" || continue
        echo "left out: $test"
        sed -i -E "s/^(test:.*) $test( .*)?\$/\1\2/; /^test:\$/d" "$schedule"
    done
    "$program" --bindir="$(zvec_psql_as_15)" --inputdir=regress --outputdir="$output" --dbname="$database" \
        --load-extension=pg_zvec --encoding=UTF8 --schedule="$schedule" 2>&1 | tee "$log"
    status=$?
    count_lines "$name" "$log" '\.\.\. ok( |$)|^ok [0-9]' '\.\.\. (FAILED|failed)|^not ok [0-9]' $status
    if [ $status -ne 0 ]; then
        cat "$output/regression.diffs" 2>/dev/null
        tail -n 30 "$ZVEC_SCRATCH/$server/log"
    fi
}

# A script prints `ok NAME` and `not ok NAME` lines; it may start servers of its own through cluster.sh.
script() {
    local name log status
    name=${1#regress/}
    log=$ZVEC_LOGS/${name//\//-}.log
    section "$name"
    # of ONLY scripts have uses of their own
    env -u ONLY "$1" 2>&1 | tee "$log"
    status=$?
    # what a script needs and the server has not, it says, and is no failure
    [ $status = 0 ] && grep -q '^left out: ' "$log" && ! grep -qE '^(not )?ok ' "$log" && return
    count_lines "$name" "$log" '^ok ' '^not ok ' $status
}

# clippy FEATURES: of the extension.
clippy() {
    # The release profile, so that the build scripts of the release build serve here too.
    # shellcheck disable=SC2086
    one "clippy $1" env PGRX_PG_CONFIG_PATH="$PG_CONFIG" CARGO_TARGET_DIR="$TARGET" \
        cargo clippy --release $1 --all-targets -- -D warnings
}

# The code without the server, which is the same for each version.
lint() {
    one "cargo fmt --check" cargo fmt --check
    clippy --no-default-features
    one "clippy of the test drivers" cargo clippy --no-default-features --features drivers --bins -- -D warnings
}

# Whether PART is among what is asked for.
wanted() {
    [ -z "${ONLY:-}" ] || [ "$ONLY" = "$1" ]
}

section "set-up"
if ! regress/setup.sh 2>&1; then
    fail 1 "set-up"
    finish
fi
one "build" make --no-print-directory all
TARGET=$(zvec_target)
if wanted sql; then clippy "$(zvec_features)"; fi
if wanted rust; then
    lint
    one "every test is scheduled" everything_is_scheduled
    one "documents lead somewhere" documents_lead_somewhere
fi

if [ ! -f "$TARGET/release/libpg_zvec.so" ]; then
    ZVEC_LOGS=$(mktemp -d)
    trap 'rm -rf "$ZVEC_LOGS"' EXIT
    ! wanted rust || rust_tests
    finish
fi
zvec_begin check
ZVEC_LOGS=$ZVEC_SCRATCH/logs
mkdir "$ZVEC_LOGS"
! wanted rust || rust_tests

pgxs=$("$PG_CONFIG" --pgxs)
tests=${pgxs%/makefiles/*}/test
if wanted sql; then
    section "a private server"
    # Maintenance when the tests ask for it, not beside them. Later servers have checksums unless told otherwise.
    [ "$(zvec_version)" -lt 18 ] || ZVEC_CHECKSUMS=1
    if zvec_start regress "autovacuum = off" "pg_zvec.background_drain = off"; then
        suite regression regress "$tests/regress/pg_regress" regress/schedule pg_zvec_regression
        suite isolation regress "$tests/isolation/pg_isolation_regress" regress/isolation_schedule pg_zvec_isolation
        unset ZVEC_CHECKSUMS
        one "the server stops" zvec_stop regress
        one "the server's log is clean" zvec_log_is_clean regress
    else
        fail 1 "start of the private server"
    fi
fi
if wanted pinned; then
    section "a server that has the library from its start, and reads each page under its own pins and locks"
    if zvec_start pinned "autovacuum = off" "pg_zvec.background_drain = off" "zvec.optimistic_reads = off" \
        "shared_preload_libraries = 'pg_zvec'"; then
        suite "regression, preloaded, optimistic reads off" pinned "$tests/regress/pg_regress" regress/schedule pg_zvec_pinned
        one "it stops" zvec_stop pinned
        one "its log is clean" zvec_log_is_clean pinned
    else
        fail 1 "start of the server without optimistic reads"
    fi
fi
scripts=()
! wanted scripts || scripts=(regress/server/*.sh regress/crash/*.sh)
# from an earlier version
! wanted scripts || [ "$(zvec_version)" = 15 ] || scripts+=(regress/versions/*.sh)
[ "${ONLY:-}" != sql ] || scripts=(regress/server/{headers,pgvector,pgvector_source}.sh)
for file in "${scripts[@]}"; do
    [ ! -x "$file" ] || script "$file"
done
finish
