//! `package` and `import`.

use std::sync::Arc;

use crate::ast::{Import, Package, Term, TermRef, Value};
use crate::capabilities::{Keywords, Release, Version};
use crate::span::Span;
use crate::token::Kind;

use super::{Parse, Parser, Stop};

impl Parser<'_> {
    /// Steps over `package` or `import`; `None` if the word is the head of a reference after all.
    fn header_path_start(&mut self) -> Parse<Option<()>> {
        self.scan_tight();
        if matches!(self.kind(), Kind::Dot | Kind::LBrack) {
            return Ok(None);
        }
        if self.at(Kind::Space) {
            self.scan();
        }
        if self.kind().is_keyword() {
            self.state.as_ident = true;
        }
        if !self.at(Kind::Ident) {
            return Err(self.unexpected("a path such as `a.b`"));
        }
        Ok(Some(()))
    }

    /// `package path`; `None` if the word starts a rule.
    pub(super) fn package(&mut self) -> Parse<Option<Package>> {
        let span = self.token().span;
        if self.header_path_start()?.is_none() {
            return Ok(None);
        }
        let term = self.term()?;
        let data = Term::var(term.span, "data");
        let path = match &term.value {
            Value::Var(name) => vec![data, Term::string(term.span, name)],
            Value::Ref(parts) => self.package_path(data, parts)?,
            _ => {
                self.error(term.span, format!("a package path cannot be a {}", term.value.kind_name()));
                return Err(Stop);
            }
        };
        Ok(Some(Package { span, path }))
    }

    fn package_path(&mut self, data: TermRef, parts: &[TermRef]) -> Parse<Vec<TermRef>> {
        let mut path = vec![data];
        for (index, part) in parts.iter().enumerate() {
            match &part.value {
                Value::Var(name) if index == 0 => path.push(Term::string(part.span, name)),
                Value::String(_) if index > 0 => path.push(part.clone()),
                other => {
                    self.error(part.span, format!("a package path is made of names, not of a {}", other.kind_name()));
                    return Err(Stop);
                }
            }
        }
        Ok(path)
    }

    /// `import path as alias`; `None` if the word starts a rule. The keywords it brings are in force afterwards.
    pub(super) fn import(&mut self) -> Parse<Option<Import>> {
        let span = self.token().span;
        if self.header_path_start()?.is_none() {
            return Ok(None);
        }
        self.plain = true;
        let term = self.term();
        self.plain = false;
        self.state.plain_at = Some(self.state.position);
        let path = self.import_path(term?)?;
        let parts = path.as_ref_parts().unwrap_or_default();
        if !parts.first().and_then(|head| head.as_var()).is_some_and(|name| is_root(name)) {
            let message = "an import's path begins with `data`, `input`, `future` or `rego`";
            self.error(path.span, message);
            return Err(Stop);
        }
        let alias = if self.at(Kind::As) { Some(self.alias()?) } else { None };
        if alias.is_none() {
            self.check_last_name(parts);
        }
        let import = Import { span, path: path.clone(), alias };
        self.apply_import(&import, parts);
        Ok(Some(import))
    }

    fn import_path(&mut self, term: TermRef) -> Parse<TermRef> {
        match &term.value {
            Value::Var(_) => Ok(Term::new(term.span, Value::Ref(vec![term]))),
            Value::Ref(parts) => {
                if let Some(bad) = parts.iter().skip(1).find(|part| part.as_str().is_none()) {
                    let message = format!("an import's path is made of names, not of a {}", bad.value.kind_name());
                    self.error(bad.span, message);
                    return Err(Stop);
                }
                Ok(term)
            }
            other => {
                self.error(term.span, format!("an import's path cannot be a {}", other.kind_name()));
                Err(Stop)
            }
        }
    }

    fn alias(&mut self) -> Parse<Arc<str>> {
        self.scan();
        if !self.at(Kind::Ident) {
            return Err(self.unexpected("a name"));
        }
        let alias = self.term()?;
        match alias.as_var() {
            Some(name) => Ok(name.clone()),
            None => {
                self.error(alias.span, "an import's alias is a single name, and not `input` or `data`");
                Err(Stop)
            }
        }
    }

    /// Without an alias the path's last name becomes a variable, which a keyword cannot be.
    fn check_last_name(&mut self, parts: &[TermRef]) {
        let Some(last) = parts.last() else { return };
        let starts_with_future = parts.first().and_then(|head| head.as_var()).is_some_and(|name| &**name == "future");
        let name = last.as_str().or_else(|| last.as_var().map(|name| &**name)).unwrap_or("");
        if self.capabilities.is_version_keyword(name) && !(starts_with_future && parts.len() > 1) {
            let message = format!("an import's path cannot end with the keyword `{name}`");
            self.hinted(last.span, message, "give it another name with `as`");
        }
    }

    /// Puts the keywords in force that `future` and `rego` imports bring.
    fn apply_import(&mut self, import: &Import, parts: &[TermRef]) {
        let names: Vec<&str> = parts.iter().skip(1).filter_map(|part| part.as_str()).collect();
        let root = parts.first().and_then(|head| head.as_var()).map_or("", |name| &**name);
        let span = import.path.span;
        match root {
            "future" => self.future_import(&names, span, import.alias.is_some()),
            "rego" => self.rego_import(&names, span, import.alias.is_some()),
            _ => return,
        }
        // Gatekeeper's OPA looks at the next token before the import takes effect.
        if self.capabilities.release >= Release::Opa1_22 {
            self.state.plain_at = None;
        }
    }

    fn future_import(&mut self, names: &[&str], span: Span, aliased: bool) {
        let importable = self.capabilities.importable;
        match names {
            ["keywords", ..] if aliased => self.error(span, "`future` imports cannot be aliased"),
            ["keywords", name] => match Keywords::named(name).filter(|keyword| importable.has(*keyword)) {
                Some(keyword) => self.keywords = self.keywords.with(keyword),
                None => self.error(span, format!("`{name}` is not a keyword that can be imported")),
            },
            ["keywords", ..] => self.keywords = self.keywords.with(importable),
            _ => self.error(span, "the import must be `future.keywords` or one keyword of it"),
        }
    }

    fn rego_import(&mut self, names: &[&str], span: Span, aliased: bool) {
        match names {
            ["v1"] if aliased => self.error(span, "`rego` imports cannot be aliased"),
            ["v1"] if self.capabilities.version == Version::V0 => {
                self.keywords = self.keywords.with(Keywords::V1);
            }
            ["v1"] => {}
            ["v2"] if !self.capabilities.rego_v2_import => self.error(span, "`import rego.v2` is not supported here"),
            ["v2"] if aliased => self.error(span, "`rego` imports cannot be aliased"),
            ["v2"] => self.keywords = self.keywords.with(Keywords::V1).with(Keywords::V2),
            _ => self.error(span, "the import must be `rego.v1` or `rego.v2`"),
        }
    }
}

fn is_root(name: &str) -> bool {
    matches!(name, "data" | "input" | "future" | "rego")
}
