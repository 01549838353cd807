//! Takes syntax apart into atoms.

use std::sync::Arc;

use fleetgate_rego::Span;
use fleetgate_rego::ast::{
    Body, Call, Expr, ExprKind, Logical, Rule, Template, TemplatePart, Term as SyntaxTerm, TermRef, Value as Syntax,
    With,
};
use fleetgate_value::{Number, Str, Value};

use super::atom::{Atom, AtomKind, GatherTerms, Nested, Root, Term, Var, WithTerm, WithValue};
use super::names::{Document, Global};
use super::scope::{Scopes, VarInfo};
use super::{ClauseContext, Compiled};
use crate::error::{Error, UNSUPPORTED};
use crate::ir::{Callee, Comparison, Program, Target};

/// The atoms of one clause.
pub(super) struct Flatten<'a, 'c> {
    program: &'a mut Program,
    context: &'a ClauseContext<'c>,
    scopes: Scopes,
    /// The rule that the clause is of, and whether it is behind an `else`.
    rule: Option<(&'a Rule, bool)>,
}

/// The variables of a clause's arguments, in order, and what they must match.
pub(super) struct Arguments {
    pub(super) vars: Vec<Var>,
    /// Arguments that are no variables, with the variables that stand for them.
    pub(super) patterns: Vec<(Var, TermRef)>,
}

/// What is known when a clause is flat.
pub(super) struct Flat {
    pub(super) vars: Vec<VarInfo>,
}

impl<'a, 'c> Flatten<'a, 'c> {
    pub(super) fn new(program: &'a mut Program, context: &'a ClauseContext<'c>) -> Self {
        Self { program, context, scopes: Scopes::default(), rule: None }
    }

    /// The clause is of a rule, possibly behind an `else`.
    pub(super) const fn of_rule(&mut self, rule: &'a Rule, is_else: bool) {
        self.rule = Some((rule, is_else));
    }

    pub(super) fn finish(self) -> Flat {
        Flat { vars: self.scopes.vars }
    }

    /// The names of the body that was read last, without those of wildcards.
    pub(super) fn visible_names(&self) -> Vec<(Arc<str>, Var)> {
        self.scopes.innermost().into_iter().filter(|(name, _)| !name.starts_with('$')).collect()
    }

    /// Opens the clause with its arguments.
    pub(super) fn arguments(&mut self, args: &[TermRef]) -> Arguments {
        self.scopes.open();
        let mut vars = Vec::with_capacity(args.len());
        let mut patterns = Vec::new();
        for arg in args {
            self.declare_all(arg);
            if let Some(name) = arg.as_var() {
                let repeated = self.scopes.find(name).is_some_and(|var| vars.contains(&var));
                if !repeated {
                    vars.push(self.scopes.declare(name, arg.span));
                    continue;
                }
            }
            let var = self.scopes.fresh(arg.span);
            vars.push(var);
            patterns.push((var, arg.clone()));
        }
        Arguments { vars, patterns }
    }

    fn declare_all(&mut self, term: &TermRef) {
        match &term.value {
            Syntax::Var(name) => {
                self.scopes.declare(name, term.span);
            }
            Syntax::Array(items) | Syntax::Set(items) => items.iter().for_each(|item| self.declare_all(item)),
            Syntax::Object(pairs) => pairs.iter().for_each(|(_, value)| self.declare_all(value)),
            _ => {}
        }
    }

    /// The atoms of the clause's body; `heads` are terms outside that belong to it. The body stays open for them.
    pub(super) fn body(&mut self, body: &Body, heads: &[TermRef], arguments: &Arguments) -> Compiled<Vec<Atom>> {
        self.scopes.open();
        self.scopes.own(body, heads, self.context.globals);
        let mut atoms = Vec::new();
        for (var, pattern) in &arguments.patterns {
            let term = self.term(pattern, &mut atoms)?;
            self.unify(Term::Var(*var), term, pattern.span, &mut atoms);
        }
        for expr in &body.exprs {
            self.expr(expr, &mut atoms)?;
        }
        Ok(atoms)
    }

