#!/usr/bin/env bash
# The README's five-minute tour works as printed: every ```sql block of that section, run in order in an empty database,
# gives the output in regress/expected/tour.out.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin tour-test
zvec_start tour "autovacuum = off" || exit 1
script=$ZVEC_SCRATCH/tour.sql
awk '/^## / { tour = /^## A five-minute tour/ } /^```/ { code = (tour && $0 == "```sql"); next } code' README.md >"$script"
[ -s "$script" ]
zvec_result $? "tour: the README has one"
psql -X -a -v ON_ERROR_STOP=1 -f "$script" >"$ZVEC_SCRATCH/tour.out" 2>&1
zvec_result $? "tour: every statement succeeds"
zvec_same tour "$ZVEC_SCRATCH/tour.out"
zvec_log_is_clean tour
zvec_result $? "tour: the server's log is clean"
