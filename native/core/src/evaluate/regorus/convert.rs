//! Values of ours to regorus's, and back.
//!
//! regorus keeps integers and doubles, OPA the text of a number. A number of another spelling (`1.0`, `0.10`, more decimals
//! than a double has) has no equal there, and neither has what is nested too deeply: such values are not converted.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};

use fleetgate_value::{Number, Value};
use regorus::Value as Foreign;

use super::exclusions::is_integer;
use crate::json::MAX_DEPTH;

/// regorus's form of a value.
pub(super) fn to_regorus(value: &Value) -> Option<Foreign> {
    there(value, MAX_DEPTH)
}

/// Our form of a value; none where it is undefined or holds something undefined.
pub(super) fn from_regorus(value: &Foreign) -> Option<Value> {
    back(value, MAX_DEPTH)
}

fn there(value: &Value, depth: usize) -> Option<Foreign> {
    let depth = depth.checked_sub(1)?;
    Some(match value {
        Value::Null => Foreign::Null,
        Value::Bool(value) => Foreign::Bool(*value),
        Value::Number(Number::Int(integer)) => Foreign::from(*integer),
        Value::Number(Number::Double(double)) => Foreign::from(*double),
        Value::Number(Number::Text(text)) if is_integer(text) => Foreign::from_numeric_string(text).ok()?,
        Value::Number(Number::Text(_)) => return None,
        Value::String(text) => Foreign::from(&**text),
        Value::Array(items) => Foreign::from(items.iter().map(|item| there(item, depth)).collect::<Option<Vec<_>>>()?),
        Value::Set(members) => {
            Foreign::from(members.iter().map(|member| there(member, depth)).collect::<Option<BTreeSet<_>>>()?)
        }
        Value::Object(fields) => {
            let field = |(key, value)| Some((there(key, depth)?, there(value, depth)?));
            Foreign::from(fields.iter().map(field).collect::<Option<BTreeMap<_, _>>>()?)
        }
    })
}

fn back(value: &Foreign, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match value {
        Foreign::Undefined => return None,
        Foreign::Null => Value::Null,
        Foreign::Bool(value) => Value::Bool(*value),
        Foreign::Number(_) => Value::Number(number(value)?),
        Foreign::String(text) => Value::from(&**text),
        Foreign::Array(items) => Value::array(items.iter().map(|item| back(item, depth)).collect::<Option<_>>()?),
        Foreign::Set(members) => {
            Value::set(members.iter_sorted().map(|member| back(member, depth)).collect::<Option<_>>()?)
        }
        Foreign::Object(fields) => {
            let field = |(key, value)| Some((back(key, depth)?, back(value, depth)?));
            Value::object(fields.iter_sorted().map(field).collect::<Option<_>>()?)
        }
    })
}

fn number(value: &Foreign) -> Option<Number> {
    let number = value.as_number().ok()?;
    let kind = |sample: &Foreign| sample.as_number().ok().map(discriminant) as Option<Discriminant<_>>;
    // A double that is an integer is written as one, and only its representation tells.
    if kind(value) == kind(&Foreign::from(0.5)) {
        return number.as_f64().map(Number::from_double);
    }
    // The text of an integer, of any size.
    Number::parse(&format!("{number:?}"))
}

#[cfg(test)]
mod tests {
    use fleetgate_value::Value;
    use proptest::prelude::*;

    use super::{from_regorus, to_regorus};

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (any::<i64>(), any::<u32>()).prop_map(|(high, low)| integer(&format!("{high}{low:010}"))),
            any::<f64>().prop_map(|double| Value::Number(super::Number::from_double(double))),
            (-1e9..1e9_f64).prop_map(|double| Value::Number(super::Number::from_double(double.round()))),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::array),
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::set),
                prop::collection::vec((inner.clone(), inner), 0..6).prop_map(Value::object),
            ]
        })
    }

    fn integer(text: &str) -> Value {
        Value::Number(super::Number::from_json_text(text))
    }

    /// Equal values can be spelt differently: the round trip keeps the spelling too.
    fn spelt(value: &Value) -> String {
        format!("{value:?}")
    }

    proptest! {
        #[test]
        fn values_come_back_as_they_went(value in values()) {
            let there = to_regorus(&value);
            prop_assert!(there.is_some());
            let back = there.as_ref().and_then(from_regorus);
            prop_assert_eq!(back.as_ref().map(spelt), Some(spelt(&value)));
        }
    }

    #[test]
    fn what_has_no_equal_is_not_converted() {
        for text in ["1.0", "0.10", "1e400", "1e6"] {
            assert_eq!(to_regorus(&Value::Number(super::Number::from_json_text(text))), None, "{text}");
        }
        let nested = (0..super::MAX_DEPTH).fold(Value::Null, |inner, _| Value::array(vec![inner]));
        assert_eq!(to_regorus(&nested), None);
        assert_eq!(from_regorus(&regorus::Value::Undefined), None);
        let large = regorus::Value::from_json_str("18446744073709551615").ok();
        assert_eq!(large.as_ref().and_then(from_regorus), Some(crate::json::of_text("18446744073709551615")));
    }
}
