//! The text form of a vector: `[1,2.5,-0.0003]`. White space may stand around brackets, elements and commas.

use crate::error::{Error, Result, SqlState};
use crate::vector::{Element, MAX_DIMS, Number, not_finite};

/// Bytes of the input that an error message quotes at most.
pub(super) const MAX_QUOTED_BYTES: usize = 40;

/// Reads a vector's text form.
///
/// # Errors
/// `InvalidTextRepresentation` for malformed text, `DataException` for NaN, infinity and no element,
/// `NumericValueOutOfRange` for an element beyond `real`, `ProgramLimitExceeded` for more than [`MAX_DIMS`] elements.
pub fn parse<E: Number>(text: &[u8]) -> Result<Vec<E>> {
    let name = E::TYPE.name();
    let malformed = |what: &str| {
        Error::new(
            SqlState::InvalidTextRepresentation,
            format!("invalid input syntax for type {name}: \"{}\": {what}", quote(text)),
        )
        .hint(format!(
            "Write a vector as numbers in square brackets with commas between them, for example {}.",
            example::<E>()
        ))
    };
    let Some(mut rest) = skip_space(text).strip_prefix(b"[") else {
        return Err(malformed("it must start with \"[\""));
    };
    rest = skip_space(rest);
    // A guess that is exact for "[1,2,3]" and never more than twice the memory of the text.
    let mut values = Vec::with_capacity((rest.len() / 2 + 1).min(MAX_DIMS));
    if !rest.starts_with(b"]") {
        loop {
            rest = skip_space(rest);
            let end = rest.iter().position(|&b| !is_number_byte(b)).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            if number.is_empty() {
                return Err(malformed(match after.first() {
                    None => "the closing \"]\" is missing",
                    Some(b',' | b']') => "an element is missing",
                    Some(_) => "an element is not a number",
                }));
            }
            let Some(value) = number_of::<E>(number) else {
                return Err(malformed(&format!("\"{}\" is not {}", quote(number), E::WHAT)));
            };
            let value = check_number(number, value)?;
            if values.len() == MAX_DIMS {
                let commas = after.iter().filter(|&&b| b == b',').count();
                E::TYPE.check_dims(values.len() + 1 + commas)?;
            }
            values.push(value);
            rest = skip_space(after);
            match rest.split_first() {
                Some((b',', after)) => rest = after,
                Some((b']', _)) => break,
                Some(_) => return Err(malformed("a comma or \"]\" must follow an element")),
                None => return Err(malformed("the closing \"]\" is missing")),
            }
        }
    }
    if !skip_space(&rest[1..]).is_empty() {
        return Err(malformed("something follows the closing \"]\""));
    }
    E::TYPE.check_dims(values.len())?;
    Ok(values)
}

/// Appends the text form of `values` to `out`.
pub fn print<E: Number>(values: &[E], out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, &value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        value.write(out);
    }
    out.push(b']');
}

/// The digits of a vector of bits' text form, each 0 or 1; white space may stand around them.
///
/// # Errors
/// `InvalidTextRepresentation` for anything else.
pub fn bits(text: &[u8]) -> Result<&[u8]> {
    let digits = trim_space(text);
    match digits.iter().position(|digit| !matches!(digit, b'0' | b'1')) {
        Some(_) => {
            let message = format!("invalid input syntax for type zbit: \"{}\": a bit is 0 or 1", quote(text));
            Err(Error::new(SqlState::InvalidTextRepresentation, message)
                .hint("Write a vector of bits as digits 0 and 1 without anything between them, for example 10110."))
        }
        None => Ok(digits),
    }
}

/// Reads the text form of one element, which white space may stand around.
///
/// # Errors
/// As [`parse`].
pub fn parse_element<E: Number>(number: &[u8]) -> Result<E> {
    let number = trim_space(number);
    match number_of::<E>(number) {
        Some(value) => check_number(number, value),
        None => Err(Error::new(
            SqlState::InvalidTextRepresentation,
            format!("invalid input syntax for an element of type {}: \"{}\"", E::TYPE.name(), quote(number)),
        )
        .hint("Write an element as a decimal number like 1, 2.5 or -3e-4.")),
    }
}