    /// A body inside an expression.
    fn nested(
        &mut self,
        body: &Body,
        heads: &[TermRef],
        patterns: &[&TermRef],
    ) -> Compiled<(Nested, Vec<Term>, Vec<Var>)> {
        let scope = self.scopes.open();
        let mut vars = Vec::new();
        for pattern in patterns {
            vars.push(match pattern.as_var() {
                Some(name) => self.scopes.declare(name, pattern.span),
                None => self.scopes.fresh(pattern.span),
            });
            self.scopes.declare_pattern(pattern);
        }
        self.scopes.own(body, heads, self.context.globals);
        let mut atoms = Vec::new();
        for (pattern, var) in patterns.iter().zip(&vars) {
            if pattern.as_var().is_none() {
                let term = self.term(pattern, &mut atoms)?;
                self.unify(Term::Var(*var), term, pattern.span, &mut atoms);
            }
        }
        for expr in &body.exprs {
            self.expr(expr, &mut atoms)?;
        }
        let mut terms = Vec::with_capacity(heads.len());
        for head in heads {
            terms.push(self.term(head, &mut atoms)?);
        }
        self.scopes.close();
        let needs = self.needs(scope, &atoms, &terms);
        Ok((Nested { atoms, needs }, terms, vars))
    }

    /// The variables of bodies around `scope` that are used inside.
    fn needs(&self, scope: usize, atoms: &[Atom], terms: &[Term]) -> Vec<Var> {
        let mut needs = Vec::new();
        let mut see = |var: Var| {
            if self.scopes.vars.get(var).is_some_and(|info| info.scope < scope) {
                needs.push(var);
            }
        };
        atoms.iter().for_each(|atom| atom.vars(&mut see));
        terms.iter().for_each(|term| term.vars(&mut see));
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    fn atom(&self, span: Span, kind: AtomKind) -> Atom {
        Atom { place: self.context.place(span), kind }
    }

    fn expr(&mut self, expr: &Expr, out: &mut Vec<Atom>) -> Compiled<()> {
        if self.is_dropped(expr) {
            return Ok(());
        }
        if expr.with.is_empty() {
            return self.modified(expr, out);
        }
        let mut targets = Vec::with_capacity(expr.with.len());
        for with in &expr.with {
            targets.push(self.with(with, out)?);
        }
        let mut body = Vec::new();
        self.modified(expr, &mut body)?;
        out.push(self.atom(expr.span, AtomKind::With { targets, body }));
        Ok(())
    }

    fn is_dropped(&self, expr: &Expr) -> bool {
        let is_print = expr.as_call().is_some_and(|call| call.is("print"));
        is_print && (!self.context.options.prints || self.scopes.find("print").is_some())
    }

    /// An expression with its `not`.
    fn modified(&mut self, expr: &Expr, out: &mut Vec<Atom>) -> Compiled<()> {
        if !expr.negated {
            return self.plain(expr, out);
        }
        // What the expression needs of its own is of a body inside; all its names are of the body around.
        let scope = self.scopes.open();
        let mut atoms = Vec::new();
        let read = self.plain(expr, &mut atoms);
        self.scopes.close();
        read?;
        let needs = self.needs(scope, &atoms, &[]);
        out.push(self.atom(expr.span, AtomKind::Not(Nested { atoms, needs })));
        Ok(())
    }

    fn plain(&mut self, expr: &Expr, out: &mut Vec<Atom>) -> Compiled<()> {
        match &expr.kind {
            ExprKind::Term(term) => {
                if let Syntax::Call(call) = &term.value {
                    return self.call_expr(call, term.span, out);
                }
                let value = self.term(term, out)?;
                out.push(self.atom(expr.span, AtomKind::Test(value)));
                Ok(())
            }
            ExprKind::Call(call) => self.call_expr(call, expr.span, out),
            ExprKind::Some(symbols) => {
                for symbol in symbols {
                    match &symbol.value {
                        Syntax::Call(call) => self.some_in(call, symbol.span, out)?,
                        _ => self.scopes.activate(symbol),
                    }
                }
                Ok(())
            }
            ExprKind::Every(every) => {
                let domain = self.term(&every.domain, out)?;
                let patterns: Vec<&TermRef> = every.key.iter().chain([&every.value]).collect();
                let (body, _, vars) = self.nested(&every.body, &[], &patterns)?;
                let (key, value) = match vars.as_slice() {
                    [key, value] => (*key, *value),
                    [value] => (self.scopes.fresh(expr.span), *value),
                    _ => (self.scopes.fresh(expr.span), self.scopes.fresh(expr.span)),
                };
                out.push(self.atom(expr.span, AtomKind::Every { domain, key, value, body }));
                Ok(())
            }
            ExprKind::Not(not) => {
                let (body, _, _) = self.nested(&not.body, &[], &[])?;
                out.push(self.atom(expr.span, AtomKind::Not(body)));
                Ok(())
            }
            ExprKind::And(sides) => {
                for side in [&sides.lhs, &sides.rhs] {
                    let (body, _, _) = self.nested(side, &[], &[])?;
                    out.push(self.atom(expr.span, AtomKind::Any(vec![body])));
                }
                Ok(())
            }
            ExprKind::Or(sides) => {
                let bodies = self.sides(sides)?;
                out.push(self.atom(expr.span, AtomKind::Any(bodies)));
                Ok(())
            }
        }
    }

    fn sides(&mut self, sides: &Logical) -> Compiled<Vec<Nested>> {
        let (left, _, _) = self.nested(&sides.lhs, &[], &[])?;
        let (right, _, _) = self.nested(&sides.rhs, &[], &[])?;
        Ok(vec![left, right])
    }

    /// `some x in xs`, `some k, v in xs`
    fn some_in(&mut self, call: &Call, span: Span, out: &mut Vec<Atom>) -> Compiled<()> {
        let (key, value, domain) = match call.args.as_slice() {
            [value, domain] => (None, value, domain),
            [key, value, domain] => (Some(key), value, domain),
            _ => return Ok(()),
        };
        let domain = self.term(domain, out)?;
        key.into_iter().chain([value]).for_each(|declared| self.scopes.activate(declared));
        let found = self.scopes.fresh(span);
        let step = self.scopes.fresh(span);
        let reference = AtomKind::Reference { root: Root::Term(domain), path: vec![Term::Var(step)], out: found };
        out.push(self.atom(span, reference));
        if let Some(key) = key {
            let key_term = self.term(key, out)?;
            self.unify(key_term, Term::Var(step), key.span, out);
        }
        let value_term = self.term(value, out)?;
        self.unify(value_term, Term::Var(found), value.span, out);
        Ok(())
    }

    /// A call that is an expression of its own.
    fn call_expr(&mut self, call: &Call, span: Span, out: &mut Vec<Atom>) -> Compiled<()> {
        if (call.is("eq") || call.is("assign"))
            && let [left, right] = call.args.as_slice()
        {
            // The right side of a declaration does not know what is declared.
            let right = self.term(right, out)?;
            if call.is("assign") {
                self.scopes.activate(left);
            }
            let left = self.term(left, out)?;
            self.unify(left, right, span, out);
            return Ok(());
        }
        if call.is("print") {
            return self.print(call, span, out);
        }
        if let Some(known) = self.metadata(call, span)? {
            // Without an operand that takes it there is nothing that could fail.
            if let [output] = call.args.as_slice() {
                let output = self.term(output, out)?;
                self.unify(output, Term::Const(known), span, out);
            }
            return Ok(());
        }
        let callee = self.callee(call, span)?;
        let arity = self.arity(&callee, call);
        let (inputs, output) = match call.args.split_last() {
            Some((output, inputs)) if arity == Some(inputs.len()) => (inputs, Some(output)),
            _ => (call.args.as_slice(), None),
        };
        let mut args = Vec::with_capacity(inputs.len());
        for arg in inputs {
            args.push(self.term(arg, out)?);
        }
        let Some(output) = output else {
            let is_relation = matches!(&callee, Called::Walk);
            let result = if is_relation { Some(self.scopes.fresh(span)) } else { None };
            let atom = self.called(callee, args, result, span);
            out.push(atom);
            return Ok(());
        };
        let result = self.scopes.fresh(span);
        let atom = self.called(callee, args, Some(result), span);
        out.push(atom);
        let output_term = self.term(output, out)?;
        self.unify(output_term, Term::Var(result), span, out);
        Ok(())
    }

    fn called(&mut self, callee: Called, mut args: Vec<Term>, out: Option<Var>, span: Span) -> Atom {
        let kind = match callee {
            Called::Walk => {
                let value = args.pop().unwrap_or(Term::Const(Value::Null));
                let out = out.unwrap_or_else(|| self.scopes.fresh(span));
                AtomKind::Walk { value, out }
            }
            Called::Compare(how) => {
                let right = args.pop().unwrap_or(Term::Const(Value::Null));
                let left = args.pop().unwrap_or(Term::Const(Value::Null));
                AtomKind::Compare { how, left, right, out }
            }
            Called::Callee(callee) => AtomKind::Call { callee, args, out },
        };
        self.atom(span, kind)
    }

    /// What is printed is gathered by comprehensions, so that an undefined operand keeps nothing from being printed.
    fn print(&mut self, call: &Call, span: Span, out: &mut Vec<Atom>) -> Compiled<()> {
        let mut parts = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            parts.push(self.values_of(&Expr::new(arg.span, ExprKind::Term(arg.clone())), out)?);
        }
        let callee = self.builtin("internal.print", span)?;
        out.push(self.atom(span, AtomKind::Call { callee, args: vec![Term::Array(parts)], out: None }));
        Ok(())
    }

