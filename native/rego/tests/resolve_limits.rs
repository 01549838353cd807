//! Checks of hostile modules end, and soon.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use fleetgate_rego::{Capabilities, Release, Version, parse_module, resolve};

/// Checks a module on a stack that a server's thread has.
fn check(name: &str, text: String) -> Result<(), String> {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let whole = move || {
        let module = parse_module(&text, &Capabilities::of(Release::Opa1_22, Version::V1)).unwrap();
        let start = Instant::now();
        let result = resolve::check(std::slice::from_ref(&module));
        (start.elapsed(), result.map_err(|errors| errors.first().unwrap().error.message.clone()))
    };
    let (elapsed, result) = thread.spawn(whole).unwrap().join().unwrap();
    assert!(elapsed < Duration::from_secs(20), "{name} took {elapsed:?}");
    result
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, at| {
        writeln!(all, "{}", line(at)).unwrap();
        all
    })
}

#[test]
fn long_bodies_end() {
    let chain = lines(2_000, |at| format!("x{} := x{at} + 1", at + 1));
    assert_eq!(check("a chain", format!("package a\np if {{\nx0 := input.x\n{chain}}}")), Ok(()));
    let backwards = lines(10_000, |at| format!("x{at} = x{} + 1", at + 1));
    assert_eq!(check("a chain backwards", format!("package a\np if {{\n{backwards}x10000 = 1\n}}")), Ok(()));
    let comprehensions = lines(1_000, |at| format!("x{} := [y | y := input.z[_]; y != x{at}]", at + 1));
    assert_eq!(check("comprehensions", format!("package a\np if {{\nx0 := input.x\n{comprehensions}}}")), Ok(()));
}

#[test]
fn deep_comprehensions_end() {
    let nested = format!("{}input.x{}", "[x | x := ".repeat(60), "]".repeat(60));
    assert_eq!(check("comprehensions", format!("package a\np := {nested}")), Ok(()));
    let closed = format!("{}y{}", "[x | x := y; z := ".repeat(40), "; z]".repeat(40));
    assert!(check("closures", format!("package a\np if {{ y := 1; q := {closed} }}")).is_ok());
}

#[test]
fn types_that_grow_end() {
    let doubled = lines(200, |at| format!("x{} := [x{at}, x{at}]", at + 1));
    assert_eq!(check("doubled types", format!("package a\np if {{\nx0 := 1\n{doubled}}}")), Ok(()));
    let objects = lines(300, |at| format!("p{} := {{\"k{at}\": p{at}}}", at + 1));
    assert_eq!(check("nested types", format!("package a\np0 := 1\n{objects}")), Ok(()));
    let sets = lines(400, |at| format!("p contains {{\"k{at}\": {at}}}"));
    assert_eq!(check("wide types", format!("package a\n{sets}\nq if p[_].k3 == 3")), Ok(()));
}

#[test]
fn many_rules_end() {
    let chain = lines(5_000, |at| format!("p{} if p{at}", at + 1));
    assert_eq!(check("a chain of rules", format!("package a\np0 if input.x\n{chain}")), Ok(()));
    let round = format!("package a\np5000 if input.x\n{chain}p0 if p5000\n");
    assert!(check("a round", round).unwrap_err().contains("is recursive"));
    let readers = lines(400, |at| format!("p{at} if data.b[input.x][input.y].z{at} == {at}"));
    assert_eq!(check("readers", format!("package a\n{readers}")), Ok(()));
}
