//! Stripe's objects, as little of them as we read, and tolerantly.
//!
//! async-stripe's own types fail a whole object for one missing field. Here only an id must be there: what else is
//! needed, the conversion in [`snapshots`](super::snapshots) says by name.

use std::collections::BTreeMap;
use std::str::FromStr;

use secrecy::SecretString;
use serde::Deserialize;

use super::money::StripeAmount;
use super::wallet::objects::SetupIntent;
use crate::domain::card_number::holds_card_number;
use crate::domain::ids::{CustomerId, OperationId, PaymentId, ProviderAccountId, SetupId, WebhookEndpointId};

/// The metadata key of our payment's id.
pub(super) const PAYMENT: &str = "quittance_payment";
/// The metadata key of the operation that made the object.
pub(super) const OPERATION: &str = "quittance_operation";
/// The metadata key of the operation that last captured the payment intent.
pub(super) const CAPTURE: &str = "quittance_capture";

/// The metadata keys of what a database that was put back must know again, each of at most 500 characters: the request that the
/// object was asked for with, Odoo's reference of it, and of a payment what it settles, in whose books, and when money is taken.
pub(super) const REQUEST: &str = "quittance_request";
pub(super) const REFERENCE: &str = "quittance_reference";
pub(super) const SETTLES: &str = "quittance_settles";
pub(super) const INSTANCE: &str = "quittance_odoo_instance";
pub(super) const CAPTURE_METHOD: &str = "quittance_capture_method";
/// The payment method that was to be tried at once.
pub(super) const METHOD: &str = "quittance_method";
/// The same of the capture that a payment intent remembers.
pub(super) const CAPTURE_REQUEST: &str = "quittance_capture_request";
pub(super) const CAPTURE_AMOUNT: &str = "quittance_capture_amount";
pub(super) const CAPTURE_REFERENCE: &str = "quittance_capture_reference";

/// The metadata key of our customer's id.
pub(super) const CUSTOMER: &str = "quittance_customer";
/// The metadata key of our setup's id.
pub(super) const SETUP: &str = "quittance_setup";

/// The metadata key of our account that a webhook endpoint is for.
pub(super) const ACCOUNT: &str = "quittance_account";
/// The metadata key of our webhook endpoint's id.
pub(super) const ENDPOINT: &str = "quittance_endpoint";

/// What may be written as its id only, or whole.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable<T> {
    /// Its id.
    Id(String),
    /// The whole of it.
    Whole(Box<T>),
}

impl<T> Expandable<T> {
    /// The whole of it, where it was expanded.
    pub(super) fn into_whole(self) -> Option<T> {
        match self {
            Self::Id(_) => None,
            Self::Whole(object) => Some(*object),
        }
    }
}

impl Expandable<Identified> {
    /// Its id, however it was written.
    pub(super) fn into_id(self) -> String {
        match self {
            Self::Id(id) => id,
            Self::Whole(object) => object.id,
        }
    }
}

/// Any object: all have an id.
#[derive(Debug, Deserialize)]
pub(super) struct Identified {
    pub(super) id: String,
}

/// One page of a list or of a search.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// What we and the merchant told Stripe to remember.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Our payment, where the object is of one.
    pub(super) fn payment(&self) -> Option<PaymentId> {
        self.0.get(PAYMENT)?.parse().ok()
    }

    /// Whether the object says that it is of a payment of ours.
    pub(super) fn is_ours(&self) -> bool {
        self.0.contains_key(PAYMENT)
    }

    /// What the merchant noted, of which one may be a reference of Odoo's: a few words each, and none of our own.
    pub(super) fn notes(&self) -> Vec<String> {
        let notes = self.0.iter().filter(|(key, _)| !key.starts_with("quittance_"));
        notes
            .map(|(_, note)| note)
            .filter(|note| !holds_card_number(note) && !note.contains('\0'))
            .cloned()
            .collect()
    }

    /// The value of a key of ours, where it reads as what it is.
    pub(super) fn read<T: FromStr>(&self, key: &str) -> Option<T> {
        self.0.get(key)?.parse().ok()
    }

    /// The merchant's own notes as they are.
    pub(super) fn into_notes(self) -> BTreeMap<String, String> {
        let mut notes = self.0;
        notes.retain(|key, _| !key.starts_with("quittance_"));
        notes
    }

    /// Our customer, where the object is one.
    pub(super) fn customer(&self) -> Option<CustomerId> {
        self.0.get(CUSTOMER)?.parse().ok()
    }

    /// Our endpoint, where the object is one of an account of ours.
    pub(super) fn endpoint_of(&self, account: ProviderAccountId) -> Option<WebhookEndpointId> {
        let named: ProviderAccountId = self.0.get(ACCOUNT)?.parse().ok()?;
        (named == account)
            .then(|| self.0.get(ENDPOINT)?.parse().ok())
            .flatten()
    }

    /// Our setup, where the object is of one.
    pub(super) fn setup(&self) -> Option<SetupId> {
        self.0.get(SETUP)?.parse().ok()
    }

    /// The operation that made the object, where it was one of ours.
    pub(super) fn operation(&self) -> Option<OperationId> {
        self.0.get(OPERATION)?.parse().ok()
    }

    /// The operation that last captured the payment intent, where it was one of ours.
    pub(super) fn capture(&self) -> Option<OperationId> {
        self.0.get(CAPTURE)?.parse().ok()
    }
}

