//! What two terms that are equal tell of their types, and of those of the variables in them.

use crate::capabilities::Release;
use crate::resolve::ir::{Node, Value};
use crate::resolve::key::Key;
use crate::resolve::outputs::same_key;

use super::check::Checker;
use super::ty::{Shape, Type};

impl Checker<'_> {
    /// Finds the types of variables in two terms that are equal. Answers whether they can be.
    pub(super) fn fit_both(&mut self, a: &Node, a_type: &Type, b: &Node, b_type: &Type) -> bool {
        match (a_type.is_partly_unknown(), b_type.is_partly_unknown()) {
            (true, false) => return self.fit(a, b_type, false),
            (false, true) => return self.fit(b, a_type, false),
            (false, false) => return a_type.unifies(b_type),
            (true, true) => {}
        }
        let known = self.world.release == Release::Opa1_22;
        match (&a.value, &b.value) {
            (Value::Array(items), Value::Array(others)) => {
                return items.len() == others.len() && self.fit_pairs(items.iter().zip(others));
            }
            (Value::Object(pairs), Value::Object(others)) => {
                let other = |key: &Node| {
                    let same = |pair: &&(Node, Node)| same_key(&pair.0, key);
                    others.iter().find(same).map(|(_, value)| value)
                };
                let both: Vec<_> = pairs.iter().filter_map(|(key, value)| Some((value, other(key)?))).collect();
                let all = pairs.len() == others.len() && both.len() == pairs.len();
                return all && self.fit_pairs(both.into_iter());
            }
            (Value::Array(_) | Value::Object(_), Value::Var(_)) => return self.fit_var(a, b),
            (Value::Array(_) | Value::Object(_), _) => return false,
            (Value::Var(_), Value::Array(_) | Value::Object(_)) => return self.fit_var(b, a),
            (Value::Var(_), Value::Var(_)) => return self.fit_var(a, b),
            (Value::Var(_), Value::Ref(_)) if known => return self.fit(a, &Type::any(), false),
            (Value::Ref(_), Value::Var(_)) if known => return self.fit(b, &Type::any(), false),
            _ => {}
        }
        if a.as_var().is_some() && a_type.is_unknown() && !b_type.is_unknown() {
            return self.fit(a, b_type, false);
        }
        if b.as_var().is_some() && b_type.is_unknown() && !a_type.is_unknown() {
            return self.fit(b, a_type, false);
        }
        false
    }

    fn fit_var(&mut self, known: &Node, var: &Node) -> bool {
        if !self.fit(known, &Type::any(), false) {
            return false;
        }
        let found = self.term(known);
        self.fit(var, &found, false)
    }

    fn fit_pairs<'n>(&mut self, pairs: impl Iterator<Item = (&'n Node, &'n Node)>) -> bool {
        for (a, b) in pairs {
            let (a_type, b_type) = (self.term(a), self.term(b));
            if !self.fit_both(a, &a_type, b, &b_type) {
                return false;
            }
        }
        true
    }

    /// Finds the types of variables in a term that is of a type. Answers whether it can be. With `union` a variable may
    /// be of several types.
    pub(super) fn fit(&mut self, node: &Node, wanted: &Type, union: bool) -> bool {
        match (&node.value, wanted.shape()) {
            (Value::Array(_) | Value::Object(_) | Value::Set(_), Shape::Any(of)) => {
                if of.is_empty() {
                    match &node.value {
                        Value::Object(pairs) => pairs.iter().for_each(|(key, value)| {
                            self.fit(key, wanted, true);
                            self.fit(value, wanted, true);
                        }),
                        Value::Array(items) | Value::Set(items) => items.iter().for_each(|item| {
                            self.fit(item, wanted, true);
                        }),
                        _ => {}
                    }
                    return true;
                }
                // Each is tried: each tells something of the variables.
                let mut fits = false;
                for one in of {
                    fits |= self.fit(node, one, true);
                }
                fits
            }
            (Value::Array(items), Shape::Array(fixed, rest)) => {
                if items.len() != fixed.len() && rest.is_unknown() {
                    return false;
                }
                let at = |at: usize| fixed.get(at).unwrap_or(rest);
                items.iter().enumerate().all(|(i, item)| self.fit(item, at(i), union))
            }
            (Value::Object(pairs), Shape::Object(fixed, rest)) => {
                let open = rest.as_ref().is_some_and(|(_, value)| !value.is_unknown());
                if pairs.len() != fixed.len() && !open {
                    return false;
                }
                pairs.iter().all(|(key, value)| match Key::of(key) {
                    Some(key) => {
                        let there = wanted.select(&key);
                        !there.is_unknown() && self.fit(value, &there, union)
                    }
                    None => {
                        self.fit(value, &Type::any(), union);
                        true
                    }
                })
            }
            (Value::Set(items), Shape::Set(of)) => items.iter().all(|item| self.fit(item, of, union)),
            (Value::Array(_) | Value::Object(_) | Value::Set(_), _) => false,
            (Value::Var(var), _) => {
                let have = self.env.var(*var);
                if union {
                    self.env.set_var(*var, have.or(wanted));
                } else if have.is_unknown() {
                    self.env.set_var(*var, wanted.clone());
                } else {
                    return have.unifies(wanted);
                }
                true
            }
            _ => self.term(node).unifies(wanted),
        }
    }
}
