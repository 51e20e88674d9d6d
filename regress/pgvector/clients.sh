#!/usr/bin/env bash
# Programs of ours that use client libraries from PyPI as their documentation shows (regress/pgvector/clients), against a database whose
# default_table_access_method is zvec. Part of `make check-pgvector`. A library that cannot be installed is a line that begins with
# SKIP. ONLY=pattern: the programs whose names match. VENV=folder: a virtual environment to use and to keep.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
venv=${VENV:-}
zvec_begin clients
if ! zvec_has vector >/dev/null; then
    echo "SKIP clients: this PostgreSQL has no pgvector"
    exit 0
fi
zvec_start clients || exit 1
venv=${venv:-$ZVEC_SCRATCH/venv}
if [ ! -x "$venv/bin/python" ] && ! python3 -m venv "$venv" >"$ZVEC_SCRATCH/venv.log" 2>&1; then
    echo "SKIP clients: python3 -m venv: $(tail -n 1 "$ZVEC_SCRATCH/venv.log")"
    exit 0
fi

# install PACKAGE...: true if they are there afterwards.
install() {
    "$venv/bin/pip" install --require-virtualenv --quiet --disable-pip-version-check "$@" >"$ZVEC_SCRATCH/pip.log" 2>&1 && return
    echo "SKIP clients: pip install $*: $(tail -n 1 "$ZVEC_SCRATCH/pip.log")"
    false
}

psql -qX -v ON_ERROR_STOP=1 -c "CREATE DATABASE clients" || exit 1
export PGDATABASE=clients
psql -qX -v ON_ERROR_STOP=1 -c "CREATE EXTENSION pg_zvec" -c "CREATE EXTENSION vector" -c "CREATE EXTENSION pg_zvec_pgvector" \
    -c "ALTER DATABASE clients SET default_table_access_method = zvec" || exit 1
bad=0
while read -r program packages; do
    [ -z "${ONLY:-}" ] || [[ $program == $ONLY ]] || continue
    # shellcheck disable=SC2086 # several packages
    install numpy 'psycopg[binary]' $packages || continue
    (cd regress/pgvector/clients && PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore "$venv/bin/python" "$program.py") || bad=$((bad + 1))
done <<'END'
pgvector_psycopg pgvector
pgvector_asyncpg pgvector asyncpg
pgvector_sqlalchemy pgvector sqlalchemy
pgvector_django pgvector django
langchain langchain-postgres sqlalchemy
llama_index_store llama-index-vector-stores-postgres
haystack_store pgvector-haystack
END
zvec_log_is_clean clients
zvec_result $? "clients: the server's log is clean"
[ $bad = 0 ]
