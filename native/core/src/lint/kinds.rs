//! The kinds that Kubernetes itself has: where they belong and how their names go wrong.

/// A kind of Kubernetes' own API groups.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// The group that it is in, and those that it was in.
    pub(super) groups: &'static [&'static str],
    pub(super) namespaced: bool,
}

const fn namespaced(name: &'static str, groups: &'static [&'static str]) -> Kind {
    Kind { name, groups, namespaced: true }
}

const fn cluster(name: &'static str, groups: &'static [&'static str]) -> Kind {
    Kind { name, groups, namespaced: false }
}

static KINDS: [Kind; 56] = [
    namespaced("ConfigMap", &[""]),
    namespaced("Endpoints", &[""]),
    namespaced("Event", &["", "events.k8s.io"]),
    namespaced("LimitRange", &[""]),
    cluster("Namespace", &[""]),
    cluster("Node", &[""]),
    cluster("PersistentVolume", &[""]),
    namespaced("PersistentVolumeClaim", &[""]),
    namespaced("Pod", &[""]),
    namespaced("PodTemplate", &[""]),
    namespaced("ReplicationController", &[""]),
    namespaced("ResourceQuota", &[""]),
    namespaced("Secret", &[""]),
    namespaced("Service", &[""]),
    namespaced("ServiceAccount", &[""]),
    namespaced("ControllerRevision", &["apps"]),
    namespaced("DaemonSet", &["apps", "extensions"]),
    namespaced("Deployment", &["apps", "extensions"]),
    namespaced("ReplicaSet", &["apps", "extensions"]),
    namespaced("StatefulSet", &["apps"]),
    namespaced("CronJob", &["batch"]),
    namespaced("Job", &["batch"]),
    namespaced("HorizontalPodAutoscaler", &["autoscaling"]),
    namespaced("Ingress", &["networking.k8s.io", "extensions"]),
    cluster("IngressClass", &["networking.k8s.io"]),
    cluster("IPAddress", &["networking.k8s.io"]),
    namespaced("NetworkPolicy", &["networking.k8s.io", "extensions"]),
    cluster("ServiceCIDR", &["networking.k8s.io"]),
    namespaced("PodDisruptionBudget", &["policy"]),
    cluster("PodSecurityPolicy", &["policy", "extensions"]),
    cluster("ClusterRole", &["rbac.authorization.k8s.io"]),
    cluster("ClusterRoleBinding", &["rbac.authorization.k8s.io"]),
    namespaced("Role", &["rbac.authorization.k8s.io"]),
    namespaced("RoleBinding", &["rbac.authorization.k8s.io"]),
    cluster("CSIDriver", &["storage.k8s.io"]),
    cluster("CSINode", &["storage.k8s.io"]),
    namespaced("CSIStorageCapacity", &["storage.k8s.io"]),
    cluster("StorageClass", &["storage.k8s.io"]),
    cluster("VolumeAttachment", &["storage.k8s.io"]),
    cluster("VolumeAttributesClass", &["storage.k8s.io"]),
    cluster("MutatingAdmissionPolicy", &["admissionregistration.k8s.io"]),
    cluster("MutatingAdmissionPolicyBinding", &["admissionregistration.k8s.io"]),
    cluster("MutatingWebhookConfiguration", &["admissionregistration.k8s.io"]),
    cluster("ValidatingAdmissionPolicy", &["admissionregistration.k8s.io"]),
    cluster("ValidatingAdmissionPolicyBinding", &["admissionregistration.k8s.io"]),
    cluster("ValidatingWebhookConfiguration", &["admissionregistration.k8s.io"]),
    cluster("CustomResourceDefinition", &["apiextensions.k8s.io"]),
    cluster("APIService", &["apiregistration.k8s.io"]),
    cluster("CertificateSigningRequest", &["certificates.k8s.io"]),
    namespaced("Lease", &["coordination.k8s.io"]),
    namespaced("EndpointSlice", &["discovery.k8s.io"]),
    cluster("FlowSchema", &["flowcontrol.apiserver.k8s.io"]),
    cluster("PriorityLevelConfiguration", &["flowcontrol.apiserver.k8s.io"]),
    cluster("RuntimeClass", &["node.k8s.io"]),
    cluster("PriorityClass", &["scheduling.k8s.io"]),
    namespaced("Eviction", &["policy"]),
];

/// Controllers whose objects hold a template of the Pods that they make.
pub(super) const WORKLOADS: [&str; 7] =
    ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"];

/// The kind of that name.
pub(super) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Whether Kubernetes itself serves the group, so that all its kinds are known here.
pub(super) fn is_own_group(group: &str) -> bool {
    KINDS.iter().any(|kind| kind.groups.contains(&group))
}

/// The kind that is meant by its plural, or by wrong capitals: `pods`, `Deployments`, `networkpolicy`.
pub(super) fn misspelt(name: &str) -> Option<&'static str> {
    if find(name).is_some() {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let meant = |kind: &&Kind| {
        let singular = kind.name.to_ascii_lowercase();
        lower == singular || lower == plural(&singular)
    };
    KINDS.iter().find(meant).map(|kind| kind.name)
}

/// The name of a kind's resource.
fn plural(singular: &str) -> String {
    match singular.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if singular.ends_with("endpoints") => singular.to_owned(),
        None if singular.ends_with('s') => format!("{singular}es"),
        None => format!("{singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_meant_for_a_kind() {
        for (written, meant) in [
            ("pods", Some("Pod")),
            ("Deployments", Some("Deployment")),
            ("ingresses", Some("Ingress")),
            ("Networkpolicy", Some("NetworkPolicy")),
            ("storageclasses", Some("StorageClass")),
            ("csistoragecapacities", Some("CSIStorageCapacity")),
            ("Pod", None),
            ("Endpoints", None),
            ("Widgets", None),
        ] {
            assert_eq!(misspelt(written), meant, "{written}");
        }
    }

    #[test]
    fn every_workload_is_a_namespaced_kind() {
        assert!(WORKLOADS.iter().all(|name| find(name).is_some_and(|kind| kind.namespaced)));
    }
}
