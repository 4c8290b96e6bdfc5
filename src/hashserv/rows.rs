//! Rows of the database as JSON objects, and JSON values as what a column holds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Row;
use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::{Map, Value};

use super::error::DatabaseError;

/// A row with all its columns; of several of one name the first counts.
pub(super) fn object(row: &Row<'_>, names: &[String]) -> rusqlite::Result<Map<String, Value>> {
    let mut object = Map::new();
    for (index, name) in names.iter().enumerate() {
        if object.contains_key(name) {
            continue;
        }
        let value = match row.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Real(number) => Value::from(number),
            ValueRef::Text(text) | ValueRef::Blob(text) => {
                Value::String(String::from_utf8_lossy(text).into_owned())
            }
        };
        object.insert(name.clone(), value);
    }
    Ok(object)
}

/// What of a request's value goes into a column.
pub(super) fn column(name: &str, value: &Value) -> Result<Sql, DatabaseError> {
    match value {
        Value::Null => Ok(Sql::Null),
        Value::String(text) => Ok(Sql::Text(text.clone())),
        Value::Bool(truth) => Ok(Sql::Integer(i64::from(*truth))),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Ok(Sql::Integer(number)),
            None => Ok(Sql::Real(number.as_f64().unwrap_or_default())),
        },
        Value::Array(_) | Value::Object(_) => Err(DatabaseError::Unfit(name.to_string())),
    }
}

/// A time as the database keeps it, such as `2026-01-31T23:59:59.000001+00:00`: such texts sort by time.
pub(super) fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, seconds) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    // Civil date from the number of days, counting years from March (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}+00:00",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        since.subsec_micros()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_python_writes_them() {
        // datetime.fromtimestamp(N, timezone.utc).isoformat()
        let cases = [
            (0, 1, "1970-01-01T00:00:00.000001+00:00"),
            (951_782_400, 5, "2000-02-29T00:00:00.000005+00:00"),
            (1_709_251_199, 999_999, "2024-02-29T23:59:59.999999+00:00"),
            (1_798_761_599, 10, "2026-12-31T23:59:59.000010+00:00"),
        ];
        for (seconds, micros, expected) in cases {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
            assert_eq!(timestamp(time), expected);
        }
    }
}
