//! The statements that read, and those on the rows that all sessions share.

use crate::contents::{Row, Rows, SHARED, Stamp, difference};
use crate::run::Fail;
use crate::session::{Session, fail, short};
use crate::wire;
use postgres::SimpleQueryMessage;
use std::sync::Arc;

/// An open cursor over the session's rows of a table.
pub struct Cursor {
    name: String,
    pub table: usize,
    /// what the table held when the cursor was declared
    expected: Arc<Rows>,
    /// what was fetched so far, in the cursor's order
    known: Vec<(i32, Row)>,
    /// 0: before the first row; n: on the n-th; beyond `known`: after the last
    position: usize,
    scroll: bool,
    /// it is WITH HOLD
    pub held: bool,
    /// it was declared in the transaction that is running
    pub of_transaction: bool,
    /// how many savepoints there were when it was declared
    pub depth: usize,
}

/// The settings that make the planner choose one kind of scan or another; a few of the choices are parallel.
pub fn plans(choice: u8) -> String {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let kind = choice % 4;
    let parallel = choice % 16 == 4 || choice % 64 == 7;
    let (workers, cost) = if parallel { (2, 0) } else { (0, 1000) };
    format!(
        "SET enable_seqscan = {}; SET enable_indexscan = {}; SET enable_bitmapscan = {};
         SET max_parallel_workers_per_gather = {workers}; SET parallel_setup_cost = {cost};
         SET parallel_tuple_cost = {cost}",
        on(kind == 0 || kind == 3),
        on(kind == 1 || kind == 3),
        on(kind >= 2),
    )
}

/// A metric's distance and the sum of its terms' absolute values, which bounds the rounding error.
pub fn distance(operator: &str, a: &[f32], b: &[f32]) -> (f64, f64) {
    let pairs = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    match operator {
        "<->" => {
            let distance = pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
            (distance, distance)
        }
        "<+>" => {
            let distance = pairs().map(|(a, b)| (a - b).abs()).sum();
            (distance, distance)
        }
        _ => (-pairs().map(|(a, b)| a * b).sum::<f64>(), pairs().map(|(a, b)| (a * b).abs()).sum()),
    }
}

