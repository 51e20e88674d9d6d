#!/usr/bin/env bash
# The demo prints what it should, but for times and sizes, and leaves a clean server log.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin demo-test
zvec_start demo "autovacuum = off" || exit 1
output=$ZVEC_SCRATCH/demo.out
(cd sql/demo && psql -X -v check=1 -f demo.sql) >"$output" 2>"$ZVEC_SCRATCH/demo.err" ||
    { cat "$ZVEC_SCRATCH/demo.err" && zvec_result 1 "demo: every statement succeeds"; }
zvec_same demo "$output"
zvec_log_is_clean demo
zvec_result $? "demo: the server's log is clean"
