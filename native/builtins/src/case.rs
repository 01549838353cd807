//! Upper and lower case as Go's `unicode` has it: one character for one character.

/// The text in lower case; none where that changes nothing.
pub(crate) fn lower(text: &str) -> Option<String> {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte.is_ascii_uppercase()).then(|| text.to_ascii_lowercase());
    }
    Some(text.chars().map(lower_character).collect())
}

/// The text in upper case; none where that changes nothing.
pub(crate) fn upper(text: &str) -> Option<String> {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte.is_ascii_lowercase()).then(|| text.to_ascii_uppercase());
    }
    Some(text.chars().map(upper_character).collect())
}

fn lower_character(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        // The only one whose full mapping is longer: a capital I with a dot.
        _ => 'i',
    }
}

fn upper_character(character: char) -> char {
    let mut upper = character.to_uppercase();
    if let (Some(one), None) = (upper.next(), upper.next()) {
        return one;
    }
    // Of the characters with a longer full mapping, Greek ones with an iota have a capital of their own.
    let distance = match character {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(character) + distance).unwrap_or(character)
}
