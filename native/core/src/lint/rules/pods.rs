//! What rules about Pods read, and which Constraints bring Pods to them.

use crate::lint::access::{Access, Path};
use crate::lint::kinds::WORKLOADS;
use crate::lint::policies::{Constraint, Rego, Template};

/// Fields that any container may have. Others, such as probes and ports, Kubernetes keeps from some of them.
const FIELDS_OF_ALL: [&str; 9] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "securityContext",
    "volumeDevices",
    "volumeMounts",
];

/// Fields that init containers may have beside those.
const FIELDS_OF_INIT: [&str; 2] = ["ports", "resources"];

/// Whether it is a list of containers below a `spec`, and where the list's name stands in it.
pub(super) fn containers(path: &Path) -> Option<usize> {
    path.find(&["spec", "containers"]).map(|spec| spec + 1)
}

/// The first place where the template reads a Pod's containers and what every container, or every init container, has.
pub(super) fn reads_containers(template: &Template, also_init: bool) -> Option<(&Rego, Access)> {
    let words = template.words();
    let fields = FIELDS_OF_ALL.iter().chain(FIELDS_OF_INIT.iter().filter(|_| also_init));
    let mut fields = fields.filter(|field| words.contains(**field));
    fields.next()?;
    template.accesses().find(|(_, access)| containers(&access.path).is_some())
}

/// Whether a path goes through the template of the Pods that a controller makes.
pub(super) fn in_pod_template(path: &Path) -> bool {
    path.find(&["template", "spec"]).is_some()
}

/// Whether the Constraint matches Pods, as far as kinds are concerned.
pub(super) fn matches_pods(constraint: &Constraint) -> bool {
    let entries = constraint.kinds();
    entries.is_empty()
        || entries.iter().any(|entry| {
            let group = entry.any_group() || entry.groups.contains(&"");
            group && (entry.any_kind() || entry.kinds.contains(&"Pod"))
        })
}

/// Whether the Constraint matches nothing but controllers of Pods.
pub(super) fn matches_only_workloads(constraint: &Constraint) -> bool {
    let entries = constraint.kinds();
    let only = |kinds: &[&str]| !kinds.is_empty() && kinds.iter().all(|kind| WORKLOADS.contains(kind));
    !entries.is_empty() && entries.iter().all(|entry| only(&entry.kinds))
}
