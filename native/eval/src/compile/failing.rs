//! Which rules can end in an error.
//!
//! Where nothing can fail it does not matter in which order definitions are asked, nor how many of them are: the answer is
//! the same. Only the others have to be looked up as OPA does.

use crate::ir::{Base, Block, Callee, Gather, Op, Program, Rule, RuleKind, Step};

/// Says of each rule what it has to do to fail where OPA does.
pub(super) fn mark(program: &mut Program) {
    let failing = failing(program);
    for rule in &mut program.rules {
        let fails = rule.clauses().any(|clause| block_fails(&clause.body, &failing));
        rule.is_looked_up = fails;
        if !fails {
            rule.clauses_mut().for_each(|clause| clause.found.clear());
        }
    }
}

/// By rule, whether it can fail: a conflict of its own, or an error of what it asks.
fn failing(program: &Program) -> Vec<bool> {
    let mut failing: Vec<bool> = program.rules.iter().map(conflicts).collect();
    loop {
        let mut changed = false;
        for (id, rule) in program.rules.iter().enumerate() {
            let before = failing.get(id).copied().unwrap_or(true);
            if !before && rule.clauses().any(|clause| block_fails(&clause.body, &failing)) {
                if let Some(at) = failing.get_mut(id) {
                    *at = true;
                }
                changed = true;
            }
        }
        if !changed {
            return failing;
        }
    }
}

/// Whether definitions of the rule, or answers of one of them, can contradict each other.
fn conflicts(rule: &Rule) -> bool {
    match rule.kind {
        RuleKind::Partial => !rule.clauses().all(crate::ir::Clause::is_member),
        RuleKind::Complete | RuleKind::Function(_) => {
            !rule.is_constant && (rule.definitions.len() > 1 || rule.clauses().any(|clause| is_many(&clause.body)))
        }
    }
}

/// Whether a block can have several answers.
fn is_many(block: &Block) -> bool {
    block.iter().any(|step| match &step.op {
        Op::Scan { .. } | Op::Walk { .. } => true,
        Op::With { body, .. } => is_many(body),
        _ => false,
    })
}

fn block_fails(block: &Block, failing: &[bool]) -> bool {
    block.iter().any(|step| step_fails(step, failing))
}

fn step_fails(step: &Step, failing: &[bool]) -> bool {
    let rule_fails = |rule: &usize| failing.get(*rule).copied().unwrap_or(true);
    match &step.op {
        Op::Get { base, .. } | Op::Scan { base, .. } => match base {
            Base::Rule(rule) => rule_fails(rule),
            Base::Node(_) => true,
            Base::Value(_) | Base::Input | Base::Data => false,
        },
        Op::Call { callee: Callee::Rule(rule), .. } => rule_fails(rule),
        Op::Comprehension { gather, body, .. } => {
            matches!(gather, Gather::Object(..)) && is_many(body) || block_fails(body, failing)
        }
        Op::Not(body) | Op::Every { body, .. } => block_fails(body, failing),
        Op::Any(bodies) => bodies.iter().any(|body| block_fails(body, failing)),
        // What is called there may be replaced.
        Op::With { .. } => true,
        _ => false,
    }
}
