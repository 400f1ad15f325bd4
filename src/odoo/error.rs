//! What an answer that is no success means for us.
//!
//! JSON-2 answers 500 for a caller's mistake as well as for a busy database, and JSON-RPC answers 200 for everything, so the
//! status alone does not say whether sending again helps: the name of the Python class does.

use std::time::Duration;

use serde::Deserialize;

use crate::sink::{SinkError, Words};

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

const NO_DATABASE: &str = "no such database answers there";

/// How Odoo names that a key or its user may not do this.
const NOT_ALLOWED: [&str; 2] = ["odoo.exceptions.AccessDenied", "odoo.exceptions.AccessError"];

/// Odoo's error, without its traceback.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    name: String,
    message: String,
}

/// Why a call has no result.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: SinkError,
    /// Whether it may be that another version answers there now: it is not the API that spoke, or it does not know what we
    /// named.
    pub(super) doubts_version: bool,
}

/// There is no word of the API behind it.
impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self {
            error,
            doubts_version: true,
        }
    }
}

/// Sorts an answer whose status is not 200.
pub(super) fn from_answer(answer: &Answer) -> Failure {
    let (status, retry_after) = (answer.status, answer.retry_after);
    let Ok(fault) = serde_json::from_slice::<Fault>(&answer.body) else {
        return from_page(status, retry_after).into();
    };
    let message = shorten(&fault.message);
    let busy = |message| SinkError::Unreachable { message, retry_after };
    let error = match status {
        401 | 403 => SinkError::Unauthorized { message },
        409 | 429 | 502..=504 => busy(message),
        500.. if !is_final(&fault.name) => busy(message),
        _ => SinkError::Refused { message },
    };
    Failure {
        error,
        doubts_version: is_mistake(&fault.name),
    }
}

/// Sorts an error that came with status 200, in answer to a call of a database.
pub(super) fn from_fault(fault: &Fault, database: &str) -> Failure {
    let message = shorten(&fault.message);
    let error = match fault.name.as_str() {
        name if NOT_ALLOWED.contains(&name) => SinkError::Unauthorized { message },
        name if is_final(name) => SinkError::Refused { message },
        "psycopg2.OperationalError" if is_no_database(&fault.message, database) => refused(NO_DATABASE),
        _ => unreachable(message),
    };
    Failure {
        error,
        doubts_version: is_mistake(&fault.name),
    }
}

/// Whether it is Postgres that says so: JSON-RPC names the database in the call, and Odoo opens whatever it is.
fn is_no_database(message: &str, database: &str) -> bool {
    message.contains(&format!("database \"{database}\" does not exist"))
}

/// Sorts an answer that Odoo's API did not write: another program's page, or Odoo's own without the API.
fn from_page(status: u16, retry_after: Option<Duration>) -> SinkError {
    match status {
        401 | 403 => SinkError::Unauthorized {
            message: format!("status {status}").into(),
        },
        404 => refused(NO_DATABASE),
        300..=399 => refused("it redirects elsewhere: give the address of Odoo itself"),
        410 => SinkError::Gone,
        _ => SinkError::Unreachable {
            message: format!("status {status} and no answer of the API").into(),
            retry_after,
        },
    }
}

/// Whether another version may well know what this one does not.
fn is_mistake(name: &str) -> bool {
    MISTAKES.contains(&name) || name == "werkzeug.exceptions.NotFound"
}

fn is_final(name: &str) -> bool {
    is_mistake(name)
        || (name.starts_with("odoo.exceptions.")
            && !name.ends_with(".LockError")
            && !name.ends_with(".ConcurrencyError"))
}

/// Odoo said no, in our words.
pub(super) fn refused(message: impl Into<Words>) -> SinkError {
    SinkError::Refused {
        message: message.into(),
    }
}

/// What Odoo holds is not what was sent.
pub(super) fn differs(message: impl Into<Words>) -> SinkError {
    SinkError::Differs {
        message: message.into(),
    }
}

/// No answer that can be used.
pub(super) fn unreachable(message: impl Into<Words>) -> SinkError {
    SinkError::Unreachable {
        message: message.into(),
        retry_after: None,
    }
}

/// A success that is not in the form of one.
pub(super) fn unreadable(model: &str, method: &str) -> SinkError {
    unreachable(format!("the answer of {model}/{method} cannot be read"))
}

/// The first line of a message of Odoo's, cut where it is long.
pub(super) fn shorten(message: &str) -> Words {
    let line: String = message
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(MESSAGE_LEN)
        .collect();
    Words::of_odoo(&line)
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
        .error
    }

    fn fault(name: &str, message: &str) -> Failure {
        let fault = Fault {
            name: name.to_owned(),
            message: message.to_owned(),
        };
        from_fault(&fault, "acme")
    }

    fn word(error: &SinkError) -> &'static str {
        match error {
            SinkError::Refused { .. } => "refused",
            SinkError::Differs { .. } => "differs",
            SinkError::Unauthorized { .. } => "unauthorized",
            SinkError::Unreachable { .. } => "unreachable",
            SinkError::NotAllowed { .. } => "not allowed",
            SinkError::Rejected { .. } => "rejected",
            SinkError::Later => "later",
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

    #[test]
    fn an_error_under_status_200_is_sorted_by_its_name() {
        for (name, expected) in [
            ("odoo.exceptions.AccessDenied", "unauthorized"),
            ("odoo.exceptions.AccessError", "unauthorized"),
            ("odoo.exceptions.UserError", "refused"),
            ("odoo.exceptions.ValidationError", "refused"),
            ("odoo.exceptions.MissingError", "refused"),
            ("odoo.exceptions.LockError", "unreachable"),
            ("builtins.ValueError", "refused"),
            ("builtins.MemoryError", "unreachable"),
            ("psycopg2.errors.SerializationFailure", "unreachable"),
            ("psycopg2.OperationalError", "unreachable"),
        ] {
            let failure = fault(name, "first\nsecond");
            assert_eq!(word(&failure.error), expected, "{name}");
            assert!(!failure.error.to_string().contains("second"), "{name}");
        }
    }

    #[test]
    fn a_database_that_postgres_does_not_know_is_refused_and_one_that_is_down_is_not() {
        let of = |message: &str| word(&fault("psycopg2.OperationalError", message).error);
        let failed = "connection to server at \"db\", port 5432 failed:";
        assert_eq!(
            of(&format!("{failed} FATAL:  database \"acme\" does not exist\n")),
            "refused"
        );
        assert_eq!(of(&format!("{failed} Connection refused")), "unreachable");
    }

    #[test]
    fn only_what_another_version_may_explain_casts_doubt_on_it() {
        let answer = |status, body: &str| {
            let answer = Answer {
                status,
                body: body.into(),
                retry_after: None,
            };
            from_answer(&answer).doubts_version
        };
        let named = |name: &str| format!(r#"{{"name":"{name}","message":"x"}}"#);
        assert!(answer(404, "<html>") && answer(303, "") && answer(502, "<html>"));
        assert!(answer(404, &named("werkzeug.exceptions.NotFound")));
        assert!(
            answer(500, &named("builtins.ValueError")) && fault("builtins.AttributeError", "").doubts_version
        );
        assert!(!answer(422, &named("odoo.exceptions.UserError")));
        assert!(!answer(500, &named("psycopg2.OperationalError")));
        assert!(!fault("odoo.exceptions.AccessDenied", "").doubts_version);
    }
}
