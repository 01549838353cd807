//! The types of rules, in order of their dependencies, and what does not fit them.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::builtins;
use crate::capabilities::Release;
use crate::diagnostic::{Code, Diagnostic};
use crate::resolve::ModuleError;
use crate::resolve::conflicts;
use crate::resolve::graph::Graph;
use crate::resolve::hoist::Subjects;
use crate::resolve::ir::{Collection, Comprehension, Expr, Names, Node, Rule, Value, ground_prefix};
use crate::resolve::key::Key;
use crate::resolve::text;
use crate::resolve::tree;
use crate::resolve::walk::{Item, ItemMut, walk};
use crate::span::Span;

use super::details::{self, Wanted};
use super::env::{Env, Step, Tree};
use super::signature;
use super::ty::{Function, Type};

/// How many bodies are checked at most: the types of comprehensions inside comprehensions are found again and again.
const FUEL: u32 = 200_000;

/// The layers of names that outlive a rule: built-ins and rules.
const RULES: usize = 2;

/// What types are found from.
pub(in crate::resolve) struct World<'c> {
    pub(in crate::resolve) release: Release,
    pub(in crate::resolve) rules: &'c [Rule],
    pub(in crate::resolve) paths: &'c [Vec<Node>],
    pub(in crate::resolve) tree: &'c tree::Tree,
    pub(in crate::resolve) graph: &'c Graph,
    pub(in crate::resolve) subjects: &'c Subjects,
}

/// An error, and whether an unknown type may be all that is behind it.
pub(super) struct Found {
    pub(super) error: Diagnostic,
    unknown: bool,
}

/// Finds the types of all rules.
pub(super) struct Checker<'c> {
    pub(super) world: World<'c>,
    pub(super) names: &'c Names,
    pub(super) env: Env,
    /// What `with` on a target leaves unknown, by the target.
    relaxed: BTreeMap<String, Option<Rc<Tree>>>,
    fuel: u32,
    /// A call of a built-in that Rego v1 has no more was met.
    deprecated: bool,
}

/// The type errors of the rules, each with its module, and whether calls were met of built-ins that Rego v1 has no more:
/// OPA looks for them only then, and it meets none in the bodies of `every`.
pub(in crate::resolve) fn check(names: &Names, world: World<'_>) -> (Vec<ModuleError>, bool) {
    let env = Env::new(names, world.release);
    let order = world.graph.sorted();
    let rules = world.rules;
    let mut checker = Checker { world, names, env, relaxed: BTreeMap::new(), fuel: FUEL, deprecated: false };
    let mut errors = Vec::new();
    for number in order {
        if let Some(rule) = rules.get(number) {
            let found = checker.rule(number, rule);
            // What was not checked to the end is not known to be wrong.
            if checker.fuel == 0 {
                break;
            }
            errors.extend(found.into_iter().map(|error| ModuleError { module: rule.module, error }));
        }
    }
    (errors, checker.deprecated)
}

/// What a built-in was given and what it takes, where nothing but built-ins has a type.
pub(in crate::resolve) fn argument_details(
    names: &Names,
    release: Release,
    builtin: &'static builtins::Builtin,
    operands: &[Node],
) -> Vec<String> {
    let (tree, graph, subjects) = (tree::Tree::default(), Graph::empty(), Subjects::new());
    let world = World { release, rules: &[], paths: &[], tree: &tree, graph: &graph, subjects: &subjects };
    let env = Env::new(names, release);
    let mut checker = Checker { world, names, env, relaxed: BTreeMap::new(), fuel: FUEL, deprecated: false };
    let have = checker.terms(operands);
    let Some(signature) = signature::of(builtin, release) else {
        return Vec::new();
    };
    details::arguments(release, &have, &Wanted { args: signature.args, more: signature.more })
}

fn is_ground(path: &[Node]) -> bool {
    path.iter().skip(1).all(Node::is_ground)
}

impl<'c> Checker<'c> {
    fn rule(&mut self, number: usize, rule: &Rule) -> Vec<Diagnostic> {
        let path = self.world.paths.get(number).map(Vec::as_slice).unwrap_or_default();
        self.env.push();
        let errors = self.body(&rule.body);
        if !errors.is_empty() {
            self.env.pop_to(RULES);
            if let Some(tree) = self.env.rules() {
                tree.put(path, Type::any());
            }
            return errors;
        }
        let prefix = ground_prefix(path);
        let found = self.rule_type(rule, path);
        self.env.pop_to(RULES);
        if let (Some(tree), false) = (self.env.rules(), found.is_unknown()) {
            tree.insert(prefix, &found);
        }
        Vec::new()
    }

