#!/usr/bin/env bash
# Files that a released version wrote are read, searched and changed by this one, without dump, rewrite or REINDEX
# (design/format.md, "Versions"). regress/format/N has those of format N, each fork of each relation as it was; regress/format/N-decoded
# those of a database in which a plugin decodes all tables: rows have pointers, which name their table by its oid.
#
# regress/format/N-elements has the other element types, and a column that was of pgvector's type vector when it was written:
# read as one of zvec, whose bytes are the same. It is written by a server with pgvector.
#
# WRITE=N regress/server/format.sh writes regress/format/N anew: once, by the version that releases it; WRITE=N-decoded and
# WRITE=N-elements the others.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin format-test
relations="old old_toast old_l2 old_cosine old_l1 old_flat"

# What the table is made of, and a table of the same rows made now. Then deleted and replaced vectors, free slots and nodes,
# duplicates, several segments, and a pending list that is not empty.
plain() {
schema="
CREATE EXTENSION IF NOT EXISTS pg_zvec;
CREATE FUNCTION e(i integer) RETURNS zvec LANGUAGE sql IMMUTABLE AS
    'SELECT array_agg(round(sin(\$1 * k + \$1 / 97.0)::numeric, 4) ORDER BY k)::zvec FROM generate_series(1, 24) k';
CREATE FUNCTION f(i integer) RETURNS zvec LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN \$1 % 13 > 0 THEN ARRAY[\$1 % 7, \$1 % 11, 1 + \$1 % 5]::zvec END';
CREATE VIEW wanted AS SELECT i AS id, i % 10 AS kind, e(i + i % 3) AS e, f(i) AS f
    FROM generate_series(1, 900) i WHERE i % 9 > 0;"
table="
CREATE TABLE old (id integer NOT NULL, kind integer, e zvec(24) NOT NULL, f zvec(3)) USING zvec;
ALTER TABLE old SET (autovacuum_enabled = off, toast.autovacuum_enabled = off);
CREATE INDEX old_l2 ON old USING zvec_hnsw (e);
CREATE INDEX old_cosine ON old USING zvec_hnsw (f zvec_cosine_ops) WITH (m = 8) WHERE kind < 5;
CREATE INDEX old_l1 ON old USING zvec_hnsw (e zvec_l1_ops);
CREATE INDEX old_flat ON old USING zvec_flat (e zvec_ip_ops);"
fill="
INSERT INTO old SELECT i, i % 10, e(i), f(i) FROM generate_series(1, 850) i;
SELECT zvec_optimize('old');
UPDATE old SET e = e(id + id % 3) WHERE id % 3 > 0;
DELETE FROM old WHERE id % 9 = 0;
VACUUM old;
INSERT INTO old SELECT i, i % 10, e(i + i % 3), f(i) FROM generate_series(851, 900) i WHERE i % 9 > 0;
VACUUM (FREEZE, INDEX_CLEANUP off) old;
CHECKPOINT;"
same="(old.kind, old.e) = (w.kind, w.e) AND old.f IS NOT DISTINCT FROM w.f"
change="
UPDATE old SET e = e(id), f = f(id + 1) WHERE id % 4 = 0;
UPDATE old SET e = e(id + id % 3), f = f(id) WHERE id % 4 = 0;"
searched() {
    nearest '<->' e 'e(444)' true && nearest '<+>' e 'e(444)' true && nearest '<#>' e 'e(444)' true &&
        nearest '<=>' f "'[3,1,2]'" "kind < 5 AND f IS NOT NULL"
}
searched_again() {
    nearest '<->' e 'e(444)' true && nearest '<+>' e 'e(444)' true
}
}

