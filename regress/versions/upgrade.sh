#!/usr/bin/env bash
# pg_upgrade from earlier versions of PostgreSQL to the one that is tested: tables and indexes are there as they were, and are
# searched without REINDEX. FROM="15 16" chooses; else 15 and all others whose library has been built.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
# an installation of its own, also under `make check`
unset ZVEC_BINDIR
zvec_begin upgrade-from
new_version=$(zvec_version) || exit 1

# as_old COMMAND...: with the earlier version, whose private installation is made first.
as_old() {
    (
        unset PG_CONFIG ZVEC_BINDIR
        export PG=$old
        ZVEC_BINDIR=$(cat "$ZVEC_SCRATCH/$old.bindir" 2>/dev/null)
        PATH=$ZVEC_BINDIR:$PATH
        "$@"
    )
}
install_old() {
    ZVEC_SCRATCH=$ZVEC_SCRATCH/with-$old zvec_private_install && echo "$ZVEC_BINDIR" >"$ZVEC_SCRATCH/$old.bindir"
}

fill() {
    zvec_start "old-$old" "autovacuum = off" "pg_zvec.background_drain = off" && psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION pg_zvec;
CREATE FUNCTION vec(seed int, dims int) RETURNS zvec LANGUAGE sql IMMUTABLE
    AS $$ SELECT array_agg(((seed * 7919 + i * 104729) % 10007 / 1000.0)::real)::zvec FROM generate_series(1, dims) i $$;
CREATE TABLE graph (id int PRIMARY KEY, n int DEFAULT 0, v zvec(48), w zvec(3)) USING zvec;
INSERT INTO graph (id, v, w) SELECT i, vec(i, 48), vec(i, 3) FROM generate_series(1, 3000) i;
CREATE INDEX graph_v ON graph USING zvec_hnsw (v);
CREATE INDEX graph_w ON graph USING zvec_hnsw (w zvec_cosine_ops) WHERE id % 2 = 0;
CREATE INDEX graph_n ON graph (n);
-- entries that wait to be put into the graph, moved and dead rows
INSERT INTO graph (id, v, w) SELECT i, vec(i, 48), vec(i, 3) FROM generate_series(3001, 3300) i;
UPDATE graph SET n = id WHERE id % 5 = 0;
UPDATE graph SET v = vec(id + 1, 48) WHERE id % 7 = 0;
DELETE FROM graph WHERE id % 11 = 0;
CREATE TABLE flat (id int PRIMARY KEY, v zvec(48)) USING zvec;
INSERT INTO flat SELECT id, v FROM graph;
CREATE INDEX flat_v ON flat USING zvec_flat (v);
CREATE TABLE parts (id int, v zvec(48)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000) USING zvec;
CREATE TABLE parts_2 PARTITION OF parts DEFAULT USING zvec;
INSERT INTO parts SELECT id, v FROM graph;
CREATE INDEX parts_v ON parts USING zvec_hnsw (v);
CREATE MATERIALIZED VIEW seen USING zvec AS SELECT * FROM flat;
CREATE TABLE in_heap AS SELECT id, v FROM flat;
-- 5 nearest of 40 vectors, by an index or exactly
CREATE FUNCTION nearest(tab text, of int, dims int DEFAULT 48) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    EXECUTE format('SELECT string_agg(id || '' '' || d, '','') FROM (SELECT id, v <-> %L AS d FROM %I ORDER BY v <-> %1$L LIMIT 5) n',
        vec(of * 61, dims)::text, tab) INTO found;
    RETURN found;
END $$;
CREATE FUNCTION by_index(tab text) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off SET zvec.enable_exact_scan = off AS $$
DECLARE line text; index bool := false;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN SELECT id FROM %I ORDER BY v <-> %L LIMIT 5', tab, vec(1, 48)::text) LOOP
        index := index OR line ~ 'Index Scan using \w+_v';
    END LOOP;
    RETURN CASE WHEN index THEN (SELECT string_agg(nearest(tab, i), ';') FROM generate_series(1, 40) i) ELSE 'no index is used' END;
END $$;
CREATE FUNCTION exactly(tab text) RETURNS text LANGUAGE plpgsql SET enable_indexscan = off AS $$
BEGIN
    RETURN (SELECT string_agg(nearest(tab, i), ';') FROM generate_series(1, 40) i);
END $$;
CREATE TABLE before AS SELECT tab, by_index(tab) AS by_index, exactly(tab) AS exactly FROM unnest(ARRAY['graph', 'flat', 'parts']) tab;
CREATE TABLE sum AS SELECT count(*), md5(string_agg(g::text, ',' ORDER BY id)) FROM graph g;
-- no view: IS DISTINCT FROM in one does not survive a dump
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT 'graph: ' || count || ' rows' AS what FROM sum WHERE count <> (SELECT count(*) FROM graph)
    UNION ALL SELECT 'graph: contents' FROM sum WHERE md5 <> (SELECT md5(string_agg(g::text, ',' ORDER BY id)) FROM graph g)
    UNION ALL SELECT 'flat' FROM flat FULL JOIN in_heap h USING (id) WHERE flat.v IS DISTINCT FROM h.v
    UNION ALL SELECT 'seen' FROM seen FULL JOIN in_heap h USING (id) WHERE seen.v IS DISTINCT FROM h.v
    UNION ALL SELECT 'parts' FROM parts FULL JOIN in_heap h USING (id) WHERE parts.v IS DISTINCT FROM h.v
    UNION ALL SELECT tab || ' by index' FROM before WHERE by_index(tab) IS DISTINCT FROM by_index OR by_index ~ 'no index'
    UNION ALL SELECT tab || ' exactly' FROM before WHERE exactly(tab) IS DISTINCT FROM exactly
    UNION ALL SELECT t || ': ' || (zvec_check(t::regclass)).message FROM unnest(ARRAY['graph', 'flat', 'parts_1', 'parts_2', 'seen']) t
    UNION ALL SELECT t || ': ' || (zvec_check(t::regclass)).message FROM unnest(ARRAY['graph_v', 'graph_w', 'flat_v', 'parts_1_v_idx']) t;
$$;
SQL
}
ask() { psql -XAtq -v ON_ERROR_STOP=1 "$@" 2>&1; }
# says_nothing STATEMENT...
says_nothing() {
    local said
    said=$(for statement in "$@"; do ask -c "$statement"; done)
    [ -z "$said" ] || { head -c 2000 <<<"$said" && echo && false; }
}

