//! `spec.enforcementAction` and `spec.scopedEnforcementActions` of a Constraint.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What a Constraint does about a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnforcementActions {
    /// The same action at every enforcement point: `deny`, `warn`, `dryrun` or a string that nobody enforces.
    Uniform([Arc<str>; 1]),
    /// Actions by enforcement point; `*` stands for those that are not named.
    Scoped(BTreeMap<Arc<str>, Vec<Arc<str>>>),
}

impl EnforcementActions {
    /// The value of `enforcementAction` that makes `scopedEnforcementActions` count.
    pub const SCOPED: &str = "scoped";
    /// The enforcement point that stands for all.
    pub const ALL_POINTS: &str = "*";

    /// One action at every enforcement point.
    #[must_use]
    pub fn uniform(action: &str) -> Self {
        Self::Uniform([Arc::from(action)])
    }

    /// Actions by enforcement point, from the (action, enforcement points) entries of the list.
    #[must_use]
    pub fn scoped<'a>(entries: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Self {
        let mut points: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        for (action, listed) in entries {
            for point in listed {
                points.entry(Arc::from(point)).or_default().push(Arc::from(action));
            }
        }
        let everywhere = points.get(Self::ALL_POINTS).cloned().unwrap_or_default();
        for actions in points.values_mut() {
            actions.extend(everywhere.iter().cloned());
            actions.sort();
            actions.dedup();
        }
        Self::Scoped(points)
    }

    /// What the document declares: an action, or `scoped`. Gatekeeper shows it as `enforcementAction` of a result.
    #[must_use]
    pub fn declared(&self) -> &str {
        match self {
            Self::Uniform([action]) => action,
            Self::Scoped(_) => Self::SCOPED,
        }
    }

    /// The actions at an enforcement point, sorted. `None`: the Constraint is not evaluated there.
    #[must_use]
    pub fn at(&self, enforcement_point: &str) -> Option<&[Arc<str>]> {
        match self {
            Self::Uniform(action) => Some(action),
            Self::Scoped(points) => {
                points.get(enforcement_point).or_else(|| points.get(Self::ALL_POINTS)).map(Vec::as_slice)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(actions: &EnforcementActions, point: &str) -> Option<Vec<String>> {
        actions.at(point).map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn uniform_is_the_same_everywhere() {
        let actions = EnforcementActions::uniform("warn");
        assert_eq!(actions.declared(), "warn");
        assert_eq!(texts(&actions, "audit.gatekeeper.sh"), Some(vec!["warn".to_owned()]));
    }

    #[test]
    fn scoped_joins_the_point_and_the_wildcard() {
        let actions = EnforcementActions::scoped([
            ("warn", vec!["validation.gatekeeper.sh"]),
            ("deny", vec!["*"]),
            ("dryrun", vec!["audit.gatekeeper.sh", "validation.gatekeeper.sh"]),
        ]);
        assert_eq!(actions.declared(), "scoped");
        assert_eq!(
            texts(&actions, "validation.gatekeeper.sh"),
            Some(vec!["deny".to_owned(), "dryrun".to_owned(), "warn".to_owned()])
        );
        assert_eq!(texts(&actions, "gator.gatekeeper.sh"), Some(vec!["deny".to_owned()]));
    }

    #[test]
    fn an_unlisted_point_has_no_action() {
        let actions = EnforcementActions::scoped([("deny", vec!["audit.gatekeeper.sh"])]);
        assert_eq!(texts(&actions, "validation.gatekeeper.sh"), None);
    }
}
