//! The digest of a set of policies: what they say, wherever they were written.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// SHA-256, in lower-case hexadecimal, over the documents in their given order, reduced to what gives them meaning.
pub(crate) fn digest<'doc>(documents: impl Iterator<Item = &'doc Value>) -> Arc<str> {
    let mut hasher = Sha256::new();
    for document in documents {
        // Objects iterate by key, so equal documents give equal text.
        hasher.update(meaning(document).to_string().as_bytes());
        hasher.update(b"\n");
    }
    hexadecimal(&hasher.finalize())
}

pub(super) fn hexadecimal(bytes: &[u8]) -> Arc<str> {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// Status and the bookkeeping of an API server (resourceVersion, managedFields …) differ between copies of one policy.
fn meaning(document: &Value) -> Value {
    let at = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
    json!({
        "apiVersion": at("/apiVersion"),
        "kind": at("/kind"),
        "name": at("/metadata/name"),
        "labels": at("/metadata/labels"),
        "annotations": at("/metadata/annotations"),
        "spec": at("/spec"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_of_the_meaning() {
        let of = |document: &Value| digest([document].into_iter());
        let one = json!({"kind": "Foo", "metadata": {"name": "a"}, "spec": {"x": 1, "y": 2}});
        let same =
            json!({"spec": {"y": 2, "x": 1}, "kind": "Foo", "metadata": {"uid": "u", "name": "a"}, "status": {}});
        let other = json!({"kind": "Foo", "metadata": {"name": "a"}, "spec": {"x": 1, "y": 3}});
        assert_eq!(of(&one), of(&same));
        assert_ne!(of(&one), of(&other));
        assert_eq!(of(&one).len(), 64);
    }
}
