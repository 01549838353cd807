//! What is published, as the messages of `PolicyService`.

use prost::Message;

use crate::policy::PolicySet;
use crate::wire;

/// The encoded `fleetgate.v1.ListTemplatesResponse`.
pub fn templates(set: &PolicySet) -> Vec<u8> {
    let describe = |published: &crate::policy::PublishedTemplate| {
        let template = &published.template;
        wire::TemplateInfo {
            kind: template.kind.to_string(),
            bundle: template.bundle.to_string(),
            path: template.origin.path.to_string(),
            line: template.origin.line,
            language: template.version.language().to_owned(),
            engine: published.program.engine().to_owned(),
            constraints: count(published.constraints.len()),
            referential: published.program.referential(),
        }
    };
    let templates = set.templates().iter().map(describe).collect();
    wire::ListTemplatesResponse { generation: Some(generation(set)), templates }.encode_to_vec()
}

/// The encoded `fleetgate.v1.ListConstraintsResponse`.
pub fn constraints(set: &PolicySet) -> Vec<u8> {
    let describe = |published: &crate::policy::PublishedConstraint| {
        let constraint = &published.constraint;
        wire::ConstraintInfo {
            kind: constraint.kind.to_string(),
            name: constraint.name.to_string(),
            scope: "fleet".to_owned(),
            enforcement_action: constraint.actions.declared().to_owned(),
            bundle: constraint.bundle.to_string(),
            path: constraint.origin.path.to_string(),
            line: constraint.origin.line,
        }
    };
    let constraints = set.constraints().iter().map(describe).collect();
    wire::ListConstraintsResponse { generation: Some(generation(set)), constraints }.encode_to_vec()
}

/// The generation's name on the wire.
pub(crate) fn generation(set: &PolicySet) -> wire::Generation {
    wire::Generation { number: set.number(), digest: set.digest().to_string() }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
