//! Numbers and quoted texts against Go's, as the ops `float`, `double` and `printable` of tests/oracle/opa answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::cmp::Ordering;

use fleetgate_value::{Number, go};

/// Lines of two numbers, their order, the first of them, sum, difference, product and quotient.
#[test]
fn calculations_and_order() {
    let mut count = 0;
    for line in include_str!("data/float.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[a, b, order, first, sum, difference, product, quotient] = columns.as_slice() else { panic!("{line}") };
        let (number, other) = (Number::parse(a).unwrap(), Number::parse(b).unwrap());
        let (x, y) = (number.to_float(), other.to_float());
        let answers = [
            x.to_string(),
            x.add(&y).to_string(),
            x.sub(&y).to_string(),
            x.mul(&y).to_string(),
            x.div(&y).map_or_else(|| "-".to_owned(), |quotient| quotient.to_string()),
        ];
        assert_eq!(answers, [first, sum, difference, product, quotient], "{a} {b}");
        assert_eq!((number.cmp(&other) as i8).to_string(), order, "{a} {b}");
        assert_eq!(number == other, order == "0", "{a} {b}");
        assert_eq!(number.cmp(&other), other.cmp(&number).reverse());
        assert_eq!((number.to_string(), other.to_string()), (a.to_owned(), b.to_owned()));
        assert_eq!(x.partial_cmp(&x), Some(Ordering::Equal));
        count += 1;
    }
    assert_eq!(count, 2400);
}

#[test]
fn doubles() {
    for line in include_str!("data/double.tsv").lines() {
        let (text, expected) = line.split_once('\t').unwrap();
        let double: f64 = text.parse().unwrap();
        assert_eq!(go::format_double(double), expected, "{text}");
        assert_eq!(Number::from_double(double).to_string(), expected, "{text}");
    }
}

#[test]
fn quoted_characters() {
    let code = |text| u32::from_str_radix(text, 16).unwrap();
    let mut printable = vec![false; 0x11_0000];
    for run in include_str!("data/printable.txt").split_whitespace() {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        for at in code(first)..=code(last) {
            *printable.get_mut(at as usize).unwrap() = true;
        }
    }
    let mut different = Vec::new();
    for character in '\0'..=char::MAX {
        let at = u32::from(character);
        let expected = match character {
            '"' | '\\' => format!("\\{character}"),
            '\u{7}' => "\\a".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\t' => "\\t".to_owned(),
            '\n' => "\\n".to_owned(),
            '\u{b}' => "\\v".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            '\r' => "\\r".to_owned(),
            _ if printable.get(at as usize) == Some(&true) => character.to_string(),
            '\0'..' ' | '\u{7f}' => format!("\\x{at:02x}"),
            ..'\u{10000}' => format!("\\u{at:04x}"),
            _ => format!("\\U{at:08x}"),
        };
        for (text, expected) in
            [(character.to_string(), expected.clone()), (format!("a{character}"), format!("a{expected}"))]
        {
            if go::quote(&text) != format!("\"{expected}\"") {
                different.push(at);
            }
        }
    }
    assert!(different.is_empty(), "{} differ: {:x?}", different.len(), different.get(..40).unwrap_or(&different));
}