# elements VECTOR: VECTOR is the type of the last column.
elements() {
schema="
CREATE EXTENSION IF NOT EXISTS pg_zvec;
CREATE FUNCTION z(i integer) RETURNS zvec LANGUAGE sql IMMUTABLE AS
    'SELECT array_agg(round(sin(\$1 * k + \$1 / 97.0)::numeric, 4) ORDER BY k)::zvec FROM generate_series(1, 24) k';
CREATE FUNCTION e(i integer) RETURNS zhalf LANGUAGE sql IMMUTABLE AS 'SELECT z(\$1)::zhalf';
CREATE FUNCTION f(i integer) RETURNS zint8 LANGUAGE sql IMMUTABLE AS 'SELECT (z(\$1) * 100)::zint8';
CREATE FUNCTION g(i integer) RETURNS zbit LANGUAGE sql IMMUTABLE AS
    'SELECT binary_quantize(z(\$1) || (z(\$1) - z(\$1 + 7)) || (z(\$1) - z(\$1 + 3)))';
CREATE VIEW wanted AS SELECT i AS id, i % 10 AS kind, e(i + i % 3) AS e, f(i + i % 3) AS f, g(i + i % 3) AS g, z(i + i % 3) AS v
    FROM generate_series(1, 900) i WHERE i % 9 > 0;"
table="
CREATE TABLE old (id integer NOT NULL, kind integer, e zhalf(24) NOT NULL, f zint8(24), g zbit(72), v $1(24)) USING zvec;
ALTER TABLE old SET (autovacuum_enabled = off, toast.autovacuum_enabled = off);
CREATE INDEX old_l2 ON old USING zvec_hnsw (e);
CREATE INDEX old_cosine ON old USING zvec_hnsw (f zint8_cosine_ops) WITH (m = 8) WHERE kind < 5;
CREATE INDEX old_l1 ON old USING zvec_hnsw (g);
CREATE INDEX old_flat ON old USING zvec_hnsw (v);"
fill="
INSERT INTO old SELECT i, i % 10, e(i), f(i), g(i), z(i) FROM generate_series(1, 850) i;
SELECT zvec_optimize('old');
UPDATE old SET e = e(id + id % 3), f = f(id + id % 3), g = g(id + id % 3), v = z(id + id % 3) WHERE id % 3 > 0;
DELETE FROM old WHERE id % 9 = 0;
VACUUM old;
INSERT INTO old SELECT i, i % 10, e(i + i % 3), f(i + i % 3), g(i + i % 3), z(i + i % 3) FROM generate_series(851, 900) i WHERE i % 9 > 0;
VACUUM (FREEZE, INDEX_CLEANUP off) old;
CHECKPOINT;"
same="(old.kind, old.e, old.f, old.g, old.v) = (w.kind, w.e, w.f, w.g, w.v)"
change="
UPDATE old SET e = e(id), f = f(id + 1), g = g(id + 1), v = z(id) WHERE id % 4 = 0;
UPDATE old SET e = e(id + id % 3), f = f(id + id % 3), g = g(id + id % 3), v = z(id + id % 3) WHERE id % 4 = 0;"
searched() {
    nearest '<->' e 'e(444)' true && nearest '<=>' f 'f(444)' 'kind < 5' && nearest '<~>' g 'g(444)' true &&
        nearest '<->' v 'z(444)' true
}
searched_again() { searched; }
}

path_of() {
    local name=$1
    [ "$name" != old_toast ] || name=$(psql -XAtqc "SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'old'")
    psql -XAtqc "SELECT pg_relation_filepath('$name')"
}

# new_server CLUSTER: a server with the table, whose oid is the same in each.
new_server() {
    zvec_start "$1" "${settings[@]}" && psql -Xq -v ON_ERROR_STOP=1 -c "$schema" && zvec_stop "$1" &&
        zvec_as_server "$ZVEC_BINDIR/pg_resetwal" -o 1000000 "$ZVEC_SCRATCH/$1/data" >/dev/null && zvec_start "$1" &&
        psql -Xq -v ON_ERROR_STOP=1 -c "$table" && [ "$(psql -XAtqc "SELECT 'old'::regclass::oid")" = 1000000 ]
}

