//! The API server's bytes: lines of a watch, pages of a list. Objects stay bytes; only what a feed steers by is read.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{CallError, Cause};

/// etcd refuses objects above 1.5 MiB; a line beyond this is no watch event.
const LONGEST_LINE: usize = 32 << 20;

/// One event of a watch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WatchEvent {
    /// Added or modified.
    Put(Object),
    /// Deleted; the object is its last state.
    Deleted(Object),
    /// Everything up to this resourceVersion was sent; `initial_end` ends a streaming list.
    Bookmark { resource_version: String, initial_end: bool },
    /// The server ends the watch.
    Error(CallError),
}

/// An object and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) resource_version: String,
    pub(crate) json: Bytes,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Head {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(default, rename = "k8s.io/initial-events-end")]
    initial_events_end: Option<String>,
}

/// Reads one line of a watch.
pub(crate) fn event(what: &str, line: &Bytes) -> Result<WatchEvent, CallError> {
    let unreadable = |error: serde_json::Error| {
        CallError::new(Cause::Other, format!("{what}: a line of the watch cannot be read: {error}"))
    };
    let parsed: Line<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    let body = parsed.object.get();
    match parsed.kind {
        "ERROR" => {
            #[derive(Default, Deserialize)]
            #[serde(default)]
            struct Code {
                code: u16,
            }
            let code: Code = serde_json::from_str(body).unwrap_or_default();
            Ok(WatchEvent::Error(CallError::of_status(what, code.code, body.as_bytes(), None)))
        }
        kind => {
            let Head { metadata } = serde_json::from_str(body).map_err(unreadable)?;
            let initial_end = || metadata.annotations.as_ref().is_some_and(|all| all.initial_events_end.is_some());
            if kind == "BOOKMARK" {
                let initial_end = initial_end();
                return Ok(WatchEvent::Bookmark { resource_version: metadata.resource_version, initial_end });
            }
            let object = Object {
                namespace: metadata.namespace,
                name: metadata.name,
                resource_version: metadata.resource_version,
                json: line.slice_ref(body.as_bytes()),
            };
            match kind {
                "ADDED" | "MODIFIED" => Ok(WatchEvent::Put(object)),
                "DELETED" => Ok(WatchEvent::Deleted(object)),
                other => Err(CallError::new(Cause::Other, format!("{what}: an event of unknown type {other:?}"))),
            }
        }
    }
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) resource_version: String,
    /// Where the next page begins; empty on the last.
    pub(crate) next: String,
    pub(crate) objects: Vec<Object>,
}

/// Reads a page. The server leaves `apiVersion` and `kind` out of the items of built-in kinds; they are put back.
pub(crate) fn page(what: &str, body: &Bytes, api_version: &str, kind: &str) -> Result<Page, CallError> {
    #[derive(Deserialize)]
    struct List<'a> {
        metadata: ListMetadata,
        #[serde(borrow, default)]
        items: Option<Vec<&'a RawValue>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ListMetadata {
        #[serde(default)]
        resource_version: String,
        #[serde(default, rename = "continue")]
        next: String,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, default)]
        kind: Option<&'a RawValue>,
        metadata: Metadata,
    }
    let unreadable =
        |error: serde_json::Error| CallError::new(Cause::Other, format!("{what}: the list cannot be read: {error}"));
    let list: List<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let mut objects = Vec::new();
    for item in list.items.unwrap_or_default() {
        let text = item.get();
        let Item { kind: named, metadata } = serde_json::from_str(text).map_err(unreadable)?;
        let json = match named {
            Some(_) => body.slice_ref(text.as_bytes()),
            None => typed(text, api_version, kind).map_err(unreadable)?,
        };
        let Metadata { namespace, name, resource_version, annotations: _ } = metadata;
        objects.push(Object { namespace, name, resource_version, json });
    }
    Ok(Page { resource_version: list.metadata.resource_version, next: list.metadata.next, objects })
}

fn typed(text: &str, api_version: &str, kind: &str) -> Result<Bytes, serde_json::Error> {
    let head =
        format!(r#"{{"apiVersion":{},"kind":{},"#, serde_json::to_string(api_version)?, serde_json::to_string(kind)?);
    // It has `metadata`, so that there is a field behind the comma.
    let rest = text.trim_start().strip_prefix('{').unwrap_or_default();
    Ok(Bytes::from(head + rest))
}

/// The lines of a watch's body.
pub(crate) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// Up to where the buffer is known to hold no line's end.
    searched: usize,
}

