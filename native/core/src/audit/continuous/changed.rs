//! Which parts of an object changed, and who looks at them.
//!
//! Most of what changes in a cluster is a status, a heartbeat or a resourceVersion, which hardly any policy reads.

use std::collections::BTreeMap;

use fleetgate_value::Value;

/// Steps to a part at most, and parts at most; beyond that more counts as changed than did.
const MAX_STEPS: usize = 4;
const MAX_PARTS: usize = 16;

/// What results hold besides what programs answer, and what decides whether Constraints match.
const MATCHED: [&[&str]; 9] = [
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "generateName"],
    &["metadata", "labels"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "uid"],
    &["metadata", "ownerReferences"],
];

/// Fields, each by the way to it; an array changes as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed(Vec<Vec<String>>);

impl Changed {
    /// It was not there, or is not any more, or nobody knows.
    pub(super) fn everything() -> Self {
        Self(vec![Vec::new()])
    }

    pub(super) fn between(before: &Value, after: &Value) -> Self {
        let mut parts = Vec::new();
        compare(before, after, &mut Vec::new(), &mut parts);
        if parts.len() > MAX_PARTS { Self::everything() } else { Self(parts) }
    }

    /// Whether a part is among what somebody looks at.
    pub(super) fn any(&self, mut is_looked_at: impl FnMut(&[&str]) -> bool) -> bool {
        self.0.iter().any(|part| is_looked_at(&part.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// Whether other Constraints can match now, or results say something else of it.
    pub(super) fn is_matched(&self) -> bool {
        self.any(|part| MATCHED.iter().any(|field| is_above(part, field) || is_above(field, part)))
    }

    /// Whether labels changed.
    pub(super) fn has_labels(&self) -> bool {
        let labels = ["metadata", "labels"];
        self.any(|part| is_above(part, &labels) || is_above(&labels, part))
    }
}

fn is_above(part: &[&str], other: &[&str]) -> bool {
    other.starts_with(part)
}

fn compare<'v>(before: &'v Value, after: &'v Value, way: &mut Vec<&'v str>, parts: &mut Vec<Vec<String>>) {
    if before.is_same(after) || parts.len() > MAX_PARTS {
        return;
    }
    let is_field = |value: &Value| value.as_object().is_some_and(|all| all.keys().all(|key| key.as_str().is_some()));
    if way.len() == MAX_STEPS || !is_field(before) || !is_field(after) {
        if !before.is_written_like(after) {
            parts.push(way.iter().map(|step| (*step).to_owned()).collect());
        }
        return;
    }
    let mut fields: BTreeMap<&str, [Option<&Value>; 2]> = BTreeMap::new();
    for (at, value) in [before, after].into_iter().enumerate() {
        for (key, field) in value.as_object().into_iter().flat_map(|all| all.iter()) {
            let Some(key) = key.as_str() else { continue };
            if let Some(place) = fields.entry(key).or_default().get_mut(at) {
                *place = Some(field);
            }
        }
    }
    for (key, both) in fields {
        way.push(key);
        match both {
            [Some(before), Some(after)] => compare(before, after, way, parts),
            _ => parts.push(way.iter().map(|step| (*step).to_owned()).collect()),
        }
        way.pop();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::json::{self, KeyCache, Numbers};

    fn changed(before: &str, after: &str) -> Changed {
        let [before, after] =
            [before, after].map(|text| json::parse(text.as_bytes(), &mut KeyCache::default(), Numbers::Exact).unwrap());
        Changed::between(&before, &after)
    }

    fn parts(before: &str, after: &str) -> Vec<String> {
        changed(before, after).0.iter().map(|part| part.join(".")).collect()
    }

    #[test]
    fn the_lowest_fields_that_differ() {
        let pod =
            r#"{"metadata":{"annotations":{"a":"1","b":"2"}},"spec":{"c":[1,2]},"status":{"x":{"y":{"z":{"q":1}}}}}"#;
        for (from, to, expected) in [
            ("\"1\"", "\"1\"", &[][..]),
            ("\"1\"", "\"3\"", &["metadata.annotations.a"]),
            (r#""a":"1","#, "", &["metadata.annotations.a"]),
            (r#"{"a":"1","b":"2"}"#, "null", &["metadata.annotations"]),
            (r#","b":"2"}"#, r#","b":"2"},"labels":{"c":"3"}"#, &["metadata.labels"]),
            ("[1,2]", "[1,2,3]", &["spec.c"]),
            ("[1,2]", "[1,2.0]", &["spec.c"]),
            ("\"q\":1", "\"q\":2", &["status.x.y.z"]),
            ("{\"c\":[1,2]}", "7", &["spec"]),
        ] {
            assert_eq!(parts(pod, &pod.replace(from, to)), expected, "{from} -> {to}");
            assert_eq!(parts(&pod.replace(from, to), pod), expected, "{to} -> {from}");
        }
        let many: Vec<String> = (0..=MAX_PARTS).map(|at| format!(r#""{at}":1"#)).collect();
        assert_eq!(changed("{}", &format!("{{{}}}", many.join(","))), Changed::everything());
    }

    #[test]
    fn what_constraints_match_on() {
        for (before, after, is_matched) in [
            (r#"{"metadata":{"labels":{"a":"1"}}}"#, r#"{"metadata":{"labels":{"a":"2"}}}"#, true),
            (r#"{"metadata":{}}"#, r#"{"metadata":{"labels":{"a":"2"}}}"#, true),
            (r#"{"metadata":{"name":"a"}}"#, r#"{}"#, true),
            (r#"{"kind":"a"}"#, r#"{"kind":"b"}"#, true),
            (r#"{"metadata":{}}"#, r#"{"metadata":{"deletionTimestamp":"now"}}"#, true),
            (r#"{"metadata":{"annotations":{}}}"#, r#"{"metadata":{"annotations":{"a":"b"}}}"#, false),
            (r#"{"metadata":{"resourceVersion":"1"}}"#, r#"{"metadata":{"resourceVersion":"2"}}"#, false),
            (r#"{"status":1}"#, r#"{"status":2,"spec":3}"#, false),
        ] {
            assert_eq!(changed(before, after).is_matched(), is_matched, "{before} -> {after}");
        }
        assert!(Changed::everything().is_matched() && Changed::everything().has_labels());
    }
}
