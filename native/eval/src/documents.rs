//! Documents that queries are asked about: texts of JSON or YAML, and several of them below `data`.

use fleetgate_builtins::Context;
use fleetgate_value::json::{KeyCache, Numbers, parse};
use fleetgate_value::{Object, Value};

use crate::error::Error;

/// A document to put below `data`.
#[derive(Debug, Clone, Copy)]
pub struct DataFile<'a> {
    /// Its name in errors. One that ends in `.json` is JSON and nothing else.
    pub name: &'a str,
    /// Where below `data` it belongs.
    pub path: &'a [String],
    /// Its text.
    pub text: &'a [u8],
}

/// Reads a document with its numbers as they are written: JSON, or where that fails and the name does not say JSON, the first
/// document of YAML.
///
/// # Errors
/// `name: ` and what is wrong.
pub fn read_document(name: &str, text: &[u8]) -> Result<Value, Error> {
    let defect = match parse(text, &mut KeyCache::default(), Numbers::Wide) {
        Ok(value) => return Ok(value),
        Err(defect) => defect,
    };
    let is_json = name.rsplit_once('.').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
    let refused = |defect: String| Error::new("", format!("{name}: {defect}"));
    if is_json {
        return Err(refused(defect.to_string()));
    }
    let text = std::str::from_utf8(text).map_err(|_| refused("not UTF-8".to_owned()))?;
    let Some(read) = fleetgate_builtins::find("yaml.unmarshal") else { return Err(refused(defect.to_string())) };
    let mut context = Context::default();
    context.yaml_core_schema = true;
    read(&mut context, &[text.into()]).map_err(|defect| refused(defect.to_string()))
}

/// Puts documents together as they stand below `data`. Objects are merged.
///
/// # Errors
/// What cannot be read, is no object at the root, or gives something a second value.
pub fn merge_data(files: &[DataFile<'_>]) -> Result<Object, Vec<Error>> {
    let mut data = Object::default();
    let mut errors = Vec::new();
    for file in files {
        let merged = read_document(file.name, file.text).and_then(|value| {
            let value =
                file.path.iter().rev().fold(value, |value, name| Value::object(vec![(name.as_str().into(), value)]));
            let Value::Object(object) = value else {
                return Err(Error::new("", format!("{}: document must be of type object", file.name)));
            };
            let mut path = Vec::new();
            merge(&data, &object, &mut path).ok_or_else(|| {
                let place: String = path.iter().map(|name| format!(".{name}")).collect();
                Error::new("", format!("{}: merge error: conflicting values at data{place}", file.name))
            })
        });
        match merged {
            Ok(merged) => data = merged,
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(data) } else { Err(errors) }
}

/// Both objects' entries; none where they differ, and then `path` is where. As deep as a document may be.
fn merge(left: &Object, right: &Object, path: &mut Vec<String>) -> Option<Object> {
    let mut pairs: Vec<(Value, Value)> = left.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in right.iter() {
        let value = match (left.get(key), value) {
            (None, value) => value.clone(),
            (Some(before), after) => {
                path.push(key.as_str().unwrap_or_default().to_owned());
                let (Value::Object(before), Value::Object(after)) = (before, after) else { return None };
                let merged = merge(before, after, path)?;
                path.pop();
                Value::Object(merged)
            }
        };
        pairs.push((key.clone(), value));
    }
    Some(Object::from_pairs(pairs))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn file<'a>(name: &'a str, path: &'a [String], text: &'a str) -> DataFile<'a> {
        DataFile { name, path, text: text.as_bytes() }
    }

    #[test]
    fn documents_are_merged_below_their_paths_with_numbers_as_written() {
        let nested = ["a".to_owned(), "b".to_owned()];
        let data = merge_data(&[
            file("one.json", &[], r#"{"a": {"c": 12345678901234567890.10}}"#),
            file("two.yaml", &nested, "x: [1, y]"),
        ]);
        let expected = r#"{"a": {"b": {"x": [1, "y"]}, "c": 12345678901234567890.10}}"#;
        assert_eq!(Value::Object(data.unwrap()), read_document("", expected.as_bytes()).unwrap());
    }

    #[test]
    fn a_second_value_names_the_file_and_the_place() {
        let errors =
            merge_data(&[file("1.json", &[], r#"{"a": {"b": 1}}"#), file("2.json", &[], r#"{"a": {"b": 1}}"#)]);
        let errors: Vec<String> = errors.unwrap_err().into_iter().map(|error| error.message).collect();
        assert_eq!(errors, ["2.json: merge error: conflicting values at data.a.b"]);
    }

    #[test]
    fn what_cannot_be_read_names_the_file() {
        let files = [file("list.yaml", &[], "- 1"), file("broken.json", &[], "a: 1")];
        let errors: Vec<String> = merge_data(&files).unwrap_err().into_iter().map(|error| error.message).collect();
        assert_eq!(errors, ["list.yaml: document must be of type object", "broken.json: expected a value at byte 0"]);
    }
}
