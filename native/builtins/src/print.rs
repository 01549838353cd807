//! What the compiler makes of `print` and of template strings, and `trace`.
//!
//! Each operand of `print` and each part of a template string comes as a set: empty where it is undefined. Part of a
//! template string may also be a primitive value as it is.

use fleetgate_value::Value;

use crate::operand::{array, string};
use crate::text::Text;
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table =
    &[("internal.print", print), ("internal.template_string", template_string), ("trace", trace)];

const UNDEFINED: &str = "<undefined>";

fn print(context: &mut Context, operands: &[Value]) -> Answer {
    if context.prints.is_none() {
        return Ok(true.into());
    }
    let parts = array(operands, 1)?.iter().map(members).collect::<Result<Vec<_>, _>>()?;
    let mut lines = Vec::new();
    cross(context, &parts, &mut Vec::with_capacity(parts.len()), &mut lines)?;
    if let Some(prints) = &mut context.prints {
        prints.extend(lines);
    }
    Ok(true.into())
}

/// Lines beyond are dropped: the operands of one `print` multiply.
const MOST_LINES: usize = 1000;

/// A line for each choice of one member of each part.
fn cross<'v>(
    context: &Context,
    parts: &[Members<'v>],
    chosen: &mut Vec<Option<&'v Value>>,
    lines: &mut Vec<String>,
) -> Result<(), Error> {
    let Some((first, rest)) = parts.split_first() else {
        let mut line = Text::new(context);
        for (index, value) in chosen.iter().enumerate() {
            if index > 0 {
                line.push(' ')?;
            }
            part(&mut line, *value)?;
        }
        if lines.len() < MOST_LINES {
            lines.push(line.finish());
        }
        return Ok(());
    };
    let mut choose = |value| {
        chosen.push(value);
        cross(context, rest, chosen, lines)?;
        chosen.pop();
        Ok(())
    };
    match first {
        Members::One(value) => choose(Some(value)),
        Members::Many([]) => choose(None),
        Members::Many(values) => values.iter().try_for_each(|value| choose(Some(value))),
    }
}

fn part(out: &mut Text<'_>, value: Option<&Value>) -> Result<(), Error> {
    match value {
        Some(value) => out.value(value),
        None => out.push_str(UNDEFINED),
    }
}

enum Members<'v> {
    One(&'v Value),
    Many(&'v [Value]),
}

fn members(operand: &Value) -> Result<Members<'_>, Error> {
    match operand {
        Value::Set(set) => Ok(Members::Many(set.members())),
        Value::Array(_) | Value::Object(_) => {
            Err(Error::Halt(format!("illegal argument type: {}", operand.kind().name())))
        }
        primitive => Ok(Members::One(primitive)),
    }
}

fn template_string(context: &mut Context, operands: &[Value]) -> Answer {
    let parts = array(operands, 1)?;
    let mut out = Text::new(context);
    for operand in parts {
        match members(operand)? {
            Members::One(value) | Members::Many([value]) => out.value(value)?,
            Members::Many([]) => out.push_str(UNDEFINED)?,
            Members::Many(_) => {
                return Err(Error::Halt("template-strings must not produce multiple outputs".to_owned()));
            }
        }
    }
    Ok(out.finish().into())
}

fn trace(_: &mut Context, operands: &[Value]) -> Answer {
    string(operands, 1)?;
    Ok(true.into())
}
