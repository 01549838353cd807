//! From the syntax of modules to a [`Program`].
//!
//! First every rule gets its place in the tree of documents ([`Layout`]). Then each clause is taken apart into atoms
//! ([`flatten`]), the atoms are put into an order in which every variable is bound before it is read, and written as steps
//! ([`order`]). A variable that no order binds is OPA's `rego_unsafe_var_error`. Last, scans learn what their entries must have
//! ([`probe`]).

mod atom;
mod failing;
mod flatten;
mod index;
mod layout;
mod metadata;
mod names;
mod order;
mod probe;
mod scope;

use std::collections::BTreeSet;
use std::sync::Arc;

use fleetgate_rego::ast::{Body, Module, Rule as SyntaxRule};
use fleetgate_rego::{LineIndex, Span, hoist_negated};

use crate::error::{Error, Location};
use crate::ir::{Clause, Definition, Leaf, Place, Program, Rule, RuleKind, Source};
use flatten::Flatten;
use index::Indexed;
use layout::Layout;
use metadata::Metadata;
use names::Globals;

/// What names begin with that no policy wrote.
const GENERATED: &str = "__fg_";

/// A module to compile: its syntax, and its name and text for errors.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The name that errors give as the file.
    pub name: Arc<str>,
    /// The text that was parsed.
    pub text: Arc<str>,
    /// Its syntax.
    pub module: Module,
}

/// How to compile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Keep calls of `print`; they are dropped otherwise, as in a cluster.
    pub prints: bool,
    /// Not within Gatekeeper: rules know their metadata, and OPA's built-ins that are not here are refused as not supported.
    /// Otherwise these are functions that nobody defined, as those that Gatekeeper takes from its OPA.
    pub standalone: bool,
}

