#!/usr/bin/env bash
# Partitions on other servers, through postgres_fdw: order and LIMIT are asked of each server, its rows are merged, and they are
# the rows that one table with all of them has. The README's section about it works as printed.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
. regress/server/databases.bash
zvec_begin machines
zvec_has postgres_fdw || exit 0
for server in east west main; do
    zvec_start $server "autovacuum = off" || exit 1
done

# on SERVER STATEMENT...: what they print
on() {
    zvec_use "$1"
    shift
    sql postgres "$@"
}

# gives NAME SQL EXPECTED: on main
gives() {
    local said
    zvec_use main
    said=$(psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=sqlstate <<<"$2" 2>&1)
    [ "$said" = "$3" ] || { printf 'expected: %.2000s\ngot: %.2000s\n' "$3" "$said"; false; }
    zvec_result $? "machines: $1"
}

# same NAME QUERY: from the partitions as from `plain`, a table with the same rows, in whose place the query has `items`
same() {
    local expected
    zvec_use main
    expected=$(psql -XAtq -v ON_ERROR_STOP=1 <<<"${2//items/plain}" 2>&1)
    [ -n "$expected" ] || { echo "no rows"; false; } || { zvec_result 1 "machines: $1"; return; }
    gives "$1" "$2" "$expected"
}

# sent NAME QUERY COUNT PATTERN: in its plan that many remote queries match
sent() {
    local count
    zvec_use main
    psql -XAtq -v ON_ERROR_STOP=1 <<<"${2/SELECT/EXPLAIN (VERBOSE, COSTS OFF) SELECT}" >"$ZVEC_SCRATCH/plan" 2>&1
    count=$(grep 'Remote SQL' "$ZVEC_SCRATCH/plan" | grep -cE -- "$4")
    [ "$count" = "$3" ] || { cat "$ZVEC_SCRATCH/plan"; false; }
    zvec_result $? "machines: $1"
}

host() {
    echo "$ZVEC_SCRATCH/$1/socket', port '54315"
}

# The README: its first block is run on east, and for west with that name; the second here; the third is a query, whose plan is
# the fourth, and whose rows the fifth.
block() {
    awk -v wanted="$1" '/^## / { here = /^## More than one machine/ } here && /^```/ { code = !code; n += code; next }
        here && code && n == wanted' README.md
}
block 1 >"$ZVEC_SCRATCH/there.sql"
block 2 | sed "s|east.example.com|$(host east)|; s|west.example.com|$(host west)|" >"$ZVEC_SCRATCH/here.sql"
block 3 >"$ZVEC_SCRATCH/query.sql"
zvec_use east
psql -X -q -v ON_ERROR_STOP=1 -f "$ZVEC_SCRATCH/there.sql" &&
    zvec_use west && sed "s/east/west/g" "$ZVEC_SCRATCH/there.sql" | psql -X -q -v ON_ERROR_STOP=1 &&
    zvec_use main && psql -X -q -v ON_ERROR_STOP=1 -f "$ZVEC_SCRATCH/here.sql"
zvec_result $? "machines: the README's statements"
{ echo "EXPLAIN (VERBOSE, COSTS OFF)" && cat "$ZVEC_SCRATCH/query.sql"; } | psql -XAtq >"$ZVEC_SCRATCH/plan" 2>&1
diff <(block 4) "$ZVEC_SCRATCH/plan"
zvec_result $? "machines: the README's plan"
diff <(block 5) <(psql -XAtq -f "$ZVEC_SCRATCH/query.sql" 2>&1)
zvec_result $? "machines: the README's rows"
gives "a row that is not the partition's is refused by the server that has it" \
    "UPDATE items SET region = 'west' WHERE region = 'east'" "ERROR:  23514"
on main "DROP TABLE items" "DROP SERVER east CASCADE" "DROP SERVER west CASCADE" 2>/dev/null
for server in east west; do
    on $server "DROP TABLE items_$server" \
        "CREATE TABLE items (region text NOT NULL, id int, tag int, title text, embedding zvec(4)) USING zvec" \
        "CREATE VIEW setting AS SELECT current_setting('zvec.ef_search') AS ef FROM (SELECT vector_dims('[1]'::zvec) OFFSET 0) loaded"
