#!/usr/bin/env bash
# Runs the demo in a private server, from a bare checkout: `make demo`. KEEP=1 leaves the server running.
set -u
cd "$(dirname "$0")" || exit 1
. ../../regress/cluster.sh
PG_CONFIG=$(zvec_pg_config)
export PG_CONFIG
"$ZVEC_ROOT/regress/setup.sh" && "${MAKE:-make}" --no-print-directory -C "$ZVEC_ROOT" all || exit 1

zvec_begin demo
zvec_start demo || exit 1
echo "A private PostgreSQL runs in $ZVEC_SCRATCH; it listens on a socket there only."
psql -X -v ON_ERROR_STOP=1 -f demo.sql || exit 1

if [ -n "${KEEP:-}" ] && [ "$KEEP" != 0 ]; then
    ZVEC_KEEP=1
    [ "$(id -u)" = 0 ] && as="setpriv --reuid=$ZVEC_SERVER_USER --regid=$ZVEC_SERVER_USER --init-groups " || as=
    echo
    echo "The server is still running. Connect:"
    echo "    $ZVEC_BINDIR/psql -h $PGHOST -p $PGPORT -U postgres postgres"
    echo "Stop it and remove its files:"
    echo "    (cd / && $as$ZVEC_BINDIR/pg_ctl stop -D $ZVEC_SCRATCH/demo/data); rm -rf $ZVEC_SCRATCH"
else
    echo
    echo "Done: the server is stopped and its files are removed. (make demo KEEP=1 leaves it running.)"
fi
