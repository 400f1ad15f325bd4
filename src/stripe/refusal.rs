//! The errors that Stripe answers with, as words of its own.

use serde::Deserialize;

use super::objects::{ErrorObject, PaymentIntent};
use super::snapshots::Described;
use crate::domain::redact::mask;
use crate::domain::snapshot::SetupSnapshot;
use crate::provider::{Outcome, ProviderError};

/// How much of Stripe's words is passed on.
const MESSAGE_LIMIT: usize = 500;

/// The longest name of a permission.
const PERMISSION_LIMIT: usize = 64;

/// A 4xx in which Stripe itself says what is wrong with this very request.
#[derive(Debug)]
pub(super) struct Refusal {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct Body {
    error: ErrorObject,
}

impl Refusal {
    /// Reads an answer's body; `None` where it is not of Stripe's form.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Body { error } = serde_json::from_slice(body).ok()?;
        (error.kind.is_some() || error.code.is_some() || error.message.is_some()).then_some(Self { error })
    }

    /// The key was used before, with other parameters or by a request that still runs.
    pub(super) fn of_the_key(&self) -> bool {
        self.error.kind.as_deref() == Some("idempotency_error")
            || self.error.code.as_deref() == Some("idempotency_key_in_use")
    }

    /// Another request holds the object.
    pub(super) fn of_a_lock(&self) -> bool {
        self.error.code.as_deref() == Some("lock_timeout")
    }

    /// It speaks of how the object stands, not of the request: what was asked for may have been done already.
    pub(super) fn of_the_state(&self) -> bool {
        matches!(
            self.error.code.as_deref(),
            Some(
                "payment_intent_unexpected_state"
                    | "charge_already_captured"
                    | "charge_already_refunded"
                    | "charge_expired_for_capture"
            )
        )
    }

    /// What it means for an operation: a decline is an outcome, anything else an error.
    pub(super) fn into_outcome(self) -> Result<Outcome, ProviderError> {
        if self.error.kind.as_deref() != Some("card_error") {
            return Err(self.into_error());
        }
        let mut error = self.error;
        let snapshot = error
            .payment_intent
            .take()
            .and_then(|intent: Box<PaymentIntent>| intent.describe().ok());
        Ok(Outcome::Declined {
            decline: error.into(),
            snapshot,
        })
    }

    /// What it means for a setup: a decline is told with the setup as it stands after it, anything else is an error.
    pub(super) fn into_setup(mut self) -> Result<SetupSnapshot, ProviderError> {
        let intent = self.error.setup_intent.take();
        match intent.filter(|_| self.error.kind.as_deref() == Some("card_error")) {
            Some(intent) => SetupSnapshot::try_from(*intent).map_err(|_| self.into_error()),
            None => Err(self.into_error()),
        }
    }

    /// Whether there is no such object.
    pub(super) fn of_nothing(&self) -> bool {
        self.error.code.as_deref() == Some("resource_missing")
    }

    /// The permission that a restricted key lacks, where that is what it says.
    ///
    /// In Stripe's two ways of saying so: `Enabling "Customers Write" ('customer_write') permissions on this key would allow this
    /// request to continue`, and before that `Having the 'rak_customer_write' permission would …`.
    pub(super) fn permission(&self) -> Option<String> {
        let words = self.error.message.as_deref().unwrap_or_default();
        let is_name = |text: &&str| {
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit();
            text.len() <= PERMISSION_LIMIT
                && (text.ends_with("_read") || text.ends_with("_write"))
                && text.bytes().all(is_word)
        };
        let named = words
            .split('\'')
            .map(|text| text.trim_start_matches("rak_"))
            .find(is_name);
        let is_meant = self.error.code.as_deref() == Some("more_permissions_required");
        named
            .or(is_meant.then_some("that it does not name"))
            .map(str::to_owned)
    }

    /// The same as an error.
    pub(super) fn into_error(self) -> ProviderError {
        let ErrorObject {
            kind,
            code,
            message,
            param,
            ..
        } = self.error;
        ProviderError::Invalid {
            code: code
                .or(kind)
                .unwrap_or_else(|| "invalid_request_error".to_owned()),
            message: mask(&message.unwrap_or_default())
                .chars()
                .take(MESSAGE_LIMIT)
                .collect(),
            param,
        }
    }
}
