//! Values as OPA writes them: as Rego terms and as JSON.

use std::fmt;

use crate::{Value, go};

/// A Rego term, as OPA's `String()` writes it: strings quoted as Go quotes them, `set()`, members in order.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::String(text) => f.write_str(&go::quote(text)),
            Self::Array(items) => {
                f.write_str("[")?;
                list(f, items.iter())?;
                f.write_str("]")
            }
            Self::Set(set) if set.is_empty() => f.write_str("set()"),
            Self::Set(set) => {
                f.write_str("{")?;
                list(f, set.iter())?;
                f.write_str("}")
            }
            Self::Object(object) => {
                f.write_str("{")?;
                for (index, (key, value)) in object.iter().enumerate() {
                    let separator = if index > 0 { ", " } else { "" };
                    write!(f, "{separator}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn list<'a>(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = &'a Value>) -> fmt::Result {
    for (index, item) in items.enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        write!(f, "{separator}{item}")?;
    }
    Ok(())
}
