//! Kinds with their group and version: what is cached.

use std::fmt;

/// A kind as one API version spells it. Versions of a kind are cached apart from one another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// API group, empty for the core group.
    pub group: Box<str>,
    /// API version without the group.
    pub version: Box<str>,
    /// Kind.
    pub kind: Box<str>,
}

impl GroupVersionKind {
    /// Whether it is the kind that is never cached, whatever asks for it.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && &*self.kind == "Secret"
    }

    /// Whether it is the core group's Namespace.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.group.is_empty() && &*self.kind == "Namespace"
    }

    /// `version` of the core group, `group/version` of any other: an object's apiVersion, and its key in the inventory.
    #[must_use]
    pub fn group_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}:{}", self.group, self.version, self.kind)
    }
}
