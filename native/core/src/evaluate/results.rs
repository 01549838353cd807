//! From the value of a `violation` rule to violations, the way Gatekeeper's query reads it.
//!
//! Gatekeeper asks `data.template.violation[r]` and projects each `r` to `{msg, details}`. Everything that follows from
//! that is here: an element without `msg` vanishes, other fields are dropped before equal results fall together, missing
//! details are `{}`, and a `msg` that is no string is an error of the whole review (see [`NonstringMsg`]).

use fleetgate_value::Value;

use super::EvaluationError;
use crate::compatibility::NonstringMsg;
use crate::json;
use crate::matching::facts::key;

/// One violation of one Constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule's `msg`.
    pub message: String,
    /// JSON of the rule's `details`; `{}` where it gave none. Empty for a violation that no rule made.
    pub details: Vec<u8>,
}

impl Violation {
    /// A violation that Gatekeeper itself reports, such as an auto-reject.
    pub fn without_details(message: String) -> Self {
        Self { message, details: Vec::new() }
    }
}

/// The violations in the value of a template's `violation` rule.
pub(super) fn violations(document: &Value, nonstring_msg: NonstringMsg) -> Result<Vec<Violation>, EvaluationError> {
    let elements: Vec<&Value> = match document {
        Value::Set(set) => set.iter().collect(),
        // Indexing an object binds its keys. A key can be a composite value too.
        Value::Object(object) => object.keys().collect(),
        _ => return Ok(Vec::new()),
    };
    let mut found: Vec<(&Value, Option<&Value>)> = elements.into_iter().filter_map(message_and_details).collect();
    if found.len() > 1 {
        let empty = Value::empty_object();
        let projected =
            |(message, details): &(&Value, Option<&Value>)| ((*message).clone(), details.unwrap_or(&empty).clone());
        found.sort_by_cached_key(projected);
        found.dedup_by(|a, b| projected(a) == projected(b));
    }
    found.into_iter().map(|found| violation(found, nonstring_msg)).collect()
}

fn message_and_details(element: &Value) -> Option<(&Value, Option<&Value>)> {
    let Value::Object(fields) = element else { return None };
    Some((fields.get(key::msg())?, fields.get(key::details())))
}

fn violation(
    (message, details): (&Value, Option<&Value>),
    nonstring_msg: NonstringMsg,
) -> Result<Violation, EvaluationError> {
    let message = match (message, nonstring_msg) {
        (Value::String(text), _) => text.to_string(),
        (other, NonstringMsg::Violation) => String::from_utf8_lossy(&json::to_vec(other)).into_owned(),
        (other, NonstringMsg::FailReview) => {
            let (shown, class) = as_go(other);
            let error = format!(
                "extracting message binding: .msg accessor error: {shown} is of the type {class}, expected string"
            );
            return Err(EvaluationError::Message(error));
        }
    };
    let details = details.map_or_else(|| b"{}".to_vec(), json::to_vec);
    Ok(Violation { message, details })
}

/// A value and its type as Go's `%v` and `%T` print what OPA hands over.
fn as_go(value: &Value) -> (String, &'static str) {
    match value {
        Value::Null => ("<nil>".to_owned(), "<nil>"),
        Value::Bool(value) => (value.to_string(), "bool"),
        Value::Number(_) => (String::from_utf8_lossy(&json::to_vec(value)).into_owned(), "json.Number"),
        Value::String(text) => (text.to_string(), "string"),
        Value::Array(items) => (spaced("[", items.iter().map(|item| as_go(item).0), "]"), "[]interface {}"),
        Value::Set(items) => (spaced("[", items.iter().map(|item| as_go(item).0), "]"), "[]interface {}"),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{}:{}", as_go(key).0, as_go(value).0));
            (spaced("map[", fields, "]"), "map[string]interface {}")
        }
    }
}

fn spaced(open: &str, parts: impl Iterator<Item = String>, close: &str) -> String {
    format!("{open}{}{close}", parts.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn set(elements: &[&str]) -> Value {
        let elements = elements.iter().map(|json| crate::json::of_text(json));
        Value::set(elements.collect())
    }

    fn found(elements: &[&str]) -> Vec<(String, String)> {
        let text = |violation: Violation| (violation.message, String::from_utf8(violation.details).unwrap());
        violations(&set(elements), NonstringMsg::FailReview).unwrap().into_iter().map(text).collect()
    }

    #[test]
    fn elements_become_violations() {
        let one = |message: &str, details: &str| vec![(message.to_owned(), details.to_owned())];
        assert_eq!(found(&[r#"{"msg":"m"}"#]), one("m", "{}"));
        assert_eq!(found(&[r#"{"msg":""}"#]), one("", "{}"));
        assert_eq!(found(&[r#"{"msg":"m","details":null}"#]), one("m", "null"));
        assert_eq!(found(&[r#"{"msg":"m","details":{"a":[1]}}"#]), one("m", r#"{"a":[1]}"#));
        for vanishing in [r#"{"details":1}"#, r#""text""#, "[1]", "5", "null"] {
            assert_eq!(found(&[vanishing]), []);
        }
    }

    #[test]
    fn equal_results_fall_together() {
        let elements = [r#"{"msg":"m","x":1}"#, r#"{"msg":"m","x":2}"#, r#"{"msg":"m","details":{}}"#];
        assert_eq!(found(&elements).len(), 1);
        let elements = [r#"{"msg":"m","details":1}"#, r#"{"msg":"m","details":2}"#];
        assert_eq!(found(&elements).len(), 2);
    }

    #[test]
    fn a_rule_that_is_no_set() {
        assert_eq!(violations(&Value::Null, NonstringMsg::FailReview).unwrap(), []);
        assert_eq!(violations(&crate::json::of_text(r#"[{"msg":"m"}]"#), NonstringMsg::FailReview).unwrap(), []);
        let key = crate::json::of_text(r#"{"msg":"m"}"#);
        let object = Value::object(vec![(key, Value::Bool(true))]);
        assert_eq!(violations(&object, NonstringMsg::FailReview).unwrap().len(), 1);
    }

    #[test]
    fn a_message_that_is_no_string_fails_the_review() {
        for (message, shown) in [
            ("5", "5 is of the type json.Number"),
            ("true", "true is of the type bool"),
            ("null", "<nil> is of the type <nil>"),
            (r#"["a",1]"#, "[a 1] is of the type []interface {}"),
            (r#"{"b":1,"a":{"c":2}}"#, "map[a:map[c:2] b:1] is of the type map[string]interface {}"),
        ] {
            let expected = format!("extracting message binding: .msg accessor error: {shown}, expected string");
            let element = format!(r#"{{"msg":{message}}}"#);
            let found = violations(&set(&[&element]), NonstringMsg::FailReview);
            assert_eq!(found, Err(EvaluationError::Message(expected)));
        }
    }

    #[test]
    fn a_message_that_is_no_string_is_shown_as_json_on_request() {
        for message in ["5", "true", "null", r#"["a",1]"#, r#"{"a":{"c":2},"b":1}"#] {
            let element = format!(r#"{{"msg":{message}}}"#);
            let expected = vec![Violation { message: message.to_owned(), details: b"{}".to_vec() }];
            assert_eq!(violations(&set(&[&element]), NonstringMsg::Violation), Ok(expected));
        }
    }
}
