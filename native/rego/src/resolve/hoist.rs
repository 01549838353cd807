//! What must be evaluated moves out of terms into equalities of its own.

use crate::capabilities::Release;

use super::ir::{Body, Expr, Kind, Names, Node, Rule, Value, Var, With, append};
use super::walk::{Item, ItemMut, children_mut, walk};

/// The terms that variables stand for, to show in errors.
pub(super) type Subjects = std::collections::HashMap<Var, Node>;

/// The stages that move terms.
pub(super) struct Hoist<'n> {
    pub(super) names: &'n mut Names,
    pub(super) subjects: Subjects,
    /// OPA 1.22 shows the terms that variables stand for.
    pub(super) release: Release,
}

impl Hoist<'_> {
    fn record(&mut self, var: Var, node: Node) {
        if self.release == Release::Opa1_22 {
            self.subjects.insert(var, node);
        }
    }

    /// `fresh = node`.
    fn equality(&mut self, node: Node) -> (Var, Expr) {
        let var = self.names.fresh();
        (var, Expr::equality(Node::var(node.span, var), node))
    }

    /// Replaces `node` by a new variable and answers their equality.
    fn replace(&mut self, node: &mut Node) -> (Var, Expr) {
        let span = node.span;
        let taken = std::mem::replace(node, Node::new(span, Value::Null));
        let (var, equality) = self.equality(taken);
        node.value = Value::Var(var);
        (var, equality)
    }

    /// Parts of a rule's path that are neither constants nor variables move into the body.
    pub(super) fn head_paths(&mut self, rules: &mut [Rule]) {
        for rule in rules.iter_mut().filter(|rule| rule.first) {
            let last = rule.reference.len().saturating_sub(1);
            let is_object = rule.value.is_some() && rule.key.is_some();
            let mut added = Vec::new();
            for (at, part) in rule.reference.iter_mut().enumerate().skip(1) {
                if part.is_scalar() || part.as_var().is_some() {
                    continue;
                }
                let (var, equality) = self.replace(part);
                if at == last && is_object {
                    rule.key = Some(Node::var(part.span, var));
                }
                added.push(equality);
            }
            append(&mut rule.body, added);
        }
    }

    /// Calls inside terms become expressions of their own.
    pub(super) fn calls(&mut self, rules: &mut [Rule]) {
        for rule in rules {
            for node in rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value) {
                let mut support = Vec::new();
                self.calls_in(node, &mut support);
                append(&mut rule.body, support);
            }
            self.calls_in_body(&mut rule.body);
        }
    }

    fn calls_in_body(&mut self, body: &mut Body) {
        let mut out = Vec::with_capacity(body.len());
        for expr in body.drain(..) {
            self.calls_in_expr(expr, &mut out);
        }
        *body = out;
    }

    fn calls_in_expr(&mut self, mut expr: Expr, out: &mut Body) {
        expr.with.iter_mut().for_each(|with| self.calls_in(&mut with.value, out));
        let start = out.len();
        match &mut expr.kind {
            Kind::Term(node) => self.calls_in(node, out),
            Kind::Call(terms) => terms.iter_mut().skip(1).for_each(|term| self.calls_in(term, out)),
            Kind::Every(every) => {
                let (_, mut equality) = self.replace(&mut every.domain);
                equality.with.clone_from(&expr.with);
                self.calls_in_expr(equality, out);
                self.calls_in_body(&mut every.body);
                out.push(expr);
                return;
            }
            Kind::Not(body, _) => self.calls_in_body(body),
            Kind::Logical(logical) => logical.sides.iter_mut().for_each(|(body, _)| self.calls_in_body(body)),
            Kind::Some(_) => {}
        }
        if !expr.with.is_empty() {
            out.iter_mut().skip(start).for_each(|added| added.with.clone_from(&expr.with));
        }
        out.push(expr);
    }

    fn calls_in(&mut self, node: &mut Node, out: &mut Body) {
        match &mut node.value {
            Value::Call(terms) => {
                terms.iter_mut().skip(1).for_each(|term| self.calls_in(term, out));
                let mut terms = std::mem::take(terms);
                let output = Node::var(node.span, self.names.fresh());
                terms.push(output.clone());
                let mut expr = Expr::new(node.span, Kind::Call(terms));
                expr.generated = true;
                out.push(expr);
                *node = output;
            }
            Value::Ref(parts) => self.calls_in_ref(parts, out),
            Value::Array(items) | Value::Set(items) => items.iter_mut().for_each(|item| self.calls_in(item, out)),
            Value::Object(pairs) => pairs.iter_mut().for_each(|(key, value)| {
                self.calls_in(key, out);
                self.calls_in(value, out);
            }),
            Value::Comprehension(inner) => {
                let inner = &mut **inner;
                for node in inner.key.iter_mut().chain([&mut inner.value]) {
                    let mut support = Vec::new();
                    self.calls_in(node, &mut support);
                    append(&mut inner.body, support);
                }
                self.calls_in_body(&mut inner.body);
            }
            _ => {}
        }
    }

    /// The head of a reference that is no name gets one.
    fn calls_in_ref(&mut self, parts: &mut [Node], out: &mut Body) {
        for part in parts.iter_mut() {
            let call = matches!(part.value, Value::Call(_)).then(|| part.clone());
            self.calls_in(part, out);
            if let (Some(call), Some(var)) = (call, part.as_var()) {
                self.record(var, call);
            }
        }
        let Some(head) = parts.first_mut() else {
            return;
        };
        if matches!(head.value, Value::Array(_) | Value::Object(_) | Value::Set(_) | Value::Comprehension(_)) {
            let subject = head.clone();
            let (var, equality) = self.replace(head);
            self.record(var, subject);
            out.push(equality);
        }
    }

    /// What comprehensions yield is named in their bodies.
    pub(super) fn comprehension_heads(&mut self, rules: &mut [Rule]) {
        for rule in rules {
            let head = rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value);
            head.for_each(|node| self.comprehension_head(ItemMut::Node(node)));
            rule.body.iter_mut().for_each(|expr| self.comprehension_head(ItemMut::Expr(expr)));
        }
    }

    fn comprehension_head(&mut self, item: ItemMut<'_>) {
        match item {
            ItemMut::Node(node) => {
                children_mut(ItemMut::Node(node), &mut |child| self.comprehension_head(child));
                if let Value::Comprehension(inner) = &mut node.value {
                    let inner = &mut **inner;
                    for node in inner.key.iter_mut().chain([&mut inner.value]) {
                        if node.requires_eval() {
                            let (_, equality) = self.replace(node);
                            append(&mut inner.body, vec![equality]);
                        }
                    }
                }
            }
            other => children_mut(other, &mut |child| self.comprehension_head(child)),
        }
    }

    /// What a rule yields is named in its body.
    pub(super) fn heads(&mut self, rules: &mut [Rule]) {
        for rule in rules {
            for node in rule.key.iter_mut().chain(&mut rule.value).chain(&mut rule.args) {
                if node.requires_eval() {
                    let (_, equality) = self.replace(node);
                    append(&mut rule.body, vec![equality]);
                }
            }
        }
    }

    /// References and comprehensions in terms come before what reads them.
    pub(super) fn dynamics(&mut self, rules: &mut [Rule]) {
        rules.iter_mut().for_each(|rule| self.dynamics_in_body(&mut rule.body));
    }

    fn dynamics_in_body(&mut self, body: &mut Body) {
        let mut out = Vec::with_capacity(body.len());
        for mut expr in body.drain(..) {
            let with = expr.with.clone();
            let equality = expr.operands_of(Var::EQ).is_some();
            match &mut expr.kind {
                Kind::Term(node) => self.dynamics_below(node, &with, &mut out),
                Kind::Call(terms) if equality => {
                    if terms.len() == 3 {
                        terms.iter_mut().skip(1).for_each(|term| self.dynamics_below(term, &with, &mut out));
                    }
                }
                Kind::Call(terms) => terms.iter_mut().skip(1).for_each(|term| self.dynamic(term, &with, &mut out)),
                Kind::Every(every) => {
                    self.dynamic(&mut every.domain, &with, &mut out);
                    self.dynamics_in_body(&mut every.body);
                }
                Kind::Not(body, _) => self.dynamics_in_body(body),
                Kind::Logical(logical) => logical.sides.iter_mut().for_each(|(body, _)| self.dynamics_in_body(body)),
                Kind::Some(_) => {}
            }
            out.push(expr);
        }
        *body = out;
    }

    /// As [`Self::dynamic`], but the reference or comprehension itself stays.
    fn dynamics_below(&mut self, node: &mut Node, with: &[With], out: &mut Body) {
        match &mut node.value {
            Value::Ref(parts) => parts.iter_mut().skip(1).for_each(|part| self.dynamic(part, with, out)),
            Value::Comprehension(inner) => self.dynamics_in_body(&mut inner.body),
            _ => self.dynamic(node, with, out),
        }
    }

    fn dynamic(&mut self, node: &mut Node, with: &[With], out: &mut Body) {
        match &mut node.value {
            Value::Ref(_) | Value::Comprehension(_) => {
                match &mut node.value {
                    Value::Ref(parts) => parts.iter_mut().skip(1).for_each(|part| self.dynamic(part, with, out)),
                    Value::Comprehension(inner) => self.dynamics_in_body(&mut inner.body),
                    _ => {}
                }
                let subject = node.clone();
                let (var, mut equality) = self.replace(node);
                equality.with = with.to_vec();
                out.push(equality);
                self.record(var, subject);
            }
            Value::Array(items) | Value::Set(items) => items.iter_mut().for_each(|item| self.dynamic(item, with, out)),
            Value::Object(pairs) => pairs.iter_mut().for_each(|(key, value)| {
                self.dynamic(key, with, out);
                self.dynamic(value, with, out);
            }),
            _ => {}
        }
    }

    /// Values of `with` that must be evaluated are, before the expression. `eval` answers, in the order of [`super::with::each`],
    /// which must.
    pub(super) fn with_values(&mut self, rule: &mut Rule, eval: &mut dyn FnMut() -> bool) {
        for node in rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value) {
            self.with_values_below(ItemMut::Node(node), eval);
        }
        self.with_values_in(&mut rule.body, eval);
    }

    fn with_values_in(&mut self, body: &mut Body, eval: &mut dyn FnMut() -> bool) {
        let mut out = Vec::with_capacity(body.len());
        for mut expr in body.drain(..) {
            self.with_values_below(ItemMut::Expr(&mut expr), eval);
            for with in &mut expr.with {
                if eval() {
                    let (_, equality) = self.replace(&mut with.value);
                    out.push(equality);
                }
            }
            out.push(expr);
        }
        *body = out;
    }

    /// The bodies inside something.
    fn with_values_below(&mut self, item: ItemMut<'_>, eval: &mut dyn FnMut() -> bool) {
        match item {
            ItemMut::Node(Node { value: Value::Comprehension(inner), .. }) => {
                let inner = &mut **inner;
                for node in inner.key.iter_mut().chain([&mut inner.value]) {
                    self.with_values_below(ItemMut::Node(node), eval);
                }
                self.with_values_in(&mut inner.body, eval);
            }
            ItemMut::Expr(expr) => {
                match &mut expr.kind {
                    Kind::Term(node) => self.with_values_below(ItemMut::Node(node), eval),
                    Kind::Call(nodes) | Kind::Some(nodes) => {
                        nodes.iter_mut().for_each(|node| self.with_values_below(ItemMut::Node(node), eval));
                    }
                    Kind::Every(every) => {
                        self.with_values_below(ItemMut::Node(&mut every.domain), eval);
                        self.with_values_in(&mut every.body, eval);
                    }
                    Kind::Not(body, _) => self.with_values_in(body, eval),
                    Kind::Logical(logical) => {
                        logical.sides.iter_mut().for_each(|(body, _)| self.with_values_in(body, eval));
                    }
                }
                for with in &mut expr.with {
                    self.with_values_below(ItemMut::With(with), eval);
                }
            }
            other => children_mut(other, &mut |child| self.with_values_below(child, eval)),
        }
    }
}

