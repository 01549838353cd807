//! `format` of a schema: the names that Kubernetes knows. Others are ignored, as it does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::Schema;

/// The range that a number does not fit, if any, as messages name it.
pub(super) fn refused_number(number: f64, schema: &Schema) -> Option<String> {
    let (r#type, format) = match schema.r#type.as_str() {
        // Two types are as good as none here.
        _ if schema.int_or_string => return None,
        "integer" => ("integer", Some(schema.format.as_str()).filter(|format| matches!(*format, "int32" | "int64"))),
        "number" => ("number", Some(schema.format.as_str()).filter(|format| matches!(*format, "float" | "double"))),
        _ => return None,
    };
    let fits = match (r#type, format) {
        ("integer", Some("int32")) => within(number, f64::from(i32::MIN), f64::from(i32::MAX)),
        // The largest double below 2^63.
        ("integer", _) => within(number, -9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0),
        #[allow(clippy::cast_possible_truncation, reason = "whether it fits is what is asked")]
        (_, Some("float")) => (number as f32).is_finite(),
        _ => true,
    };
    let named = format.map_or_else(|| "(default format)".to_owned(), |format| format!("with format {format}"));
    (!fits).then(|| format!("{type} {named}"))
}

fn within(number: f64, least: f64, most: f64) -> bool {
    number.fract() == 0.0 && least <= number && number <= most
}

/// Whether a text fits the schema's format.
pub(super) fn accepts_text(text: &str, schema: &Schema) -> bool {
    if !matches!(schema.r#type.as_str(), "" | "string") {
        return true;
    }
    match schema.format.replace('-', "").as_str() {
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "uri" => URI.is_match(text),
        "email" => EMAIL.is_match(text),
        "hostname" => text.len() <= 255 && HOSTNAME.is_match(text),
        // Leading zeros are allowed, and decimal.
        "ipv4" => text.split('.').map(decimal).collect::<Vec<_>>().join(".").parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => MAC.is_match(text),
        "uuid" => UUID.is_match(text),
        "uuid3" => UUID.is_match(text) && version(text) == Some('3'),
        "uuid4" => UUID.is_match(text) && version(text) == Some('4'),
        "uuid5" => UUID.is_match(text) && version(text) == Some('5'),
        "isbn" => isbn10(text) || isbn13(text),
        "isbn10" => isbn10(text),
        "isbn13" => isbn13(text),
        "creditcard" => CREDIT_CARD.is_match(&text.replace(|symbol: char| !symbol.is_ascii_digit(), "")),
        "ssn" => SSN.is_match(text),
        "hexcolor" => HEX_COLOR.is_match(text),
        "rgbcolor" => RGB_COLOR.is_match(text),
        "byte" => !text.is_empty() && BASE64.is_match(text) && text.len().is_multiple_of(4),
        "date" => DATE.captures(text).is_some_and(|parts| real_date(&parts)),
        "datetime" => DATE_TIME.captures(text).is_some_and(|parts| real_date(&parts)),
        "duration" => DURATION.is_match(text),
        "k8sshortname" => text.len() <= 63 && LABEL.is_match(text),
        "k8slongname" => text.len() <= 253 && text.split('.').all(|label| LABEL.is_match(label)),
        _ => true,
    }
}

macro_rules! expressions {
    ($($name:ident = $text:expr;)+) => {$(
        static $name: LazyLock<Expression> = LazyLock::new(|| Expression(Regex::new($text).ok()));
    )+};
}

/// A fixed expression. They all compile, which a test checks; one that did not would accept nothing.
struct Expression(Option<Regex>);

impl Expression {
    fn is_match(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    fn captures<'text>(&self, text: &'text str) -> Option<regex::Captures<'text>> {
        self.0.as_ref().and_then(|regex| regex.captures(text))
    }
}

