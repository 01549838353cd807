#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::evaluate::rego::RegoDriver;
use crate::template::SyncRequirements;

/// What Gatekeeper 3.23.1's client answered to templates and Constraints, recorded by running it.
const RECORDED: &str = include_str!("../../tests/data/gatekeeper_loading.jsonl");

fn policies() -> Policies {
    Policies::new(Arc::new(RegoDriver::default()))
}

/// Cases that fleetgate answers otherwise on purpose, and why.
const DIFFERENT: [(&str, &str); 4] = [
    ("op-bad", "Gatekeeper's client leaves it to its CustomResourceDefinition"),
    ("op-star", "Gatekeeper's client leaves it to its webhook"),
    ("schema-v1-cel-bad", "rules in CEL are not read"),
    ("schema-beta-cel-bad", "rules in CEL are not read"),
];

/// Cases refused in other words than Gatekeeper's: Go's decoder and regular expressions speak for themselves.
const IN_OTHER_WORDS: [&str; 57] = [
    "norego",
    "emptycode",
    "celonly",
    "unknownengine",
    "codesourcestr",
    "coderegonum",
    "codelibsstr",
    "kindint",
    "targetsmap",
    "regoint",
    "kind-bad",
    "kind-dot",
    "kind-long",
    "kind-63",
    "schema-beta-items-list",
    "schema-v1-typelist",
    "schema-beta-typelist",
    "schema-v1-default-type",
    "schema-beta-default-type",
    "schema-v1-schema",
    "schema-beta-schema",
    "schema-v1-pattern-bad",
    "schema-beta-pattern-bad",
    "schema-v1-pattern-look",
    "schema-beta-pattern-look",
    "schema-v1-min-string",
    "schema-beta-min-string",
    "schema-v1-exclusive-num",
    "schema-beta-exclusive-num",
    "schema-v1-required-str",
    "schema-beta-required-str",
    "schema-v1-nonobj",
    "schema-beta-nonobj",
    "schema-v1-list",
    "schema-beta-list",
    "param-i64",
    "param-li",
    "param-two-unknown",
    "c-group",
    "c-version",
    "c-nover",
    "c-kindcase",
    "c-m-ls-noop",
    "c-m-ls-key",
    "c-m-ls-val",
    "c-m-ls-valint",
    "c-m-ls-str",
    "c-m-ls-null",
    "c-m-list",
    "c-specstr",
    "pattern-13",
    "pattern-19",
    "pattern-20",
    "pattern-21",
    "pattern-25",
    "pattern-28",
    "pattern-34",
];

#[test]
fn accepts_what_gatekeeper_accepts() {
    let mut lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let shared = lines.next().unwrap();
    let (mut wrong, mut reworded) = (Vec::new(), Vec::new());
    for row in lines {
        let name = row["name"].as_str().unwrap();
        let documents: Vec<String> =
            texts(&row["documents"]).map(|text| shared["define"][text].as_str().unwrap_or(text).to_owned()).collect();
        let paths: Vec<String> = (0..documents.len()).map(|index| format!("{index}.yaml")).collect();
        let files: Vec<(&str, &str)> =
            paths.iter().map(String::as_str).zip(documents.iter().map(String::as_str)).collect();
        let answers: Vec<&str> = texts(&row["answers"]).collect();
        let accepted = answers.iter().all(|answer| *answer == "ok");
        let found = policies().apply("b", &bytes(&files), false).err().unwrap_or_default();
        let different = DIFFERENT.iter().any(|(case, _)| *case == name);
        if (found.is_empty() != accepted) != different {
            wrong.push(format!("{name}: {answers:?}\n    {found:?}"));
        }
        wrong.extend(
            found
                .iter()
                .filter(|one| one.location.as_ref().is_none_or(|at| at.line == 0))
                .map(|one| format!("{name}: {one}")),
        );
        // What follows the class of the error has to be Gatekeeper's text.
        let core =
            |one: &Diagnostic| one.message.split_once(": ").map_or(one.message.clone(), |(_, rest)| rest.to_owned());
        if !found.is_empty()
            && !different
            && !found.iter().any(|one| answers.iter().any(|answer| answer.contains(&core(one))))
        {
            reworded.push(name.to_owned());
        }
    }
    assert!(wrong.is_empty(), "{}\n{} wrong", wrong.join("\n"), wrong.len());
    assert_eq!(reworded, IN_OTHER_WORDS);
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap())
}