    /// The set of an expression's values.
    fn values_of(&mut self, expr: &Expr, out: &mut Vec<Atom>) -> Compiled<Term> {
        let scope = self.scopes.open();
        let mut atoms = Vec::new();
        let body = Body { exprs: vec![expr.clone()] };
        self.scopes.own(&body, &[], self.context.globals);
        let value = match &expr.kind {
            ExprKind::Term(term) => self.term(term, &mut atoms),
            ExprKind::Call(call) => {
                let term = SyntaxTerm::new(expr.span, Syntax::Call(call.clone()));
                self.term(&term, &mut atoms)
            }
            _ => self.expr(expr, &mut atoms).map(|()| Term::Const(Value::Bool(true))),
        };
        let value = value.and_then(|value| self.under(expr, value, atoms));
        self.scopes.close();
        let (value, atoms) = value?;
        let needs = self.needs(scope, &atoms, std::slice::from_ref(&value));
        let result = self.scopes.fresh(expr.span);
        let body = Nested { atoms, needs };
        out.push(self.atom(expr.span, AtomKind::Comprehension { gather: GatherTerms::Set(value), body, out: result }));
        Ok(Term::Var(result))
    }

    fn under(&mut self, expr: &Expr, value: Term, atoms: Vec<Atom>) -> Compiled<(Term, Vec<Atom>)> {
        if expr.with.is_empty() {
            return Ok((value, atoms));
        }
        let mut outer = Vec::new();
        let mut targets = Vec::with_capacity(expr.with.len());
        for with in &expr.with {
            targets.push(self.with(with, &mut outer)?);
        }
        outer.push(self.atom(expr.span, AtomKind::With { targets, body: atoms }));
        Ok((value, outer))
    }

