//! References in a rule's head move into its body, as OPA moves them: an undefined part then drops that one answer, and
//! an `else` gets its turn.

use crate::ast::{Module, Rule, TermRef, Value};
use crate::visit;

use super::{Fresh, assign};

/// Binds the parts of heads that must be evaluated at the end of the body.
pub(super) fn bind(mut module: Module, fresh: &mut Fresh) -> Module {
    module.rules = module.rules.into_iter().map(|rule| bind_rule(rule, fresh)).collect();
    module
}

fn bind_rule(mut rule: Rule, fresh: &mut Fresh) -> Rule {
    if !rule.is_default {
        let head = &mut rule.head;
        // The key of an object rule is also the last part of its path.
        let path_has_key = head.value.is_some();
        let key = head.key.iter_mut().filter(|_| !path_has_key);
        let parts = head.reference.iter_mut().skip(1).chain(key).chain(&mut head.value);
        let mut bindings = Vec::new();
        for part in parts.filter(|part| must_be_evaluated(part)) {
            let variable = fresh.var(part.span);
            bindings.push(assign(variable.clone(), std::mem::replace(part, variable), &[]));
        }
        if !bindings.is_empty() {
            if path_has_key && head.key.is_some() {
                head.key = head.reference.last().cloned();
            }
            if rule.generated_body || rule.body.exprs.iter().all(|expr| expr.generated) {
                rule.body.exprs.clear();
                rule.generated_body = false;
            }
            rule.body.exprs.extend(bindings);
        }
    }
    rule.else_rule = rule.else_rule.map(|next| Box::new(bind_rule(*next, fresh)));
    rule
}

fn must_be_evaluated(term: &TermRef) -> bool {
    let mut found = false;
    visit::walk_term(term, &mut |inner| {
        found |= matches!(
            inner.value,
            Value::Ref(_)
                | Value::Call(_)
                | Value::Template(_)
                | Value::ArrayComprehension(..)
                | Value::SetComprehension(..)
                | Value::ObjectComprehension(..)
        );
        !found
    });
    found
}
