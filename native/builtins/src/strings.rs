//! Built-ins on strings: OPA's `topdown/strings.go`. Positions and lengths count characters.

use fleetgate_value::{Kind, Number, Value};

use crate::case;
use crate::operand::{any, element, integer, mismatch, number, object, string, strings};
use crate::text::{Text, from_bytes};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("concat", concat),
    ("contains", contains),
    ("endswith", endswith),
    ("format_int", format_int),
    ("indexof", indexof),
    ("indexof_n", indexof_n),
    ("lower", lower),
    ("replace", replace),
    ("split", split),
    ("startswith", startswith),
    ("strings.any_prefix_match", any_prefix_match),
    ("strings.any_suffix_match", any_suffix_match),
    ("strings.count", count),
    ("strings.replace_n", replace_n),
    ("strings.reverse", reverse),
    ("strings.split_n", split_n),
    ("substring", substring),
    ("trim", trim),
    ("trim_left", trim_left),
    ("trim_prefix", trim_prefix),
    ("trim_right", trim_right),
    ("trim_space", trim_space),
    ("trim_suffix", trim_suffix),
    ("upper", upper),
];

fn contains(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(string(operands, 1)?.contains(string(operands, 2)?).into())
}

fn startswith(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(string(operands, 1)?.starts_with(string(operands, 2)?).into())
}

fn endswith(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(string(operands, 1)?.ends_with(string(operands, 2)?).into())
}

fn count(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(string(operands, 1)?.matches(string(operands, 2)?).count().into())
}

fn any_prefix_match(_: &mut Context, operands: &[Value]) -> Answer {
    any_affix(operands, |text, affix| text.starts_with(affix))
}

fn any_suffix_match(_: &mut Context, operands: &[Value]) -> Answer {
    any_affix(operands, |text, affix| text.ends_with(affix))
}

fn any_affix(operands: &[Value], matches: fn(&str, &str) -> bool) -> Answer {
    let texts = |position| match any(operands, position) {
        Value::String(text) => Ok(vec![&**text]),
        other => strings(operands, position)
            .unwrap_or_else(|| Err(mismatch(position, other, &[Kind::String, Kind::Set, Kind::Array]))),
    };
    let (texts, affixes) = (texts(1)?, texts(2)?);
    Ok(texts.iter().any(|text| affixes.iter().any(|affix| matches(text, affix))).into())
}

fn format_int(context: &mut Context, operands: &[Value]) -> Answer {
    let value = number(operands, 1)?;
    let radix = match number(operands, 2)?.as_i64() {
        Some(2) => 2,
        Some(8) => 8,
        Some(10) => 10,
        Some(16) => 16,
        _ => return Err(Error::Type("operand 2 must be one of {2, 8, 10, 16}".to_owned())),
    };
    let integer = match value {
        Number::Int(value) if radix == 10 => return Ok(value.to_string().into()),
        Number::Int(value) => (*value).into(),
        // Integers are exact, but what has a point or an exponent goes by way of floating point.
        other => {
            let text = other.to_string();
            if text.contains(['.', 'e', 'E']) { other.to_float().truncate() } else { text.parse().unwrap_or_default() }
        }
    };
    context.fits(usize::try_from(integer.bits()).unwrap_or(usize::MAX))?;
    Ok(integer.to_str_radix(radix).into())
}

fn concat(context: &mut Context, operands: &[Value]) -> Answer {
    let separator = string(operands, 1)?;
    let composite = any(operands, 2);
    let items = match composite {
        Value::Array(items) => items,
        Value::Set(set) => set.members(),
        other => return Err(mismatch(2, other, &[Kind::Set, Kind::Array])),
    };
    if let [Value::String(only)] = items {
        return Ok(only.clone().into());
    }
    let mut length = separator.len().saturating_mul(items.len().saturating_sub(1));
    for item in items {
        let text = item.as_str().ok_or_else(|| element(2, composite, item, "string"))?;
        length = length.saturating_add(text.len());
    }
    context.fits(length)?;
    let mut out = String::with_capacity(length);
    for (index, text) in items.iter().filter_map(Value::as_str).enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
    }
    Ok(out.into())
}

/// The text to search, and what to search for, which must not be empty.
fn search(operands: &[Value]) -> Result<(&str, &str), Error> {
    let (text, sought) = (string(operands, 1)?, string(operands, 2)?);
    if sought.is_empty() {
        return Err(Error::Builtin("empty search character".to_owned()));
    }
    Ok((text, sought))
}

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn indexof(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, sought) = search(operands)?;
    Ok(match text.find(sought) {
        Some(at) => characters(text.get(..at).unwrap_or_default()).into(),
        None => Value::from(-1_i64),
    })
}

fn indexof_n(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, sought) = search(operands)?;
    // Occurrences may overlap.
    let starts = text.char_indices().enumerate();
    let found = starts.filter(|(_, (at, _))| text.get(*at..).is_some_and(|rest| rest.starts_with(sought)));
    Ok(Value::array(found.map(|(index, _)| index.into()).collect()))
}

fn substring(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, start, length) = (string(operands, 1)?, integer(operands, 2)?, integer(operands, 3)?);
    let start = usize::try_from(start).map_err(|_| Error::Builtin("negative offset".to_owned()))?;
    // A negative length means the rest.
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let end = start.saturating_add(length);
    if text.is_ascii() {
        let end = end.min(text.len());
        return Ok(text.get(start..end).unwrap_or_default().into());
    }
    let at = |position| text.char_indices().nth(position).map_or(text.len(), |(at, _)| at);
    Ok(text.get(at(start)..at(end)).unwrap_or_default().into())
}

