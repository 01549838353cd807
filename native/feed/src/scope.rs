//! What is read of a collection, and the URL that asks for it.

use crate::dial::JSON;
use crate::discovery::Resource;

/// Metadata alone, for collections of which only the changes matter.
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// What is read of a collection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    /// Selectors, empty for all.
    pub(crate) labels: String,
    pub(crate) fields: String,
    pub(crate) metadata_only: bool,
}

impl Scope {
    pub(crate) const fn all(resource: Resource) -> Self {
        Self { resource, namespace: None, labels: String::new(), fields: String::new(), metadata_only: false }
    }

    /// Path and query.
    pub(crate) fn url(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = self.resource.path(self.namespace.as_deref());
        let selectors = [("labelSelector", self.labels.as_str()), ("fieldSelector", self.fields.as_str())];
        let selectors = selectors.iter().filter(|(_, value)| !value.is_empty());
        for (index, (name, value)) in parameters.iter().chain(selectors).enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            escape(value, &mut url);
        }
        url
    }

    pub(crate) const fn accept(&self) -> &'static str {
        if self.metadata_only { PARTIAL } else { JSON }
    }
}

/// Writes a query's value: whatever is not unreserved (RFC 3986) as percent and hex.
pub(crate) fn escape(value: &str, url: &mut String) {
    use std::fmt::Write as _;
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(url, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::tests::gvk;

    #[test]
    fn urls_carry_selectors_escaped() {
        let resource = Resource {
            kind: gvk("apps", "v1", "Deployment"),
            plural: "deployments".into(),
            namespaced: true,
            watchable: true,
        };
        let scope = Scope {
            namespace: Some("n".into()),
            labels: "app in (a, b),x!=y".into(),
            fields: "metadata.name=z".into(),
            ..Scope::all(resource)
        };
        assert_eq!(
            scope.url(&[("limit", "1")]),
            "/apis/apps/v1/namespaces/n/deployments?limit=1&labelSelector=app%20in%20%28a%2C%20b%29%2Cx%21%3Dy\
             &fieldSelector=metadata.name%3Dz"
        );
    }
}
