//! The statements that change a session's own rows, each together with its change to the model.

use crate::contents::{Row, Rows, difference};
use crate::run::Fail;
use crate::session::{Session, short};
use crate::wire;

impl Session<'_> {
    /// A random statement that changes the session's own rows of a table.
    pub fn change_something(&mut self, table: usize) -> Result<(), Fail> {
        let room = self.table(table).keys as usize - self.state.tables[table].len();
        let private = self.table(table).owner.is_some();
        match self.rng.u8(0..100) {
            0..=12 => self.insert(table, 1),
            13..=19 => self.insert(table, 25),
            20..=24 => self.copy(table),
            25..=28 => self.insert_select(table),
            29..=33 => self.upsert(table),
            34..=36 => self.merge(table),
            37..=58 => self.update_vectors(table),
            59..=82 => self.update_scalars(table),
            83..=86 => self.move_keys(table),
            87..=88 if private => self.truncate(table),
            89 if private => self.change_access_method(table),
            _ if room > 10 && self.rng.bool() => self.insert(table, 10),
            _ => self.delete(table),
        }
    }

    /// Runs a statement that must change the given rows to what is given (or, for DELETE, return what they were).
    fn change_rows(&mut self, table: usize, sql: &str, rows: &Rows) -> Result<(), Fail> {
        if rows.len() < 4 && self.rng.bool() {
            let spec = self.table(table);
            let prefix = if sql.contains(" AS t ") { "t." } else { "" };
            let sql = format!("{sql} RETURNING {}", spec.columns(prefix));
            let answer = self.ask(&sql)?;
            let mut found = Rows::new();
            wire::text_rows(spec, &answer, &mut found)
                .map_err(|e| Fail::Fatal(format!("{e}\n  in: {}", short(&sql))))?;
            return match difference(rows, &found) {
                None => Ok(()),
                Some(wrong) => Err(Fail::Fatal(format!("returned {wrong}\n  in: {}", short(&sql)))),
            };
        }
        self.change(sql, rows.len())
    }

    fn new_rows(&mut self, table: usize, most: usize) -> Rows {
        let count = self.rng.usize(1..=most);
        let keys = self.free_keys(table, count);
        keys.into_iter().map(|key| (key, self.new_row(table))).collect()
    }

    fn insert(&mut self, table: usize, most: usize) -> Result<(), Fail> {
        let rows = self.new_rows(table, most);
        if rows.is_empty() {
            return self.delete(table);
        }
        let spec = self.table(table);
        let values: Vec<String> = rows.iter().map(|(id, row)| row.values(spec, *id)).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES {}", spec.name, spec.columns(""), values.join(","));
        self.change_rows(table, &sql, &rows)?;
        self.rows(table).extend(rows);
        self.noted("INSERT");
        Ok(())
    }

    fn copy(&mut self, table: usize) -> Result<(), Fail> {
        let rows = self.new_rows(table, 60);
        let spec = self.table(table);
        let to = format!("COPY {} ({}) FROM STDIN", spec.name, spec.columns(""));
        let found = if self.rng.bool() {
            self.noted("COPY binary");
            self.copy_in(&format!("{to} (FORMAT binary)"), &wire::to_binary(spec, rows.iter()))?
        } else {
            self.noted("COPY text");
            self.copy_in(&to, &wire::to_text(spec, rows.iter()))?
        };
        if found != rows.len() as u64 {
            return Err(Fail::Fatal(format!("{to}: {found} rows instead of {}", rows.len())));
        }
        self.rows(table).extend(rows);
        Ok(())
    }

    /// Rows copied from other rows of the table, vectors and all.
    fn insert_select(&mut self, table: usize) -> Result<(), Fail> {
        let from = self.some_keys(table, 8);
        let to = self.free_keys(table, from.len());
        let pairs: Vec<(i32, i32)> = from.into_iter().zip(to).collect();
        if pairs.is_empty() {
            return self.insert(table, 3);
        }
        let spec = self.table(table);
        let columns = spec.columns("");
        let list: Vec<String> = pairs.iter().map(|(from, to)| format!("({from}, {to})")).collect();
        let rest = spec.columns("t.").replacen("t.id", "pair.new", 1);
        let sql = format!(
            "INSERT INTO {0} ({columns}) SELECT {rest} FROM {0} t JOIN (VALUES {1}) pair(old, new) ON t.id = pair.old",
            spec.name,
            list.join(",")
        );
        let rows: Rows = pairs.iter().map(|(from, to)| (*to, self.state.tables[table][from].clone())).collect();
        self.change_rows(table, &sql, &rows)?;
        self.rows(table).extend(rows);
        self.noted("INSERT ... SELECT");
        Ok(())
    }

    /// ON CONFLICT over some keys that are there and some that are not.
    fn upsert(&mut self, table: usize) -> Result<(), Fail> {
        let mut keys = self.some_keys(table, 2);
        keys.extend(self.free_keys(table, 2));
        let rows: Rows = keys.into_iter().map(|key| (key, self.new_row(table))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let spec = self.table(table);
        let values: Vec<String> = rows.iter().map(|(id, row)| row.values(spec, *id)).collect();
        let insert =
            format!("INSERT INTO {} AS t ({}) VALUES {} ON CONFLICT", spec.name, spec.columns(""), values.join(","));
        let keep_vectors = self.rng.bool();
        if self.rng.u8(0..4) == 0 {
            let new: Rows = rows.into_iter().filter(|(key, _)| !self.state.tables[table].contains_key(key)).collect();
            self.change_rows(table, &format!("{insert} DO NOTHING"), &new)?;
            self.rows(table).extend(new);
            self.noted("INSERT ... ON CONFLICT DO NOTHING");
            return Ok(());
        }
        let mut set = "num = excluded.num, nver = excluded.nver, note = excluded.note".to_owned();
        if !keep_vectors {
            for i in 0..spec.vectors.len() {
                set += &format!(", tag{i} = excluded.tag{i}, v{i} = excluded.v{i}");
            }
        }
        let mut new = rows;
        for (key, row) in &mut new {
            if let Some(old) = self.state.tables[table].get(key).filter(|_| keep_vectors) {
                row.vectors.clone_from(&old.vectors);
            }
        }
        self.change_rows(table, &format!("{insert} (id) DO UPDATE SET {set}"), &new)?;
        self.rows(table).extend(new);
        self.noted("INSERT ... ON CONFLICT DO UPDATE");
        Ok(())
    }

    fn merge(&mut self, table: usize) -> Result<(), Fail> {
        let gone = self.some_keys(table, 1);
        let mut keys = self.some_keys(table, 3);
        keys.retain(|key| !gone.contains(key));
        keys.extend(self.free_keys(table, 1));
        let rows: Rows = keys.into_iter().map(|key| (key, self.new_row(table))).collect();
        let spec = self.table(table);
        let columns = spec.columns("");
        let mut values: Vec<String> = rows.iter().map(|(id, row)| row.values(spec, *id)).collect();
        for key in &gone {
            let row = self.state.tables[table][key].clone();
            values.push(Row { num: -1, ..row }.values(spec, *key));
        }
        if values.is_empty() {
            return Ok(());
        }
        let mut set = "num = s.num, nver = s.nver, note = s.note".to_owned();
        let mut source = "id, num, nver, note::text".to_owned();
        for i in 0..spec.vectors.len() {
            set += &format!(", tag{i} = s.tag{i}::int, v{i} = s.v{i}::zvec");
            source += &format!(", tag{i}::int, v{i}::zvec");
        }
        let sql = format!(
            "MERGE INTO {} AS t USING (SELECT {source} FROM (VALUES {}) AS s ({columns})) AS s ON t.id = s.id
             WHEN MATCHED AND s.num = -1 THEN DELETE WHEN MATCHED THEN UPDATE SET {set}
             WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({})",
            spec.name,
            values.join(","),
            spec.columns("s.")
        );
        self.change(&sql, values.len())?;
        self.rows(table).extend(rows);
        for key in &gone {
            self.rows(table).remove(key);
        }
        self.noted("MERGE");
        Ok(())
    }

    /// Updates that give some vector column another value, or the same one anew.
    fn update_vectors(&mut self, table: usize) -> Result<(), Fail> {
        let most = if self.rng.bool() { 1 } else { 10 };
        let keys = self.some_keys(table, most);
        let spec = self.table(table);
        let column = self.rng.usize(0..spec.vectors.len());
        let mut rows: Rows = keys.iter().map(|key| (*key, self.state.tables[table][key].clone())).collect();
        let Some((&one, row)) = rows.iter().next() else { return self.insert(table, 5) };
        let update = format!("UPDATE {} AS t SET", spec.name);
        let (tag, v) = (format!("tag{column}"), format!("v{column}"));
        let list: Vec<String> = keys.iter().map(i32::to_string).collect();
        let them = format!("WHERE t.id IN ({})", list.join(","));
        let sql = match self.rng.u8(0..8) {
            0 => {
                rows.values_mut().for_each(|row| row.vectors[column] = None);
                self.noted("UPDATE to a NULL vector");
                format!("{update} {v} = NULL, {tag} = NULL {them}")
            }
            1 => {
                self.noted("UPDATE v = v");
                format!("{update} {v} = {v} {them}")
            }
            2 => {
                let num = self.rng.i32(0..1000);
                rows.values_mut().for_each(|row| row.num = num);
                self.noted("UPDATE v = v and an indexed column");
                format!("{update} {v} = {v}, num = {num} {them}")
            }
            3 => {
                let same = row.vectors[column].map_or_else(|| "NULL".to_owned(), |stamp| stamp.literal());
                let row = row.clone();
                rows = [(one, row)].into();
                self.noted("UPDATE with the same vector given anew");
                format!("{update} {v} = {same} WHERE t.id = {one}")
            }
            4 => {
                // Another row's vector.
                let Some(other) = self.some_keys(table, 1).pop() else { return Ok(()) };
                let given = self.state.tables[table][&other].vectors[column];
                rows.values_mut().for_each(|row| row.vectors[column] = given);
                self.noted("UPDATE with another row's vector");
                format!("{update} {v} = o.{v}, {tag} = o.{tag} FROM {} o {them} AND o.id = {other}", spec.name)
            }
            _ => {
                let mut values = Vec::new();
                for (key, row) in &mut rows {
                    let stamp = self.table(table).stamp(column, self.run.tag());
                    row.vectors[column] = Some(stamp);
                    values.push(format!("({key}, {}, {}::zvec)", stamp.tag, stamp.literal()));
                }
                self.noted("UPDATE with new vectors");
                let values = values.join(",");
                format!("{update} {v} = n.v, {tag} = n.tag FROM (VALUES {values}) n(id, tag, v) WHERE t.id = n.id")
            }
        };
        self.change_rows(table, &sql, &rows)?;
        self.rows(table).extend(rows);
        Ok(())
    }

    /// Updates that leave the vectors alone.
    fn update_scalars(&mut self, table: usize) -> Result<(), Fail> {
        let spec = self.table(table);
        let most = if self.rng.u8(0..4) == 0 { 40 } else { 2 };
        let keys = self.some_keys(table, most);
        if keys.is_empty() {
            return self.insert(table, 5);
        }
        let list: Vec<String> = keys.iter().map(i32::to_string).collect();
        let them = format!("WHERE id IN ({})", list.join(","));
        // Several times, so that a row gets several versions in one transaction.
        for _ in 0..self.rng.usize(1..=3) {
            let mut rows: Rows = keys.iter().map(|key| (*key, self.state.tables[table][key].clone())).collect();
            let sql = if self.rng.bool() {
                rows.values_mut().for_each(|row| row.num = (row.num + 1) % 1000);
                self.noted("UPDATE of an indexed column");
                format!("UPDATE {} SET num = (num + 1) % 1000 {them}", spec.name)
            } else {
                let nver = self.run.version();
                rows.values_mut().for_each(|row| row.nver = nver);
                let note = spec.note(nver).unwrap_or_default();
                self.noted("UPDATE of plain columns");
                format!("UPDATE {} SET nver = {nver}, note = '{note}' {them}", spec.name)
            };
            self.change_rows(table, &sql, &rows)?;
            self.rows(table).extend(rows);
        }
        Ok(())
    }

    /// Rows get other primary keys, and with them perhaps other partitions.
    fn move_keys(&mut self, table: usize) -> Result<(), Fail> {
        let from = self.some_keys(table, 3);
        let to = self.free_keys(table, from.len());
        for (from, to) in from.into_iter().zip(to) {
            let spec = self.table(table);
            let row = self.state.tables[table][&from].clone();
            let sql = format!("UPDATE {} SET id = {to} WHERE id = {from}", spec.name);
            self.change_rows(table, &sql, &[(to, row.clone())].into())?;
            self.rows(table).remove(&from);
            self.rows(table).insert(to, row);
            self.noted("UPDATE of the primary key");
        }
        Ok(())
    }

    fn delete(&mut self, table: usize) -> Result<(), Fail> {
        let spec = self.table(table);
        let most = if self.rng.u8(0..6) == 0 { usize::MAX } else { 6 };
        let keys = self.some_keys(table, most);
        if keys.is_empty() {
            return self.insert(table, 5);
        }
        let list: Vec<String> = keys.iter().map(i32::to_string).collect();
        let sql = format!("DELETE FROM {} WHERE id IN ({})", spec.name, list.join(","));
        let rows: Rows = keys.iter().map(|key| (*key, self.state.tables[table][key].clone())).collect();
        self.change_rows(table, &sql, &rows)?;
        for key in &keys {
            self.rows(table).remove(key);
        }
        self.noted("DELETE");
        Ok(())
    }

    fn truncate(&mut self, table: usize) -> Result<(), Fail> {
        if self.cursors.iter().any(|cursor| cursor.table == table) {
            return Ok(());
        }
        let name = &self.table(table).name;
        self.ask(&format!("TRUNCATE {name}"))?;
        self.rows(table).clear();
        self.noted("TRUNCATE");
        Ok(())
    }

    /// The table becomes an ordinary one and a zvec table again.
    fn change_access_method(&mut self, table: usize) -> Result<(), Fail> {
        if self.cursors.iter().any(|cursor| cursor.table == table) {
            return Ok(());
        }
        let name = &self.table(table).name;
        self.ask(&format!("DROP INDEX {name}_near"))?;
        self.ask(&format!("ALTER TABLE {name} SET ACCESS METHOD heap"))?;
        self.ask(&format!("ALTER TABLE {name} SET ACCESS METHOD zvec"))?;
        self.ask(&format!("CREATE INDEX {name}_near ON {name} USING zvec_hnsw (v0)"))?;
        self.noted("ALTER TABLE ... SET ACCESS METHOD");
        Ok(())
    }
}
