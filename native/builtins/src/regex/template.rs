//! Templates of `regex.template_match`: text with expressions between delimiters.

use fleetgate_value::go;

use crate::Error;

/// What an expression in a template stands between: ASCII characters.
pub(super) struct Delimiters {
    start: u8,
    end: u8,
}

impl Delimiters {
    pub(super) fn new(start: &str, end: &str) -> Result<Self, Error> {
        let wrong = |which: &str| {
            // OPA tells the length of the first one in either case.
            let length = start.len();
            Error::Builtin(format!("{which} delimiter has to be exactly one character long but is {length} long"))
        };
        match (start.as_bytes(), end.as_bytes()) {
            ([start], [end]) => Ok(Self { start: *start, end: *end }),
            ([_], _) => Err(wrong("end")),
            _ => Err(wrong("start")),
        }
    }

    /// The template as one expression, and the expressions in it, each for itself.
    pub(super) fn expression(&self, template: &str) -> Result<(String, Vec<String>), Error> {
        let unbalanced = || Error::Builtin(format!("unbalanced braces in {}", go::quote(template)));
        let (mut whole, mut parts) = (String::from("^"), Vec::new());
        let (mut level, mut start, mut end) = (0_usize, 0, 0);
        for (at, byte) in template.bytes().enumerate() {
            if byte == self.start {
                level += 1;
                if level == 1 {
                    start = at;
                }
            } else if byte == self.end {
                level = level.checked_sub(1).ok_or_else(unbalanced)?;
                if level == 0 {
                    let part = template.get(start + 1..at).unwrap_or_default();
                    whole.push_str(&regex::escape(template.get(end..start).unwrap_or_default()));
                    whole.extend(["(", part, ")"]);
                    parts.push(format!("^{part}$"));
                    end = at + 1;
                }
            }
        }
        if level != 0 {
            return Err(unbalanced());
        }
        whole.push_str(&regex::escape(template.get(end..).unwrap_or_default()));
        whole.push('$');
        Ok((whole, parts))
    }
}