settings=("autovacuum = off" "pg_zvec.background_drain = off" "pg_zvec.segment_capacity = 500")
if [ -n "${WRITE:-}" ]; then
    if [[ $WRITE == *-elements ]]; then elements vector; else plain; fi
    case $WRITE in
    *-decoded) settings+=("wal_level = logical") ;;
    *-elements)
        table=${table/zvec_hnsw (v)/zvec_hnsw (v vector_l2_ops)}
        schema="CREATE EXTENSION vector; CREATE EXTENSION pg_zvec_pgvector CASCADE; $schema"
        ;;
    esac
    new_server make || exit 1
    [[ $WRITE != *-decoded ]] ||
        psql -Xq -o /dev/null -v ON_ERROR_STOP=1 -c "SELECT pg_create_logical_replication_slot('d', 'test_decoding')" || exit 1
    psql -Xq -v ON_ERROR_STOP=1 <<<"$fill" || exit 1
    psql -XAtc "SELECT index, segment, nodes, dead, pending FROM zvec_index_stats('old')" \
        -c "SELECT * FROM zvec_segments('old')"
    declare -A paths
    for name in $relations; do paths[$name]=$(path_of $name); done
    zvec_stop make
    rm -rf "regress/format/$WRITE" && mkdir -p "regress/format/$WRITE" || exit 1
    for name in $relations; do
        for fork in "" _vm _fsm; do
            file=$ZVEC_SCRATCH/make/data/${paths[$name]}$fork
            [ ! -e "$file" ] || gzip -9nc "$file" >"regress/format/$WRITE/$name$fork.gz"
        done
    done
    exit
fi

# says QUERY ANSWER
says() {
    local answer
    answer=$(psql -XAtqc "$1" 2>&1)
    [ "$answer" = "$2" ] || { printf '%s\nwanted: %s\nfound:  %s\n' "$1" "$2" "$answer" && return 1; }
}

# nearest OPERATOR COLUMN QUERY CONDITION: an index scan finds at least 98 of the 100 nearest rows that are there, by distance.
nearest() {
    psql -XAtqc "
        SET enable_seqscan = off; SET zvec.enable_exact_scan = off; SET enable_sort = off; SET zvec.ef_search = 200;
        CREATE TEMP TABLE found AS SELECT $2 $1 $3 AS d FROM old WHERE $4 ORDER BY $2 $1 $3 LIMIT 100;
        CREATE TEMP TABLE exact AS SELECT d FROM (SELECT $2 $1 $3 AS d FROM wanted WHERE $4) w ORDER BY d LIMIT 100;
        SELECT count(*) >= 0.98 * (SELECT count(*) FROM exact) FROM found WHERE d <= (SELECT max(d) FROM exact)" | grep -qx t
}

for format in regress/format/*/; do
    number=$(basename "$format")
    cluster=format-$number
    if [[ $number == *-elements ]]; then elements zvec; else plain; fi
    new_server "$cluster"
    zvec_result $? "format $number: a new server"
    declare -A paths=()
    for name in $relations; do paths[$name]=$(path_of $name); done
    zvec_stop "$cluster"
    data=$ZVEC_SCRATCH/$cluster/data
    for name in $relations; do
        for fork in "" _vm _fsm; do
            file=$data/${paths[$name]}$fork
            rm -f "$file"
            [ ! -e "$format$name$fork.gz" ] || gzip -dc "$format$name$fork.gz" | zvec_as_server tee "$file" >/dev/null
        done
    done
    # the pages were written at positions of another server's log
    zvec_as_server "$ZVEC_BINDIR/pg_resetwal" -l 000000010000001000000000 "$data" >/dev/null && zvec_start "$cluster"
    zvec_result $? "format $number: its files are in place"

    says "SELECT count(*), (SELECT count(*) FROM wanted) FROM old JOIN wanted w USING (id)
        WHERE $same" "800|800" &&
        says "SELECT zvec_check('old')" ""
    zvec_result $? "format $number: rows and vectors are as they were"
    searched
    zvec_result $? "format $number: its indexes are searched"
    says "SELECT sum(pending) > 0, max(segment) > 0 FROM zvec_index_stats('old')" "t|t" &&
        psql -Xq -v ON_ERROR_STOP=1 -c "
            $change
            DELETE FROM old WHERE id % 5 = 0;
            INSERT INTO old SELECT * FROM wanted WHERE id % 5 = 0" -c "VACUUM old" &&
        says "SELECT zvec_check('old')" "" && searched_again &&
        says "SELECT count(*) FROM old JOIN wanted w USING (id) WHERE $same" 800
    zvec_result $? "format $number: it is changed and vacuumed"
    zvec_stop "$cluster" && zvec_log_is_clean "$cluster"
    zvec_result $? "format $number: the server's log is clean"
done
