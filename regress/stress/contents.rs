//! The tables, and what may stand in them: every vector and every text is made from a number that stands beside it in
//! its row, so that whoever reads any row, at any time, can tell whether its vectors are the ones that were written
//! with it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of one table by primary key.
pub type Rows = BTreeMap<i32, Row>;

/// A table of the run.
pub struct Table {
    pub name: String,
    /// dimensions of each vector column; none: a column without typmod, whose vectors have any dimensions
    pub vectors: Vec<Option<u16>>,
    /// rows that one session has at most
    pub keys: i32,
    /// length of the longest text
    pub note_bytes: usize,
    /// the only session that uses the table: nothing in it is checked by readers, so it may be truncated
    pub owner: Option<usize>,
    /// relations with the vectors: the table itself or its partitions
    pub relations: Vec<String>,
}

/// What a row holds, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub num: i32,
    /// makes the text
    pub nver: i32,
    pub vectors: Vec<Option<Stamp>>,
}

/// A vector, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub tag: u32,
    pub dims: u16,
}

/// First key of a session's own rows; keys below a million are shared.
pub const KEYS: i32 = 1_000_000;
/// The shared rows are those from 1 to this.
pub const SHARED: i32 = 12;

/// First key of a session's own rows.
pub fn first_key(session: usize) -> i32 {
    (session as i32 + 1) * KEYS
}

const ODD_DIMS: [u16; 9] = [1, 2, 3, 17, 130, 511, 1024, 2049, 3001];

impl Table {
    fn new(name: &str, vectors: &[Option<u16>], keys: i32, note_bytes: usize) -> Self {
        let relations = vec![name.to_owned()];
        Self { name: name.to_owned(), vectors: vectors.to_vec(), keys, note_bytes, owner: None, relations }
    }

    /// The tables of a run with `sessions` sessions.
    pub fn all(sessions: usize) -> Arc<[Table]> {
        let mut parts = Table::new("parts", &[Some(24)], 60, 3000);
        parts.relations = vec!["parts_0".to_owned(), "parts_1".to_owned()];
        let mut tables = vec![
            Table::new("small", &[Some(8)], 150, 300),
            Table::new("wide", &[Some(784)], 40, 100),
            Table::new("odd", &[None], 60, 20_000),
            parts,
            Table::new("several", &[Some(4), Some(100), None], 50, 500),
        ];
        for session in 0..sessions {
            let mut own = Table::new(&format!("own_{session}"), &[Some(16)], 60, 3000);
            own.owner = Some(session);
            tables.push(own);
        }
        tables.into()
    }

    /// The statements that make the table.
    pub fn ddl(&self) -> String {
        let name = &self.name;
        let column = |dims: &Option<u16>| dims.map_or_else(|| "zvec".to_owned(), |d| format!("zvec({d})"));
        let vectors = |range: std::ops::Range<usize>| -> String {
            range.map(|i| format!("v{i} {}, tag{i} int, ", column(&self.vectors[i]))).collect()
        };
        // A vector before the scalars and the others between them.
        let (first, rest) = (vectors(0..1), vectors(1..self.vectors.len()));
        let columns = format!("id int PRIMARY KEY, {first}num int NOT NULL, note text, {rest}nver int NOT NULL");
        let table = if self.relations.len() > 1 {
            format!(
                "CREATE TABLE {name} ({columns}) PARTITION BY HASH (id);
                 CREATE TABLE {name}_0 PARTITION OF {name} FOR VALUES WITH (MODULUS 3, REMAINDER 0) USING zvec;
                 CREATE TABLE {name}_1 PARTITION OF {name} FOR VALUES WITH (MODULUS 3, REMAINDER 1) USING zvec;
                 CREATE TABLE {name}_2 PARTITION OF {name} FOR VALUES WITH (MODULUS 3, REMAINDER 2) USING heap;"
            )
        } else {
            format!("CREATE TABLE {name} ({columns}) USING zvec;")
        };
        let mut ddl = format!("{table} CREATE INDEX {name}_num ON {name} (num);");
        for relation in self.relations.iter().filter(|_| self.has_graph()) {
            let options = "m = 6, ef_construction = 40";
            ddl += &format!(" CREATE INDEX {relation}_near ON {relation} USING zvec_hnsw (v0) WITH ({options});");
        }
        ddl
    }

