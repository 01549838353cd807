//! Annotations of ours: what a policy of a fleet says beside what Gatekeeper knows.
//!
//! Gatekeeper passes over annotations, so the same documents load there. Here one that cannot be read refuses its document:
//! passing over it would change where a policy applies, or on what it decides.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fields::Checked;
use super::sync_requirements::{self, SyncRequirements};
use crate::config::GroupVersionKind;
use crate::diagnostic::code;
use crate::matching::Selector;

/// Makes a template one that sees the fleet.
const FLEET: &str = "fleetgate.dev/fleet";
/// The clusters that a Constraint applies to, as a label selector.
const CLUSTERS: &str = "fleetgate.dev/clusters";
/// How old what a Constraint reads may be.
const MAX_STALENESS: &str = "fleetgate.dev/max-staleness";
/// What a Constraint does when it is older.
const ON_STALE: &str = "fleetgate.dev/on-stale";

/// What a Constraint's annotations say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The clusters of its scope that it applies to, by their labels; all where there is none.
    pub clusters: Option<Selector>,
    /// How old what it reads may be; any age where there is none.
    pub freshness: Option<Freshness>,
}

/// How old the view that a Constraint reads may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The longest time since it was last known to be complete.
    pub max_staleness: Duration,
    /// What happens when it was longer ago.
    pub on_stale: OnStale,
}

/// What a Constraint does when its view is older than it allows. It never goes unsaid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// It is not evaluated, which has the effect of a violation.
    #[default]
    Deny,
    /// It is evaluated on the view that there is; the caller is warned.
    Warn,
    /// It is evaluated on the view that there is; the answer says so and nobody is warned.
    Allow,
    /// It is evaluated on the review's own cluster alone, as far as that is fresh; the caller is warned.
    OwnClusterOnly,
}

impl OnStale {
    const NAMES: [(&'static str, Self); 4] = [
        ("deny", Self::Deny),
        ("warn", Self::Warn),
        ("allow", Self::Allow),
        ("own-cluster-only", Self::OwnClusterOnly),
    ];
}

/// The kinds that a template sees of other clusters; none where it sees no other clusters.
pub(super) fn fleet(
    checked: &mut Checked<'_>,
    requirements: &Result<SyncRequirements, String>,
) -> Option<BTreeSet<GroupVersionKind>> {
    let value = text(checked, FLEET)?;
    let field = field(FLEET);
    match value {
        "true" => {}
        "false" => return None,
        other => {
            checked.refuse(code::INVALID_TEMPLATE, &field, format!("{other:?} is neither \"true\" nor \"false\""));
            return None;
        }
    }
    let of_kinds = sync_requirements::ANNOTATION;
    let kinds: BTreeSet<GroupVersionKind> = match requirements {
        Ok(requirements) => requirements.kinds().cloned().collect(),
        Err(error) => {
            let field = self::field(of_kinds);
            checked.refuse(code::INVALID_TEMPLATE, &field, format!("a fleet template's kinds cannot be read: {error}"));
            return None;
        }
    };
    if kinds.is_empty() {
        let hint = format!("list the kinds that it looks for in the annotation {of_kinds}");
        let message = "a fleet template has to say which kinds it reads";
        checked.refuse_with_hint(code::INVALID_TEMPLATE, &field, message, Some(hint));
    }
    if kinds.iter().any(GroupVersionKind::is_secret) {
        checked.refuse(code::INVALID_TEMPLATE, &self::field(of_kinds), "Secrets are never cached");
    }
    Some(kinds)
}

/// Where a Constraint applies, and how old what it reads may be.
pub(super) fn reach(checked: &mut Checked<'_>) -> Reach {
    let clusters = text(checked, CLUSTERS).and_then(|selector| match Selector::of_text(selector) {
        Ok(selector) => Some(selector),
        Err(error) => {
            checked.refuse(code::INVALID_CONSTRAINT, &field(CLUSTERS), format!("not a label selector: {error}"));
            None
        }
    });
    let max_staleness = text(checked, MAX_STALENESS).and_then(|text| {
        let read = duration(text).filter(|duration| !duration.is_zero());
        if read.is_none() {
            let message = format!("{text:?} is no duration such as 5s, 500ms or 1m30s");
            checked.refuse(code::INVALID_CONSTRAINT, &field(MAX_STALENESS), message);
        }
        read
    });
    let on_stale = text(checked, ON_STALE).map(|text| {
        let known = OnStale::NAMES.iter().find(|(name, _)| *name == text);
        if known.is_none() {
            let names = OnStale::NAMES.map(|(name, _)| name).join(", ");
            checked.refuse(code::INVALID_CONSTRAINT, &field(ON_STALE), format!("{text:?} is not one of {names}"));
        }
        known.map(|(_, on_stale)| *on_stale).unwrap_or_default()
    });
    if on_stale.is_some() && text(checked, MAX_STALENESS).is_none() {
        let message = format!("it needs {MAX_STALENESS}: nothing is too old without it");
        checked.refuse(code::INVALID_CONSTRAINT, &field(ON_STALE), message);
    }
    let freshness =
        max_staleness.map(|max_staleness| Freshness { max_staleness, on_stale: on_stale.unwrap_or_default() });
    Reach { clusters, freshness }
}

fn field(annotation: &str) -> String {
    format!("metadata.annotations.{annotation}")
}

/// An annotation's text. One that is no string is no annotation, and an API server has none such.
fn text<'doc>(checked: &mut Checked<'doc>, annotation: &str) -> Option<&'doc str> {
    let value = checked.document.value.get("metadata")?.get("annotations")?.get(annotation)?;
    if !value.is_string() {
        checked.refuse(code::INVALID_FIELD, &field(annotation), "an annotation is a string: put it in quotes");
    }
    value.as_str()
}

