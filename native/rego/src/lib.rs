//! Rego as OPA means it: text to syntax, with every error located, and on to text that every engine reads alike.
//!
//! The engines that run policies differ from OPA in ways that change verdicts, so Rego goes through this front end first.
//! [`parse_module`] follows OPA's own parser to the letter, for Rego v0 and v1 and for the releases of OPA named in
//! [`Release`]: what it accepts, OPA accepts, and the syntax tree is the same. [`gatekeeper`] puts a template's modules
//! together as Gatekeeper does, [`resolve`] checks all that OPA's compiler checks, types included, [`normalise()`] settles
//! what engines read differently and [`emit`] writes canonical Rego v1 with the way back to the source.
//!
//! ```
//! use fleetgate_rego::gatekeeper::{self, LibRewrite, TemplateSource, load_template};
//! use fleetgate_rego::{Version, emit, normalise};
//!
//! let rego = "package x\nviolation[{\"msg\": m}] { not startswith(input.review.name, \"a\"); m := \"no\" }";
//! let source = TemplateSource { version: Version::V0, rego, libs: Vec::new() };
//! let modules = load_template(&source, true, LibRewrite::Shallow)?;
//! assert!(gatekeeper::check(&source, &modules).is_ok());
//! let all: Vec<_> = std::iter::once(modules.entry).chain(modules.libs).collect();
//! for module in all {
//!     let emitted = emit(&normalise(module))?;
//!     assert!(emitted.text.starts_with("package template\n"));
//!     assert_eq!(emitted.origin_of_row(4).map(|span| span.text(rego)), Some("input.review.name"));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: errors for variables that are never bound ([`resolve::Checked::Unsafe`] tells that there are some), and what
//! OPA asks of metadata blocks where a policy reads its own metadata.

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
pub mod visit;

pub use capabilities::{Capabilities, Keywords, Release, Version};
pub use diagnostic::{Code, Diagnostic};
pub use emit::{Emitted, Unsupported, emit};
pub use normalise::{BuiltinUse, hoist_negated, normalise, rename_builtins};
pub use parser::{MAX_DEPTH, MAX_SOURCE_BYTES, parse_module, parse_query};
pub use span::{LineIndex, Position, Span};
