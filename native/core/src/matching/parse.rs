//! Reads and validates a match block as Gatekeeper's schema and validating webhook do.

use fleetgate_value::Value;
use serde_json::{Map, Value as Json};

use super::selector::{Operator, Requirement};
use super::{FieldError, Glob, KindSelector, Matcher, Scope, Selector, Source, SourceCriterion};

pub(super) fn matcher(block: &Json) -> Result<Matcher, Vec<FieldError>> {
    let mut reader = Reader { errors: Vec::new() };
    let matcher = reader.matcher(block);
    if reader.errors.is_empty() { Ok(matcher) } else { Err(reader.errors) }
}

/// Collects every defect, so that an author mends them in one go.
struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn error(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    fn matcher(&mut self, block: &Json) -> Matcher {
        let known = [
            "kinds",
            "scope",
            "namespaces",
            "excludedNamespaces",
            "labelSelector",
            "namespaceSelector",
            "name",
            "source",
        ];
        let fields = self.object(block, "", &known);
        let field = |name: &str| fields.and_then(|fields| fields.get(name)).filter(|value| !value.is_null());
        Matcher {
            kinds: self.kinds(field("kinds")),
            scope: match self.string(field("scope"), "scope") {
                Some("Cluster") => Scope::Cluster,
                Some("Namespaced") => Scope::Namespaced,
                _ => Scope::Any,
            },
            namespaces: self.globs(field("namespaces"), "namespaces"),
            excluded_namespaces: self.globs(field("excludedNamespaces"), "excludedNamespaces"),
            label_selector: field("labelSelector").map(|value| self.selector(value, "labelSelector")),
            namespace_selector: field("namespaceSelector").map(|value| self.selector(value, "namespaceSelector")),
            name: self
                .string(field("name"), "name")
                .filter(|pattern| !pattern.is_empty())
                .and_then(|pattern| self.glob(pattern, "name")),
            source: self.source(field("source")),
        }
    }

    fn source(&mut self, value: Option<&Json>) -> SourceCriterion {
        match self.string(value, "source") {
            None | Some("" | "All") => SourceCriterion::All,
            Some("Original") => SourceCriterion::Only(Source::Original),
            Some("Generated") => SourceCriterion::Only(Source::Generated),
            Some(other) => {
                let message =
                    format!("Unsupported value: {other:?}: supported values: \"All\", \"Generated\", \"Original\"");
                self.error("source", message);
                SourceCriterion::All
            }
        }
    }

    fn kinds(&mut self, value: Option<&Json>) -> Vec<KindSelector> {
        let entries = self.array(value, "kinds");
        let mut selectors = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("kinds[{index}]");
            let fields = self.object(entry, &path, &["apiGroups", "kinds"]);
            let mut list = |name: &str| {
                let value = fields.and_then(|fields| fields.get(name)).filter(|value| !value.is_null());
                self.strings(value, &format!("{path}.{name}"))
            };
            selectors.push(KindSelector { groups: list("apiGroups"), kinds: list("kinds") });
        }
        selectors
    }

    fn globs(&mut self, value: Option<&Json>, path: &str) -> Vec<Glob> {
        let patterns = self.strings(value, path);
        let patterns = patterns.iter().enumerate();
        patterns.filter_map(|(index, pattern)| self.glob(pattern, &format!("{path}[{index}]"))).collect()
    }

    fn glob(&mut self, pattern: &str, path: &str) -> Option<Glob> {
        let glob = Glob::parse(pattern);
        if glob.is_none() {
            self.error(path, format!("{pattern:?} should match '^\\*?[-:a-z0-9]*\\*?$'"));
        }
        glob
    }

    fn selector(&mut self, value: &Json, path: &str) -> Selector {
        let fields = self.object(value, path, &["matchLabels", "matchExpressions"]);
        let field = |name: &str| fields.and_then(|fields| fields.get(name)).filter(|value| !value.is_null());
        let mut requirements = Vec::new();
        let labels_path = format!("{path}.matchLabels");
        for (key, value) in self.map(field("matchLabels"), &labels_path).into_iter().flatten() {
            let entry_path = format!("{labels_path}[{key}]");
            self.label_key(key, &entry_path);
            if let Some(value) = self.string(Some(value), &entry_path) {
                self.label_value(value, &entry_path);
                requirements.push(Requirement { key: key_of(key), operator: Operator::In(vec![value.into()]) });
            }
        }
        let expressions_path = format!("{path}.matchExpressions");
        for (index, expression) in self.array(field("matchExpressions"), &expressions_path).iter().enumerate() {
            requirements.extend(self.requirement(expression, &format!("{expressions_path}[{index}]")));
        }
        Selector::new(requirements)
    }

    fn requirement(&mut self, expression: &Json, path: &str) -> Option<Requirement> {
        let fields = self.object(expression, path, &["key", "operator", "values"])?;
        let field = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let key = self.string(field("key"), &format!("{path}.key")).unwrap_or_default();
        self.label_key(key, &format!("{path}.key"));
        let values_path = format!("{path}.values");
        let values = self.strings(field("values"), &values_path);
        for (index, value) in values.iter().enumerate() {
            self.label_value(value, &format!("{values_path}[{index}]"));
        }
        let operator_path = format!("{path}.operator");
        let operator = match self.string(field("operator"), &operator_path).unwrap_or_default() {
            operator @ ("In" | "NotIn") => {
                if values.is_empty() {
                    self.error(&values_path, "Required value: must be specified when `operator` is 'In' or 'NotIn'");
                }
                if operator == "In" { Operator::In(values) } else { Operator::NotIn(values) }
            }
            operator @ ("Exists" | "DoesNotExist") => {
                if !values.is_empty() {
                    let message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    self.error(&values_path, message);
                }
                if operator == "Exists" { Operator::Exists } else { Operator::DoesNotExist }
            }
            other => {
                self.error(&operator_path, format!("Invalid value: {other:?}: not a valid selector operator"));
                return None;
            }
        };
        Some(Requirement { key: key_of(key), operator })
    }

    fn label_key(&mut self, key: &str, path: &str) {
        if !is_label_key(key) {
            self.error(path, format!("Invalid value: {key:?}: not a valid label key"));
        }
    }

    fn label_value(&mut self, value: &str, path: &str) {
        if !is_label_value(value) {
            self.error(path, format!("Invalid value: {value:?}: not a valid label value"));
        }
    }

    fn object<'a>(&mut self, value: &'a Json, path: &str, known: &[&str]) -> Option<&'a Map<String, Json>> {
        let fields = self.map(Some(value), path)?;
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.error(&field, "unknown field");
        }
        Some(fields)
    }

    fn map<'a>(&mut self, value: Option<&'a Json>, path: &str) -> Option<&'a Map<String, Json>> {
        match value? {
            Json::Object(fields) => Some(fields),
            other => self.wrong_type(other, path, "object"),
        }
    }

    fn array<'a>(&mut self, value: Option<&'a Json>, path: &str) -> &'a [Json] {
        match value {
            None => &[],
            Some(Json::Array(items)) => items,
            Some(other) => self.wrong_type(other, path, "array").unwrap_or(&[]),
        }
    }

    fn strings(&mut self, value: Option<&Json>, path: &str) -> Vec<Box<str>> {
        let items = self.array(value, path);
        let text = |(index, item)| self.string(Some(item), &format!("{path}[{index}]")).map(Into::into);
        items.iter().enumerate().filter_map(text).collect()
    }

    fn string<'a>(&mut self, value: Option<&'a Json>, path: &str) -> Option<&'a str> {
        match value? {
            Json::String(text) => Some(text),
            other => self.wrong_type(other, path, "string"),
        }
    }

    fn wrong_type<T>(&mut self, found: &Json, path: &str, wanted: &str) -> Option<T> {
        let found = match found {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        };
        self.error(path, format!("must be of type {wanted}: {found:?}"));
        None
    }
}

fn key_of(key: &str) -> Value {
    Value::from(key)
}

/// A qualified name: an optional DNS-1123 subdomain and `/`, then up to 63 characters.
pub(super) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|prefix| {
        (1..=253).contains(&prefix.len()) && prefix.split('.').all(|label| is_token(label, is_dns, is_dns_end))
    });
    prefix_fits && name.len() <= 63 && is_token(name, is_label, is_label_end)
}

pub(super) fn is_label_value(value: &str) -> bool {
    value.len() <= 63 && (value.is_empty() || is_token(value, is_label, is_label_end))
}

fn is_token(text: &str, inner: fn(u8) -> bool, end: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|byte| byte.is_some_and(|byte| end(*byte))) && bytes.iter().all(|byte| inner(*byte))
}

const fn is_label_end(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

const fn is_label(byte: u8) -> bool {
    is_label_end(byte) || matches!(byte, b'-' | b'_' | b'.')
}

const fn is_dns_end(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

const fn is_dns(byte: u8) -> bool {
    is_dns_end(byte) || byte == b'-'
}
