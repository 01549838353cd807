//! `targets[].operations` of a ConstraintTemplate.

/// The admission operations that a template is evaluated for. Only `validation.gatekeeper.sh` looks at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations(Vec<String>);

impl Operations {
    /// Every value that a template may list.
    pub const KNOWN: [&str; 5] = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];

    /// Operations as listed; none, or `*`, means all.
    #[must_use]
    pub fn new(listed: Vec<String>) -> Self {
        Self(listed)
    }

    /// Whether the template is evaluated for an operation such as `CREATE`.
    #[must_use]
    pub fn admits(&self, operation: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|one| one == "*" || one == operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_star_admit_all() {
        let of = |listed: &[&str]| Operations::new(listed.iter().map(ToString::to_string).collect());
        for (listed, operation, admitted) in [
            (&[] as &[&str], "CONNECT", true),
            (&["*"], "DELETE", true),
            (&["CREATE", "UPDATE"], "UPDATE", true),
            (&["CREATE", "UPDATE"], "DELETE", false),
            (&["CREATE"], "", false),
        ] {
            assert_eq!(of(listed).admits(operation), admitted, "{listed:?} {operation}");
        }
    }
}
