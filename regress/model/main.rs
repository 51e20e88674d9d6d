//! zvec_model: the same random statements on heap tables and on zvec tables give the same results, always.
//!
//! `zvec_model [--cases N] [--seed S] [--script FILE]` needs a server (PGHOST, PGPORT, ...) with pg_zvec installed, the
//! setting `max_prepared_transactions`, a database of its own and a superuser, on the same machine: it reads COPY's rows in
//! files in TMPDIR. Three sessions run transactions, each on both sides; results, row counts and SQLSTATEs are compared statement by statement, and the contents at the end. A
//! difference is shrunk to a minimal script, which `--script` runs again: a line `SESSION: STATEMENT` for each statement.
//!
//! | module | duty |
//! |---|---|
//! | `schema` | the tables |
//! | `statements` | random statements |
//! | `connection` | one side of a session |
//! | `lockstep` | runs a case on both sides and compares |

#[path = "../stress/connect.rs"]
mod connect;
mod connection;
mod lockstep;
mod schema;
mod statements;

use lockstep::Lockstep;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use statements::{SESSIONS, Step};
use std::cell::RefCell;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What the command line says.
struct Options {
    cases: u32,
    seed: u64,
    scripts: Vec<String>,
}

fn options() -> Result<Options, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut options = Options { cases: 150, seed: now.as_secs(), scripts: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number"));
        match name.as_str() {
            "--cases" => options.cases = number()?.min(u32::MAX.into()) as u32,
            "--seed" => options.seed = number()?,
            "--script" => options.scripts.push(value),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn script(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{}: {}\n", step.session, step.sql)).collect()
}

/// Reads what `script` writes; lines that begin with `--` are comments.
fn read_script(path: &str) -> Result<Vec<Step>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("--"));
    lines
        .map(|line| {
            let (session, sql) = line.split_once(": ").ok_or_else(|| format!("{path}: no session in: {line}"))?;
            let session = session.parse().ok().filter(|&session: &usize| session < SESSIONS);
            let session = session.ok_or_else(|| format!("{path}: no such session in: {line}"))?;
            Ok(Step { session, sql: sql.trim_end_matches(';').to_owned() })
        })
        .collect()
}

fn run_scripts(lockstep: &mut Lockstep, paths: &[String]) -> Result<(), String> {
    for path in paths {
        lockstep.run(&read_script(path)?).map_err(|e| format!("{path}: {e}"))?;
        println!("{path}: the same on both sides");
    }
    Ok(())
}

fn run_cases(lockstep: Lockstep, options: &Options) -> Result<(), String> {
    let start = Instant::now();
    let config = Config {
        cases: options.cases,
        failure_persistence: None,
        max_shrink_iters: 3000,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&options.seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let lockstep = RefCell::new(lockstep);
    let result =
        runner.run(&statements::case(), |steps| lockstep.borrow_mut().run(&steps).map_err(TestCaseError::fail));
    let lockstep = lockstep.into_inner();
    println!(
        "{} statements compared; {} failed alike; {} times statements waited for locks; {:.0} s",
        lockstep.compared,
        lockstep.failed,
        lockstep.waited,
        start.elapsed().as_secs_f64()
    );
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, steps)) => {
            Err(format!("{reason}\nThe smallest script found, for --script:\n\n{}", script(&steps)))
        }
        Err(TestError::Abort(reason)) => Err(reason.to_string()),
    }
}

fn main() -> ExitCode {
    let result = options().and_then(|options| {
        let mut lockstep = Lockstep::new()?;
        if !options.scripts.is_empty() {
            return run_scripts(&mut lockstep, &options.scripts);
        }
        println!("zvec_model: {} cases, seed {}", options.cases, options.seed);
        run_cases(lockstep, &options).map_err(|what| format!("with --seed {}: {what}", options.seed))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            println!("FAILED {what}");
            ExitCode::FAILURE
        }
    }
}
