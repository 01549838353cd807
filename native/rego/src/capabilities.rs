//! Which Rego a module may be written in.
//!
//! The language differs by version (v0, v1), by imports, and by the release of OPA whose parser is followed: Gatekeeper
//! pins one, `eval` follows the newest.

/// The version of Rego that a module is in before its imports are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// Rego before OPA 1.0.
    V0,
    /// Rego since OPA 1.0: `if`, `contains`, `in` and `every` are keywords, the first two required.
    V1,
}

/// The release of OPA whose parser is followed to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// The one that Gatekeeper 3.23 is built with.
    Opa1_17,
    /// The newest that is followed.
    Opa1_22,
}

/// A set of the keywords that are keywords only by version or import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Keywords(u8);

impl Keywords {
    /// No keyword.
    pub const NONE: Self = Self(0);
    /// `in`
    pub const IN: Self = Self(1);
    /// `every`, which is never without `in`
    pub const EVERY: Self = Self(2 | 1);
    /// `contains`
    pub const CONTAINS: Self = Self(4);
    /// `if`
    pub const IF: Self = Self(8);
    /// `not` before a body
    pub const NOT: Self = Self(16);
    /// `and` between expressions
    pub const AND: Self = Self(32);
    /// `or` between expressions
    pub const OR: Self = Self(64);
    /// What Rego v1 has and v0 imports.
    pub const V1: Self = Self(15);
    /// What Rego v1 imports.
    pub const V2: Self = Self(112);

    /// The keywords of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are in this set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The keyword that `import future.keywords.<name>` names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "in" => Self::IN,
            "every" => Self::EVERY,
            "contains" => Self::CONTAINS,
            "if" => Self::IF,
            "not" => Self::NOT,
            "and" => Self::AND,
            "or" => Self::OR,
            _ => return None,
        })
    }
}

/// What a module may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The version before imports.
    pub version: Version,
    /// Whose parser is followed.
    pub release: Release,
    /// What `import future.keywords` may bring.
    pub importable: Keywords,
    /// `$"a {x}"`
    pub template_strings: bool,
    /// `import rego.v2`
    pub rego_v2_import: bool,
}

impl Capabilities {
    /// What `release` allows by default in a module of `version`.
    #[must_use]
    pub const fn of(release: Release, version: Version) -> Self {
        let new = match release {
            Release::Opa1_17 => Keywords::NOT,
            Release::Opa1_22 => Keywords::V2,
        };
        Self {
            version,
            release,
            importable: Keywords::V1.with(new),
            template_strings: matches!(version, Version::V1),
            rego_v2_import: matches!(release, Release::Opa1_22),
        }
    }

    /// What is a keyword before any import.
    pub(crate) const fn initial_keywords(&self) -> Keywords {
        match self.version {
            Version::V0 => Keywords::NONE,
            Version::V1 => Keywords::V1,
        }
    }

    /// Whether `word` is a keyword of the version itself, imports aside.
    pub(crate) fn is_version_keyword(&self, word: &str) -> bool {
        match word {
            "not" | "package" | "import" | "as" | "default" | "else" | "with" | "null" | "true" | "false" | "some" => {
                true
            }
            "if" | "contains" | "in" | "every" => self.version == Version::V1,
            _ => false,
        }
    }
}
