//! From a document's JSON to a [`Schema`], as Go decodes `JSONSchemaProps`: `null` is absent, unknown keywords are
//! left out, a wrong type is an error.

use serde_json::{Map, Value};

use super::{Additional, Items, Pattern, Schema, SchemaError, child, type_name};

/// Keywords of which only the presence matters.
const REFUSED: [&str; 7] =
    ["$ref", "$schema", "id", "definitions", "dependencies", "patternProperties", "additionalItems"];
const ANNOTATIONS: [&str; 3] = ["description", "title", "x-kubernetes-validations"];

/// Reads a schema, and every defect of its form.
pub(crate) fn read(value: &Value) -> (Schema, Vec<SchemaError>) {
    let mut reader = Reader { errors: Vec::new() };
    let schema = reader.schema(value, "");
    (schema, reader.errors)
}

struct Reader {
    errors: Vec<SchemaError>,
}

impl Reader {
    fn schema(&mut self, value: &Value, path: &str) -> Schema {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return Schema::default(),
            other => {
                self.wrong_type(other, path, "JSONSchemaProps");
                return Schema::default();
            }
        };
        let at = Fields { fields, path };
        Schema {
            r#type: self.text(at, "type").unwrap_or_default(),
            format: self.text(at, "format").unwrap_or_default(),
            nullable: self.flag(at, "nullable").unwrap_or_default(),
            default: at.get("default").map(|(value, _)| value.clone()),
            r#enum: self.list(at, "enum").map(<[Value]>::to_vec),
            pattern: self.pattern(at),
            min_length: self.integer(at, "minLength"),
            max_length: self.integer(at, "maxLength"),
            minimum: self.number(at, "minimum"),
            maximum: self.number(at, "maximum"),
            exclusive_minimum: self.flag(at, "exclusiveMinimum").unwrap_or_default(),
            exclusive_maximum: self.flag(at, "exclusiveMaximum").unwrap_or_default(),
            multiple_of: self.number(at, "multipleOf"),
            items: at.get("items").map(|(value, path)| match value {
                Value::Array(_) => Items::Many,
                value => Items::One(Box::new(self.schema(value, &path))),
            }),
            min_items: self.integer(at, "minItems"),
            max_items: self.integer(at, "maxItems"),
            unique_items: self.flag(at, "uniqueItems").unwrap_or_default(),
            properties: self.map(at, "properties", Self::schema),
            additional: at.get("additionalProperties").map(|(value, path)| match value {
                Value::Bool(allowed) => Additional::Allowed(*allowed),
                value => Additional::Typed(Box::new(self.schema(value, &path))),
            }),
            required: self.texts(at, "required"),
            min_properties: self.integer(at, "minProperties"),
            max_properties: self.integer(at, "maxProperties"),
            all_of: self.schemas(at, "allOf"),
            any_of: self.schemas(at, "anyOf"),
            one_of: self.schemas(at, "oneOf"),
            not: at.get("not").map(|(value, path)| Box::new(self.schema(value, &path))),
            preserve_unknown: self.flag(at, "x-kubernetes-preserve-unknown-fields"),
            int_or_string: self.flag(at, "x-kubernetes-int-or-string").unwrap_or_default(),
            embedded_resource: self.flag(at, "x-kubernetes-embedded-resource").unwrap_or_default(),
            list_type: self.text(at, "x-kubernetes-list-type"),
            list_map_keys: self.texts(at, "x-kubernetes-list-map-keys"),
            map_type: self.text(at, "x-kubernetes-map-type"),
            present: REFUSED.into_iter().chain(ANNOTATIONS).filter(|name| at.get(name).is_some()).collect(),
        }
    }

    fn pattern(&mut self, at: Fields<'_>) -> Option<Pattern> {
        self.text(at, "pattern").filter(|text| !text.is_empty()).map(|text| Pattern::new(&text))
    }

    fn schemas(&mut self, at: Fields<'_>, name: &str) -> Vec<Schema> {
        let path = child(at.path, name);
        let list = self.list(at, name).unwrap_or_default();
        (0..).zip(list).map(|(index, value): (usize, _)| self.schema(value, &format!("{path}[{index}]"))).collect()
    }

    fn map<T>(
        &mut self,
        at: Fields<'_>,
        name: &str,
        read: impl Fn(&mut Self, &Value, &str) -> T,
    ) -> std::collections::BTreeMap<String, T> {
        match at.get(name) {
            Some((Value::Object(fields), path)) => {
                fields.iter().map(|(key, value)| (key.clone(), read(self, value, &child(&path, key)))).collect()
            }
            Some((other, path)) => {
                self.wrong_type(other, &path, "map");
                std::collections::BTreeMap::new()
            }
            None => std::collections::BTreeMap::new(),
        }
    }

    fn texts(&mut self, at: Fields<'_>, name: &str) -> Vec<String> {
        let path = child(at.path, name);
        let mut texts = Vec::new();
        for (index, value) in self.list(at, name).unwrap_or_default().iter().enumerate() {
            match value {
                Value::String(text) => texts.push(text.clone()),
                other => self.wrong_type(other, &format!("{path}[{index}]"), "string"),
            }
        }
        texts
    }

    fn list<'value>(&mut self, at: Fields<'value>, name: &str) -> Option<&'value [Value]> {
        self.typed(at, name, "array", |value| value.as_array().map(Vec::as_slice))
    }

    fn text(&mut self, at: Fields<'_>, name: &str) -> Option<String> {
        self.typed(at, name, "string", |value| value.as_str().map(str::to_owned))
    }

    fn flag(&mut self, at: Fields<'_>, name: &str) -> Option<bool> {
        self.typed(at, name, "bool", Value::as_bool)
    }

    fn integer(&mut self, at: Fields<'_>, name: &str) -> Option<i64> {
        self.typed(at, name, "int64", Value::as_i64)
    }

    fn number(&mut self, at: Fields<'_>, name: &str) -> Option<f64> {
        self.typed(at, name, "float64", Value::as_f64)
    }

    fn typed<'value, T>(
        &mut self,
        at: Fields<'value>,
        name: &str,
        wanted: &str,
        read: impl Fn(&'value Value) -> Option<T>,
    ) -> Option<T> {
        let (value, path) = at.get(name)?;
        let typed = read(value);
        if typed.is_none() {
            self.wrong_type(value, &path, wanted);
        }
        typed
    }

    fn wrong_type(&mut self, value: &Value, path: &str, wanted: &str) {
        self.errors.push(SchemaError::new(path, format!("cannot unmarshal {} into type {wanted}", type_name(value))));
    }
}

/// The fields of one level and where it stands.
#[derive(Clone, Copy)]
struct Fields<'value> {
    fields: &'value Map<String, Value>,
    path: &'value str,
}

impl<'value> Fields<'value> {
    fn get(self, name: &str) -> Option<(&'value Value, String)> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some((value, child(self.path, name)))
    }
}