done
# east has an index, west none; the data are such that a graph finds what is asked for
on east "CREATE INDEX ON items USING zvec_hnsw (embedding)"
on main "CREATE SERVER east FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$(host east)', dbname 'postgres', extensions 'pg_zvec',
        options '-c zvec.ef_search=500')" \
    "CREATE SERVER west FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$(host west)', dbname 'postgres', extensions 'pg_zvec')" \
    "CREATE USER MAPPING FOR postgres SERVER east" "CREATE USER MAPPING FOR postgres SERVER west" \
    "CREATE TABLE items (region text NOT NULL, id int, tag int, title text, embedding zvec(4)) PARTITION BY LIST (region)" \
    "CREATE TABLE items_graph PARTITION OF items FOR VALUES IN ('graph') USING zvec" \
    "CREATE TABLE items_exact PARTITION OF items FOR VALUES IN ('exact') USING zvec" \
    "CREATE FOREIGN TABLE items_east PARTITION OF items FOR VALUES IN ('east') SERVER east OPTIONS (table_name 'items')" \
    "CREATE FOREIGN TABLE items_west PARTITION OF items FOR VALUES IN ('west') SERVER west OPTIONS (table_name 'items')" \
    "CREATE INDEX ON items_graph USING zvec_hnsw (embedding)" \
    "CREATE TABLE plain (LIKE items) USING heap" \
    "INSERT INTO plain SELECT (ARRAY['graph', 'exact', 'east', 'west'])[1 + i % 4], i, i / 4 % 10, 'item ' || i,
        CASE WHEN i % 100 > 0 THEN ARRAY[sin(i) / 3, cos(1.7 * i) * 10, 1 + i % 7, i / 1000.0]::zvec END FROM generate_series(1, 4000) i" \
    "INSERT INTO items SELECT * FROM plain" "ANALYZE items" "ANALYZE plain" || exit 1
gives "rows go to the servers" "SELECT tableoid::regclass, count(*), count(embedding) FROM items GROUP BY 1 ORDER BY min(tableoid::regclass::text)" \
    "items_east|1000|1000
items_exact|1000|1000
items_graph|1000|960
items_west|1000|1000"
gives "what was set for a server holds there" "CREATE FOREIGN TABLE setting (ef text) SERVER east; SELECT * FROM setting" "500"

# order and LIMIT
near="ORDER BY embedding <-> '[0.1,0.2,3,2.5]'"
pushed='ORDER BY .*(<->|<=>|<#>).* LIMIT [0-9$:a-z]+$'
for remote in true false; do
    for server in east west; do
        command=SET
        [ $remote = false ] || command=ADD
        on main "ALTER SERVER $server OPTIONS ($command use_remote_estimate '$remote', $command async_capable '$remote')"
    done
    with="remote estimates: $remote"
    query="SELECT id, embedding FROM items $near LIMIT 7"
    same "nearest, $with" "$query"
    sent "nearest: order and LIMIT are asked for, $with" "$query" 2 "$pushed"
    query="SELECT id, embedding <-> '[0.1,0.2,3,2.5]' FROM items WHERE tag IN (3, 4) AND title LIKE 'item %1%' $near LIMIT 7"
    same "with a condition, $with" "$query"
    # where a server says how few rows that leaves, they may as well be sorted here
    [ $remote = true ] || sent "with a condition: it is sent too" "$query" 2 "WHERE .*tag.*title.* $pushed"
    same "with two keys, $with" "SELECT id FROM items ORDER BY embedding <#> '[0,0,0,1]', id LIMIT 9"
    same "by similarity, NULL first, $with" "SELECT id FROM items ORDER BY 1 - (embedding <=> '[1,2,3,4]') DESC, id LIMIT 50"
    same "by similarity, $with" "SELECT id FROM items ORDER BY 1 - (embedding <=> '[1,2,3,4]') DESC NULLS LAST LIMIT 5"
    same "within a bound, $with" "SELECT count(*), sum(id) FROM items WHERE embedding <-> '[0.1,0.2,3,2.5]' < 4"
    query="SELECT q.id, n.id, n.distance FROM (SELECT * FROM plain WHERE id IN (9, 14, 19)) q CROSS JOIN LATERAL
        (SELECT i.id, i.embedding <-> q.embedding AS distance FROM items i ORDER BY 2 LIMIT q.tag) n ORDER BY 1, 3"
    same "nearest for each of some, as many as each says, $with" "$query"
    sent "nearest for each: LIMIT is asked for, $with" "$query" 2 "$pushed"
    same "from one server, $with" "SELECT id, region FROM items WHERE region = 'west' $near LIMIT 5"
    [ $remote = true ] || sent "from one server: LIMIT is asked for" "SELECT id FROM items WHERE region = 'west' $near LIMIT 5" 1 "$pushed"
    same "more than come at once, $with" "SELECT count(*), sum(id) FROM (SELECT id FROM items $near LIMIT 700) i"