fn bytes<'text>(files: &[(&'text str, &'text str)]) -> Vec<(&'text str, &'text [u8])> {
    files.iter().map(|(path, text)| (*path, text.as_bytes())).collect()
}

const TEMPLATE: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8sfoo}
spec:
  crd:
    spec:
      names: {kind: K8sFoo}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            labels: {type: array, items: {type: string}}
            mode: {type: string, default: strict}
            nested: {type: object, properties: {deep: {type: integer, default: 3}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8sfoo
        violation[{"msg": msg}] { msg := "no" }
"#;

fn constraint(name: &str, spec: &str) -> String {
    format!("apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sFoo\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn apply(policies: &Policies, bundle: &str, files: &[(&str, &str)]) -> Result<Applied, Vec<String>> {
    policies.apply(bundle, &bytes(files), false).map_err(|found| found.iter().map(ToString::to_string).collect())
}

fn defects(files: &[(&str, &str)]) -> Vec<String> {
    apply(&policies(), "b", files).unwrap_err()
}

#[test]
fn publishes_a_bundle() {
    let policies = policies();
    assert_eq!((policies.current().number(), policies.current().fleet().templates().len()), (0, 0));
    let text =
        format!("{TEMPLATE}---\n{}---\n{}", constraint("b", "{}"), constraint("a", "{parameters: {nested: {}}}"));
    let applied = apply(&policies, "dir/one", &[("p.yaml", &text)]).unwrap();
    let set = policies.current();
    assert!(applied.changed && Arc::ptr_eq(&applied.generation, &set));
    assert_eq!((set.number(), set.fleet().bundles(), set.fleet().templates().len()), (1, &["dir/one".into()][..], 1));
    assert_eq!(set.fleet().templates()[0].constraints, 0..2);
    let names: Vec<_> = set.fleet().constraints().iter().map(|one| (&*one.constraint.name, one.template)).collect();
    assert_eq!(names, [("a", 0), ("b", 0)]);
    assert_eq!(
        set.fleet().constraints()[0].constraint.parameters,
        serde_json::json!({"mode": "strict", "nested": {"deep": 3}})
    );
    assert_eq!(set.fleet().constraints()[1].constraint.parameters, serde_json::json!({}));
    assert_eq!(set.fleet().constraints()[1].constraint.actions.declared(), "deny");
    assert_eq!(set.fleet().constraints()[0].constraint.origin.to_string(), "p.yaml:27:1");
}

#[test]
fn the_number_follows_the_content() {
    let policies = policies();
    let first = apply(&policies, "b", &[("t.yaml", TEMPLATE), ("c.yaml", &constraint("a", "{}"))]).unwrap().generation;
    let moved =
        apply(&policies, "b", &[("u.yaml", &format!("# moved\n{TEMPLATE}")), ("c.yaml", &constraint("a", "{}"))]);
    let moved = moved.unwrap();
    assert!(!moved.changed);
    assert_eq!((moved.generation.number(), moved.generation.digest()), (1, first.digest()));
    assert_eq!(policies.current().fleet().templates()[0].template.origin.to_string(), "u.yaml:3:1");
    assert!(
        Arc::ptr_eq(&moved.generation.fleet().templates()[0].program, &first.fleet().templates()[0].program),
        "nothing is compiled again"
    );
    let changed =
        apply(&policies, "b", &[("t.yaml", TEMPLATE), ("c.yaml", &constraint("a", "{enforcementAction: warn}"))]);
    let changed = changed.unwrap();
    assert!(changed.changed && changed.generation.number() == 2 && changed.generation.digest() != first.digest());
    let back = apply(&policies, "b", &[("t.yaml", TEMPLATE), ("c.yaml", &constraint("a", "{}"))]).unwrap();
    assert_eq!((back.generation.number(), back.generation.digest()), (3, first.digest()));
    let removed = apply(&policies, "b", &[]).unwrap();
    assert!(
        removed.changed
            && removed.generation.fleet().templates().is_empty()
            && removed.generation.fleet().bundles().is_empty()
    );
}

#[test]
fn dry_run_and_refusal_publish_nothing() {
    let policies = policies();
    let kept = apply(&policies, "b", &[("t.yaml", TEMPLATE)]).unwrap().generation;
    let dry =
        policies.apply("b", &[("c.yaml", constraint("a", "{}").as_bytes()), ("t.yaml", TEMPLATE.as_bytes())], true);
    assert!(!dry.unwrap().changed);
    apply(&policies, "b", &[("t.yaml", TEMPLATE), ("c.yaml", &constraint("a", "{x: 1}"))]).unwrap_err();
    assert!(Arc::ptr_eq(&policies.current(), &kept));
}

#[test]
fn reports_all_defects_sorted_and_located() {
    let bad = "spec:\n  match:\n    kind: []\n  parameters:\n    labels: [1]\n    lables: []\n";
    let head = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sFoo\nmetadata: {name: a}\n";
    let found = defects(&[
        ("z.yaml", &format!("{head}{bad}")),
        ("t.yaml", TEMPLATE),
        ("m.yaml", "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sFo\nmetadata: {name: a}\n"),
        ("a.yaml", "a: [1\n"),
    ]);
    assert_eq!(
        found,
        [
            "a.yaml:2:1: yaml: did not find expected ',' or ']' [syntax_error]",
            "m.yaml:2:7: kind: missing ConstraintTemplate: template \"k8sfo\" not found [template_not_found]\n  hint: did you mean \"K8sFoo\"?",
            "z.yaml:6:11: spec.match.kind: invalid Constraint: unknown fields: [spec.match.kind] [unknown_field]\n  hint: did you mean \"kinds\"?",
            "z.yaml:8:14: spec.parameters.labels[0]: schema validation failed: Invalid value: \"number\": spec.parameters.labels[0] in body must be of type string: \"number\" [invalid_field]",
            "z.yaml:9:13: spec.parameters.lables: invalid Constraint: unknown fields: [spec.parameters.lables] [unknown_field]\n  hint: did you mean \"labels\"?",
        ]
    );
}

#[test]
fn one_name_belongs_to_one_bundle() {
    let policies = policies();
    apply(&policies, "one", &[("t.yaml", TEMPLATE), ("c.yaml", &constraint("a", "{}"))]).unwrap();
    let found = apply(&policies, "two", &[("x.yaml", &constraint("a", "{}"))]).unwrap_err();
    assert_eq!(
        found,
        [
            "x.yaml:1:1: Constraint \"a\" of kind K8sFoo of bundle \"two\" is already defined at c.yaml:1:1 in bundle \"one\" [duplicate]"
        ]
    );
    let found = apply(&policies, "two", &[("x.yaml", TEMPLATE)]).unwrap_err();
    assert!(
        found[0].contains("ConstraintTemplate \"k8sfoo\" of bundle \"two\" is already defined at t.yaml:2:1"),
        "{found:?}"
    );
    // The name of the refused bundle may sort before the other's: it is still the later one that is at fault.
    let found = apply(&policies, "a", &[("x.yaml", TEMPLATE)]).unwrap_err();
    assert!(found[0].starts_with("x.yaml:2:1: ConstraintTemplate \"k8sfoo\" of bundle \"a\" is already"), "{found:?}");
}

#[test]
fn a_constraint_may_use_the_template_of_another_bundle() {
    let policies = policies();
    apply(&policies, "templates", &[("t.yaml", TEMPLATE)]).unwrap();
    apply(&policies, "constraints", &[("c.yaml", &constraint("a", "{}"))]).unwrap();
    assert_eq!(policies.current().fleet().constraints().len(), 1);
    let found = apply(&policies, "templates", &[]).unwrap_err();
    assert_eq!(
        found,
        ["c.yaml:2:7: kind: missing ConstraintTemplate: template \"k8sfoo\" not found [template_not_found]"]
    );
}

#[test]
fn constraints_of_a_defective_template_are_not_reported() {
    let broken = TEMPLATE.replace("msg := \"no\"", "msg := ");
    let found = defects(&[("t.yaml", &broken), ("c.yaml", &constraint("a", "{}"))]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("t.yaml:2"), "{found:?}");
}

#[test]
fn reads_lists_and_skips_suites() {
    let indented: String = TEMPLATE.trim_start().lines().map(|line| format!("    {line}\n")).collect();
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n  -\n{indented}  - {{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: K8sFoo, metadata: {{name: a}}}}\n"
    );
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests: []\n";
    let policies = policies();
    let set = apply(&policies, "b", &[("l.yaml", &list), ("s.yaml", suite)]).unwrap().generation;
    assert_eq!((set.fleet().templates().len(), set.fleet().constraints().len()), (1, 1));
    assert_eq!(set.fleet().templates()[0].template.origin.line, 5);
}

#[test]
fn refuses_what_is_no_policy() {
    for (text, message) in [
        (
            "apiVersion: v1\nkind: Pod\n",
            "f.yaml:2:7: kind: Pod (v1) is not a policy [unsupported_kind]\n  hint: a bundle holds",
        ),
        (
            "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Confg\n",
            "f.yaml:2:7: kind: no kind \"Confg\" is registered for version \"config.gatekeeper.sh/v1alpha1\" \
             [unsupported_kind]\n  hint: did you mean \"Config\"?",
        ),
        ("apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSets\n", "hint: did you mean \"SyncSet\"?"),
        (
            "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: other}\n",
            "f.yaml:3:18: metadata.name: config resource must have name 'config' [invalid_config]",
        ),
        ("apiVersion: expansion.gatekeeper.sh/v1beta1\nkind: ExpansionTemplate\n", "is not supported yet"),
        ("apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\n", "is not supported yet"),
        ("apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\n", "is not supported yet"),
        (
            "apiVersion: constraint.gatekeeper.sh/v1beta1\nkind: Foo\n",
            "hint: did you mean \"constraints.gatekeeper.sh\"?",
        ),
        (
            "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstrainTemplate\n",
            "hint: did you mean \"ConstraintTemplate\"?",
        ),
        ("kind: Pod\n", "f.yaml:1:1: apiVersion: Object 'apiVersion' is missing"),
        ("apiVersion: v1\n", "Object 'Kind' is missing"),
        ("- a\n", "f.yaml:1:1: a document must be a Kubernetes object"),
    ] {
        let found = defects(&[("f.yaml", text)]);
        assert!(found.len() == 1 && found[0].contains(message), "{text}: {found:?}");
    }
}

#[test]
fn refuses_names_that_no_bundle_can_have() {
    for name in ["", "a b", "é", &"a".repeat(254)] {
        let found = apply(&policies(), name, &[]).unwrap_err();
        assert!(found[0].contains("[invalid_bundle]"), "{name:?}");
    }
}

#[test]
fn refuses_cel_by_name() {
    let text = TEMPLATE.split("      rego:").next().unwrap().to_owned()
        + "      code:\n        - engine: K8sNativeValidation\n          source: {validations: [{expression: \"true\"}]}\n";
    let found = defects(&[("t.yaml", &text)]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("t.yaml:19:19: spec.targets[0].code[0].engine: no language driver"), "{found:?}");
    assert!(found[0].contains("wanted \"K8sNativeValidation\" [unsupported_engine]"), "{found:?}");
}

#[test]
fn code_entries_give_the_dialect() {
    for (source, language) in [
        (r#"{rego: 'package a violation[{"msg": "x"}] { true }'}"#, "rego/v0"),
        (r#"{version: v2, rego: 'package a violation[{"msg": "x"}] { true }'}"#, "rego/v0"),
        (r#"{version: v1, rego: 'package a violation contains {"msg": "x"} if true'}"#, "rego/v1"),
    ] {
        let code = format!(
            "      code:\n        - {{engine: K8sNativeValidation, source: {{}}}}\n        - {{engine: Rego, source: {}}}\n",
            source.replace("package a ", "package a\n\n            ")
        );
        let text = TEMPLATE.split("      rego:").next().unwrap().to_owned() + &code;
        let set =
            apply(&policies(), "b", &[("t.yaml", &text)]).unwrap_or_else(|found| panic!("{text} {found:?}")).generation;
        assert_eq!(set.fleet().templates()[0].template.version.language(), language);
    }
}

#[test]
fn operations_are_checked() {
    let with =
        |operations: &str| TEMPLATE.replace("      rego:", &format!("      operations: {operations}\n      rego:"));
    let set = apply(&policies(), "b", &[("t.yaml", &with("[CREATE, DELETE]"))]).unwrap().generation;
    let operations = &set.fleet().templates()[0].template.operations;
    assert!(operations.admits("DELETE") && !operations.admits("UPDATE"));
    let found = defects(&[("t.yaml", &with("[\"*\", CREATE]"))]);
    assert!(found[0].contains("operations cannot contain '*' together with other operations"), "{found:?}");
    let found = defects(&[("t.yaml", &with("[CREAT]"))]);
    assert!(
        found[0].contains("Unsupported value: \"CREAT\"") && found[0].contains("did you mean \"CREATE\"?"),
        "{found:?}"
    );
}

#[test]
fn finds_candidates_by_group_and_kind() {
    let spec = |kinds: &str| format!("{{match: {{kinds: [{kinds}]}}}}");
    let constraints = [
        constraint("a", &spec("{apiGroups: [\"\"], kinds: [Pod]}")),
        constraint("b", &spec("{apiGroups: [apps], kinds: [\"*\"]}")),
        constraint("c", &spec("{apiGroups: [\"*\"], kinds: [Pod, Deployment]}")),
        constraint("d", "{}"),
        constraint("e", &spec("{kinds: [Ingress]}, {apiGroups: [apps], kinds: [Deployment]}")),
        constraint("f", "{match: {kinds: []}}"),
    ];
    let text = format!("{TEMPLATE}---\n{}", constraints.join("---\n"));
    let set = apply(&policies(), "b", &[("p.yaml", &text)]).unwrap().generation;
    for (group, kind, expected) in [
        ("", "Pod", "acdf"),
        ("apps", "Deployment", "bcdef"),
        ("apps", "Pod", "bcdf"),
        ("apps", "DaemonSet", "bdf"),
        ("batch", "Pod", "cdf"),
        ("networking.k8s.io", "Ingress", "def"),
        ("batch", "Job", "df"),
    ] {
        let found: String = set
            .fleet()
            .candidates(group, kind)
            .iter()
            .map(|at| &*set.fleet().constraints()[*at as usize].constraint.name)
            .collect();
        assert_eq!(found, expected, "{group}/{kind}");
        // The index never leaves out what a matcher would take.
        for (position, one) in set.fleet().constraints().iter().enumerate() {
            if one.constraint.matcher.as_ref().is_none_or(|matcher| matcher.selects_kind(group, kind)) {
                assert!(
                    set.fleet().candidates(group, kind).contains(&u32::try_from(position).unwrap()),
                    "{group}/{kind} {position}"
                );
            }
        }
    }
}

#[test]
fn nested_beyond_reason_is_a_located_defect() {
    for opening in ["(", "[", "{", "not ", "x["] {
        let body = format!("msg := {}1", opening.repeat(100_000));
        let found = defects(&[("t.yaml", &TEMPLATE.replace("msg := \"no\"", &body))]);
        assert!(found[0].starts_with("t.yaml:20:"), "{opening}: {}", found[0].chars().take(200).collect::<String>());
    }
}

#[test]
fn readers_see_whole_generations() {
    let policies = Arc::new(policies());
    let bundle = |action: &str| {
        let spec = format!("{{enforcementAction: {action}}}");
        format!("{TEMPLATE}---\n{}---\n{}", constraint("a", &spec), constraint("b", &spec))
    };
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (policies, stop) = (policies.clone(), stop.clone());
        move || {
            let mut last = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let set = policies.current();
                let actions: Vec<_> =
                    set.fleet().constraints().iter().map(|one| one.constraint.actions.declared().to_owned()).collect();
                assert!(actions.windows(2).all(|pair| pair[0] == pair[1]), "{actions:?}");
                assert!(set.number() >= last);
                last = set.number();
            }
        }
    });
    for turn in 0..20 {
        let text = bundle(if turn % 2 == 0 { "deny" } else { "warn" });
        assert_eq!(apply(&policies, "b", &[("p.yaml", &text)]).unwrap().generation.number(), turn + 1);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    reader.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A policy with one of its nodes replaced, or cut out: no panic, and every defect is located in the file.
    #[test]
    fn mangled_policies_are_refused_with_a_place(seed in any::<u64>(), replacement in prop_oneof![
        Just(Value::Null), Just(Value::from(5)), Just(Value::from("x")), Just(serde_json::json!([])),
        Just(serde_json::json!({})), Just(serde_json::json!({"a": [1]})), Just(serde_json::json!(["*"])), Just(Value::from(true)),
    ]) {
        let text = format!("{TEMPLATE}---\n{}", constraint("a", "{match: {kinds: [{kinds: [Pod]}], labelSelector: {matchExpressions: [{key: a, operator: Exists}]}}, parameters: {labels: [a], nested: {deep: 1}}, scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: '*'}]}], enforcementAction: scoped}"));
        let documents = crate::yaml::read("f.yaml", text.as_bytes()).documents;
        let mut values: Vec<Value> = documents.into_iter().map(|document| document.value).collect();
        let which = usize::try_from(seed % 2).unwrap();
        let count = nodes(&mut values[which], &mut |_| {});
        let target = usize::try_from(seed / 2).unwrap_or(0) % count;
        let mut at = 0;
        nodes(&mut values[which], &mut |node| {
            if at == target {
                *node = replacement.clone();
            }
            at += 1;
        });
        let text = values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n");
        if let Err(found) = policies().apply("b", &[("f.yaml", text.as_bytes())], false) {
            prop_assert!(!found.is_empty());
            for diagnostic in found {
                let location = diagnostic.location.clone().unwrap();
                prop_assert!((1..=4).contains(&location.line) && location.column >= 1, "{}", diagnostic);
            }
        }
    }
}

fn nodes(value: &mut Value, visit: &mut impl FnMut(&mut Value)) -> usize {
    visit(value);
    1 + match value {
        Value::Array(all) => all.iter_mut().map(|one| nodes(one, visit)).sum(),
        Value::Object(all) => all.values_mut().map(|one| nodes(one, visit)).sum::<usize>(),
        _ => 0,
    }
}

fn config(spec: &str) -> String {
    format!("apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {{name: config}}\nspec: {spec}\n")
}

/// What was put together of the inventories for one proposal is no other's.
#[test]
fn proposals_that_exclude_other_namespaces_show_something_else() {
    let policies = policies();
    let shows = |namespace: &str| {
        let config = config(&format!("{{match: [{{processes: [sync], excludedNamespaces: [{namespace}]}}]}}"));
        let proposed = policies.propose("", &[("config.yaml", config.as_bytes())]).unwrap();
        crate::inventory::Excluders::shows(&*proposed)
    };
    assert_ne!(shows("a"), shows("b"));
}

fn sync_set(name: &str, kinds: &str) -> String {
    let head = "apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata";
    format!("{head}: {{name: {name}}}\nspec: {{gvks: [{kinds}]}}\n")
}

#[test]
fn publishes_configuration() {
    let policies = policies();
    let sync = "{sync: {syncOnly: [{version: v1, kind: Pod}, {version: v1, kind: Service}]}}";
    let first = apply(&policies, "one", &[("c.yaml", &config(sync))]).unwrap().generation;
    assert_eq!(first.fleet().config().unwrap().origin.to_string(), "c.yaml:1:1");
    let kinds = sync_set("b", "{version: v1, kind: Pod}, {group: apps, version: v1, kind: Deployment}");
    let text = format!("{kinds}---\n{}", sync_set("a", ""));
    let set = apply(&policies, "two", &[("s.yaml", &text)]).unwrap().generation;
    let names: Vec<&str> = set.fleet().sync_sets().iter().map(|one| &*one.name).collect();
    let synced: Vec<String> = set.fleet().synced().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(synced, ["/v1:Pod", "/v1:Service", "apps/v1:Deployment"]);
    assert!(set.number() == 2 && set.digest() != first.digest());
    let removed = apply(&policies, "one", &[]).unwrap().generation;
    assert!(removed.fleet().config().is_none() && removed.fleet().synced().len() == 2);
}

#[test]
fn configuration_is_part_of_the_generation() {
    let policies = policies();
    let exclusion =
        |namespace: &str| config(&format!("{{match: [{{processes: [audit], excludedNamespaces: [{namespace}]}}]}}"));
    let set = apply(&policies, "b", &[("c.yaml", &exclusion("a"))]).unwrap().generation;
    let moved = apply(&policies, "b", &[("d.yaml", &format!("# moved\n{}", exclusion("a")))]).unwrap();
    assert!(!moved.changed && moved.generation.digest() == set.digest());
    let changed = apply(&policies, "b", &[("c.yaml", &exclusion("b"))]).unwrap();
    assert!(changed.changed && changed.generation.digest() != set.digest());
}

#[test]
fn there_is_one_config() {
    let policies = policies();
    apply(&policies, "one", &[("c.yaml", &config("{}")), ("s.yaml", &sync_set("s", ""))]).unwrap();
    let found = apply(&policies, "a-second", &[("x.yaml", &config("{}")), ("y.yaml", &sync_set("s", ""))]).unwrap_err();
    assert_eq!(
        found,
        [
            "x.yaml:1:1: Config of bundle \"a-second\" is already defined at c.yaml:1:1 in bundle \"one\" [duplicate]",
            "y.yaml:1:1: SyncSet \"s\" of bundle \"a-second\" is already defined at s.yaml:1:1 in bundle \"one\" [duplicate]",
        ]
    );
    assert_eq!(policies.current().fleet().bundles(), ["one".into()]);
}

#[test]
fn templates_say_what_they_require() {
    let annotated = |annotation: &str| {
        let metadata = format!("annotations: {{metadata.gatekeeper.sh/requires-sync-data: '{annotation}'}}");
        TEMPLATE.replace("{name: k8sfoo}", &format!("{{name: k8sfoo, {metadata}}}"))
    };
    let read = |text: &str| {
        let set = apply(&policies(), "b", &[("t.yaml", text)]).unwrap().generation;
        set.fleet().templates()[0].template.sync_requirements.clone()
    };
    let required = read(&annotated(r#"[[{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]]"#)).unwrap();
    assert_eq!(required.0.len(), 1);
    assert_eq!(read(TEMPLATE), Ok(SyncRequirements::default()));
    // Gatekeeper loads such a template; only `gator sync test` reads the annotation.
    assert_eq!(read(&annotated("{")), Err("EOF while parsing an object at line 1 column 1".to_owned()));
}

#[test]
fn a_null_target_is_a_target_without_a_name() {
    let at = TEMPLATE.find("    - target:").unwrap();
    let found = defects(&[("t.yaml", &format!("{}    - null\n", &TEMPLATE[..at]))]);
    assert_eq!(
        found,
        [
            "t.yaml:17:7: spec.targets[0].target: invalid ConstraintTemplate: target name must not be empty [invalid_template]"
        ]
    );
}
