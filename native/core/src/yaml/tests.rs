#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Answers of sigs.k8s.io/yaml 1.6.0's `YAMLToJSON`, recorded by running it.
const RECORDED: &str = include_str!("../../tests/data/sigs_yaml.jsonl");

/// Inputs that are read differently, and how.
const DIFFERENT: [(&str, &str); 6] = [
    ("%YAML 1.2\n---\na: 1", "the directive of newer YAML is read"),
    ("a: \"\\u00e9\\x41\\U0001F600\\/\"", "JSON's escaped slash is read"),
    ("a: 1\n\u{feff}", "a byte order mark at the end is passed over"),
    ("a: 1\n...\nb: 2", "refused; Kubernetes' tools pass over what follows the end of a document"),
    ("1234567.25: a", "a key that is a float in single precision is rounded half up"),
    ("- !!timestamp abc", "a timestamp is text, whatever it says"),
];

fn parsed(text: &str) -> Reading {
    read("f.yaml", text.as_bytes())
}

fn value(text: &str) -> Value {
    let reading = parsed(text);
    assert_eq!(reading.diagnostics, [], "{text}");
    reading.documents.into_iter().next().map_or(Value::Null, |document| document.value)
}

/// Numbers as Kubernetes reads them from JSON text: integers where they are of 64 bits, doubles otherwise.
fn numbers_of_kubernetes(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let text = format!("{}", number.as_f64().unwrap());
            let whole = number.as_i64().or_else(|| text.parse().ok());
            whole.map_or_else(|| Value::from(number.as_f64().unwrap()), Value::from)
        }
        Value::Array(all) => all.into_iter().map(numbers_of_kubernetes).collect(),
        Value::Object(all) => all.into_iter().map(|(key, value)| (key, numbers_of_kubernetes(value))).collect(),
        other => other,
    }
}

