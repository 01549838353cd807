//! From an object's group and kind to the Constraints that could match it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::matching::KindSelector;
use crate::template::Constraint;

/// A group and a kind; `None` stands for any.
type Pair = (Option<Arc<str>>, Option<Arc<str>>);

/// Positions of candidate Constraints, ascending, by group and kind.
///
/// Every pair that some Constraint names is worked out beforehand; only a pair that nobody names, of a group or kind
/// that somebody does, joins lists at review time.
#[derive(Debug, Default)]
pub(super) struct Index {
    exact: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<u32>>>,
    any_kind: BTreeMap<Arc<str>, Vec<u32>>,
    any_group: BTreeMap<Arc<str>, Vec<u32>>,
    any: Vec<u32>,
}

impl Index {
    pub(super) fn new<'a>(constraints: impl IntoIterator<Item = &'a Constraint>) -> Self {
        let mut pairs: BTreeMap<Pair, BTreeSet<u32>> = BTreeMap::new();
        for (position, constraint) in (0..).zip(constraints) {
            for pair in selected(constraint) {
                pairs.entry(pair).or_default().insert(position);
            }
        }
        let list = |group: Option<&Arc<str>>, kind: Option<&Arc<str>>| -> Vec<u32> {
            let key = |group: Option<&Arc<str>>, kind: Option<&Arc<str>>| (group.cloned(), kind.cloned());
            let keys = BTreeSet::from([key(group, kind), key(group, None), key(None, kind), key(None, None)]);
            keys.iter()
                .filter_map(|key| pairs.get(key))
                .flatten()
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        };
        let mut index = Self { any: list(None, None), ..Self::default() };
        for pair in pairs.keys() {
            match pair {
                (Some(group), Some(kind)) => {
                    let kinds = index.exact.entry(group.clone()).or_default();
                    kinds.insert(kind.clone(), list(Some(group), Some(kind)));
                }
                (Some(group), None) => drop(index.any_kind.insert(group.clone(), list(Some(group), None))),
                (None, Some(kind)) => drop(index.any_group.insert(kind.clone(), list(None, Some(kind)))),
                (None, None) => {}
            }
        }
        index
    }

    pub(super) fn candidates(&self, group: &str, kind: &str) -> Cow<'_, [u32]> {
        if let Some(exact) = self.exact.get(group).and_then(|kinds| kinds.get(kind)) {
            return Cow::Borrowed(exact);
        }
        match (self.any_kind.get(group), self.any_group.get(kind)) {
            (None, None) => Cow::Borrowed(&self.any),
            (Some(one), None) | (None, Some(one)) => Cow::Borrowed(one),
            (Some(one), Some(other)) => {
                let joined: BTreeSet<u32> = one.iter().chain(other).copied().collect();
                Cow::Owned(joined.into_iter().collect())
            }
        }
    }
}

/// The (group, kind) pairs that a Constraint's `match.kinds` names.
fn selected(constraint: &Constraint) -> Vec<Pair> {
    let any = || vec![(None, None)];
    let Some(matcher) = &constraint.matcher else { return any() };
    if matcher.kinds().is_empty() {
        return any();
    }
    matcher.kinds().iter().flat_map(pairs).collect()
}

fn pairs(selector: &KindSelector) -> Vec<Pair> {
    let names = |list: Option<&[Box<str>]>| -> Vec<Option<Arc<str>>> {
        list.map_or_else(|| vec![None], |list| list.iter().map(|name| Some(Arc::from(&**name))).collect())
    };
    let kinds = names(selector.kinds());
    names(selector.groups())
        .into_iter()
        .flat_map(|group| kinds.iter().map(move |kind| (group.clone(), kind.clone())))
        .collect()
}
