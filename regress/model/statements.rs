//! Random statements. Every strategy shrinks: to fewer statements, to simpler kinds, to smaller numbers.
//!
//! Both sides must lock rows in the same order, though their pages differ. So whatever locks rows reaches them through
//! the primary key (`id > 0`, with sequential scans discouraged), and what only reads is compared as a set unless it
//! has an order.

use proptest::prelude::*;

/// Sessions of a case.
pub const SESSIONS: usize = 3;

/// A statement of one session.
#[derive(Clone, Debug)]
pub struct Step {
    pub session: usize,
    /// as sent, but for the schema's name in place of `@`; `COPY ... FROM STDIN ... <<` has CSV data after it, `|`
    /// between the lines; `CHECK table` is zvec_check for the zvec side
    pub sql: String,
}

fn id() -> impl Strategy<Value = i32> {
    prop_oneof![2 => 1..4_i32, 1 => 1..13_i32]
}

fn table() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("t"), 2 => Just("u"), 1 => Just("c"), 1 => Just("g"), 2 => Just("p")]
}

fn vector(table: &'static str) -> BoxedStrategy<String> {
    let dims = if table == "u" {
        prop_oneof![Just(1), Just(2), Just(5), Just(300), Just(2500)].boxed()
    } else {
        Just(3).boxed()
    };
    let bad = prop_oneof![19 => Just(0), 1 => Just(1)];
    prop_oneof![
        8 => (0..20, dims, bad).prop_map(|(tag, dims, bad)| format!("vec({tag}, {})", dims + bad)),
        1 => Just("NULL".to_owned()),
    ]
    .boxed()
}

fn note(table: &'static str) -> BoxedStrategy<String> {
    let short = (0..9).prop_map(|n| format!("'m{n}'"));
    if table == "u" {
        prop_oneof![short, (0..9).prop_map(|n| format!("big({n})")), Just("NULL".to_owned())].boxed()
    } else {
        short.boxed()
    }
}

fn values(table: &'static str) -> impl Strategy<Value = String> {
    (id(), 0..10, vector(table), note(table)).prop_map(|(id, num, v, note)| format!("({id}, {num}, {v}, {note})"))
}

/// Rows to change or lock.
fn rows() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => id().prop_map(|id| format!("id = {id}")),
        2 => (id(), 0..5).prop_map(|(a, n)| format!("id BETWEEN {a} AND {}", a + n)),
        1 => (0..10).prop_map(|num| format!("id > 0 AND num = {num}")),
        1 => Just("id > 0 AND v IS NULL".to_owned()),
        1 => (0..20, 0..12).prop_map(|(tag, d)| {
            format!("id > 0 AND vector_dims(v) = 3 AND v <-> vec({tag}, vector_dims(v)) < {d}")
        }),
        1 => Just("id > 0".to_owned()),
    ]
}

/// Rows to read.
fn condition() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just("true".to_owned()), 1 => rows(), 1 => (0..10).prop_map(|num| format!("num < {num}"))]
}

fn returning() -> impl Strategy<Value = &'static str> {
    prop_oneof![2 => Just(""), 1 => Just(" RETURNING *")]
}

fn insert() -> BoxedStrategy<String> {
    let conflict = prop_oneof![
        3 => Just(""),
        1 => Just(" ON CONFLICT DO NOTHING"),
        1 => Just(" ON CONFLICT (id) DO UPDATE SET num = excluded.num, v = excluded.v"),
        1 => Just(" ON CONFLICT (id) DO UPDATE SET note = excluded.note, num = q.num + 1"),
    ];
    table()
        .prop_flat_map(move |table| {
            let values = prop::collection::vec(values(table), 1..4);
            (Just(table), values, conflict.clone(), returning()).prop_map(|(table, values, conflict, returning)| {
                let values = values.join(", ");
                format!("INSERT INTO {table} AS q (id, num, v, note) VALUES {values}{conflict}{returning}")
            })
        })
        .boxed()
}

fn copy() -> BoxedStrategy<String> {
    let row = (id(), 0..10, prop_oneof![9 => Just(3), 1 => Just(2)], 0..9).prop_map(|(id, num, dims, e)| {
        let v = if dims == 3 { format!("\"[{e},0.5,{num}]\"") } else { String::new() };
        format!("{id},{num},{v},k{e}")
    });
    (table(), prop::collection::vec(row, 1..6))
        .prop_map(|(table, rows)| {
            format!("COPY {table} (id, num, v, note) FROM STDIN (FORMAT csv) <<{}", rows.join("|"))
        })
        .boxed()
}

