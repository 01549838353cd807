//! Normalised, canonical text: what each pass makes of a module, and where its pieces come from.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use fleetgate_rego::ast::Module;
use fleetgate_rego::{Capabilities, Emitted, Release, Version, emit, normalise, parse_module};

fn parse(version: Version, text: &str) -> Module {
    parse_module(text, &Capabilities::of(Release::Opa1_22, version)).unwrap()
}

fn canonical(version: Version, text: &str) -> Emitted {
    emit(&normalise(parse(version, text))).unwrap()
}

/// The canonical body of a rule written in v0 with `body`.
fn body(body: &str) -> String {
    body_with("import future.keywords.every", body)
}

/// As [`body`], where `not`, `and` and `or` take bodies.
fn logic(body: &str) -> String {
    body_with("import future.keywords", body)
}

fn body_with(imports: &str, body: &str) -> String {
    let text = canonical(Version::V0, &format!("package a\n{imports}\np {{\n{body}\n}}")).text;
    let start = text.find("if {\n\t").unwrap() + "if {\n\t".len();
    text[start..].trim_end().strip_suffix("\n}").unwrap().replace(";\n\t", "; ")
}

#[test]
fn operands_of_negated_calls_are_evaluated_first() {
    assert_eq!(body("not f(x, input.a, [input.b])"), "__fg0 := input.a; __fg1 := input.b; not f(x, __fg0, [__fg1])");
    assert_eq!(body("not f(g(input.a))"), "__fg0 := g(input.a); not f(__fg0)");
    assert_eq!(body("not input.a > 1"), "__fg0 := input.a; not __fg0 > 1");
}

#[test]
fn a_negated_reference_or_equation_keeps_its_reference() {
    assert_eq!(body("not input.a.b"), "not input.a.b");
    assert_eq!(body("not input.a == data.b"), "not input.a == data.b");
    assert_eq!(body("not input.a[input.b]"), "__fg0 := input.b; not input.a[__fg0]");
    assert_eq!(body("not count(input.a) == 1"), "__fg0 := count(input.a); not __fg0 == 1");
    assert_eq!(
        body("not f(input.x) with input as y"),
        "__fg0 := input.x with input as y; not f(__fg0) with input as y"
    );
}

#[test]
fn negation_is_found_in_every_body() {
    assert_eq!(body("x := [y | not f(input.y)]"), "x := [y | __fg0 := input.y; not f(__fg0)]");
    assert_eq!(body("every x in xs { not f(x.y) }"), "every x in xs { __fg0 := x.y; not f(__fg0) }");
}

#[test]
fn names_in_use_are_not_taken() {
    assert_eq!(body("__fg0 := 1; not f(input.a)"), "__fg0 := 1; __fg1 := input.a; not f(__fg1)");
}

#[test]
fn heads_are_evaluated_in_the_body() {
    let text = canonical(Version::V0, "package a\nviolation[{\"msg\": m, \"x\": input.x}] { m := \"m\" }").text;
    assert_eq!(
        text,
        "package a\n\nviolation contains __fg0 if {\n\tm := \"m\";\n\t__fg0 := {\"msg\": m, \"x\": input.x}\n}\n"
    );
    let text = canonical(Version::V0, "package a\np[input.k] = input.v").text;
    assert_eq!(text, "package a\n\np[__fg0] := __fg1 if {\n\t__fg0 := input.k;\n\t__fg1 := input.v\n}\n");
    let text = canonical(Version::V0, "package a\nf(x) = x.y { x } else = 2 { true }").text;
    assert_eq!(text, "package a\n\nf(x) := __fg0 if {\n\tx;\n\t__fg0 := x.y\n} else := 2 if {\n\ttrue\n}\n");
}

#[test]
fn chained_bodies_are_rules_of_their_own() {
    let text = canonical(Version::V0, "package a\nr[x] { x := 1 } { x := 2 }").text;
    assert_eq!(text, "package a\n\nr contains x if {\n\tx := 1\n}\n\nr contains x if {\n\tx := 2\n}\n");
}

#[test]
fn a_function_without_a_body_has_one() {
    let text = canonical(Version::V0, "package a\nf(\"x\", _)\ng(1) = 2").text;
    assert_eq!(text, "package a\n\nf(\"x\", _) := true if {\n\ttrue\n}\n\ng(1) := 2 if {\n\ttrue\n}\n");
}

#[test]
fn a_call_that_names_its_result_is_an_equation() {
    assert_eq!(body("count(xs, n)"), "n = count(xs)");
    assert_eq!(body("plus(1, 2, x)"), "x = 1 + 2");
    assert_eq!(body("not to_number(s, 3)"), "not 3 = to_number(s)");
    let text = canonical(Version::V0, "package a\nf(x) = x\np { f(1, y) }").text;
    assert!(text.contains("\ty = f(1)\n"), "{text}");
}

