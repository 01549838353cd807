//! FG204: kinds read from the inventory that the template does not say it needs.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::inventory;
use crate::lint::policies::Policies;
use std::collections::BTreeSet;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG204",
        name: "sync-not-declared",
        severity: Severity::Warning,
        summary: "data.inventory is read and requires-sync-data does not declare what",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        let field = inventory::annotation_field();
        let declared = match inventory::declared(template) {
            Some(Ok(declared)) => Some(declared),
            Some(Err(problem)) => {
                let hint = r#"write [[{"groups": [""], "versions": ["v1"], "kinds": ["Service"]}]]"#;
                let message = format!("requires-sync-data cannot be read: {problem}");
                findings.add(template.document.locate(&field), &field, message, hint);
                continue;
            }
            None => None,
        };
        let synced = inventory::synced(policies);
        let mut seen = BTreeSet::new();
        for (rego, access) in inventory::reads(template) {
            let read = inventory::kind_read(&access.path);
            let is_known = match (&read, &declared) {
                (Some(read), Some(declared)) => declared.iter().flatten().any(|one| one.contains(read)),
                (Some(read), None) => synced.contains(read),
                // What a variable stands for may be declared.
                (None, declared) => declared.is_some() || !inventory::is_dynamic(&access.path),
            };
            if is_known || !seen.insert(read.clone()) {
                continue;
            }
            let what = read.map_or_else(|| "data.inventory".to_owned(), |read| read.to_string());
            let message = format!("{what} is read from the inventory, and nothing says that it has to be synced");
            let hint = "declare it in the annotation metadata.gatekeeper.sh/requires-sync-data";
            findings.add(rego.locate(access.span), "", message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    const REGO: &str =
        r#"violation[{"msg": "no"}] { data.inventory.namespace[_]["networking.k8s.io/v1"].Ingress[_].x }"#;

    fn annotated(text: &str) -> String {
        let annotation = format!("annotations: {{metadata.gatekeeper.sh/requires-sync-data: '{text}'}}, name: a");
        template(REGO).replacen("name: a", &annotation, 1)
    }

    #[test]
    fn fires() {
        assert_eq!(codes(&template(REGO)), ["FG204"]);
        let dynamic = r#"violation[{"msg": "no"}] { data.inventory.cluster[version][kind][_] }"#;
        assert_eq!(codes(&template(dynamic)), ["FG204"]);
        assert_eq!(codes(&annotated("Ingress")), ["FG204"]);
        let other = r#"[[{"groups": [""], "versions": ["v1"], "kinds": ["Service"]}]]"#;
        assert_eq!(codes(&annotated(other)), ["FG204"]);
    }

    #[test]
    fn does_not_fire() {
        let right = r#""[[{"groups": ["x", "networking.k8s.io"], "versions": ["v1"], "kinds": ["Ingress"]}]]""#;
        assert!(codes(&annotated(right)).is_empty());
        let sync = "apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata: {name: s}\n\
                    spec: {gvks: [{group: networking.k8s.io, version: v1, kind: Ingress}]}";
        assert!(codes(&[template(REGO).as_str(), sync].join("\n---\n")).is_empty());
    }
}
