//! A long reader: REPEATABLE READ transactions that read every table again and again, and find the same each time, and
//! all of each other transaction or nothing of it.

use crate::connect::connect;
use crate::contents::{KEYS, Rows, Table, difference, digest};
use crate::queries::plans;
use crate::run::{Counts, Fail, Run, SETTINGS};
use crate::session::fail;
use crate::wire;
use fastrand::Rng;
use postgres::{Client, SimpleQueryMessage};
use std::collections::BTreeMap;
use std::io::Read;

pub fn work(run: &Run, no: usize) -> Result<(), String> {
    let mut client = connect(&format!("stress reader {no}"), SETTINGS)?;
    let mut rng = Rng::with_seed(run.seed.wrapping_mul(1000) + 500 + no as u64);
    let mut counts = Counts::new();
    let mut result = Ok(());
    while !run.is_over() && result.is_ok() {
        result = match transaction(run, &mut client, &mut rng, &mut counts) {
            Ok(()) => Ok(()),
            Err(Fail::Retry(what)) => {
                *counts.entry(what).or_default() += 1;
                client.batch_execute("ROLLBACK").map_err(|e| e.to_string())
            }
            Err(Fail::Fatal(what)) => Err(what),
        };
    }
    run.count(&counts);
    result
}

fn transaction(run: &Run, client: &mut Client, rng: &mut Rng, counts: &mut Counts) -> Result<(), Fail> {
    let ask = |client: &mut Client, sql: &str| client.simple_query(sql).map_err(|e| fail(&e, sql));
    ask(client, "BEGIN ISOLATION LEVEL REPEATABLE READ")?;
    let ledger = read_ledger(&ask(client, "SELECT session, tab, n, sum FROM ledger")?)?;
    let mut seen: BTreeMap<usize, Rows> = BTreeMap::new();
    let shared: Vec<usize> = (0..run.tables.len()).filter(|&table| run.tables[table].owner.is_none()).collect();
    // With the locks given back between the passes, tables are rewritten meanwhile.
    let unlocked = rng.bool();
    let pause = if rng.bool() { 900 } else { 50 };
    for _ in 0..rng.u8(3..6) {
        if unlocked {
            ask(client, "SAVEPOINT s")?;
        }
        for &number in &shared {
            if run.is_over() {
                break;
            }
            let table = &run.tables[number];
            let rows = read(client, table, rng)?;
            *counts.entry("tables read by long readers").or_default() += 1;
            match seen.get(&number) {
                Some(first) => {
                    if let Some(wrong) = difference(first, &rows) {
                        return Err(Fail::Fatal(format!("{}: read anew in one snapshot: {wrong}", table.name)));
                    }
                }
                None => {
                    check_ledger(run, number, &rows, &ledger)?;
                    seen.insert(number, rows);
                }
            }
        }
        if unlocked {
            ask(client, "ROLLBACK TO s")?;
        }
        run.pause(rng.u64(0..pause));
    }
    ask(client, "COMMIT").map(drop)
}

type Ledger = BTreeMap<(usize, usize), (i32, i64)>;

fn read_ledger(answer: &[SimpleQueryMessage]) -> Result<Ledger, Fail> {
    let mut ledger = Ledger::new();
    for message in answer {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let number = |i: usize| row.get(i).and_then(|text| text.parse::<i64>().ok());
        let all = (number(0), number(1), number(2), number(3));
        let (Some(session), Some(table), Some(n), Some(sum)) = all else {
            return Err(Fail::Fatal("the ledger cannot be read".to_owned()));
        };
        ledger.insert((session as usize, table as usize), (n as i32, sum));
    }
    Ok(ledger)
}

/// The rows of each session are those that its last visible transaction left.
fn check_ledger(run: &Run, number: usize, rows: &Rows, ledger: &Ledger) -> Result<(), Fail> {
    for session in 0..run.sessions {
        let first = (session as i32 + 1) * KEYS;
        let found = digest(rows.range(first..first + KEYS));
        let expected = ledger.get(&(session, number)).copied().unwrap_or_default();
        if found != expected {
            let name = &run.tables[number].name;
            return Err(Fail::Fatal(format!(
                "{name}: a snapshot shows {} rows of session {session} with digest {}, the session left {} with {}",
                found.0, found.1, expected.0, expected.1
            )));
        }
    }
    Ok(())
}

/// Reads all rows in one of several ways.
pub fn read(client: &mut Client, table: &Table, rng: &mut Rng) -> Result<Rows, Fail> {
    let way = rng.u8(..);
    let settings = plans(way);
    client.batch_execute(&settings).map_err(|e| fail(&e, &settings))?;
    let select = format!("SELECT {} FROM {}", table.columns(""), table.name);
    let order = if way % 4 == 1 { " ORDER BY id" } else { "" };
    let mut rows = Rows::new();
    match rng.u8(0..5) {
        0 => {
            let answer = client.simple_query(&format!("{select}{order}")).map_err(|e| fail(&e, &select))?;
            wire::text_rows(table, &answer, &mut rows)?;
        }
        1 => {
            let declare = format!("DECLARE long CURSOR FOR {select}{order}");
            client.batch_execute(&declare).map_err(|e| fail(&e, &declare))?;
            loop {
                let answer = client.simple_query("FETCH 50 FROM long").map_err(|e| fail(&e, &declare))?;
                let before = rows.len();
                wire::text_rows(table, &answer, &mut rows)?;
                if rows.len() < before + 50 {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(rng.u64(0..60)));
            }
            client.batch_execute("CLOSE long").map_err(|e| fail(&e, "CLOSE long"))?;
        }
        _ => {
            let copy = format!("COPY ({select}{order}) TO STDOUT (FORMAT binary)");
            let mut data = Vec::new();
            let mut reader = client.copy_out(&copy).map_err(|e| fail(&e, &copy))?;
            reader.read_to_end(&mut data).map_err(|e| Fail::Fatal(format!("{copy}: {e}")))?;
            drop(reader);
            rows = wire::binary_rows(table, &data)?;
        }
    }
    Ok(rows)
}
