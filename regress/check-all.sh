#!/usr/bin/env bash
# The tests for several versions of PostgreSQL, one after another; says at the end for each what passed. The last line is
# "N passed, N failed". `make check-all` runs it without arguments: every test for each version.
#
# check-all.sh [VERSION[:PART]...]: these; PART sql stands for the SQL and isolation tests alone. LIMIT=seconds: no version is
# begun with less than a third of an hour left.
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
for which in "$@"; do
    version=${which%%:*} part=${which#"$version"}
    printf '\n==== PostgreSQL %s (%d s)\n' "$which" $SECONDS
    if [ -n "${LIMIT:-}" ] && [ $((LIMIT - SECONDS)) -lt 1200 ]; then
        summary+=("PostgreSQL $which: left out, $SECONDS s have passed")
        continue
    fi
    PG=$version ONLY=${part#:} regress/check.sh 2>&1 | tee "$log"
    status=$?
    good=0 bad=0
    read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log" | tail -n 1)
    [ $status = 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    summary+=("PostgreSQL $which: $good passed, $bad failed")
    sed -n 's/^failed: /    /p' "$log" >"$log.failed"
    while IFS= read -r line; do summary+=("$line"); done <"$log.failed"
    rm -f "$log.failed"
done
printf '\n==== each version (%d s)\n' $SECONDS
printf '%s\n' "${summary[@]}"
printf '%d passed, %d failed\n' $passed $failed
[ $passed -gt 0 ] && [ $failed -eq 0 ]
