//! Rego v0 lets variables be called `if`, `in`, `every` or `contains`, which canonical text cannot say: they get other
//! names. Rules of those names keep them, since other modules may ask for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Module, Term, TermRef};
use crate::fold::{self, Fold};

use super::Fresh;

const WORDS: &[&str] = &["if", "in", "every", "contains"];

/// Renames variables that are keywords of Rego v1.
pub(super) fn rename(mut module: Module, fresh: &mut Fresh) -> Module {
    let rules = module.rules.iter().filter_map(|rule| rule.head.reference.first()?.as_var().cloned());
    let kept = rules.filter(|name| WORDS.contains(&&**name)).collect();
    let mut rename = Rename { fresh, kept, names: BTreeMap::new() };
    module.rules = module.rules.into_iter().map(|rule| fold::rule(&mut rename, rule)).collect();
    module
}

struct Rename<'f> {
    fresh: &'f mut Fresh,
    kept: Vec<Arc<str>>,
    names: BTreeMap<Arc<str>, Arc<str>>,
}

impl Fold for Rename<'_> {
    fn term(&mut self, term: &TermRef) -> TermRef {
        let Some(name) = term.as_var().filter(|name| WORDS.contains(&&***name) && !self.kept.contains(name)) else {
            return fold::inner_term(self, term);
        };
        if !self.names.contains_key(name)
            && let Some(new) = self.fresh.var(term.span).as_var()
        {
            self.names.insert(name.clone(), new.clone());
        }
        self.names.get(name).map_or_else(|| term.clone(), |new| Term::var(term.span, new))
    }
}
