//! No rule depends on itself.

use std::collections::VecDeque;

use crate::diagnostic::Code;

use super::errors::Errors;
use super::graph::Graph;
use super::ir::{Names, Node, Rule};
use super::{conflicts, text};

/// Refuses every rule that a chain of references leads back to.
pub(super) fn check(names: &Names, graph: &Graph, rules: &[Rule], paths: &[Vec<Node>], errors: &mut Errors) {
    let name = |number: &usize| {
        let path = paths.get(*number).map(Vec::as_slice).unwrap_or_default();
        text::reference(names, &conflicts::renamed(names, path))
    };
    let components = components(&graph.dependencies).into_iter().enumerate();
    let recursive = components.filter_map(|(number, component)| component.map(|_| number));
    for number in recursive.take(super::errors::LIMIT) {
        if let Some(rule) = rules.get(number) {
            let round: Vec<String> = round(&graph.dependencies, number).iter().map(name).collect();
            let message = format!("rule {} is recursive: {}", name(&number), round.join(" -> "));
            errors.fatal(rule.module, Code::Recursion, rule.span, message);
        }
    }
}

/// The shortest way from a node back to itself, both ends included.
fn round(edges: &[Vec<usize>], start: usize) -> Vec<usize> {
    let mut from = vec![None; edges.len()];
    let mut work = VecDeque::from([start]);
    while let Some(node) = work.pop_front() {
        for next in edges.get(node).into_iter().flatten() {
            if *next == start {
                let mut way = vec![start, node];
                let mut at = node;
                while at != start
                    && let Some(Some(before)) = from.get(at)
                {
                    at = *before;
                    way.push(at);
                }
                if node == start {
                    way.truncate(2);
                }
                way.reverse();
                return way;
            }
            if let Some(slot @ None) = from.get_mut(*next) {
                *slot = Some(node);
                work.push_back(*next);
            }
        }
    }
    vec![start]
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
