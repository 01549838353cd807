//! The decision core: Gatekeeper's policies and a review in, a decision out.
#![forbid(unsafe_code)]

pub mod audit;
pub mod background;
mod clock;
pub mod compatibility;
pub mod config;
pub mod decide;
pub mod diagnostic;
pub mod evaluate;
pub mod inventory;
pub mod json;
pub mod lint;
pub mod matching;
pub mod policy;
pub mod report;
pub mod review;
pub mod template;
pub mod wire;
pub mod yaml;
