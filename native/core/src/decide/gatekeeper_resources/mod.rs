//! Objects of Gatekeeper's own groups at admission: checked as Gatekeeper's webhook checks them before any policy is asked
//! (`validateGatekeeperResources` in `pkg/webhook/policy.go` of Gatekeeper 3.23.1).
//!
//! Constraints are held against the published templates: those of the cluster, else those of the fleet. Mutators, ExpansionTemplates and
//! Providers are checked although fleetgate does not act on them: whoever applies one learns at once what Gatekeeper will not take.

mod decode;
mod expansion;
mod image;
mod location;
mod mutators;
mod path_tests;
mod provider;
mod schema;

use serde_json::Value;

use crate::config::Config;
use crate::policy::{PolicySet, Scoped};
use crate::template::{self, Refusal};
use crate::yaml::Document;

/// Gatekeeper's groups that its webhook checks. `syncset` and `connection` are not among them.
const GROUPS: [&str; 7] = [
    "config.gatekeeper.sh",
    "constraints.gatekeeper.sh",
    "expansion.gatekeeper.sh",
    "externaldata.gatekeeper.sh",
    mutators::GROUP,
    STATUS_GROUP,
    "templates.gatekeeper.sh",
];

/// Names in it are made of others' and may be longer.
const STATUS_GROUP: &str = "status.gatekeeper.sh";

/// Bytes that a name may have.
const MAX_NAME: usize = 63;

/// Whether objects of an API group are checked here.
pub(super) fn are_of(group: &str) -> bool {
    GROUPS.contains(&group)
}

/// Checks the object of an AdmissionRequest, given as JSON, whose group is one of Gatekeeper's.
pub(super) fn admit(request: &[u8], scopes: Scoped<&PolicySet>) -> Result<(), Refusal> {
    let mut request: Value = serde_json::from_slice(request).map_err(|error| Refusal::internal(error.to_string()))?;
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, kind) = (text("/kind/group").to_owned(), text("/kind/kind").to_owned());
    let name = text("/name").to_owned();
    let deleted = text("/operation") == "DELETE";
    if deleted && name.is_empty() {
        // A collection is deleted.
        return Ok(());
    }
    if group != STATUS_GROUP && name.len() > MAX_NAME {
        let message = format!("resource cannot have metadata.name larger than {MAX_NAME} char; length: {}", name.len());
        return Err(Refusal::internal(message));
    }
    let mut object = || {
        let field = if deleted { "oldObject" } else { "object" };
        match request.get_mut(field).map(Value::take) {
            Some(object @ Value::Object(_)) => Ok(object),
            _ => Err(Refusal::internal(format!("{field} cannot be decoded: it is no object"))),
        }
    };
    match (&*group, &*kind) {
        ("templates.gatekeeper.sh", "ConstraintTemplate") => {
            template::admit_template(&Document::without_file(object()?))
        }
        ("constraints.gatekeeper.sh", _) => {
            let own = |kind: &str| scopes.cluster.and_then(|set| set.template(kind));
            template::admit_constraint(&object()?, |kind| own(kind).or_else(|| scopes.fleet.template(kind)))
        }
        (Config::GROUP, "Config") if name != Config::NAME => {
            Err(Refusal::user_error("config resource must have name 'config'"))
        }
        ("expansion.gatekeeper.sh", "ExpansionTemplate") => expansion::admit(object()?),
        (mutators::GROUP, kind) => mutators::admit(kind, object),
        ("externaldata.gatekeeper.sh", "Provider") => provider::admit(object()?),
        _ => Ok(()),
    }
}
