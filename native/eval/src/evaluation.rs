//! A query from its texts to its answers as JSON, as `opa eval` gives them.

use fleetgate_rego::{Release, Version};
use fleetgate_value::json::to_vec;
use fleetgate_value::{Number, Value};

use crate::documents::{DataFile, merge_data, read_document};
use crate::error::Error;
use crate::query::{Answer, Expression, QuerySource, query};
use crate::run::{Budget, Documents, Settings, Workspace};

/// What to evaluate.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// The query.
    pub query: &'a str,
    /// Names and texts of modules.
    pub modules: &'a [(&'a str, &'a str)],
    /// What stands below `data`.
    pub data: &'a [DataFile<'a>],
    /// The name and text of `input`, where there is one.
    pub input: Option<(&'a str, &'a [u8])>,
    /// The version of query and modules.
    pub version: Version,
    /// The package that the query is asked in; none where it is empty.
    pub package: &'a str,
    /// What the query imports.
    pub imports: &'a [&'a str],
    /// Answer as `opa eval` does: with the values of expressions, and refusing rules where `data` is filled. Otherwise an answer
    /// has bindings only, and an expression that is `false` has none.
    pub expressions: bool,
    /// Errors of built-ins are errors of the evaluation.
    pub strict: bool,
    /// What it may spend.
    pub budget: Budget,
    /// The time, in nanoseconds since 1970.
    pub now_nanos: i64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// A JSON array with an object for each answer: `expressions`, each with `value`, `text` and `location`, where they were
    /// asked for, and `bindings`.
    pub answers: Result<Vec<u8>, Vec<Error>>,
    /// The lines that `print` wrote, those before an error too.
    pub prints: Vec<String>,
}

/// Evaluates.
#[must_use]
pub fn evaluate(evaluation: &Evaluation<'_>) -> Outcome {
    let mut workspace = Workspace::default();
    workspace.builtins.prints = Some(Vec::new());
    let answers = answers(evaluation, &mut workspace);
    Outcome { answers, prints: workspace.builtins.prints.take().unwrap_or_default() }
}

fn answers(evaluation: &Evaluation<'_>, workspace: &mut Workspace) -> Result<Vec<u8>, Vec<Error>> {
    let data = merge_data(evaluation.data)?;
    let input =
        evaluation.input.map(|(name, text)| read_document(name, text)).transpose().map_err(|error| vec![error])?;
    let query = query(QuerySource {
        modules: evaluation.modules,
        query: evaluation.query,
        version: evaluation.version,
        package: evaluation.package,
        imports: evaluation.imports,
        expressions: evaluation.expressions,
        prints: true,
    })?;
    let conflicts = if evaluation.expressions { query.conflicts_with(&data) } else { Vec::new() };
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let settings = Settings {
        budget: evaluation.budget,
        strict: evaluation.strict,
        now_nanos: evaluation.now_nanos,
        release: Release::Opa1_22,
    };
    let answers =
        query.answers(Documents { input, data, stored: None }, settings, workspace).map_err(|error| vec![error])?;
    let answers = answers.into_iter().map(|answer| shown(answer, query.expressions())).collect();
    Ok(to_vec(&Value::array(answers)))
}

