//! Why a built-in has no value.

use std::fmt;

/// An error of a built-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An operand of the wrong type: OPA's `eval_type_error`. The text is without the function's name, such as
    /// `operand 1 must be string but got number`.
    Type(String),
    /// Anything else: OPA's `eval_builtin_error`, again without the name.
    Builtin(String),
    /// The call is undefined, strict or not.
    Undefined,
    /// An error that ends the whole evaluation, strict or not.
    Halt(String),
    /// The result would be too large. Ends the evaluation.
    Size,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(text) | Self::Builtin(text) | Self::Halt(text) => f.write_str(text),
            Self::Undefined => f.write_str("undefined"),
            Self::Size => f.write_str("the result is too large"),
        }
    }
}

impl std::error::Error for Error {}
