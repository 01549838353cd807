//! Rego values: what a document, a review or a rule's answer is made of.
//!
//! OPA's meaning decides every detail, because policies see it: the order of values of different types, numbers that are
//! decimal texts rather than doubles, sets and objects that are walked in order. Values are immutable and shared; to clone
//! one costs a reference count at most. "Undefined" is no value: functions that can give none return an `Option`.

#![forbid(unsafe_code)]

mod decimal;
pub mod float;
pub mod go;
pub mod json;
mod number;
mod object;
mod printable;
mod set;
mod text;
mod value;

pub use number::Number;
pub use object::{Object, Reserved};
pub use set::Set;
pub use value::{Kind, Str, Value};
