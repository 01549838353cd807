//! Embeds what the extension was built from: a digest of the sources and the version of regorus.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut sources = Vec::new();
    collect(&root, &mut sources)?;
    sources.sort();
    let mut digest = Sha256::new();
    for path in &sources {
        let content = fs::read(path)?;
        let name = path.strip_prefix(&root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        digest.update(format!("{name}\0{}\0", content.len()));
        digest.update(&content);
        println!("cargo:rerun-if-changed={}", path.display());
    }
    println!("cargo:rerun-if-changed={}", root.display());
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo:rustc-env=FLEETGATE_SOURCE_DIGEST={digest}");
    println!("cargo:rustc-env=FLEETGATE_REGORUS_VERSION={}", locked_version(&root, "regorus")?);
    Ok(())
}

/// Folders that nothing in the extension is made of.
const LEFT_OUT: [&str; 4] = ["target", "tests", "benches", "fuzz"];

/// Rust sources and manifests below a directory, as `fleetgate.engine._ffi` finds them too.
fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !LEFT_OUT.contains(&&*name) && !name.starts_with('.') {
                collect(&path, found)?;
            }
        } else if name == "Cargo.lock" || name.ends_with(".rs") || name.ends_with(".toml") {
            found.push(path);
        }
    }
    Ok(())
}

fn locked_version(root: &Path, package: &str) -> io::Result<String> {
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{package}\"\n")));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
    Ok(version.unwrap_or("unknown").to_owned())
}