/// What `number` stands for, NaN and infinity included; `None` when it is no number.
fn number_of<E: Number>(number: &[u8]) -> Option<std::result::Result<E, f64>> {
    E::read(std::str::from_utf8(number).ok()?)
}

fn check_number<E: Number>(number: &[u8], value: std::result::Result<E, f64>) -> Result<E> {
    value.map_err(|value| {
        if value.is_infinite() && number.iter().any(u8::is_ascii_digit) {
            let name = E::TYPE.name();
            let message = format!("\"{}\" is out of range for an element of type {name}", quote(number));
            return Error::new(SqlState::NumericValueOutOfRange, message).hint(E::RANGE);
        }
        not_finite(E::TYPE, value.is_nan())
    })
}

/// A vector's text form, to be shown.
fn example<E: Element>() -> &'static str {
    if E::TYPE == crate::vector::ElementType::Int8 { "[1,-2,127]" } else { "[1,2.5,-3e-4]" }
}

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// What the server counts as white space in arrays.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn skip_space(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| !is_space(b));
    &text[start.unwrap_or(text.len())..]
}

fn trim_space(text: &[u8]) -> &[u8] {
    let text = skip_space(text);
    let end = text.iter().rposition(|&b| !is_space(b));
    &text[..end.map_or(0, |last| last + 1)]
}

/// The beginning of `text` in plain ASCII, whatever the database's encoding.
pub(super) fn quote(text: &[u8]) -> String {
    match text.get(..MAX_QUOTED_BYTES) {
        Some(head) if text.len() > MAX_QUOTED_BYTES => format!("{}...", printable(head)),
        _ => printable(text),
    }
}

