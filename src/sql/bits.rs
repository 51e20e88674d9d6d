//! The SQL functions of `zbit`, vectors of bits. A value is laid out as the server's `bit`: the first bit is the highest of its
//! byte, what fills up the last byte is zero.

use crate::distance::Metric;
use crate::distance::integer::ones;
use crate::error::{Error, Result, SqlState};
use crate::pg::array::f64_datum;
use crate::pg::function::Call;
use crate::pg::hash;
use crate::pg::message::cstring;
use crate::pg::varlena::NewVarlena;
use crate::sql::arg::{ElementsArg, VectorArg, distance_of, is_undecodable, new_vector};
use crate::sql::io::{typmod_in, typmod_out};
use crate::sql::numbers::{distance_by_name, undecodable};
use crate::sql_function;
use crate::vector::element::BitByte;
use crate::vector::{ElementType, text, wire};
use bitvec::order::Msb0;
use bitvec::slice::BitSlice;
use pgrx::pg_sys::Datum;
use std::cmp::Ordering;
use zerocopy::IntoBytes;

type Bits<'a> = ElementsArg<'a, BitByte>;

const TYPE: ElementType = ElementType::Bit;

/// The bits of a vector, one by one.
fn each(bits: &[BitByte], dims: usize) -> &BitSlice<u8, Msb0> {
    &BitSlice::from_slice(bits.as_bytes())[..dims]
}

fn each_mut(bits: &mut [BitByte]) -> &mut BitSlice<u8, Msb0> {
    BitSlice::from_slice_mut(bits.as_mut_bytes())
}

/// A vector of these bits, checked against a type modifier.
fn of_bits(typmod: i32, dims: usize, bits: impl Iterator<Item = bool>) -> Result<Datum> {
    TYPE.check_dims(dims)?;
    TYPE.check_typmod(dims, typmod)?;
    new_vector(dims, |out| {
        for (mut to, bit) in each_mut(out).iter_mut().zip(bits) {
            *to = bit;
        }
        Ok(())
    })
}

/// A vector of `dims` bits that are packed as here; what follows the last is not looked at.
fn of_packed(typmod: i32, dims: usize, packed: &[u8]) -> Result<Datum> {
    TYPE.check_dims(dims)?;
    TYPE.check_typmod(dims, typmod)?;
    new_vector::<BitByte>(dims, |out| {
        out.as_mut_bytes().copy_from_slice(&packed[..TYPE.bytes(dims)]);
        each_mut(out)[dims..].fill(false);
        Ok(())
    })
}

sql_function! {
    /// `zbit_in(cstring, oid, integer) returns zbit`
    zbit_in(call) {
        let text = text::bits(call.arg(0).cstring())?;
        of_bits(call.arg(2).i32(), text.len(), text.iter().map(|&digit| digit == b'1'))
    }
}

sql_function! {
    /// `zbit_out(zbit) returns cstring`
    zbit_out(call) {
        if is_undecodable(call.arg(0).varlena()) {
            return Ok(cstring(wire::UNDECODABLE));
        }
        let bits = Bits::of(call, 0)?;
        let text: Vec<u8> = each(&bits, bits.dims()).iter().by_vals().map(|bit| b'0' + u8::from(bit)).collect();
        Ok(cstring(&text))
    }
}

sql_function! {
    /// `zbit_recv(internal, oid, integer) returns zbit`
    zbit_recv(call) {
        let (dims, bits) = wire::decode_bits(call.arg(0).message())?;
        of_packed(call.arg(2).i32(), dims, bits)
    }
}

sql_function! {
    /// `zbit_send(zbit) returns bytea`
    zbit_send(call) {
        if is_undecodable(call.arg(0).varlena()) {
            return Ok(undecodable());
        }
        let bits = Bits::of(call, 0)?;
        let mut bytes = NewVarlena::zeroed(wire::wire_size_bytes(TYPE, bits.dims()));
        wire::encode_bits(bits.dims(), &bits, bytes.payload_mut());
        Ok(bytes.into_datum())
    }
}

sql_function! {
    /// `zbit_typmod_in(cstring[]) returns integer`
    zbit_typmod_in(call) { typmod_in(call, TYPE) }
}

sql_function! {
    /// `zbit_typmod_out(integer) returns cstring`
    zbit_typmod_out(call) { typmod_out(call) }
}

sql_function! {
    /// `zbit(zbit, integer, boolean) returns zbit`: length coercion
    zbit_coerce(call) {
        if call.arg(1).i32() >= 0 {
            TYPE.check_typmod(Bits::of(call, 0)?.dims(), call.arg(1).i32())?;
        }
        Ok(call.arg(0).datum())
    }
}

