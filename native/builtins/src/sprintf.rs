//! `sprintf`: Go's `fmt.Sprintf` on terms.

use std::borrow::Cow;

use fleetgate_value::{Number, Value};

use crate::gofmt::{self, Argument};
use crate::operand::{array, string};
use crate::text::Text;
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[("sprintf", sprintf)];

fn sprintf(context: &mut Context, operands: &[Value]) -> Answer {
    let (format, items) = (string(operands, 1)?, array(operands, 2)?);
    let arguments = items.iter().map(|item| argument(context, item)).collect::<Result<Vec<_>, _>>()?;
    Ok(gofmt::sprintf(context, format, &arguments)?.into())
}

/// What OPA hands to Go for a term: numbers by their text, strings as they are, anything else as Rego.
fn argument<'a>(context: &Context, item: &'a Value) -> Result<Argument<'a>, Error> {
    Ok(match item {
        Value::String(text) => Argument::String(Cow::Borrowed(text)),
        Value::Number(Number::Int(integer)) => Argument::Integer(*integer),
        Value::Number(number) => {
            let text = number.to_string();
            if text.contains(['.', 'e', 'E']) {
                match number.to_f64() {
                    double if double.is_finite() => Argument::Float(double),
                    _ => Argument::String(Cow::Owned(text)),
                }
            } else if let Ok(integer) = text.parse() {
                Argument::Integer(integer)
            } else {
                Argument::Big(text.parse().unwrap_or_default())
            }
        }
        other => {
            let mut text = Text::new(context);
            text.display(other)?;
            Argument::String(Cow::Owned(text.finish()))
        }
    })
}
