//! Randomness of the operating system.

use crate::Error;

/// Fills an array with random bytes.
///
/// # Errors
/// Where the operating system gives none.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Builtin(error.to_string()))?;
    Ok(bytes)
}

/// A random integer below `bound`, each as likely as the others; 0 for a bound of 0.
///
/// # Errors
/// Where the operating system gives no randomness.
pub(crate) fn below(bound: u64) -> Result<u64, Error> {
    // What is beyond the last multiple of the bound would favour the small ones.
    let Some(excess) = (u64::MAX % bound.max(1)).checked_add(1).map(|excess| excess % bound.max(1)) else {
        return Ok(0);
    };
    loop {
        let integer = u64::from_le_bytes(bytes()?);
        if integer <= u64::MAX - excess {
            return Ok(integer % bound.max(1));
        }
    }
}
