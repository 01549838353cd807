//! Trees that are mended where objects changed are those that are put together anew.

use super::*;
use crate::compatibility::EmptyParents;
use crate::config::GroupVersionKind;

const KINDS: [(&str, &str, &str); 5] = [
    ("", "v1", "Pod"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1beta1", "Deployment"),
    ("", "v1", "Namespace"),
    ("storage.k8s.io", "v1", "StorageClass"),
];

/// xorshift: the same numbers each time.
fn below(state: &mut u64, end: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % end
}

fn change(state: &mut u64) -> Change {
    let (group, version, name_of_kind) = KINDS[usize::try_from(below(state, 5)).unwrap()];
    let kind = GroupVersionKind { group: group.into(), version: version.into(), kind: name_of_kind.into() };
    let is_namespaced = matches!(name_of_kind, "Pod" | "Deployment");
    let namespace = if is_namespaced { format!("n{}", below(state, 4)) } else { String::new() };
    let name = format!("o{}", below(state, 3));
    if below(state, 3) == 0 {
        return Change::Delete { kind, namespace, name, resource_version: String::new() };
    }
    let object = serde_json::json!({
        "apiVersion": kind.group_version(), "kind": name_of_kind,
        "metadata": {"name": name, "namespace": namespace}, "n": below(state, 1_000),
    });
    Change::Put { kind, object: serde_json::to_vec(&object).unwrap().into() }
}

#[test]
fn trees_that_are_mended_are_those_that_are_put_together_anew() {
    let synced: BTreeSet<GroupVersionKind> = KINDS
        .into_iter()
        .map(|(group, version, kind)| GroupVersionKind {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        })
        .collect();
    let excluder = Excluder::default();
    let shown = Shown { generation: 1, synced: &synced, excluder: &excluder };
    let reads = Arc::new(InventoryReads::everything());
    for empty_parents in [EmptyParents::Keep, EmptyParents::Prune] {
        let compatibility = Compatibility { inventory_empty_parents: empty_parents, ..Compatibility::default() };
        let warm = Inventories::new(compatibility);
        let (mut random, mut written) = (7, Vec::new());
        for turn in 0..150 {
            let changes: Vec<Change> = (0..=below(&mut random, 3)).map(|_| change(&mut random)).collect();
            warm.shard("c").write(changes.clone());
            written.push(changes);
            let cold = Inventories::new(compatibility);
            for changes in &written {
                cold.shard("c").write(changes.clone());
            }
            let [warm, cold] = [&warm, &cold].map(|one| one.pin("c").data(&reads, &shown).unwrap());
            assert_eq!(warm, cold, "{empty_parents:?} {turn}");
        }
    }
}