fn update() -> BoxedStrategy<String> {
    table()
        .prop_flat_map(|table| {
            let set = prop_oneof![
                2 => (0..10).prop_map(|num| format!("num = {num}")),
                1 => Just("num = num + 1".to_owned()),
                2 => note(table).prop_map(|note| format!("note = {note}")),
                3 => vector(table).prop_map(|v| format!("v = {v}")),
                1 => Just("v = v".to_owned()),
                1 => Just("v = v, num = num + 1".to_owned()),
                1 => Just("v = v + v".to_owned()),
                1 => Just("v = NULL".to_owned()),
                1 => Just("id = id + 1".to_owned()),
                1 => id().prop_map(|id| format!("id = {id}")),
                1 => Just("num = 10 / (num - 5), v = NULL".to_owned()),
            ];
            (set, rows(), returning())
                .prop_map(move |(set, rows, returning)| format!("UPDATE {table} SET {set} WHERE {rows}{returning}"))
        })
        .boxed()
}

fn other_changes() -> BoxedStrategy<String> {
    prop_oneof![
        4 => (table(), rows(), returning()).prop_map(|(t, rows, r)| format!("DELETE FROM {t} WHERE {rows}{r}")),
        1 => (table(), id(), id()).prop_map(|(table, from, to)| {
            format!("UPDATE {table} q SET v = o.v, note = o.note FROM {table} o WHERE q.id = {to} AND o.id = {from}")
        }),
        1 => (id(), 6..13).prop_map(|(from, to)| {
            format!("INSERT INTO t SELECT {to}, num, v, note FROM p WHERE id = {from}")
        }),
        1 => id().prop_map(|id| format!("INSERT INTO u SELECT id + 6, num, v, note FROM t WHERE id >= {id}")),
        1 => (table(), id(), 0..10).prop_map(|(table, id, num)| format!(
            "MERGE INTO {table} q USING (VALUES ({id}, {num})) s(id, num) ON q.id = s.id \
             WHEN MATCHED AND s.num < 3 THEN DELETE WHEN MATCHED THEN UPDATE SET num = s.num, v = q.v \
             WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.num, vec(s.num, 3), 'merged')"
        )),
        1 => (table(), id()).prop_map(|(table, id)| format!(
            "WITH gone AS (DELETE FROM {table} WHERE id = {id} RETURNING *) \
             INSERT INTO {table} SELECT id + 12, num, v, note FROM gone RETURNING *"
        )),
    ]
    .boxed()
}

fn read() -> BoxedStrategy<String> {
    let strength = prop_oneof![Just("UPDATE"), Just("NO KEY UPDATE"), Just("SHARE"), Just("KEY SHARE")];
    let wait = prop_oneof![Just(""), Just(" NOWAIT"), Just(" SKIP LOCKED")];
    prop_oneof![
        3 => (table(), condition()).prop_map(|(t, rows)| format!("SELECT * FROM {t} WHERE {rows}")),
        2 => (table(), 0..20, 1..8).prop_map(|(table, tag, limit)| format!(
            "SELECT *, v <-> vec({tag}, 3) FROM {table} WHERE vector_dims(v) = 3 \
             ORDER BY v <-> vec({tag}, 3), id LIMIT {limit}"
        )),
        3 => (table(), rows(), strength, wait).prop_map(|(table, rows, strength, wait)| {
            format!("SELECT * FROM {table} WHERE {rows} ORDER BY id FOR {strength}{wait}")
        }),
        1 => table().prop_map(|table| format!("SELECT num, count(*), count(DISTINCT v) FROM {table} GROUP BY num")),
        1 => table().prop_map(|table| format!("SELECT q.*, o.v FROM {table} q LEFT JOIN t o ON q.v = o.v")),
        1 => prop_oneof![Just("t"), Just("u"), Just("c"), Just("p1")].prop_map(|table| format!("CHECK {table}")),
    ]
    .boxed()
}

