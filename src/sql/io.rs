//! Input and output of the type: text, binary, type modifier.

use crate::error::{Error, Result, SqlState};
use crate::pg::array::Array;
use crate::pg::function::Call;
use crate::pg::message::cstring;
use crate::pg::varlena::NewVarlena;
use crate::sql::arg::{VectorArg, is_undecodable, new_vector};
use crate::sql_function;
use crate::vector::{ElementType, check_typmod, text, wire};
use pgrx::pg_sys::Datum;

sql_function! {
    /// `zvec_in(cstring, oid, integer) returns zvec`
    zvec_in(call) {
        let values = text::parse::<f32>(call.arg(0).cstring())?;
        check_typmod(values.len(), call.arg(2).i32())?;
        new_vector(values.len(), |out| {
            out.copy_from_slice(&values);
            Ok(())
        })
    }
}

sql_function! {
    /// `zvec_out(zvec) returns cstring`
    zvec_out(call) {
        if is_undecodable(call.arg(0).varlena()) {
            return Ok(cstring(wire::UNDECODABLE));
        }
        let vector = VectorArg::of(call, 0)?;
        let mut out = Vec::with_capacity(2 + vector.len() * 12);
        text::print::<f32>(&vector, &mut out);
        Ok(cstring(&out))
    }
}

sql_function! {
    /// `zvec_recv(internal, oid, integer) returns zvec`
    zvec_recv(call) {
        let message = call.arg(0).message();
        let dims = wire::decode_dims::<f32>(message)?;
        check_typmod(dims, call.arg(2).i32())?;
        new_vector::<f32>(dims, |out| wire::decode_elements(message, out))
    }
}

sql_function! {
    /// `zvec_send(zvec) returns bytea`
    zvec_send(call) {
        if is_undecodable(call.arg(0).varlena()) {
            let mut bytes = NewVarlena::zeroed(wire::UNDECODABLE.len());
            bytes.payload_mut().copy_from_slice(wire::UNDECODABLE);
            return Ok(bytes.into_datum());
        }
        let vector = VectorArg::of(call, 0)?;
        let mut bytes = NewVarlena::zeroed(wire::wire_size_bytes(ElementType::Float4, vector.len()));
        wire::encode::<f32>(&vector, bytes.payload_mut());
        Ok(bytes.into_datum())
    }
}

fn parse_typmod(element: ElementType, modifiers: &[&[u8]]) -> Result<i32> {
    let (name, most) = (element.name(), element.info().max_dims);
    let invalid = |message: String| {
        Error::new(SqlState::InvalidParameterValue, message)
            .hint(format!("Write {name}(n) with a whole number of dimensions from 1 to {most}, or {name} for any."))
    };
    let [modifier] = modifiers else {
        return Err(invalid(format!("type {name} takes one modifier, not {}", modifiers.len())));
    };
    let shown = modifier.escape_ascii();
    match std::str::from_utf8(modifier).ok().and_then(|m| m.parse::<i32>().ok()) {
        Some(dims) if (1..=most as i32).contains(&dims) => Ok(dims),
        Some(dims) => Err(invalid(format!("dimensions for type {name} must be between 1 and {most}, not {dims}"))),
        None => Err(invalid(format!("dimensions for type {name} must be a whole number, not \"{shown}\""))),
    }
}

/// `TYPE_typmod_in(cstring[]) returns integer`
pub fn typmod_in(call: Call<'_>, element: ElementType) -> Result<Datum> {
    let array = Array::new(call.arg(0).varlena())?;
    let modifiers: Vec<&[u8]> = array.cstrings();
    Ok(Datum::from(parse_typmod(element, &modifiers)?))
}

/// `TYPE_typmod_out(integer) returns cstring`
pub fn typmod_out(call: Call<'_>) -> Result<Datum> {
    Ok(match call.arg(0).i32() {
        dims @ 0.. => cstring(format!("({dims})").as_bytes()),
        _ => cstring(b""),
    })
}

sql_function! {
    /// `zvec_typmod_in(cstring[]) returns integer`
    zvec_typmod_in(call) { typmod_in(call, ElementType::Float4) }
}

sql_function! {
    /// `zvec_typmod_out(integer) returns cstring`
    zvec_typmod_out(call) { typmod_out(call) }
}
