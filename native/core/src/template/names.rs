//! Kubernetes' names, and what an author may have meant by a wrong one.

/// Why a name is no RFC 1123 subdomain, in Kubernetes' words.
pub(crate) fn subdomain_defect(name: &str) -> Option<&'static str> {
    if name.len() > 253 {
        return Some("must be no more than 253 characters");
    }
    let well_formed =
        name.split('.').all(|label| ends_well(label, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    (!well_formed).then_some(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
         and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )
}

/// Why a name is no DNS-1035 label, in Kubernetes' words.
pub(crate) fn dns_label_defect(name: &str) -> Option<&'static str> {
    if name.len() > 63 {
        return Some("must be no more than 63 characters");
    }
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let well_formed = starts && ends_well(name, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (!well_formed).then_some(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
         character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation \
         is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    )
}

/// Why a text is no label key, in Kubernetes' words: a name of up to 63 characters, behind a subdomain and `/` if any.
pub(crate) fn label_key_defect(key: &str) -> Option<&'static str> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty");
        }
        if subdomain_defect(prefix).is_some() {
            return Some(
                "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'",
            );
        }
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters");
    }
    (!is_label_text(name)).then_some(
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    )
}

/// Why a text is no label value, in Kubernetes' words.
pub(crate) fn label_value_defect(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters");
    }
    (!value.is_empty() && !is_label_text(value)).then_some(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
         and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
         validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    )
}

fn is_label_text(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    ends.into_iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Alphanumeric, with hyphens inside only.
fn ends_well(label: &str, alphanumeric: fn(u8) -> bool) -> bool {
    let ends = [label.bytes().next(), label.bytes().last()];
    ends.into_iter().all(|end| end.is_some_and(alphanumeric))
        && label.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
}

/// A hint that names the closest of the known names, if one is close.
pub(crate) fn did_you_mean<'name>(wrong: &str, known: impl IntoIterator<Item = &'name str>) -> Option<String> {
    let limit = (wrong.chars().count() / 3).max(1);
    let closest = known.into_iter().map(|name| (distance(wrong, name), name)).min()?;
    (closest.0 <= limit).then(|| format!("did you mean {:?}?", closest.1))
}

/// Edits that turn one name into another; case counts for nothing.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, symbol) in one.to_lowercase().chars().enumerate() {
        let mut left = line + 1;
        let mut next = vec![left];
        for (above, symbols) in row.windows(2).zip(&other) {
            let (diagonal, above) = (above.first().copied().unwrap_or(0), above.last().copied().unwrap_or(0));
            left = (diagonal + usize::from(*symbols != symbol)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_at_close_names_only() {
        for (wrong, hint) in [
            ("excludedNamespace", Some("excludedNamespaces")),
            ("apigroups", Some("apiGroups")),
            ("kind", Some("kinds")),
            ("foo", None),
        ] {
            let known = ["kinds", "apiGroups", "namespaces", "excludedNamespaces"];
            assert_eq!(did_you_mean(wrong, known), hint.map(|name| format!("did you mean {name:?}?")), "{wrong}");
        }
        assert_eq!(did_you_mean("x", []), None);
    }

    #[test]
    fn distances() {
        for (one, other, edits) in
            [("", "", 0), ("", "ab", 2), ("kitten", "sitting", 3), ("a", "A", 0), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), edits, "{one} {other}");
        }
    }

    #[test]
    fn names() {
        for (name, subdomain, label) in [
            ("a.b-c", true, false),
            ("a", true, true),
            ("1a", true, false),
            ("A", false, false),
            ("a-", false, false),
            ("", false, false),
        ] {
            assert_eq!(subdomain_defect(name).is_none(), subdomain, "{name}");
            assert_eq!(dns_label_defect(name).is_none(), label, "{name}");
        }
    }
}
