#!/usr/bin/env bash
# pgvector's types in zvec tables (regress/pgvector): for every PostgreSQL that has pgvector. `make check-pgvector` runs it, and
# programs that use client libraries (regress/pgvector/clients.sh).
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin pgvector
zvec_start pgvector "autovacuum = off" "pg_zvec.background_drain = off" "wal_level = logical" || exit 1

if ! zvec_has vector; then
    # what a server without pgvector says
    psql -qXAt -c "CREATE EXTENSION pg_zvec" -c "CREATE EXTENSION pg_zvec_pgvector" 2>&1 |
        grep -q 'required extension "vector" is not '
    zvec_result $? "pgvector: the extension asks for vector"
    exit
fi

pgxs=$("$(zvec_pg_config)" --pgxs)
output=$ZVEC_SCRATCH/output
zvec_as_server mkdir -p "$output/results"
"${pgxs%/makefiles/*}/test/regress/pg_regress" --bindir="$(zvec_psql_as_15)" --inputdir=regress/pgvector --outputdir="$output" \
    --dbname=pg_zvec_pgvector --load-extension=pg_zvec --load-extension=vector --load-extension=pg_zvec_pgvector \
    --encoding=UTF8 --schedule=regress/pgvector/schedule 2>&1
status=$?
[ $status = 0 ] || cat "$output/regression.diffs"
[ -z "${ACCEPT:-}" ] || cp "$output"/results/*.out regress/pgvector/expected/
zvec_stop pgvector
zvec_log_is_clean pgvector
zvec_result $? "pgvector: the server's log is clean"
exit $status