    fn with(&mut self, with: &With, out: &mut Vec<Atom>) -> Compiled<WithTerm> {
        let parts = match &with.target.value {
            Syntax::Ref(parts) => parts.clone(),
            _ => vec![with.target.clone()],
        };
        let names: Vec<Str> = parts.iter().skip(1).filter_map(|part| part.as_str().map(Str::from)).collect();
        let head = parts.first().and_then(|head| head.as_var()).map_or("", |name| &**name);
        let global = self.context.globals.get(head).cloned();
        let target = match (head, global) {
            ("input", _) => Target::Input(names),
            ("data", _) => self.data_target(names),
            (_, Some(Global { root, path })) => {
                let full = path.iter().filter_map(|part| part.as_str().map(Str::from)).chain(names).collect();
                match root {
                    Document::Input => Target::Input(full),
                    Document::Data => self.data_target(full),
                }
            }
            (head, None) => {
                let name = std::iter::once(head).chain(names.iter().map(|name| &**name)).collect::<Vec<_>>().join(".");
                Target::Builtin(name.into())
            }
        };
        let is_function = matches!(target, Target::Builtin(_) | Target::Function(_));
        let replacement = if is_function { self.replacement(&with.value)? } else { None };
        let value = match replacement {
            Some(callee) => WithValue::Callee(callee),
            None => WithValue::Term(self.term(&with.value, out)?),
        };
        Ok(WithTerm { target, value })
    }

