//! Bodies in an order in which every variable is bound before it is read.

use std::collections::{BTreeMap, BTreeSet};

use super::ir::{Body, Expr, Kind, Node, Rule, Value, Var, VarSet};
use super::outputs::{self, Functions};
use super::vars::{OUTPUTS, SAFETY, Skip, collect, of_body, of_node};
use super::walk::{Item, ItemMut, children_mut, walk};

/// Puts every rule's body in order. Answers whether every variable is bound; if not, some bodies are left as they were.
pub(super) fn reorder(functions: &Functions<'_>, rules: &mut [Rule]) -> bool {
    let mut safe = true;
    for rule in rules {
        let mut bound = VarSet::from([Var::DATA, Var::INPUT]);
        rule.args.iter().for_each(|arg| of_node(arg, &mut bound));
        safe &= head_is_safe(functions, rule);
        safe &= body(functions, &mut rule.body, &bound);
    }
    safe
}

fn head_is_safe(functions: &Functions<'_>, rule: &Rule) -> bool {
    let mut bound = VarSet::new();
    of_body(&rule.body, SAFETY, &mut bound);
    rule.args.iter().for_each(|arg| of_node(arg, &mut bound));
    let mut read = VarSet::new();
    let head = rule.key.iter().chain(&rule.value).chain(rule.reference.iter().skip(1));
    head.for_each(|node| of_node(node, &mut read));
    let unsafe_var = |var: &&Var| !functions.names.is_generated(functions.names.written(**var));
    !read.difference(&bound).any(|var| unsafe_var(&var))
}

/// The variables that count for an expression: also those that bodies without braces take from outside.
fn read_by(functions: &Functions<'_>, expr: &Expr) -> VarSet {
    let mut out = VarSet::new();
    collect(Item::Expr(expr), SAFETY, &mut out);
    match &expr.kind {
        Kind::Not(body, false) => taken(functions, body, &mut out),
        Kind::Logical(logical) => {
            for (body, explicit) in &logical.sides {
                if !explicit {
                    taken(functions, body, &mut out);
                }
            }
        }
        _ => {}
    }
    out
}

/// The variables of a body that it does not bind for itself.
fn taken(functions: &Functions<'_>, body: &[Expr], out: &mut VarSet) {
    let each: Vec<VarSet> = body
        .iter()
        .map(|expr| {
            let mut read = VarSet::new();
            collect(Item::Expr(expr), SAFETY, &mut read);
            read
        })
        .collect();
    let all: VarSet = each.iter().flatten().copied().collect();
    if body.len() == 1 {
        out.extend(all);
        return;
    }
    let mut safe: VarSet = all.iter().copied().chain([Var::DATA, Var::INPUT]).collect();
    for expr in body {
        if let Some((left, right)) = expr.sides() {
            safe.retain(|var| left.as_var() != Some(*var) && right.as_var() != Some(*var));
        }
    }
    let mut bound = VarSet::new();
    loop {
        let before = bound.len();
        for expr in body.iter().filter(|expr| expr.sides().is_some()) {
            let new = outputs::of_equality(expr, &safe);
            safe.extend(&new);
            bound.extend(new);
        }
        if bound.len() == before {
            break;
        }
    }
    for expr in body {
        if let Kind::Call(terms) = &expr.kind
            && expr.operands_of(Var::EQ).is_none()
            && let Some(arity) = terms.first().and_then(|operator| functions.arity(operator))
        {
            terms.iter().skip(arity + 1).for_each(|node| collect(Item::Node(node), OUTPUTS, &mut bound));
        }
    }
    let uses = |var: &Var| each.iter().filter(|read| read.contains(var)).count();
    out.extend(all.into_iter().filter(|var| !bound.contains(var) || uses(var) == 1));
}

