//! Leaves out what no policy is to read and what is often half of an object: managedFields and kubectl's copy of what was
//! applied. The rest of the text stays as it is, numbers included.

use std::borrow::Cow;

use crate::json::skim;

const LAST_APPLIED: &[u8] = b"kubectl.kubernetes.io/last-applied-configuration";
const MANAGED_FIELDS: &[u8] = b"managedFields";

/// The text without them.
pub(super) fn stripped(text: &[u8]) -> Cow<'_, [u8]> {
    replaced(text, b"metadata", |metadata| {
        let metadata = without(metadata, MANAGED_FIELDS);
        match replaced(&metadata, b"annotations", |annotations| without(annotations, LAST_APPLIED)) {
            Cow::Owned(replaced) => Cow::Owned(replaced),
            Cow::Borrowed(_) => metadata,
        }
    })
}

/// An object with the value of a field replaced, wherever it stands.
fn replaced<'a>(text: &'a [u8], name: &[u8], with: impl Fn(&'a [u8]) -> Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    let fields = skim(text);
    // A key that is written with escapes could be the one that is looked for: nothing is left out then.
    if fields.is_ambiguous() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut from) = (Vec::new(), 0);
    for (_, value) in fields.ranges().filter(|(key, _)| text.get(key.clone()) == Some(name)) {
        let Some(before) = text.get(value.clone()) else { continue };
        if let Cow::Owned(after) = with(before) {
            out.extend_from_slice(text.get(from..value.start).unwrap_or_default());
            out.extend_from_slice(&after);
            from = value.end;
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// An object without a field.
fn without<'a>(text: &'a [u8], name: &[u8]) -> Cow<'a, [u8]> {
    let fields = skim(text);
    let is_meant = |key: &std::ops::Range<usize>| text.get(key.clone()) == Some(name);
    if fields.is_ambiguous() || !fields.is_whole() || !fields.ranges().any(|(key, _)| is_meant(key)) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    out.push(b'{');
    for (key, value) in fields.ranges().filter(|(key, _)| !is_meant(key)) {
        if out.len() > 1 {
            out.push(b',');
        }
        // From the key's quote to the end of the value, as it is written.
        out.extend_from_slice(text.get(key.start.saturating_sub(1)..value.end).unwrap_or_default());
    }
    out.push(b'}');
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_and_what_stays_as_written() {
        for (text, expected) in [
            (r#"{"kind":"Pod"}"#, r#"{"kind":"Pod"}"#),
            (
                r#"{"metadata":{"managedFields":[{"a":"}"}],"name":"p"},"x": 1.50}"#,
                r#"{"metadata":{"name":"p"},"x": 1.50}"#,
            ),
            (r#"{"metadata":{"managedFields":[]}}"#, r#"{"metadata":{}}"#),
            (
                r#"{"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"a\"}", "b": "c"}, "name": "p", "managedFields": 1}}"#,
                r#"{"metadata": {"annotations": {"b": "c"},"name": "p"}}"#,
            ),
            // Only the object's own: a template's managedFields are nobody's bookkeeping.
            (
                r#"{"spec":{"managedFields":1,"metadata":{"managedFields":2}}}"#,
                r#"{"spec":{"managedFields":1,"metadata":{"managedFields":2}}}"#,
            ),
            (
                r#"{"metadata":{"managed\u0046ields":1,"managedFields":2}}"#,
                r#"{"metadata":{"managed\u0046ields":1,"managedFields":2}}"#,
            ),
            (
                r#"{"metadata":{"managedFields":1},"metadata":{"managedFields":2,"name":"p"}}"#,
                r#"{"metadata":{},"metadata":{"name":"p"}}"#,
            ),
            // What breaks off is not mended: whoever parses it finds what is wrong.
            (r#"{"metadata":{"managedFields":1,"#, r#"{"metadata":{"managedFields":1,"#),
            ("[", "["),
        ] {
            assert_eq!(String::from_utf8_lossy(&stripped(text.as_bytes())), expected, "{text}");
        }
    }
}