/// `==` of two operands is `=` from here on.
pub(super) fn equals(rules: &mut [Rule]) {
    for rule in rules {
        let head = rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value);
        head.for_each(|node| equal(ItemMut::Node(node)));
        rule.body.iter_mut().for_each(|expr| equal(ItemMut::Expr(expr)));
    }
}

fn equal(item: ItemMut<'_>) {
    match item {
        ItemMut::Expr(expr) => {
            if expr.operands_of(Var::EQUAL).is_some_and(|operands| operands.len() == 2)
                && let Kind::Call(terms) = &mut expr.kind
                && let Some(operator) = terms.first_mut()
            {
                operator.value = Value::Ref(vec![Node::var(operator.span, Var::EQ)]);
            }
            children_mut(ItemMut::Expr(expr), &mut equal);
        }
        other => children_mut(other, &mut equal),
    }
}

/// Calls of `print` are left out.
pub(super) fn erase_prints(rules: &mut [Rule]) {
    for rule in rules {
        let head = rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value);
        head.for_each(|node| erase_below(ItemMut::Node(node)));
        erase_in(&mut rule.body);
    }
}

fn erase_in(body: &mut Body) {
    if !body.iter().any(|expr| has_print(Item::Expr(expr))) {
        return;
    }
    let span = body.first().map(|expr| expr.span).unwrap_or_default();
    body.iter_mut().for_each(|expr| erase_below(ItemMut::Expr(expr)));
    body.retain(|expr| expr.operands_of(Var::PRINT).is_none());
    if body.is_empty() {
        body.push(Expr::always(span));
    }
}

fn erase_below(item: ItemMut<'_>) {
    match item {
        ItemMut::Expr(expr) => {
            match &mut expr.kind {
                Kind::Every(every) => erase_in(&mut every.body),
                Kind::Not(body, _) => erase_in(body),
                Kind::Logical(logical) => logical.sides.iter_mut().for_each(|(body, _)| erase_in(body)),
                _ => {}
            }
            children_mut(ItemMut::Expr(expr), &mut erase_below);
        }
        ItemMut::Node(node) => {
            if let Value::Comprehension(inner) = &mut node.value {
                erase_in(&mut inner.body);
            }
            children_mut(ItemMut::Node(node), &mut erase_below);
        }
        ItemMut::With(with) => children_mut(ItemMut::With(with), &mut erase_below),
    }
}

fn has_print(item: Item<'_>) -> bool {
    let mut found = false;
    walk(item, &mut |item| {
        found |= matches!(item, Item::Expr(expr) if expr.operands_of(Var::PRINT).is_some());
        !found
    });
    found
}
