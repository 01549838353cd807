//! Whether Gatekeeper's webhook admits a ConstraintTemplate or Constraint into a cluster.
//!
//! That is another question than whether the document can be loaded: the webhook asks only whether a template's
//! CustomResourceDefinition can be made, and lets bad Rego in. Its first objection is its answer, so the checks stand in
//! its order (`pkg/webhook/policy.go` of Gatekeeper 3.23.1), which [`super::read_template`] and
//! [`super::read_constraint`] do not need: they collect every defect.

mod constraint;
mod template;

pub(crate) use constraint::admit_constraint;
pub(crate) use template::admit_template;

/// Why Gatekeeper's webhook refuses an object of Gatekeeper's own groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// 422 for what Gatekeeper takes for its user's error, 500 for the rest.
    pub(crate) code: i32,
    /// What is wrong, in Gatekeeper's words where they do not depend on Go's libraries.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn user_error(message: impl Into<String>) -> Self {
        Self { code: 422, message: message.into() }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { code: 500, message: message.into() }
    }
}

/// Errors of one object as apimachinery's Aggregate shows them.
fn aggregate(messages: &[String]) -> String {
    match messages {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
