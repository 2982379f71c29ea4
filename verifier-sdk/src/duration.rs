//! How settings write durations: `500ms`, `2s`, `15m`, `12h`, `7d`.

use std::time::Duration;

/// The text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number and a unit, ms, s, m, h or d: 500ms, 2s, 15m, 12h, 7d")]
pub struct InvalidDuration;

/// Reads a duration: a whole number and one unit, with nothing between or around them. Days are
/// 24 hours. Zero is a duration; whether it is a sensible one is for the setting to say.
///
/// # Errors
/// [`InvalidDuration`], also where the number of milliseconds does not fit into 64 bits.
///
/// ```
/// use std::time::Duration;
/// use verifier_sdk::duration::parse;
///
/// assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
/// assert_eq!(parse("15m"), Ok(Duration::from_secs(900)));
/// ```
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let unit_starts = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or(InvalidDuration)?;
    let (number, unit) = text.split_at(unit_starts);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(InvalidDuration),
    };
    number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or(InvalidDuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("2s", 2_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
            ("007d", 604_800_000),
            ("18446744073709551615ms", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "5",
            "s",
            "ms",
            "-1s",
            "+1s",
            "1.5s",
            "1e3s",
            " 1s",
            "1s ",
            "1 s",
            "1S",
            "1min",
            "1m30s",
            "1w",
            "1µs",
            "١s",
            "18446744073709551616ms",
            "18446744073709551615s",
        ] {
            assert_eq!(parse(bad), Err(InvalidDuration), "{bad:?}");
        }
    }
}