#[test]
fn logic_between_bodies_becomes_comprehensions() {
    assert_eq!(logic("not f(input.x)"), "[true | f(input.x)] == []");
    assert_eq!(logic("not { x; y }"), "[true | x; y] == []");
    assert_eq!(logic("x and y == 1"), "[true | x] != []; [true | y == 1] != []");
    assert_eq!(logic("x or { y; z }"), "array.concat([true | x], [true | y; z]) != []");
}

#[test]
fn operators_have_the_parentheses_they_need() {
    assert_eq!(body("(a + b) * c == 1"), "(a + b) * c == 1");
    assert_eq!(body("a - (b - c) - d > 1"), "a - (b - c) - d > 1");
    assert_eq!(body("x\n(a - b) >= c"), "x; a - b >= c");
    assert_eq!(body("x := {(a | b)}"), "x := {(a | b)}");
    assert_eq!(body("x := {1, 2 in xs}"), "x := {1, (2 in xs)}");
    assert_eq!(body("(1, x in xs) == true"), "(1, x in xs) == true");
}

#[test]
fn a_body_is_no_comprehension() {
    for (source, expected) in [
        ("x | x := input.a[_]", "(x | x) := input.a[_]"),
        ("x | y", "(x | y)"),
        ("x | y | z == 1", "(x | y | z) == 1"),
        ("x | y with input as 1", "(x | y) with input as 1"),
    ] {
        assert_eq!(body(source), expected);
        let text = canonical(Version::V0, &format!("package a\np {{ {source} }}")).text;
        assert_eq!(emit(&parse(Version::V1, &text)).unwrap().text, text);
    }
}

#[test]
fn nested_template_strings_are_not_written_over_and_over() {
    let nested = format!("{}1{}", "$\"{".repeat(40), "}\"".repeat(40));
    let module = normalise(parse(Version::V1, &format!("package a\np := {nested}")));
    assert_eq!(emit(&module).unwrap_err().what, "a template string");
}

#[test]
fn keywords_and_odd_names_stand_in_brackets() {
    assert_eq!(body("input.if.a[\"b c\"].not"), "input[\"if\"].a[\"b c\"][\"not\"]");
    assert_eq!(body("x := .5 + -.5"), "x := 0.5 + -0.5");
    assert_eq!(body("x := \"\\u0001\\\"`\""), "x := \"\\u0001\\\"`\"");
}

#[test]
fn what_has_no_plain_spelling_is_refused() {
    let refused = |text: &str| emit(&normalise(parse(Version::V0, text))).unwrap_err().what;
    assert_eq!(
        refused("package a\np { import_ := 1; not_ := 2; x = every }\nevery = 1"),
        "a variable that is a keyword in Rego v1"
    );
    assert_eq!(refused("package a\nevery { true }"), "a rule whose name is a keyword or a call");
    for import in ["data.lib.if", "data.lib.x as contains"] {
        let text = format!("package a\nimport {import}\np {{ true }}");
        assert_eq!(refused(&text), "an import whose name is a keyword in Rego v1", "{import}");
    }
    let text = "package a\np := $\"{walk(input.x)}\"";
    assert_eq!(emit(&normalise(parse(Version::V1, text))).unwrap_err().what, "a template string");
}

#[test]
fn places_lead_back_to_the_source() {
    let source = "package a\n\n# why\nviolation[{\"msg\": m}] {\n  m := \"m\"\n\n  not f(input.a)\n}\n";
    let emitted = canonical(Version::V0, source);
    let line = |text: &str| emitted.text.lines().position(|line| line.trim().starts_with(text)).unwrap() + 1;
    let origin = |text: &str| emitted.origin_of_row(u32::try_from(line(text)).unwrap()).unwrap().text(source);
    assert_eq!(origin("m :="), "m := \"m\"");
    assert_eq!(origin("not f"), "not f(input.a)");
    assert_eq!(origin("__fg0 :="), "input.a");
}

/// Text that is canonical already is its own canonical text.
#[test]
fn canonical_text_is_stable() {
    let source = "package a\nimport data.lib.x as y\ndefault p := {\"a\": [1, set()]}\np := v if { some k, v in y.z; not k == v[_] } else := 3\n\
                  q[k] contains v if { some k; v := {x: 1 | x := input.a[k]}[_] }";
    let once = canonical(Version::V1, source).text;
    assert_eq!(canonical(Version::V1, &once).text, once);
}

