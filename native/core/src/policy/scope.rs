//! Whose policies they are.

use std::sync::Arc;

/// A set of policies with names of its own. A Constraint binds to the template of its own scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Policies that hold for every cluster: bundles, and the custom resources of a hub.
    Fleet,
    /// Policies of one cluster, by its canonical name: the custom resources that are in it.
    Cluster(Arc<str>),
}

impl Scope {
    /// `fleet` or `cluster`, as answers name it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Cluster(_) => "cluster",
        }
    }

    /// The cluster whose policies they are.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Fleet => None,
            Self::Cluster(name) => Some(name),
        }
    }
}
