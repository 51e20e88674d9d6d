#!/usr/bin/env bash
# The tests for several versions of PostgreSQL, one after another; says at the end for each what passed. The last line is
# "N passed, N failed". `make check-all` runs it without arguments: every test for each version.
#
# check-all.sh [VERSION[:PART]...]: these. PART sql stands for clippy, the SQL and isolation tests, pgvector's types, scripts for the scripts
# of regress/server, crash and versions. LIMIT=seconds: what cannot be expected to be done by then is not begun, nor, but for
# the first, what cannot be fetched, which is no failure; what is begun and not done by then is stopped and is one.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
unset PG_CONFIG
passed=0
failed=0
summary=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
[ $# -gt 0 ] || set -- 15 16 17 18

# Seconds that a part takes on a machine with two slow processors, from a bare checkout.
expected() {
    case $1 in
    sql) echo 900 ;;
    scripts) echo 1500 ;;
    *) echo 2400 ;;
    esac
}

# run VERSION PART
run() {
    local within=()
    [ -z "${LIMIT:-}" ] || within=(timeout --kill-after=60 $((LIMIT - SECONDS)))
    PG=$1 ONLY=$2 "${within[@]}" regress/check.sh
}

for which in "$@"; do
    version=${which%%:*} part=${which#"$version"} part=${part#:}
    printf '\n==== PostgreSQL %s (%d s)\n' "$which" $SECONDS
    if [ -n "${LIMIT:-}" ] && [ ${#summary[@]} -gt 0 ] && [ $((LIMIT - SECONDS)) -lt "$(expected "$part")" ]; then
        summary+=("PostgreSQL $which: left out, because $SECONDS s of $LIMIT s have passed")
        continue
    fi
    # A version that cannot be fetched where there is little time is not what is being tested there: it is said, no more.
    if [ -n "${LIMIT:-}" ] && [ ${#summary[@]} -gt 0 ] && ! regress/servers.sh "$version"; then
        summary+=("PostgreSQL $which: left out, because it cannot be had here (see above)")
        continue
    fi
    run "$version" "$part" 2>&1 | tee "$log"
    status=$?
    read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log" | tail -n 1)
    good=${good:-0} bad=${bad:-0}
    [ $status = 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    line="PostgreSQL $which: $good passed, $bad failed"
    case $status in
    124 | 137) line+=", stopped because $SECONDS s of $LIMIT s have passed" ;;
    esac
    summary+=("$line")
    # what failed; and the tests that a version cannot run
    while IFS= read -r line; do summary+=("$line"); done < <(sed -nE 's/^(failed|left out|setup): /    &/p' "$log")
done
printf '\n==== each version (%d s)\n' $SECONDS
printf '%s\n' "${summary[@]}"
printf '%d passed, %d failed\n' $passed $failed
[ $passed -gt 0 ] && [ $failed -eq 0 ]