#[test]
fn print_has_no_result_to_name() {
    assert_eq!(body("print(input.x)"), "print(input.x)");
}

#[test]
fn built_ins_are_renamed_but_not_what_shadows_them() {
    use fleetgate_rego::{BuiltinUse, rename_builtins};
    let mut uses = Vec::new();
    let mut renamed = |text: &str| {
        let module = normalise(parse(Version::V0, &format!("package a\nimport data.lib.json\n{text}")));
        let module = rename_builtins(module, &mut |name, used| {
            uses.push((name.to_owned(), used));
            (name != "eq").then(|| format!("my_{}", name.replace('.', "_")))
        });
        emit(&module).unwrap().text
    };
    assert!(
        renamed("p = x { x = count([1 + 2]); not startswith(x, \"a\") }").contains("x = my_count([my_plus(1, 2)])")
    );
    let text = renamed("p { x := [y | y := time.now_ns()] }");
    assert!(text.contains("my_assign(x, [y | my_assign(y, time.now_ns())])"), "{text}");
    assert!(renamed("count(x) = 1 { true }\np { count(2); json.filter(3) }").contains("\tcount(2);\n\tjson.filter(3)"));
    assert!(
        renamed("p { f(1) with count as 3 with time.now_ns as 5 with input.count as 2 }").contains("with count as 3")
    );
    let replaced: Vec<_> =
        uses.iter().filter(|(_, used)| *used == BuiltinUse::Replaced).map(|(name, _)| &**name).collect();
    assert_eq!(replaced, ["count", "time.now_ns"]);
}

#[test]
fn walk_keeps_its_results() {
    assert_eq!(body("walk(input.x, [path, value])"), "walk(input.x, [path, value])");
}

#[test]
fn variables_of_v0_that_became_keywords_get_other_names() {
    let text = canonical(Version::V0, "package a\np { in := 1; contains(\"ab\", \"b\"); in > 0; x := input.in }").text;
    let body = "\t__fg0 := 1;\n\tcontains(\"ab\", \"b\");\n\t__fg0 > 0;\n\tx := input[\"in\"]\n";
    assert_eq!(text, format!("package a\n\np := true if {{\n{body}}}\n"));
}

#[test]
fn template_strings_become_calls() {
    let text = canonical(Version::V1, "package a\np := x if { x := $`a{1}{\"b\"}` }").text;
    assert_eq!(text, "package a\n\np := x if {\n\tx := concat(\"\", [\"a\", \"1\", \"b\"])\n}\n");
    let text = canonical(Version::V1, "package a\np := x if { x := $\"{input.y with input as z}\" }").text;
    assert!(text.contains("[__fg0 | __fg0 := input.y with input as z; is_string(__fg0)]"), "{text}");
    assert!(text.contains("[\"<undefined>\"]"), "{text}");
}

#[test]
fn a_function_with_a_built_ins_name_is_the_modules_own() {
    let text = canonical(Version::V0, "package a\ncount(x, y) { x == y }\np { count(1, 2) }").text;
    assert!(text.contains("\tcount(1, 2)\n"), "{text}");
}

#[test]
fn deep_collections_are_bound_level_by_level() {
    assert_eq!(body("x := [[[[[1]]]]]"), "__fg0 := [[[[1]]]]; x := [__fg0]");
    assert_eq!(body("x := [[[[1]]]]"), "x := [[[[1]]]]");
    assert_eq!(body("[[[[[y]]]]] = input.x"), "[[[[[y]]]]] = input.x");
    let text = canonical(Version::V1, "package a\np := {\"a\": {\"b\": [{\"c\": {1}}]}}").text;
    let bindings = "\t__fg0 := {\"b\": [{\"c\": {1}}]}\n";
    assert_eq!(text, format!("package a\n\np := {{\"a\": __fg0}} if {{\n{bindings}}}\n"));
}

#[test]
fn many_arguments_travel_as_one() {
    let text =
        canonical(Version::V0, "package a\nf(a, b, c, d, e, f_, g, h, i) = i\np { f(1, 2, 3, 4, 5, 6, 7, 8, 9) == 9 }")
            .text;
    assert!(text.contains("f([a, b, c, d, e, f_, g, h, i]) := i if"), "{text}");
    assert!(text.contains("\tf([1, 2, 3, 4, 5, 6, 7, 8, 9]) == 9\n"), "{text}");
    let text = canonical(Version::V0, "package a\ndefault f(a, b, c, d, e, f_, g, h, i) = 1").text;
    assert_eq!(text, "package a\n\ndefault f(_) := 1\n");
}