sql_function! {
    /// `zbit(bit varying, integer, boolean) returns zbit`, also of `bit`
    zbit_from_bit(call) {
        let value = call.arg(0).varlena().detoast();
        let damaged = || Error::new(SqlState::DataCorrupted, "this value is no bit string");
        let (&dims, packed) = value.payload().split_first_chunk::<4>().ok_or_else(damaged)?;
        let dims = usize::try_from(i32::from_ne_bytes(dims)).map_err(|_| damaged())?;
        if packed.len() < dims.div_ceil(8) {
            return Err(damaged());
        }
        of_packed(call.arg(1).i32(), dims, packed)
    }
}

sql_function! {
    /// `zbit_to_bit(zbit) returns bit varying`, also as `bit`
    zbit_to_bit(call) {
        let bits = Bits::of(call, 0)?;
        let mut value = NewVarlena::zeroed(4 + TYPE.bytes(bits.dims()));
        let (dims, packed) = value.payload_mut().split_at_mut(4);
        dims.copy_from_slice(&(bits.dims() as i32).to_ne_bytes());
        packed.copy_from_slice(bits.as_bytes());
        Ok(value.into_datum())
    }
}

sql_function! {
    /// `binary_quantize(zvec) returns zbit`: which elements are greater than zero
    zbit_quantize(call) {
        let vector = VectorArg::of(call, 0)?;
        of_bits(-1, vector.dims(), vector.iter().map(|&element| element > 0.0))
    }
}

sql_function! {
    /// `vector_dims(zbit) returns integer`
    zbit_vector_dims(call) { Ok(Datum::from(Bits::of(call, 0)?.dims() as i32)) }
}

sql_function! {
    /// `bit_count(zbit) returns bigint`: the number of bits that are set
    zbit_bit_count(call) { Ok(Datum::from(ones(Bits::of(call, 0)?.as_bytes()))) }
}

sql_function! {
    /// `get_bit(zbit, integer) returns integer`: a bit by its number, from 0 on
    zbit_get_bit(call) {
        let bits = Bits::of(call, 0)?;
        let number = call.arg(1).i32();
        let found = usize::try_from(number).ok().and_then(|at| each(&bits, bits.dims()).get(at).as_deref().copied());
        found.map(|bit| Datum::from(i32::from(bit))).ok_or_else(|| {
            let last = bits.dims() - 1;
            Error::new(SqlState::InvalidParameterValue, format!("bit {number} is out of range: it must be from 0 to {last}"))
                .hint("Bits are counted from 0, as get_bit() does for type bit.")
        })
    }
}

sql_function! {
    /// `hamming_distance(zbit, zbit) returns double precision`, operator `<~>`
    zbit_hamming_distance(call) { Ok(f64_datum(distance_of::<BitByte>(call, Metric::Hamming)?)) }
}

sql_function! {
    /// `jaccard_distance(zbit, zbit) returns double precision`, operator `<%>`
    zbit_jaccard_distance(call) { Ok(f64_datum(distance_of::<BitByte>(call, Metric::Jaccard)?)) }
}

sql_function! {
    /// `zbit_distance(zbit, zbit, text) returns real`
    zbit_distance(call) { distance_by_name::<BitByte>(call) }
}

/// Bit by bit, then by their number, as `bit` is ordered.
fn compare(call: Call<'_>) -> Result<Ordering> {
    let (a, b) = (Bits::of(call, 0)?, Bits::of(call, 1)?);
    Ok(a.as_bytes().cmp(b.as_bytes()).then(a.dims().cmp(&b.dims())))
}

fn extreme(call: Call<'_>, wanted: Ordering) -> Result<Datum> {
    let second = compare(call)?.reverse() == wanted;
    Ok(call.arg(usize::from(second)).datum())
}

/// The number of bits, then the bits.
fn bytes_to_hash(bits: &Bits<'_>) -> Vec<u8> {
    [(bits.dims() as u32).to_le_bytes().as_slice(), bits.as_bytes()].concat()
}

macro_rules! comparisons {
    ($($name:ident = $holds:ident),*) => {
        $(sql_function! {
            /// An operator of comparison.
            $name(call) { Ok(Datum::from(compare(call)?.$holds())) }
        })*
    };
}

comparisons!(zbit_lt = is_lt, zbit_le = is_le, zbit_eq = is_eq, zbit_ne = is_ne, zbit_ge = is_ge, zbit_gt = is_gt);

sql_function! {
    /// Btree support function 1.
    zbit_cmp(call) { Ok(Datum::from(compare(call)? as i32)) }
}

sql_function! {
    /// Step of `max(zbit)`.
    zbit_larger(call) { extreme(call, Ordering::Greater) }
}

sql_function! {
    /// Step of `min(zbit)`.
    zbit_smaller(call) { extreme(call, Ordering::Less) }
}

sql_function! {
    /// Hash support function 1.
    zbit_hash(call) { Ok(Datum::from(hash::hash(&bytes_to_hash(&Bits::of(call, 0)?)) as i32)) }
}

sql_function! {
    /// Hash support function 2.
    zbit_hash_extended(call) {
        let seed = call.arg(1).datum().value() as u64;
        Ok(Datum::from(hash::hash_extended(&bytes_to_hash(&Bits::of(call, 0)?), seed) as i64))
    }
}