impl Session<'_> {
    fn wrong(&self, table: usize, what: &str, sql: &str) -> Fail {
        Fail::Fatal(format!("{}: {what}\n  in: {}", self.table(table).name, short(sql)))
    }

    fn choose_plan(&mut self) -> Result<(), Fail> {
        let plans = plans(self.rng.u8(..));
        self.ask(&plans).map(drop)
    }

    /// Reads the session's rows of a table; they are what the model says.
    pub fn read_own(&mut self) -> Result<(), Fail> {
        let table = self.rng.usize(0..self.run.tables.len() - self.run.sessions + 1);
        let table = if table == self.run.tables.len() - self.run.sessions { table + self.no } else { table };
        self.choose_plan()?;
        let spec = self.table(table);
        let select = format!("SELECT {} FROM {} WHERE {}", spec.columns(""), spec.name, self.own());
        let (found, sql) = if self.rng.bool() {
            let mut rows = Rows::new();
            let answer = self.ask(&select)?;
            (wire::text_rows(spec, &answer, &mut rows).map(|()| rows), select)
        } else {
            let sql = format!("COPY ({select}) TO STDOUT (FORMAT binary)");
            (wire::binary_rows(spec, &self.copy_out(&sql)?), sql)
        };
        self.noted("reads of own rows compared");
        match found.map(|found| difference(&self.state.tables[table], &found)) {
            Ok(None) => Ok(()),
            Ok(Some(wrong)) | Err(wrong) => Err(self.wrong(table, &wrong, &sql)),
        }
    }

    /// A vector to ask for: often one that is there.
    fn wanted(&mut self, table: usize, column: usize) -> Stamp {
        let there = self.some_keys(table, 1).pop().and_then(|key| self.state.tables[table][&key].vectors[column]);
        there.unwrap_or_else(|| self.table(table).stamp(column, self.run.tag()))
    }

    fn choose_column(&mut self) -> (usize, usize, &'static str) {
        let table = self.rng.usize(0..self.run.tables.len() - self.run.sessions);
        let column = self.rng.usize(0..self.table(table).vectors.len());
        (table, column, ["<->", "<+>", "<#>"][self.rng.usize(0..3)])
    }

    /// A scan in order of distance to its end, of a zvec_hnsw index or without one, returns each of the session's rows once, with
    /// its own distance.
    pub fn by_distance(&mut self) -> Result<(), Fail> {
        let shared = self.run.tables.len() - self.run.sessions;
        let tables: Vec<usize> = (0..shared)
            .chain([shared + self.no])
            .filter(|&table| self.table(table).has_graph() && self.table(table).relations.len() == 1)
            .collect();
        let table = tables[self.rng.usize(0..tables.len())];
        let wanted = self.wanted(table, 0);
        let sql = format!(
            "SELECT id, v0 <-> $1::text::zvec FROM {} WHERE {} ORDER BY v0 <-> $1::text::zvec",
            self.table(table).name,
            self.own()
        );
        let exact = self.rng.u8(0..4) == 0;
        let (seqscan, indexscan) = if exact { ("on", "off") } else { ("off", "on") };
        self.ask(&format!(
            "SET enable_seqscan = {seqscan}; SET enable_indexscan = {indexscan}; SET enable_bitmapscan = off;
             SET enable_sort = off; SET max_parallel_workers_per_gather = 0"
        ))?;
        let answer = self.client.query(&sql, &[&wanted.text()]).map_err(|e| fail(&e, &sql))?;
        self.ask("SET enable_sort = on")?;
        self.noted(if exact { "exact scans compared" } else { "graph scans compared" });
        let query = wanted.elements();
        let mut left = (*self.state.tables[table]).clone();
        for sent in &answer {
            let (id, found): (i32, Option<f64>) = (sent.get(0), sent.get(1));
            let Some(row) = left.remove(&id) else {
                return Err(self.wrong(table, &format!("row {id} is there twice, or should not be there"), &sql));
            };
            let expected = row.vectors[0].map(|stamp| distance("<->", &stamp.elements(), &query));
            let near = match (expected, found) {
                (Some((distance, terms)), Some(found)) => (distance - found).abs() <= 1e-5 * terms + 1e-6,
                (expected, found) => expected.is_none() && found.is_none(),
            };
            if !near {
                return Err(self.wrong(table, &format!("row {id} at {found:?} instead of {expected:?}"), &sql));
            }
        }
        match left.keys().next() {
            None => Ok(()),
            Some(id) => Err(self.wrong(table, &format!("row {id} is not found, and {} in all", left.len()), &sql)),
        }
    }

    /// The nearest of the session's own rows are those of the model. Not by a graph, which finds most of them only.
    pub fn nearest(&mut self) -> Result<(), Fail> {
        let (table, column, operator) = self.choose_column();
        let wanted = self.wanted(table, column);
        let limit = self.rng.usize(1..=12);
        let sql = format!(
            "SELECT id, v{column} {operator} $1::text::zvec FROM {} WHERE {} AND vector_dims(v{column}) = {}
             ORDER BY (v{column} {operator} $1::text::zvec) + 0 LIMIT {limit}",
            self.table(table).name,
            self.own(),
            wanted.dims
        );
        self.choose_plan()?;
        let answer = self.client.query(&sql, &[&wanted.text()]).map_err(|e| fail(&e, &sql))?;
        self.noted("nearest own rows compared");
        let query = wanted.elements();
        let of = |row: &Row| {
            let stamp = row.vectors[column].filter(|stamp| stamp.dims == wanted.dims)?;
            Some(distance(operator, &stamp.elements(), &query))
        };
        let mut expected: Vec<(f64, f64)> = self.state.tables[table].values().filter_map(of).collect();
        expected.sort_by(|a, b| a.0.total_cmp(&b.0));
        expected.truncate(limit);
        if answer.len() != expected.len() {
            let what = format!("{} neighbours instead of {}", answer.len(), expected.len());
            return Err(self.wrong(table, &what, &sql));
        }
        for (sent, (nth, terms)) in answer.iter().zip(expected) {
            let (id, found): (i32, f64) = (sent.get(0), sent.get(1));
            let near = |a: f64, terms: f64| (a - found).abs() <= 1e-5 * terms + 1e-6;
            let own = self.state.tables[table].get(&id).and_then(of);
            if !near(nth, terms) || !own.is_some_and(|(distance, terms)| near(distance, terms)) {
                let what = format!("row {id} at {found}, the model has it at {own:?}, and {nth} for this place");
                return Err(self.wrong(table, &what, &sql));
            }
        }
        Ok(())
    }

    /// The nearest of all rows: whatever the other sessions do, each comes with its own vector and distance.
    pub fn nearest_of_all(&mut self) -> Result<(), Fail> {
        let (table, column, operator) = self.choose_column();
        let wanted = self.wanted(table, column);
        let spec = self.table(table);
        let sql = format!(
            "SELECT v{column} {operator} {0}, {1} FROM {2} WHERE vector_dims(v{column}) = {3}
             ORDER BY (v{column} {operator} {0}) + 0 LIMIT 10",
            wanted.literal(),
            spec.columns(""),
            spec.name,
            wanted.dims
        );
        self.choose_plan()?;
        let query = wanted.elements();
        let mut before = f64::NEG_INFINITY;
        for message in self.ask(&sql)? {
            let SimpleQueryMessage::Row(sent) = message else { continue };
            let (id, row) = wire::row(spec, &sent, 1).map_err(|e| self.wrong(table, &e, &sql))?;
            let found: f64 = sent.get(0).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
            let (distance, terms) =
                row.vectors[column].map_or((f64::NAN, 0.0), |stamp| distance(operator, &stamp.elements(), &query));
            let near = (found - distance).abs() <= 1e-5 * terms + 1e-6;
            if !near || found < before {
                let what = format!("row {id} at {found} after {before}, its vector is at {distance}");
                return Err(self.wrong(table, &what, &sql));
            }
            before = found;
        }
        self.noted("nearest of all rows checked");
        Ok(())
    }

    /// Declares a cursor over the session's rows.
    pub fn declare_cursor(&mut self) -> Result<(), Fail> {
        if self.cursors.len() > 6 {
            return self.close_cursors();
        }
        self.choose_plan()?;
        let shared = self.run.tables.len() - self.run.sessions;
        let table = self.rng.usize(0..=shared);
        let table = if table == shared { table + self.no } else { table };
        let spec = self.table(table);
        let (scroll, held) = (self.rng.bool(), self.rng.u8(0..4) == 0);
        let name = self.name("c");
        let order = ["", "ORDER BY num, id", "ORDER BY id"][self.rng.usize(0..3)];
        let sql = format!(
            "DECLARE {name} {} CURSOR {} FOR SELECT {} FROM {} WHERE {} {order}",
            if scroll { "SCROLL" } else { "" },
            if held { "WITH HOLD" } else { "" },
            spec.columns(""),
            spec.name,
            self.own()
        );
        self.ask(&sql)?;
        let (expected, depth) = (self.state.tables[table].clone(), self.depth());
        let (known, position, of_transaction) = (Vec::new(), 0, true);
        self.cursors.push(Cursor { name, table, expected, known, position, scroll, held, of_transaction, depth });
        self.noted(if held { "cursors with hold" } else { "cursors" });
        Ok(())
    }

    pub fn close_cursors(&mut self) -> Result<(), Fail> {
        self.cursors.clear();
        self.ask("CLOSE ALL").map(drop)
    }

    /// Fetches from a cursor: what it returns stood there when it was declared, each row once, back as forth.
    pub fn fetch(&mut self) -> Result<(), Fail> {
        if self.cursors.is_empty() {
            return Ok(());
        }
        let which = self.rng.usize(0..self.cursors.len());
        let count = self.rng.usize(1..80);
        let Cursor { name, table, scroll, position, .. } = &self.cursors[which];
        let (table, position) = (*table, *position);
        let back = *scroll && self.rng.u8(0..3) == 0;
        let sql = format!("FETCH {} {count} FROM {name}", if back { "BACKWARD" } else { "FORWARD" });
        let spec = self.table(table);
        let mut found = Vec::new();
        for message in self.ask(&sql)? {
            if let SimpleQueryMessage::Row(sent) = message {
                found.push(wire::row(spec, &sent, 0).map_err(|e| self.wrong(table, &e, &sql))?);
            }
        }
        self.noted("fetches from cursors compared");
        let cursor = &mut self.cursors[which];
        let same = if back {
            let passed = &cursor.known[..(position.max(1) - 1).min(cursor.known.len())];
            cursor.position = position.saturating_sub(count);
            passed.iter().rev().take(count).eq(&found)
        } else {
            let ahead = cursor.known.get(position..).unwrap_or_default();
            let same = ahead.iter().zip(&found).all(|(known, found)| known == found);
            let new = found.len().saturating_sub(ahead.len());
            cursor.known.extend_from_slice(&found[found.len() - new..]);
            let at_end = found.len() < count;
            cursor.position = if at_end { cursor.known.len() + 1 } else { position + count };
            let all: Rows = cursor.known.iter().cloned().collect();
            let complete = !at_end || difference(&cursor.expected, &all).is_none();
            let valid = cursor.known.iter().all(|(id, row)| cursor.expected.get(id) == Some(row));
            same && complete && valid && all.len() == cursor.known.len()
        };
        if same {
            return Ok(());
        }
        let what = format!(
            "a cursor at {position} returned {found:?}, known {:?}, declared over {:?}",
            cursor.known, cursor.expected
        );
        let what = short(&what);
        Err(self.wrong(table, &what, &sql))
    }

    /// Writes rows that all sessions write; each write adds one to `num`, and none may be lost.
    pub fn write_shared(&mut self) -> Result<(), Fail> {
        let table = self.rng.usize(0..self.run.tables.len() - self.run.sessions);
        let spec = self.table(table);
        let mut keys: Vec<i32> = (1..=SHARED).collect();
        self.rng.shuffle(&mut keys);
        keys.truncate(self.rng.usize(1..=2));
        for key in keys {
            let row = Row { num: 1, ..self.new_row(table) };
            let mut set = "num = t.num + 1, nver = excluded.nver, note = excluded.note".to_owned();
            for i in (0..spec.vectors.len()).filter(|_| row.nver % 3 != 0) {
                set += &format!(", tag{i} = excluded.tag{i}, v{i} = excluded.v{i}");
            }
            let insert =
                format!("INSERT INTO {} AS t ({}) VALUES {}", spec.name, spec.columns(""), row.values(spec, key));
            let sql = match self.rng.u8(0..8) {
                0 => format!("{insert} ON CONFLICT DO NOTHING"),
                1 | 2 => {
                    let stamp = self.wanted(table, 0);
                    format!(
                        "UPDATE {} SET num = num + 1, tag0 = {}, v0 = {} WHERE id = {key}",
                        spec.name,
                        stamp.tag,
                        stamp.literal()
                    )
                }
                3 => format!("UPDATE {} SET num = num + 1 WHERE id = {key}", spec.name),
                _ => format!("{insert} ON CONFLICT (id) DO UPDATE SET {set}"),
            };
            let count = self.execute(&sql)? as i32;
            *Arc::make_mut(&mut self.state.shared).entry((table, key)).or_default() += count;
            self.noted("writes of shared rows");
        }
        Ok(())
    }

    /// Locks shared rows in one of the ways that there are.
    pub fn lock_shared(&mut self) -> Result<(), Fail> {
        let table = self.rng.usize(0..self.run.tables.len() - self.run.sessions);
        let spec = self.table(table);
        let strength = ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"][self.rng.usize(0..4)];
        let skip = if self.rng.bool() { "SKIP LOCKED" } else { "" };
        let sql = format!(
            "SELECT {} FROM {} WHERE id IN ({}, {}) FOR {strength} {skip}",
            spec.columns(""),
            spec.name,
            self.rng.i32(1..=SHARED),
            self.rng.i32(1..=SHARED)
        );
        let mut rows = Rows::new();
        wire::text_rows(spec, &self.ask(&sql)?, &mut rows).map_err(|e| self.wrong(table, &e, &sql))?;
        self.noted("shared rows locked");
        Ok(())
    }
}
