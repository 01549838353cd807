//! OPA's static types: what the types of rules and functions are, and which expressions no value can satisfy.

mod check;
mod details;
mod elide;
mod env;
mod fit;
mod refs;
mod signature;
mod ty;

pub(super) use check::{World, argument_details, check};