    fn data_target(&self, path: Vec<Str>) -> Target {
        let node = self.program.node(&path).and_then(|node| self.program.nodes.get(node));
        match node {
            Some(node) if node.rule.is_none() && node.function.is_some() => {
                node.function.map_or(Target::Data(path), Target::Function)
            }
            _ => Target::Data(path),
        }
    }

    /// The function or built-in that a term names; none where it is a value.
    fn replacement(&mut self, term: &TermRef) -> Compiled<Option<Callee>> {
        let parts: Vec<TermRef> = match &term.value {
            Syntax::Ref(parts) => parts.clone(),
            Syntax::Var(_) => vec![term.clone()],
            _ => return Ok(None),
        };
        if parts.first().and_then(|head| head.as_var()).is_some_and(|head| self.scopes.find(head).is_some()) {
            return Ok(None);
        }
        let call = Call { operator: SyntaxTerm::new(term.span, Syntax::Ref(parts)), args: Vec::new() };
        if let Some(path) = self.function_path(&call) {
            let node = self.program.node(&path).and_then(|node| self.program.nodes.get(node));
            return Ok(node.and_then(|node| node.function).map(Callee::Rule));
        }
        let name = call.path().filter(|name| fleetgate_rego::builtins::find(name).is_some());
        name.map(|name| self.builtin(&name, term.span)).transpose()
    }

    /// The term's value as a term without references, calls or comprehensions; what computes it goes to `out`.
    pub(super) fn term(&mut self, term: &TermRef, out: &mut Vec<Atom>) -> Compiled<Term> {
        let span = term.span;
        Ok(match &term.value {
            Syntax::Null => Term::Const(Value::Null),
            Syntax::Bool(value) => Term::Const(Value::Bool(*value)),
            Syntax::Number(text) => Term::Const(Value::Number(number(text))),
            Syntax::String(text) => Term::Const(Value::String(text.clone())),
            Syntax::Var(name) => match self.scopes.find(name) {
                Some(var) => Term::Var(var),
                None => self.reference(std::slice::from_ref(term), span, out)?,
            },
            Syntax::Ref(parts) => self.reference(parts, span, out)?,
            Syntax::Array(items) => folded(Term::Array(self.terms(items, out)?)),
            Syntax::Set(items) => folded(Term::Set(self.terms(items, out)?)),
            Syntax::Object(pairs) => {
                let mut terms = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    terms.push((self.term(key, out)?, self.term(value, out)?));
                }
                folded(Term::Object(terms))
            }
            Syntax::Call(call) => self.call(call, span, out)?,
            Syntax::Template(template) => self.template(template, span, out)?,
            Syntax::ArrayComprehension(head, body) => {
                let (body, mut terms, _) = self.nested(body, std::slice::from_ref(head), &[])?;
                let gather = GatherTerms::Array(terms.pop().unwrap_or(Term::Const(Value::Null)));
                self.gathered(gather, body, span, out)
            }
            Syntax::SetComprehension(head, body) => {
                let (body, mut terms, _) = self.nested(body, std::slice::from_ref(head), &[])?;
                let gather = GatherTerms::Set(terms.pop().unwrap_or(Term::Const(Value::Null)));
                self.gathered(gather, body, span, out)
            }
            Syntax::ObjectComprehension(key, value, body) => {
                let (body, mut terms, _) = self.nested(body, &[key.clone(), value.clone()], &[])?;
                let value = terms.pop().unwrap_or(Term::Const(Value::Null));
                let key = terms.pop().unwrap_or(Term::Const(Value::Null));
                self.gathered(GatherTerms::Object(key, value), body, span, out)
            }
        })
    }

