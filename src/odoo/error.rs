//! What an answer that is no success means for us.
//!
//! Odoo answers 500 for a caller's mistake as well as for a busy database, so the status alone does not say
//! whether sending again helps: the name of the Python class does.

use std::time::Duration;

use serde::Deserialize;

use crate::sink::SinkError;

use super::http::Answer;

/// The longest message of Odoo's that is kept, in characters.
const MESSAGE_LEN: usize = 300;

/// Python's own errors that a request brings about by what it says: they come back however often it is sent.
const MISTAKES: [&str; 6] = [
    "builtins.AssertionError",
    "builtins.AttributeError",
    "builtins.IndexError",
    "builtins.KeyError",
    "builtins.TypeError",
    "builtins.ValueError",
];

/// Odoo's error body, without its traceback.
#[derive(Debug, Deserialize)]
struct Fault {
    name: String,
    message: String,
}

/// Sorts an answer whose status is not 200.
pub(super) fn from_answer(answer: &Answer) -> SinkError {
    let (status, retry_after) = (answer.status, answer.retry_after);
    let Ok(fault) = serde_json::from_slice::<Fault>(&answer.body) else {
        return from_page(status, retry_after);
    };
    let message = shorten(&fault.message);
    let busy = |message| SinkError::Unreachable { message, retry_after };
    match status {
        401 | 403 => SinkError::Unauthorized { message },
        409 | 429 | 502..=504 => busy(message),
        500.. if !is_final(&fault.name) => busy(message),
        _ => SinkError::Refused { message },
    }
}

/// Sorts an answer that Odoo's API did not write: another program's page, or Odoo's own without the API.
fn from_page(status: u16, retry_after: Option<Duration>) -> SinkError {
    match status {
        401 | 403 => SinkError::Unauthorized {
            message: format!("status {status}"),
        },
        404 => refused("no such database answers there, or it is older than Odoo 19"),
        300..=399 => refused("it redirects to a page: the API that is used needs Odoo 19 or later"),
        410 => SinkError::Gone,
        _ => SinkError::Unreachable {
            message: format!("status {status} and no answer of the API"),
            retry_after,
        },
    }
}

fn is_final(name: &str) -> bool {
    MISTAKES.contains(&name)
        || (name.starts_with("odoo.exceptions.")
            && !name.ends_with(".LockError")
            && !name.ends_with(".ConcurrencyError"))
}

/// Odoo said no, in our words.
pub(super) fn refused(message: impl Into<String>) -> SinkError {
    SinkError::Refused {
        message: message.into(),
    }
}

/// What Odoo holds is not what was sent.
pub(super) fn differs(message: impl Into<String>) -> SinkError {
    SinkError::Differs {
        message: message.into(),
    }
}

/// No answer that can be used.
pub(super) fn unreachable(message: impl Into<String>) -> SinkError {
    SinkError::Unreachable {
        message: message.into(),
        retry_after: None,
    }
}

/// The first line of a message of Odoo's, cut where it is long.
pub(super) fn shorten(message: &str) -> String {
    message
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(MESSAGE_LEN)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, name: &str) -> &'static str {
        let body = format!(r#"{{"name":"{name}","message":"first\nsecond","debug":"Traceback"}}"#);
        let error = answered(status, body.as_bytes());
        assert!(!error.to_string().contains("second") && !error.to_string().contains("Traceback"));
        word(&error)
    }

    fn answered(status: u16, body: &[u8]) -> SinkError {
        from_answer(&Answer {
            status,
            body: body.to_vec(),
            retry_after: None,
        })
    }

    fn word(error: &SinkError) -> &'static str {
        match error {
            SinkError::Refused { .. } => "refused",
            SinkError::Differs { .. } => "differs",
            SinkError::Unauthorized { .. } => "unauthorized",
            SinkError::Unreachable { .. } => "unreachable",
            SinkError::NotAllowed { .. } => "not allowed",
            SinkError::Gone => "gone",
        }
    }

    #[test]
    fn the_name_decides_about_a_500() {
        assert_eq!(kind(500, "builtins.ValueError"), "refused");
        assert_eq!(kind(500, "psycopg2.errors.SerializationFailure"), "unreachable");
        assert_eq!(kind(500, "psycopg2.OperationalError"), "unreachable");
        assert_eq!(kind(500, "builtins.MemoryError"), "unreachable");
    }

    #[test]
    fn a_refusal_a_bad_key_and_a_held_lock_are_three_things() {
        assert_eq!(kind(422, "odoo.exceptions.ValidationError"), "refused");
        assert_eq!(kind(404, "odoo.exceptions.MissingError"), "refused");
        assert_eq!(kind(401, "werkzeug.exceptions.Unauthorized"), "unauthorized");
        assert_eq!(kind(403, "odoo.exceptions.AccessError"), "unauthorized");
        assert_eq!(kind(409, "odoo.exceptions.LockError"), "unreachable");
    }

    #[test]
    fn a_page_of_another_program_is_not_odoos_word() {
        let page = b"<html>busy</html>".as_slice();
        assert_eq!(word(&answered(500, page)), "unreachable");
        assert_eq!(word(&answered(503, page)), "unreachable");
        assert_eq!(word(&answered(404, page)), "refused");
        assert_eq!(word(&answered(303, b"")), "refused");
        assert_eq!(word(&answered(410, page)), "gone");
    }
}
