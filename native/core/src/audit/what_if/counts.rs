//! Objects by what would become of them, counted by cluster, namespace and owner.

use std::collections::BTreeMap;

use crate::wire;

/// Owners that are counted apart; those that come later are counted together, without a name. An answer stays as short as a
/// message may be.
const MAX_OWNERS: usize = 5_000;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    by_owner: BTreeMap<(String, String, String), wire::WhatIfCount>,
}

impl Counts {
    /// Counts an object by whether it is allowed before and after. The owner of one that is allowed throughout is left out.
    pub(super) fn add(&mut self, object: &wire::AuditedObject, allowed_before: bool, allowed_after: bool) {
        let owner = if allowed_before && allowed_after { String::new() } else { object.owner.clone() };
        let count = self.of((object.cluster.clone(), object.namespace.clone(), owner));
        match (allowed_before, allowed_after) {
            (true, false) => count.newly_denied += 1,
            (false, true) => count.newly_allowed += 1,
            (false, false) => count.still_denied += 1,
            (true, true) => count.unchanged += 1,
        }
    }

    fn of(&mut self, mut key: (String, String, String)) -> &mut wire::WhatIfCount {
        if self.by_owner.len() >= MAX_OWNERS && !self.by_owner.contains_key(&key) {
            key.2.clear();
        }
        let (cluster, namespace, owner) = key.clone();
        let new = || wire::WhatIfCount { cluster, namespace, owner, ..Default::default() };
        self.by_owner.entry(key).or_insert_with(new)
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (key, count) in other.by_owner {
            let own = self.of(key);
            own.newly_denied += count.newly_denied;
            own.newly_allowed += count.newly_allowed;
            own.still_denied += count.still_denied;
            own.unchanged += count.unchanged;
        }
    }

    pub(super) fn into_message(self) -> Vec<wire::WhatIfCount> {
        self.by_owner.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn object(namespace: &str, owner: &str) -> wire::AuditedObject {
        let (cluster, namespace, owner) = ("c".to_owned(), namespace.to_owned(), owner.to_owned());
        wire::AuditedObject { cluster, namespace, owner, ..Default::default() }
    }

    #[test]
    fn objects_are_counted_by_owner_where_one_is_denied() {
        let mut counts = Counts::default();
        counts.add(&object("a", "Job/x"), true, true);
        counts.add(&object("a", "Job/x"), true, false);
        let mut other = Counts::default();
        other.add(&object("a", "Job/x"), false, false);
        other.add(&object("a", ""), false, true);
        counts.merge(other);
        let counts = counts.into_message();
        let shown: Vec<_> = counts
            .iter()
            .map(|one| (&*one.owner, one.newly_denied, one.newly_allowed, one.still_denied, one.unchanged))
            .collect();
        assert_eq!(shown, [("", 0, 1, 0, 1), ("Job/x", 1, 0, 1, 0)]);
    }

    #[test]
    fn owners_beyond_the_limit_are_counted_together() {
        let mut counts = Counts::default();
        for number in 0..2 * MAX_OWNERS {
            counts.add(&object("a", &format!("Job/{number}")), true, false);
        }
        let counts = counts.into_message();
        assert_eq!(counts.len(), MAX_OWNERS + 1);
        assert_eq!(counts[0].newly_denied as usize, MAX_OWNERS);
    }
}
