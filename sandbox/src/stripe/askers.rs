//! Who asks for an intent, and what they may see of it.

use serde_json::Value;

use super::errors::ApiError;
use super::fields::{Checked, Fields};

/// Whoever holds the secret key, or the browser that the intent was handed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Merchant,
    Browser,
}

/// What a browser may see of an intent, to pay or to set up.
const SEEN_BY_BROWSERS: [&str; 27] = [
    "id",
    "object",
    "amount",
    "amount_details",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "capture_method",
    "client_secret",
    "confirmation_method",
    "created",
    "currency",
    "description",
    "last_payment_error",
    "last_setup_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_configuration_details",
    "payment_method_types",
    "processing",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "source",
    "status",
    "usage",
];

impl Asker {
    /// Checks the client secret, which a browser must have and a merchant may send. `what` is the intent's name.
    pub(crate) fn check(self, fields: &mut Fields, client_secret: &str, what: &str) -> Checked<()> {
        match fields.text("client_secret")? {
            Some(secret) if secret == client_secret => Ok(()),
            None if self == Self::Merchant => Ok(()),
            None => Err(fields.absent("client_secret")),
            Some(_) => {
                let message = format!(
                    "The client_secret provided does not match any associated {what} on this account."
                );
                Err(ApiError::invalid(message).param("client_secret"))
            }
        }
    }

    /// The part of a view that this asker may see.
    pub(crate) fn sees(self, mut view: Value) -> Value {
        if let (Self::Browser, Value::Object(fields)) = (self, &mut view) {
            fields.retain(|name, _| SEEN_BY_BROWSERS.contains(&name.as_str()));
        }
        view
    }
}