#[test]
fn reads_what_kubernetes_reads() {
    let mut wrong = Vec::new();
    for row in RECORDED.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = row["in"].as_str().unwrap();
        let reading = parsed(text);
        let got = reading.documents.first().map_or(Value::Null, |document| document.value.clone());
        let same = match row["out"].as_str() {
            Some(expected) => {
                let expected = numbers_of_kubernetes(serde_json::from_str(expected).unwrap());
                reading.diagnostics.is_empty() && numbers_of_kubernetes(got.clone()) == expected
            }
            None => !reading.diagnostics.is_empty(),
        };
        let different = DIFFERENT.iter().any(|(known, _)| *known == text);
        if same == different {
            wrong.push(format!("{row}\n    {got} {:?}", reading.diagnostics));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keeps_integers_of_64_bits() {
    for number in ["9223372036854775807", "-9223372036854775808", "18446744073709551615", "12345678901234567"] {
        assert_eq!(value(&format!("a: {number}")).to_string(), format!("{{\"a\":{number}}}"));
    }
}

#[test]
fn reads_many_documents_and_leaves_out_empty_ones() {
    let reading = parsed("# nothing\n---\na: 1\n---\n---\n# still nothing\n---\n~\n---\nb: 2\n...\n---\n- c\n");
    let values: Vec<_> = reading.documents.iter().map(|document| document.value.clone()).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": 2}), json!(["c"])]);
    let lines: Vec<_> = reading.documents.iter().map(|document| document.location().line).collect();
    assert_eq!(lines, [3, 10, 13]);
}

#[test]
fn reads_json() {
    let text = "{\"a\": [1, 2.5, null, \"x\\ny\\u00e9\"],\n \"b\": {\"c\": true}}";
    assert_eq!(value(text), json!({"a": [1, 2.5, null, "x\nyé"], "b": {"c": true}}));
}

#[test]
fn ignores_a_byte_order_mark() {
    assert_eq!(value("\u{feff}a: 1"), json!({"a": 1}));
}

#[test]
fn knows_where_fields_stand() {
    let text = "# c\nspec:\n  match:\n    kinds:\n      - apiGroups: [\"\"]\n        kinds: [Pod, Service]\n  a.b/c:\n    x: 1\n";
    let reading = parsed(text);
    let at = |field: &str| {
        let location = reading.documents[0].locate(field);
        (location.line, location.column)
    };
    for (field, place) in [
        ("", (2, 1)),
        ("spec", (3, 3)),
        ("spec.match.kinds", (5, 7)),
        ("spec.match.kinds[0]", (5, 9)),
        ("spec.match.kinds[0].kinds[1]", (6, 22)),
        ("spec.a.b/c.x", (8, 8)),
        // Of what is not there, the deepest ancestor that is.
        ("spec.match.kinds[7].kinds", (5, 7)),
        ("spec.nothing", (3, 3)),
        ("status", (2, 1)),
    ] {
        assert_eq!(at(field), place, "{field}");
    }
}

/// A text whose line 2, column 3 is the `!` that the file shows at the given place.
#[test]
fn finds_the_way_from_text_to_file() {
    for (name, file, place) in [
        ("literal", "a:\n  rego: |\n    x\n    yy! z\n", (4, 7)),
        ("literal, indented by number", "a:\n  rego: |2\n    x\n    yy! z\n", (4, 7)),
        ("literal, cut off", "rego: |\n  x\n  yy! z", (3, 5)),
        ("literal, stripped", "rego: |-\n  x\n  yy! z", (3, 5)),
        ("literal after a comment", "rego: | # why\n  x\n  yy! z\n", (3, 5)),
        ("literal with a tag", "rego: !!str |\n  x\n  yy! z\n", (3, 5)),
        ("literal that begins empty", "rego: |\n\n  yy! z\n", (3, 5)),
        ("carriage returns", "rego: |\r\n  x\r\n  yy! z\r\n", (3, 5)),
        ("JSON", "{\"rego\": \"x\\nyy! z\"}", (1, 16)),
        ("JSON with escapes before", "{\"rego\": \"\\\"\\u0041\\t\\ny\\\\! z\"}", (1, 26)),
        ("quoted over lines", "rego: \"x\\ny\\\n  \\ ! z\"", (2, 5)),
        ("two bytes a character", "é: 1\nrego: |\n  é\n  éé! z\n", (4, 5)),
    ] {
        let reading = parsed(file);
        assert_eq!(reading.diagnostics, [], "{name}");
        let document = &reading.documents[0];
        let field = if file.starts_with("a:") { "a.rego" } else { "rego" };
        let source = document.text(field).unwrap();
        let line = source.text.lines().nth(1).unwrap();
        let column = u32::try_from(line.chars().position(|symbol| symbol == '!').unwrap() + 1).unwrap();
        let location = source.locate(2, column);
        assert_eq!((location.line, location.column), place, "{name}");
        let shown = file.lines().nth(place.0 as usize - 1).unwrap().chars().nth(place.1 as usize - 1);
        assert_eq!(shown, Some('!'), "{name}");
    }
}

#[test]
fn the_end_of_the_file_ends_a_block() {
    for (text, expected) in [
        ("a: |\n  x", "x"),
        ("a: |\n  x\n", "x\n"),
        ("a: |+\n  x\n\n", "x\n\n"),
        ("a: >\n  x\n  y", "x y"),
        ("a: |-\n  x", "x"),
        ("a: |\n  x\n  ", "x\n"),
    ] {
        assert_eq!(value(text), json!({"a": expected}), "{text:?}");
    }
}

#[test]
fn folded_text_is_located_as_a_whole() {
    let reading = parsed("a: 1\nrego: >\n  x\n  y\n");
    let location = reading.documents[0].text("rego").unwrap().locate(1, 3);
    assert_eq!(location.line, 2);
}

#[test]
fn locates_what_does_not_parse() {
    for (text, line, column, message) in [
        ("a: 1\nb: [1, 2\n", 3, 1, "yaml:"),
        ("a: b: c", 1, 5, "mapping values are not allowed in this context"),
        ("a:\n  - *nowhere", 2, 5, "anchor"),
        ("a:\n  !!int x: 1", 2, 3, "cannot decode !!str `x` as a !!int"),
        ("- a: .inf", 1, 6, "unsupported value: Inf"),
        ("? [a]\n: b", 1, 3, "invalid map key"),
        ("a: &x\n  b: *x\n", 2, 6, "anchor value contains itself"),
        ("a:\n  <<: 3", 2, 7, "map merge requires map or sequence of maps as the value"),
    ] {
        let reading = parsed(text);
        let [diagnostic] = &reading.diagnostics[..] else { panic!("{text}: {:?}", reading.diagnostics) };
        let location = diagnostic.location.as_ref().unwrap();
        assert!(diagnostic.message.contains(message), "{text}: {}", diagnostic.message);
        assert_eq!((location.line, location.column), (line, column), "{text}: {}", diagnostic.message);
    }
}

#[test]
fn a_comma_behind_a_tag_is_refused() {
    for text in ["a: 1\n---\nb: [!x,y]\n", "a: 1\n---\nb: [!x, y]\n"] {
        let reading = parsed(text);
        assert_eq!(reading.documents.len(), 1);
        assert_eq!(
            reading.diagnostics[0].to_string(),
            "f.yaml:3:4: yaml: the parser failed behind this place [syntax_error]"
        );
    }
}

#[test]
fn a_defective_document_leaves_the_others() {
    let reading = parsed("a: 1\n---\n~: 2\n---\nb: 3\n");
    assert_eq!(reading.documents.len(), 2);
    assert_eq!(reading.diagnostics.len(), 1);
}

#[test]
fn refuses_bytes_that_are_no_text() {
    let reading = read("f.yaml", b"a: 1\nb: \xff");
    assert_eq!(reading.diagnostics[0].to_string(), "f.yaml:2:4: the file is not UTF-8 [syntax_error]");
}

#[test]
fn survives_bombs() {
    let lines: Vec<String> = (1..=9)
        .map(|level| {
            let element = if level == 1 { "x".to_owned() } else { format!("*a{}", level - 1) };
            format!("a{level}: &a{level} [{}]", vec![element; 9].join(", "))
        })
        .collect();
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), vec!["*a"; 64].join(","));
    let merges: String =
        (1..24).map(|n| format!("m{n}: &m{n}\n  <<: [*m{}, *m{}]\n  k{n}: 1\n", n - 1, n - 1)).collect();
    for (name, text) in [
        ("billion laughs", lines.join("\n")),
        ("long text many times", long),
        ("merges", format!("m0: &m0 {{k: 1}}\n{merges}")),
        ("brackets", "[".repeat(100_000)),
        ("braces", "{".repeat(100_000)),
        ("mappings", "{a: ".repeat(100_000)),
        ("sequences", "- ".repeat(100_000)),
        ("keys", "? ".repeat(100_000)),
        ("closed brackets", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("indentation", (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
    ] {
        let started = std::time::Instant::now();
        let reading = parsed(&text);
        assert!(!reading.diagnostics.is_empty() || name == "merges", "{name}");
        assert!(started.elapsed().as_secs() < 5, "{name}: {:?}", started.elapsed());
    }
}

#[test]
fn reads_long_files_in_linear_time() {
    let started = std::time::Instant::now();
    let text =
        format!("{}rego: |\n{}", "a: {b: [1, 2, \"x\"], c: &x y}\n---\n".repeat(10_000), "  x := 1\n".repeat(100_000));
    let reading = parsed(&text);
    assert_eq!(reading.diagnostics, []);
    assert_eq!(reading.documents.len(), 10_001);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever the bytes: no panic, and every defect has a place within the file.
    #[test]
    fn never_panics_and_always_locates(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_located(&bytes);
    }

    /// The same of text that looks like YAML, which comes further.
    #[test]
    fn never_panics_on_near_yaml(parts in proptest::collection::vec(prop_oneof![
        Just("a"), Just(": "), Just(":"), Just("- "), Just("\n"), Just("  "), Just("["), Just("]"), Just("{"), Just("}"),
        Just(", "), Just("&x "), Just("*x"), Just("<<: "), Just("|\n"), Just(">-\n"), Just("'"), Just("\""), Just("\\"),
        Just("!!int "), Just("!!binary "), Just("? "), Just("---\n"), Just("...\n"), Just("#"), Just("017"), Just("~"),
        Just("é"), Just("\t"), Just("\r\n"), Just("%YAML 1.1\n"), Just("\u{85}"), Just("0x"), Just("1e999"), Just(".inf"),
    ], 0..60)) {
        check_located(parts.concat().as_bytes());
    }

    /// JSON is YAML: what serde_json writes reads back the same.
    #[test]
    fn json_reads_back(value in json_value()) {
        let text = serde_json::to_string(&value).unwrap();
        let reading = read("f.json", text.as_bytes());
        prop_assert_eq!(&reading.diagnostics, &[], "{}", text);
        let got = reading.documents.into_iter().next().map_or(Value::Null, |document| document.value);
        prop_assert_eq!(got, numbers_of_kubernetes(value));
    }
}

fn check_located(bytes: &[u8]) {
    let reading = read("f.yaml", bytes);
    let is_break = |symbol: &char| matches!(symbol, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let lines = u32::try_from(String::from_utf8_lossy(bytes).chars().filter(is_break).count()).unwrap() + 2;
    for diagnostic in &reading.diagnostics {
        let location = diagnostic.location.as_ref().unwrap();
        assert!((1..=lines).contains(&location.line) && location.column >= 1, "{diagnostic} in {bytes:?}");
    }
    for document in &reading.documents {
        every_text(&document.value, String::new(), &mut |field| {
            if let Some(source) = document.text(field) {
                for (line, text) in (1..).zip(source.text.split('\n')).take(3) {
                    let location = source.locate(line, u32::try_from(text.chars().count()).unwrap());
                    assert!((1..=lines).contains(&location.line), "{field} {location} in {bytes:?}");
                }
            }
        });
    }
}

fn every_text(value: &Value, field: String, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Array(all) => {
            for (index, value) in all.iter().enumerate() {
                every_text(value, format!("{field}[{index}]"), visit);
            }
        }
        Value::Object(all) => {
            for (key, value) in all {
                every_text(value, if field.is_empty() { key.clone() } else { format!("{field}.{key}") }, visit);
            }
        }
        _ => visit(&field),
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e6..1.0e6).prop_map(Value::from),
        "[ -~éß]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z.]{1,5}", inner, 1..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}
