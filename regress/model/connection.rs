//! A connection with a thread of its own, so that a statement that waits for a lock keeps nobody.

use crate::connect::{connect, sqlstate, words};
use postgres::{Client, SimpleQueryMessage};
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// What a statement gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub rows: Vec<Vec<Option<String>>>,
    pub counts: Vec<u64>,
    /// the SQLSTATE
    pub error: Option<String>,
    /// the error in words; not compared
    pub message: String,
}

/// One side of a session.
pub struct Connection {
    pub pid: i32,
    statements: Sender<String>,
    pub outcomes: Receiver<Outcome>,
}

impl Connection {
    pub fn new(name: &str, settings: &str) -> Result<Self, String> {
        let mut client = connect(name, settings)?;
        let pid = client.query_one("SELECT pg_backend_pid()", &[]).map_err(|e| words(&e))?.get(0);
        let (statements, todo) = channel::<String>();
        let (done, outcomes) = channel();
        thread::spawn(move || {
            for sql in todo {
                let outcome = run(&mut client, &sql);
                if outcome.error.is_some() {
                    // The error arrives before the transaction is aborted and its locks are gone; this answer after.
                    let _ = client.simple_query("");
                }
                if done.send(outcome).is_err() {
                    break;
                }
            }
        });
        Ok(Self { pid, statements, outcomes })
    }

    pub fn send(&self, sql: &str) -> Result<(), String> {
        self.statements.send(sql.to_owned()).map_err(|_| "a connection's thread has ended".to_owned())
    }
}

fn failed(error: &postgres::Error) -> Outcome {
    // A connection that was lost has no SQLSTATE; it equals nothing.
    let code = match sqlstate(error) {
        "" => "the connection is lost",
        code => code,
    };
    Outcome { error: Some(code.to_owned()), message: words(error), ..Outcome::default() }
}

fn run(client: &mut Client, sql: &str) -> Outcome {
    if let Some((copy, data)) = sql.split_once(" <<") {
        return copy_in(client, copy, data);
    }
    let mut outcome = Outcome::default();
    match client.simple_query(sql) {
        Ok(messages) => {
            for message in messages {
                match message {
                    SimpleQueryMessage::Row(row) => {
                        outcome.rows.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
                    }
                    SimpleQueryMessage::CommandComplete(n) => outcome.counts.push(n),
                    _ => {}
                }
            }
        }
        Err(e) => return failed(&e),
    }
    outcome
}

fn copy_in(client: &mut Client, sql: &str, data: &str) -> Outcome {
    // The client library loses track when COPY fails before it asks for data: get the lock first. Outside of a
    // transaction this is refused, and then the wait for the lock cannot end in a deadlock.
    let table = sql.split_whitespace().nth(1).unwrap_or_default();
    if let Err(e) = client.simple_query(&format!("LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        && sqlstate(&e) != "25P01"
    {
        return failed(&e);
    }
    let copied = client.copy_in(sql).and_then(|mut writer| {
        let lines: String = data.split('|').map(|line| format!("{line}\n")).collect();
        // An error of the server is reported by finish().
        let _ = writer.write_all(lines.as_bytes());
        writer.finish()
    });
    match copied {
        Ok(n) => Outcome { counts: vec![n], ..Outcome::default() },
        Err(e) => failed(&e),
    }
}