/// A duration as Go writes it, of whole numbers: `1h2m3s4ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut all = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|symbol: char| !symbol.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|symbol: char| symbol.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let millis = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(millis)?;
        all = all.checked_add(Duration::from_millis(part))?;
        rest = after;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use super::*;
    use crate::yaml::Document;

    #[test]
    fn durations_are_go_s() {
        for (text, millis) in [
            ("5s", Some(5_000)),
            ("500ms", Some(500)),
            ("1m30s", Some(90_000)),
            ("2h", Some(7_200_000)),
            ("0s", Some(0)),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("1.5s", None),
            ("5 s", None),
            ("99999999999999999999h", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    fn read(annotations: &Value) -> Result<Reach, Vec<String>> {
        let document = Document::without_file(json!({"metadata": {"annotations": annotations}}));
        let mut checked = Checked::new(&document);
        let reach = reach(&mut checked);
        if checked.diagnostics.is_empty() {
            return Ok(reach);
        }
        Err(checked.diagnostics.into_iter().map(|found| found.field).collect())
    }

    #[test]
    fn a_reach_is_read() {
        assert_eq!(read(&json!({})), Ok(Reach::default()));
        assert_eq!(read(&Value::Null), Ok(Reach::default()));
        let stale = |on_stale| Some(Freshness { max_staleness: Duration::from_secs(5), on_stale });
        assert_eq!(read(&json!({MAX_STALENESS: "5s"})).unwrap().freshness, stale(OnStale::Deny));
        for (name, on_stale) in OnStale::NAMES {
            let read = read(&json!({MAX_STALENESS: "5s", ON_STALE: name})).unwrap();
            assert_eq!(read.freshness, stale(on_stale), "{name}");
        }
        let read = read(&json!({CLUSTERS: "env in (prod, test),!edge"})).unwrap();
        assert_eq!(read.clusters, Some(Selector::of_text("env in (prod, test),!edge").unwrap()));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (annotations, expected) in [
            (json!({CLUSTERS: "env in prod"}), &[CLUSTERS][..]),
            (json!({CLUSTERS: true}), &[CLUSTERS]),
            (json!({MAX_STALENESS: "soon"}), &[MAX_STALENESS]),
            (json!({MAX_STALENESS: "0s"}), &[MAX_STALENESS]),
            (json!({ON_STALE: "warn"}), &[ON_STALE]),
            (json!({MAX_STALENESS: "5s", ON_STALE: "local-only"}), &[ON_STALE]),
        ] {
            let expected: Vec<_> = expected.iter().map(|annotation| field(annotation)).collect();
            assert_eq!(read(&annotations), Err(expected), "{annotations}");
        }
    }

    #[test]
    fn a_fleet_template_says_what_it_reads() {
        let kinds = |kind: &str| format!(r#"[[{{"groups":[""],"versions":["v1"],"kinds":["{kind}"]}}]]"#);
        let of_kinds = sync_requirements::ANNOTATION;
        let read = |annotations: &Value| {
            let document = Document::without_file(json!({"metadata": {"annotations": annotations}}));
            let mut checked = Checked::new(&document);
            let kinds = fleet(&mut checked, &SyncRequirements::of(&document.value));
            let fields: Vec<_> = checked.diagnostics.into_iter().map(|found| found.field).collect();
            (kinds.map(|kinds| kinds.iter().map(ToString::to_string).collect::<Vec<_>>()), fields)
        };
        let one = vec!["/v1:Service".to_owned()];
        assert_eq!(read(&json!({FLEET: "true", of_kinds: kinds("Service")})), (Some(one), vec![]));
        assert_eq!(read(&json!({FLEET: "false"})), (None, vec![]));
        assert_eq!(read(&json!({of_kinds: kinds("Service")})), (None, vec![]));
        for (annotations, refused) in [
            (json!({FLEET: "yes"}), FLEET),
            (json!({FLEET: true}), FLEET),
            (json!({FLEET: "true"}), FLEET),
            (json!({FLEET: "true", of_kinds: "[]"}), FLEET),
            (json!({FLEET: "true", of_kinds: "["}), of_kinds),
            (json!({FLEET: "true", of_kinds: kinds("Secret")}), of_kinds),
        ] {
            assert_eq!(read(&annotations).1, [field(refused)], "{annotations}");
        }
    }
}
