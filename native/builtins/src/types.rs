//! Built-ins on the types of values: `is_*`, `type_name`, casts and `to_number`.

use fleetgate_value::{Kind, Number, Value};

use crate::operand::{any, mismatch};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("cast_array", cast_array),
    ("cast_boolean", |_, operands| cast(operands, Kind::Boolean)),
    ("cast_null", |_, operands| cast(operands, Kind::Null)),
    ("cast_object", |_, operands| cast(operands, Kind::Object)),
    ("cast_set", cast_set),
    ("cast_string", |_, operands| cast(operands, Kind::String)),
    ("is_array", |_, operands| is(operands, Kind::Array)),
    ("is_boolean", |_, operands| is(operands, Kind::Boolean)),
    ("is_null", |_, operands| is(operands, Kind::Null)),
    ("is_number", |_, operands| is(operands, Kind::Number)),
    ("is_object", |_, operands| is(operands, Kind::Object)),
    ("is_set", |_, operands| is(operands, Kind::Set)),
    ("is_string", |_, operands| is(operands, Kind::String)),
    ("to_number", to_number),
    ("type_name", |_, operands| Ok(any(operands, 1).kind().name().into())),
];

fn is(operands: &[Value], kind: Kind) -> Answer {
    Ok((any(operands, 1).kind() == kind).into())
}

fn cast(operands: &[Value], kind: Kind) -> Answer {
    let value = any(operands, 1);
    if value.kind() == kind { Ok(value.clone()) } else { Err(mismatch(1, value, &[kind])) }
}

fn cast_array(_: &mut Context, operands: &[Value]) -> Answer {
    match any(operands, 1) {
        Value::Set(set) => Ok(Value::array(set.members().to_vec())),
        array @ Value::Array(_) => Ok(array.clone()),
        other => Err(mismatch(1, other, &[Kind::Array, Kind::Set])),
    }
}

fn cast_set(_: &mut Context, operands: &[Value]) -> Answer {
    match any(operands, 1) {
        Value::Array(items) => Ok(Value::set(items.to_vec())),
        set @ Value::Set(_) => Ok(set.clone()),
        other => Err(mismatch(1, other, &[Kind::Array, Kind::Set])),
    }
}

fn to_number(_: &mut Context, operands: &[Value]) -> Answer {
    let value = any(operands, 1);
    match value {
        Value::Null => Ok(0_i64.into()),
        Value::Bool(holds) => Ok(i64::from(*holds).into()),
        Value::Number(_) => Ok(value.clone()),
        Value::String(text) => parse(text, value),
        other => Err(mismatch(1, other, &[Kind::Null, Kind::Boolean, Kind::Number, Kind::String])),
    }
}

/// OPA takes what Go takes for a decimal number, which is more than JSON: `+1`, `.5`, `5.`, `007`. OPA keeps such a text as
/// the number's; here it becomes the same number as JSON writes it.
fn parse(text: &str, value: &Value) -> Answer {
    if let Some(number) = Number::parse(text).or_else(|| Number::parse(&as_json(text))) {
        let in_range = number.to_f64().is_finite();
        return if in_range { Ok(number.into()) } else { Err(parse_error(text, "value out of range")) };
    }
    let unsigned = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(&*unsigned, "inf" | "infinity" | "nan") {
        let got = value.kind().name();
        return Err(Error::Type(format!("operand 1 must be valid number string but got {got}")));
    }
    Err(parse_error(text, "invalid syntax"))
}

fn parse_error(text: &str, what: &str) -> Error {
    Error::Builtin(format!("strconv.ParseFloat: parsing {}: {what}", fleetgate_value::go::quote(text)))
}

fn as_json(text: &str) -> String {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = rest.split_at_checked(rest.find(['e', 'E']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if integer.is_empty() && fraction.is_empty() {
        return String::new();
    }
    let significant = integer.trim_start_matches('0');
    let integer = if significant.starts_with(|c: char| c.is_ascii_digit()) { significant } else { "0" };
    let odd = if significant == integer { "" } else { significant };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{integer}{odd}{point}{fraction}{exponent}")
}
