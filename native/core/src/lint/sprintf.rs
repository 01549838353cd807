//! How many values a format of Go's `fmt` takes.

/// The number of values that the verbs of `format` print. `None` where it cannot be told: values by index (`%[2]v`), a
/// verb that is cut off.
pub(super) fn verbs(format: &str) -> Option<usize> {
    let mut count = 0_usize;
    let mut symbols = format.chars();
    while let Some(symbol) = symbols.next() {
        if symbol != '%' {
            continue;
        }
        loop {
            match symbols.next()? {
                '[' => return None,
                '*' => count += 1,
                '+' | '-' | '#' | ' ' | '0'..='9' | '.' => {}
                '%' => break,
                _ => {
                    count += 1;
                    break;
                }
            }
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::verbs;

    #[test]
    fn verbs_are_counted() {
        for (format, count) in [
            ("", Some(0)),
            ("plain", Some(0)),
            ("100%%", Some(0)),
            ("%v of %d", Some(2)),
            ("%-5s|%05.2f|%+q", Some(3)),
            ("%*d", Some(2)),
            ("%[1]v %[1]v", None),
            ("50%", None),
        ] {
            assert_eq!(verbs(format), count, "{format}");
        }
    }
}
