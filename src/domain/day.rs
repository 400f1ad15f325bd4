//! Days as text: `2026-11-30`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};
use time::Date;
use time::format_description::well_known::Iso8601;

/// Writes a day.
pub fn serialize<S: Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

/// Reads one.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    Date::parse(&text, &Iso8601::DATE).map_err(D::Error::custom)
}

/// The same of a day that may not be there.
pub mod option {
    use super::{Date, Deserialize, Deserializer, Serializer};

    /// Writes a day, or null.
    pub fn serialize<S: Serializer>(day: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
        match day {
            Some(day) => super::serialize(day, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
        #[derive(Deserialize)]
        struct Day(#[serde(with = "super")] Date);
        Ok(Option::<Day>::deserialize(deserializer)?.map(|Day(day)| day))
    }
}
