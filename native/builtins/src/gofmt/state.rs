//! Flags, width and precision of one verb, and how arguments look under them.

use num_bigint::{BigInt, Sign};

use super::{Argument, float, integer, quote};
use crate::Error;
use crate::text::Text;

#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "Go's flags are independent of each other")]
pub(super) struct State {
    pub(super) sharp: bool,
    pub(super) zero: bool,
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) space: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl State {
    /// The verb is `v`, for which two flags have a meaning of their own.
    pub(super) const fn go_syntax(&mut self) {
        self.sharp_v = self.sharp;
        self.sharp = false;
        self.plus_v = self.plus;
        self.plus = false;
    }

    pub(super) fn argument(&self, out: &mut Text<'_>, argument: &Argument<'_>, verb: char) -> Result<(), Error> {
        if verb == 'T' {
            return self.string(out, argument.type_name());
        }
        match argument {
            Argument::String(text) => match verb {
                'v' if self.sharp_v => self.quoted(out, text),
                'v' | 's' => self.string(out, text),
                'x' => self.hex(out, text.as_bytes(), false),
                'X' => self.hex(out, text.as_bytes(), true),
                'q' => self.quoted(out, text),
                _ => self.bad_verb(out, argument, verb),
            },
            Argument::Integer(value) => match verb {
                'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => self.integer(out, *value, verb),
                'c' => self.pad(out, &integer::character(*value).to_string()),
                'q' => self.pad(out, &quote::character(integer::character(*value), self.plus)),
                'U' => self.without_zero().pad(out, &integer::unicode(*value, self)),
                _ => self.bad_verb(out, argument, verb),
            },
            Argument::Float(value) => match verb {
                'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E' => self.float(out, *value, verb),
                _ => self.bad_verb(out, argument, verb),
            },
            Argument::Big(value) => self.big(out, value, argument, verb),
        }
    }

    /// `%!d(string=x)`
    fn bad_verb(&self, out: &mut Text<'_>, argument: &Argument<'_>, verb: char) -> Result<(), Error> {
        out.push_str("%!")?;
        out.push(verb)?;
        out.push('(')?;
        out.push_str(argument.type_name())?;
        out.push('=')?;
        match argument {
            // Go looks into the number here.
            Argument::Big(value) => {
                let words: Vec<String> = value.iter_u64_digits().map(|word| word.to_string()).collect();
                out.display(format_args!("&{{{} [{}]}}", value.sign() == Sign::Minus, words.join(" ")))?;
            }
            other => self.argument(out, other, 'v')?,
        }
        out.push(')')
    }

    fn without_zero(&self) -> Self {
        Self { zero: false, ..self.clone() }
    }

    /// The text with what it lacks of the width.
    fn pad(&self, out: &mut Text<'_>, text: &str) -> Result<(), Error> {
        let missing = self.missing(text);
        if self.minus {
            out.push_str(text)?;
        }
        self.padding(out, missing)?;
        if !self.minus {
            out.push_str(text)?;
        }
        Ok(())
    }

    fn missing(&self, text: &str) -> usize {
        self.width.map_or(0, |width| width.saturating_sub(text.chars().count()))
    }

    fn padding(&self, out: &mut Text<'_>, count: usize) -> Result<(), Error> {
        out.fill(if self.zero && !self.minus { '0' } else { ' ' }, count)
    }

    fn truncated<'t>(&self, text: &'t str) -> &'t str {
        let end = self.precision.and_then(|precision| text.char_indices().nth(precision));
        end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
    }

    fn string(&self, out: &mut Text<'_>, text: &str) -> Result<(), Error> {
        self.pad(out, self.truncated(text))
    }

    fn quoted(&self, out: &mut Text<'_>, text: &str) -> Result<(), Error> {
        let text = self.truncated(text);
        if self.sharp && quote::can_backquote(text) {
            return self.pad(out, &format!("`{text}`"));
        }
        self.pad(out, &quote::string(text, self.plus))
    }

    /// The bytes of a text as hexadecimal digits.
    fn hex(&self, out: &mut Text<'_>, bytes: &[u8], upper: bool) -> Result<(), Error> {
        let length = self.precision.map_or(bytes.len(), |precision| precision.min(bytes.len()));
        if length == 0 {
            return self.padding(out, self.width.unwrap_or(0));
        }
        let prefix = match (self.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let width = match (self.space, self.sharp) {
            (true, true) => 5 * length - 1,
            (true, false) => 3 * length - 1,
            (false, true) => 2 * length + 2,
            (false, false) => 2 * length,
        };
        let missing = self.width.map_or(0, |wanted| wanted.saturating_sub(width));
        if !self.minus {
            self.padding(out, missing)?;
        }
        out.push_str(prefix)?;
        for (index, byte) in bytes.iter().take(length).enumerate() {
            if self.space && index > 0 {
                out.push(' ')?;
                out.push_str(prefix)?;
            }
            if upper { out.display(format_args!("{byte:02X}"))? } else { out.display(format_args!("{byte:02x}"))? }
        }
        if self.minus {
            self.padding(out, missing)?;
        }
        Ok(())
    }

    const fn sign(&self, negative: bool) -> &'static str {
        if negative {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        }
    }

    fn integer(&self, out: &mut Text<'_>, value: i64, verb: char) -> Result<(), Error> {
        if self.precision == Some(0) && value == 0 {
            return self.without_zero().padding(out, self.width.unwrap_or(0));
        }
        let sign = self.sign(value < 0);
        // Zeros fill the precision, or else the width that the flag asks to fill with them.
        let least = match (self.precision, self.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero && !self.minus => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let digits = integer::digits(value.unsigned_abs(), verb);
        let zeros = least.saturating_sub(digits.len());
        let prefix = match verb {
            'O' if self.sharp && zeros == 0 && !digits.starts_with('0') => "0o0",
            'O' => "0o",
            'b' if self.sharp => "0b",
            'o' if self.sharp && zeros == 0 && !digits.starts_with('0') => "0",
            'x' if self.sharp => "0x",
            'X' if self.sharp => "0X",
            _ => "",
        };
        let length = sign.len() + prefix.len() + zeros + digits.len();
        let missing = self.width.map_or(0, |width| width.saturating_sub(length));
        if !self.minus {
            out.fill(' ', missing)?;
        }
        out.push_str(sign)?;
        out.push_str(prefix)?;
        out.fill('0', zeros)?;
        out.push_str(&digits)?;
        if self.minus {
            out.fill(' ', missing)?;
        }
        Ok(())
    }

    /// `big.Int` formats itself, not quite as `fmt` formats small ones.
    fn big(&self, out: &mut Text<'_>, value: &BigInt, argument: &Argument<'_>, verb: char) -> Result<(), Error> {
        if verb == 'w' {
            return self.bad_verb(out, argument, verb);
        }
        let radix = match verb {
            'b' => 2,
            'o' | 'O' => 8,
            'd' | 's' | 'v' => 10,
            'x' | 'X' => 16,
            _ => return out.display(format_args!("%!{verb}(big.Int={value})")),
        };
        let sharp = self.sharp || self.sharp_v;
        let plus = self.plus || self.plus_v;
        let sign = Self { plus, ..self.clone() }.sign(value.sign() == Sign::Minus);
        let prefix = match verb {
            'O' => "0o",
            'b' if sharp => "0b",
            'o' if sharp => "0",
            'x' if sharp => "0x",
            'X' if sharp => "0X",
            _ => "",
        };
        let mut digits = value.magnitude().to_str_radix(radix);
        if verb == 'X' {
            digits.make_ascii_uppercase();
        }
        let mut zeros = self.precision.map_or(0, |precision| precision.saturating_sub(digits.len()));
        let length = sign.len() + prefix.len() + zeros + digits.len();
        let missing = self.width.map_or(0, |width| width.saturating_sub(length));
        let fill_zeros = self.zero && !self.minus && self.precision.is_none();
        if fill_zeros {
            zeros = missing;
        } else if !self.minus {
            out.fill(' ', missing)?;
        }
        out.push_str(sign)?;
        out.push_str(prefix)?;
        out.fill('0', zeros)?;
        out.push_str(&digits)?;
        if self.minus {
            out.fill(' ', missing)?;
        }
        Ok(())
    }

    fn float(&self, out: &mut Text<'_>, value: f64, verb: char) -> Result<(), Error> {
        let number = float::text(value.abs(), verb, self.precision, self.sharp);
        let sign = self.sign(value.is_sign_negative());
        let missing = self.width.map_or(0, |width| width.saturating_sub(sign.len() + number.len()));
        let zeros = self.zero && !self.minus;
        if zeros {
            out.push_str(sign)?;
        }
        if !self.minus {
            self.padding(out, missing)?;
        }
        if !zeros {
            out.push_str(sign)?;
        }
        out.push_str(&number)?;
        if self.minus {
            out.fill(' ', missing)?;
        }
        Ok(())
    }
}
