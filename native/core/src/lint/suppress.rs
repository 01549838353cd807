//! Findings that an author silenced, and silence that silences nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::{About, Finding, Findings, Severity};
use super::policies::Policies;
use super::{catalogue, refusal};
use crate::diagnostic::Location;

/// What a silence is that has no effect.
pub(super) static WITHOUT_EFFECT: About = About {
    code: "FG301",
    name: "ignore-without-effect",
    severity: Severity::Warning,
    summary: "a fleetgate:ignore comment or lint-ignore annotation silences nothing",
};

const MARK: &str = "fleetgate:ignore";
const ANNOTATION: &str = "fleetgate.dev/lint-ignore";

/// One code that is silenced somewhere.
struct Silence {
    code: String,
    /// Where it is written.
    location: Location,
    scope: Scope,
    used: bool,
}

enum Scope {
    /// A line of the file.
    Line(u32),
    /// From this line of the file on, up to another one.
    Document(u32, u32),
}

/// Takes out what is silenced, and adds what is wrong with the silences.
pub(super) fn apply(files: &[(&str, &[u8])], policies: &Policies, findings: Vec<Finding>) -> Vec<Finding> {
    let mut silences = comments(files);
    silences.extend(annotations(policies));
    let mut kept = Vec::new();
    for finding in findings {
        let mut silent = false;
        for silence in &mut silences {
            if silence.covers(&finding) {
                silence.used = true;
                silent = true;
            }
        }
        if !silent {
            kept.push(finding);
        }
    }
    kept.extend(without_effect(&silences));
    kept
}

impl Silence {
    fn covers(&self, finding: &Finding) -> bool {
        let line = finding.location.line;
        let within = match self.scope {
            Scope::Line(own) => line == own,
            Scope::Document(first, end) => line >= first && line < end,
        };
        within && self.code == finding.about.code && self.location.path == finding.location.path
    }
}

fn without_effect(silences: &[Silence]) -> Vec<Finding> {
    let mut findings = Findings::new(&WITHOUT_EFFECT);
    for silence in silences.iter().filter(|silence| !silence.used) {
        let (code, location) = (&silence.code, silence.location.clone());
        if code.is_empty() {
            let hint = format!("name the codes: # {MARK} FG101");
            findings.add(location, "", format!("{MARK} without a code silences nothing"), hint);
        } else if refusal::ALL.iter().any(|(_, about)| about.code == code) {
            findings.add(location, "", format!("{code} is a refusal and cannot be silenced"), "");
        } else if catalogue().iter().any(|about| about.code == code) {
            findings.add(location, "", format!("{code} is silenced here, and nothing here has it"), "remove it");
        } else {
            let message = format!("there is no code {code:?}");
            findings.add(location, "", message, "fleetgate lint --list shows the codes");
        }
    }
    findings.into_inner()
}

fn comments(files: &[(&str, &[u8])]) -> Vec<Silence> {
    let mut silences = Vec::new();
    for (path, content) in files {
        let text = String::from_utf8_lossy(content);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in (1..).zip(&lines) {
            let Some((before, after)) = line.split_once(MARK) else { continue };
            let Some(before) = before.trim_end().strip_suffix('#') else { continue };
            let column = u32::try_from(before.chars().count()).unwrap_or(u32::MAX).saturating_add(1);
            let location = Location { path: (*path).into(), line: number, column };
            let target = if before.trim().is_empty() { next_line(&lines, number) } else { number };
            for code in codes(after) {
                silences.push(Silence { code, location: location.clone(), scope: Scope::Line(target), used: false });
            }
        }
    }
    silences
}

/// The next line that is neither blank nor a comment.
fn next_line(lines: &[&str], number: u32) -> u32 {
    let rest = (1..).zip(lines).skip(usize::try_from(number).unwrap_or(usize::MAX));
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    rest.filter(|(_, line)| is_content(line)).map(|(line, _)| line).next().unwrap_or(number)
}

/// The codes at the start of a text, separated by commas or blanks; a reason may follow. None at all is an empty one.
fn codes(text: &str) -> Vec<String> {
    let text = text.strip_prefix(':').unwrap_or(text);
    let words = text.split([',', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty());
    let found: Vec<String> = words.take_while(|word| is_code(word)).map(str::to_owned).collect();
    if found.is_empty() { vec![String::new()] } else { found }
}

fn is_code(word: &str) -> bool {
    word.strip_prefix("FG").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty())
}

fn annotations(policies: &Policies) -> Vec<Silence> {
    let mut starts: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for document in policies.documents() {
        starts.entry(document.path().clone()).or_default().push(document.location().line);
    }
    let mut silences = Vec::new();
    for document in policies.documents() {
        let listed = document.value.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION));
        let Some(listed) = listed.and_then(Value::as_str) else { continue };
        let first = document.location().line;
        let later = starts.get(document.path()).into_iter().flatten().copied().filter(|line| *line > first);
        let scope = || Scope::Document(first, later.clone().min().unwrap_or(u32::MAX));
        let location = document.locate(&format!("metadata.annotations.{ANNOTATION}"));
        for code in listed.split([',', ' ', '\n']).map(str::trim).filter(|code| !code.is_empty()) {
            let (code, location) = (code.to_owned(), location.clone());
            silences.push(Silence { code, location, scope: scope(), used: false });
        }
    }
    silences
}
