//! A connection with a thread of its own, so that a statement that waits for a lock keeps nobody.

use crate::connect::{connect, sqlstate, words};
use postgres::{Client, SimpleQueryMessage};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// In place of the SQLSTATE of a connection that is no more, or of a COPY whose file the server cannot read.
const LOST: &str = "the connection is lost";

impl Outcome {
    /// Whether the statement was lost with its connection or its file: never right, even if it is so on both sides.
    pub fn is_lost(&self) -> bool {
        self.error.as_deref() == Some(LOST)
    }
}

/// One side of a session.
pub struct Connection {
    name: String,
    settings: String,
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
        Ok(Self { name: name.to_owned(), settings: settings.to_owned(), pid, statements, outcomes })
    }

    /// Another one like this.
    pub fn anew(&self) -> Result<Self, String> {
        Self::new(&self.name, &self.settings)
    }

    pub fn send(&self, sql: &str) -> Result<(), String> {
        self.statements.send(sql.to_owned()).map_err(|_| "a connection's thread has ended".to_owned())
    }
}

fn failed(error: &postgres::Error) -> Outcome {
    let code = match sqlstate(error) {
        "" => LOST,
        code => code,
    };
    Outcome { error: Some(code.to_owned()), message: words(error), ..Outcome::default() }
}

fn run(client: &mut Client, sql: &str) -> Outcome {
    if let Some((copy, lines)) = sql.split_once(" <<") {
        return copy_from_file(client, copy, lines);
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

/// COPY with its lines in a file that the server reads.
///
/// The client library's own way loses the connection when COPY fails before it asks for data (in its lock's deadlock,
/// cancelled while it waits, for a column that is gone): the library ends the data that nobody wants with a Sync, and has
/// no request for the answer. A program of the server's that prints the lines would get the signal that cancels COPY.
fn copy_from_file(client: &mut Client, copy: &str, lines: &str) -> Outcome {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("zvec_model.{}.{number}.csv", std::process::id()));
    let text = lines.replace('|', "\n") + "\n";
    // The server's user may be another.
    let written = fs::write(&path, text).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)));
    let mut outcome = match written {
        Ok(()) => run(client, &copy.replacen("FROM STDIN", &format!("FROM '{}'", path.display()), 1)),
        Err(e) => Outcome { error: Some(LOST.to_owned()), message: e.to_string(), ..Outcome::default() },
    };
    let _ = fs::remove_file(&path);
    // A file that the server cannot read must not count as an error that both sides share.
    if matches!(outcome.error.as_deref(), Some("42501" | "58P01")) {
        outcome.error = Some(LOST.to_owned());
    }
    outcome
}
