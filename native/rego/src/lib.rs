//! Rego as OPA means it: text to syntax, with every error located.
//!
//! The engines that run policies differ from OPA in ways that change verdicts, so Rego goes through this front end first.
//! [`parse_module`] follows OPA's own parser to the letter, for Rego v0 and v1 and for the releases of OPA named in
//! [`Release`]: what it accepts, OPA accepts, and the syntax tree is the same. The differential tests hold it to that.

#![forbid(unsafe_code)]

pub mod ast;
pub mod builtins;
mod capabilities;
mod diagnostic;
mod digits;
mod emit;
mod fold;
pub mod gatekeeper;
mod lexer;
mod normalise;
mod number;
#[cfg(feature = "opa-json")]
pub mod opa_json;
mod parser;
pub mod resolve;
mod span;
mod text;
mod token;
mod visit;

pub use capabilities::{Capabilities, Keywords, Release, Version};
pub use diagnostic::{Code, Diagnostic};
pub use emit::{Emitted, Unsupported, emit};
pub use normalise::normalise;
pub use parser::{MAX_DEPTH, MAX_SOURCE_BYTES, parse_module};
pub use span::{LineIndex, Position, Span};
