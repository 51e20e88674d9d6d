#!/usr/bin/env bash
# Updates that another extension makes while a transaction commits, before and after pg_zvec is told of that: the committed
# rows are found by nearest neighbours, whichever way these are looked for.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin commit-test
. regress/modules/build.bash

# the server calls last who has asked for it first
zvec_module early at_commit -DNAME=early && zvec_module late at_commit -DNAME=late
zvec_result $? "commit: modules are compiled"
zvec_start main "autovacuum = off" "pg_zvec.background_drain = off"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
-- tag is indexed, so an update of it is not HOT, and the vector's slot must learn of the row's new address
CREATE TABLE graph (id integer PRIMARY KEY, tag integer, e zvec(3)) USING zvec;
CREATE TABLE flat (LIKE graph) USING zvec;
CREATE TABLE exact (LIKE graph) USING zvec;
INSERT INTO graph SELECT i, 0, ARRAY[i, i % 7, 1]::zvec FROM generate_series(1, 2000) i;
INSERT INTO flat SELECT * FROM graph;
INSERT INTO exact SELECT * FROM graph;
CREATE INDEX ON graph (tag);
CREATE INDEX ON flat (tag);
CREATE INDEX ON exact (tag);
CREATE INDEX graph_e ON graph USING zvec_hnsw (e zvec_l2_ops);
CREATE INDEX flat_e ON flat USING zvec_flat (e zvec_l2_ops);
ANALYZE;

CREATE FUNCTION change(which text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('UPDATE graph SET tag = tag + 1 WHERE %s', which);
    EXECUTE format('UPDATE flat SET tag = tag + 1 WHERE %s', which);
    EXECUTE format('UPDATE exact SET tag = tag + 1 WHERE %s', which);
END $$;
CREATE FUNCTION change_and_take_back(which text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM change(which);
    BEGIN
        PERFORM change(which);
        RAISE EXCEPTION 'no';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
END $$;

-- What is wrong: rows that a search by distance does not find in their place, and what zvec_check has to say.
CREATE FUNCTION problems() RETURNS SETOF text LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
    line text;
    plan text;
    name text;
    node text;
    near integer[];
    told integer;
BEGIN
    FOR name, node IN VALUES ('graph', 'Index Scan using graph_e'), ('flat', 'Index Scan using flat_e'),
        ('exact', 'Custom Scan (ZvecExactScan)')
    LOOP
        plan := '';
        FOR line IN EXECUTE format('EXPLAIN SELECT id FROM %I ORDER BY e <-> ''[0,3,1]'' LIMIT 50', name) LOOP
            plan := plan || line || E'\n';
        END LOOP;
        IF strpos(plan, node) = 0 THEN RETURN NEXT name || E' is scanned otherwise:\n' || plan; END IF;
        EXECUTE format('SELECT array_agg(id ORDER BY d, id) FROM (SELECT id, e <-> ''[0,3,1]'' d FROM %I'
            ' ORDER BY e <-> ''[0,3,1]'' LIMIT 50) x', name) INTO near;
        IF near IS DISTINCT FROM (SELECT array_agg(id ORDER BY d, id) FROM (SELECT i id, ARRAY[i, i % 7, 1]::zvec <-> '[0,3,1]' d
            FROM generate_series(1, 2000) i ORDER BY 2, 1 LIMIT 50) x)
        THEN RETURN NEXT name || ': found ' || coalesce(near::text, 'nothing'); END IF;
        EXECUTE format('SELECT count(*) FROM (SELECT id FROM %I ORDER BY e <-> ''[0,3,1]'') x', name) INTO told;
        IF told <> 2000 THEN RETURN NEXT format('%s: %s rows in order', name, told); END IF;
        RETURN QUERY EXECUTE format('SELECT format(''%%s: %%s'', %L, c) FROM zvec_check(%L) c', name, name);
    END LOOP;
END $$;
-- all three tables have each row, updated so many times
CREATE FUNCTION sums() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT sum(tag) FROM graph), (SELECT sum(tag) FROM flat), (SELECT sum(tag) FROM exact))
$$;
SQL
zvec_result $? "commit: tables"

# test_case NAME UPDATES SQL...: runs the SQL in a session of its own, which prints OUTPUT; then each table has been updated so
# many more times, and has no problems, for this session and another.
done_so_far=0
test_case() {
    local name=$1 here there expected
    done_so_far=$((done_so_far + $2))
    shift 2
    expected="$done_so_far $done_so_far $done_so_far"
    here=$(printf '%s\n' "$@" "SELECT sums(); SELECT problems();" | psql -XqAt -v VERBOSITY=terse 2>&1)
    there=$(psql -XqAtc "SELECT sums(); SELECT problems()" 2>&1)
    [ "$here" = "${OUTPUT:+$OUTPUT
}$expected" ] && [ "$there" = "$expected" ] || { printf 'expected %s\nhere %s\nthere %s\n' "$expected" "$here" "$there" | head -c 3000; false; }
    zvec_result $? "commit: $name"
    # rows that were lost must not be lost to the next test
    psql -Xqc "VACUUM graph, flat, exact" -c "UPDATE graph SET tag = tag" -c "UPDATE flat SET tag = tag" -c "UPDATE exact SET tag = tag"
}

