//! Sizes, counts and dates as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// `0 bytes`, `999 bytes`, `1.5 KiB`, `20 MiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} {}", if bytes == 1 { "byte" } else { "bytes" });
    }
    let (mut tenths, mut unit) = (tenths_of(bytes, 1), "");
    for (power, name) in (1..).zip(UNITS) {
        (tenths, unit) = (tenths_of(bytes, power), name);
        // Rounded up to 1024 it is 1.0 of the next unit.
        if tenths < 10_240 {
            break;
        }
    }
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", (tenths + 5) / 10)
    }
}

/// Tenths of 1024 to this power, rounded.
fn tenths_of(bytes: u64, power: u32) -> u64 {
    let unit = 1_u128 << (10 * power);
    let tenths = (u128::from(bytes) * 10 + unit / 2) / unit;
    u64::try_from(tenths).unwrap_or(u64::MAX)
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A date for machines and for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// `2026-11-06T08:49:37Z`, from which the script makes the reader's local time.
    pub(super) machine: String,
    /// `06 Nov 2026, 08:49 UTC`.
    pub(super) shown: String,
}

impl Date {
    /// `None` for what lies before 1970 or after 9999.
    pub(super) fn of(time: SystemTime) -> Option<Self> {
        const LAST: u64 = 253_402_300_799;
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let since = time.duration_since(UNIX_EPOCH).ok()?;
        if since.as_secs() > LAST {
            return None;
        }
        // "Sun, 06 Nov 1994 08:49:37 GMT"
        let text = httpdate::fmt_http_date(time);
        let mut words = text.split(' ').skip(1);
        let (day, month, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let number = MONTHS.iter().position(|name| *name == month)? + 1;
        let minute = clock.rsplit_once(':')?.0;
        Some(Self {
            machine: format!("{year}-{number:02}-{day}T{clock}Z"),
            shown: format!("{day} {month} {year}, {minute} UTC"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_have_two_or_more_figures() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (3 * 1024 * 1024 + 300 * 1024, "3.3 MiB"),
            (1 << 40, "1.0 TiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
    }

    #[test]
    fn dates_are_utc_and_say_so() {
        let date = Date::of(UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
        assert_eq!(date.machine, "1994-11-06T08:49:37Z");
        assert_eq!(date.shown, "06 Nov 1994, 08:49 UTC");
        assert_eq!(Date::of(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(Date::of(UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }
}
