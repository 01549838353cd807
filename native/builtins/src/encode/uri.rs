//! `uri.parse` and `uri.is_valid`, as Go's `net/url` takes a URI apart.

use std::net::Ipv6Addr;

use fleetgate_value::{Value, go};

use super::percent::{Part, escape, unescape};
use crate::operand::{any, string};
use crate::text::from_bytes;
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[("uri.is_valid", is_valid), ("uri.parse", parse)];

fn is_valid(_: &mut Context, operands: &[Value]) -> Answer {
    // An empty text is a reference of RFC 3986, but not what a policy asks for.
    let valid = any(operands, 1).as_str().is_some_and(|text| !text.is_empty() && Uri::parse(text).is_ok());
    Ok(valid.into())
}

fn parse(_: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    let uri = Uri::parse(text).map_err(|reason| Error::Builtin(format!("parse {}: {reason}", go::quote(text))))?;
    let (hostname, port) = uri.host_and_port();
    let raw_path = if uri.raw_path.is_empty() { &uri.path } else { &uri.raw_path };
    let parts = [
        ("scheme", &*uri.scheme),
        ("hostname", hostname),
        ("port", port),
        ("path", &uri.path),
        ("raw_path", raw_path),
        ("raw_query", &uri.raw_query),
        ("fragment", &uri.fragment),
    ];
    let present = parts.into_iter().filter(|(_, value)| !value.is_empty());
    Ok(Value::object(present.map(|(name, value)| (name.into(), value.into())).collect()))
}

#[derive(Debug, Default)]
struct Uri {
    scheme: String,
    host: String,
    path: String,
    /// The path as written, where Go would not write it so.
    raw_path: String,
    raw_query: String,
    fragment: String,
}

impl Uri {
    fn parse(text: &str) -> Result<Self, String> {
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut uri = Self::default();
        uri.without_fragment(text)?;
        uri.fragment = unescaped(fragment, Part::Other)?;
        Ok(uri)
    }

    fn without_fragment(&mut self, text: &str) -> Result<(), String> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (scheme, rest) = scheme(text)?;
        self.scheme = scheme.to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        self.raw_query = query.to_owned();
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                // Opaque, such as `mailto:a@b`.
                return Ok(());
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority = !scheme.is_empty() || !rest.starts_with("///");
        let path = match rest.strip_prefix("//").filter(|_| has_authority) {
            Some(rest) => {
                let (authority, path) =
                    rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
                self.host = authority_host(&self.scheme, authority)?;
                path
            }
            None => rest,
        };
        let bytes = unescape(path, Part::Path)?;
        if escape(&bytes, Part::Path) != path {
            self.raw_path = path.to_owned();
        }
        self.path = from_bytes(bytes);
        Ok(())
    }

    fn host_and_port(&self) -> (&str, &str) {
        let colon = self.host.rfind(':').and_then(|at| self.host.split_at_checked(at));
        let (host, port) = colon.filter(|(_, port)| is_port(port)).unwrap_or((&self.host, ""));
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (bare, port.strip_prefix(':').unwrap_or_default())
    }
}

fn unescaped(text: &str, part: Part) -> Result<String, String> {
    unescape(text, part).map(from_bytes)
}

/// The scheme, if there is one, and what follows it.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
    match end.and_then(|end| text.split_at_checked(end)) {
        Some(("", rest)) if rest.starts_with(':') => Err("missing protocol scheme".to_owned()),
        Some((scheme, rest)) if rest.starts_with(':') && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Ok((scheme, rest.strip_prefix(':').unwrap_or(rest)))
        }
        _ => Ok(("", text)),
    }
}

/// Nothing, or a colon and any number of digits.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn authority_host(scheme: &str, authority: &str) -> Result<String, String> {
    let Some((user, host)) = authority.rsplit_once('@') else { return parsed_host(scheme, authority) };
    let host = parsed_host(scheme, host)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    unescape(user, Part::Other)?;
    Ok(host)
}

fn parsed_host(scheme: &str, host: &str) -> Result<String, String> {
    match host.rfind('[') {
        Some(0) => return literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    if let Some(first) = host.find(':') {
        // Lists of hosts are left alone, but not where the scheme rules them out.
        let colon = if matches!(scheme, "http" | "https") { first } else { host.rfind(':').unwrap_or(first) };
        check_port(host.get(colon..).unwrap_or_default())?;
    }
    unescaped(host, Part::Host)
}

fn check_port(port: &str) -> Result<(), String> {
    if is_port(port) { Ok(()) } else { Err(format!("invalid port {} after host", go::quote(port))) }
}

/// An address in brackets, with a zone perhaps, and a port.
fn literal(host: &str) -> Result<String, String> {
    let (inside, port) = host.rsplit_once(']').ok_or("missing ']' in host")?;
    let inside = inside.strip_prefix('[').unwrap_or(inside);
    check_port(port)?;
    let name = match inside.find("%25").and_then(|at| inside.split_at_checked(at)) {
        Some((address, zone)) => format!("{}{}", unescaped(address, Part::Host)?, unescaped(zone, Part::Zone)?),
        None => unescaped(inside, Part::Host)?,
    };
    let (address, zone) = name.split_once('%').map_or((&*name, None), |(address, zone)| (address, Some(zone)));
    let sound = address.parse::<Ipv6Addr>().is_ok() && zone != Some("");
    if sound {
        Ok(format!("[{name}]{port}"))
    } else {
        Err(format!("invalid host: ParseAddr({}): no address", go::quote(&name)))
    }
}
