//! Rego's built-in functions, with OPA's results and OPA's errors.
//!
//! A built-in gets its operands and answers with a value or an [`Error`]. An error makes the call undefined, unless the
//! evaluation is strict about errors of built-ins; then its text is OPA's. What a function needs besides its operands, such
//! as the time, it finds in the [`Context`], which is fixed for one query.
//!
//! Not here: operators that bind (`=`, `:=`), `walk` and membership, which belong to evaluation.

#![forbid(unsafe_code)]

mod aggregates;
mod arithmetic;
mod arrays;
mod bits;
mod cache;
mod case;
mod compare;
mod context;
mod crypto;
mod depth;
mod element;
mod encode;
mod error;
mod glob;
mod gofmt;
mod graph;
mod integer;
mod json_patch;
mod json_paths;
mod net;
mod numbers;
mod objects;
mod operand;
mod print;
mod random;
mod regex;
mod semver;
mod sets;
mod sprintf;
mod stored;
mod strings;
mod subset;
mod text;
mod time;
mod types;
mod units;
mod uuid;

pub use context::Context;
pub use error::Error;
pub use regex::Pattern;
pub use stored::Stored;

use fleetgate_value::Value;

/// What a built-in answers.
pub type Answer = Result<Value, Error>;

/// A built-in function. It is called with as many operands as it declares.
pub type Function = fn(&mut Context, &[Value]) -> Answer;

/// A part of the built-ins: name and function, sorted by name.
type Table = &'static [(&'static str, Function)];

/// The tables of all parts.
const TABLES: &[Table] = &[
    aggregates::TABLE,
    arithmetic::TABLE,
    arrays::TABLE,
    bits::TABLE,
    crypto::TABLE,
    graph::TABLE,
    json_patch::TABLE,
    json_paths::TABLE,
    net::TABLE,
    numbers::TABLE,
    objects::TABLE,
    semver::TABLE,
    sets::TABLE,
    subset::TABLE,
    compare::TABLE,
    encode::BASE64,
    encode::HEX,
    encode::JSON,
    encode::URI,
    encode::URLQUERY,
    encode::YAML,
    glob::TABLE,
    print::TABLE,
    regex::TABLE,
    sprintf::TABLE,
    strings::TABLE,
    types::TABLE,
    time::TABLE,
    units::TABLE,
    uuid::TABLE,
];

/// The function of a built-in's name; none where it is not supported.
#[must_use]
pub fn find(name: &str) -> Option<Function> {
    TABLES.iter().find_map(|table| {
        let index = table.binary_search_by(|(other, _)| (*other).cmp(name)).ok()?;
        table.get(index).map(|(_, function)| *function)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in TABLES {
            assert!(table.windows(2).all(|two| matches!(two, [(a, _), (b, _)] if a < b)));
        }
    }
}
