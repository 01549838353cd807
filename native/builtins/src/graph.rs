//! Graphs: objects of nodes, each with the array or set of the nodes that its edges lead to.

use std::collections::BTreeSet;

use fleetgate_value::{Set, Value};

use crate::operand::{any, object};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[("graph.reachable", reachable), ("graph.reachable_paths", reachable_paths)];

/// The nodes of an array or a set; anything else has none.
fn nodes(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Set(set) => set.members(),
        _ => &[],
    }
}

fn starts(operands: &[Value]) -> Result<&[Value], Error> {
    match any(operands, 2) {
        value @ (Value::Array(_) | Value::Set(_)) => Ok(nodes(value)),
        // OPA puts two types into the text of one.
        other => Err(Error::Type(format!("operand 2 must be {{array, set}} but got {}", other.kind().name()))),
    }
}

/// The nodes of the graph that can be reached, the first ones included.
fn reachable(_: &mut Context, operands: &[Value]) -> Answer {
    let graph = object(operands, 1)?;
    let mut waiting: Vec<&Value> = starts(operands)?.iter().collect();
    let mut reached = BTreeSet::new();
    while let Some(node) = waiting.pop() {
        if let Some(edges) = graph.get(node)
            && reached.insert(node)
        {
            waiting.extend(nodes(edges));
        }
    }
    Ok(reached.into_iter().cloned().collect::<Set>().into())
}

/// The longest paths from the first nodes, as arrays: up to a node without edges, to the last node that is in the graph, or
/// to where the path would meet itself.
fn reachable_paths(context: &mut Context, operands: &[Value]) -> Answer {
    let graph = object(operands, 1)?;
    let mut paths = Vec::new();
    let mut bytes = 0_usize;
    let mut end = |path: &[&Value]| {
        bytes = bytes.saturating_add(path.len().saturating_mul(size_of::<Value>()));
        context.fits(bytes)?;
        paths.push(Value::Array(path.iter().copied().cloned().collect()));
        Ok::<(), Error>(())
    };
    // Paths to be continued by their last node.
    let mut waiting: Vec<Vec<&Value>> = Vec::new();
    for start in starts(operands)? {
        match graph.get(start).map(nodes) {
            None => {}
            Some([]) => end(&[start])?,
            // An edge of a first node to itself is followed once.
            Some(edges) => waiting.extend(edges.iter().map(|next| vec![start, next])),
        }
    }
    while let Some(mut path) = waiting.pop() {
        let Some(node) = path.last().copied() else { continue };
        let Some(edges) = graph.get(node) else {
            path.pop();
            end(&path)?;
            continue;
        };
        let edges = nodes(edges);
        if edges.is_empty() || edges.iter().any(|next| path.contains(&next)) {
            end(&path)?;
        }
        for next in edges {
            if !path.contains(&next) {
                let mut longer = path.clone();
                longer.push(next);
                waiting.push(longer);
            }
        }
    }
    Ok(Value::set(paths))
}