done
prepared="SET plan_cache_mode = force_generic_plan; PREPARE q (zvec, int, int) AS SELECT id, embedding <-> \$1 FROM items
    WHERE tag = \$2 ORDER BY embedding <-> \$1 LIMIT \$3;"
same "prepared, with a generic plan" "$prepared EXECUTE q ('[0.1,0.2,3,2.5]', 3, 5); EXECUTE q ('[-0.333,9,1,0.125]', 4, 2); EXECUTE q ('[1,1,1,1]', 9, NULL)"
gives "LIMIT of less than nothing" "$prepared EXECUTE q ('[1,1,1,1]', 1, -1)" "ERROR:  2201W"
sent "prepared: order, condition and LIMIT are sent as parameters" "${prepared//SELECT/select} EXPLAIN (VERBOSE) EXECUTE q ('[1,1,1,1]', 1, 3)" 2 \
    'tag = \$[12]::integer.*<->\) \$[12]::public.zvec\).* LIMIT \$3::integer$'
query="SELECT id FROM items WHERE tag = 7 $near LIMIT 3 OFFSET 0"
same "OFFSET 0: rows" "$query"
sent "OFFSET 0, as of a first page" "$query" 2 ' LIMIT 3::bigint OFFSET 0::bigint$'
sent "LIMIT by a subquery" "SELECT id FROM items $near LIMIT (SELECT 3)" 2 "$pushed"
same "LIMIT by a subquery: rows" "SELECT id FROM items $near LIMIT (SELECT 3)"
query="SELECT id FROM (SELECT * FROM items_east UNION ALL SELECT * FROM items_west) u $near LIMIT 4"
sent "UNION ALL of tables of two servers" "$query" 2 "$pushed"
gives "UNION ALL: rows" "$query" "$(on main "SELECT id FROM plain WHERE region IN ('east', 'west') $near LIMIT 4")"
zvec_use east
comes postgres "SELECT idx_scan > 5 FROM pg_stat_user_indexes WHERE indexrelname = 'items_embedding_idx'" t
zvec_result $? "machines: the index there was scanned"

same "the least distance" "SELECT min(embedding <-> '[0.1,0.2,3,2.5]') FROM items WHERE tag = 4"
sent "the least distance: one row is asked for" "SELECT min(embedding <-> '[0.1,0.2,3,2.5]') FROM items WHERE tag = 4" 2 "WHERE .*tag.* $pushed"

# where something between a scan and LIMIT may drop rows, or a server would have to skip some, LIMIT is not asked for
kept() {
    same "$1: rows" "$2"
    sent "$1: no LIMIT there" "$2" 0 ' LIMIT '
}
kept "OFFSET" "SELECT id FROM items $near LIMIT 3 OFFSET 4"
kept "WITH TIES" "SELECT id FROM items ORDER BY round((embedding <-> '[0.1,0.2,3,2.5]')::numeric, 1), embedding <-> '[0.1,0.2,3,2.5]' FETCH FIRST 3 ROWS WITH TIES"
kept "WITH TIES of a distance" "SELECT count(*) FROM (SELECT id FROM items WHERE region IN ('exact', 'west') AND embedding IS NOT NULL
    ORDER BY embedding <#> '[0,0,1,0]' FETCH FIRST 3 ROWS WITH TIES) t"
