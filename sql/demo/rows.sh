#!/bin/sh
# The demo's rows for COPY on standard output; a counter of the rows handed over on standard error.
cd "$(dirname "$0")" || exit 1
terminal=0
[ ! -t 2 ] || terminal=1
gunzip -c packages.tsv.gz | awk -v terminal=$terminal '
    { print }
    NR % 500 == 0 && terminal { printf "\r  %d packages ...", NR > "/dev/stderr"; fflush("/dev/stderr") }
    NR % 2500 == 0 && !terminal { printf "  %d packages ...\n", NR > "/dev/stderr"; fflush("/dev/stderr") }
    END { if (terminal) printf "\r                      \r" > "/dev/stderr" }'