fn cursor() -> BoxedStrategy<String> {
    let way = prop_oneof![
        3 => Just("NEXT"),
        2 => Just("FORWARD 3"),
        1 => Just("ALL"),
        1 => Just("PRIOR"),
        1 => Just("FIRST"),
        1 => Just("ABSOLUTE 2"),
        1 => Just("LAST"),
    ];
    let hold = prop_oneof![2 => Just(""), 1 => Just(" WITH HOLD")];
    prop_oneof![
        2 => (0..2, table(), hold).prop_map(|(cursor, table, hold)| {
            format!("DECLARE c{cursor} SCROLL CURSOR{hold} FOR SELECT * FROM {table} WHERE id > 0 ORDER BY id")
        }),
        5 => (0..2, way).prop_map(|(cursor, way)| format!("FETCH {way} FROM c{cursor}")),
        1 => (0..2, 0..10).prop_map(|(cursor, num)| format!("UPDATE t SET num = {num} WHERE CURRENT OF c{cursor}")),
        1 => (0..2, 0..10).prop_map(|(c, tag)| format!("UPDATE t SET v = vec({tag}, 3) WHERE CURRENT OF c{c}")),
        1 => (0..2).prop_map(|cursor| format!("DELETE FROM t WHERE CURRENT OF c{cursor}")),
        1 => (0..2).prop_map(|cursor| format!("CLOSE c{cursor}")),
    ]
    .boxed()
}

fn control() -> BoxedStrategy<String> {
    let begin = |level: &str| Just(format!("BEGIN ISOLATION LEVEL {level}"));
    prop_oneof![
        12 => begin("READ COMMITTED"),
        8 => begin("REPEATABLE READ"),
        1 => begin("SERIALIZABLE"),
        4 => Just("COMMIT".to_owned()),
        2 => Just("ROLLBACK".to_owned()),
        4 => (0..3).prop_map(|s| format!("SAVEPOINT s{s}")),
        4 => (0..3).prop_map(|s| format!("ROLLBACK TO s{s}")),
        1 => (0..3).prop_map(|s| format!("RELEASE s{s}")),
        1 => (0..2).prop_map(|p| format!("PREPARE TRANSACTION '@{p}'")),
        1 => (0..2).prop_map(|p| format!("COMMIT PREPARED '@{p}'")),
        1 => (0..2).prop_map(|p| format!("ROLLBACK PREPARED '@{p}'")),
        1 => Just("SET CONSTRAINTS ALL DEFERRED".to_owned()),
    ]
    .boxed()
}

fn upkeep() -> BoxedStrategy<String> {
    prop_oneof![
        6 => table().prop_map(|table| format!("VACUUM (TRUNCATE off) {table}")),
        1 => table().prop_map(|table| format!("VACUUM (FREEZE, TRUNCATE off) {table}")),
        1 => table().prop_map(|table| format!("VACUUM FULL {table}")),
        1 => table().prop_map(|table| format!("CLUSTER {table} USING {table}_pkey")),
        1 => table().prop_map(|table| format!("TRUNCATE {table}")),
        1 => Just("TRUNCATE t CASCADE".to_owned()),
        1 => (table(), 0..3).prop_map(|(table, n)| format!("CREATE INDEX {table}_{n} ON {table} (num)")),
        1 => table().prop_map(|table| format!("CREATE INDEX {table}_hash ON {table} USING hash (note)")),
        1 => (table(), 0..3).prop_map(|(table, n)| format!("DROP INDEX {table}_{n}")),
        1 => table().prop_map(|table| format!("REINDEX TABLE {table}")),
        1 => (table(), 0..3).prop_map(|(t, n)| format!("ALTER TABLE {t} ADD COLUMN x{n} zvec(2) DEFAULT '[{n},1]'")),
        1 => (table(), 0..3).prop_map(|(table, n)| format!("ALTER TABLE {table} ADD COLUMN y{n} int DEFAULT {n}")),
        1 => (table(), 0..3).prop_map(|(table, n)| format!("ALTER TABLE {table} DROP COLUMN x{n}")),
        1 => (table(), 0..3).prop_map(|(table, n)| format!("UPDATE {table} SET x{n} = x{n} + '[1,0]' WHERE id > 0")),
        1 => table().prop_map(|table| format!("ALTER TABLE {table} ALTER num TYPE bigint")),
        1 => table().prop_map(|table| format!("ANALYZE {table}")),
    ]
    .boxed()
}

/// A case: statements of three sessions, in the order in which they are sent.
pub fn case() -> impl Strategy<Value = Vec<Step>> {
    let sql = prop_oneof![
        9 => control(),
        8 => update(),
        6 => insert(),
        6 => read(),
        3 => other_changes(),
        3 => cursor(),
        2 => upkeep(),
        1 => copy(),
    ];
    prop::collection::vec((0..SESSIONS, sql).prop_map(|(session, sql)| Step { session, sql }), 1..80)
}