kept "a condition that is not sent" "SELECT id FROM items WHERE title || now() > 'item 3' $near LIMIT 3"
kept "a join" "SELECT i.id FROM items i JOIN (SELECT id FROM plain WHERE tag = 5) p USING (id) ORDER BY i.embedding <-> '[0.1,0.2,3,2.5]' LIMIT 3"
kept "a semi-join" "SELECT id FROM items i WHERE EXISTS (SELECT FROM plain p WHERE p.id = i.id + 1 AND p.tag = 5) $near LIMIT 3"
kept "a subquery in a condition" "SELECT id FROM items WHERE tag NOT IN (SELECT tag FROM plain WHERE id < 9) $near LIMIT 3"
kept "DISTINCT" "SELECT DISTINCT ON (embedding <-> '[0.1,0.2,3,2.5]') id FROM items $near LIMIT 3"
kept "a window function" "SELECT id, count(*) OVER () FROM items $near LIMIT 3"
kept "rows of one row" "SELECT id, generate_series(1, 2) FROM items $near LIMIT 3"
kept "GROUP BY" "SELECT count(*), embedding <-> '[0.1,0.2,3,2.5]' FROM items GROUP BY 2 ORDER BY 2 LIMIT 3"
kept "FOR UPDATE" "SELECT id FROM items $near LIMIT 3 FOR UPDATE"
kept "no LIMIT" "SELECT id FROM items WHERE tag = 3 AND embedding IS NOT NULL $near, id"
sent "of another order LIMIT is left to postgres_fdw" "SELECT id FROM items ORDER BY id LIMIT 3" 0 ' LIMIT [^ ]+$'
policies="SET row_security = on; SET ROLE reader;"
on main "CREATE FUNCTION hidden(text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN \$1 LIKE ''%7''; END'" \
    "CREATE ROLE reader" "GRANT SELECT ON items, plain TO reader" "GRANT USAGE ON FOREIGN SERVER east, west TO reader" \
    "CREATE USER MAPPING FOR reader SERVER east OPTIONS (user 'postgres', password_required 'false')" \
    "CREATE USER MAPPING FOR reader SERVER west OPTIONS (user 'postgres', password_required 'false')" \
    "ALTER TABLE items ENABLE ROW LEVEL SECURITY" "ALTER TABLE plain ENABLE ROW LEVEL SECURITY" \
    "CREATE POLICY p ON items USING (NOT hidden(title))" "CREATE POLICY p ON plain USING (NOT hidden(title))"
kept "a policy" "$policies SELECT id FROM items $near LIMIT 9"
on main "ALTER TABLE items DISABLE ROW LEVEL SECURITY" "ALTER TABLE plain DISABLE ROW LEVEL SECURITY" \
    "ALTER SERVER west OPTIONS (DROP extensions)"
same "a server without the option 'extensions'" "SELECT id FROM items $near LIMIT 7"
sent "... of which no order is asked" "SELECT id FROM items $near LIMIT 7" 1 "$pushed"
on main "ALTER SERVER west OPTIONS (extensions 'pg_zvec')"

# writes
both() {
    gives "$1" "$2" ""
    gives "$1: the rows" "SELECT count(*) FROM (TABLE items EXCEPT ALL TABLE plain UNION ALL (TABLE plain EXCEPT ALL TABLE items)) d" "0"
}
both "UPDATE of vectors, by the server itself" "UPDATE items SET embedding = embedding + '[0,0,0.5,0.1]' WHERE tag = 3;
    UPDATE plain SET embedding = embedding + '[0,0,0.5,0.1]' WHERE tag = 3"
both "UPDATE of vectors, row by row" "UPDATE items SET embedding = ARRAY[random() * 0, 1, 2, id / 3.0]::zvec WHERE tag = 4;
    UPDATE plain SET embedding = ARRAY[0, 1, 2, id / 3.0]::zvec WHERE tag = 4"
