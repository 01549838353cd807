//! Queries: a body that is asked against modules and documents.

use std::sync::Arc;

use fleetgate_rego::ast::{Body, Call, Expr, ExprKind, Module, Package, Rule, Term, TermRef};
use fleetgate_rego::{Capabilities, Diagnostic, LineIndex, Release, Span, Version, hoist_negated, parse_module, parse_query, resolve};
use fleetgate_value::Value;

use crate::compile::{CompiledQuery, Options, Unit, compile, compile_query};
use crate::error::{Error, Location};
use crate::ir::Program;
use crate::run::{Documents, Settings, Workspace};

/// Names that the values of expressions are bound to.
const CAPTURED: &str = "__fg_expression_";

/// A query and the modules it is asked against, compiled.
#[derive(Debug)]
pub struct Query {
    program: Program,
    compiled: CompiledQuery,
    expressions: usize,
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
        let module =
            parse_module(text, &capabilities).map_err(|errors| located(&errors, name, text))?;
        units.push(Unit { name: (*name).into(), text: (*text).into(), module });
    }
    let body = parse_query(source.query, &capabilities).map_err(|errors| located(&errors, "", source.query))?;
    let modules: Vec<Module> = units.iter().map(|unit| unit.module.clone()).collect();
    resolve::check(&modules).map_err(|errors| {
        let one = |error: &resolve::ModuleError| {
            let unit = units.get(error.module);
            let (name, text) = unit.map_or(("", ""), |unit| (&*unit.name, &*unit.text));
            diagnostic(&error.error, name, text)
        };
        errors.iter().map(one).collect::<Vec<_>>()
    })?;
    let options = Options { prints: source.prints };
    let mut program = compile(&units, options)?;
    let (body, expressions) = if source.expressions { captured(body) } else { (body, 0) };
    let body = hoisted(body);
    let unit = Unit { name: "".into(), text: source.query.into(), module: query_module() };
    let modules: Vec<&Module> = modules.iter().collect();
    let compiled = compile_query(&body, &unit, &modules, options, &mut program)?;
    Ok(Query { program, compiled, expressions })
}

impl Query {
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
            let mut answer = Answer { bindings: Vec::new(), expressions: vec![Value::Bool(true); self.expressions] };
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

/// Binds the value of each expression that has one to a variable, and counts the expressions.
fn captured(body: Body) -> (Body, usize) {
    let count = body.exprs.len();
    let exprs = body.exprs.into_iter().enumerate().map(|(index, expr)| {
        let value = match &expr.kind {
            ExprKind::Term(term) if !expr.negated => term.clone(),
            ExprKind::Call(call) if !expr.negated && !call.is("eq") && !call.is("assign") && !call.is("print") => {
                Term::new(expr.span, fleetgate_rego::ast::Value::Call(call.clone()))
            }
            _ => return expr,
        };
        let variable = Term::var(expr.span, &format!("{CAPTURED}{index}"));
        let call = Call { operator: operator("eq", expr.span), args: vec![variable, value] };
        Expr { kind: ExprKind::Call(call), ..expr }
    });
    (Body { exprs: exprs.collect() }, count)
}

fn operator(name: &str, span: Span) -> TermRef {
    Term::path(span, name, &[])
}

/// The body with the operands of its negated expressions moved before them.
fn hoisted(body: Body) -> Body {
    let mut module = query_module();
    module.rules.push(Rule {
        span: Span::default(),
        is_default: false,
        head: fleetgate_rego::ast::Head::default(),
        body,
        generated_body: false,
        else_rule: None,
    });
    hoist_negated(module).rules.pop().map(|rule| rule.body).unwrap_or_default()
}

fn query_module() -> Module {
    let package = Package { span: Span::default(), path: vec![Term::var(Span::default(), "data")] };
    Module { rego_v1: true, package, imports: Vec::new(), rules: Vec::new(), comments: Vec::new() }
}

fn located(errors: &[Diagnostic], name: &str, text: &str) -> Vec<Error> {
    errors.iter().map(|error| diagnostic(error, name, text)).collect()
}

fn diagnostic(error: &Diagnostic, name: &str, text: &str) -> Error {
    let position = LineIndex::new(text).position(text, error.span.start);
    let location = Location { file: name.into(), position };
    Error { location: Some(location), ..Error::new(error.code.as_str(), error.message.clone()) }
}
