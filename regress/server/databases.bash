# Statements in the databases of a test's server; sourced.
# shellcheck shell=bash

# sql DATABASE STATEMENT...: what it prints.
sql() {
    local database=$1 statement
    local -a all=()
    shift
    for statement in "$@"; do all+=(-c "$statement"); done
    psql -XAtq -v ON_ERROR_STOP=1 -d "$database" "${all[@]}"
}

# is DATABASE QUERY RESULT
is() {
    local got
    got=$(sql "$1" "$2")
    [ "$got" = "$3" ] || { echo "$2: $got, not $3" >&2; return 1; }
}

# comes DATABASE QUERY RESULT: within a minute.
comes() {
    local got i
    for ((i = 0; i < 600; i++)); do
        got=$(sql "$1" "$2" 2>&1)
        [ "$got" != "$3" ] || return 0
        sleep 0.1
    done
    echo "$2: $got, not $3" >&2
    return 1
}
