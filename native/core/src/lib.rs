//! The decision core: Gatekeeper's policies and a review in, a decision out.
#![forbid(unsafe_code)]

pub mod wire;
