#!/usr/bin/env bash
# Functions of another library that have the names of some of ours are not taken for ours; ours are known by whatever name
# their library has in the catalogs.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin namesake-test
. regress/modules/build.bash

zvec_module namesake namesake
zvec_result $? "namesake: the library is compiled"
lib=$("$ZVEC_BINDIR/pg_config" --pkglibdir)
mkdir -p "$ZVEC_SCRATCH/other"
cp "$lib/namesake.so" "$ZVEC_SCRATCH/other/pg_zvec.so"
ln -s "$lib/pg_zvec.so" "$ZVEC_SCRATCH/other/link.so"
ln -s "$lib/namesake.so" "$ZVEC_SCRATCH/other/namesake_link.so"
zvec_start main "autovacuum = off" "pg_zvec.background_drain = off"

# is SQL OUTPUT: whether a session of its own gets this from the SQL
is() {
    local got
    got=$(psql -XqAt -v VERBOSITY=terse <<<"$1" 2>&1)
    [ "$got" = "$2" ] || { printf 'expected %s\ngot %s\n' "$2" "$got" | head -c 2000; false; }
}

psql -Xq -v ON_ERROR_STOP=1 -v VERBOSITY=terse -v lib="$lib" -v other="$ZVEC_SCRATCH/other" <<'SQL'
CREATE EXTENSION pg_zvec;
-- a type of text
CREATE TYPE fake;
CREATE FUNCTION fake_in(cstring) RETURNS fake AS '$libdir/namesake', 'zvec_in' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION fake_out(fake) RETURNS cstring AS '$libdir/namesake', 'zvec_out' LANGUAGE C IMMUTABLE STRICT;
CREATE TYPE fake (INPUT = fake_in, OUTPUT = fake_out, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external);
-- another, whose function has the name of pgvector's
CREATE TYPE other;
CREATE FUNCTION other_in(cstring) RETURNS other AS '$libdir/namesake', 'vector_in' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION other_out(other) RETURNS cstring AS '$libdir/namesake', 'zvec_out' LANGUAGE C IMMUTABLE STRICT;
CREATE TYPE other (INPUT = other_in, OUTPUT = other_out, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external);
CREATE TABLE others (id integer PRIMARY KEY, f other, e zvec(2)) USING zvec;
INSERT INTO others VALUES (1, 'one', '[1,2]'), (2, repeat('long', 5000)::other, '[2,3]');
CREATE TABLE texts (id integer PRIMARY KEY, f fake, e zvec(2)) USING zvec;
INSERT INTO texts VALUES (1, 'one', '[1,2]'), (2, 'some more words', '[2,3]'), (3, repeat('long', 5000)::fake, NULL),
    (4, NULL, '[3,4]');
UPDATE texts SET f = 'two' WHERE id = 2;

-- operators by functions of the one and the other library, by all the names that libraries can have
CREATE TABLE vectors (id integer, e zvec(2)) USING zvec;
INSERT INTO vectors SELECT i, ARRAY[i, 0]::zvec FROM generate_series(1, 100) i;
ANALYZE vectors;
CREATE PROCEDURE operator_of(op text, library text, symbol text = 'zvec_l2_distance') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE FUNCTION %I(zvec, zvec) RETURNS float8 AS %L, %L LANGUAGE C IMMUTABLE STRICT',
        'f' || op, library, symbol);
    EXECUTE format('CREATE OPERATOR %s (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = %I)', op, 'f' || op);
END $$;
SELECT format('CALL operator_of(%L, %L)', op, library) FROM (VALUES
    ('<~>', '$libdir/pg_zvec'), ('<~~>', '$libdir/pg_zvec.so'), ('<~~~>', 'pg_zvec'), ('<~~~~>', 'pg_zvec.so'),
    ('<@>', :'lib' || '/pg_zvec'), ('<@@>', :'lib' || '/pg_zvec.so'), ('<@@@>', :'other' || '/link'),
    ('<^>', '$libdir/namesake'), ('<^^>', 'namesake.so'), ('<^^^>', :'lib' || '/namesake'),
    ('<|>', :'other' || '/pg_zvec'), ('<||>', :'other' || '/namesake_link.so')) x (op, library) \gexec
