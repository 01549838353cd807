//! What can be said of a collection's entry before it is bound.
//!
//! A rule that looks for one object among thousands goes through all of them, and most fail a few steps on, at a
//! comparison. Those steps only follow paths, so they can be asked of the entry where it is; only what passes is bound and
//! goes through the block. Steps in between may be left out where they have no other effect than to fail.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ir::{Base, Block, Callee, Comparison, Op, Operand, Probe, ProbeStep, Program, Slot, Step};

/// A probe has no more steps than this.
const LONGEST: usize = 32;

/// Fewer entries are gone through as fast as they are looked up, unless there is more behind each.
const SMALL: usize = 16;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Built-ins that say yes or no, or are undefined unless errors of built-ins count.
const PREDICATES: [&str; 5] = ["contains", "endswith", "re_match", "regex.match", "startswith"];

pub(super) fn mark(program: &mut Program) {
    for rule in &mut program.rules {
        rule.clauses_mut().for_each(|clause| mark_block(&mut clause.body));
        for clause in rule.default.iter_mut().flat_map(|default| &mut default.clauses) {
            mark_block(&mut clause.body);
        }
    }
}

pub(super) fn mark_block(block: &mut Block) {
    for step in &mut *block {
        match &mut step.op {
            Op::Comprehension { body, .. } | Op::Not(body) | Op::Every { body, .. } | Op::With { body, .. } => {
                mark_block(body);
            }
            Op::Any(bodies) => bodies.iter_mut().for_each(mark_block),
            _ => {}
        }
    }
    for at in 0..block.len() {
        let Some((before, rest)) = block.split_at_mut_checked(at + 1) else { break };
        if let Some(Op::Scan { key, value, probe, .. }) = before.last_mut().map(|step| &mut step.op) {
            *probe = behind(rest, *key, *value);
        }
    }
}

/// What the steps behind a scan want of its value.
fn behind(rest: &[Step], key: Slot, value: Slot) -> Option<Probe> {
    let mut unknown = BTreeSet::from([key, value]);
    let mut at = value;
    let (mut steps, mut wanted) = (Vec::new(), 0);
    // Behind a condition that differs from entry to entry, and is left out, nothing is gone through: it may be what makes
    // the rule cheap.
    let mut is_narrowed = false;
    for step in rest {
        if steps.len() >= LONGEST {
            break;
        }
        let is_known = |operand: &Operand| !matches!(operand, Operand::Slot(slot) if unknown.contains(slot));
        let is_here = |operand: &Operand| matches!(operand, Operand::Slot(slot) if *slot == at);
        let all_known = |base: &Base, path: &[Operand]| {
            path.iter().all(is_known) && !matches!(base, Base::Value(operand) if !is_known(operand))
        };
        let leads_on = |base: &Base, path: &[Operand]| {
            matches!(base, Base::Value(operand) if is_here(operand)) && path.iter().all(is_known)
        };
        match &step.op {
            Op::Get { base, path, out } if leads_on(base, path) => {
                steps.push(ProbeStep::Follow(path.clone()));
                at = *out;
                unknown.insert(*out);
            }
            Op::Scan { base, path, key, value, .. } if leads_on(base, path) => {
                if is_narrowed {
                    break;
                }
                steps.push(ProbeStep::Follow(path.clone()));
                steps.push(ProbeStep::Any { indexed: None });
                at = *value;
                unknown.extend([*key, *value]);
            }
            Op::Compare { how, left, right, out: None } if is_here(left) && is_known(right) => {
                steps.push(ProbeStep::Compare(*how, right.clone()));
                wanted = steps.len();
            }
            Op::Compare { how, left, right, out: None } if is_known(left) && is_here(right) => {
                steps.push(ProbeStep::Compare(how.turned(), left.clone()));
                wanted = steps.len();
            }
            Op::Get { base: base @ (Base::Value(_) | Base::Input | Base::Data), path, out } => {
                is_narrowed |= !all_known(base, path);
                unknown.insert(*out);
            }
            Op::Scan { base: base @ (Base::Value(_) | Base::Input | Base::Data), path, key, value, .. } => {
                is_narrowed |= !all_known(base, path);
                unknown.extend([*key, *value]);
            }
            Op::MakeArray { out, .. } | Op::MakeSet { out, .. } | Op::MakeObject { out, .. } => {
                unknown.insert(*out);
            }
            Op::Compare { left, right, out, .. } => {
                is_narrowed |= !(is_known(left) && is_known(right));
                unknown.extend(out);
            }
            Op::Call { callee: Callee::Builtin { name, .. }, args, out } if PREDICATES.contains(&&**name) => {
                is_narrowed |= !args.iter().all(is_known);
                unknown.extend(out);
            }
            Op::Test(operand) | Op::IsArray(operand, _) | Op::IsObject(operand, _) => is_narrowed |= !is_known(operand),
            _ => break,
        }
    }
    steps.truncate(wanted);
    if steps.is_empty() {
        return None;
    }
    let indexed = index(&mut steps);
    Some(Probe { id: NEXT.fetch_add(1, Ordering::Relaxed), steps, indexed })
}

/// Says which collections may be remembered: from the end back to where something else than they decides. Gives what holds
/// of the collection whose entries are probed.
fn index(steps: &mut [ProbeStep]) -> Option<usize> {
    let Some((ProbeStep::Compare(Comparison::Equal, _), before)) = steps.split_last_mut() else { return None };
    let mut least = SMALL;
    for step in before.iter_mut().rev() {
        match step {
            ProbeStep::Follow(path) if path.iter().all(|step| matches!(step, Operand::Const(_))) => {}
            ProbeStep::Any { indexed } => {
                *indexed = Some(least);
                least = 2;
            }
            ProbeStep::Follow(_) | ProbeStep::Compare(..) => return None,
        }
    }
    Some(least)
}
