//! OPA's own language cases, read from `FLEETGATE_OPA_CASES` (the folder `v1/test/cases/testdata` of its Go module).
//!
//! Each case is right, refused for a reason that is named, or wrong; no case may be wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetgate_eval::{Answer, Budget, Documents, Error, QuerySource, Settings, Workspace, query};
use fleetgate_rego::{Release, Version};
use fleetgate_value::json::{KeyCache, Numbers};
use fleetgate_value::{Object, Value};

/// Families that are left for later.
const LATER: &[&str] = &[
    "graphql",
    "jwt",
    "cryptox509",
    "cryptoparsersa",
    "providers-aws",
    "regoparsemodule",
    "rendertemplate",
    "netlookupipaddr",
];

#[derive(serde::Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    note: String,
    query: String,
    #[serde(default)]
    modules: Vec<String>,
    data: Option<serde_json::Value>,
    input: Option<serde_json::Value>,
    input_term: Option<String>,
    want_defined: Option<bool>,
    want_result: Option<Vec<BTreeMap<String, serde_json::Value>>>,
    want_error_code: Option<String>,
    want_error: Option<String>,
    #[serde(default)]
    sort_bindings: bool,
    #[serde(default)]
    strict_error: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    Refused(String),
    Wrong(String),
}

#[test]
#[ignore = "reads OPA's cases from FLEETGATE_OPA_CASES"]
fn no_case_is_answered_wrongly() {
    let root = PathBuf::from(std::env::var("FLEETGATE_OPA_CASES").expect("FLEETGATE_OPA_CASES names the cases"));
    let only = std::env::var("FLEETGATE_OPA_ONLY").unwrap_or_default();
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    let (mut right, mut outside, mut total) = (0, 0, 0);
    let mut wrong = Vec::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for path in files {
        let folder = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let version = if path.starts_with(root.join("v0")) { Version::V0 } else { Version::V1 };
        let text = std::fs::read_to_string(&path).unwrap();
        let file: File = match yaml_serde::from_str(&text) {
            Ok(file) => file,
            Err(error) => {
                println!("unread: {}: {error}", path.display());
                continue;
            }
        };
        for case in &file.cases {
            if !case.note.contains(&only) {
                continue;
            }
            total += 1;
            let later = LATER.iter().any(|later| folder.starts_with(later));
            outside += usize::from(!later);
            match verdict(case, version) {
                Verdict::Right => right += usize::from(!later),
                Verdict::Refused(reason) => {
                    if std::env::var("FLEETGATE_OPA_REFUSED").is_ok() && !later {
                        println!("refused: {folder}: {}: {reason}", case.note);
                    }
                    if !later {
                        *refused.entry(reason).or_default() += 1;
                    }
                }
                Verdict::Wrong(how) => wrong.push(format!("{version:?} {folder}: {}: {how}", case.note)),
            }
        }
    }
    for line in &wrong {
        println!("WRONG {line}");
    }
    let mut refused: Vec<_> = refused.into_iter().collect();
    refused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in refused.iter().take(60) {
        println!("refused {count}: {reason}");
    }
    println!(
        "{total} cases, {outside} outside of what is left for later, {right} of those right, {} wrong",
        wrong.len()
    );
    assert!(wrong.is_empty());
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

fn value(json: &serde_json::Value) -> Value {
    let text = serde_json::to_string(json).unwrap();
    fleetgate_value::json::parse(text.as_bytes(), &mut KeyCache::default(), Numbers::Exact).unwrap()
}

fn verdict(case: &Case, version: Version) -> Verdict {
    let result = answers(case, version);
    match (&result, &case.want_error_code, &case.want_error) {
        (Err(errors), Some(code), None) if errors.iter().any(|error| error.code == code) => Verdict::Right,
        (Err(errors), _, Some(text)) if errors.iter().any(|error| error.to_string().contains(text.as_str())) => {
            Verdict::Right
        }
        (Err(errors), ..) => refusal(errors),
        (Ok(found), Some(code), _) => Verdict::Wrong(format!("wanted {code}, got {}", shown(found))),
        (Ok(found), _, Some(text)) => Verdict::Wrong(format!("wanted {text}, got {}", shown(found))),
        (Ok(found), None, None) => compare(case, found),
    }
}

/// Errors before anything runs are refusals; an error at run time is an answer.
fn refusal(errors: &[Error]) -> Verdict {
    let first = &errors[0];
    if first.code.starts_with("rego_") {
        let mut reason = format!("{}: {}", first.code, first.message);
        reason.truncate(90);
        return Verdict::Refused(reason);
    }
    Verdict::Wrong(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn answers(case: &Case, version: Version) -> Result<Vec<Answer>, Vec<Error>> {
    let names: Vec<String> = (0..case.modules.len()).map(|number| format!("test-{number}.rego")).collect();
    let modules: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(case.modules.iter().map(String::as_str)).collect();
    let input = match (&case.input_term, &case.input) {
        (Some(term), _) => Some(term_value(term)),
        (None, Some(json)) => Some(value(json)),
        (None, None) => None,
    };
    let data = case.data.as_ref().and_then(|data| value(data).as_object().cloned()).unwrap_or_default();
    let source = QuerySource {
        modules: &modules,
        query: &case.query,
        version,
        package: "",
        imports: &[],
        expressions: false,
        prints: false,
    };
    run(source, Documents { input, data, stored: None }, case.strict_error)
}

fn term_value(term: &str) -> Value {
    let text = format!("x = {term}");
    let source = QuerySource {
        modules: &[],
        query: &text,
        version: Version::V1,
        package: "",
        imports: &[],
        expressions: false,
        prints: false,
    };
    let answers = run(source, Documents { input: None, data: Object::default(), stored: None }, false).unwrap();
    answers[0].bindings[0].1.clone()
}

fn run(source: QuerySource<'_>, documents: Documents, strict: bool) -> Result<Vec<Answer>, Vec<Error>> {
    let query = query(source)?;
    let settings =
        Settings { budget: Budget::default(), strict, now_nanos: 1_700_000_000_000_000_000, release: Release::Opa1_22 };
    query.answers(documents, settings, &mut Workspace::default()).map_err(|error| vec![error])
}

fn compare(case: &Case, found: &[Answer]) -> Verdict {
    if let Some(want) = &case.want_result {
        let want: Vec<Value> = want
            .iter()
            .map(|binding| plain(&value(&serde_json::to_value(binding).unwrap()), case.sort_bindings))
            .collect();
        let got: Vec<Value> = found.iter().map(|answer| plain(&object(answer), case.sort_bindings)).collect();
        let (mut sorted_want, mut sorted_got) = (want, got);
        sorted_want.sort();
        sorted_got.sort();
        if sorted_want == sorted_got {
            return Verdict::Right;
        }
        let want = Value::array(sorted_want);
        return Verdict::Wrong(format!("wanted {want}, got {}", shown(found)));
    }
    match case.want_defined {
        Some(defined) if defined == found.is_empty() => {
            Verdict::Wrong(format!("wanted defined {defined}, got {}", shown(found)))
        }
        _ => Verdict::Right,
    }
}

fn object(answer: &Answer) -> Value {
    Value::object(answer.bindings.iter().map(|(name, value)| (Value::from(&**name), value.clone())).collect())
}

/// As JSON has it: sets are arrays; sorted where the case wants bindings as sets.
fn plain(value: &Value, sorted: bool) -> Value {
    let arrays = |items: Vec<Value>, is_set: bool| {
        let mut items: Vec<Value> = items.iter().map(|item| plain(item, sorted)).collect();
        if sorted || is_set {
            items.sort();
        }
        Value::array(items)
    };
    match value {
        Value::Array(items) => arrays(items.to_vec(), false),
        Value::Set(set) => arrays(set.members().to_vec(), true),
        Value::Object(object) => Value::object(
            object
                .iter()
                .map(|(key, value)| {
                    let key = match key {
                        Value::String(_) => key.clone(),
                        key => Value::from(String::from_utf8(fleetgate_value::json::to_vec(key)).unwrap()),
                    };
                    (key, plain(value, sorted))
                })
                .collect(),
        ),
        value => value.clone(),
    }
}

fn shown(answers: &[Answer]) -> String {
    let mut text = answers.iter().map(|answer| object(answer).to_string()).collect::<Vec<_>>().join(", ");
    if text.len() > 300 {
        let end = (0..=300).rev().find(|end| text.is_char_boundary(*end)).unwrap();
        text.truncate(end);
    }
    format!("[{text}]")
}