/// Puts one body in order, given what is bound before it.
fn body(functions: &Functions<'_>, body: &mut Body, globals: &VarSet) -> bool {
    let read: Vec<VarSet> = body.iter().map(|expr| read_by(functions, expr)).collect();
    let all: VarSet = read.iter().flatten().copied().collect();
    let mut safe: VarSet = all.intersection(globals).copied().collect();
    let mut missing: Vec<VarSet> = read.iter().map(|read| read.difference(&safe).copied().collect()).collect();
    let closed: Vec<VarSet> = body
        .iter()
        .map(|expr| closed_over(expr).into_iter().filter(|var| all.contains(var) && !globals.contains(var)).collect())
        .collect();
    let mut order: Vec<usize> = Vec::with_capacity(body.len());
    let mut placed = vec![false; body.len()];
    // What an expression binds depends on its own variables alone, so it is asked again when one of them has become safe.
    let readers = readers(body);
    let mut due: BTreeSet<usize> = (0..body.len()).collect();
    while !due.is_empty() {
        let before = order.len();
        let mut later = BTreeSet::new();
        while let Some(at) = due.pop_first() {
            let (Some(expr), Some(missing), Some(is_placed)) = (body.get(at), missing.get_mut(at), placed.get_mut(at))
            else {
                continue;
            };
            if *is_placed {
                continue;
            }
            let new = outputs::of_expr(functions, expr, &safe);
            let closed = closed.get(at).cloned().unwrap_or_default();
            if !closed.is_empty() {
                // It depends on what was placed too.
                later.insert(at);
                if closed == new {
                    continue;
                }
                if closed.is_subset(&safe) {
                    missing.clear();
                } else {
                    // What is safe is left out of what is bound, so this asks for little more than was asked before.
                    let bound = bound_beyond(functions, order.iter().filter_map(|at| body.get(*at)), &safe);
                    let open: VarSet = closed.difference(&bound).copied().collect();
                    if !open.is_empty() {
                        if open == new {
                            continue;
                        }
                        *missing = open;
                    }
                }
            }
            missing.retain(|var| !new.contains(var) && !safe.contains(var));
            if missing.is_empty() {
                *is_placed = true;
                order.push(at);
                for var in new.into_iter().filter(|var| safe.insert(*var)) {
                    for reader in readers.get(&var).into_iter().flatten() {
                        let round = if *reader > at { &mut due } else { &mut later };
                        round.insert(*reader);
                    }
                }
            }
        }
        if order.len() == before {
            break;
        }
        later.retain(|at| !placed.get(*at).is_some_and(|placed| *placed));
        due = later;
    }
    if order.len() < body.len() {
        return false;
    }
    let mut taken: Vec<Option<Expr>> = body.drain(..).map(Some).collect();
    body.extend(order.into_iter().filter_map(|at| taken.get_mut(at)?.take()));
    let mut inner = Inner { functions, globals: globals.clone(), safe: true };
    let mut before: Option<VarSet> = None;
    for expr in body.iter_mut() {
        inner.globals.extend(before.take().into_iter().flatten());
        let read = read_by(functions, expr);
        inner.item(ItemMut::Expr(expr));
        before = Some(read);
    }
    inner.safe
}

/// Which expressions have a variable in them, anywhere.
fn readers(body: &Body) -> BTreeMap<Var, Vec<usize>> {
    let mut out: BTreeMap<Var, Vec<usize>> = BTreeMap::new();
    for (at, expr) in body.iter().enumerate() {
        let mut all = VarSet::new();
        collect(Item::Expr(expr), Skip::default(), &mut all);
        all.into_iter().for_each(|var| out.entry(var).or_default().push(at));
    }
    out
}

/// What expressions bind beyond what is safe.
fn bound_beyond<'e>(functions: &Functions<'_>, exprs: impl Iterator<Item = &'e Expr>, safe: &VarSet) -> VarSet {
    let mut all = safe.clone();
    for expr in exprs {
        let new = outputs::of_expr(functions, expr, &all);
        all.extend(new);
    }
    all.difference(safe).copied().collect()
}

/// The variables in bodies inside an expression.
fn closed_over(expr: &Expr) -> VarSet {
    let mut out = VarSet::new();
    walk(Item::Expr(expr), &mut |item| match item {
        Item::Node(node @ Node { value: Value::Comprehension(_), .. }) => {
            of_node(node, &mut out);
            false
        }
        Item::Expr(Expr { kind: Kind::Every(every), .. }) => {
            of_body(&every.body, Skip::default(), &mut out);
            false
        }
        Item::Expr(Expr { kind: Kind::Not(body, _), .. }) => {
            of_body(body, Skip::default(), &mut out);
            false
        }
        Item::Expr(Expr { kind: Kind::Logical(logical), .. }) => {
            logical.sides.iter().for_each(|(body, _)| of_body(body, Skip::default(), &mut out));
            false
        }
        _ => true,
    });
    out
}

/// Puts the bodies inside an expression in order.
struct Inner<'c, 'f> {
    functions: &'c Functions<'f>,
    globals: VarSet,
    safe: bool,
}

impl Inner<'_, '_> {
    fn item(&mut self, item: ItemMut<'_>) {
        match item {
            ItemMut::Node(node) => {
                if let Value::Comprehension(inner) = &mut node.value {
                    let mut read = VarSet::new();
                    inner.key.iter().chain([&inner.value]).for_each(|node| of_node(node, &mut read));
                    self.body(&mut inner.body, &read);
                } else {
                    children_mut(ItemMut::Node(node), &mut |child| self.item(child));
                }
            }
            ItemMut::Expr(expr) => match &mut expr.kind {
                Kind::Every(every) => {
                    self.globals.extend(every.key.iter().chain([&every.value]).filter_map(Node::as_var));
                    self.body(&mut every.body, &VarSet::new());
                }
                Kind::Not(body, _) => self.body(body, &VarSet::new()),
                Kind::Logical(logical) => {
                    logical.sides.iter_mut().for_each(|(body, _)| self.body(body, &VarSet::new()));
                }
                _ => children_mut(ItemMut::Expr(expr), &mut |child| self.item(child)),
            },
            other @ ItemMut::With(_) => children_mut(other, &mut |child| self.item(child)),
        }
    }

    fn body(&mut self, inner: &mut Body, read: &VarSet) {
        let mut known = self.globals.clone();
        inner.iter().for_each(|expr| known.extend(read_by(self.functions, expr)));
        self.safe &= read.is_subset(&known);
        self.safe &= body(self.functions, inner, &self.globals);
    }
}
