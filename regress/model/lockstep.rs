//! Runs a case on both sides, statement by statement, and compares.
//!
//! A statement that waits for a lock must wait on both sides. It stays behind; its session's next statements are left
//! out until it is done, which the other sessions' statements bring about.

use crate::connect::{connect, words};
use crate::connection::{Connection, Outcome};
use crate::schema;
use crate::statements::{SESSIONS, Step};
use postgres::Client;
use std::sync::mpsc::TryRecvError;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SCHEMAS: [&str; 2] = ["h", "z"];
/// A statement that has neither finished nor waited for a lock after this time hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a state must last to be believed: longer than deadlock_timeout, so that who waits first has looked.
const QUIET: Duration = Duration::from_millis(30);

/// A session: a connection to each side.
struct Session {
    sides: [Connection; 2],
    pending: Option<Pending>,
    in_transaction: bool,
    /// the transaction has failed
    aborted: bool,
    serializable: bool,
    has_cursor: bool,
}

/// A statement on its way.
struct Pending {
    sql: String,
    outcomes: [Option<Outcome>; 2],
    /// it was found to wait, on both sides
    waits: bool,
}

/// How a case went on.
#[derive(PartialEq)]
enum Next {
    Go,
    /// the sides may differ from here, and rightly: which of two waiters goes on first is chance, as is who dies in a
    /// deadlock, and false alarms of serializability depend on pages
    Stop,
}

/// The connections.
pub struct Lockstep {
    admin: Client,
    sessions: Vec<Session>,
    /// statements compared
    pub compared: u64,
    /// of these, those that failed, the same way on both sides
    pub failed: u64,
    /// of these, those that waited
    pub waited: u64,
}

impl Lockstep {
    pub fn new() -> Result<Self, String> {
        let mut admin = connect("model", "SET client_min_messages = error")?;
        admin.batch_execute(schema::ONCE).map_err(|e| words(&e))?;
        let mut sessions = Vec::new();
        for no in 0..SESSIONS {
            let side = |schema: &str| {
                let settings = format!(
                    "SET search_path = {schema}, public; SET client_min_messages = error; SET jit = off;
                     SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
                     SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0"
                );
                Connection::new(&format!("model {schema}{no}"), &settings)
            };
            let sides = [side(SCHEMAS[0])?, side(SCHEMAS[1])?];
            let (pending, in_transaction, aborted, serializable, has_cursor) = (None, false, false, false, false);
            sessions.push(Session { sides, pending, in_transaction, aborted, serializable, has_cursor });
        }
        Ok(Self { admin, sessions, compared: 0, failed: 0, waited: 0 })
    }

    fn admin(&mut self, sql: &str) -> Result<(), String> {
        self.admin.batch_execute(sql).map_err(|e| format!("{}\n  in: {sql}", words(&e)))
    }

