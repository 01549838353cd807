//! `parameters.pathTests` of a mutator (`pkg/mutation/path/tester` of Gatekeeper 3.23.1).

use std::collections::BTreeMap;

use fleetgate_value::go::quote;

use super::location::Location;

/// A condition on a part of a mutator's location.
pub(super) struct PathTest {
    pub(super) path: Location,
    pub(super) condition: String,
}

const MUST_EXIST: &str = "MustExist";
const MUST_NOT_EXIST: &str = "MustNotExist";
const CONFLICT: &str = "conflicting path test conditions";

/// Checks the tests of a location.
///
/// # Errors
/// Gatekeeper's words for a test elsewhere, or for two that exclude each other.
pub(super) fn check(location: &Location, tests: &[PathTest]) -> Result<(), String> {
    let shown = |path: &Location| quote(&path.to_string());
    if let Some(test) = tests.iter().find(|test| !test.path.begins(location)) {
        return Err(format!(
            "all subpaths must be a prefix of the `location` value of the mutation: subpath {} is not a prefix of location {}",
            shown(&test.path),
            shown(location)
        ));
    }
    // By the number of steps; of several tests at one place the last counts.
    let last: BTreeMap<usize, &PathTest> = tests.iter().map(|test| (test.path.0.len(), test)).collect();
    let differs =
        |test: &&PathTest| last.get(&test.path.0.len()).is_some_and(|other| other.condition != test.condition);
    if let Some(test) = tests.iter().find(differs) {
        return Err(format!("{CONFLICT}: path {} is marked both MustExist and MustNotExist", shown(&test.path)));
    }
    // Gatekeeper compares the tests' positions in their list where it means their places in the location, so that their order
    // decides, and names the wrong paths.
    let first_forbidden = tests.iter().position(|test| test.condition == MUST_NOT_EXIST).unwrap_or(usize::MAX);
    let last_required = tests.iter().rposition(|test| test.condition == MUST_EXIST).unwrap_or(0);
    if last_required > first_forbidden {
        let named = |position: usize| last.get(&(position + 1)).map_or("<nil>".to_owned(), |test| shown(&test.path));
        return Err(format!(
            "{CONFLICT}: path {} is marked MustExist but parent {} MustNotExist",
            named(last_required),
            named(first_forbidden)
        ));
    }
    Ok(())
}
