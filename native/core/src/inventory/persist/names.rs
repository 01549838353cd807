//! Files are named after their clusters.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const SUFFIX: &str = "inventory";

/// Longer names are cut, and told apart by a hash.
const MAX_NAME: usize = 150;

/// The file of a cluster: its name, with every character but letters, digits, `-` and `_` as `%` and two digits.
pub(super) fn path_of(directory: &Path, cluster: &str) -> PathBuf {
    let mut name = String::new();
    for byte in cluster.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            byte => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > MAX_NAME {
        name.truncate(MAX_NAME);
        let hash: String = Sha256::digest(cluster.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        name = format!("{name}%{hash}");
    }
    directory.join(format!("{name}.{SUFFIX}"))
}

/// Whether a file is of a cluster.
pub(super) fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == SUFFIX)
}

/// What a file is called that holds no snapshot yet.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("unfinished")
}

/// Whether a file never came to hold a snapshot.
pub(super) fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == "unfinished")
}

/// Renames a file so that it stays renamed when the machine stops.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    match to.parent() {
        Some(directory) => std::fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Moves a damaged file out of the way, for somebody to look at. A later one takes its place.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension("damaged");
    std::fs::rename(path, &aside)?;
    Ok(aside)
}
