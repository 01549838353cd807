//! Where this product could do better than Gatekeeper 3.23 but does the same, so that a policy means the same in both.
//!
//! Each field is one switch; its default is Gatekeeper's behaviour.

use crate::json::Numbers;

/// The switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compatibility {
    /// What numbers of reviews and of the inventory become. Those of parameters are always exact.
    pub numbers: Numbers,
    /// What `input.review.namespaceObject` is where there is no Namespace.
    pub namespace_object_absent: NamespaceObjectAbsent,
    /// Whose result a failing program is.
    pub error_spread: ErrorSpread,
    /// What a `msg` that is no string does.
    pub nonstring_msg: NonstringMsg,
    /// What an empty `enforcementAction` does.
    pub empty_enforcement_action: EmptyEnforcementAction,
    /// Whether `input.review._unstable.namespace` is there, as before Gatekeeper 3.9.
    pub unstable_namespace: bool,
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
    /// A violation, whose message is the value's text.
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