    /// Whether there is a zvec_hnsw index over the first vector column, by `<->`.
    pub fn has_graph(&self) -> bool {
        self.vectors[0].is_some()
    }

    /// The columns in the order that everything here uses, which is not the table's own.
    pub fn columns(&self, prefix: &str) -> String {
        let mut list = format!("{prefix}id, {prefix}num, {prefix}nver, {prefix}note");
        for i in 0..self.vectors.len() {
            list += &format!(", {prefix}tag{i}, {prefix}v{i}");
        }
        list
    }

    /// A vector for column `column` made from `tag`.
    pub fn stamp(&self, column: usize, tag: u32) -> Stamp {
        Stamp { tag, dims: self.vectors[column].unwrap_or(ODD_DIMS[tag as usize % ODD_DIMS.len()]) }
    }

    /// The text made from `nver`: mostly short, sometimes long enough for TOAST, not compressible; none for 0.
    pub fn note(&self, nver: i32) -> Option<String> {
        if nver == 0 {
            return None;
        }
        let mut state = u64::from(nver.unsigned_abs()) << 20 | 0x55;
        let len = if nver % 5 == 0 { nver.unsigned_abs() as usize * 37 % self.note_bytes } else { nver as usize % 30 };
        let mut text = format!("{nver}:");
        while text.len() < len {
            text += &format!("{:016x}", next(&mut state));
        }
        Some(text)
    }
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

impl Stamp {
    /// The elements. The first tells the tag; all are exact in decimal and binary, and so are sums of some.
    pub fn elements(self) -> Vec<f32> {
        let mut state = u64::from(self.tag) << 24 | u64::from(self.dims) | 1 << 60;
        let rest = (1..self.dims).map(|_| ((next(&mut state) >> 54) as f32 - 512.0) / 64.0);
        std::iter::once(self.tag as f32 / 1024.0).chain(rest).collect()
    }

    /// As SQL's literal.
    pub fn literal(self) -> String {
        format!("'{}'", self.text())
    }

    /// As the type's binary form.
    pub fn binary(self) -> Vec<u8> {
        let elements = self.elements().into_iter().flat_map(f32::to_be_bytes);
        self.dims.to_be_bytes().into_iter().chain([0, 0]).chain(elements).collect()
    }

    /// As the type's text form.
    pub fn text(self) -> String {
        let elements: Vec<String> = self.elements().iter().map(f32::to_string).collect();
        format!("[{}]", elements.join(","))
    }
}

impl Row {
    /// The parenthesised values, in the order of [`Table::columns`].
    pub fn values(&self, table: &Table, id: i32) -> String {
        let note = table.note(self.nver).map_or_else(|| "NULL".to_owned(), |note| format!("'{note}'"));
        let mut list = format!("({id}, {}, {}, {note}", self.num, self.nver);
        for vector in &self.vectors {
            match vector {
                Some(stamp) => list += &format!(", {}, {}", stamp.tag, stamp.literal()),
                None => list += ", NULL, NULL",
            }
        }
        list + ")"
    }

    /// A number for the row's whole contents.
    fn digest(&self, id: i32) -> i64 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut add = |value: i64| {
            state = (state ^ value as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
            state ^= state >> 31;
        };
        [id, self.num, self.nver].iter().for_each(|&value| add(value.into()));
        for vector in &self.vectors {
            add(vector.map_or(-1, |stamp| i64::from(stamp.tag) << 16 | i64::from(stamp.dims)));
        }
        state as i64
    }
}

/// Count and digest of a set of rows: what a session notes in the ledger with each transaction.
pub fn digest<'a>(rows: impl Iterator<Item = (&'a i32, &'a Row)>) -> (i32, i64) {
    rows.fold((0, 0), |(n, sum), (&id, row)| (n + 1, i64::wrapping_add(sum, row.digest(id))))
}

/// What differs first between two sets of rows.
pub fn difference(expected: &Rows, found: &Rows) -> Option<String> {
    let keys: std::collections::BTreeSet<&i32> = expected.keys().chain(found.keys()).collect();
    let wrong = keys.into_iter().find(|id| expected.get(id) != found.get(id))?;
    let show = |row: Option<&Row>| row.map_or_else(|| "no row".to_owned(), |row| format!("{row:?}"));
    Some(format!("row {wrong}: expected {}, found {}", show(expected.get(wrong)), show(found.get(wrong))))
}