    fn terms(&mut self, terms: &[TermRef], out: &mut Vec<Atom>) -> Compiled<Vec<Term>> {
        terms.iter().map(|term| self.term(term, out)).collect()
    }

    fn gathered(&mut self, gather: GatherTerms, body: Nested, span: Span, out: &mut Vec<Atom>) -> Term {
        let result = self.scopes.fresh(span);
        out.push(self.atom(span, AtomKind::Comprehension { gather, body, out: result }));
        Term::Var(result)
    }

    /// What a call says of the rule's own metadata, if it asks for it.
    fn metadata(&self, call: &Call, span: Span) -> Compiled<Option<Value>> {
        let (Some((rule, is_else)), Some(path)) = (self.rule, call.path()) else { return Ok(None) };
        let metadata = self.context.metadata;
        let known = match &*path {
            "rego.metadata.rule" => metadata.rule(self.context.source, rule, is_else),
            "rego.metadata.chain" => metadata.chain(self.context.source, rule, is_else),
            _ => return Ok(None),
        };
        known.map(Some).map_err(|why| self.error(UNSUPPORTED, why, span))
    }

    fn call(&mut self, call: &Call, span: Span, out: &mut Vec<Atom>) -> Compiled<Term> {
        if let Some(known) = self.metadata(call, span)? {
            return Ok(Term::Const(known));
        }
        let callee = self.callee(call, span)?;
        let args = self.terms(&call.args, out)?;
        let result = self.scopes.fresh(span);
        let atom = self.called(callee, args, Some(result), span);
        out.push(atom);
        Ok(Term::Var(result))
    }

    fn template(&mut self, template: &Template, span: Span, out: &mut Vec<Atom>) -> Compiled<Term> {
        let mut parts = Vec::with_capacity(template.parts.len());
        for part in &template.parts {
            parts.push(match part {
                TemplatePart::Scalar(term) => self.term(term, out)?,
                TemplatePart::Expr(expr) => self.values_of(expr, out)?,
            });
        }
        let callee = self.builtin("internal.template_string", span)?;
        let result = self.scopes.fresh(span);
        out.push(self.atom(span, AtomKind::Call { callee, args: vec![Term::Array(parts)], out: Some(result) }));
        Ok(Term::Var(result))
    }

    /// A reference, whose head may be a variable, a name of the module, `input`, `data`, or any other term.
    fn reference(&mut self, parts: &[TermRef], span: Span, out: &mut Vec<Atom>) -> Compiled<Term> {
        let Some((head, rest)) = parts.split_first() else { return Ok(Term::Const(Value::Null)) };
        let Some(name) = head.as_var() else {
            let root = self.term(head, out)?;
            return self.stepped(Root::Term(root), rest, span, out);
        };
        if let Some(var) = self.scopes.find(name) {
            return self.stepped(Root::Term(Term::Var(var)), rest, span, out);
        }
        let (root, path) = match (&**name, self.context.globals.get(name)) {
            ("input", _) => (Document::Input, rest.to_vec()),
            ("data", _) => (Document::Data, rest.to_vec()),
            (_, Some(global)) => (global.root, global.path.iter().chain(rest).cloned().collect()),
            (_, None) => {
                let var = self.scopes.declare(name, head.span);
                return self.stepped(Root::Term(Term::Var(var)), rest, span, out);
            }
        };
        match root {
            Document::Input => self.stepped(Root::Input, &path, span, out),
            Document::Data => {
                let path = self.terms(&path, out)?;
                let (root, steps) = self.data_root(&path);
                let rest = path.get(steps..).unwrap_or_default().to_vec();
                Ok(self.referenced(root, rest, span, out))
            }
        }
    }

