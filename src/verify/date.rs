//! Dates as archives write them.

use std::fmt;

/// A moment, in seconds since 1970, shown as its day: `2024-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u64);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / 86400);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Year, month and day of the day `days` after 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is their last.
    let days = days + 719_468;
    let era_day = days % 146_097;
    let era_year = (era_day - era_day / 1460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    let shifted = (5 * year_day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = days / 146_097 * 400 + era_year + u64::from(month <= 2);
    (year, month, year_day - (153 * shifted + 2) / 5 + 1)
}

/// Days from 1970-01-01 to the given date; `None` before 1970.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let era_year = year % 400;
    let shifted = (month + 9) % 12;
    let year_day = (153 * shifted + 2) / 5 + day.checked_sub(1)?;
    let era_day = era_year * 365 + era_year / 4 - era_year / 100 + year_day;
    (year / 400 * 146_097 + era_day).checked_sub(719_468)
}

/// Reads a date as in `Release` files and HTTP headers: `Sat, 10 Jun 2023 08:55:10 UTC` (or `GMT`, `+0000`, `Z`).
/// `None` if it is none, or names another time zone.
pub fn parse_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (time, zone) = (words.next()?, words.next().unwrap_or("UTC"));
    if words.next().is_some() || !matches!(zone, "UTC" | "GMT" | "+0000" | "Z") {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let valid = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    if !valid || hour > 23 || minute > 59 || second > 60 || parts.next().is_some() {
        return None;
    }
    Some(days_of(year, month, day)? * 86400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from `date -u -d … +%s`.
    #[test]
    fn dates() {
        for (text, expected) in [
            ("Sat, 10 Jun 2023 08:55:10 UTC", Some(1_686_387_310)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:59 +0000", Some(1_709_251_199)),
            ("Sun, 9 Nov 2025 1:02:03 UTC", Some(1_762_650_123)),
            ("Sat, 10 Jun 2023 08:55:10 CET", None),
            ("Sat, 10 Foo 2023 08:55:10 UTC", None),
            ("Sat, 10 Jun 2023 08:55 UTC", None),
            ("Sat, 99999999999999999999 Jun 2023 08:55:10 UTC", None),
            ("", None),
        ] {
            assert_eq!(parse_date(text), expected, "{text}");
        }
        assert_eq!(Day(1_709_251_199).to_string(), "2024-02-29");
        assert_eq!(Day(0).to_string(), "1970-01-01");
    }

    #[test]
    fn every_day_goes_there_and_back() {
        for day in 0..200_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days_of(year, month, of_month), Some(day));
        }
    }
}
