//! Queries: a body that is asked against modules and documents.

use std::sync::Arc;

use fleetgate_rego::ast::{self, Body, Call, Expr, ExprKind, Module, Package, Rule, Term, TermRef};
use fleetgate_rego::{
    Capabilities, Code, Diagnostic, LineIndex, Position, Release, Span, Version, builtins, hoist_negated, parse_module,
    parse_query, resolve, visit,
};
use fleetgate_value::{Object, Value};

use crate::compile::{CompiledQuery, Options, Unit, compile, compile_query};
use crate::error::{Error, Location};
use crate::ir::Program;
use crate::run::{Documents, Settings, Workspace};

/// Names that the values of expressions are bound to.
const CAPTURED: &str = "__fg_expression_";

/// The rule that a query is checked in.
const QUERY: &str = "__fg_query";

/// A package for a query that is asked outside of all packages, to parse its imports by.
const UNNAMED: &str = "query";

/// A query and the modules it is asked against, compiled.
#[derive(Debug)]
pub struct Query {
    program: Program,
    compiled: CompiledQuery,
    expressions: Vec<Expression>,
}

/// An expression of a query as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Its text.
    pub text: String,
    /// Where it starts in the query.
    pub position: Position,
}

/// One answer of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The query's variables and their values, in the order of the names.
    pub bindings: Vec<(Arc<str>, Value)>,
    /// The values of its expressions, in the order written, where they were asked for.
    pub expressions: Vec<Value>,
}

/// What to compile a query from.
#[derive(Debug, Clone, Copy)]
pub struct QuerySource<'a> {
    /// Names and texts of modules.
    pub modules: &'a [(&'a str, &'a str)],
    /// The query.
    pub query: &'a str,
    /// The version that all of them are in.
    pub version: Version,
    /// The package that the query is asked in, as after `package`; none where it is empty.
    pub package: &'a str,
    /// What the query imports, each as after `import`.
    pub imports: &'a [&'a str],
    /// Also answer with the values of expressions, of which `false` is then one, as `opa eval` does.
    pub expressions: bool,
    /// Keep calls of `print`.
    pub prints: bool,
}

/// Parses, checks and compiles a query and its modules.
///
/// # Errors
/// Everything that is wrong, with OPA's codes and places.
pub fn query(source: QuerySource<'_>) -> Result<Query, Vec<Error>> {
    let capabilities = Capabilities::of(Release::Opa1_22, source.version);
    let mut units = Vec::with_capacity(source.modules.len());
    for (name, text) in source.modules {
        let module = parse_module(text, &capabilities).map_err(|errors| located(&errors, name, text))?;
        units.push(Unit { name: (*name).into(), text: (*text).into(), module });
    }
    let body = parse_query(source.query, &capabilities).map_err(|errors| located(&errors, "", source.query))?;
    let surroundings = surroundings(&source, &capabilities)?;
    let modules: Vec<Module> = units.iter().map(|unit| unit.module.clone()).collect();
    check(&modules, asked(&surroundings, body.clone())).map_err(|errors| {
        let one = |error: &resolve::ModuleError| {
            let unit = units.get(error.module);
            let (name, text) = unit.map_or(("", source.query), |unit| (&*unit.name, &*unit.text));
            diagnostic(&error.error, name, text)
        };
        errors.iter().map(one).collect::<Vec<_>>()
    })?;
    let options = Options { prints: source.prints, standalone: true };
    let mut program = compile(&units, options)?;
    let expressions = if source.expressions { written(&body, source.query) } else { Vec::new() };
    let body = hoisted(if source.expressions { captured(body) } else { body });
    let unit = Unit { name: "".into(), text: source.query.into(), module: surroundings };
    let modules: Vec<&Module> = modules.iter().collect();
    let compiled = compile_query(&body, &unit, &modules, options, &mut program)?;
    Ok(Query { program, compiled, expressions })
}

impl Query {
    /// Rules whose documents, or documents above them, are in `data` already.
    #[must_use]
    pub fn conflicts_with(&self, data: &Object) -> Vec<Error> {
        self.program.conflicts_with(data)
    }

    /// The query's expressions, whose values [`Answer::expressions`] has; none where they were not asked for.
    #[must_use]
    pub fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// Answers the query.
    ///
    /// # Errors
    /// OPA's `eval_*` errors, and budgets that run out.
    pub fn answers(
        &self,
        documents: Documents,
        settings: Settings,
        workspace: &mut Workspace,
    ) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::new();
        let names: Vec<&Arc<str>> = self.compiled.bindings.iter().map(|(name, _)| name).collect();
        self.program.answers(&self.compiled, documents, settings, workspace, |values| {
            let mut answer =
                Answer { bindings: Vec::new(), expressions: vec![Value::Bool(true); self.expressions.len()] };
            for (name, value) in names.iter().zip(values) {
                let index = name.strip_prefix(CAPTURED).and_then(|index| index.parse::<usize>().ok());
                match index.and_then(|index| answer.expressions.get_mut(index)) {
                    Some(expression) => *expression = value,
                    None => answer.bindings.push(((*name).clone(), value)),
                }
            }
            answers.push(answer);
        })?;
        Ok(answers)
    }
}

