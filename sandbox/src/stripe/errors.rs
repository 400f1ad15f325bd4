//! Stripe's errors: one shape, sorted by `type`, with a `code` where programs should act on it.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// An error as Stripe would answer it.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// Whether the idempotency layer keeps it: execution had begun when it arose.
    pub(crate) stored: bool,
    fields: Map<String, Value>,
}

impl ApiError {
    /// A request that fails validation: nothing began, nothing is stored.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// A request that the object's present state does not allow.
    pub(crate) fn state(code: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).code(code).kept()
    }

    /// An object that is not there.
    pub(crate) fn missing(kind: &str, id: &str, param: &str) -> Self {
        let error = Self::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            format!("No such {kind}: '{id}'"),
        );
        error.code("resource_missing").param(param)
    }

    /// As [`missing`](Self::missing), where the id came as a parameter and not in the path.
    pub(crate) fn missing_param(kind: &str, id: &str, param: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            ..Self::missing(kind, id, param)
        }
    }

    /// A card that was declined.
    pub(crate) fn card(fields: &Map<String, Value>) -> Self {
        Self {
            status: StatusCode::PAYMENT_REQUIRED,
            stored: true,
            fields: fields.clone(),
        }
    }

    /// A key that proves nothing.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
    }

    /// A key that may not do this.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", message).code("secret_key_required")
    }

    /// A path that Stripe does not serve, or that the pretend one does not.
    pub(crate) fn unrecognized(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    /// The same idempotency key with other parameters.
    pub(crate) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", message)
    }

    /// The same idempotency key while its first request is still running.
    pub(crate) fn key_in_use() -> Self {
        let message = "There is currently another in-progress request using this Idempotency Key (that probably \
                       means you submitted twice, and the other request is still going through). Please try \
                       again later.";
        Self::new(StatusCode::CONFLICT, "idempotency_error", message).code("idempotency_key_in_use")
    }

    /// What Stripe says of a status that has no cause in the request.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                let message = "Request rate limit exceeded. Learn more about rate limits here \
                               https://stripe.com/docs/rate-limits.";
                Self::new(status, "invalid_request_error", message).code("rate_limit")
            }
            StatusCode::CONFLICT => Self::key_in_use(),
            status => Self::new(status, "api_error", "An unknown error occurred"),
        }
    }

    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("type".to_owned(), kind.into());
        fields.insert("message".to_owned(), message.into().into());
        Self {
            status,
            stored: false,
            fields,
        }
    }

    /// For the idempotency layer to keep: execution had begun.
    pub(crate) fn kept(mut self) -> Self {
        self.stored = true;
        self
    }

    /// Adds Stripe's `code` and the page that explains it.
    pub(crate) fn code(mut self, code: &str) -> Self {
        self.fields.insert("code".to_owned(), code.into());
        self.fields.insert("doc_url".to_owned(), doc_url(code).into());
        self
    }

    /// Names the parameter at fault.
    pub(crate) fn param(self, name: impl Into<String>) -> Self {
        self.with("param", name.into().into())
    }

    /// Adds an object that the error is about.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// What a person may read of it.
    pub(crate) fn message(&self) -> &str {
        self.fields
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The body, with the address of the request's log entry.
    pub(crate) fn body(mut self, account: &str, request: &str) -> Value {
        let log = format!("https://dashboard.stripe.com/{account}/test/workbench/logs?object={request}");
        self.fields.insert("request_log_url".to_owned(), log.into());
        json!({ "error": self.fields })
    }
}

/// Where Stripe explains a code.
pub(crate) fn doc_url(code: &str) -> String {
    format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))
}
