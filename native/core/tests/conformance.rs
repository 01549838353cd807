//! The policies of gatekeeper-library load: every template and constraint of the conformance data, and workload W.
//!
//! `FLEETGATE_CONFORMANCE` and `FLEETGATE_WORKLOADS` name the data; where they are absent the tests say so and pass,
//! unless `FLEETGATE_CONFORMANCE_REQUIRED` is 1.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetgate_core::diagnostic::Diagnostic;
use fleetgate_core::evaluate::rego::RegoDriver;
use fleetgate_core::policy::{Policies, PolicySet};

fn data() -> Option<PathBuf> {
    let beside = || PathBuf::from("../../../shared/conformance");
    let path = std::env::var_os("FLEETGATE_CONFORMANCE").map_or_else(beside, PathBuf::from);
    if path.join("gatekeeper-library").is_dir() {
        return Some(path);
    }
    let required = std::env::var("FLEETGATE_CONFORMANCE_REQUIRED").is_ok_and(|value| value == "1");
    assert!(!required, "conformance data are required and absent: {}", path.display());
    eprintln!("SKIPPED: no conformance data at {}; set FLEETGATE_CONFORMANCE", path.display());
    None
}

fn load(files: &[PathBuf]) -> Result<Arc<PolicySet>, Vec<Diagnostic>> {
    let read = |path: &PathBuf| (path.display().to_string(), std::fs::read(path).unwrap());
    let contents: Vec<(String, Vec<u8>)> = files.iter().map(read).collect();
    let files: Vec<(&str, &[u8])> = contents.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    Policies::new(Arc::new(RegoDriver::default()))
        .apply("library", &files, false)
        .map(|applied| applied.generation.fleet().clone())
}

/// All files below a folder, sorted.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn named(files: &[PathBuf], name: &str) -> Vec<PathBuf> {
    files.iter().filter(|path| path.file_name().is_some_and(|found| found == name)).cloned().collect()
}

#[test]
fn every_template_and_constraint_of_the_library_loads() {
    let Some(data) = data() else { return };
    let files = walk(&data.join("gatekeeper-library"));
    let templates = named(&files, "template.yaml");
    assert!(templates.len() >= 33, "{}", templates.len());
    let mut wrong = Vec::new();
    for template in templates {
        let folder = template.parent().unwrap();
        // Samples of one folder may share a name, so each constraint is applied with its template alone.
        for constraint in named(&walk(folder), "constraint.yaml") {
            match load(&[template.clone(), constraint.clone()]) {
                Ok(set) if set.templates().len() == 1 && set.constraints().len() == 1 => {}
                Ok(set) => wrong.push(format!("{}: {set:?}", constraint.display())),
                Err(found) => wrong.extend(found.iter().map(ToString::to_string)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn workload_w_loads() {
    let beside = || PathBuf::from("../../../shared/bench");
    let workloads = std::env::var_os("FLEETGATE_WORKLOADS").map_or_else(beside, PathBuf::from);
    let file = workloads.join("w/policies.yaml");
    if !file.is_file() {
        eprintln!("SKIPPED: no workload at {}; set FLEETGATE_WORKLOADS", file.display());
        return;
    }
    let set = load(&[file]).unwrap_or_else(|defects| panic!("{defects:#?}"));
    assert_eq!((set.templates().len(), set.constraints().len()), (30, 30));
}
