#!/usr/bin/env bash
# Prints the install script: sql/pg_zvec--0.1.0.sql, and after it what the element types beside zvec have alike, made of the
# templates in sql/element/. See design/element-types.md.
set -euo pipefail
cd "$(dirname "$0")"

# fill TEMPLATE NAME=VALUE...: the template with each @NAME@ replaced
fill() {
    local text pair
    text=$(<"element/$1.sql")
    shift
    for pair in "$@"; do text=${text//"@${pair%%=*}@"/"${pair#*=}"}; done
    printf '%s\n' "$text"
}

# distance TYPE METRIC OPERATOR FUNCTION SYMBOL WHAT [DEFAULT]
distance() {
    fill distance "T=$1" "METRIC=$2" "OPERATOR=$3" "FUNCTION=$4" "SYMBOL=$5" "WHAT=$6" "DEFAULT=${7:-}"
}

cat pg_zvec--0.1.0.sql
cat <<'END'

-- The other element types.

CREATE FUNCTION zvec_hamming_metric(internal) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_hamming_metric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_jaccard_metric(internal) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_jaccard_metric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION zvec_hamming_metric(internal) IS
    'which distance operator classes stand for that have this support function: Hamming (internal)';
COMMENT ON FUNCTION zvec_jaccard_metric(internal) IS
    'which distance operator classes stand for that have this support function: Jaccard (internal)';
END
while read -r type text what; do
    fill type "T=$type" "WHAT=$what" "TEXT=$text"
    fill hint "T=$type"
    fill number "T=$type"
    distance "$type" l2 '<->' l2_distance "${type}_l2_distance" 'Euclidean distance' DEFAULT
    distance "$type" ip '<#>' "${type}_negative_inner_product" "${type}_negative_inner_product" 'negative inner product'
    distance "$type" cosine '<=>' cosine_distance "${type}_cosine_distance" 'cosine distance'
    distance "$type" l1 '<+>' l1_distance "${type}_l1_distance" 'city block distance'
done <<'END'
zhalf [1,2.5,-3e-4] vector of 1 to 16,000 half-precision elements
zint8 [1,-2,127] vector of 1 to 16,000 elements of one signed byte
END
fill type T=zbit TEXT=10110 "WHAT=vector of 1 to 64,000 bits"
fill hint T=zbit
distance zbit hamming '<~>' hamming_distance zbit_hamming_distance 'Hamming distance: number of bits that differ' DEFAULT
distance zbit jaccard '<%>' jaccard_distance zbit_jaccard_distance \
    'Jaccard distance: of the bits set in either, the share that is set in one only'
cat element/among.sql
fill type T=zsparse "TEXT={1:0.5,7:2}/1000" "WHAT=vector of 1 to 1,000,000,000 dimensions, at most 16,000 of them not zero"
cat element/sparse.sql
