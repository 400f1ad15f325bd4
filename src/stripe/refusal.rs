//! The errors that Stripe answers with, as words of its own.

use serde::Deserialize;

use super::objects::{ErrorObject, PaymentIntent};
use super::snapshots::Described;
use crate::domain::snapshot::SetupSnapshot;
use crate::provider::{Outcome, ProviderError};

/// How much of Stripe's words is passed on.
const MESSAGE_LIMIT: usize = 500;

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
            message: message.unwrap_or_default().chars().take(MESSAGE_LIMIT).collect(),
            param,
        }
    }
}
