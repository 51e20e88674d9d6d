//! The end of a run: the tables hold exactly what the sessions committed, and rows and slots agree.

use crate::connect::{connect, words};
use crate::contents::{Rows, SHARED, difference};
use crate::maintenance::check;
use crate::queries::plans;
use crate::reader::read;
use crate::run::{Fail, Run, SETTINGS};
use crate::session::State;
use fastrand::Rng;
use postgres::Client;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Everything that is wrong.
pub fn verify(run: &Run, states: &[State]) -> Result<Vec<String>, String> {
    let mut client = connect("stress verify", SETTINGS)?;
    let mut wrong = Vec::new();
    for number in 0..run.tables.len() {
        for way in 0..4 {
            wrong.extend(contents(run, states, number, &mut client, way).err());
        }
    }
    let query = |client: &mut Client, sql: &str| client.query(sql, &[]).map_err(|e| format!("{sql}: {}", words(&e)));
    let prepared = query(&mut client, "SELECT gid FROM pg_prepared_xacts")?;
    wrong.extend(prepared.iter().map(|row| format!("a prepared transaction is left: {}", row.get::<_, String>(0))));
    client.batch_execute(&plans(3)).map_err(|e| words(&e))?;
    for table in run.tables.iter() {
        for relation in &table.relations {
            wrong.extend(check(&mut client, relation).err());
            wrong.extend(slots(&mut client, relation, table.vectors.len())?);
            wrong.extend(check(&mut client, relation).err());
        }
    }
    wrong.extend(indexes(&mut client)?);
    Ok(wrong)
}

/// The table's rows, read in the `way`-th way, are those of the sessions' models; the shared rows count their writes.
fn contents(run: &Run, states: &[State], number: usize, client: &mut Client, way: u64) -> Result<(), String> {
    let table = &run.tables[number];
    client.batch_execute("BEGIN").map_err(|e| words(&e))?;
    let mut rng = Rng::with_seed(way);
    let mut found = read(client, table, &mut rng).map_err(|fail| match fail {
        Fail::Retry(what) => what.to_owned(),
        Fail::Fatal(what) => format!("at the end: {what}"),
    })?;
    client.batch_execute("COMMIT").map_err(|e| words(&e))?;
    let own = found.split_off(&(SHARED + 1));
    let expected: Rows =
        states.iter().flat_map(|state| state.tables[number].iter()).map(|(&k, r)| (k, r.clone())).collect();
    if let Some(wrong) = difference(&expected, &own) {
        return Err(format!("{}: at the end: {wrong}", table.name));
    }
    let mut writes: BTreeMap<i32, i32> = BTreeMap::new();
    for (&(_, key), count) in states.iter().flat_map(|state| state.shared.iter()).filter(|((t, _), _)| *t == number) {
        *writes.entry(key).or_default() += count;
    }
    writes.retain(|_, count| *count > 0);
    let counted: BTreeMap<i32, i32> = found.iter().map(|(&key, row)| (key, row.num)).collect();
    if writes != counted {
        return Err(format!("{}: shared rows were written {writes:?} times, they count {counted:?}", table.name));
    }
    Ok(())
}

/// After VACUUM with no old snapshot open, no slot is dead and each vector has one.
fn slots(client: &mut Client, relation: &str, columns: usize) -> Result<Option<String>, String> {
    let list: Vec<String> = (0..columns).map(|i| format!("count(v{i})")).collect();
    let vectors = format!("SELECT ({})::bigint FROM {relation}", list.join(" + "));
    let slots = format!(
        "SELECT coalesce(sum(live), 0)::bigint, coalesce(sum(dead), 0)::bigint FROM zvec_segments('{relation}')"
    );
    let start = Instant::now();
    loop {
        client.batch_execute(&format!("VACUUM {relation}")).map_err(|e| format!("VACUUM {relation}: {}", words(&e)))?;
        let one =
            |client: &mut Client, sql: &str| client.query_one(sql, &[]).map_err(|e| format!("{sql}: {}", words(&e)));
        let expected: i64 = one(client, &vectors)?.get(0);
        let row = one(client, &slots)?;
        let (live, dead): (i64, i64) = (row.get(0), row.get(1));
        if (live, dead) == (expected, 0) {
            return Ok(None);
        }
        // An autovacuum's ANALYZE may hold a snapshot for a moment.
        if start.elapsed() > Duration::from_secs(15) {
            return Ok(Some(format!(
                "{relation}: after VACUUM {live} slots are live and {dead} dead, with {expected} vectors"
            )));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Every row is in every index, where the server has amcheck.
fn indexes(client: &mut Client) -> Result<Vec<String>, String> {
    let there = "SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'";
    if client.query(there, &[]).map_err(|e| words(&e))?.is_empty() {
        return Ok(Vec::new());
    }
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS amcheck").map_err(|e| words(&e))?;
    let all = "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
               JOIN pg_am a ON a.oid = c.relam JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am b ON b.oid = x.relam
               WHERE a.amname IN ('zvec', 'zvec_segment') AND b.amname = 'btree' AND i.indisvalid";
    let mut wrong = Vec::new();
    for row in client.query(all, &[]).map_err(|e| words(&e))? {
        let index: String = row.get(0);
        let sql = format!("SELECT bt_index_check('{index}', true)");
        if let Err(e) = client.batch_execute(&sql) {
            wrong.push(format!("index {index}: {}", words(&e)));
        }
    }
    Ok(wrong)
}