both "UPDATE by a join, and of other columns" "UPDATE items i SET title = p.title || '!' FROM plain p WHERE p.id = i.id AND p.tag = 5;
    UPDATE plain SET title = title || '!' WHERE tag = 5"
both "DELETE" "DELETE FROM items WHERE embedding <-> '[0.1,0.2,3,2.5]' < 2; DELETE FROM plain WHERE embedding <-> '[0.1,0.2,3,2.5]' < 2"
rows=$(printf 'east\t5001\t1\tcopied\t[1e-38,-3.4028235e+38,0.1,1677721.6]\nwest\t5002\t1\tcopied\t[0.1,0.2,3,2.5]\ngraph\t5003\t1\tcopied\t\\N\n')
gives "COPY" "COPY items FROM stdin;
$rows
\\.
COPY plain FROM stdin;
$rows
\\.
SELECT id, embedding FROM items WHERE title = 'copied' ORDER BY 1" "5001|[1e-38,-3.4028235e+38,0.1,1.6777216e+06]
5002|[0.1,0.2,3,2.5]
5003|"
both "rows that move to another server" "UPDATE items SET region = 'east' WHERE region = 'graph' AND tag = 6; UPDATE plain SET region = 'east' WHERE region = 'graph' AND tag = 6"
gives "they are there" "SELECT count(*) > 150, count(*) FILTER (WHERE tableoid <> 'items_east'::regclass) FROM items WHERE tag = 6 AND region = 'east'" "t|0"
both "rolled back" "BEGIN; INSERT INTO items VALUES ('east', -1, 1, 'x', '[0.1,0.2,3,2.5]'), ('west', -1, 1, 'x', '[0.1,0.2,3,2.5]');
    SAVEPOINT s; DELETE FROM items; ROLLBACK TO s; ROLLBACK"
same "nearest after that" "SELECT id, embedding FROM items WHERE embedding IS NOT NULL $near, id LIMIT 20"
gives "one's own rows are found at once" "BEGIN; INSERT INTO items VALUES ('east', -1, 1, 'x', '[0.1,0.2,3,2.5]'), ('exact', -3, 1, 'x', '[0.1,0.2,3,2.5]');
    SELECT id FROM items $near, id LIMIT 3; ROLLBACK" "-3
-1
5002"
gives "a vector of other dimensions" "INSERT INTO items VALUES ('east', 1, 1, '', '[1,2,3]')" "ERROR:  22000"
gives "the query's vector of other dimensions" "SELECT id FROM items_west ORDER BY embedding <-> '[1,2,3]' LIMIT 1" "ERROR:  22000"
on east "SELECT * FROM zvec_check('items')" >"$ZVEC_SCRATCH/check" && [ ! -s "$ZVEC_SCRATCH/check" ]
zvec_result $? "machines: the table there is sound"

# the other types
on east "CREATE TABLE kinds (id int PRIMARY KEY, v zvec, h zhalf(4), i zint8(4), b zbit(12), s zsparse(100)) USING zvec" \
    "CREATE INDEX ON kinds USING zvec_hnsw (h)" "CREATE INDEX ON kinds USING zvec_flat (b)"
gives "IMPORT FOREIGN SCHEMA knows types and dimensions" "IMPORT FOREIGN SCHEMA public LIMIT TO (kinds) FROM SERVER east INTO public;
    SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 0" \
    "integer zvec zhalf(4) zint8(4) zbit(12) zsparse(100)"
values="SELECT g AS id, ARRAY[g / 3.0, 1e-38, 3.4e38, -g * 1.1]::zvec, ARRAY[g / 3.0, 6e-8, 65504, -1]::zvec::zhalf, ARRAY[g, -g, 127, -128]::zint8,
    (g::bit(12))::zbit, ('{1:' || g / 7.0 || ',50:0.333333}/100')::zsparse FROM generate_series(1, 50) g"
gives "every value arrives as it was sent, whatever extra_float_digits" "SET extra_float_digits = -15; INSERT INTO kinds $values;
    CREATE TABLE kinds_here (LIKE kinds); INSERT INTO kinds_here $values; UPDATE kinds SET v = v WHERE id < 5; SELECT count(*) FROM (TABLE kinds EXCEPT ALL TABLE kinds_here) d" "0"
