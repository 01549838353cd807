//! `metadata.gatekeeper.sh/requires-sync-data`: the kinds that a template's rules look for in `data.inventory`.
//!
//! The annotation describes and enforces nothing: Gatekeeper loads a template whatever it says, and only `gator sync test`
//! reads it. The rules here are those of that reader (`pkg/cachemanager/parser` of Gatekeeper 3.23.1), Go's JSON decoder
//! included: keys in any case, null for anything, and what follows the first value does not matter.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::GroupVersionKind;

/// The annotation's key.
pub(super) const ANNOTATION: &str = "metadata.gatekeeper.sh/requires-sync-data";

/// Kinds that a template can use one for another.
pub type EquivalenceSet = BTreeSet<GroupVersionKind>;

/// What a template requires: of each set, one kind at least has to be cached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncRequirements(pub Vec<EquivalenceSet>);

impl SyncRequirements {
    /// Reads a template's annotation; without one nothing is required.
    ///
    /// # Errors
    /// Why the annotation does not decode.
    pub fn of(template: &Value) -> Result<Self, String> {
        let annotations = template.get("metadata").and_then(|metadata| metadata.get("annotations"));
        match annotations.and_then(|annotations| annotations.get(ANNOTATION)).and_then(Value::as_str) {
            Some(text) => Self::parse(text),
            None => Ok(Self::default()),
        }
    }

    /// The sets that none of the `synced` kinds satisfies.
    #[must_use]
    pub fn unmet(&self, synced: &BTreeSet<GroupVersionKind>) -> Vec<&EquivalenceSet> {
        self.0.iter().filter(|set| set.is_disjoint(synced)).collect()
    }

    /// Every kind of every set.
    pub fn kinds(&self) -> impl Iterator<Item = &GroupVersionKind> {
        self.0.iter().flatten()
    }

    fn parse(annotation: &str) -> Result<Self, String> {
        let text = annotation.trim_matches(['\n', '"']);
        let value = match serde_json::Deserializer::from_str(text).into_iter::<Value>().next() {
            Some(value) => value.map_err(|error| error.to_string())?,
            None => return Err("EOF".to_owned()),
        };
        let requirements = array(&value, "a list of requirements")?;
        requirements.iter().map(equivalence_set).collect::<Result<_, _>>().map(Self)
    }
}

/// One requirement: the union of its clauses.
fn equivalence_set(requirement: &Value) -> Result<EquivalenceSet, String> {
    let mut kinds = EquivalenceSet::new();
    for clause in array(requirement, "a list of clauses")? {
        kinds.extend(expanded(clause)?);
    }
    Ok(kinds)
}

/// Every combination of a clause's groups, versions and kinds.
fn expanded(clause: &Value) -> Result<EquivalenceSet, String> {
    let fields = match clause {
        Value::Null => return Ok(EquivalenceSet::new()),
        Value::Object(fields) => fields,
        other => return Err(mismatch(other, "a clause of groups, versions and kinds")),
    };
    let (mut groups, mut versions, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in fields {
        let texts = match name.to_ascii_lowercase().as_str() {
            "groups" => &mut groups,
            "versions" => &mut versions,
            "kinds" => &mut kinds,
            _ => return Err(format!("json: unknown field {name:?}")),
        };
        *texts = array(value, "a list of strings")?.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    }
    let mut expanded = EquivalenceSet::new();
    for group in &groups {
        for version in &versions {
            for kind in &kinds {
                let (group, version, kind) = ((*group).into(), (*version).into(), (*kind).into());
                expanded.insert(GroupVersionKind { group, version, kind });
            }
        }
    }
    Ok(expanded)
}

fn array<'value>(value: &'value Value, wanted: &str) -> Result<&'value [Value], String> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(elements) => Ok(elements),
        other => Err(mismatch(other, wanted)),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        other => Err(mismatch(other, "a string")),
    }
}

fn mismatch(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!("{found} stands where {wanted} is expected")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(annotation: &str) -> Result<Vec<Vec<String>>, String> {
        let template = json!({"metadata": {"annotations": {ANNOTATION: annotation}}});
        let shown = |set: &EquivalenceSet| set.iter().map(ToString::to_string).collect();
        SyncRequirements::of(&template).map(|read| read.0.iter().map(shown).collect())
    }

    fn sets(expected: &[&[&str]]) -> Vec<Vec<String>> {
        expected.iter().map(|set| set.iter().map(ToString::to_string).collect()).collect()
    }

    /// The rows were held against `parser.ReadSyncRequirements` (tests/oracle/gatekeeper, op `requirements`).
    #[test]
    fn reads_as_gator_sync_test() {
        let clause = r#"{"groups":["","apps"],"versions":["v1"],"kinds":["Pod","Service"]}"#;
        let pods = r#"{"groups":[""],"versions":["v1"],"kinds":["Pod"]}"#;
        for (annotation, expected) in [
            (format!("[[{clause}]]"), sets(&[&["/v1:Pod", "/v1:Service", "apps/v1:Pod", "apps/v1:Service"]])),
            (format!("\"\n[[{pods},{pods}],[{pods}]]\n\""), sets(&[&["/v1:Pod"], &["/v1:Pod"]])),
            (format!("[[{pods}]] and what follows"), sets(&[&["/v1:Pod"]])),
            (r#"[[{"GROUPS":[""],"Versions":["v1"],"kinds":["Pod"]}]]"#.to_owned(), sets(&[&["/v1:Pod"]])),
            (r#"[[{"groups":[""],"versions":["v1"]}]]"#.to_owned(), sets(&[&[]])),
            (r#"[[{"groups":[null],"versions":["v1"],"kinds":["Pod"]}]]"#.to_owned(), sets(&[&["/v1:Pod"]])),
            ("[[]]".to_owned(), sets(&[&[]])),
            ("[null]".to_owned(), sets(&[&[]])),
            ("[[null]]".to_owned(), sets(&[&[]])),
            ("[]".to_owned(), sets(&[])),
            ("null".to_owned(), sets(&[])),
        ] {
            assert_eq!(shown(&annotation), Ok(expected), "{annotation}");
        }
        for annotation in [
            "",
            "\"\"",
            "{}",
            "[{}]",
            "[[[]]]",
            "[[\"Pod\"]]",
            "[[",
            "5",
            r#"[[{"group":[""]}]]"#,
            r#"[[{"groups":"apps"}]]"#,
            r#"[[{"groups":[1]}]]"#,
        ] {
            assert!(shown(annotation).is_err(), "{annotation}");
        }
    }

    #[test]
    fn without_an_annotation_nothing_is_required() {
        for template in [json!({}), json!({"metadata": {}}), json!({"metadata": {"annotations": {}}})] {
            assert_eq!(SyncRequirements::of(&template), Ok(SyncRequirements::default()));
        }
    }

    #[test]
    fn one_kind_of_a_set_is_enough() {
        let kind = |group: &str| GroupVersionKind { group: group.into(), version: "v1".into(), kind: "Ingress".into() };
        let set = |groups: &[&str]| groups.iter().map(|group| kind(group)).collect::<EquivalenceSet>();
        let required = SyncRequirements(vec![set(&["extensions", "networking.k8s.io"]), set(&["other"])]);
        let unmet = |synced: &[&str]| required.unmet(&set(synced)).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(unmet(&["networking.k8s.io"]), [set(&["other"])]);
        assert_eq!(unmet(&["extensions", "other"]), []);
        assert_eq!(unmet(&[]).len(), 2);
    }
}
