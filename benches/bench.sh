#!/usr/bin/env bash
# The end-to-end benchmark: `make bench`. Its parts, each in a private server and in a folder of its own:
#
# tables: table operations of a zvec table and of a heap table (tables/run.sh);
# search: nearest-neighbour search in the server beside libraries (search/run.sh);
# elements: the element types beside each other and beside libraries (search/elements.py);
# collections: what collections cost those who write, and their searches (collections/run.sh).
#
# PART=tables|search|elements|collections: only that one. DATA=folder: data sets to use instead of random ones; see the parts. OUT=folder
# for the search part's report and plots, .scratch/bench if not given. RESULTS=file: every figure as a line of JSON,
# with the machine, the versions and the date in each part's first line; OUT/results.jsonl if not given. FULL=1: the
# search part's large data sets too. ARGS: options of search/main.py.
set -u -o pipefail
part=${PART:-all}
case $part in
all) parts=(tables search elements collections) ;;
tables | search | elements | collections) parts=("$part") ;;
*)
    echo "PART=$part: there are tables, search, elements and collections" >&2
    exit 1
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd) || exit 1
OUT=$(realpath -m "${OUT:-$here/../.scratch/bench}") || exit 1
RESULTS=$(realpath -m "${RESULTS:-$OUT/results.jsonl}") || exit 1
mkdir -p "$OUT" "${RESULTS%/*}" && : >"$RESULTS" || exit 1
export OUT RESULTS
status=0
for part in "${parts[@]}"; do
    case $part in
    elements) "$here/search/run.sh" elements.py ;;
    *) "$here/$part/run.sh" ;;
    esac || status=1
done
exit $status
