//! Typed access to a document's fields, collecting located diagnostics on the way.

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, code};
use crate::yaml::Document;

/// A document under check and what was found in it.
pub(crate) struct Checked<'doc> {
    pub(crate) document: &'doc Document,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<'doc> Checked<'doc> {
    pub(crate) fn new(document: &'doc Document) -> Self {
        Self { document, diagnostics: Vec::new() }
    }

    pub(crate) fn refuse(&mut self, code: &'static str, field: &str, message: impl Into<String>) {
        self.diagnostics.push(self.document.diagnostic(code, field, message));
    }

    pub(crate) fn refuse_with_hint(
        &mut self,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.diagnostics.push(Diagnostic { hint, ..self.document.diagnostic(code, field, message) });
    }

    /// The object of a field; empty where the field is absent or null.
    pub(crate) fn object(&mut self, value: Option<&'doc Value>, field: &str) -> Option<&'doc Map<String, Value>> {
        self.typed(value, field, "object", Value::as_object)
    }

    pub(crate) fn array(&mut self, value: Option<&'doc Value>, field: &str) -> &'doc [Value] {
        self.typed(value, field, "array", Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The string of a field; empty where the field is absent or null, as Go decodes it.
    pub(crate) fn text(&mut self, value: Option<&'doc Value>, field: &str) -> &'doc str {
        self.typed(value, field, "string", Value::as_str).unwrap_or_default()
    }

    pub(crate) fn flag(&mut self, value: Option<&'doc Value>, field: &str) -> Option<bool> {
        self.typed(value, field, "bool", Value::as_bool)
    }

    fn typed<T>(
        &mut self,
        value: Option<&'doc Value>,
        field: &str,
        wanted: &str,
        read: impl Fn(&'doc Value) -> Option<T>,
    ) -> Option<T> {
        let value = value.filter(|value| !value.is_null())?;
        let typed = read(value);
        if typed.is_none() {
            let found = match value {
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                _ => "object",
            };
            self.refuse(
                code::INVALID_FIELD,
                field,
                format!("json: cannot unmarshal {found} into field of type {wanted}"),
            );
        }
        typed
    }
}
