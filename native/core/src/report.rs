//! What is published, as the messages of `PolicyService`.

use prost::Message;

use crate::policy::{Generation, PolicySet, PublishedConstraint, PublishedTemplate};
use crate::wire;

/// The encoded `fleetgate.v1.ListTemplatesResponse`.
pub fn templates(generation: &Generation) -> Vec<u8> {
    let describe = |set: &PolicySet, published: &PublishedTemplate| {
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
            scope: set.scope().as_str().to_owned(),
            cluster: set.scope().cluster().unwrap_or_default().to_owned(),
        }
    };
    let of = |set: &'_ PolicySet| set.templates().iter().map(|one| describe(set, one)).collect::<Vec<_>>();
    let templates = generation.scopes().flat_map(of).collect();
    wire::ListTemplatesResponse { generation: Some(named(generation)), templates }.encode_to_vec()
}

/// The encoded `fleetgate.v1.ListConstraintsResponse`.
pub fn constraints(generation: &Generation) -> Vec<u8> {
    let describe = |set: &PolicySet, published: &PublishedConstraint| {
        let constraint = &published.constraint;
        wire::ConstraintInfo {
            kind: constraint.kind.to_string(),
            name: constraint.name.to_string(),
            scope: set.scope().as_str().to_owned(),
            enforcement_action: constraint.actions.declared().to_owned(),
            bundle: constraint.bundle.to_string(),
            path: constraint.origin.path.to_string(),
            line: constraint.origin.line,
            cluster: set.scope().cluster().unwrap_or_default().to_owned(),
        }
    };
    let of = |set: &'_ PolicySet| set.constraints().iter().map(|one| describe(set, one)).collect::<Vec<_>>();
    let constraints = generation.scopes().flat_map(of).collect();
    wire::ListConstraintsResponse { generation: Some(named(generation)), constraints }.encode_to_vec()
}

/// The generation's name on the wire.
pub(crate) fn named(generation: &Generation) -> wire::Generation {
    wire::Generation { number: generation.number(), digest: generation.digest().to_string() }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
