//! Loading templates, on one core: the files' bytes to a published generation, as a bundle is loaded.
//!
//! Prints one JSON document. `FLEETGATE_CONFORMANCE` names the directory that holds `gatekeeper-library`; all of its files
//! `template.yaml` are loaded as one bundle, each time into an engine that has none of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetgate_core::evaluate::rego::RegoDriver;
use fleetgate_core::policy::Policies;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

const LOADS: usize = 21;
const WARM_UP_LOADS: usize = 2;
const BAR: Duration = Duration::from_millis(150);

fn main() {
    let directory = std::env::var_os("FLEETGATE_CONFORMANCE").expect("FLEETGATE_CONFORMANCE is not set");
    let paths = templates(&PathBuf::from(directory).join("gatekeeper-library"));
    let texts: Vec<_> = paths.iter().map(|path| (path.to_string_lossy(), std::fs::read(path).unwrap())).collect();
    let (accepted, refused) = accepted(&texts);

    let (mut samples, mut cpu_samples) = (Vec::new(), Vec::new());
    for load in 0..WARM_UP_LOADS + LOADS {
        let policies = policies();
        let (started, cpu) = (Instant::now(), thread_cpu());
        let applied = policies.apply("library", &accepted, false).unwrap();
        let (took, took_cpu) = (started.elapsed(), thread_cpu() - cpu);
        assert_eq!(applied.generation.fleet().templates().len(), accepted.len());
        if load >= WARM_UP_LOADS {
            samples.push(took);
            cpu_samples.push(took_cpu);
        }
    }
    samples.sort();
    cpu_samples.sort();
    let (median, bytes) = (samples[LOADS / 2], accepted.iter().map(|(_, text)| text.len()).sum::<usize>());
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let report = json!({
        "templates": accepted.len(),
        "bytes": bytes,
        "refused": refused,
        "loads": LOADS,
        "medianMs": ms(median),
        "medianCpuMs": ms(cpu_samples[LOADS / 2]),
        "fastestMs": ms(samples[0]),
        "slowestMs": ms(samples[LOADS - 1]),
        "barMs": ms(BAR),
        "barKept": median <= BAR,
    });
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
}

/// CPU time of this thread, which a busy machine does not make longer.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn policies() -> Policies {
    Policies::new(Arc::new(RegoDriver::default()))
}

/// The files that load by themselves, and why others do not: a bundle is published as a whole or not at all.
fn accepted<'a>(texts: &'a [(std::borrow::Cow<'_, str>, Vec<u8>)]) -> (Vec<(&'a str, &'a [u8])>, Vec<String>) {
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for (path, text) in texts {
        let file: (&str, &[u8]) = (path, text);
        match policies().apply("library", &[file], true) {
            Ok(_) => accepted.push(file),
            Err(defects) => refused.extend(defects.first().map(ToString::to_string)),
        }
    }
    (accepted, refused)
}

/// All files `template.yaml` below a folder, sorted.
fn templates(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let files = entries.into_iter().flat_map(|path| if path.is_dir() { templates(&path) } else { vec![path] });
    files.filter(|path| path.file_name().is_some_and(|name| name == "template.yaml")).collect()
}
