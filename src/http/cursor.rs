//! Where a page of a list ended, as an opaque text.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::Problem;

/// Makes the text.
pub(super) fn encode(place: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(place)
}

/// Reads the text back; what it says is still to be parsed.
pub(super) fn decode(text: &str) -> Result<String, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(invalid)
}

/// The id of the thing that a page ended with, out of the text that the page gave.
///
/// # Errors
/// Where no list of ours ended with it.
pub fn after<T: FromStr>(text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(|text| decode(text)?.parse().map_err(|_| invalid()))
        .transpose()
}

/// How many things a page holds, where it is said: 1 to `most`.
pub(super) fn limit(given: Option<u16>, usual: u16, most: u16) -> Result<u16, Problem> {
    let limit = given.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        Ok(limit)
    } else {
        let message = format!("must be from 1 to {most}");
        Err(Problem::invalid("limit", "invalid_limit", message))
    }
}

/// A text that no list of ours ended with.
pub(super) fn invalid() -> Problem {
    Problem::invalid(
        "cursor",
        "invalid_cursor",
        "must be the next_cursor of an earlier page",
    )
}