/// `payment_intent`
#[derive(Debug, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) amount: Option<StripeAmount>,
    pub(super) amount_capturable: Option<StripeAmount>,
    pub(super) amount_received: Option<StripeAmount>,
    pub(super) currency: Option<String>,
    pub(super) status: Option<String>,
    pub(super) client_secret: Option<SecretString>,
    pub(super) next_action: Option<serde_json::Value>,
    pub(super) last_payment_error: Option<ErrorObject>,
    pub(super) payment_method: Option<Expandable<Identified>>,
    pub(super) latest_charge: Option<Expandable<Charge>>,
    pub(super) metadata: Option<Metadata>,
}

/// `charge`
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) created: Option<i64>,
    pub(super) balance_transaction: Option<Expandable<BalanceTransaction>>,
    pub(super) refunds: Option<Page<Refund>>,
    pub(super) payment_method_details: Option<MethodDetails>,
    /// All of its ledger lines, oldest first, where they were read.
    #[serde(skip)]
    pub(super) lines: Option<Vec<BalanceTransaction>>,
}

/// What a charge tells of the method that was charged.
#[derive(Debug, Deserialize)]
pub(super) struct MethodDetails {
    pub(super) card: Option<CardDetails>,
}

/// What a charge tells of a card.
#[derive(Debug, Deserialize)]
pub(super) struct CardDetails {
    pub(super) multicapture: Option<Availability>,
}

/// Whether a card allows something.
#[derive(Debug, Deserialize)]
pub(super) struct Availability {
    pub(super) status: Option<String>,
}

/// `checkout.session`
#[derive(Debug, Deserialize)]
pub(super) struct CheckoutSession {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) url: Option<SecretString>,
    pub(super) payment_intent: Option<Expandable<Identified>>,
    pub(super) expires_at: Option<i64>,
    pub(super) metadata: Option<Metadata>,
}

/// `refund`
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: Option<StripeAmount>,
    pub(super) currency: Option<String>,
    pub(super) status: Option<String>,
    pub(super) created: Option<i64>,
    pub(super) payment_intent: Option<Expandable<Identified>>,
    pub(super) metadata: Option<Metadata>,
    pub(super) balance_transaction: Option<Expandable<BalanceTransaction>>,
}

/// `balance_transaction`
#[derive(Debug, Deserialize)]
pub(super) struct BalanceTransaction {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) amount: Option<StripeAmount>,
    pub(super) fee: Option<StripeAmount>,
    pub(super) net: Option<StripeAmount>,
    pub(super) currency: Option<String>,
    pub(super) source: Option<Expandable<Identified>>,
    pub(super) created: Option<i64>,
    pub(super) available_on: Option<i64>,
    pub(super) reporting_category: Option<String>,
    pub(super) description: Option<String>,
    pub(super) exchange_rate: Option<serde_json::Number>,
    #[serde(default)]
    pub(super) fee_details: Vec<FeeDetail>,
}

/// One part of a balance transaction's fee.
#[derive(Debug, Deserialize)]
pub(super) struct FeeDetail {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) amount: Option<StripeAmount>,
}

/// The `error` of an answer, and a payment intent's `last_payment_error`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorObject {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) param: Option<String>,
    pub(super) payment_intent: Option<Box<PaymentIntent>>,
    pub(super) setup_intent: Option<Box<SetupIntent>>,
}
