//! Which objects a process leaves alone, by their namespace (`pkg/controller/config/process` of Gatekeeper).

use crate::matching::{Facts, Glob};

/// A part of Gatekeeper that namespaces can be excluded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Review of what is there.
    Audit,
    /// Caching of objects.
    Sync,
    /// Admission.
    Webhook,
    /// Mutation at admission.
    MutationWebhook,
}

impl Process {
    /// Every process, as `*` means it.
    pub const ALL: [Self; 4] = [Self::Audit, Self::Sync, Self::Webhook, Self::MutationWebhook];

    /// The name in `spec.match[].processes`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Sync => "sync",
            Self::Webhook => "webhook",
            Self::MutationWebhook => "mutation-webhook",
        }
    }
}

/// Excluded namespaces by process: the union of all entries of `spec.match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excluder {
    entries: Vec<(Process, Vec<Glob>)>,
}

impl Excluder {
    /// Adds an entry. A process that nobody knows excludes from nothing, as in Gatekeeper.
    pub(super) fn add(&mut self, processes: &[&str], namespaces: &[Glob]) {
        let everywhere = processes.contains(&"*");
        for process in Process::ALL.into_iter().filter(|one| everywhere || processes.contains(&one.name())) {
            match self.entries.iter_mut().find(|(known, _)| *known == process) {
                Some((_, globs)) => globs.extend_from_slice(namespaces),
                None => self.entries.push((process, namespaces.to_vec())),
            }
        }
    }

    /// Whether nothing is excluded from anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is excluded from one process.
    #[must_use]
    pub fn of_process(&self, process: Process) -> Self {
        Self { entries: self.entries.iter().filter(|(one, _)| *one == process).cloned().collect() }
    }

    /// What either of both excludes.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self { entries: self.entries.iter().chain(&other.entries).cloned().collect() }
    }

    /// Whether the process leaves an object alone. A core Namespace is compared by its own name; every other object by
    /// `namespace`, which is empty for a cluster-scoped one: `*` excludes that too, unlike in `spec.match`.
    #[must_use]
    pub fn excludes(&self, process: Process, object: &Facts<'_>, namespace: &str) -> bool {
        self.excludes_name(process, if object.is_namespace() { object.name } else { namespace })
    }

    /// The patterns of namespaces that are excluded from a process.
    pub fn patterns(&self, process: Process) -> impl Iterator<Item = &Glob> {
        self.entries.iter().filter(move |(one, _)| *one == process).flat_map(|(_, globs)| globs)
    }

    /// Whether the process leaves alone what is in a namespace of this name; for a core Namespace it is its own name.
    #[must_use]
    pub fn excludes_name(&self, process: Process, name: &str) -> bool {
        self.patterns(process).any(|glob| glob.matches(name))
    }
}
