//! What the fuzzers feed: [`targets`], one function for each.

pub mod targets;
