#!/usr/bin/env bash
# Measures nearest-neighbour search in a private server, and libraries beside it, in one run: `make bench PART=search`.
# bench.sh, which runs this, says what the variables are; main.py --help lists what ARGS may have.
set -u -o pipefail
data=${DATA:-}
[ -z "$data" ] || data=$(cd "$data" && pwd) || exit 1
cd "$(dirname "$0")" || exit 1
. ../../regress/cluster.sh
PG_CONFIG=$(zvec_pg_config)
export PG_CONFIG
"$ZVEC_ROOT/regress/setup.sh" search && "${MAKE:-make}" --no-print-directory -C "$ZVEC_ROOT" all &&
    ./python.sh -c '' || exit 1

zvec_begin search
# All tables and indexes of a data set stay in memory: a third of the machine's, 8 GB at most.
buffers=$(awk '/^MemTotal/ { mb = int($2 / 1024 / 3); print mb < 8192 ? mb : 8192 }' /proc/meminfo)
zvec_start search "shared_buffers = ${buffers}MB" "max_wal_size = 16GB" "checkpoint_timeout = 1h" "jit = off" \
    "max_parallel_workers_per_gather = 0" "pg_zvec.query_threads = 0" "log_min_messages = error" || exit 1
as=
[ "$(id -u)" != 0 ] || as="setpriv --reuid=$ZVEC_SERVER_USER --regid=$ZVEC_SERVER_USER --init-groups"
cluster=$ZVEC_SCRATCH/search
export BENCH_RESTART="cd / && $as '$ZVEC_BINDIR/pg_ctl' restart -s -w -m fast -D '$cluster/data' -l '$cluster/log'"
full=()
[ -z "${FULL:-}" ] || [ "$FULL" = 0 ] || full=(--full)
# shellcheck disable=SC2086 # ARGS are several words
./python.sh "${1:-main.py}" --data "$data" --out "$OUT" --results "$RESULTS" "${full[@]}" ${ARGS:-}
