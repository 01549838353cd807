//! A bell that rings when the kinds that a cluster serves may have changed.

use std::time::SystemTime;

use tokio::sync::watch;

use crate::change::{Gvk, State};
use crate::discovery::Resource;
use crate::error::CallError;
use crate::reflector::{Overflow, Sink};
use crate::wire::Object;

/// Where CRDs are.
pub(crate) fn definitions() -> Resource {
    Resource {
        kind: Gvk {
            group: "apiextensions.k8s.io".into(),
            version: "v1".into(),
            kind: "CustomResourceDefinition".into(),
        },
        plural: "customresourcedefinitions".into(),
        namespaced: false,
        watchable: true,
    }
}

/// Of CRDs only their changes matter: what they say is read from discovery.
pub(crate) struct CustomResourceDefinitions(pub(crate) watch::Sender<u64>);

impl CustomResourceDefinitions {
    fn ring(&self) {
        self.0.send_modify(|rung| *rung += 1);
    }
}

impl Sink for CustomResourceDefinitions {
    fn begin(&mut self) {}

    async fn listed(&mut self, _: Object) -> Result<(), Overflow> {
        Ok(())
    }

    async fn finish(&mut self, _: &str, _: SystemTime) {
        self.ring();
    }

    fn abort(&mut self) {}

    async fn put(&mut self, _: Object) -> Result<(), Overflow> {
        self.ring();
        Ok(())
    }

    async fn delete(&mut self, _: Object) -> Result<(), Overflow> {
        self.ring();
        Ok(())
    }

    fn observed(&mut self, _: &str, _: SystemTime) {}

    async fn state(&mut self, _: State, _: Option<&CallError>) {}
}
