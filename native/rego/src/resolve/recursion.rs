//! No rule depends on itself.

use crate::diagnostic::{Code, Diagnostic};

use super::index::RuleIndex;
use super::names::Target;
use super::{ModuleError, Resolved};

/// Refuses every rule that a chain of references leads back to.
pub(super) fn check(index: &RuleIndex, rules: &[Resolved<'_>]) -> Vec<ModuleError> {
    let edges: Vec<Vec<usize>> = rules.iter().map(|rule| dependencies(index, rule)).collect();
    let mut errors = Vec::new();
    for (number, component) in components(&edges).into_iter().enumerate() {
        if let Some(rule) = component.and_then(|_| rules.get(number)) {
            let name = rule.rule.head.name.as_deref().unwrap_or("rule");
            let message = format!("rule {name} is recursive");
            let error = Diagnostic::new(Code::Recursion, rule.rule.head.span, message);
            errors.push(ModuleError { module: rule.module, error });
        }
    }
    errors
}

fn dependencies(index: &RuleIndex, rule: &Resolved<'_>) -> Vec<usize> {
    let mut out = Vec::new();
    for reference in &rule.references {
        if let Target::Data(path) = &reference.target {
            out.extend(index.reached(path));
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// For each node the component of the graph that it goes round in, `None` if it goes round in none. Tarjan's algorithm
/// with a stack of its own, since chains of rules are as long as policies like.
fn components(edges: &[Vec<usize>]) -> Vec<Option<usize>> {
    let count = edges.len();
    let (mut order, mut low) = (vec![usize::MAX; count], vec![usize::MAX; count]);
    let (mut on_path, mut path) = (vec![false; count], Vec::new());
    let mut out = vec![None; count];
    let mut next = 0;
    for root in 0..count {
        let mut work = vec![(root, 0)];
        while let Some((node, position)) = work.pop() {
            if position == 0 {
                if get(&order, node) != usize::MAX {
                    continue;
                }
                set(&mut order, node, next);
                set(&mut low, node, next);
                next += 1;
                path.push(node);
                set(&mut on_path, node, true);
            } else if let Some(child) = edges.get(node).and_then(|list| list.get(position - 1))
                && get(&on_path, *child)
            {
                let lowest = get(&low, node).min(get(&low, *child));
                set(&mut low, node, lowest);
            }
            if let Some(child) = edges.get(node).and_then(|list| list.get(position)) {
                work.push((node, position + 1));
                work.push((*child, 0));
                continue;
            }
            if get(&low, node) == get(&order, node) {
                let start = path.iter().rposition(|other| *other == node).unwrap_or(0);
                let members = path.split_off(start);
                let round = members.len() > 1 || edges.get(node).is_some_and(|list| list.contains(&node));
                for member in members {
                    set(&mut on_path, member, false);
                    set(&mut out, member, round.then_some(node));
                }
            }
        }
    }
    out
}

fn get<T: Copy + Default>(list: &[T], index: usize) -> T {
    list.get(index).copied().unwrap_or_default()
}

fn set<T>(list: &mut [T], index: usize, value: T) {
    if let Some(slot) = list.get_mut(index) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounds_are_components() {
        let edges = vec![vec![1], vec![2, 3], vec![1], vec![], vec![4], vec![0]];
        let rounds: Vec<bool> = components(&edges).iter().map(Option::is_some).collect();
        assert_eq!(rounds, [false, true, true, false, true, false]);
    }

    #[test]
    fn long_chains_need_no_stack() {
        let count = 200_000;
        let edges: Vec<Vec<usize>> = (0..count).map(|node| vec![(node + 1) % count]).collect();
        assert!(components(&edges).iter().all(Option::is_some));
    }
}
