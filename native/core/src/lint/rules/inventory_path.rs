//! FG206: a reference into the inventory that has another form than the inventory.

use super::Rule;
use crate::lint::access::Path;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::inventory;
use crate::lint::kinds;
use crate::lint::policies::Policies;
use crate::template::did_you_mean;
use std::collections::BTreeSet;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG206",
        name: "inventory-path-undefined",
        severity: Severity::Warning,
        summary: "the reference into data.inventory leads nowhere",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        let mut seen = BTreeSet::new();
        for (rego, access) in inventory::reads(template) {
            if let Some((message, hint)) = defect(&access.path)
                && seen.insert(message.clone())
            {
                findings.add(rego.locate(access.span), "", message, hint);
            }
        }
    }
}

/// Why nothing is there. The trees are `cluster[version][kind][name]` and `namespace[name][version][kind][name]`.
fn defect(path: &Path) -> Option<(String, String)> {
    let tree = path.name(1)?;
    let Some(at) = inventory::version_at(path) else {
        let hint = did_you_mean(tree, ["cluster", "namespace"]);
        let hint = hint.unwrap_or_else(|| "its parts are cluster and namespace".to_owned());
        return Some((format!("data.inventory has no part {tree:?}"), hint));
    };
    if let Some(version) = path.name(at).filter(|version| *version != "v1" && !version.contains('/')) {
        let hint = format!("write group and version, such as \"{version}/v1\"; the core group's is \"v1\"");
        return Some((format!("data.inventory has no version {version:?}"), hint));
    }
    let (group, name) = (path.name(at)?.split_once('/').map_or("", |(group, _)| group), path.name(at + 1)?);
    if !kinds::is_own_group(group) {
        return None;
    }
    if let Some(meant) = kinds::misspelt(name) {
        return Some((format!("data.inventory has no kind {name:?}"), format!("did you mean {meant:?}?")));
    }
    let kind = kinds::find(name).filter(|kind| kind.namespaced != (tree == "namespace"))?;
    let (is, right) = if kind.namespaced { ("in Namespaces", "namespace") } else { ("cluster-scoped", "cluster") };
    Some((format!("objects of kind {name} are {is}"), format!("read data.inventory.{right}")))
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    fn found(path: &str) -> Vec<&'static str> {
        let rego = format!("violation[{{\"msg\": \"no\"}}] {{ x := data.inventory{path} }}");
        codes(&template(&rego)).into_iter().filter(|code| *code != "FG204").collect()
    }

    #[test]
    fn fires() {
        for path in [
            ".namespaces[_].v1.Pod",
            ".cluster.core.Node",
            ".namespace[_].apps.Deployment",
            ".namespace[_].v1.pods",
            ".namespace[_].v1.Namespace",
            ".cluster[\"networking.k8s.io/v1\"].Ingress",
        ] {
            assert_eq!(found(path), ["FG206"], "{path}");
        }
    }

    #[test]
    fn does_not_fire() {
        for path in [
            "",
            ".cluster",
            ".cluster.v1.Namespace[x]",
            ".namespace[ns][version].Ingress",
            ".namespace[ns][\"example.com/v1\"].services",
            ".namespace[ns][\"apps/v1\"].Deployment",
        ] {
            assert!(found(path).is_empty(), "{path}");
        }
    }
}
