//! Where this product could do better than Gatekeeper 3.23 but does the same, so that a policy means the same in both.
//!
//! Each field is one switch; its default is Gatekeeper's behaviour. [`Compatibility::set`] turns one by its name in
//! configuration.

use std::fmt;

pub use fleetgate_rego::gatekeeper::LibRewrite;

use crate::json::Numbers;

/// The switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compatibility {
    /// What numbers of reviews and of the inventory become. Those of parameters are always exact.
    pub numbers: Numbers,
    /// What `input.review.namespaceObject` is where there is no Namespace.
    pub namespace_object_absent: NamespaceObjectAbsent,
    /// Which references to libraries a template's Rego may use.
    pub lib_rewrite: LibRewrite,
    /// Whose result a failing program is.
    pub error_spread: ErrorSpread,
    /// What a `msg` that is no string does.
    pub nonstring_msg: NonstringMsg,
    /// What an empty `enforcementAction` does.
    pub empty_enforcement_action: EmptyEnforcementAction,
    /// What becomes of a namespace, groupVersion or kind in the inventory with its last object.
    pub inventory_empty_parents: EmptyParents,
    /// Whether the inventory holds objects that have a `deletionTimestamp`.
    pub terminating_objects: Presence,
    /// Which kinds `data.inventory` holds beside those that a Config or a SyncSet names.
    pub auto_sync: AutoSync,
    /// Whether `input.review._unstable.namespace` is there, as before Gatekeeper 3.9.
    pub unstable_namespace: Presence,
}

/// See [`Compatibility::namespace_object_absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamespaceObjectAbsent {
    /// `{}`
    #[default]
    Empty,
    /// `null`, as Gatekeeper's documentation says.
    Null,
}

/// See [`Compatibility::error_spread`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorSpread {
    /// Every matching Constraint of the kind reports it, since one query asks for all of them.
    #[default]
    Kind,
    /// The Constraint alone for which the program failed.
    Constraint,
}

/// See [`Compatibility::nonstring_msg`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NonstringMsg {
    /// The whole review fails.
    #[default]
    FailReview,
    /// A violation, whose message is the value as JSON.
    Violation,
}

/// See [`Compatibility::empty_enforcement_action`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyEnforcementAction {
    /// The Constraint is evaluated and never enforced.
    #[default]
    Ignore,
    /// As `deny`.
    Deny,
}

/// See [`Compatibility::inventory_empty_parents`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyParents {
    /// It stays, as an empty object.
    #[default]
    Keep,
    /// It goes too.
    Prune,
}

/// See [`Compatibility::auto_sync`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoSync {
    /// None.
    #[default]
    Off,
    /// Those that templates with Constraints require in their annotation `metadata.gatekeeper.sh/requires-sync-data`.
    Referenced,
}

/// Whether something is there. Gatekeeper 3.23 has none of what this switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// It is not.
    #[default]
    Absent,
    /// It is.
    Present,
}

/// A switch or a value of one that there is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownSwitch {
    /// No switch has this name.
    Name(String),
    /// The switch has no such value.
    Value {
        /// The switch.
        switch: String,
        /// What was given.
        given: String,
        /// What it takes.
        expected: Vec<&'static str>,
    },
}

impl fmt::Display for UnknownSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "no compatibility switch is named {name:?}"),
            Self::Value { switch, given, expected } => {
                write!(f, "{switch}: {given:?} is not one of {}", expected.join(", "))
            }
        }
    }
}

impl std::error::Error for UnknownSwitch {}