fn lower(_: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    Ok(case::lower(text).map_or_else(|| any(operands, 1).clone(), Value::from))
}

fn upper(_: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    Ok(case::upper(text).map_or_else(|| any(operands, 1).clone(), Value::from))
}

fn split(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, delimiter) = (string(operands, 1)?, string(operands, 2)?);
    if delimiter.is_empty() {
        return Ok(Value::array(text.chars().map(one_character).collect()));
    }
    if !text.contains(delimiter) {
        return Ok(Value::array(vec![any(operands, 1).clone()]));
    }
    Ok(Value::array(text.split(delimiter).map(Value::from).collect()))
}

fn one_character(character: char) -> Value {
    Value::from(&*character.encode_utf8(&mut [0; 4]))
}

fn split_n(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, delimiter, count) = (string(operands, 1)?, string(operands, 2)?, integer(operands, 3)?);
    let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let mut parts: Vec<Value> = if delimiter.is_empty() {
        text.chars().map(one_character).collect()
    } else {
        text.split(delimiter).map(Value::from).collect()
    };
    if count < 0 {
        parts = parts.split_off(parts.len().saturating_sub(most));
    } else {
        parts.truncate(most);
    }
    Ok(Value::array(parts))
}

fn replace(context: &mut Context, operands: &[Value]) -> Answer {
    let (text, old, new) = (string(operands, 1)?, string(operands, 2)?, string(operands, 3)?);
    if old.is_empty() {
        return replaced(context, text, &[(old, new)]);
    }
    if !text.contains(old) {
        return Ok(any(operands, 1).clone());
    }
    let mut out = Text::with_capacity(context, text.len())?;
    for (index, part) in text.split(old).enumerate() {
        if index > 0 {
            out.push_str(new)?;
        }
        out.push_str(part)?;
    }
    Ok(out.finish().into())
}

fn replace_n(context: &mut Context, operands: &[Value]) -> Answer {
    let (patterns, text) = (object(operands, 1)?, string(operands, 2)?);
    let not_string = |what| Error::Type(format!("operand 1 non-string {what} found in pattern object"));
    let pair = |(old, new): (&Value, &Value)| match (old, new) {
        (Value::String(old), Value::String(new)) => Ok((old.clone(), new.clone())),
        (Value::String(_), _) => Err(not_string("value")),
        _ => Err(not_string("key")),
    };
    let pairs: Vec<_> = patterns.iter().map(pair).collect::<Result<_, _>>()?;
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(old, new)| (&**old, &**new)).collect();
    replaced(context, text, &pairs)
}

/// Go's `strings.NewReplacer`: at each byte the first of the pairs that fits; an empty one not right after itself.
fn replaced(context: &Context, text: &str, pairs: &[(&str, &str)]) -> Answer {
    let mut begins = [false; 256];
    for first in pairs.iter().filter_map(|(old, _)| old.bytes().next()) {
        if let Some(begins) = begins.get_mut(usize::from(first)) {
            *begins = true;
        }
    }
    let empty = pairs.iter().any(|(old, _)| old.is_empty());
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut after_empty) = (0, false);
    while let Some(rest) = bytes.get(at..) {
        let possible = empty || rest.first().is_some_and(|first| begins.get(usize::from(*first)) == Some(&true));
        let fits = |(old, _): &&(&str, &str)| rest.starts_with(old.as_bytes()) && !(after_empty && old.is_empty());
        match pairs.iter().find(fits).filter(|_| possible) {
            Some((old, new)) => {
                context.fits(out.len().saturating_add(new.len()))?;
                out.extend_from_slice(new.as_bytes());
                at += old.len();
                after_empty = old.is_empty();
            }
            None => {
                context.fits(out.len())?;
                out.extend(rest.first());
                at += 1;
                after_empty = false;
            }
        }
    }
    Ok(from_bytes(out).into())
}

fn reverse(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(string(operands, 1)?.chars().rev().collect::<String>().into())
}

/// The part of the first operand, which is shared where it is the whole.
fn part(operands: &[Value], part: &str) -> Value {
    let whole = any(operands, 1);
    if whole.as_str().is_some_and(|text| text.len() == part.len()) { whole.clone() } else { part.into() }
}

fn trim(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, cut) = (string(operands, 1)?, string(operands, 2)?);
    Ok(part(operands, text.trim_matches(|c| cut.contains(c))))
}

fn trim_left(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, cut) = (string(operands, 1)?, string(operands, 2)?);
    Ok(part(operands, text.trim_start_matches(|c| cut.contains(c))))
}

fn trim_right(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, cut) = (string(operands, 1)?, string(operands, 2)?);
    Ok(part(operands, text.trim_end_matches(|c| cut.contains(c))))
}

fn trim_prefix(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, prefix) = (string(operands, 1)?, string(operands, 2)?);
    Ok(part(operands, text.strip_prefix(prefix).unwrap_or(text)))
}

fn trim_suffix(_: &mut Context, operands: &[Value]) -> Answer {
    let (text, suffix) = (string(operands, 1)?, string(operands, 2)?);
    Ok(part(operands, text.strip_suffix(suffix).unwrap_or(text)))
}

fn trim_space(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(part(operands, string(operands, 1)?.trim()))
}