olds=${FROM:-}
if [ -z "$olds" ]; then
    for old in 15 16 17; do
        [ "$old" -lt "$new_version" ] || continue
        [ $old != 15 ] && [ ! -e "$(as_old zvec_target)/release/libpg_zvec.so" ] || olds+=" $old"
    done
fi
for old in $olds; do
    { [ -e "$(as_old zvec_target)/release/libpg_zvec.so" ] || as_old make --no-print-directory -s all; } && as_old install_old && as_old fill && zvec_use "old-$old" && as_old says_nothing "SELECT wrong()"
    zvec_result $? "upgrade from $old: tables and indexes"
    # Minor versions of November 2026 note a version with each column, which earlier ones of later majors do not know.
    ask -q -c "SET allow_system_table_mods = on" -c "UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text ~ '^.pg_attver=[0-9]+.\$'"
    as_old zvec_stop "old-$old"
    zvec_init "new-$old" "autovacuum = off" "pg_zvec.background_drain = off"
    old_bindir=$(cat "$ZVEC_SCRATCH/$old.bindir")
    zvec_as_server sh -c "cd '$ZVEC_SCRATCH/new-$old' && exec '$ZVEC_BINDIR/pg_upgrade' -b '$old_bindir' -B '$ZVEC_BINDIR' \
        -d '$ZVEC_SCRATCH/old-$old/data' -D '$ZVEC_SCRATCH/new-$old/data' -s '$ZVEC_SCRATCH/new-$old/socket' -U postgres" \
        >"$ZVEC_SCRATCH/upgrade" 2>&1 ||
        { tail -n 5 "$ZVEC_SCRATCH/upgrade"; grep -hE -A 5 'error:|ERROR:' "$ZVEC_SCRATCH/new-$old"/data/pg_upgrade_output.d/*/log/*.log; false; }
    zvec_result $? "upgrade from $old: pg_upgrade to $new_version"
    zvec_start "new-$old" && says_nothing "SELECT wrong()"
    zvec_result $? "upgrade from $old: everything is found, by the indexes too, without REINDEX"
    says_nothing "INSERT INTO graph (id, v, w) SELECT i, vec(i, 48), vec(i, 3) FROM generate_series(5001, 5200) i" \
        "DELETE FROM graph WHERE id % 13 = 0" "UPDATE graph SET v = vec(id, 48) WHERE id % 7 = 0" "VACUUM" \
        "SELECT zvec_check('graph')" "SELECT zvec_check('graph_v')" "SELECT zvec_check('graph_w')" \
        "SELECT id FROM graph WHERE v IS DISTINCT FROM vec(id, 48)" \
        "TRUNCATE before" "INSERT INTO before SELECT tab, NULL, exactly(tab) FROM unnest(ARRAY['graph']) tab" \
        "SELECT 'recall ' || r FROM (SELECT count(*) / 200.0 AS r FROM before, generate_series(1, 40) i, regexp_split_to_table(split_part(exactly, ';', i), ',') e
            WHERE e IN (SELECT regexp_split_to_table(split_part(by_index(tab), ';', i), ','))) x WHERE r < 0.9" \
        "VACUUM FULL graph" "SELECT zvec_check('graph')" "SELECT zvec_check('graph_v')" "SELECT id FROM graph WHERE v IS DISTINCT FROM vec(id, 48)"
    zvec_result $? "upgrade from $old: tables and indexes are written, and vacuumed"
    zvec_stop "new-$old"
    zvec_log_is_clean "new-$old"
    zvec_result $? "upgrade from $old: the server's log is clean"
done