early="LOAD 'early'; SELECT FROM graph ORDER BY e <-> '[1,1,1]' LIMIT 0;"
test_case "nobody updates" 3 "BEGIN; SELECT FROM change('id <= 3'); COMMIT;"
test_case "a module that is called after pg_zvec" 3 "$early" \
    "BEGIN; SET LOCAL early.at_commit = 'SELECT change(''id <= 3'')'; COMMIT;"
test_case "a module that is called before pg_zvec" 3 "SELECT FROM change('false'); LOAD 'late';" \
    "BEGIN; SET LOCAL late.at_commit = 'SELECT change(''id <= 3'')'; COMMIT;"
test_case "both, and the transaction itself" 11 "$early LOAD 'late';" \
    "BEGIN; SELECT FROM change('id IN (1, 2, 3, 4)'); SET LOCAL early.at_commit = 'SELECT change(''id IN (1, 2, 3, 5)'')';" \
    "SET LOCAL late.at_commit = 'SELECT change(''id IN (1, 2, 6)'')'; COMMIT;"
test_case "more rows than may wait" 4000 "$early" \
    "BEGIN; SET LOCAL early.at_commit = 'SELECT change(''true''), change(''true'')'; COMMIT;"
test_case "a transaction that is prepared" 5 "$early" \
    "BEGIN; SELECT FROM change('id IN (7, 8)'); SET LOCAL early.at_commit = 'SELECT change(''id <= 3'')';" \
    "PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p';"
test_case "a prepared transaction that is taken back" 0 "$early" \
    "BEGIN; SELECT FROM change('id IN (7, 8)'); SET LOCAL early.at_commit = 'SELECT change(''id <= 3'')';" \
    "PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p';"
test_case "pg_zvec is loaded while a transaction commits" 3 "LOAD 'early';" \
    "BEGIN; SET LOCAL early.at_commit = 'SELECT change(''id <= 3'')'; COMMIT;"
test_case "pg_zvec is loaded while a procedure commits" 3 "LOAD 'early';" \
    "DO \$\$ BEGIN PERFORM set_config('early.at_commit', 'SELECT change(''id <= 3'')', true); COMMIT; END \$\$;"
test_case "a procedure commits" 9 "$early" "DO \$\$ BEGIN FOR i IN 1..3 LOOP PERFORM change('id = 4');" \
    "PERFORM set_config('early.at_commit', 'SELECT change(''id <= 2'')', true); COMMIT; END LOOP; END \$\$;"
test_case "a subtransaction of the module's is taken back" 3 "$early" \
    "BEGIN; SET LOCAL early.at_commit = 'SELECT change_and_take_back(''id <= 3'')'; COMMIT;"
OUTPUT='ERROR:  division by zero' test_case "the module fails" 0 "$early" \
    "BEGIN; SELECT FROM change('id <= 3'); SET LOCAL early.at_commit = 'SELECT change(''id <= 4''); SELECT 1 / 0'; COMMIT;"
OUTPUT='ERROR:  division by zero' test_case "a transaction after a failed one" 3 "$early LOAD 'late';" \
    "BEGIN; SELECT FROM change('id <= 4'); SET LOCAL late.at_commit = 'SELECT change(''id <= 4''); SELECT 1 / 0'; COMMIT;" \
    "BEGIN; SELECT FROM change('id <= 3'); COMMIT;"
test_case "savepoints are released" 14 "$early" \
    "BEGIN; SAVEPOINT a; SELECT FROM change('id <= 3'); SET LOCAL early.at_subcommit = 'SELECT change(''id IN (2, 3, 4, 5)'')';" \
    "RELEASE a; SET LOCAL early.at_subcommit = ''; SAVEPOINT b; SELECT FROM change('id <= 2'); ROLLBACK TO b;" \
    "SELECT FROM change('id IN (1, 5, 6)'); SAVEPOINT c; SELECT FROM change('id BETWEEN 4 AND 7'); COMMIT;"
test_case "a savepoint is released, another one taken back" 4 "$early" \
    "BEGIN; SAVEPOINT a; SET LOCAL early.at_subcommit = 'SELECT change(''id IN (2, 3, 4, 5)'')';" \
    "RELEASE a; SET LOCAL early.at_subcommit = ''; SAVEPOINT b; ROLLBACK TO b; COMMIT;"
test_case "savepoints around savepoints, the outer one taken back" 2 "$early" \
    "BEGIN; SAVEPOINT a; SAVEPOINT b; SET early.at_subcommit = 'SELECT change(''id IN (2, 3)'')'; RELEASE b;" \
    "SET early.at_subcommit = ''; ROLLBACK TO a; SELECT FROM change('id IN (1, 2)'); COMMIT;"
zvec_log_is_clean main
zvec_result $? "commit: the server's log"