/// Compiles modules that passed [`fleetgate_rego::resolve::check`].
///
/// # Errors
/// `rego_unsafe_var_error` for each variable that is never bound, and `rego_type_error` for built-ins that are not here.
pub fn compile(units: &[Unit], options: Options) -> Result<Program, Vec<Error>> {
    let units: Vec<Unit> = units
        .iter()
        .map(|unit| Unit {
            module: hoist_negated(unit.module.clone()),
            name: unit.name.clone(),
            text: unit.text.clone(),
        })
        .collect();
    let modules: Vec<&Module> = units.iter().map(|unit| &unit.module).collect();
    let mut program = Program { sources: units.iter().map(source).collect(), ..Program::default() };
    let layout = Layout::new(&modules, &mut program);
    let mut errors = Vec::new();
    let mut indexed: Vec<Vec<Vec<Indexed>>> = Vec::new();
    indexed.resize_with(program.rules.len(), Vec::new);
    let metadata = Metadata::new(&units);
    for (number, unit) in units.iter().enumerate() {
        let globals = names::globals(&unit.module, &modules);
        let context = ClauseContext { source: number, globals: &globals, options, metadata: &metadata };
        for (rule, placed) in unit.module.rules.iter().zip(layout.of_module(number)) {
            match definition(rule, placed, &context, &mut program) {
                Ok((definition, slots, of_clauses)) => {
                    let Some(target) = program.rules.get_mut(placed.rule) else { continue };
                    target.slots = target.slots.max(slots);
                    if rule.is_default {
                        target.default = Some(definition);
                    } else {
                        target.definitions.push(definition);
                        if let Some(of_rule) = indexed.get_mut(placed.rule) {
                            of_rule.push(of_clauses);
                        }
                    }
                }
                Err(found) => errors.extend(found),
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for (rule, indexed) in program.rules.iter_mut().zip(indexed) {
        rule.is_constant = rule.kind != RuleKind::Partial && index::is_constant(&rule.definitions);
        index::arrange(rule, indexed);
    }
    failing::mark(&mut program);
    probe::mark(&mut program);
    Ok(program)
}

fn source(unit: &Unit) -> Source {
    Source { name: unit.name.clone(), lines: LineIndex::new(&unit.text), text: unit.text.clone() }
}

/// What a clause is compiled in.
pub(crate) struct ClauseContext<'a> {
    source: usize,
    globals: &'a Globals,
    options: Options,
    metadata: &'a Metadata<'a>,
}

impl ClauseContext<'_> {
    const fn place(&self, span: Span) -> Place {
        Place { source: self.source, span }
    }
}

type Compiled<T> = Result<T, Vec<Error>>;

fn definition(
    rule: &SyntaxRule,
    placed: &layout::Placed,
    context: &ClauseContext<'_>,
    program: &mut Program,
) -> Compiled<(Definition, usize, Vec<Indexed>)> {
    let mut clauses = Vec::new();
    let mut indexed = Vec::new();
    let mut slots = 0;
    for clause in rule.chain() {
        let (compiled, used, of_clause) = compile_clause(rule, clause, placed, context, program)?;
        clauses.push(compiled);
        indexed.push(of_clause);
        slots = slots.max(used);
    }
    Ok((Definition { place: context.place(rule.head.span), clauses }, slots, indexed))
}

fn compile_clause(
    rule: &SyntaxRule,
    clause: &SyntaxRule,
    placed: &layout::Placed,
    context: &ClauseContext<'_>,
    program: &mut Program,
) -> Compiled<(Clause, usize, Indexed)> {
    let mut flatten = Flatten::new(program, context);
    if context.options.standalone {
        flatten.of_rule(rule, !std::ptr::eq(rule, clause));
    }
    let args = &rule.head.args;
    let path = rule.head.reference.get(placed.static_parts..).unwrap_or_default();
    let head = &clause.head;
    let leaf = match (&head.value, &head.key) {
        (Some(value), _) => value,
        (None, Some(key)) => key,
        (None, None) => return Err(vec![Error::new("rego_compile_error", "rule without a value")]),
    };
    let is_member = head.value.is_none();
    let heads: Vec<_> = path.iter().chain([leaf]).cloned().collect();
    let arguments = flatten.arguments(args);
    let mut atoms = flatten.body(&clause.body, &heads, &arguments)?;
    let mut suffix: Vec<atom::Term> =
        placed.inner.iter().map(|name| atom::Term::Const(fleetgate_value::Value::String(name.clone()))).collect();
    for part in path {
        suffix.push(flatten.term(part, &mut atoms)?);
    }
    let leaf = flatten.term(leaf, &mut atoms)?;
    let is_constant = matches!(leaf, atom::Term::Const(_));
    let flat = flatten.finish();
    let mut order = order::Order::new(flat.vars, context.source);
    let mut body = Vec::new();
    let mut bound = order.bind_arguments(&arguments);
    let mut indexed = Indexed::new(&arguments);
    order.plan_seen(atoms, &mut bound, &mut body, &mut |atom| indexed.read(atom));
    let place = context.place(head.span);
    let suffix = suffix.iter().map(|term| order.operand(term, &bound, place, &mut body)).collect();
    let leaf = order.operand(&leaf, &bound, place, &mut body);
    let slots = order.slots();
    let unsafe_vars = order.unsafe_vars();
    if !unsafe_vars.is_empty() {
        return Err(unsafe_vars.into_iter().map(|(name, place)| unsafe_var(&name, place, program)).collect());
    }
    let leaf = if is_member { Leaf::Member(leaf) } else { Leaf::Value(leaf) };
    let place = context.place(clause.span);
    Ok((Clause { place, body, suffix, leaf, is_constant, found: Vec::new() }, slots, indexed))
}

fn unsafe_var(name: &str, place: Place, program: &Program) -> Error {
    let shown = if name.starts_with('$') || name.starts_with(GENERATED) { "_" } else { name };
    let message = if name.is_empty() { "expression is unsafe".to_owned() } else { format!("var {shown} is unsafe") };
    located(Error::new("rego_unsafe_var_error", message), place, program)
}

pub(crate) fn located(error: Error, place: Place, program: &Program) -> Error {
    let location = program.position(place).map(|(file, position)| Location { file, position });
    Error { location, ..error }
}

/// A query compiled against a program: a body, and where its answers find the variables.
#[derive(Debug)]
pub(crate) struct CompiledQuery {
    pub(crate) body: crate::ir::Block,
    /// The names of the query's variables and their values, in the order of the names.
    pub(crate) bindings: Vec<(Arc<str>, crate::ir::Operand)>,
    pub(crate) slots: usize,
}

/// Compiles a query's body. Its variables are those written in it; names are read as in `unit`, whose package and imports
/// it sees.
pub(crate) fn compile_query(
    body: &Body,
    unit: &Unit,
    modules: &[&Module],
    options: Options,
    program: &mut Program,
) -> Compiled<CompiledQuery> {
    let globals = names::globals(&unit.module, modules);
    program.sources.push(source(unit));
    let metadata = Metadata::new(&[]);
    let context = ClauseContext { source: program.sources.len() - 1, globals: &globals, options, metadata: &metadata };
    let mut flatten = Flatten::new(program, &context);
    let arguments = flatten.arguments(&[]);
    let atoms = flatten.body(body, &[], &arguments)?;
    let names = flatten.visible_names();
    let flat = flatten.finish();
    let mut order = order::Order::new(flat.vars, context.source);
    let mut bound = order.bind_arguments(&arguments);
    let mut steps = Vec::new();
    order.plan(atoms, &mut bound, &mut steps);
    let slots = order.slots();
    let unsafe_vars = order.unsafe_vars();
    if !unsafe_vars.is_empty() {
        return Err(unsafe_vars.into_iter().map(|(name, place)| unsafe_var(&name, place, program)).collect());
    }
    let bindings = names
        .into_iter()
        .filter_map(|(name, var)| bound.get(var).cloned().flatten().map(|operand| (name, operand)))
        .collect();
    probe::mark_block(&mut steps);
    Ok(CompiledQuery { body: steps, bindings, slots })
}

/// Paths at which rules build a document of several parts.
type PartialRoots = BTreeSet<Vec<Arc<str>>>;

fn new_rule(path: Vec<Arc<str>>, kind: RuleKind) -> Rule {
    Rule { path, kind, definitions: Vec::new(), default: None, slots: 0, is_constant: false, is_looked_up: false }
}
