//! What the parser promises beyond being OPA's equal: located errors, bounded depth, linear time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

use std::time::{Duration, Instant};

use fleetgate_rego::ast::{ExprKind, Module, Value};
use fleetgate_rego::{Capabilities, Diagnostic, MAX_DEPTH, Release, Version, emit, normalise, parse_module, resolve};

fn parse(version: Version, text: &str) -> Result<Module, Vec<Diagnostic>> {
    parse_module(text, &Capabilities::of(Release::Opa1_22, version))
}

fn v0(text: &str) -> Result<Module, Vec<Diagnostic>> {
    parse(Version::V0, text)
}

fn v1(text: &str) -> Result<Module, Vec<Diagnostic>> {
    parse(Version::V1, text)
}

#[test]
fn a_line_break_before_a_parenthesis_starts_an_expression() {
    let module = v0("package a\np {\n\tinput.x\n\t(a - b) >= c\n}").unwrap();
    let body = &module.rules[0].body.exprs;
    assert_eq!(body.len(), 2);
    assert!(matches!(&body[0].kind, ExprKind::Term(term) if matches!(term.value, Value::Ref(_))));
    assert!(matches!(&body[1].kind, ExprKind::Call(call) if call.is("gte")));
}

#[test]
fn numbers_keep_every_digit() {
    let module = v1("package a\np := 12345678901234567890.00").unwrap();
    let value = module.rules[0].head.value.clone().unwrap();
    assert_eq!(value.value, Value::Number("12345678901234567890.00".into()));
}

#[test]
fn spans_cover_what_is_written() {
    let text = "package a\n\np contains x if {\n\tsome x in [1, 2] # c\n}\n";
    let module = v1(text).unwrap();
    let rule = &module.rules[0];
    assert_eq!(rule.span.text(text), "p contains x if {\n\tsome x in [1, 2] # c\n}");
    assert_eq!(rule.head.span.text(text), "p contains x");
    assert_eq!(rule.body.exprs[0].span.text(text), "some x in [1, 2]");
    assert_eq!(module.comments[0].text(text), "# c");
}

#[test]
fn several_statements_report_their_own_error() {
    let text = "package a\n\np := ]\n\nq := 1\n\nr if { x y }\ns if true\nt { true }\n";
    let errors = v1(text).unwrap_err();
    let rows: Vec<u32> = errors.iter().map(|error| error.position(text).row).collect();
    assert_eq!(rows, [3, 7, 9], "{errors:#?}");
}

#[test]
fn an_error_shows_its_line_a_caret_and_a_hint() {
    let text = "package a\nimport data.lib.if\n";
    let errors = v1(text).unwrap_err();
    let expected = "t.rego:2:17: rego_parse_error: an import's path cannot end with the keyword `if`\n\timport data.lib.if\n\t                ^^\n\thint: give it another name with `as`";
    assert_eq!(errors[0].render("t.rego", text), expected);
}

#[test]
fn an_empty_module_is_an_error() {
    for text in ["", "  \n", "# only a comment\n"] {
        assert_eq!(v1(text).unwrap_err()[0].message, "empty module");
    }
}

#[test]
fn nesting_is_counted_on_a_small_stack() {
    let opened =
        ["(", "[", "{", "{1: ", "[x | x := ", "f(", "a[", "not ", "$\"{", "{x | y with input as ", "- (", "1 + ("];
    for open in opened {
        let text = format!("package a\np if x == {}", open.repeat(100_000));
        let errors = v1(&text).unwrap_err();
        assert!(!errors.is_empty(), "{open}");
    }
    let errors = v1(&format!("package a\np := {}", "(".repeat(100_000))).unwrap_err();
    assert_eq!(errors[0].message, format!("nested more than {MAX_DEPTH} levels deep"));
    assert_eq!(errors[0].span.start as usize, "package a\np := ".len() + MAX_DEPTH / 2);
}

#[test]
fn long_chains_are_counted_too() {
    for link in [" + 1", " == 1", " | 1", " in 1"] {
        let text = format!("package a\np := 1{}", link.repeat(100_000));
        assert!(v1(&text).is_err(), "{link}");
        let text = format!("package a\np := 1{}", link.repeat(50));
        assert!(v1(&text).is_ok(), "{link}");
    }
    let text = format!("package a\np := 1 if x {}", "else := 1 if x ".repeat(100_000));
    assert!(v1(&text).is_err());
}

/// What the parser accepts, everything behind it must survive too.
#[test]
fn modules_within_the_depth_need_a_small_stack() {
    let depth = MAX_DEPTH / 2 - 20;
    for (open, close) in [("[", "]"), ("f(", ")"), ("[x | x := ", "]"), ("{1: ", "}"), ("a[", "]")] {
        let nested = format!("{}input.x{}", open.repeat(depth / 2), close.repeat(depth / 2));
        let text = format!(
            "package a\nf(x) := x\np if {{ not f({nested}); every y in {nested} {{ y == {nested} }} }}\na := input"
        );
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let whole = move || {
            let module = v1(&text).unwrap();
            drop(resolve::check(std::slice::from_ref(&module)));
            emit(&normalise(module)).unwrap();
        };
        thread.spawn(whole).unwrap().join().unwrap();
    }
    let text = format!("package a\np := {}1{}", "[".repeat(depth), "]".repeat(depth));
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(move || assert!(v1(&text).is_ok())).unwrap().join().unwrap();
}

/// Shapes that make a parser that tries again take exponential time.
#[test]
fn time_is_linear_in_the_text() {
    let budget = Duration::from_secs(5);
    let nest = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let imports = "import future.keywords.and\nimport future.keywords.or\nimport future.keywords.not\n";
    let shapes = [
        nest("[a | ", ", c]", 60),
        nest("{a | ", ", c}", 60),
        nest("{a: b | ", ", c: d}", 60),
        nest("{1 + ", "}", 60),
        nest("({x | x := ", "})", 60),
        nest("{{x} | ", "}", 60),
        nest("(((", ")))", 40),
        nest("[{x: ({y | ", "})}]", 30),
        nest("not ({a} and ", ")", 40),
        nest("{a; ", "} or b", 40),
    ];
    for shape in shapes {
        for text in [format!("package a\n{imports}p if {{ {shape} }}"), format!("package a\n{imports}p := {shape}")] {
            let start = Instant::now();
            drop(v1(&text));
            assert!(start.elapsed() < budget, "{:?} for {text}", start.elapsed());
        }
    }
    let start = Instant::now();
    let rules = "p contains x if { some x in input.xs; x.y[_] == {\"a\": [1, 2, 3]} }\n".repeat(20_000);
    assert_eq!(v1(&format!("package a\n{rules}")).unwrap().rules.len(), 20_000);
    assert!(start.elapsed() < budget, "{:?} for 20,000 rules", start.elapsed());
}