CALL operator_of('<^|>', '$libdir/namesake', 'l2_distance');
CREATE FUNCTION is_ours(op text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN SELECT id FROM vectors ORDER BY e %s ''[40.25,0]'' LIMIT 3', op) LOOP
        IF strpos(line, 'Custom Scan (ZvecExactScan)') > 0 THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
CREATE FUNCTION nearest(op text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE ids text;
BEGIN
    EXECUTE format('SELECT string_agg(id::text, '' '') FROM (SELECT id FROM vectors ORDER BY e %s ''[40.25,0]'' LIMIT 3) x', op)
        INTO ids;
    RETURN ids;
END $$;
CREATE ROLE nobody;
-- which of the two libraries this process has loaded
CREATE FUNCTION loaded() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN maps ~ '/pg_zvec\.so' THEN 'pg_zvec' END, CASE WHEN maps ~ '/namesake\.so' THEN 'namesake' END)
    FROM pg_read_file('/proc/self/maps') maps
$$;
SQL
zvec_result $? "namesake: types, tables and operators"

is "SELECT id, CASE WHEN length(f::text) > 100 THEN length(f::text)::text ELSE f::text END, e FROM texts ORDER BY id" \
    "1|one|[1,2]
2|two|[2,3]
3|20000|
4||[3,4]"
zvec_result $? "namesake: another type's values are stored as any type's are"
is "SELECT zvec_check('texts'); SELECT column_name, dimensions, live FROM zvec_segments('texts')" "e|2|3"
zvec_result $? "namesake: only the vectors are in the store"
is "SELECT id, length(f::text) FROM others ORDER BY e <-> '[2,3]'; SELECT zvec_check('others');
    SELECT column_name, dimensions, live FROM zvec_segments('others')" "2|20000
1|3
e|2|2"
zvec_result $? "namesake: nor are values whose functions have the names of pgvector's"
is "SELECT id FROM texts ORDER BY e <-> '[3,3]' LIMIT 1; VACUUM FULL texts; SELECT f FROM texts WHERE id = 2; SELECT zvec_check('texts')" "2
two"
zvec_result $? "namesake: searches and rewrites of a table with such a type"
for op in '<->' '<~>' '<~~>' '<~~~>' '<~~~~>' '<@>' '<@@>' '<@@@>'; do
    is "SELECT is_ours('$op'), nearest('$op'), loaded()" "t|40 41 39|pg_zvec"
    zvec_result $? "namesake: operator $op is ours"
done
for op in '<^>' '<^^>' '<^^^>' '<^|>' '<|>' '<||>'; do
    is "SELECT is_ours('$op')" f && is "SELECT is_ours('$op'), nearest('$op')" "f|100 99 98"
    zvec_result $? "namesake: operator $op is not ours"
done
# without a right to the table a query is planned, and not begun
is "SELECT is_ours('<->'); EXPLAIN (COSTS OFF) SELECT f FROM texts; SELECT f IS NULL FROM texts WHERE id = 4; SET ROLE nobody;
    EXPLAIN SELECT id FROM vectors ORDER BY e <^> '[1,2]'; EXPLAIN SELECT id FROM vectors ORDER BY e <||> '[1,2]'; RESET ROLE;
    SELECT loaded()" "t
Seq Scan on texts
t
ERROR:  permission denied for table vectors
ERROR:  permission denied for table vectors
pg_zvec"
zvec_result $? "namesake: nothing is loaded to find that out"
# since 18 a name in the server's own folder is so, too
folder=t
[ "$(zvec_version)" -lt 18 ] || folder=f
is "SELECT is_ours('<~~~>'); SET dynamic_library_path = '$ZVEC_SCRATCH/other:\$libdir'; SELECT is_ours('<~~~>'), is_ours('<~>');
    RESET dynamic_library_path; SELECT is_ours('<~~~>')" "t
f|$folder
t"
zvec_result $? "namesake: a name without a folder is looked for as the server does"
is "SELECT is_ours('<@>'), is_ours('<^>');
    CREATE OR REPLACE FUNCTION \"f<@>\"(zvec, zvec) RETURNS float8 AS '\$libdir/namesake', 'zvec_l2_distance' LANGUAGE C IMMUTABLE STRICT;
    CREATE OR REPLACE FUNCTION \"f<^>\"(zvec, zvec) RETURNS float8 AS '\$libdir/pg_zvec', 'zvec_l2_distance' LANGUAGE C IMMUTABLE STRICT;
    SELECT is_ours('<@>'), nearest('<@>'), is_ours('<^>'), nearest('<^>')" "t|f
f|100 99 98|t|40 41 39"
zvec_result $? "namesake: functions that are replaced"
zvec_log_is_clean main
zvec_result $? "namesake: the server's log"
