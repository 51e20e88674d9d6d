#!/usr/bin/env bash
# Runs Python in a virtual environment that has what requirements.txt lists; makes it first where it is missing.
#
# The environment lies in $XDG_CACHE_HOME/pg_zvec if that variable is set, else in the checkout's .scratch. PYTHON
# chooses the Python it is made with.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
wanted=$(cksum <"$here/requirements.txt" | cut -d' ' -f1)
place=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/pg_zvec}
venv=${place:-$(cd "$here/../.." && pwd -P)/.scratch}/venv-$wanted
if [ ! -e "$venv/complete" ]; then
    echo "making a virtual environment with numpy, psycopg, hnswlib, faiss-cpu, usearch and zvec in $venv" >&2
    rm -rf "$venv"
    mkdir -p "${venv%/*}" && "${PYTHON:-python3}" -m venv "$venv" || {
        echo "no virtual environment: Debian's package python3-venv has what is missing" >&2
        exit 1
    }
    # hnswlib is compiled on the spot, for this processor
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2 || {
        echo "pip could not install all of requirements.txt; hnswlib needs g++ and Python's headers (python3-dev)" >&2
        exit 1
    }
    touch "$venv/complete"
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" "$@"
