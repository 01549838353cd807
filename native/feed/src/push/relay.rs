//! Objects that are watched through an agent: told as if the cluster were dialled, over every loss of its stream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use super::pushed::Pushed;
use crate::change::Gvk;
use crate::objects::{ObjectEvent, Selector};

/// Kind, namespace, name.
type Key = (Gvk, String, String);

/// Watches until nobody wants to know any more.
pub(crate) async fn run(
    pushed: Arc<Pushed>,
    mut selectors: watch::Receiver<BTreeSet<Selector>>,
    sender: mpsc::Sender<ObjectEvent>,
) {
    let (id, mut told) = pushed.open_watch();
    let _closing = Closing { pushed: Arc::clone(&pushed), id };
    let mut sessions = pushed.welcomed.subscribe();
    let mut known = Known::default();
    loop {
        let session = *sessions.borrow_and_update();
        let wanted = selectors.borrow_and_update().clone();
        known.begin(&wanted);
        // Without an agent there is nothing to do but to wait for one.
        let _: bool = pushed.select(id, &wanted).await;
        loop {
            tokio::select! {
                changed = sessions.changed() => if changed.is_err() { return } else { break },
                changed = selectors.changed() => if changed.is_err() { return } else { break },
                batch = told.recv() => {
                    let Some((of, events)) = batch else { return };
                    // What an earlier stream told is told again by this one.
                    for event in events.into_iter().filter(|_| of == session).flat_map(|event| known.take(event)) {
                        if sender.send(event).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }
}

struct Closing {
    pushed: Arc<Pushed>,
    id: u64,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.pushed.close_watch(self.id);
    }
}

/// What was told of each selector.
#[derive(Debug, Default)]
struct Known(BTreeMap<Selector, Objects>);

#[derive(Debug, Default)]
struct Objects {
    /// In all streams.
    ever: BTreeSet<Key>,
    /// In the current one.
    now: BTreeSet<Key>,
}

impl Known {
    /// All is told anew, of these.
    fn begin(&mut self, wanted: &BTreeSet<Selector>) {
        self.0.retain(|selector, _| wanted.contains(selector));
        self.0.values_mut().for_each(|objects| objects.now.clear());
    }

    /// What an event means to whoever heard those before, in other streams too.
    fn take(&mut self, event: ObjectEvent) -> Vec<ObjectEvent> {
        match event {
            ObjectEvent::Put(selector, kind, object) => {
                let Some((namespace, name)) = name_of(&object) else { return Vec::new() };
                let objects = self.0.entry(selector.clone()).or_default();
                let key = (kind.clone(), namespace, name);
                objects.ever.insert(key.clone());
                objects.now.insert(key);
                vec![ObjectEvent::Put(selector, kind, object)]
            }
            ObjectEvent::Delete(selector, kind, namespace, name) => {
                let objects = self.0.entry(selector.clone()).or_default();
                let key = (kind.clone(), namespace.clone(), name.clone());
                objects.ever.remove(&key);
                objects.now.remove(&key);
                vec![ObjectEvent::Delete(selector, kind, namespace, name)]
            }
            ObjectEvent::Synced(selector) => {
                let objects = self.0.entry(selector.clone()).or_default();
                let vanished: Vec<Key> = objects.ever.difference(&objects.now).cloned().collect();
                objects.ever.clone_from(&objects.now);
                let gone = |(kind, namespace, name)| ObjectEvent::Delete(selector.clone(), kind, namespace, name);
                let mut events: Vec<ObjectEvent> = vanished.into_iter().map(gone).collect();
                events.push(ObjectEvent::Synced(selector));
                events
            }
            failed @ ObjectEvent::Failed(..) => vec![failed],
        }
    }
}

fn name_of(object: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Head {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
        #[serde(default)]
        namespace: String,
    }
    let head: Head = serde_json::from_slice(object).ok()?;
    Some((head.metadata.namespace, head.metadata.name))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::discovery::tests::gvk;

    fn put(selector: &Selector, name: &str) -> ObjectEvent {
        let object = format!(r#"{{"metadata":{{"name":"{name}","namespace":"n"}}}}"#);
        ObjectEvent::Put(selector.clone(), gvk("", "v1", "Pod"), Bytes::from(object))
    }

    fn delete(selector: &Selector, name: &str) -> ObjectEvent {
        ObjectEvent::Delete(selector.clone(), gvk("", "v1", "Pod"), "n".into(), name.into())
    }

    #[test]
    fn what_vanished_while_the_stream_was_lost_is_told_when_all_is_told() {
        let pods = Selector { kind: "Pod".into(), ..Selector::default() };
        let (wanted, synced) = ([pods.clone()].into(), ObjectEvent::Synced(pods.clone()));
        let mut known = Known::default();
        known.begin(&wanted);
        for event in [put(&pods, "a"), put(&pods, "b"), put(&pods, "c"), synced.clone(), delete(&pods, "c")] {
            assert_eq!(known.take(event.clone()), [event]);
        }
        known.begin(&wanted);
        assert_eq!(known.take(put(&pods, "b")), [put(&pods, "b")]);
        assert_eq!(known.take(synced.clone()), [delete(&pods, "a"), synced.clone()]);
        // Told again within the stream, after a list.
        assert_eq!(known.take(synced.clone()), [synced]);
    }
}
