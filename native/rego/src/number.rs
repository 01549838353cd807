//! Numbers as they are written.

/// OPA's limit on the binary exponent of a number.
const MAX_BINARY_EXPONENT: f64 = 1e5;

/// Whether `digits` start with a zero that is not the whole integer part.
pub(crate) fn has_leading_zero(digits: &str) -> bool {
    match digits.as_bytes() {
        [b'0', b'.', ..] | [b'0'] => false,
        [b'0', b'e' | b'E', _, ..] => false,
        [b'0', ..] => true,
        _ => false,
    }
}

/// Whether the number's magnitude is beyond what OPA computes with.
pub(crate) fn is_too_big(written: &str) -> bool {
    let unsigned = written.trim_start_matches('-');
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let digits = || mantissa.chars().filter(char::is_ascii_digit);
    if digits().all(|digit| digit == '0') {
        return false;
    }
    let Ok(exponent) = exponent.parse::<f64>() else {
        return true;
    };
    let integer_digits = mantissa.find('.').unwrap_or(mantissa.len());
    let leading_zeros = digits().take_while(|digit| *digit == '0').count();
    let head: String = digits().skip(leading_zeros).take(17).collect();
    let scale = integer_digits as f64 - leading_zeros as f64 - head.len() as f64 + exponent;
    let Ok(head) = head.parse::<f64>() else {
        return true;
    };
    let binary = head.log2() + scale * std::f64::consts::LOG2_10;
    let exponent = binary.floor() + 1.0;
    !(-MAX_BINARY_EXPONENT..=MAX_BINARY_EXPONENT).contains(&exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_lead_only_fractions_and_exponents() {
        assert!(["01", "007", "0e", "00.1"].into_iter().all(has_leading_zero));
        assert!(!["0", "0.5", "0e5", "10", "5"].into_iter().any(has_leading_zero));
    }

    #[test]
    fn the_binary_exponent_is_bounded() {
        assert!(["1e40000", "1e-40000", "-1e30103", "1e999999999999"].into_iter().all(is_too_big));
        assert!(!["0", "0e99999", "1e308", "-2.5", "1e30102", "1e-30000", ".5"].into_iter().any(is_too_big));
    }
}
