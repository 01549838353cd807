//! Built-ins on regular expressions: OPA's `topdown/regex.go`.

mod expand;
mod globs;
mod pattern;
mod template;
mod translate;

use fleetgate_value::Value;

use crate::cache::Cache;
use crate::operand::{any, integer, string};
use crate::text::Text;
use crate::{Answer, Context, Error, Table};
use expand::Template;
pub use pattern::Pattern;

pub(crate) const TABLE: Table = &[
    ("re_match", is_match),
    ("regex.find_all_string_submatch_n", find_all_string_submatch_n),
    ("regex.find_n", find_n),
    ("regex.globs_match", globs_match),
    ("regex.is_valid", is_valid),
    ("regex.match", is_match),
    ("regex.replace", replace),
    ("regex.split", split),
    ("regex.template_match", template_match),
];

/// Patterns that were met before, defective ones too.
type Patterns = Cache<Result<Pattern, String>>;

impl Context {
    /// Keeps a pattern that was compiled before, so that no query has to.
    pub fn keep_pattern(&mut self, text: &str, pattern: Pattern) {
        self.cache::<Patterns>().put(text, Ok(pattern));
    }
}

fn pattern(context: &mut Context, text: &str) -> Result<Pattern, Error> {
    context.cache::<Patterns>().get(text, || Pattern::new(text)).map_err(Error::Builtin)
}

fn is_match(context: &mut Context, operands: &[Value]) -> Answer {
    let (expression, text) = (string(operands, 1)?, string(operands, 2)?);
    Ok(context.cache::<Patterns>().with(expression, || Pattern::new(expression), |made| match made {
        Ok(pattern) => Ok(pattern.is_match(text)),
        Err(defect) => Err(Error::Builtin(defect.clone())),
    })?.into())
}

fn is_valid(context: &mut Context, operands: &[Value]) -> Answer {
    let valid = any(operands, 1).as_str().is_some_and(|expression| pattern(context, expression).is_ok());
    Ok(valid.into())
}

/// How many matches a limit allows; below zero all.
fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn find_n(context: &mut Context, operands: &[Value]) -> Answer {
    let (expression, text, count) = (string(operands, 1)?, string(operands, 2)?, integer(operands, 3)?);
    let pattern = pattern(context, expression)?;
    let found = pattern.regex.find_iter(text).take(limit(count));
    Ok(Value::array(found.map(|found| found.as_str().into()).collect()))
}

fn find_all_string_submatch_n(context: &mut Context, operands: &[Value]) -> Answer {
    let (expression, text, count) = (string(operands, 1)?, string(operands, 2)?, integer(operands, 3)?);
    let pattern = pattern(context, expression)?;
    let mut size = 0_usize;
    let mut matches = Vec::new();
    for captures in pattern.regex.captures_iter(text).take(limit(count)) {
        let groups = captures.iter().map(|group| group.map_or("", |found| found.as_str()));
        let groups: Vec<Value> = groups.inspect(|group| size = size.saturating_add(group.len())).map(Value::from).collect();
        context.fits(size)?;
        matches.push(Value::array(groups));
    }
    Ok(Value::array(matches))
}

fn split(context: &mut Context, operands: &[Value]) -> Answer {
    let (expression, text) = (string(operands, 1)?, string(operands, 2)?);
    let pattern = pattern(context, expression)?;
    if text.is_empty() {
        // An empty expression splits between characters, of which there are none.
        return Ok(Value::array(if expression.is_empty() { Vec::new() } else { vec!["".into()] }));
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in pattern.regex.find_iter(text) {
        end = found.start();
        // Nothing stands before an empty match at the beginning.
        if found.end() != 0 {
            parts.push(text.get(begin..end).unwrap_or_default().into());
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(text.get(begin..).unwrap_or_default().into());
    }
    Ok(Value::array(parts))
}

fn replace(context: &mut Context, operands: &[Value]) -> Answer {
    let (text, expression, template) = (string(operands, 1)?, string(operands, 2)?, string(operands, 3)?);
    let pattern = pattern(context, expression)?;
    let mut matches = pattern.regex.captures_iter(text).peekable();
    if matches.peek().is_none() {
        return Ok(any(operands, 1).clone());
    }
    let template = Template::new(template, &pattern);
    let mut out = Text::with_capacity(context, text.len())?;
    let mut end = 0;
    for captures in matches {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(text.get(end..whole.start()).unwrap_or_default())?;
        template.expand(&captures, &mut out)?;
        end = whole.end();
    }
    out.push_str(text.get(end..).unwrap_or_default())?;
    Ok(out.finish().into())
}

fn template_match(context: &mut Context, operands: &[Value]) -> Answer {
    let (expression, text) = (string(operands, 1)?, string(operands, 2)?);
    let (start, end) = (string(operands, 3)?, string(operands, 4)?);
    let delimiters = template::Delimiters::new(start, end)?;
    let (whole, parts) = delimiters.expression(expression)?;
    for part in parts {
        pattern(context, &part)?;
    }
    Ok(pattern(context, &whole)?.is_match(text).into())
}

fn globs_match(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(globs::intersect(string(operands, 1)?, string(operands, 2)?)?.into())
}