impl Lines {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0 }
    }

    /// The next line; none at the end. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self, what: &str) -> Result<Option<Bytes>, CallError> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end + 1).freeze();
                self.searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > LONGEST_LINE {
                return Err(CallError::new(Cause::Other, format!("{what}: a line of the watch has no end")));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(CallError::of_body(what, &error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

    fn read(line: &str) -> Result<WatchEvent, CallError> {
        event("GET /x", &Bytes::from(line.to_owned()))
    }

    #[test]
    fn events_keep_the_objects_bytes() {
        let object = r#"{"spec":{"n":1.50,"z":[1, 2]},"metadata":{"name":"a","namespace":"n","resourceVersion":"7"}}"#;
        for (kind, text) in [
            ("ADDED", format!(r#"{{"type":"ADDED","object":{object}}}"#)),
            ("MODIFIED", format!(r#"{{"object":{object},"type":"MODIFIED"}}"#)),
            ("DELETED", format!(r#"{{"type":"DELETED","object":{object}}}"#)),
        ] {
            let expected = Object {
                namespace: "n".into(),
                name: "a".into(),
                resource_version: "7".into(),
                json: Bytes::from_static(object.as_bytes()),
            };
            let event = read(&text).unwrap();
            match kind {
                "DELETED" => assert_eq!(event, WatchEvent::Deleted(expected)),
                _ => assert_eq!(event, WatchEvent::Put(expected)),
            }
        }
    }

    #[test]
    fn a_bookmark_may_end_a_streaming_list() {
        let bookmark = |annotations: &str| {
            read(&format!(
                r#"{{"type":"BOOKMARK","object":{{"kind":"Pod","metadata":{{"resourceVersion":"9"{annotations}}}}}}}"#
            ))
            .unwrap()
        };
        let expected = |initial_end| WatchEvent::Bookmark { resource_version: "9".into(), initial_end };
        assert_eq!(bookmark(""), expected(false));
        assert_eq!(bookmark(r#","annotations":null"#), expected(false));
        assert_eq!(bookmark(&format!(r#","annotations":{{"{INITIAL_EVENTS_END}":"true"}}"#)), expected(true));
    }

    #[test]
    fn an_error_carries_its_status() {
        let line = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
        let WatchEvent::Error(error) = read(line).unwrap() else { unreachable!() };
        assert!(error.is_expired());
        assert_eq!(error.to_string(), "GET /x: 410 too old");
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        for line in [
            "",
            "{",
            "[]",
            r#"{"type":"ADDED"}"#,
            r#"{"type":"ADDED","object":[]}"#,
            r#"{"type":"X","object":{"metadata":{}}}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn items_get_their_type_back() {
        let body = Bytes::from_static(
            br#"{"kind":"PodList","metadata":{"resourceVersion":"5","continue":"c"},"items":[
                {"metadata":{"name":"a","namespace":"n","resourceVersion":"3"},"spec":{}},
                {"apiVersion":"x/v1","kind":"Widget","metadata":{"name":"b"}}]}"#,
        );
        let page = page("GET /x", &body, "v1", "Pod").unwrap();
        assert_eq!((page.resource_version.as_str(), page.next.as_str()), ("5", "c"));
        let texts: Vec<_> =
            page.objects.iter().map(|object| String::from_utf8(object.json.to_vec()).unwrap()).collect();
        assert_eq!(
            texts,
            [
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n","resourceVersion":"3"},"spec":{}}"#,
                r#"{"apiVersion":"x/v1","kind":"Widget","metadata":{"name":"b"}}"#,
            ]
        );
        assert_eq!(page.objects.first().map(|object| object.name.as_str()), Some("a"));
    }

    #[test]
    fn an_empty_list_may_be_null() {
        let body = Bytes::from_static(br#"{"metadata":{"resourceVersion":"5"},"items":null}"#);
        assert_eq!(page("GET /x", &body, "v1", "Pod").unwrap().objects, []);
        assert!(page("GET /x", &Bytes::from_static(b"{}"), "v1", "Pod").is_err());
    }

    #[test]
    fn lines_are_cut_wherever_frames_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut lines = Lines::new(Body::from(b"one\n\ntwo\nrest".to_vec()));
        runtime.block_on(async {
            assert_eq!(lines.next("x").await.unwrap().unwrap(), "one\n");
            assert_eq!(lines.next("x").await.unwrap().unwrap(), "two\n");
            assert_eq!(lines.next("x").await.unwrap(), None);
        });
    }
}
