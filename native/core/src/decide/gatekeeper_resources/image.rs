//! The parts of an image's name that `AssignImage` sets (`pkg/mutation/mutators/assignimage` of Gatekeeper 3.23.1).

use std::sync::LazyLock;

use fleetgate_value::go::quote;
use regex::Regex;

/// None where the pattern does not compile, which the tests rule out; nothing is valid then.
static DOMAIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:(?-u:\w)(?-u:[\w\-_])*\.(?-u:[\w\-_.])*(?-u:\w)(?::[0-9]+)?|localhost(?::[0-9]+)?)$").ok()
});
static PATH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]+(?:(?:(?:[._/]|__|-*)[a-z0-9]+)+)?").ok());
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"^(?::(?-u:\w)(?-u:[\w.\-]){0,127}",
        r"|@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})$"
    ))
    .ok()
});

/// Checks what is to be set; an empty part is left as it is.
///
/// # Errors
/// Gatekeeper's words for the first part that no image can have.
pub(super) fn check(domain: &str, path: &str, tag: &str) -> Result<(), String> {
    if domain.is_empty() && path.is_empty() && tag.is_empty() {
        return Err("at least one of [assignDomain, assignPath, assignTag] must be set".to_owned());
    }
    if !domain.is_empty() && !matches_whole(&DOMAIN, domain) {
        return Err(format!("assignDomain {} must be a fully-qualified domain name or localhost", quote(domain)));
    }
    if !path.is_empty() && !matches_whole(&PATH, path) {
        return Err(format!("assignPath {} must be a valid docker image path", quote(path)));
    }
    if !tag.is_empty() && !matches_whole(&TAG, tag) {
        let message =
            format!("assignTag {} must be a valid docker image tag or digest starting with ':' or '@'", quote(tag));
        return Err(message);
    }
    if domain.is_empty() && begins_with_domain(path) {
        return Err(format!(
            "assignDomain must be set if the first part of assignPath {} can be interpretted as part of a domain",
            quote(path)
        ));
    }
    Ok(())
}

fn matches_whole(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    let found = pattern.as_ref().and_then(|pattern| pattern.find(text));
    found.is_some_and(|found| found.as_str().len() == text.len())
}

/// Whether the next mutation would take the beginning of a path for a domain.
fn begins_with_domain(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(first, _)| !first.is_empty() && (first.contains(['.', ':']) || first == "localhost"))
}
