//! What keeps one call from taking the machine: sizes of results, and of what patterns compile to.

#![allow(clippy::unwrap_used, reason = "tests")]

use fleetgate_builtins::{Context, Error, Pattern, find};
use fleetgate_value::Value;

fn call(context: &mut Context, name: &str, operands: &[Value]) -> Result<Value, Error> {
    find(name).unwrap()(context, operands)
}

fn long(bytes: usize) -> Value {
    "a".repeat(bytes).into()
}

#[test]
fn results_that_would_be_too_large_are_refused() {
    let context = &mut Context::default();
    let million = long(1 << 20);
    let many = Value::array(vec![million.clone(); 40]);
    let widths = "%1000000d".repeat(40);
    for (name, operands) in [
        ("concat", vec![",".into(), many.clone()]),
        ("replace", vec![million.clone(), "a".into(), "b".repeat(100).into()]),
        ("replace", vec![million.clone(), "".into(), "b".repeat(100).into()]),
        ("strings.replace_n", vec![Value::object(vec![("a".into(), "b".repeat(100).into())]), million.clone()]),
        ("regex.replace", vec![million.clone(), "a".into(), "$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0".into()]),
        ("sprintf", vec![widths.into(), Value::array(vec![Value::from(1_i64); 40])]),
        ("sprintf", vec!["%v".into(), Value::array(vec![many.clone()])]),
        ("json.marshal", vec![many.clone()]),
        ("json.marshal_with_options", vec![Value::array(vec![Value::Null; 40]), indent(1 << 20)]),
        ("yaml.marshal", vec![many.clone()]),
        ("internal.template_string", vec![many]),
        ("urlquery.encode", vec![long(8 << 20)]),
        ("base64.encode", vec![long(15 << 20)]),
        ("hex.encode", vec![long(9 << 20)]),
    ] {
        assert_eq!(call(context, name, &operands), Err(Error::Size), "{name}");
    }
}

fn indent(bytes: usize) -> Value {
    Value::object(vec![("indent".into(), long(bytes))])
}

#[test]
fn a_value_that_repeats_itself_is_not_written_out_without_end() {
    let mut doubled: Value = "a".into();
    for _ in 0..40 {
        doubled = Value::array(vec![doubled.clone(), doubled]);
    }
    let context = &mut Context::default();
    for name in ["json.marshal", "yaml.marshal"] {
        assert_eq!(call(context, name, std::slice::from_ref(&doubled)), Err(Error::Size), "{name}");
    }
    assert_eq!(call(context, "sprintf", &["%v".into(), Value::array(vec![doubled])]), Err(Error::Size));
}

#[test]
fn aliases_that_unfold_to_gigabytes_are_no_yaml() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let answer = call(&mut Context::default(), "yaml.is_valid", &[text.into()]);
    assert_eq!(answer, Ok(false.into()));
}

#[test]
fn patterns_that_compile_to_too_much_are_refused() {
    let context = &mut Context::default();
    for pattern in
        [r"\pL{1000}", "((a{10}){10}){11}", &"(".repeat(1000), &format!("{}a{}", "(".repeat(500), ")".repeat(500))]
    {
        assert!(
            matches!(call(context, "regex.match", &[pattern.into(), "a".into()]), Err(Error::Builtin(_))),
            "{pattern}"
        );
    }
    let nested = format!("{}a{}", "{".repeat(500), "}".repeat(500));
    let glob = call(context, "glob.match", &[nested.into(), Value::Null, "a".into()]);
    assert!(matches!(glob, Err(Error::Builtin(_))));
}

#[test]
fn the_search_for_a_common_text_ends() {
    let context = &mut Context::default();
    let left = format!("{}x", "[ab]*[ac]*".repeat(20));
    let right = format!("{}a*", "a".repeat(30));
    assert_eq!(call(context, "regex.globs_match", &[left.into(), right.into()]), Err(Error::Size));
    let deep = "a*b*".repeat(10_000);
    assert!(call(context, "regex.globs_match", &[deep.clone().into(), format!("{deep}c").into()]).is_err());
}

#[test]
fn print_gathers_no_more_lines_than_anybody_reads() {
    let context = &mut Context::default();
    context.prints = Some(Vec::new());
    let ten: Value = Value::set((0_i64..10).map(Value::from).collect());
    call(context, "internal.print", &[Value::array(vec![ten; 12])]).unwrap();
    assert_eq!(context.prints.as_ref().unwrap().len(), 1000);
}

#[test]
fn patterns_can_be_compiled_before_they_are_needed() {
    let context = &mut Context::default();
    // Kept under another text, to see that it is the kept one that answers.
    context.keep_pattern("x", Pattern::new("^a+$").unwrap());
    assert_eq!(call(context, "regex.match", &["x".into(), "aaa".into()]), Ok(true.into()));
    assert!(Pattern::new("(").unwrap_err().starts_with("error parsing regexp: missing closing )"));
}

#[test]
fn more_patterns_than_the_cache_holds_still_match() {
    let context = &mut Context::default();
    for number in (0..300).chain(0..300) {
        let pattern = format!("^{number}$");
        let answer = call(context, "regex.match", &[pattern.into(), number.to_string().into()]);
        assert_eq!(answer, Ok(true.into()));
    }
}

/// go-yaml takes the comma into the tag, and so refuses the first text and reads the second as `["y"]`.
#[test]
fn yaml_with_a_comma_behind_a_tag_is_refused() {
    let context = &mut Context::default();
    for text in ["[!x,y]", "[!x, y]"] {
        assert_eq!(call(context, "yaml.is_valid", &[text.into()]), Ok(Value::Bool(false)), "{text}");
        assert!(call(context, "yaml.unmarshal", &[text.into()]).is_err(), "{text}");
    }
}