    fn rule_type(&mut self, rule: &Rule, path: &[Node]) -> Type {
        if !rule.args.is_empty() {
            for arg in &rule.args {
                let mut vars = Vec::new();
                walk(Item::Node(arg), &mut |item| {
                    if let Item::Node(node) = item {
                        vars.extend(node.as_var());
                    }
                    true
                });
                for var in vars {
                    if self.env.var(var).is_unknown() {
                        self.env.set_var(var, Type::any());
                    }
                }
            }
            let args = rule.args.iter().map(|arg| self.term(arg)).collect();
            let result = rule.value.as_ref().map_or_else(Type::unknown, |value| self.term(value));
            return Type::function(Function { args, more: Type::unknown(), result });
        }
        let mut found = match (&rule.value, &rule.key) {
            (Some(value), _) => self.term(value),
            (None, Some(key)) => match self.term(key) {
                of if of.is_unknown() => of,
                of => Type::set(of),
            },
            (None, None) => Type::unknown(),
        };
        if !is_ground(path) {
            let rest = path.get(ground_prefix(path).len()..).unwrap_or_default();
            for part in rest.iter().rev() {
                let key = self.term(part);
                if found.is_unknown() || key.is_unknown() {
                    return Type::unknown();
                }
                found = Type::object(Vec::new(), Some((key, found)));
            }
        }
        found
    }

    /// Checks a body in a layer of its own, which is left for the caller to read types from.
    pub(super) fn body(&mut self, body: &[Expr]) -> Vec<Diagnostic> {
        self.env.push();
        let mut errors = Vec::new();
        let Some(fuel) = self.fuel.checked_sub(1) else {
            return errors;
        };
        self.fuel = fuel;
        let layers = self.env.layers.len();
        for expr in body {
            if !expr.with.is_empty() && self.world.release == Release::Opa1_22 {
                self.push_with(expr);
            }
            let closures = self.closures(expr);
            let references = self.references(expr);
            let skip_unknown = !closures.is_empty() || !references.is_empty();
            errors.extend(closures);
            errors.extend(references);
            if let Some(found) = self.expr(expr)
                && !(skip_unknown && found.unknown)
            {
                errors.push(found.error);
            }
            self.env.pop_to(layers);
        }
        errors
    }

