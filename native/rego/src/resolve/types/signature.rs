//! Types as OPA writes them, read back.

use crate::builtins::Builtin;
use crate::capabilities::Release;
use crate::resolve::key::Key;

use super::ty::{Function, Type};

/// A type with the name of the argument or result that it is of.
#[derive(Debug, Clone)]
pub(in crate::resolve) struct Named {
    name: Option<&'static str>,
    pub(super) ty: Type,
}

impl Named {
    pub(super) fn nameless(ty: Type) -> Self {
        Self { name: None, ty }
    }

    /// What stands before the type in errors.
    pub(super) fn prefix(&self) -> String {
        self.name.map(|name| format!("{name}: ")).unwrap_or_default()
    }
}

/// The type of a built-in, with names.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) args: Vec<Named>,
    pub(super) more: Option<Type>,
    pub(super) result: Option<Named>,
}

impl Signature {
    /// The same without names.
    pub(super) fn function(&self) -> Function {
        let more = self.more.clone().unwrap_or_else(Type::unknown);
        let result = self.result.as_ref().map_or_else(Type::unknown, |result| result.ty.clone());
        Function { args: self.args.iter().map(|arg| arg.ty.clone()).collect(), more, result }
    }
}

/// Reads the signature of a built-in; `None` if it is none.
pub(super) fn of(builtin: &'static Builtin, release: Release) -> Option<Signature> {
    let mut reader = Reader { rest: builtin.signature };
    reader.sign("(")?;
    let (mut args, mut more, mut result) = (Vec::new(), None, None);
    while reader.sign(")").is_none() {
        let name = reader.name();
        let ty = reader.read()?;
        if reader.sign("...").is_some() {
            more = Some(ty);
        } else {
            args.push(Named { name, ty });
        }
        let _ = reader.sign(", ");
    }
    if reader.sign(" => ").is_some() {
        let name = reader.name();
        let ty = reader.read()?;
        result = Some(Named { name, ty: if builtin.is_result_any(release) { Type::any() } else { ty } });
    }
    reader.rest.is_empty().then_some(Signature { args, more, result })
}

struct Reader {
    rest: &'static str,
}

impl Reader {
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    fn word(&mut self) -> &'static str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Skips the name before a type.
    fn name(&mut self) -> Option<&'static str> {
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
            let signature = of(builtin, Release::Opa1_22).unwrap();
            let text = |named: &Named| format!("{}{}", named.prefix(), named.ty);
            let mut args: Vec<String> = signature.args.iter().map(text).collect();
            args.extend(signature.more.iter().map(|more| format!("{more}...")));
            let mut whole = format!("({})", args.join(", "));
            whole.extend(signature.result.iter().map(|result| format!(" => {}", text(result))));
            assert_eq!(whole, builtin.signature, "{}", builtin.name);
        }
    }
}