fn printable(text: &[u8]) -> String {
    text.iter().map(|&b| if (0x20..0x7f).contains(&b) { char::from(b) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Half;
    use proptest::prelude::*;

    fn round(text: &str) -> String {
        let mut out = Vec::new();
        print(&parse::<f32>(text.as_bytes()).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn accepted() {
        for (text, printed) in [
            ("[1,2.5,-3e-4]", "[1,2.5,-0.0003]"),
            (" [ 1 ,\t2\n, 3 ] ", "[1,2,3]"),
            ("[+1,.5,5.,-0,1E3]", "[1,0.5,5,-0,1000]"),
            ("[1e-50]", "[0]"),
            ("[3.4028235e38]", "[3.4028235e+38]"),
            ("[1000000,0.00001]", "[1e+06,1e-05]"),
        ] {
            assert_eq!(round(text), printed);
        }
        let most = format!("[{}]", vec!["1"; MAX_DIMS].join(","));
        assert_eq!(round(&most), most);
    }

    #[test]
    fn refused() {
        use SqlState::*;
        for (text, state) in [
            ("", InvalidTextRepresentation),
            ("1,2", InvalidTextRepresentation),
            ("[1,2", InvalidTextRepresentation),
            ("[1,2,", InvalidTextRepresentation),
            ("[", InvalidTextRepresentation),
            ("[,1]", InvalidTextRepresentation),
            ("[1,]", InvalidTextRepresentation),
            ("[1,,2]", InvalidTextRepresentation),
            ("[1 2]", InvalidTextRepresentation),
            ("[1]]", InvalidTextRepresentation),
            ("[1] x", InvalidTextRepresentation),
            ("[[1]]", InvalidTextRepresentation),
            ("[one]", InvalidTextRepresentation),
            ("[1e]", InvalidTextRepresentation),
            ("[.]", InvalidTextRepresentation),
            ("[0x10]", InvalidTextRepresentation),
            ("{1,2}", InvalidTextRepresentation),
            ("[NULL]", InvalidTextRepresentation),
            ("[]", DataException),
            ("[ ]", DataException),
            ("[NaN]", DataException),
            ("[1,-inf]", DataException),
            ("[Infinity]", DataException),
            ("[1e39]", NumericValueOutOfRange),
            ("[-1e400]", NumericValueOutOfRange),
        ] {
            let error = parse::<f32>(text.as_bytes()).unwrap_err();
            assert_eq!(error.state, state, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}");
        }
        assert_eq!(parse::<f32>(b"[\xff]").unwrap_err().state, InvalidTextRepresentation);
    }

    #[test]
    fn other_elements() {
        use SqlState::*;
        let half = |text: &str| {
            let mut out = Vec::new();
            parse::<Half>(text.as_bytes()).map(|values| print(&values, &mut out)).map_err(|error| error.state)?;
            Ok(String::from_utf8(out).unwrap())
        };
        assert_eq!(half("[1,-2.5,65504, 0.1,6e-8,-0]").unwrap(), "[1,-2.5,65504,0.099975586,5.9604645e-08,-0]");
        assert_eq!(half("[65520]"), Err(NumericValueOutOfRange));
        assert_eq!(half("[NaN]"), Err(DataException));
        assert_eq!(half("[x]"), Err(InvalidTextRepresentation));
        let int8 = |text: &str| parse::<i8>(text.as_bytes()).map_err(|error| error.state);
        assert_eq!(int8("[1, -128,127,+5,0]"), Ok(vec![1, -128, 127, 5, 0]));
        assert_eq!(int8("[128]"), Err(NumericValueOutOfRange));
        assert_eq!(int8("[-99999999999999999999999]"), Err(NumericValueOutOfRange));
        assert_eq!(int8("[2.5]"), Err(InvalidTextRepresentation));
        assert_eq!(int8("[1e1]"), Err(InvalidTextRepresentation));
        assert_eq!(int8("[inf]"), Err(DataException));
        assert_eq!(int8("[nan]"), Err(DataException));
        assert_eq!(int8("[-]"), Err(InvalidTextRepresentation));
        let error = parse::<i8>(b"[2.5]").unwrap_err();
        assert_eq!(error.message, "invalid input syntax for type zint8: \"[2.5]\": \"2.5\" is not a whole number");
    }

    #[test]
    fn bits_are_digits() {
        assert_eq!(bits(b" 0101\n"), Ok(&b"0101"[..]));
        assert_eq!(bits(b""), Ok(&b""[..]));
        for text in ["01 01", "012", "[0,1]", "0b1"] {
            assert_eq!(bits(text.as_bytes()).unwrap_err().state, SqlState::InvalidTextRepresentation);
        }
    }

    #[test]
    fn one_element() {
        assert_eq!(parse_element::<f32>(b"-2.50"), Ok(-2.5));
        assert_eq!(parse_element::<f32>(b" \t2.5\n"), Ok(2.5));
        assert_eq!(parse_element::<f32>(b"  ").unwrap_err().state, SqlState::InvalidTextRepresentation);
        assert_eq!(parse_element::<f32>(b"1 2").unwrap_err().state, SqlState::InvalidTextRepresentation);
        assert_eq!(parse_element::<f32>(b"1e39").unwrap_err().state, SqlState::NumericValueOutOfRange);
        assert_eq!(parse_element::<f32>(b"NaN").unwrap_err().state, SqlState::DataException);
        assert_eq!(parse_element::<f32>(b"").unwrap_err().state, SqlState::InvalidTextRepresentation);
    }

    #[test]
    fn too_many_elements_are_counted() {
        let error = parse::<f32>(format!("[{}]", vec!["1"; MAX_DIMS + 5].join(",")).as_bytes()).unwrap_err();
        assert_eq!(error.state, SqlState::ProgramLimitExceeded);
        assert_eq!(error.message, "a zvec cannot have more than 16000 dimensions, not 16005");
    }

    proptest! {
        #[test]
        fn round_trip(values in proptest::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..40)) {
            let mut text = Vec::new();
            print(&values, &mut text);
            let back = parse::<f32>(&text).unwrap();
            prop_assert!(back.iter().map(|v| v.to_bits()).eq(values.iter().map(|v| v.to_bits())));
        }

        #[test]
        fn any_text_is_read_or_refused(text in r"[\[\], 0-9eE.+\-naif]{0,30}") {
            if let Ok(values) = parse::<f32>(text.as_bytes()) {
                prop_assert!(!values.is_empty() && values.iter().all(|v| v.is_finite()));
            }
        }
    }
}