    /// The errors in comprehensions of an expression; of the last that has any. What is inside one that has errors is not
    /// looked at; what is inside others is, with what is known here.
    fn closures(&mut self, expr: &Expr) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        let layers = self.env.layers.len();
        walk(Item::Expr(expr), &mut |item| {
            let Item::Node(Node { value: Value::Comprehension(inner), .. }) = item else {
                return true;
            };
            let found = self.body(&inner.body);
            self.env.pop_to(layers);
            let fine = found.is_empty();
            if !fine {
                errors = found;
            }
            fine
        });
        errors
    }

    /// The layers of an expression with `with`: what is replaced, and what depends on that.
    fn push_with(&mut self, expr: &Expr) {
        let mut replaced = Tree::default();
        let mut any = false;
        let base = self.env.layers.len();
        for with in &expr.with {
            let Some(target) = with.target.as_ref() else {
                continue;
            };
            // The types are those around the expression.
            let (is_function, found) = self.below(base, |checker| {
                let before = checker.env.reference(target);
                if before.as_function().is_some() {
                    return (true, before);
                }
                let mut found = Type::any();
                if with.target.is_ground() && !before.is_unknown() {
                    let value = checker.term(&with.value);
                    let either = before.or(&value);
                    if !value.is_unknown() && !either.is_unknown() {
                        found = either;
                    }
                }
                (false, found)
            });
            if let Some(tree) = self.relaxed(target, is_function) {
                self.env.push_with(tree);
            }
            if !is_function {
                any = true;
                replaced.put(ground_prefix(target), found);
            }
        }
        if any {
            self.env.push_with(Rc::new(replaced));
        }
    }

    /// Runs `run` with only the first `count` layers.
    fn below<T>(&mut self, count: usize, run: impl FnOnce(&mut Self) -> T) -> T {
        let above = self.env.layers.split_off(count.min(self.env.layers.len()));
        let result = run(self);
        self.env.pop_to(count);
        self.env.layers.extend(above);
        result
    }

    /// Everything that may depend on what is replaced, as anything.
    fn relaxed(&mut self, target: &[Node], is_function: bool) -> Option<Rc<Tree>> {
        let key = format!("{is_function} {}", text::reference(self.names, target));
        if let Some(tree) = self.relaxed.get(&key) {
            return tree.clone();
        }
        let reached = self.world.tree.reached(target, self.world.paths, true);
        let mut tree: Option<Tree> = None;
        for number in self.world.graph.with_dependents(reached) {
            let path = self.world.paths.get(number).map(|path| ground_prefix(path)).unwrap_or_default();
            let same = || {
                let steps = |path: &[Node]| path.iter().map(Step::of).collect::<Option<Vec<_>>>();
                steps(path).is_some_and(|path| steps(target) == Some(path))
            };
            if !(is_function && same()) {
                tree.get_or_insert_default().put(path, Type::any());
            }
        }
        let tree = tree.map(Rc::new);
        self.relaxed.insert(key, tree.clone());
        tree
    }

    /// The type of a term; unknown while that of a variable in it is.
    pub(super) fn term(&mut self, node: &Node) -> Type {
        let old = self.world.release == Release::Opa1_17;
        match &node.value {
            Value::Null => Type::null(),
            Value::Bool(_) => Type::boolean(),
            Value::Number(_) => Type::number(),
            Value::String(_) | Value::Template(_) => Type::string(),
            Value::Var(var) => self.env.var(*var),
            Value::Ref(parts) => self.env.reference(parts),
            Value::Array(items) => {
                let rest = if old && items.is_empty() { Type::any() } else { Type::unknown() };
                Type::array(items.iter().map(|item| self.term(item)).collect(), rest)
            }
            Value::Object(pairs) => {
                let mut fixed = Vec::new();
                let mut rest = None;
                for (key, value) in pairs {
                    match Key::of(key) {
                        Some(key) => fixed.push((key, self.term(value))),
                        None => rest = Some((self.term(key), self.term(value))),
                    }
                }
                if old && pairs.is_empty() {
                    rest = Some((Type::any(), Type::any()));
                }
                Type::object(fixed, rest)
            }
            Value::Set(items) => {
                let of = items.iter().fold(Type::unknown(), |of, item| of.or(&self.term(item)));
                Type::set(if old && of.is_unknown() { Type::any() } else { of })
            }
            Value::Comprehension(inner) => self.comprehension(inner),
            Value::Call(_) => Type::unknown(),
        }
    }

    fn comprehension(&mut self, inner: &Comprehension) -> Type {
        let layers = self.env.layers.len();
        let errors = self.body(&inner.body);
        let found = if !errors.is_empty() {
            Type::unknown()
        } else {
            let value = self.term(&inner.value);
            match inner.makes {
                Collection::Array => Type::array(Vec::new(), value),
                Collection::Set => Type::set(value),
                Collection::Object => {
                    let key = inner.key.as_ref().map_or_else(Type::unknown, |key| self.term(key));
                    Type::object(Vec::new(), Some((key, value)))
                }
            }
        };
        self.env.pop_to(layers);
        found
    }

    fn terms(&mut self, nodes: &[Node]) -> Vec<Type> {
        nodes.iter().map(|node| self.term(node)).collect()
    }

    fn expr(&mut self, expr: &Expr) -> Option<Found> {
        for with in &expr.with {
            let target = self.term(&with.target);
            let value = self.term(&with.value);
            if let (Some(want), Some(have)) = (target.as_function(), value.as_function())
                && !target.unifies(&value)
            {
                let parts = with.target.as_ref().unwrap_or_default();
                let name = text::reference(self.names, parts);
                let wanted = self.wanted(&name, want, false);
                return Some(self.arguments(with.span, &name, "arity mismatch", &have.args, &wanted));
            }
        }
        let (operator, operands) = expr.call()?;
        let name = text::operator(self.names, operator);
        self.deprecated |= builtins::find(&name).is_some_and(|builtin| builtin.deprecated);
        match name.as_str() {
            "eq" => return self.equality(expr.span, operands),
            "internal.member_2" | "internal.member_3" if self.world.release == Release::Opa1_22 => {
                if let Some(found) = self.membership(expr.span, operands, name.ends_with('3')) {
                    return Some(found);
                }
            }
            _ => {}
        }
        self.call(expr.span, operator, operands)
    }

    /// What may be in a collection depends on the collection.
    fn membership(&mut self, span: Span, operands: &[Node], with_key: bool) -> Option<Found> {
        let arity = if with_key { 3 } else { 2 };
        let collection = self.term(operands.get(arity - 1)?);
        let values = collection.values();
        if values.is_unknown() {
            return None;
        }
        let key = with_key.then(|| (operands.first(), collection.keys()));
        let value = (operands.get(arity - 2), values);
        for (operand, wanted) in key.into_iter().chain([value]) {
            let operand = operand?;
            if wanted.is_partly_unknown() {
                continue;
            }
            let have = self.term(operand);
            let differs = !have.is_partly_unknown() && !have.unifies(&wanted);
            if differs || !self.fit(operand, &wanted, false) {
                return Some(self.mismatch(span, &have, &wanted));
            }
        }
        None
    }

    fn equality(&mut self, span: Span, operands: &[Node]) -> Option<Found> {
        let [left, right] = operands else {
            let have = self.terms(operands);
            let what = if operands.len() < 2 { "too few arguments" } else { "too many arguments" };
            let any = || signature::Named::nameless(Type::any());
            let wanted = Wanted { args: vec![any(), any()], more: None };
            return Some(self.arguments(span, "eq", what, &have, &wanted));
        };
        let (left_type, right_type) = (self.term(left), self.term(right));
        if self.fit_both(left, &left_type, right, &right_type) {
            return None;
        }
        Some(self.mismatch(span, &left_type, &right_type))
    }

    fn call(&mut self, span: Span, operator: &Node, operands: &[Node]) -> Option<Found> {
        let parts = operator.as_ref()?;
        let found = self.env.reference(parts);
        if found.is_any() {
            return None;
        }
        let name = text::reference(self.names, parts);
        let Some(function) = found.as_function() else {
            let error = Diagnostic::new(Code::Type, span, format!("undefined function {name}"));
            return Some(Found { error, unknown: false });
        };
        let mut wanted: Vec<Type> = function.args.clone();
        if !function.result.is_unknown() {
            wanted.push(function.result.clone());
        }
        let text = self.wanted(&name, function, true);
        let too_many = operands.len() > wanted.len() && function.more.is_unknown();
        if too_many || operands.len() < function.args.len() {
            let what = if too_many { "too many arguments" } else { "too few arguments" };
            let have = self.terms(operands);
            return Some(self.arguments(span, &name, what, &have, &text));
        }
        let have = self.terms(operands);
        for (at, (operand, own)) in operands.iter().zip(&have).enumerate() {
            let want = wanted.get(at).unwrap_or(&function.more);
            if !own.is_partly_unknown() && !own.unifies(want) {
                return Some(self.arguments(span, &name, "invalid argument(s)", &have, &text));
            }
            if !self.fit(operand, want, false) {
                let have = self.terms(operands);
                return Some(self.arguments(span, &name, "invalid argument(s)", &have, &text));
            }
        }
        None
    }

    /// What a function takes; with the result where a call may name it.
    fn wanted(&self, name: &str, function: &Function, with_result: bool) -> Wanted {
        let builtin = builtins::find(name).filter(|builtin| builtin.is_in(self.world.release));
        if let Some(signature) = builtin.and_then(|builtin| signature::of(builtin, self.world.release)) {
            let result = signature.result.filter(|_| with_result);
            return Wanted { args: signature.args.into_iter().chain(result).collect(), more: signature.more };
        }
        let result = Some(&function.result).filter(|result| with_result && !result.is_unknown());
        let all = function.args.iter().chain(result).cloned();
        Wanted { args: all.map(signature::Named::nameless).collect(), more: None }
    }

    fn arguments(&self, span: Span, name: &str, what: &str, have: &[Type], wanted: &Wanted) -> Found {
        let error = Diagnostic::new(Code::Type, span, format!("{name}: {what}"));
        let error = error.with_details(details::arguments(self.world.release, have, wanted));
        Found { error, unknown: have.iter().any(Type::is_partly_unknown) }
    }

    fn mismatch(&self, span: Span, left: &Type, right: &Type) -> Found {
        let error = Diagnostic::new(Code::Type, span, "match error");
        let error = error.with_details(details::mismatch(self.world.release, left, right));
        Found { error, unknown: left.is_partly_unknown() || right.is_partly_unknown() }
    }

    /// A reference as its author wrote it.
    pub(super) fn written(&self, parts: &[Node]) -> Vec<Node> {
        let part = |part: &Node| {
            let subject = part.as_var().and_then(|var| self.world.subjects.get(&var));
            let mut node = subject.unwrap_or(part).clone();
            conflicts::rename(self.names, ItemMut::Node(&mut node));
            node
        };
        parts.iter().map(part).collect()
    }
}
