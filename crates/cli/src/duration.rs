// SPDX-License-Identifier: MIT OR Apache-2.0
//! Durations on the command line, written as in config files.

use std::time::Duration;

/// Reads `250ms`, `2s`, `5m` or `1h`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration such as 250ms, 2s or 5m is expected".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let milliseconds = match &text[digits..] {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds.map(Duration::from_millis).ok_or_else(wrong)
}

/// The same, but some time.
pub(crate) fn positive(text: &str) -> Result<Duration, String> {
    parse(text)
        .and_then(|duration| if duration.is_zero() { Err("more than 0 is expected".to_owned()) } else { Ok(duration) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "5", "ms", "-1s", "99999999999999999999s", "9999999999999999999h", "1 day"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
