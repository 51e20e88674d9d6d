#!/usr/bin/env bash
# `make check` for each version of PostgreSQL, one after another: `make check-all` runs this. VERSIONS="16 18" chooses.
# Says at the end for each what passed; the last line is "N passed, N failed".
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
unset PG_CONFIG
passed=0
failed=0
summary=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
for version in ${VERSIONS:-15 16 17 18}; do
    printf '\n==== PostgreSQL %s\n' "$version"
    PG=$version regress/check.sh 2>&1 | tee "$log"
    status=$?
    read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log" | tail -n 1) || good=0 bad=1
    [ $status = 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    summary+=("PostgreSQL $version: $good passed, $bad failed")
done
printf '\n==== each version\n'
printf '%s\n' "${summary[@]}"
printf '%d passed, %d failed\n' $passed $failed
[ $passed -gt 0 ] && [ $failed -eq 0 ]