fn shown(answer: Answer, expressions: &[Expression]) -> Value {
    let mut fields = Vec::new();
    if !expressions.is_empty() {
        let values = answer.expressions.into_iter().zip(expressions);
        let values = values.map(|(value, Expression { text, position })| {
            let number = |count: u32| Value::Number(Number::Int(count.into()));
            let location =
                Value::object(vec![("col".into(), number(position.col)), ("row".into(), number(position.row))]);
            Value::object(vec![
                ("location".into(), location),
                ("text".into(), text.as_str().into()),
                ("value".into(), value),
            ])
        });
        fields.push(("expressions".into(), Value::array(values.collect())));
    }
    let bindings = answer.bindings.into_iter().map(|(name, value)| (Value::from(&*name), value)).collect();
    fields.push(("bindings".into(), Value::object(bindings)));
    Value::object(fields)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::time::Duration;

    use super::*;

    const QUESTION: Evaluation<'_> = Evaluation {
        query: "",
        modules: &[],
        data: &[],
        input: None,
        version: Version::V1,
        package: "",
        imports: &[],
        expressions: true,
        strict: false,
        budget: Budget { steps: 1_000_000, time: Duration::from_secs(10), entries: 1_000_000 },
        now_nanos: 0,
    };

    fn ask(evaluation: Evaluation<'_>) -> String {
        String::from_utf8(evaluate(&evaluation).answers.unwrap()).unwrap()
    }

    fn values(query: &str) -> Vec<String> {
        let answers = read_document("", ask(Evaluation { query, ..QUESTION }).as_bytes()).unwrap();
        let values = |answer: &Value| {
            let expressions = answer.field("expressions").unwrap().as_array().unwrap().to_vec();
            expressions.iter().map(|one| one.field("value").unwrap().to_string()).collect::<Vec<_>>().join(" ")
        };
        answers.as_array().unwrap().iter().map(values).collect()
    }

    #[test]
    fn an_answer_has_what_opa_shows() {
        let expected = r#"[{"bindings":{"x":1},"expressions":[{"location":{"col":1,"row":1},"text":"x := 1","value":true},{"location":{"col":9,"row":1},"text":"x + 1","value":2}]}]"#;
        assert_eq!(ask(Evaluation { query: "x := 1; x + 1", ..QUESTION }), expected);
        let bindings = Evaluation { query: "x = {2, 1}; x", expressions: false, ..QUESTION };
        assert_eq!(ask(bindings), r#"[{"bindings":{"x":[1,2]}}]"#);
    }

    #[test]
    fn false_alone_is_an_answer() {
        assert_eq!(values("false"), ["false"]);
        assert_eq!(values("1 == 2"), ["false"]);
        assert_eq!(values("true; false"), Vec::<String>::new());
        assert_eq!(values("[true, false][_]"), ["true"]);
        assert_eq!(values("[x | x := [true, false][_]]"), ["[true, false]"]);
    }

    #[test]
    fn declarations_have_no_value() {
        assert_eq!(values("some x; x = 1"), ["true"]);
        assert_eq!(values("some x in [3, 4]; x"), ["true 3", "true 4"]);
        assert_eq!(values("not false"), ["true"]);
    }

    #[test]
    fn a_query_is_asked_in_a_package_with_imports() {
        let module = ("p.rego", "package a.b\np := 7");
        let asked = Evaluation { query: "p", modules: &[module], package: "a.b", expressions: false, ..QUESTION };
        assert_eq!(ask(asked), r#"[{"bindings":{}}]"#);
        let asked = Evaluation {
            query: "x := b.p",
            modules: &[module],
            imports: &["data.a.b"],
            expressions: false,
            ..QUESTION
        };
        assert_eq!(ask(asked), r#"[{"bindings":{"x":7}}]"#);
    }

    #[test]
    fn what_is_printed_is_kept_with_an_error_too() {
        let module = ("p.rego", "package p\na := 1\na := 2 if print(\"seen\", input)");
        let outcome = evaluate(&Evaluation { query: "data.p.a", modules: &[module], ..QUESTION });
        assert_eq!(outcome.prints, ["seen <undefined>"]);
        assert_eq!(outcome.answers.unwrap_err().first().unwrap().code, "eval_conflict_error");
    }

    #[test]
    fn a_query_is_checked_as_a_rule_is() {
        for (query, code, message) in [
            ("x := 1; x := 2", "rego_compile_error", "var x assigned above"),
            ("count(1)", "rego_type_error", "count: invalid argument(s)"),
            ("foo(1)", "rego_type_error", "undefined function foo"),
            ("x > 1", "rego_unsafe_var_error", "var x is unsafe"),
            ("data.p.f", "rego_type_error", "function data.p.f used as reference, not called"),
        ] {
            let modules = [("p.rego", "package p\nf(x) := x\nq := f(1)")];
            let errors = evaluate(&Evaluation { query, modules: &modules, ..QUESTION }).answers.unwrap_err();
            assert_eq!((errors[0].code, &*errors[0].message), (code, message), "{query}");
            assert_eq!(errors[0].location.as_ref().map(|location| &*location.file), Some(""), "{query}");
        }
        let modules = [("p.rego", "package p\nq := 1")];
        let asked =
            |query, package| ask(Evaluation { query, modules: &modules, package, expressions: false, ..QUESTION });
        assert_eq!(asked("x = data", ""), r#"[{"bindings":{"x":{"p":{"q":1}}}}]"#);
        assert_eq!(asked("x = data.p", "p"), r#"[{"bindings":{"x":{"q":1}}}]"#);
    }

    #[test]
    fn rules_may_not_be_where_data_is() {
        let modules = [("p.rego", "package p\n\nq := 1")];
        let evaluation = |text, expressions| {
            let data = [DataFile { name: "d.json", path: &[], text }];
            evaluate(&Evaluation { query: "data.p", modules: &modules, data: &data, expressions, ..QUESTION }).answers
        };
        for text in [&br#"{"p": {"q": 2}}"#[..], br#"{"p": 1}"#] {
            let errors = evaluation(text, true).unwrap_err();
            assert_eq!(errors[0].to_string(), "p.rego:3: rego_compile_error: conflicting rule for data path p/q found");
        }
        assert!(evaluation(br#"{"p": {"r": 2}}"#, true).is_ok());
        assert!(evaluation(br#"{"p": {"q": 2}}"#, false).is_ok());
    }

    #[test]
    fn rules_know_their_metadata() {
        let text = r#"# METADATA
# title: P
package p

# METADATA
# authors: [A B <a@b.c>]
# custom: {n: 1}
a := rego.metadata.rule() if true else := rego.metadata.rule()

b := rego.metadata.chain()

# METADATA
# schemas: [{input: schema.x}]
c := 1
"#;
        let known = text.split("# METADATA\n# schemas").next().unwrap();
        let value = |text, query| {
            evaluate(&Evaluation { query, modules: &[("p.rego", text)], expressions: false, ..QUESTION }).answers
        };
        let rule =
            br#"[{"bindings":{"x":{"authors":[{"email":"a@b.c","name":"A B"}],"custom":{"n":1},"scope":"rule"}}}]"#;
        assert_eq!(value(known, "x = data.p.a").unwrap(), rule);
        let chain = br#"[{"bindings":{"x":[{"path":["p","b"]},{"annotations":{"scope":"package","title":"P"},"path":["p"]}]}}]"#;
        assert_eq!(value(known, "x = data.p.b").unwrap(), chain);
        let errors = value(text, "x = data.p.b").unwrap_err();
        assert_eq!(errors[0].code, crate::error::UNSUPPORTED);
        assert_eq!(errors[0].message, "metadata in line 12: schemas is not supported");
    }

    #[test]
    fn what_is_not_supported_says_so() {
        let query = "graphql.is_valid(\"\", \"\")";
        let errors = evaluate(&Evaluation { query, ..QUESTION }).answers.unwrap_err();
        assert_eq!(errors.first().unwrap().code, crate::error::UNSUPPORTED);
    }
}
