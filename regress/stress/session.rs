//! A session: its connection, its model of what it must see, and its transactions.

use crate::connect::{connect, sqlstate, words};
use crate::contents::{Row, Rows, Stamp, Table, digest, first_key};
use crate::queries::Cursor;
use crate::run::{Counts, Fail, Run, SETTINGS};
use fastrand::Rng;
use postgres::{Client, SimpleQueryMessage};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

/// What a session must find: its own rows of each table, and how often it has written each shared row.
#[derive(Clone)]
pub struct State {
    pub tables: Vec<Arc<Rows>>,
    pub shared: Arc<BTreeMap<(usize, i32), i32>>,
}

/// A session.
pub struct Session<'a> {
    pub run: &'a Run,
    pub no: usize,
    pub rng: Rng,
    pub client: Client,
    /// as of now, within the transaction
    pub state: State,
    /// as committed
    committed: State,
    /// savepoints: the state when each was set
    saves: Vec<State>,
    pub in_transaction: bool,
    pub cursors: Vec<Cursor>,
    pub counts: Counts,
    names: u32,
}

/// A statement cut to what one wants to read in a report.
pub fn short(sql: &str) -> String {
    let cut: String = sql.chars().take(700).collect();
    if cut.len() < sql.len() { format!("{cut} ... ({} bytes)", sql.len()) } else { cut }
}

/// Sorts an error of `sql`.
pub fn fail(error: &postgres::Error, sql: &str) -> Fail {
    match sqlstate(error) {
        "40001" => Fail::Retry("serialization failures"),
        "40P01" => Fail::Retry("deadlocks"),
        _ => Fail::Fatal(format!("{}\n  in: {}", words(error), short(sql))),
    }
}

impl<'a> Session<'a> {
    pub fn new(run: &'a Run, no: usize) -> Result<Self, String> {
        let client = connect(&format!("stress session {no}"), SETTINGS)?;
        let state = State { tables: vec![Arc::default(); run.tables.len()], shared: Arc::default() };
        Ok(Self {
            run,
            no,
            rng: Rng::with_seed(run.seed.wrapping_mul(1000) + no as u64),
            client,
            committed: state.clone(),
            state,
            saves: Vec::new(),
            in_transaction: false,
            cursors: Vec::new(),
            counts: Counts::new(),
            names: 0,
        })
    }

    /// Works until the run is over, and returns what it has committed.
    pub fn work(mut self) -> Result<State, String> {
        while !self.run.is_over() {
            if let Err(fail) = self.transaction() {
                self.run.count(&self.counts);
                return Err(match fail {
                    Fail::Fatal(message) => message,
                    Fail::Retry(what) => format!("unexpected: {what}"),
                });
            }
        }
        self.run.count(&self.counts);
        Ok(self.committed)
    }

    pub fn noted(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    pub fn table(&self, table: usize) -> &'a Table {
        &self.run.tables[table]
    }

    /// The rows of `table` that the session must see, to be changed.
    pub fn rows(&mut self, table: usize) -> &mut Rows {
        Arc::make_mut(&mut self.state.tables[table])
    }

    /// The condition for the session's own rows.
    pub fn own(&self) -> String {
        format!("id BETWEEN {} AND {}", first_key(self.no), first_key(self.no + 1) - 1)
    }

    /// Keys that the session has no row for.
    pub fn free_keys(&mut self, table: usize, count: usize) -> Vec<i32> {
        let first = first_key(self.no);
        let rows = &self.state.tables[table];
        let mut keys: Vec<i32> =
            (first..first + self.table(table).keys).filter(|key| !rows.contains_key(key)).collect();
        self.rng.shuffle(&mut keys);
        keys.truncate(count);
        keys
    }

    /// Keys of the session's rows.
    pub fn some_keys(&mut self, table: usize, count: usize) -> Vec<i32> {
        let mut keys: Vec<i32> = self.state.tables[table].keys().copied().collect();
        self.rng.shuffle(&mut keys);
        keys.truncate(count);
        keys
    }