impl Compatibility {
    /// Turns a switch.
    ///
    /// # Errors
    /// [`UnknownSwitch`]; nothing changes then.
    pub fn set(&mut self, switch: &str, value: &str) -> Result<(), UnknownSwitch> {
        let to = (switch, value);
        match switch {
            "numbers" => {
                choose(&mut self.numbers, to, &[("gatekeeper-3.23", Numbers::Doubles), ("exact", Numbers::Exact)])
            }
            "namespace_object_absent" => {
                let values = [("empty", NamespaceObjectAbsent::Empty), ("null", NamespaceObjectAbsent::Null)];
                choose(&mut self.namespace_object_absent, to, &values)
            }
            "lib_rewrite" => {
                choose(&mut self.lib_rewrite, to, &[("shallow", LibRewrite::Shallow), ("deep", LibRewrite::Deep)])
            }
            "error_spread" => {
                let values = [("kind", ErrorSpread::Kind), ("constraint", ErrorSpread::Constraint)];
                choose(&mut self.error_spread, to, &values)
            }
            "nonstring_msg" => {
                let values = [("fail-review", NonstringMsg::FailReview), ("violation", NonstringMsg::Violation)];
                choose(&mut self.nonstring_msg, to, &values)
            }
            "empty_enforcement_action" => {
                let values = [("ignore", EmptyEnforcementAction::Ignore), ("deny", EmptyEnforcementAction::Deny)];
                choose(&mut self.empty_enforcement_action, to, &values)
            }
            "inventory_empty_parents" => {
                let values = [("keep", EmptyParents::Keep), ("prune", EmptyParents::Prune)];
                choose(&mut self.inventory_empty_parents, to, &values)
            }
            "auto_sync" => {
                choose(&mut self.auto_sync, to, &[("off", AutoSync::Off), ("referenced", AutoSync::Referenced)])
            }
            "terminating_objects" => choose(&mut self.terminating_objects, to, &Presence::VALUES),
            "unstable_namespace" => choose(&mut self.unstable_namespace, to, &Presence::VALUES),
            unknown => Err(UnknownSwitch::Name(unknown.to_owned())),
        }
    }
}

impl Presence {
    const VALUES: [(&'static str, Self); 2] = [("absent", Self::Absent), ("present", Self::Present)];
}

fn choose<T: Copy>(
    field: &mut T,
    (switch, given): (&str, &str),
    values: &[(&'static str, T)],
) -> Result<(), UnknownSwitch> {
    let Some((_, value)) = values.iter().find(|(name, _)| *name == given) else {
        let expected = values.iter().map(|(name, _)| *name).collect();
        return Err(UnknownSwitch::Value { switch: switch.to_owned(), given: given.to_owned(), expected });
    };
    *field = *value;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Every switch: Gatekeeper's value, then the other.
    const SWITCHES: [(&str, [&str; 2]); 10] = [
        ("numbers", ["gatekeeper-3.23", "exact"]),
        ("namespace_object_absent", ["empty", "null"]),
        ("lib_rewrite", ["shallow", "deep"]),
        ("error_spread", ["kind", "constraint"]),
        ("nonstring_msg", ["fail-review", "violation"]),
        ("empty_enforcement_action", ["ignore", "deny"]),
        ("inventory_empty_parents", ["keep", "prune"]),
        ("auto_sync", ["off", "referenced"]),
        ("terminating_objects", ["absent", "present"]),
        ("unstable_namespace", ["absent", "present"]),
    ];

    #[test]
    fn each_switch_turns_alone_and_back() {
        let mut seen = vec![Compatibility::default()];
        for (switch, [gatekeepers, other]) in SWITCHES {
            let mut compatibility = Compatibility::default();
            compatibility.set(switch, gatekeepers).unwrap();
            assert_eq!(compatibility, Compatibility::default(), "{switch}");
            compatibility.set(switch, other).unwrap();
            assert!(!seen.contains(&compatibility), "{switch}");
            seen.push(compatibility);
        }
    }

    #[test]
    fn what_there_is_not_is_named() {
        let mut compatibility = Compatibility::default();
        let error = compatibility.set("nmbers", "exact").unwrap_err();
        assert_eq!(error.to_string(), r#"no compatibility switch is named "nmbers""#);
        let error = compatibility.set("numbers", "Exact").unwrap_err();
        assert_eq!(error.to_string(), r#"numbers: "Exact" is not one of gatekeeper-3.23, exact"#);
        assert_eq!(compatibility, Compatibility::default());
    }
}