expressions! {
    URI = r"^(?:[A-Za-z][A-Za-z0-9+.-]*:\S+|/\S*)$";
    // An address, or a name and an address in angle brackets.
    EMAIL = r"^(?:[^\s@<>]+@[^\s@<>]+|[^<>@]*<[^\s@<>]+@[^\s@<>]+>)$";
    // One label, or labels before a top-level domain of two letters or more. Letters of all scripts count.
    HOSTNAME = concat!(
        r"^(?:[0-9\p{S}\p{L}](?:-?[0-9\p{S}\p{L}]{0,62})?",
        r"|(?:[0-9\p{S}\p{L}](?:[0-9\p{S}\p{L}-]{0,61}[0-9\p{S}\p{L}])?\.)+\p{L}{2,63})$"
    );
    MAC = r"^(?i)(?:[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}(?:(?:[:-][0-9a-f]{2}){2})?|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2,3})$";
    UUID = r"^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    CREDIT_CARD = concat!(
        r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}",
        r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$"
    );
    SSN = r"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$";
    HEX_COLOR = r"^#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";
    RGB_COLOR = concat!(
        r"^rgb\(\s*(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\s*,\s*(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
        r"\s*,\s*(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\s*\)$"
    );
    BASE64 = r"^[A-Za-z0-9+/]*={0,2}$";
    DATE = r"^([0-9]{4})-([0-9]{2})-([0-9]{2})$";
    DATE_TIME = concat!(
        r"^([0-9]{4})-([0-9]{2})-([0-9]{2})[tT](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)",
        r"(?:\.[0-9]+)?(?:[zZ]|[+-][0-9]{2}:?[0-9]{2})$"
    );
    // Go's durations, and Scala's words for them.
    DURATION = concat!(
        r"^\s*(?:0|[-+]?(?:[0-9]*\.?[0-9]+\s*(?:nanoseconds?|nanos?|ns|microseconds?|micros?|us|µs|μs|milliseconds?|millis?",
        r"|ms|seconds?|secs?|sec|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wk|w)\s*)+)$"
    );
    LABEL = r"^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$";
}

fn decimal(part: &str) -> &str {
    let trimmed = part.trim_start_matches('0');
    if trimmed.is_empty() && !part.is_empty() { "0" } else { trimmed }
}

fn version(uuid: &str) -> Option<char> {
    uuid.chars().filter(|symbol| *symbol != '-').nth(12)
}

fn cidr(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = prefix.parse::<u8>().ok().filter(|_| digits);
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => prefix.is_some_and(|prefix| prefix <= 32),
        Ok(IpAddr::V6(_)) => prefix.is_some_and(|prefix| prefix <= 128),
        Err(_) => false,
    }
}

fn real_date(parts: &regex::Captures<'_>) -> bool {
    let part = |index: usize| parts.get(index).and_then(|part| part.as_str().parse::<u32>().ok()).unwrap_or(0);
    let (year, month, day) = (part(1), part(2), part(3));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn isbn10(text: &str) -> bool {
    let symbols: Vec<char> = text.chars().filter(|symbol| !matches!(symbol, '-' | ' ')).collect();
    let digit = |(index, symbol): (usize, &char)| match symbol {
        'X' if index == 9 => Some(10),
        symbol => symbol.to_digit(10),
    };
    let digits: Option<Vec<u32>> = symbols.iter().enumerate().map(digit).collect();
    digits.filter(|digits| digits.len() == 10).is_some_and(|digits| {
        (1..).zip(digits).map(|(weight, digit): (u32, u32)| weight * digit).sum::<u32>().is_multiple_of(11)
    })
}

fn isbn13(text: &str) -> bool {
    let digits: Option<Vec<u32>> =
        text.chars().filter(|symbol| !matches!(symbol, '-' | ' ')).map(|symbol| symbol.to_digit(10)).collect();
    digits.filter(|digits| digits.len() == 13).is_some_and(|digits| {
        let weighted = (0..).zip(digits).map(|(index, digit): (u32, u32)| digit * if index % 2 == 0 { 1 } else { 3 });
        weighted.sum::<u32>().is_multiple_of(10)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_kubernetes_formats() {
        for (format, good, bad) in [
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
            ("uri", "https://a.b/c", "a b"),
            ("email", "a@b.c", "a"),
            ("hostname", "a-b.cd", "a-b.c"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "01:02:03:04:ab:cd", "01:02"),
            ("uuid", "123E4567-e89b-12d3-a456-426614174000", "123"),
            ("uuid4", "123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
            ("isbn10", "0321751043", "0321751044"),
            ("isbn13", "978-0321751041", "978-0321751042"),
            ("creditcard", "4111-1111-1111-1111", "12"),
            ("ssn", "111-11-1111", "1"),
            ("hexcolor", "#FFFFFF", "#GG"),
            ("rgbcolor", "rgb(255,0,2)", "rgb(256,0,2)"),
            ("byte", "aGVsbG8=", "a"),
            ("date", "2024-02-29", "2023-02-29"),
            ("date-time", "2014-12-15T19:30:20.000Z", "2014-12-15"),
            ("duration", "1h30m", "x"),
            ("k8s-short-name", "a-b", "A"),
            ("k8s-long-name", "a.b", "a..b"),
        ] {
            let schema = Schema { r#type: "string".into(), format: format.into(), ..Schema::default() };
            assert!(accepts_text(good, &schema), "{format} {good}");
            assert!(!accepts_text(bad, &schema), "{format} {bad}");
        }
    }

    #[test]
    fn ignores_other_formats_and_types() {
        let of =
            |r#type: &str, format: &str| Schema { r#type: r#type.into(), format: format.into(), ..Schema::default() };
        assert!(accepts_text("x", &of("string", "foo")));
        assert!(accepts_text("x", &of("integer", "ipv4")));
    }
}
