//! Rows as the server sends them, in text and in COPY's binary form, each one checked against the numbers in it.

use crate::contents::{Row, Rows, Stamp, Table};
use postgres::{SimpleQueryMessage, SimpleQueryRow};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A row as sent.
struct Sent<'a> {
    id: i32,
    num: i32,
    nver: i32,
    note: Option<&'a str>,
    vectors: Vec<(Option<u32>, Option<Vec<f32>>)>,
}

impl Sent<'_> {
    /// The row, if its text and its vectors are those that its numbers make.
    fn check(self, table: &Table) -> Result<(i32, Row), String> {
        let name = &table.name;
        let id = self.id;
        if self.note != table.note(self.nver).as_deref() {
            let start = self.note.map(|note| note.chars().take(60).collect::<String>());
            return Err(format!("{name}: row {id} has the text of another row: nver {}, text {start:?}", self.nver));
        }
        let mut vectors = Vec::new();
        for (column, (tag, elements)) in self.vectors.into_iter().enumerate() {
            vectors.push(match (tag, elements) {
                (None, None) => None,
                (Some(tag), Some(elements)) => {
                    let stamp = Stamp { tag, dims: elements.len() as u16 };
                    if elements != stamp.elements() || table.vectors[column].is_some_and(|dims| dims != stamp.dims) {
                        let start = &elements[..elements.len().min(4)];
                        let said = elements.first().map(|e| e * 1024.0);
                        return Err(format!(
                            "{name}: row {id} has a wrong vector in v{column}: tag{column} is {tag}, the vector of {} \
                             dimensions is that of tag {said:?}: {start:?}",
                            elements.len()
                        ));
                    }
                    Some(stamp)
                }
                (tag, elements) => {
                    let dims = elements.map(|e| e.len());
                    return Err(format!("{name}: row {id}: tag{column} is {tag:?}, v{column} has dimensions {dims:?}"));
                }
            });
        }
        Ok((id, Row { num: self.num, nver: self.nver, vectors }))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text:?}"))
}

/// The elements of a vector's text form.
pub fn vector(text: &str) -> Result<Vec<f32>, String> {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    inner.ok_or_else(|| format!("not a vector: {text:?}"))?.split(',').map(number).collect()
}

/// The row that begins at column `at`.
pub fn row(table: &Table, sent: &SimpleQueryRow, at: usize) -> Result<(i32, Row), String> {
    let value = |i: usize| sent.get(at + i).ok_or_else(|| format!("{}: unexpected NULL", table.name));
    let mut vectors = Vec::new();
    for i in 0..table.vectors.len() {
        let tag = sent.get(at + 4 + 2 * i).map(number).transpose()?;
        vectors.push((tag, sent.get(at + 5 + 2 * i).map(vector).transpose()?));
    }
    let row = Sent {
        id: number(value(0)?)?,
        num: number(value(1)?)?,
        nver: number(value(2)?)?,
        note: sent.get(at + 3),
        vectors,
    };
    row.check(table)
}

/// Adds the rows of a query's answer to `rows`.
pub fn text_rows(table: &Table, answer: &[SimpleQueryMessage], rows: &mut Rows) -> Result<(), String> {
    for message in answer {
        if let SimpleQueryMessage::Row(sent) = message {
            let (id, row) = row(table, sent, 0)?;
            add(table, rows, id, row)?;
        }
    }
    Ok(())
}

fn add(table: &Table, rows: &mut Rows, id: i32, row: Row) -> Result<(), String> {
    match rows.insert(id, row) {
        None => Ok(()),
        Some(_) => Err(format!("{}: row {id} was returned twice", table.name)),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("COPY's data is truncated")?;
        self.0 = rest;
        Ok(taken)
    }

    fn i16(&mut self) -> Result<i16, String> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into().unwrap_or_default()))
    }

    fn i32(&mut self) -> Result<i32, String> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().unwrap_or_default()))
    }

    fn field(&mut self) -> Result<Option<&'a [u8]>, String> {
        let len = self.i32()?;
        usize::try_from(len).ok().map(|len| self.take(len)).transpose()
    }
}

/// All rows of COPY's binary output.
pub fn binary_rows(table: &Table, data: &[u8]) -> Result<Rows, String> {
    let mut rows = Rows::new();
    let mut data = Reader(data);
    if data.take(SIGNATURE.len())? != SIGNATURE {
        return Err("COPY's data has another signature".to_owned());
    }
    while data.i16()? != -1 {
        let mut int = || -> Result<Option<i32>, String> { data.field()?.map(|field| Reader(field).i32()).transpose() };
        let mut required = || int()?.ok_or_else(|| format!("{}: unexpected NULL", table.name));
        let (id, num, nver) = (required()?, required()?, required()?);
        let note = data.field()?.map(std::str::from_utf8).transpose().map_err(|e| e.to_string())?;
        let mut vectors = Vec::new();
        for _ in &table.vectors {
            let tag = data.field()?.map(|field| Reader(field).i32()).transpose()?;
            let elements = data.field()?.map(binary_vector).transpose()?;
            vectors.push((tag.map(|tag| tag as u32), elements));
        }
        let (id, row) = Sent { id, num, nver, note, vectors }.check(table)?;
        add(table, &mut rows, id, row)?;
    }
    Ok(rows)
}

fn binary_vector(field: &[u8]) -> Result<Vec<f32>, String> {
    let mut field = Reader(field);
    let (dims, unused) = (field.i16()?, field.i16()?);
    let elements: Vec<f32> = field.0.chunks(4).map(|c| f32::from_be_bytes(c.try_into().unwrap_or([0xff; 4]))).collect();
    if unused != 0 || elements.len() != dims as usize || field.0.len() % 4 != 0 {
        return Err(format!("a binary vector of {dims} dimensions has {} bytes", field.0.len()));
    }
    Ok(elements)
}

/// COPY's binary input.
pub fn to_binary<'a>(table: &Table, rows: impl Iterator<Item = (&'a i32, &'a Row)>) -> Vec<u8> {
    fn field(data: &mut Vec<u8>, value: Option<&[u8]>) {
        data.extend(value.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        data.extend(value.unwrap_or_default());
    }
    let mut data = SIGNATURE.to_vec();
    for (id, row) in rows {
        data.extend((4 + 2 * row.vectors.len() as i16).to_be_bytes());
        for number in [*id, row.num, row.nver] {
            field(&mut data, Some(&number.to_be_bytes()));
        }
        field(&mut data, table.note(row.nver).as_deref().map(str::as_bytes));
        for vector in &row.vectors {
            field(&mut data, vector.map(|stamp| stamp.tag.to_be_bytes()).as_ref().map(<[u8; 4]>::as_slice));
            field(&mut data, vector.map(Stamp::binary).as_deref());
        }
    }
    data.extend((-1_i16).to_be_bytes());
    data
}

/// COPY's text input.
pub fn to_text<'a>(table: &Table, rows: impl Iterator<Item = (&'a i32, &'a Row)>) -> Vec<u8> {
    let mut data = String::new();
    for (id, row) in rows {
        let note = table.note(row.nver).unwrap_or_else(|| "\\N".to_owned());
        data += &format!("{id}\t{}\t{}\t{note}", row.num, row.nver);
        for vector in &row.vectors {
            match vector {
                Some(stamp) => data += &format!("\t{}\t{}", stamp.tag, stamp.text()),
                None => data += "\t\\N\t\\N",
            }
        }
        data.push('\n');
    }
    data.into_bytes()
}
