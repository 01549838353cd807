//! FG205: kinds that a template needs, and that the Config and SyncSets beside it do not sync.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::inventory::{self, Equivalence};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG205",
        name: "kind-not-synced",
        severity: Severity::Warning,
        summary: "no Config or SyncSet among the files syncs what the template reads",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    // What is synced elsewhere is not known.
    if policies.syncs.is_empty() {
        return;
    }
    let synced = inventory::synced(policies);
    for template in &policies.templates {
        // What a fleet template declares is watched because it does.
        if template.annotation("fleetgate.dev/fleet") == Some("true") {
            continue;
        }
        let Some(Ok(declared)) = inventory::declared(template) else { continue };
        for alternatives in &declared {
            if !alternatives.iter().any(|one| synced.iter().any(|kind| one.contains(kind))) {
                let what: Vec<String> = alternatives.iter().map(Equivalence::text).collect();
                let field = inventory::annotation_field();
                let message = format!("nothing here syncs {}: the template sees none", what.join(", or "));
                findings.add(template.document.locate(&field), &field, message, "add it to a SyncSet");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    fn files(kind: &str) -> String {
        let rego = r#"violation[{"msg": "no"}] { data.inventory.namespace[_].v1.Service[_].x }"#;
        let needs = r#"[[{"groups": [""], "versions": ["v1"], "kinds": ["Service"]}]]"#;
        let annotation = format!("annotations: {{metadata.gatekeeper.sh/requires-sync-data: '{needs}'}}, name: a");
        let template = template(rego).replacen("name: a", &annotation, 1);
        format!(
            "{template}\n---\napiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {{name: config}}\n\
             spec: {{sync: {{syncOnly: [{{group: '', version: v1, kind: {kind}}}]}}}}"
        )
    }

    #[test]
    fn fires() {
        assert_eq!(codes(&files("Pod")), ["FG205"]);
    }

    #[test]
    fn does_not_fire() {
        assert!(codes(&files("Service")).is_empty());
    }
}
