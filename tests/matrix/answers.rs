//! Answers as a caller takes them.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::Reply;

/// What the first request came to: an answer, or a connection that broke.
pub(super) type First = reqwest::Result<Reply>;

/// Whether an answer is none yet, and says when to come again.
pub(super) fn asks_to_come_again(reply: &Reply) -> bool {
    let waits = match reply.status {
        StatusCode::ACCEPTED => reply.header("Location").is_some(),
        StatusCode::CONFLICT => reply.json()["code"] == "in_flight",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
        _ => false,
    };
    waits && reply.header("Retry-After").is_some()
}

/// An answer in few words: its status, and the state or the code.
pub(super) fn words(first: &First) -> String {
    let Ok(reply) = first else {
        return "connection broke".to_owned();
    };
    let said: Value = serde_json::from_slice(&reply.bytes).unwrap_or_default();
    let word = said.get("state").or_else(|| said.get("code"));
    let replayed = match reply.header("Idempotency-Replayed") {
        Some(_) => ", replayed",
        None => "",
    };
    let word = word.and_then(Value::as_str).unwrap_or_default();
    format!("{} {word}{replayed}", reply.status.as_u16())
}