    /// Runs a case; the error says what differed.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        self.admin(&schema::each_case())?;
        let next = self.steps(steps).and_then(|next| if next == Next::Go { self.end() } else { Ok(next) });
        let clean = self.clean_up();
        let next = next?;
        clean?;
        if next == Next::Go {
            self.compare_contents()?;
        }
        self.check_slots()
    }

    fn steps(&mut self, steps: &[Step]) -> Result<Next, String> {
        for step in steps {
            if self.step(step)? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Go)
    }

    /// Whether the session can run the statement now.
    fn fits(&self, step: &Step) -> bool {
        let session = &self.sessions[step.session];
        let sql = step.sql.as_str();
        let is = |words: &[&str]| words.iter().any(|word| sql.starts_with(word));
        if session.pending.is_some() {
            false
        } else if session.aborted {
            // Nothing else would do anything.
            is(&["COMMIT", "ROLLBACK"]) && !sql.contains(" PREPARED")
        } else if session.in_transaction {
            !is(&["BEGIN", "VACUUM", "COMMIT PREPARED", "ROLLBACK PREPARED"])
        } else {
            // VACUUM (FREEZE) waits for the pin of a cursor, which stands on another page in each table, and for that of
            // an UPDATE that waits for a row: for ever if the row's transaction is prepared, on the heap as well.
            let pinned = self.sessions.iter().any(|session| session.has_cursor || session.pending.is_some());
            let waits_for_pin = pinned && sql.starts_with("VACUUM (FREEZE");
            let ends = is(&["COMMIT", "ROLLBACK"]) && !sql.contains(" PREPARED");
            !ends && !waits_for_pin && !is(&["SAVEPOINT", "RELEASE", "PREPARE", "SET CONSTRAINTS"])
        }
    }

    fn step(&mut self, step: &Step) -> Result<Next, String> {
        if !self.fits(step) {
            return Ok(Next::Go);
        }
        let session = &mut self.sessions[step.session];
        for (side, schema) in SCHEMAS.iter().enumerate() {
            let sql = match step.sql.strip_prefix("CHECK ") {
                Some(table) if side == 1 => format!("SELECT * FROM zvec_check('{table}')"),
                // The lock that zvec_check takes and gives back.
                Some(table) => format!(
                    "DO 'BEGIN BEGIN LOCK {table} IN SHARE UPDATE EXCLUSIVE MODE; RAISE check_violation; \
                     EXCEPTION WHEN check_violation THEN NULL; END; END'"
                ),
                None => step.sql.replace('@', schema),
            };
            session.sides[side].send(&sql)?;
        }
        session.pending = Some(Pending { sql: step.sql.clone(), outcomes: [None, None], waits: false });
        self.settle()
    }

    /// Waits until every statement on its way has finished on both sides or waits on both.
    fn settle(&mut self) -> Result<Next, String> {
        let start = Instant::now();
        let mut change = Instant::now();
        let mut polls = 0_u32;
        let several = self.sessions.iter().filter(|s| s.pending.as_ref().is_some_and(|p| p.waits)).count() > 1;
        loop {
            if self.receive()? {
                change = Instant::now();
            }
            let woken = |p: &Pending| p.waits && p.outcomes.iter().any(Option::is_some);
            if several && self.sessions.iter().any(|s| s.pending.as_ref().is_some_and(woken)) {
                return Ok(Next::Stop);
            }
            if self.finish()? == Next::Stop {
                return Ok(Next::Stop);
            }
            if self.sessions.iter().all(|session| session.pending.is_none()) {
                return Ok(Next::Go);
            }
            if self.sessions.iter().filter_map(|s| s.pending.as_ref()).all(|pending| pending.waits) {
                // Whoever has released a lock had woken the waiters before it answered.
                if self.all_wait()? {
                    return Ok(Next::Go);
                }
                if several {
                    return Ok(Next::Stop);
                }
                self.sessions.iter_mut().filter_map(|s| s.pending.as_mut()).for_each(|pending| pending.waits = false);
            }
            polls += 1;
            if change.elapsed() < Duration::from_millis(5) {
                if polls > 20 {
                    sleep(Duration::from_micros(200));
                } else {
                    std::thread::yield_now();
                }
                continue;
            }
            if change.elapsed() > QUIET && self.all_wait()? {
                let halves = |p: &Pending| p.outcomes[0].is_some() != p.outcomes[1].is_some();
                match self.sessions.iter().find_map(|s| s.pending.as_ref().filter(|p| halves(p))) {
                    None => {
                        for pending in self.sessions.iter_mut().filter_map(|s| s.pending.as_mut()) {
                            self.waited += u64::from(!pending.waits);
                            pending.waits = true;
                        }
                        return Ok(Next::Go);
                    }
                    Some(pending) if change.elapsed() > Duration::from_secs(3) => {
                        let side = if pending.outcomes[0].is_some() { "zvec" } else { "heap" };
                        return Err(format!("waits for a lock on the {side} side only: {}", pending.sql));
                    }
                    Some(_) => {}
                }
            }
            if start.elapsed() > PATIENCE {
                let sql: Vec<&str> =
                    self.sessions.iter().filter_map(|s| s.pending.as_ref().map(|p| p.sql.as_str())).collect();
                return Err(format!("hangs: {}", sql.join("; ")));
            }
            sleep(Duration::from_millis(2));
        }
    }

    /// Takes what has arrived.
    fn receive(&mut self) -> Result<bool, String> {
        let mut any = false;
        for session in &mut self.sessions {
            let Some(pending) = &mut session.pending else { continue };
            for (outcome, connection) in pending.outcomes.iter_mut().zip(&session.sides) {
                match connection.outcomes.try_recv() {
                    Ok(arrived) => {
                        *outcome = Some(arrived);
                        any = true;
                    }
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return Err("a connection's thread has ended".to_owned()),
                }
            }
        }
        Ok(any)
    }

    /// Whether each statement without an outcome waits for a lock.
    fn all_wait(&mut self) -> Result<bool, String> {
        let mut pids = Vec::new();
        for session in &self.sessions {
            let Some(pending) = &session.pending else { continue };
            let missing = pending.outcomes.iter().zip(&session.sides).filter(|(outcome, _)| outcome.is_none());
            pids.extend(missing.map(|(_, connection)| connection.pid));
        }
        let sql = "SELECT count(*) FROM unnest($1::int[]) AS pid WHERE cardinality(pg_blocking_pids(pid)) > 0";
        let row = self.admin.query_one(sql, &[&pids]).map_err(|e| words(&e))?;
        Ok(row.get::<_, i64>(0) == pids.len() as i64)
    }

    /// Compares what is done on both sides.
    fn finish(&mut self) -> Result<Next, String> {
        let serializable = self.sessions.iter().any(|session| session.serializable);
        for session in &mut self.sessions {
            let Some(Pending { sql, outcomes, .. }) = &mut session.pending else { continue };
            for (schema, outcome) in SCHEMAS.iter().zip(outcomes.iter()) {
                if let Some(outcome) = outcome.as_ref().filter(|outcome| outcome.is_lost()) {
                    return Err(format!("is lost in schema {schema}: {sql}\n  {}", outcome.message));
                }
            }
            let died = |o: &Option<Outcome>, code| o.as_ref().is_some_and(|o| o.error.as_deref() == Some(code));
            if outcomes.iter().any(|outcome| died(outcome, "40P01")) {
                return Ok(Next::Stop);
            }
            let [Some(heap), Some(zvec)] = outcomes else { continue };
            if heap.error != zvec.error && serializable && outcomes.iter().any(|o| died(o, "40001")) {
                return Ok(Next::Stop);
            }
            let [Some(heap), Some(zvec)] = outcomes else { continue };
            if !sql.contains("ORDER BY") && !sql.starts_with("FETCH") {
                heap.rows.sort();
                zvec.rows.sort();
            }
            let same = heap.error == zvec.error && heap.rows == zvec.rows && heap.counts == zvec.counts;
            if !same {
                return Err(format!("differs: {sql}\n  heap: {}\n  zvec: {}", show(heap), show(zvec)));
            }
            self.compared += 1;
            self.failed += u64::from(heap.error.is_some());
            let failed = heap.error.is_some();
            let sql = std::mem::take(sql);
            session.pending = None;
            session.after(&sql, failed);
        }
        Ok(Next::Go)
    }

    /// Ends what is open: commits.
    fn end(&mut self) -> Result<Next, String> {
        for _ in 0..2 * SESSIONS {
            for session in 0..SESSIONS {
                if self.step(&Step { session, sql: "COMMIT".to_owned() })? == Next::Stop {
                    return Ok(Next::Stop);
                }
            }
            self.forget_prepared()?;
            if self.settle()? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Go)
    }

    fn forget_prepared(&mut self) -> Result<(), String> {
        let sql = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()";
        let rows = self.admin.query(sql, &[]).map_err(|e| words(&e))?;
        for row in rows {
            let gid: String = row.get(0);
            self.admin(&format!("ROLLBACK PREPARED '{gid}'"))?;
        }
        Ok(())
    }

    /// Brings all connections back to nothing, whatever they were doing. A connection that does not come back is an error
    /// of this case, and the next has a new one.
    fn clean_up(&mut self) -> Result<(), String> {
        self.forget_prepared()?;
        let mut broken = Ok(());
        for session in &mut self.sessions {
            if let Some(pending) = session.pending.take() {
                for (outcome, connection) in pending.outcomes.iter().zip(&session.sides) {
                    if outcome.is_none() {
                        let cancel = format!("SELECT pg_cancel_backend({})", connection.pid);
                        self.admin.batch_execute(&cancel).map_err(|e| words(&e))?;
                        connection.outcomes.recv_timeout(PATIENCE).map_err(|_| "cannot cancel a statement")?;
                    }
                }
            }
            for (schema, connection) in SCHEMAS.iter().zip(&mut session.sides) {
                let mut last = Outcome::default();
                // A cancellation that came late hits the first.
                for sql in ["ROLLBACK", "ROLLBACK", "CLOSE ALL"] {
                    connection.send(sql)?;
                    last = connection.outcomes.recv_timeout(PATIENCE).map_err(|_| "cannot end a transaction")?;
                }
                if last.error.is_some() {
                    broken = Err(format!("in the end a session in schema {schema} is unusable: {}", last.message));
                    *connection = connection.anew()?;
                }
            }
            session.ended();
        }
        broken
    }

    /// The tables hold the same, whichever way they are read.
    fn compare_contents(&mut self) -> Result<(), String> {
        for table in schema::TABLES.iter().chain(&["log"]) {
            let order = if *table == "log" { "q::text" } else { "id" };
            for scan in ["on", "off"] {
                self.admin(&format!("SET enable_seqscan = {scan}"))?;
                let mut read = |schema: &str| {
                    let sql = format!("SELECT q::text FROM {schema}.{table} q ORDER BY {order}");
                    let rows = self.admin.query(&sql, &[]).map_err(|e| format!("{sql}: {}", words(&e)))?;
                    Ok::<_, String>(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>())
                };
                let (heap, zvec) = (read("h")?, read("z")?);
                if heap != zvec {
                    return Err(format!("in the end {table} differs\n  heap: {heap:?}\n  zvec: {zvec:?}"));
                }
            }
        }
        Ok(())
    }

    /// Rows and slots agree, and VACUUM leaves nothing dead.
    fn check_slots(&mut self) -> Result<(), String> {
        for table in schema::CHECKED {
            for sql in [format!("VACUUM (TRUNCATE off) z.{table}"), format!("zvec_check('z.{table}')")] {
                if sql.starts_with("VACUUM") {
                    self.admin(&sql)?;
                    continue;
                }
                let query = format!("SELECT q::text FROM {sql} q");
                let rows = self.admin.query(&query, &[]).map_err(|e| format!("{sql}: {}", words(&e)))?;
                if let Some(row) = rows.first() {
                    return Err(format!("in the end {sql} reports {}", row.get::<_, String>(0)));
                }
            }
            let dead = format!("SELECT coalesce(sum(dead), 0)::bigint FROM zvec_segments('z.{table}')");
            let dead: i64 = self.admin.query_one(&dead, &[]).map_err(|e| words(&e))?.get(0);
            if dead != 0 {
                return Err(format!("in the end {table} has {dead} dead slots after VACUUM"));
            }
        }
        Ok(())
    }
}

impl Session {
    /// Notes what the statement has done to the session.
    fn after(&mut self, sql: &str, failed: bool) {
        let ends = ["COMMIT", "ROLLBACK", "PREPARE TRANSACTION"].iter().any(|word| sql.starts_with(word));
        if sql.starts_with("BEGIN") && !failed {
            self.in_transaction = true;
            self.serializable = sql.ends_with("SERIALIZABLE");
        } else if ends && !sql.starts_with("ROLLBACK TO") && !sql.contains(" PREPARED") {
            self.ended();
        } else if failed {
            self.aborted = self.in_transaction;
        } else if sql.starts_with("ROLLBACK TO") {
            self.aborted = false;
        } else if sql.starts_with("DECLARE") {
            self.has_cursor = true;
        }
    }

    fn ended(&mut self) {
        (self.in_transaction, self.aborted, self.serializable, self.has_cursor) = (false, false, false, false);
    }
}

fn show(outcome: &Outcome) -> String {
    let text = match &outcome.error {
        Some(_) => outcome.message.clone(),
        None => format!("{:?} rows affected, {:?}", outcome.counts, outcome.rows),
    };
    text.chars().take(1500).collect()
}
