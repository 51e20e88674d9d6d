#!/usr/bin/env bash
# A zvec table that decoding plugins read (user_catalog_table): the log says by which commands its row versions were made and ended as
# it does for a heap table, though the heap's code is given a shadow for rows that are decoded.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin decoding-catalog
zvec_start catalog "wal_level = logical" "autovacuum = off" || exit 1
psql -X -q -v ON_ERROR_STOP=1 -c "CREATE EXTENSION pg_zvec" -c "CREATE PUBLICATION p FOR ALL TABLES" || exit 1
# commands_of NAME ACCESS_METHOD: what the log says of a table of that access method, to which all is done that is done to tables
commands_of() {
    local from to
    psql -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE $1 (id int PRIMARY KEY, v zvec, note text) USING $2 WITH (user_catalog_table = true)" \
        -c "ALTER TABLE $1 ALTER note SET STORAGE EXTERNAL" >&2
    from=$(psql -XAtqc "SELECT pg_current_wal_insert_lsn()")
    psql -X -q -v ON_ERROR_STOP=1 -o /dev/null <<SQL
INSERT INTO $1 VALUES (1, '[1]', 'a');
BEGIN;
INSERT INTO $1 VALUES (2, '[2]', 'b'), (3, NULL, 'c');
INSERT INTO $1 VALUES (4, '[4]', repeat('d', 5000));
UPDATE $1 SET v = '[5]' WHERE id = 1;
UPDATE $1 SET note = 'e' WHERE id IN (1, 2);
DELETE FROM $1 WHERE id = 2;
SAVEPOINT a;
UPDATE $1 SET id = 6, v = NULL WHERE id = 1;
ROLLBACK TO a;
SELECT FROM $1 WHERE id = 4 FOR KEY SHARE;
UPDATE $1 SET v = '[7]', note = 'f' WHERE id = 4;
COMMIT;
COPY $1 FROM PROGRAM 'printf "11\t[1]\ta\n12\t[2]\tb\n13\t[3]\tc\n"';
MERGE INTO $1 t USING (VALUES (11, '[9]'::zvec), (14, '[9]')) s (id, v) ON t.id = s.id
    WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v, 'y');
ALTER TABLE $1 REPLICA IDENTITY FULL;
DELETE FROM $1 WHERE id > 10;
UPDATE $1 SET note = 'g';
SQL
    to=$(psql -XAtqc "SELECT pg_switch_wal()")
    zvec_as_server "$ZVEC_BINDIR/pg_waldump" -p "$ZVEC_SCRATCH/catalog/data/pg_wal" -r Heap2 -s "$from" -e "$to" |
        sed -nE "s/^.*NEW_CID rel:? [0-9]+\/[0-9]+\/$(psql -XAtqc "SELECT pg_relation_filenode('$1')")[,;] //p" | sort
}
commands_of table_heap heap >"$ZVEC_SCRATCH/expected"
commands_of table_zvec zvec >"$ZVEC_SCRATCH/found"
[ "$(wc -l <"$ZVEC_SCRATCH/expected")" -gt 20 ] && diff "$ZVEC_SCRATCH/expected" "$ZVEC_SCRATCH/found"
zvec_result $? "decoding catalog: commands are logged as those of a heap table are"
[ "$(psql -XAtqc "SELECT string_agg(id || coalesce(v::text, '') || note, ' ' ORDER BY id) FROM table_zvec" -c "SELECT * FROM zvec_check('table_zvec')")" = "1[5]g 3g 4[7]g" ]
zvec_result $? "decoding catalog: rows are what they are"
zvec_log_is_clean catalog
zvec_result $? "decoding catalog: the server's log is clean"
