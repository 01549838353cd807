//! What the tests of this crate share.
#![allow(clippy::unwrap_used, reason = "tests")]

use fleetgate_rego::{Capabilities, Release, Version, parse_module};

use crate::{Options, Program, Unit, compile};

/// A package `p` with these rules, as a template of Gatekeeper's has them.
pub(crate) fn compiled(body: &str) -> Program {
    let text = format!("package p\n{body}");
    let module = parse_module(&text, &Capabilities::of(Release::Opa1_17, Version::V0)).unwrap();
    let units = [Unit { name: "p.rego".into(), text: text.as_str().into(), module }];
    compile(&units, Options::default()).unwrap()
}
