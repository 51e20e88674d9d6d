#!/usr/bin/env bash
# `make check-pgvector`: builds for PostgreSQL PG (18 if not given), and runs the tests that need pgvector: those in SQL, and programs
# that use client libraries from PyPI. The last line is "N passed, N failed".
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
export PG=${PG:-18}
[ -n "${PG_CONFIG:-}" ] || unset PG_CONFIG
regress/setup.sh && "${MAKE:-make}" --no-print-directory all || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bad=0
for script in regress/server/pgvector.sh regress/pgvector/clients.sh regress/pgvector/readme.sh; do
    "$script" 2>&1 | tee -a "$log" || bad=$((bad + 1))
done
good=$(grep -c '^ok ' "$log")
failed=$(grep -c '^not ok ' "$log")
[ "$failed" -gt 0 ] || failed=$bad
skipped=$(grep -c '^SKIP' "$log")
[ "$skipped" = 0 ] || grep '^SKIP' "$log"
echo "$good passed, $failed failed"
[ "$good" -gt 0 ] && [ "$failed" = 0 ]
