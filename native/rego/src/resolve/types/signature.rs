//! Types as OPA writes them, read back.

use crate::builtins::Builtin;
use crate::capabilities::Release;
use crate::resolve::key::Key;

use super::ty::{Function, Type};

/// The type of a built-in.
pub(in crate::resolve) fn of(builtin: &Builtin, release: Release) -> Option<Function> {
    let mut reader = Reader { rest: builtin.signature };
    reader.sign("(")?;
    let (mut args, mut more) = (Vec::new(), Type::unknown());
    while reader.sign(")").is_none() {
        reader.name();
        let arg = reader.read()?;
        if reader.sign("...").is_some() {
            more = arg;
        } else {
            args.push(arg);
        }
        let _ = reader.sign(", ");
    }
    let mut result = Type::unknown();
    if reader.sign(" => ").is_some() {
        reader.name();
        result = reader.read()?;
        if builtin.is_result_any(release) {
            result = Type::any();
        }
    }
    reader.rest.is_empty().then_some(Function { args, more, result })
}

/// What a built-in takes, as OPA writes it in errors; with the result where it may be named too.
pub(in crate::resolve) fn wanted(builtin: &Builtin, with_result: bool) -> String {
    let (args, result) = builtin.signature.split_once(" => ").unwrap_or((builtin.signature, ""));
    if result.is_empty() || !with_result {
        return args.to_owned();
    }
    let inner = args.trim_start_matches('(').trim_end_matches(')');
    let separator = if inner.is_empty() { "" } else { ", " };
    format!("({inner}{separator}{result})")
}

struct Reader<'s> {
    rest: &'s str,
}

impl<'s> Reader<'s> {
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    fn word(&mut self) -> &'s str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Skips the name before a type.
    fn name(&mut self) -> Option<&'s str> {
        let (name, rest) = self.rest.split_once(": ")?;
        // A name may have spaces, a type before it has other signs.
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ');
        self.rest = if is_name { rest } else { self.rest };
        is_name.then_some(name)
    }

    fn several(&mut self) -> Option<Vec<Type>> {
        let mut all = Vec::new();
        if self.sign("<").is_some() {
            while self.sign(">").is_none() {
                all.push(self.read()?);
                let _ = self.sign(", ");
            }
        }
        Some(all)
    }

    fn read(&mut self) -> Option<Type> {
        Some(match self.word() {
            "null" => Type::null(),
            "boolean" => Type::boolean(),
            "number" => Type::number(),
            "string" => Type::string(),
            "any" => Type::one_of(self.several()?),
            "set" => Type::set(self.bracketed()?),
            "array" => {
                let items = self.several()?;
                Type::array(items, self.bracketed()?)
            }
            "object" => {
                let mut fixed = Vec::new();
                if self.sign("<").is_some() {
                    while self.sign(">").is_none() {
                        let key = Key::string(self.name()?);
                        fixed.push((key, self.read()?));
                        let _ = self.sign(", ");
                    }
                }
                let mut rest = None;
                if self.sign("[").is_some() {
                    let key = self.read()?;
                    self.sign(": ")?;
                    rest = Some((key, self.read()?));
                    self.sign("]")?;
                }
                Type::object(fixed, rest)
            }
            _ => return None,
        })
    }

    fn bracketed(&mut self) -> Option<Type> {
        if self.sign("[").is_none() {
            return Some(Type::unknown());
        }
        let of = self.read()?;
        self.sign("]")?;
        Some(of)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::builtins::BUILTINS;

    #[test]
    fn every_signature_reads_back_as_it_is_written() {
        for builtin in BUILTINS {
            let function = of(builtin, Release::Opa1_22).unwrap_or_else(|| unreachable!("{}", builtin.signature));
            let args: Vec<String> = function.args.iter().map(ToString::to_string).collect();
            assert_eq!(args.len(), builtin.arity, "{}", builtin.name);
            for arg in args.iter().chain([&function.result.to_string()]).filter(|text| *text != "???") {
                assert!(builtin.signature.contains(arg), "{}: {arg}", builtin.name);
            }
        }
    }

    #[test]
    fn what_is_wanted_names_the_result() {
        let concat = crate::builtins::find("concat").unwrap();
        assert_eq!(wanted(concat, true), "(delimiter: string, collection: any<array[string], set[string]>, output: string)");
        let now = crate::builtins::find("time.now_ns").unwrap();
        assert_eq!(wanted(now, true), "(now: number)");
    }
}