for order in "h <=> '[1,0,3e4,1]'" "h <-> '[3.3,0,65504,-1]'" "i <#> '[1,-2,0,0]', id" "i <+> '[9,-9,3,4]', id" "b <~> '101010101010', id" \
    "b <%> '101010101010', id" "s <-> '{1:2.5}/100', id" "l2_distance(v, '[5,0,3.4e38,-6]'), id" "h::zvec <-> '[3.3,0,65504,-1]'"; do
    for query in "SELECT id FROM kinds ORDER BY $order LIMIT 4"; do
        gives "by $order" "$query" "$(on main "${query/kinds/kinds_here}")"
        sent "by $order: the order is asked for" "$query" 1 ' ORDER BY '
    done
done
gives "aggregates" "SELECT avg(i), max(h), min(b), avg(v) FROM kinds WHERE i <-> '[1,-1,127,-128]' < 20" \
    "$(on main "SELECT avg(i), max(h), min(b), avg(v) FROM kinds_here WHERE i <-> '[1,-1,127,-128]' < 20")"
sent "aggregates are asked for" "SELECT avg(i), max(h), min(b) FROM kinds WHERE i <-> '[1,-1,127,-128]' < 20" 1 'public.avg\(i\)'
gives "ANALYZE" "ANALYZE kinds; SELECT count(*), sum(null_frac) FROM pg_stats WHERE tablename = 'kinds'" "6|0"

# functions and collections
gives "functions over a partitioned table pass the other servers' by" "SELECT * FROM zvec_check('items');
    SELECT index FROM zvec_optimize('items'); SELECT DISTINCT index FROM zvec_index_stats('items'); SELECT zvec_prewarm('items') > 0" \
    "items_graph_embedding_idx
items_graph_embedding_idx
t"
gives "... and refuse those by name" "SELECT * FROM zvec_optimize('items_east')" "ERROR:  42809"
gives "an index of the partitioned table is of the partitions that are here" "CREATE INDEX items_all ON items USING zvec_hnsw (embedding zvec_ip_ops);
    SELECT count(*) FROM pg_inherits WHERE inhparent = 'items_all'::regclass; DROP INDEX items_all" "2"
gives "a key of a table with partitions elsewhere is refused" "ALTER TABLE items ADD PRIMARY KEY (region, id)" "ERROR:  42809"
gives "a collection of another server's table is refused" "SELECT zvec_create_collection('c', 'kinds', 'v', 4);
    SELECT zvec_attach_table('c', 'kinds', 'id', 'v')" "ERROR:  42809"

# the extension in a schema of its own
for server in east main; do
    zvec_use $server
    psql -XAtq -c "CREATE DATABASE apart" && sql apart "CREATE SCHEMA vectors" "CREATE EXTENSION pg_zvec SCHEMA vectors"
done
zvec_use east
sql apart "CREATE TABLE public.t (id int, v vectors.zvec(2)) USING zvec" "INSERT INTO t VALUES (1, '[1,1]'), (2, '[2,2]'), (3, '[3,3]')"
zvec_use main
sql apart "CREATE EXTENSION postgres_fdw" \
    "CREATE SERVER east FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$(host east)', dbname 'apart', extensions 'pg_zvec')" \
    "CREATE USER MAPPING FOR postgres SERVER east" "IMPORT FOREIGN SCHEMA public FROM SERVER east INTO public" &&
    is apart "SELECT id FROM t ORDER BY v OPERATOR(vectors.<->) '[3,3]' LIMIT 2" "3
2" &&
    sql apart "EXPLAIN (VERBOSE) SELECT id FROM t ORDER BY v OPERATOR(vectors.<->) '[3,3]' LIMIT 2" | grep -q 'OPERATOR(vectors.<->).* LIMIT'
zvec_result $? "machines: the extension in a schema of its own"
for server in main east west; do
    zvec_log_is_clean $server
    zvec_result $? "machines: the log of $server is clean"
done