    fn stepped(&mut self, root: Root, path: &[TermRef], span: Span, out: &mut Vec<Atom>) -> Compiled<Term> {
        if let (Root::Term(term), []) = (&root, path) {
            return Ok(term.clone());
        }
        let path = self.terms(path, out)?;
        Ok(self.referenced(root, path, span, out))
    }

    fn referenced(&mut self, root: Root, path: Vec<Term>, span: Span, out: &mut Vec<Atom>) -> Term {
        let result = self.scopes.fresh(span);
        out.push(self.atom(span, AtomKind::Reference { root, path, out: result }));
        Term::Var(result)
    }

    /// Where a path below `data` starts to be read, and how many of its steps lead there.
    fn data_root(&mut self, path: &[Term]) -> (Root, usize) {
        let mut at = 0;
        for steps in 0..=path.len() {
            let Some(node) = self.program.nodes.get(at) else { break };
            if let Some(rule) = node.rule {
                return (Root::Rule(rule), steps);
            }
            match path.get(steps) {
                None => {
                    self.program.reads_data = true;
                    return (Root::Node(at), steps);
                }
                Some(Term::Const(key)) => {
                    let child = key.as_str().and_then(|name| node.children.get(name));
                    let Some(child) = child else { break };
                    at = *child;
                }
                Some(_) => {
                    self.program.reads_data = true;
                    return (Root::Node(at), steps);
                }
            }
        }
        self.program.reads_data = true;
        (Root::Data, 0)
    }

    /// The path below `data` of a call's operator; none where it is a built-in.
    fn function_path(&self, call: &Call) -> Option<Vec<Str>> {
        let parts = call.operator.as_ref_parts()?;
        let (head, rest) = parts.split_first()?;
        let names = rest.iter().map(|part| part.as_str().map(Str::from)).collect::<Option<Vec<_>>>()?;
        let head = head.as_var()?;
        if &**head == "data" {
            return Some(names);
        }
        let global = self.context.globals.get(head).filter(|global| global.root == Document::Data)?;
        let path = global.path.iter().filter_map(|part| part.as_str().map(Str::from));
        Some(path.chain(names).collect())
    }

    fn callee(&mut self, call: &Call, span: Span) -> Compiled<Called> {
        if let Some(path) = self.function_path(call) {
            let function = self.program.node(&path).and_then(|node| self.program.nodes.get(node)?.function);
            let zero_arity = || self.program.node(&path).and_then(|node| self.program.nodes.get(node)?.rule);
            return match function.or_else(zero_arity) {
                Some(rule) => Ok(Called::Callee(Callee::Rule(rule))),
                None => Err(self.error("rego_type_error", format!("undefined function data.{}", path.join(".")), span)),
            };
        }
        let name = call.path().unwrap_or_default();
        Ok(match &*name {
            "walk" => Called::Walk,
            "equal" | "eq" => Called::Compare(Comparison::Equal),
            "neq" => Called::Compare(Comparison::NotEqual),
            "lt" => Called::Compare(Comparison::Less),
            "lte" => Called::Compare(Comparison::LessOrEqual),
            "gt" => Called::Compare(Comparison::Greater),
            "gte" => Called::Compare(Comparison::GreaterOrEqual),
            name => Called::Callee(self.builtin(name, span)?),
        })
    }

