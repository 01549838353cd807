//! The decision core: Gatekeeper's policies and a review in, a decision out.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod json;
pub mod matching;
pub mod template;
pub mod wire;
pub mod yaml;
