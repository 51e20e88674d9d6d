//! zvec_stress: sessions that change zvec tables at random for a given time, each knowing what it must find.
//!
//! `zvec_stress [--seconds N] [--seed S] [--sessions K]` needs a server (PGHOST, PGPORT, ...) with pg_zvec installed
//! and a database of its own, in which it makes the extension and its tables. `--tamper` changes something behind the
//! sessions' backs, so that a test can see that the run then fails. Exit status 1: something was wrong.
//!
//! | module | duty |
//! |---|---|
//! | `contents` | the tables; rows whose vectors and texts follow from numbers beside them |
//! | `wire` | rows as sent, each checked |
//! | `session`, `changes`, `queries` | a session: transactions, statements that write, statements that read |
//! | `reader` | long readers |
//! | `maintenance` | VACUUM, rewrites, index builds |
//! | `verify` | the end |

mod changes;
mod connect;
mod contents;
mod maintenance;
mod queries;
mod reader;
mod run;
mod session;
mod verify;
mod wire;

use connect::{connect, words};
use run::{Run, SETTINGS};
use session::{Session, State};
use std::process::ExitCode;

/// What the command line says.
struct Options {
    seconds: u64,
    seed: u64,
    sessions: usize,
    tamper: Option<String>,
}

fn options() -> Result<Options, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut options = Options { seconds: 60, seed: now.as_secs(), sessions: 8, tamper: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number"));
        match name.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            "--sessions" => options.sessions = number()?.clamp(1, 60) as usize,
            "--tamper" => options.tamper = Some(value),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn set_up(run: &Run) -> Result<(), String> {
    let mut client = connect("stress set-up", SETTINGS)?;
    let mut ddl = "CREATE EXTENSION IF NOT EXISTS pg_zvec;
                   CREATE TABLE ledger (session int, tab int, n int, sum bigint, PRIMARY KEY (session, tab))
                       USING heap;"
        .to_owned();
    run.tables.iter().for_each(|table| ddl += &table.ddl());
    let (sessions, tables) = (run.sessions - 1, run.tables.len() - 1);
    ddl += &format!(
        "INSERT INTO ledger SELECT s, t, 0, 0 FROM generate_series(0, {sessions}) s, generate_series(0, {tables}) t"
    );
    // VACUUM waits for seconds to truncate a table in use: these tables are vacuumed all the more often.
    ddl += "; ALTER TABLE small SET (vacuum_truncate = off); ALTER TABLE several SET (vacuum_truncate = off)";
    client.batch_execute(&ddl).map_err(|e| words(&e))
}

/// Changes something that no session would, after a while.
fn tamper(run: &Run, statement: &str) -> Result<(), String> {
    let mut client = connect("stress tamper", SETTINGS)?;
    run.pause(1500);
    client.batch_execute(statement).map_err(|e| format!("{statement}: {}", words(&e)))
}

fn work(run: &Run, options: &Options) -> Vec<Option<State>> {
    std::thread::scope(|scope| {
        let report = |who: String, result: Result<(), String>| {
            if let Err(what) = result {
                run.fail(&who, &what);
            }
        };
        for no in 0..2 {
            scope.spawn(move || report(format!("reader {no}"), reader::work(run, no)));
        }
        scope.spawn(move || report("vacuum".to_owned(), maintenance::vacuum(run)));
        scope.spawn(move || report("rewrite".to_owned(), maintenance::rewrite(run)));
        scope.spawn(move || report("build".to_owned(), maintenance::build(run)));
        if let Some(statement) = &options.tamper {
            scope.spawn(move || report("tamper".to_owned(), tamper(run, statement)));
        }
        let session = |no: usize| match Session::new(run, no).and_then(Session::work) {
            Ok(state) => Some(state),
            Err(what) => {
                run.fail(&format!("session {no}"), &what);
                None
            }
        };
        let threads: Vec<_> = (0..run.sessions).map(|no| scope.spawn(move || session(no))).collect();
        threads
            .into_iter()
            .enumerate()
            .map(|(no, thread)| {
                thread.join().unwrap_or_else(|_| {
                    run.fail(&format!("session {no}"), "panicked");
                    None
                })
            })
            .collect()
    })
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(what) => {
            eprintln!("zvec_stress: {what}\nusage: zvec_stress [--seconds N] [--seed S] [--sessions K] [--tamper SQL]");
            return ExitCode::from(2);
        }
    };
    println!("zvec_stress: {} seconds, {} sessions, seed {}", options.seconds, options.sessions, options.seed);
    let run = Run::new(options.sessions, options.seed, options.seconds);
    if let Err(what) = set_up(&run) {
        eprintln!("zvec_stress: {what}");
        return ExitCode::FAILURE;
    }
    let states: Option<Vec<State>> = work(&run, &options).into_iter().collect();
    for (what, n) in run.counts() {
        println!("{n:>10}  {what}");
    }
    if let Some(states) = states {
        match verify::verify(&run, &states) {
            Ok(wrong) => wrong.iter().for_each(|what| run.fail("verify", what)),
            Err(what) => run.fail("verify", &what),
        }
    }
    let failures = run.failures();
    for what in &failures {
        println!("FAILED: {what}");
    }
    if failures.is_empty() {
        println!("everything as it must be");
        return ExitCode::SUCCESS;
    }
    println!("{} failures with --seed {} --sessions {}", failures.len(), run.seed, run.sessions);
    ExitCode::FAILURE
}