    fn builtin(&mut self, name: &str, span: Span) -> Compiled<Callee> {
        let Some(function) = fleetgate_builtins::find(name) else {
            return Err(match fleetgate_rego::builtins::find(name) {
                Some(_) if self.context.options.standalone => {
                    self.error(UNSUPPORTED, format!("built-in function {name} is not supported"), span)
                }
                _ => self.error("rego_type_error", format!("undefined function {name}"), span),
            });
        };
        let varies = matches!(name, "time.now_ns" | "uuid.rfc4122" | "rand.intn");
        self.program.volatile |= varies;
        self.program.shows_stored |= matches!(name, "json.marshal" | "json.marshal_with_options" | "yaml.marshal");
        Ok(Callee::Builtin { name: name.into(), function })
    }

    fn error(&self, code: &'static str, message: String, span: Span) -> Vec<Error> {
        vec![super::located(Error::new(code, message), self.context.place(span), self.program)]
    }

    fn arity(&self, callee: &Called, call: &Call) -> Option<usize> {
        match callee {
            Called::Walk => Some(1),
            Called::Compare(_) => Some(2),
            Called::Callee(Callee::Rule(rule)) => match self.program.rules.get(*rule)?.kind {
                crate::ir::RuleKind::Function(arity) => Some(arity),
                _ => Some(0),
            },
            Called::Callee(Callee::Builtin { .. }) => {
                fleetgate_rego::builtins::find(&call.path()?).map(|builtin| builtin.arity)
            }
        }
    }

    /// `left = right`, taken apart where both are collections.
    fn unify(&mut self, left: Term, right: Term, span: Span, out: &mut Vec<Atom>) {
        match (left, right) {
            (Term::Array(left), Term::Array(right)) if left.len() == right.len() => {
                for (left, right) in left.into_iter().zip(right) {
                    self.unify(left, right, span, out);
                }
            }
            (Term::Array(left), Term::Const(Value::Array(right))) if left.len() == right.len() => {
                for (left, right) in left.into_iter().zip(right.iter()) {
                    self.unify(left, Term::Const(right.clone()), span, out);
                }
            }
            (Term::Object(left), Term::Object(right)) if same_keys(&left, &right) => {
                for (key, left) in left {
                    let Term::Const(key) = key else { continue };
                    let other = right.iter().find(|(other, _)| matches!(other, Term::Const(other) if *other == key));
                    if let Some((_, right)) = other {
                        self.unify(left, right.clone(), span, out);
                    }
                }
            }
            (left @ Term::Const(_), right @ (Term::Array(_) | Term::Object(_))) => self.unify(right, left, span, out),
            (left, right) => out.push(self.atom(span, AtomKind::Unify(left, right))),
        }
    }
}

enum Called {
    Walk,
    Compare(Comparison),
    Callee(Callee),
}

/// Whether both objects have the same keys, all constants and each once.
fn same_keys(left: &[(Term, Term)], right: &[(Term, Term)]) -> bool {
    let keys = |pairs: &[(Term, Term)]| {
        let keys = pairs.iter().map(|(key, _)| if let Term::Const(key) = key { Some(key.clone()) } else { None });
        let mut keys = keys.collect::<Option<Vec<Value>>>()?;
        keys.sort();
        let distinct = keys.windows(2).all(|two| matches!(two, [a, b] if a != b));
        distinct.then_some(keys)
    };
    matches!((keys(left), keys(right)), (Some(left), Some(right)) if left == right)
}

/// A collection of constants is a constant.
fn folded(term: Term) -> Term {
    fn constant(term: &Term) -> Option<Value> {
        if let Term::Const(value) = term { Some(value.clone()) } else { None }
    }
    let value = match &term {
        Term::Array(items) => items.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::array),
        Term::Set(items) => items.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::set),
        Term::Object(pairs) => {
            let pair = |(key, value): &(Term, Term)| Some((constant(key)?, constant(value)?));
            pairs.iter().map(pair).collect::<Option<Vec<_>>>().map(Value::object)
        }
        Term::Const(_) | Term::Var(_) => None,
    };
    value.map_or(term, Term::Const)
}

/// The lexer lets through numbers of JSON, and such as `.5`.
fn number(text: &str) -> Number {
    let padded = || Number::parse(&text.replacen('.', "0.", 1));
    Number::parse(text).or_else(padded).unwrap_or(Number::Int(0))
}
