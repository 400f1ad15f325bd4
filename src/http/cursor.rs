//! Where a page of a list ended, as an opaque text.

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

/// A text that no list of ours ended with.
pub(super) fn invalid() -> Problem {
    Problem::invalid(
        "cursor",
        "invalid_cursor",
        "must be the next_cursor of an earlier page",
    )
}
