//! Errors in Odoo's own shape: the Python class, the message, and a traceback that nobody should keep.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::server;

/// What Odoo answers instead of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OdooError {
    status: StatusCode,
    name: &'static str,
    /// What a person reads.
    pub(super) message: String,
}

impl OdooError {
    fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            name,
            message: message.into(),
        }
    }

    /// A rule of the books says no.
    pub(super) fn user(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "odoo.exceptions.UserError",
            message,
        )
    }

    /// The user lacks a right.
    pub(super) fn access(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "odoo.exceptions.AccessError", message)
    }

    /// A record is written or acted on that does not exist.
    pub(super) fn missing(model: &str, id: i64) -> Self {
        let message =
            format!("Record does not exist or has been deleted.\n(Record: {model}({id},), User: 2)");
        Self::new(StatusCode::NOT_FOUND, "odoo.exceptions.MissingError", message)
    }

    /// The caller's mistake, which Odoo answers with a 500.
    pub(super) fn value(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "builtins.ValueError", message)
    }

    /// An argument of the wrong type, which Odoo answers with a 500 too.
    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "builtins.TypeError", message)
    }

    /// No such model, method or address.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "werkzeug.exceptions.NotFound", message)
    }

    /// A call whose arguments do not fit the method.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "werkzeug.exceptions.UnprocessableEntity",
            message,
        )
    }

    /// A body that is no JSON.
    pub(super) fn no_json(message: &str) -> Self {
        let message = format!("could not parse the body as json: {message}");
        Self::new(StatusCode::BAD_REQUEST, "werkzeug.exceptions.BadRequest", message)
    }

    /// A key that is wrong or expired.
    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "werkzeug.exceptions.Unauthorized",
            message,
        )
    }

    /// A key that is wrong or expired, or another user's, in JSON-RPC.
    pub(super) fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "odoo.exceptions.AccessDenied",
            "Access Denied",
        )
    }

    /// A database that is not there, in JSON-RPC, which opens the one that a call names.
    pub(super) fn no_database(name: &str) -> Self {
        let message = format!(
            "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  database \"{name}\" does not exist\n"
        );
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "psycopg2.OperationalError",
            message,
        )
    }

    /// A service that is not there.
    pub(super) fn unknown_key(name: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "builtins.KeyError", name)
    }

    /// A method of records without ids before its arguments, in JSON-RPC.
    pub(super) fn index() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "builtins.IndexError",
            "tuple index out of range",
        )
    }

    /// A method that the model does not have, in JSON-RPC.
    pub(super) fn unknown_method(name: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "builtins.AttributeError",
            format!("The method '{name}' does not exist"),
        )
    }

    /// What a fault on demand looks like in Odoo's words.
    pub(super) fn fault(status: StatusCode) -> Self {
        let (name, message) = match status {
            StatusCode::CONFLICT => (
                "odoo.exceptions.LockError",
                "Record is locked by another transaction",
            ),
            StatusCode::UNPROCESSABLE_ENTITY => {
                ("odoo.exceptions.UserError", "The posting is refused on demand")
            }
            StatusCode::UNAUTHORIZED => ("werkzeug.exceptions.Unauthorized", "Invalid apikey"),
            _ => (
                "psycopg2.OperationalError",
                "server closed the connection unexpectedly",
            ),
        };
        Self::new(status, name, message)
    }

    /// The same within an envelope of JSON-RPC, which knows none of HTTP's errors.
    pub(super) fn body_in_envelope(&self) -> Value {
        self.body(match self.name {
            "werkzeug.exceptions.NotFound" => "builtins.AttributeError",
            "werkzeug.exceptions.UnprocessableEntity" => "builtins.TypeError",
            name => name,
        })
    }

    fn body(&self, name: &str) -> Value {
        json!({
            "name": name,
            "message": self.message,
            "arguments": [self.message],
            "context": {},
            "debug": format!("Traceback (most recent call last):\n  secrets may be here\n{name}: {}", self.message),
        })
    }

    /// The answer on the wire of JSON-2.
    pub(super) fn response(&self) -> Response {
        let mut response = server::json(self.status, self.body(self.name).to_string());
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// One message of an import that kept nothing. Imports answer 200 whatever happened.
pub(super) fn load_message(message: &str, rows: (usize, usize)) -> Value {
    json!({"rows": {"from": rows.0, "to": rows.1}, "record": rows.0, "type": "error", "message": message})
}