    pub fn new_stamp(&mut self, table: usize, column: usize) -> Option<Stamp> {
        (self.rng.u8(..) > 25).then(|| self.table(table).stamp(column, self.run.tag()))
    }

    pub fn new_row(&mut self, table: usize) -> Row {
        let vectors = (0..self.table(table).vectors.len()).map(|column| self.new_stamp(table, column)).collect();
        let nver = if self.rng.u8(..) < 25 { 0 } else { self.run.version() };
        Row { num: self.rng.i32(0..1000), nver, vectors }
    }

    /// Runs a statement and returns what it answers.
    pub fn ask(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Fail> {
        self.client.simple_query(sql).map_err(|e| fail(&e, sql))
    }

    /// Runs a statement and returns the number of rows that it says.
    pub fn execute(&mut self, sql: &str) -> Result<u64, Fail> {
        let answer = self.ask(sql)?;
        let count =
            |m: &SimpleQueryMessage| if let SimpleQueryMessage::CommandComplete(n) = m { Some(*n) } else { None };
        Ok(answer.iter().find_map(count).unwrap_or_default())
    }

    /// Runs a statement that must change so many rows.
    pub fn change(&mut self, sql: &str, expected: usize) -> Result<(), Fail> {
        let found = self.execute(sql)?;
        if found == expected as u64 {
            return Ok(());
        }
        Err(Fail::Fatal(format!("{found} rows affected, expected {expected}\n  in: {}", short(sql))))
    }

    pub fn copy_in(&mut self, sql: &str, data: &[u8]) -> Result<u64, Fail> {
        if self.in_transaction {
            // The client library loses track when COPY fails before it asks for data, as in a deadlock over the lock.
            let table = sql.split_whitespace().nth(1).unwrap_or_default();
            self.ask(&format!("LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))?;
        }
        let mut writer = self.client.copy_in(sql).map_err(|e| fail(&e, sql))?;
        for piece in data.chunks(30_000) {
            writer.write_all(piece).map_err(|e| Fail::Fatal(format!("{sql}: {e}")))?;
        }
        writer.finish().map_err(|e| fail(&e, sql))
    }

    pub fn copy_out(&mut self, sql: &str) -> Result<Vec<u8>, Fail> {
        let mut data = Vec::new();
        let mut reader = self.client.copy_out(sql).map_err(|e| fail(&e, sql))?;
        let read = reader.read_to_end(&mut data).map(drop);
        drop(reader);
        let inner = |e: std::io::Error| e.into_inner().and_then(|e| e.downcast::<postgres::Error>().ok());
        read.map_err(|e| {
            let text = format!("{sql}: {e}");
            inner(e).map_or(Fail::Fatal(text), |e| fail(&e, sql))
        })?;
        Ok(data)
    }

    /// One transaction of random statements.
    fn transaction(&mut self) -> Result<(), Fail> {
        if self.rng.u8(..) < 50 {
            return self.alone();
        }
        let isolation = match self.rng.u8(0..20) {
            0 => "SERIALIZABLE",
            1..=5 => "REPEATABLE READ",
            _ => "READ COMMITTED",
        };
        self.ask(&format!("BEGIN ISOLATION LEVEL {isolation}"))?;
        self.in_transaction = true;
        let result = self.statements().and_then(|()| self.end());
        match result {
            Err(Fail::Retry(what)) => {
                self.noted(what);
                self.rollback()
            }
            result => result,
        }
    }

    /// A statement that is its own transaction. The ledger cannot change with it, so it keeps to what is not in it.
    fn alone(&mut self) -> Result<(), Fail> {
        let result = match self.rng.u8(0..3) {
            0 if self.rng.bool() => self.write_shared(),
            0 | 1 => self.fetch(),
            _ => {
                let own = self.run.tables.iter().position(|table| table.owner == Some(self.no));
                own.map_or(Ok(()), |table| self.change_something(table))
            }
        };
        self.committed = self.state.clone();
        match result {
            Err(Fail::Retry(what)) => {
                self.noted(what);
                Ok(())
            }
            result => result,
        }
    }

    fn statements(&mut self) -> Result<(), Fail> {
        let count = if self.rng.u8(..) < 20 { self.rng.usize(20..60) } else { self.rng.usize(1..14) };
        for _ in 0..count {
            let result = self.statement();
            if let Err(Fail::Retry(what)) = result
                && !self.saves.is_empty()
                && self.rng.bool()
            {
                // The transaction goes on from a savepoint.
                self.noted(what);
                self.noted("transactions that went on from a savepoint after an error");
                self.rollback_to_savepoint()?;
                if self.cursors.iter().any(|cursor| !cursor.held) {
                    self.close_cursors()?;
                }
                continue;
            }
            result?;
        }
        Ok(())
    }

    fn statement(&mut self) -> Result<(), Fail> {
        match self.rng.u8(0..100) {
            0..=9 => self.savepoint(),
            10..=15 => self.rollback_to_savepoint(),
            16..=18 => self.release_savepoint(),
            19..=23 => self.write_shared(),
            24..=25 => self.lock_shared(),
            26..=30 => self.fetch(),
            31..=35 => self.declare_cursor(),
            36..=42 => self.fetch(),
            43..=50 => self.read_own(),
            51..=53 => self.nearest(),
            54..=57 => self.by_distance(),
            58..=60 => self.nearest_of_all(),
            61..=63 => self.fail_on_purpose(),
            _ => {
                let tables = self.run.tables.len() - self.run.sessions;
                let own = tables + self.no;
                let table = self.rng.usize(0..=tables);
                self.change_something(if table == tables { own } else { table })
            }
        }
    }

    /// The end of a transaction: COMMIT, ROLLBACK or two phases.
    fn end(&mut self) -> Result<(), Fail> {
        if self.rng.u8(..) < 40 {
            self.noted("transactions rolled back on purpose");
            return self.rollback();
        }
        self.write_ledger()?;
        let can_prepare = !self.cursors.iter().any(|cursor| cursor.held && cursor.of_transaction);
        if can_prepare && self.rng.u8(..) < 30 {
            let name = self.name(&format!("stress_{}_", self.no));
            self.ask(&format!("PREPARE TRANSACTION '{name}'"))?;
            self.after_transaction(true);
            if self.rng.bool() {
                self.run.pause(self.rng.u64(0..200));
            }
            if self.rng.u8(..) < 80 {
                self.ask(&format!("ROLLBACK PREPARED '{name}'"))?;
                self.noted("prepared transactions rolled back");
                self.state = self.committed.clone();
            } else {
                self.ask(&format!("COMMIT PREPARED '{name}'"))?;
                self.noted("prepared transactions committed");
                self.committed = self.state.clone();
            }
            return Ok(());
        }
        self.ask("COMMIT")?;
        self.after_transaction(true);
        self.committed = self.state.clone();
        self.noted("transactions committed");
        Ok(())
    }

    pub fn rollback(&mut self) -> Result<(), Fail> {
        self.ask("ROLLBACK")?;
        self.after_transaction(false);
        self.state = self.committed.clone();
        Ok(())
    }

    fn after_transaction(&mut self, committed: bool) {
        self.in_transaction = false;
        self.saves.clear();
        self.cursors.retain(|cursor| cursor.held && (committed || !cursor.of_transaction));
        for cursor in &mut self.cursors {
            cursor.of_transaction = false;
            cursor.depth = 0;
        }
    }

    /// Notes count and digest of the session's rows of each changed table, so that whoever sees the transaction can
    /// check that all of it is there.
    fn write_ledger(&mut self) -> Result<(), Fail> {
        for table in 0..self.run.tables.len() {
            if self.table(table).owner.is_some()
                || Arc::ptr_eq(&self.state.tables[table], &self.committed.tables[table])
            {
                continue;
            }
            let (n, sum) = digest(self.state.tables[table].iter());
            let no = self.no;
            let sql = format!("UPDATE ledger SET n = {n}, sum = {sum} WHERE session = {no} AND tab = {table}");
            self.change(&sql, 1)?;
        }
        Ok(())
    }

    fn savepoint(&mut self) -> Result<(), Fail> {
        if self.saves.len() < 40 {
            self.ask(&format!("SAVEPOINT s{}", self.saves.len()))?;
            self.saves.push(self.state.clone());
            self.noted("savepoints");
        }
        Ok(())
    }

    fn rollback_to_savepoint(&mut self) -> Result<(), Fail> {
        if self.saves.is_empty() {
            return Ok(());
        }
        let depth = self.rng.usize(0..self.saves.len());
        self.ask(&format!("ROLLBACK TO s{depth}"))?;
        self.saves.truncate(depth + 1);
        self.state = self.saves[depth].clone();
        self.cursors.retain(|cursor| cursor.depth <= depth);
        self.noted("rollbacks to a savepoint");
        Ok(())
    }

    fn release_savepoint(&mut self) -> Result<(), Fail> {
        if self.saves.is_empty() {
            return Ok(());
        }
        let depth = self.rng.usize(0..self.saves.len());
        self.ask(&format!("RELEASE s{depth}"))?;
        self.saves.truncate(depth);
        for cursor in &mut self.cursors {
            cursor.depth = cursor.depth.min(depth);
        }
        Ok(())
    }

    pub fn depth(&self) -> usize {
        self.saves.len()
    }

    /// A statement that fails half-way, within a savepoint, leaves nothing.
    fn fail_on_purpose(&mut self) -> Result<(), Fail> {
        self.ask("SAVEPOINT failing")?;
        let table = self.rng.usize(0..self.run.tables.len() - self.run.sessions);
        let (mut keys, kind) = (self.free_keys(table, 5), self.rng.u8(0..4));
        let there = self.some_keys(table, 1);
        keys.extend(there.iter().filter(|_| kind == 3));
        let rows: Vec<(i32, Row)> = keys.into_iter().map(|key| (key, self.new_row(table))).collect();
        let spec = self.table(table);
        let values: Vec<String> = rows.iter().map(|(id, row)| row.values(spec, *id)).collect();
        let (name, own, values) = (&spec.name, self.own(), values.join(","));
        let insert = format!("INSERT INTO {name} ({}) VALUES {values}", spec.columns(""));
        let (sql, code) = match (there.first(), kind) {
            (Some(id), 0 | 1) => {
                let vector = if kind == 0 { "v0 = v0" } else { "v0 = NULL" };
                let nver = format!("CASE id WHEN {id} THEN 1 / (num - num) ELSE nver END");
                (format!("UPDATE {name} SET num = num + 1, {vector}, nver = {nver} WHERE {own}"), "22012")
            }
            (_, 2) => (format!("{insert}, (NULL{})", ", NULL".repeat(3 + 2 * spec.vectors.len())), "23502"),
            _ => (format!("{insert}, {values}"), "23505"),
        };
        let failed = if rows.is_empty() { None } else { Some(self.client.simple_query(&sql).err()) };
        match failed {
            None => {}
            Some(Some(e)) if sqlstate(&e) == code => self.noted("statements failed on purpose"),
            Some(Some(e)) => return Err(fail(&e, &sql)),
            Some(None) => return Err(Fail::Fatal(format!("no error {code}\n  in: {}", short(&sql)))),
        }
        self.ask("ROLLBACK TO failing")?;
        self.ask("RELEASE failing")?;
        Ok(())
    }
}