/// Checks modules, and the query as the body of a rule among them.
fn check(modules: &[Module], query: Module) -> Result<(), Vec<resolve::ModuleError>> {
    let all: Vec<Module> = modules.iter().cloned().chain([query]).collect();
    match resolve::check(&all) {
        // A query may ask for what it is put into, such as all of `data`.
        Err(errors) if errors.iter().any(|error| error.error.code == Code::Recursion) => resolve::check(modules),
        checked => checked,
    }
}

/// The module in which a query is the body of a rule.
fn asked(surroundings: &Module, body: Body) -> Module {
    let span = Span::default();
    let name = Term::var(span, QUERY);
    let value = Some(Term::new(span, ast::Value::Bool(true)));
    let head = ast::Head {
        name: Some(QUERY.into()),
        reference: vec![name],
        value,
        generated_value: true,
        has_if: true,
        ..ast::Head::default()
    };
    let rule = Rule { span, is_default: false, head, body, generated_body: false, else_rule: None };
    Module { rules: vec![rule], ..surroundings.clone() }
}

/// The expressions of a query that have a value; declarations have none.
fn written(body: &Body, text: &str) -> Vec<Expression> {
    let lines = LineIndex::new(text);
    let expression = |expr: &Expr| Expression {
        text: expr.span.text(text).to_owned(),
        position: lines.position(text, expr.span.start),
    };
    body.exprs.iter().filter(|expr| !is_declaration(expr)).map(expression).collect()
}

fn is_declaration(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Some(symbols) if symbols.iter().all(|symbol| symbol.as_var().is_some()))
}

/// Binds the value of each expression that has one to a variable. Where there are several expressions or answers, an
/// answer in which one is `false` is none; a single `false` is one.
fn captured(body: Body) -> Body {
    let checked = body.exprs.len() > 1 || iterates(&body);
    let mut index = 0;
    let mut exprs = Vec::with_capacity(body.exprs.len());
    let mut checks = Vec::new();
    for expr in body.exprs {
        let number = index;
        index += usize::from(!is_declaration(&expr));
        let value = match &expr.kind {
            ExprKind::Term(term) if !expr.negated => term.clone(),
            ExprKind::Call(call) if !expr.negated && has_value(call) => {
                Term::new(expr.span, ast::Value::Call(call.clone()))
            }
            _ => {
                exprs.push(expr);
                continue;
            }
        };
        let variable = Term::var(expr.span, &format!("{CAPTURED}{number}"));
        if checked {
            checks.push(Expr::new(expr.span, ExprKind::Term(variable.clone())));
        }
        let call = Call { operator: operator("eq", expr.span), args: vec![variable, value] };
        exprs.push(Expr { kind: ExprKind::Call(call), ..expr });
    }
    exprs.append(&mut checks);
    Body { exprs }
}

/// Whether a call has a value that is not written as its last operand.
fn has_value(call: &Call) -> bool {
    if call.is("eq") || call.is("assign") {
        return false;
    }
    let Some(builtin) = call.path().and_then(|name| builtins::find(&name)) else { return true };
    !builtin.void && call.args.len() == builtin.arity
}

/// Whether a query goes through something: a reference in it, comprehensions aside, has a variable, or a relation is called.
fn iterates(body: &Body) -> bool {
    let mut found = false;
    visit::body_terms(body, &mut |term| {
        if let Some((root, path)) = term.as_ref_parts().and_then(<[TermRef]>::split_first) {
            let relation =
                root.as_var().and_then(|name| builtins::find(name)).is_some_and(builtins::Builtin::is_relation);
            found |= relation || path.iter().any(|part| part.as_var().is_some());
        }
        !found && !is_comprehension(term)
    });
    found
}

const fn is_comprehension(term: &Term) -> bool {
    matches!(
        term.value,
        ast::Value::ArrayComprehension(..) | ast::Value::SetComprehension(..) | ast::Value::ObjectComprehension(..)
    )
}

fn operator(name: &str, span: Span) -> TermRef {
    Term::path(span, name, &[])
}

/// The body with the operands of its negated expressions moved before them.
fn hoisted(body: Body) -> Body {
    let package = Package { span: Span::default(), path: Vec::new() };
    let mut module = Module { rego_v1: true, package, imports: Vec::new(), rules: Vec::new(), comments: Vec::new() };
    module.rules.push(Rule {
        span: Span::default(),
        is_default: false,
        head: ast::Head::default(),
        body,
        generated_body: false,
        else_rule: None,
    });
    hoist_negated(module).rules.pop().map(|rule| rule.body).unwrap_or_default()
}

/// The module that a query is read in: its package and imports.
fn surroundings(source: &QuerySource<'_>, capabilities: &Capabilities) -> Result<Module, Vec<Error>> {
    let package = if source.package.is_empty() { UNNAMED } else { source.package };
    let mut text = format!("package {package}\n");
    for import in source.imports {
        text.push_str("import ");
        text.push_str(import);
        text.push('\n');
    }
    let mut module = parse_module(&text, capabilities).map_err(|errors| located(&errors, "", &text))?;
    if source.package.is_empty() {
        module.package.path.truncate(1);
    }
    Ok(module)
}

fn located(errors: &[Diagnostic], name: &str, text: &str) -> Vec<Error> {
    errors.iter().map(|error| diagnostic(error, name, text)).collect()
}

fn diagnostic(error: &Diagnostic, name: &str, text: &str) -> Error {
    let position = LineIndex::new(text).position(text, error.span.start);
    let location = Location { file: name.into(), position };
    Error { location: Some(location), ..Error::new(error.code.as_str(), error.message.clone()) }
}
