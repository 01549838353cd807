//! What fuzzing has found, given again to what was fuzzed: no law may break, on the stack that a server's thread has.
//!
//! `make fuzz-native` adds to the corpus; `native/fuzz` has the targets and says what the laws are.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::path::Path;

/// Replays a target's corpus.
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new("../../tests/data/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 100, "{target}: the corpus is not there");
    for path in paths {
        let data = std::fs::read(&path).unwrap();
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || run(&data)).unwrap();
        if thread.join().is_err() {
            panic!("{} breaks a law", path.display());
        }
    }
}

#[test]
fn front_end() {
    replay("front_end", targets::front_end::run);
}

#[test]
fn decision() {
    targets::decision::prepare();
    replay("decision", targets::decision::run);
}
