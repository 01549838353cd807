//! What the rules' tests share, and the report as a whole.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::policies::Policies;
use super::*;
use crate::evaluate::rego::RegoDriver;

/// Codes of what is suspicious, silenced or not, in the order of the rules.
pub(super) fn codes(yaml: &str) -> Vec<&'static str> {
    let reading = yaml::read("t.yaml", yaml.as_bytes());
    assert!(reading.diagnostics.is_empty(), "{yaml}: {:?}", reading.diagnostics);
    suspicions(&Policies::new(reading.documents)).iter().map(|finding| finding.about.code).collect()
}

/// A template of kind `A` with the rules.
pub(super) fn template(rules: &str) -> String {
    let indented: String = rules.lines().map(|line| format!("        {line}\n")).collect();
    format!(
        "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {{name: a}}\n\
         spec:\n  crd: {{spec: {{names: {{kind: A}}}}}}\n  targets:\n    - target: admission.k8s.gatekeeper.sh\n      \
         rego: |\n        package a\n{indented}"
    )
}

/// The template with a schema of its parameters.
pub(super) fn with_schema(template: &str, schema: &str) -> String {
    let crd = format!("names: {{kind: A}}, validation: {{openAPIV3Schema: {schema}}}");
    template.replacen("names: {kind: A}", &crd, 1)
}

/// A Constraint of kind `A`, in dry run, with a match block.
pub(super) fn constraint(matching: &str) -> String {
    format!("{HEAD}spec: {{enforcementAction: dryrun, match: {matching}}}")
}

/// A Constraint of kind `A` on Pods with other fields of its spec.
pub(super) fn acting(spec: &str) -> String {
    format!("{HEAD}spec: {{match: {{kinds: [{{apiGroups: [''], kinds: [Pod]}}]}}, {spec}}}")
}

const HEAD: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: A\nmetadata: {name: a}\n";

fn report(yaml: &str) -> Vec<String> {
    let report = lint(&[("t.yaml", yaml.as_bytes())], &RegoDriver::default());
    report.findings.iter().map(|finding| format!("{} {}", finding.location, finding.about.code)).collect()
}

const CLEAN: &str = "violation[{\"msg\": \"no\"}] { input.review.object.spec.hostNetwork }";

#[test]
fn codes_and_names_are_unique_and_well_formed() {
    let all = catalogue();
    for (index, about) in all.iter().enumerate() {
        assert!(about.code.len() == 5 && about.code.starts_with("FG"), "{about:?}");
        assert!(about.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{about:?}");
        assert!(
            all.iter().skip(index + 1).all(|other| other.code != about.code && other.name != about.name),
            "{about:?}"
        );
    }
}

#[test]
fn refusals_come_with_their_place_and_hide_suspicions_there() {
    let broken = template("violation[{\"msg\": \"no\"}] { input.review.object.spec. }");
    assert_eq!(report(&broken), ["t.yaml:10:62 FG007"]);
    let nested = template("violation[{\"msg\": \"no\"}] { x := [data.lib.helpers.g] }");
    assert_eq!(report(&nested), ["t.yaml:10:42 FG203"]);
    assert_eq!(report(&constraint("{}")), ["t.yaml:2:7 FG010", "t.yaml:4:42 FG101"]);
}

#[test]
fn documents_of_others_are_passed_over_and_misspelt_ones_are_not() {
    let files = "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n---\nkind: A\napiVersion: constraint.gatekeeper.sh/v1beta1\n";
    let report = lint(&[("t.yaml", files.as_bytes())], &RegoDriver::default());
    assert_eq!(report.others, 1);
    let codes: Vec<_> = report.findings.iter().map(|finding| finding.about.code).collect();
    assert_eq!(codes, ["FG002"]);
}

#[test]
fn lists_are_looked_into() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: constraints.gatekeeper.sh/v1beta1\n  kind: A\n  metadata: {name: a}\n  spec:\n    enforcementAction: warn\n    match: {}\n";
    assert_eq!(report(list), ["t.yaml:5:9 FG010", "t.yaml:9:12 FG101"]);
}

#[test]
fn a_comment_silences_its_line_or_the_next() {
    let files = |comment: &str, before: &str| {
        format!("{}---\n{HEAD}spec:\n  enforcementAction: dryrun\n{before}  match: {{}}{comment}\n", template(CLEAN))
    };
    assert_eq!(report(&files("", "")), ["t.yaml:17:10 FG101"]);
    assert!(report(&files(" # fleetgate:ignore FG101", "")).is_empty());
    assert!(
        report(&files("", "  # fleetgate:ignore FG102,FG101 every kind has labels\n  #\n\n"))
            .iter()
            .all(|found| found.ends_with("FG301"))
    );
    assert_eq!(report(&files(" # fleetgate:ignore FG102", "")), ["t.yaml:17:10 FG101", "t.yaml:17:13 FG301"]);
    assert_eq!(report(&files(" # fleetgate:ignore", "")), ["t.yaml:17:10 FG101", "t.yaml:17:13 FG301"]);
    assert_eq!(report(&files(" # fleetgate:ignore FG999", "")), ["t.yaml:17:10 FG101", "t.yaml:17:13 FG301"]);
}

#[test]
fn an_annotation_silences_its_document() {
    let annotated = "metadata: {name: b, annotations: {fleetgate.dev/lint-ignore: 'FG101, FG113'}}";
    let (first, second) = (constraint("{}"), constraint("{}").replace("metadata: {name: a}", annotated));
    let files = [template(CLEAN), first, second.replace("dryrun", "deny")].join("\n---\n");
    assert_eq!(report(&files), ["t.yaml:16:42 FG101"]);
}

#[test]
fn comments_in_rego_count_too() {
    let rego = "violation[{\"msg\": m}] {\n  # fleetgate:ignore FG211\n  m := sprintf(\"%v\", [])\n}";
    assert!(report(&template(rego)).is_empty());
}
