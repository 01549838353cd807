#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn text_of(value: &Value) -> String {
    String::from_utf8(to_vec(value)).unwrap()
}

fn read(text: &str) -> Result<Value, Error> {
    parse(text.as_bytes(), &mut KeyCache::default(), Numbers::Exact)
}

#[test]
fn values() {
    for (text, expected) in [
        ("null", "null"),
        (" true\n", "true"),
        ("[]", "[]"),
        ("{}", "{}"),
        (r#"[1,"a",{"b":[false]}]"#, r#"[1,"a",{"b":[false]}]"#),
        (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        (r#""\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t""#, "\"é😀\\\"\\\\/\\u0008\\u000c\\n\\r\\t\""),
        ("12345678901234567", "12345678901234567"),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("-0", "-0"),
        ("1.5e3", "1.5e3"),
        ("0.1", "0.1"),
        ("1e300", "1e300"),
        ("\"\\u0000\\u001f\"", "\"\\u0000\\u001f\""),
    ] {
        assert_eq!(text_of(&read(text).unwrap()), expected, "{text}");
    }
}

#[test]
fn last_of_duplicate_keys_wins() {
    let value = read(r#"{"a":1,"b":0,"a":{"c":1,"c":2}}"#).unwrap();
    assert_eq!(text_of(&value), r#"{"a":{"c":2},"b":0}"#);
}

#[test]
fn lone_surrogates_are_replaced_as_in_go() {
    for text in [r#""\ud800""#, r#""\ud800x""#, r#""\udc00""#, r#""\ud800\u0041""#] {
        assert!(read(text).unwrap().as_str().unwrap().starts_with('\u{fffd}'), "{text}");
    }
}

#[test]
fn a_key_of_serde_json_is_a_key_like_any_other() {
    let value = read(r#"{"$serde_json::private::Number":"5"}"#).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 1);
}

#[test]
fn what_json_has_no_word_for() {
    let set = Value::set(vec![Value::from(2_i64), Value::from(1_i64)]);
    assert_eq!(text_of(&set), "[1,2]");
    assert_eq!(text_of(&Value::object(vec![(Value::array(vec![Value::from(1_i64)]), Value::Null)])), r#"{"[1]":null}"#);
}

#[test]
fn doubles_are_those_of_go() {
    for (text, expected) in [
        ("999999", "999999"),
        ("1000000", "1e+06"),
        ("12345678901234567", "1.2345678901234568e+16"),
        ("1.0", "1"),
        ("1e2", "100"),
        ("-0.0", "-0"),
    ] {
        let value = parse(text.as_bytes(), &mut KeyCache::default(), Numbers::Doubles).unwrap();
        assert_eq!(text_of(&value), expected, "{text}");
    }
}

#[test]
fn defects_and_their_places() {
    use ErrorKind::{Expected, NumberRange, UnexpectedEnd};
    for (text, kind, offset) in [
        ("", UnexpectedEnd, 0),
        ("{\"a\":", UnexpectedEnd, 5),
        ("\"abc", UnexpectedEnd, 4),
        ("[1,]", Expected("a value"), 3),
        ("{\"a\":1,}", Expected("a key"), 7),
        ("{a:1}", Expected("a key"), 1),
        ("{\"a\" 1}", Expected("`:`"), 5),
        ("[1 2]", Expected("`,` or `]`"), 3),
        ("1 2", Expected("the end of the text"), 2),
        ("01", Expected("the end of the text"), 1),
        ("-", UnexpectedEnd, 1),
        ("1.", UnexpectedEnd, 2),
        ("1.x", Expected("a digit"), 2),
        ("tru", Expected("a value"), 0),
        ("\u{feff}1", Expected("a value"), 0),
        ("\"\\x\"", Expected("an escape"), 2),
        ("\"\\u12g4\"", Expected("four hexadecimal digits"), 5),
        ("\"a\nb\"", Expected("an escape of the control character"), 2),
        ("[1e400]", NumberRange, 1),
    ] {
        assert_eq!(read(text), Err(Error { kind, offset }), "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8() {
    for (text, offset) in [(&b"\"\xff\""[..], 1), (b"\"\xc0\xaf\"", 1), (b"[\"\xed\xa0\x80\"]", 2), (b"1\x80", 1)] {
        let error = parse(text, &mut KeyCache::default(), Numbers::Exact).unwrap_err();
        assert_eq!(error, Error { kind: ErrorKind::Utf8, offset }, "{text:?}");
    }
}

#[test]
fn wide_numbers_reach_as_far_as_opa_calculates() {
    let wide =
        |text: &str| parse(text.as_bytes(), &mut KeyCache::default(), Numbers::Wide).map(|value| text_of(&value));
    for text in ["1e400", "-2.5E+30000", "12345678901234567890.10"] {
        assert_eq!(wide(text).as_deref(), Ok(text));
    }
    for text in ["1e40000", "1e2147483648", "1e99999999999999999999"] {
        assert_eq!(wide(text), Err(Error { kind: ErrorKind::NumberRange, offset: 0 }), "{text}");
    }
}

#[test]
fn integers_are_exact_up_to_the_range_of_a_double() {
    let digits = "1".repeat(309);
    assert_eq!(text_of(&read(&digits).unwrap()), digits);
    assert_eq!(read(&"9".repeat(1_000_000)), Err(Error { kind: ErrorKind::NumberRange, offset: 0 }));
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(Error { kind: ErrorKind::TooDeep, offset: MAX_DEPTH }));
    assert_eq!(read(&"[".repeat(100_000)), Err(Error { kind: ErrorKind::TooDeep, offset: MAX_DEPTH }));
    assert_eq!(read(&"{\"a\":".repeat(100_000)).unwrap_err().kind, ErrorKind::TooDeep);
}

#[test]
fn skim_finds_fields_of_any_depth() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let text = format!(r#" {{"a" : "x", "b":{deep}, "c":{{"}}":"]"}},"a":"y\"", "kind":"Pod","n":1 }}"#);
    let found = skim(text.as_bytes());
    assert_eq!(found.string(text.as_bytes(), "kind"), Some("Pod"));
    assert_eq!(found.get(text.as_bytes(), "a"), Some(&br#""y\"""#[..]));
    assert_eq!(found.string(text.as_bytes(), "a"), None);
    assert_eq!(found.get(text.as_bytes(), "b").unwrap().len(), 200_000);
    assert_eq!(found.get(text.as_bytes(), "c"), Some(&br#"{"}":"]"}"#[..]));
    assert_eq!(found.get(text.as_bytes(), "absent"), None);
}

#[test]
fn skim_survives_what_is_no_object() {
    for text in ["", "[1]", "{", "{\"a\"", "{\"a\":", "{\"a\":[", "{\"a\":1", "{\"a\":]", "{\"\\", "{\"a\":,}"] {
        assert_eq!(skim(text.as_bytes()), Skimmed::default(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn agrees_with_serde_json(text in json_text()) {
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&to_vec(&read(&text).unwrap())).unwrap();
        proptest::prop_assert_eq!(written, expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes, &mut KeyCache::default(), Numbers::Doubles);
        let _ = skim(&bytes);
    }
}

fn json_text() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        (-1e12..1e12).prop_map(|value: f64| serde_json::to_string(&value).unwrap()),
        any::<String>().prop_map(|value| serde_json::to_string(&value).unwrap()),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[ {} ]", items.join(" , "))),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|fields| {
                let field = |(key, value)| format!("{}:{value}", serde_json::to_string::<String>(&key).unwrap());
                format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}
