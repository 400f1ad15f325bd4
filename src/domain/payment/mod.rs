//! Money owed for one Odoo transaction reference.

#[cfg(test)]
mod convergence;
mod decide;
mod rules;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::day;
use super::ids::{CustomerId, MerchantId, OdooInstanceId, OperationId, PaymentId, ProviderAccountId};
use super::money::{Amount, Money};
use super::posting::Settles;
use super::snapshot::Said;

pub use decide::{Authority, Decision, decide};
pub use rules::{Heard, RuleBroken};
pub use terms::{Address, MandateAcceptance, Shipping, Terms, Usage};

/// Where a payment stands. Partial captures and refunds are amounts, not states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PaymentState {
    /// Waiting for the customer to choose how to pay.
    Created,
    /// Waiting for the customer to prove who they are.
    RequiresAction,
    /// With the customer's bank.
    Processing,
    /// The money is held for us and can be captured.
    Authorized,
    /// Nothing is left to capture.
    Captured,
    /// The provider never took it on.
    Failed,
    /// Called off.
    Canceled,
    /// Whether the provider took it on is being found out.
    Unknown,
}

impl PaymentState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::RequiresAction,
        Self::Processing,
        Self::Authorized,
        Self::Captured,
        Self::Failed,
        Self::Canceled,
        Self::Unknown,
    ];

    /// Reads a provider's payment's word back.
    #[must_use]
    pub fn said(word: String) -> Said<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.to_string() == word)
            .map_or(Said::Unrecognized(word), Said::Known)
    }

    /// Whether no money can move towards us any more by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Captured | Self::Failed | Self::Canceled)
    }

    /// Whether it has or may get the customer's money, and so keeps its reference from others.
    #[must_use]
    pub const fn is_living(self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }
}

impl std::fmt::Display for PaymentState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        })
    }
}

/// When the money is taken.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CaptureMethod {
    /// As soon as the customer's bank agrees.
    #[default]
    Automatic,
    /// When the merchant asks for it.
    Manual,
}

/// Why an attempt was declined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Decline {
    /// The provider's code, such as `insufficient_funds`.
    pub code: String,
    /// The provider's words for the customer.
    pub message: String,
}

/// Odoo's own reference of the transaction: 1 to 255 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference(String);

/// A text that can be no reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be 1 to 255 characters without control characters")]
pub struct ReferenceError;

impl Reference {
    /// Takes a text for a reference.
    pub fn parse(text: impl Into<String>) -> Result<Self, ReferenceError> {
        let text = text.into();
        let fits = (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text)) } else { Err(ReferenceError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One taking of a payment's money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// What its ledger line meets in Odoo: the provider's charge, and for each further capture of it how far it then reached.
    pub source: String,
    /// The operation that took it; none where the payment took it by itself, or somebody did at the provider.
    pub operation: Option<OperationId>,
    /// Odoo's own reference of that.
    pub reference: Option<String>,
    /// How much, in minor units of the payment's currency.
    pub amount_minor: i64,
    /// The day on which it was taken, in UTC.
    #[serde(with = "day")]
    pub captured_on: Date,
}

/// Money owed for one Odoo transaction reference, and what became of it.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: PaymentId,
    /// Where it is charged.
    pub provider_account_id: ProviderAccountId,
    /// Whose books it goes into, where it goes into any.
    pub odoo_instance_id: Option<OdooInstanceId>,
    /// Odoo's own reference of it.
    pub reference: Reference,
    /// What the customer owes.
    pub amount: Amount,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// Where it stands.
    pub state: PaymentState,
    /// Who pays, where that is known.
    pub customer_id: Option<CustomerId>,
    /// The provider's id of who pays (`cus_…`).
    pub customer_reference: Option<String>,
    /// The provider's id of the method that is or was tried (`pm_…`), where there is a customer whose it may be.
    pub method_reference: Option<String>,
    /// What it says to the customer and their bank beside the amount.
    pub terms: Terms,
    /// Whether it is paid on a page of the provider's.
    pub hosted: bool,
    /// Until when the customer may pay.
    pub expires_at: Option<OffsetDateTime>,
    /// Whether it was asked for although another payment of a document was in the way.
    pub allow_double: bool,
    /// What is or was held for us, in minor units.
    pub authorized_minor: i64,
    /// What was taken, in minor units. A failed refund does not change it.
    pub captured_minor: i64,
    /// What was given back or is on its way, in minor units.
    pub refunded_minor: i64,
    /// How much of what was taken is queued for Odoo, in minor units.
    pub posted_minor: i64,
    /// What that was, each time it was taken, oldest first.
    pub captures: Vec<Capture>,
    /// When we learned that nothing is left to take.
    pub captured_at: Option<OffsetDateTime>,
    /// What open and lost disputes took, in minor units. Inquiries take nothing.
    pub disputed_minor: i64,
    /// The provider's id of it (`pi_…`), once it has one.
    pub provider_reference: Option<String>,
    /// The provider's charge that counts (`ch_…`), once there is one.
    pub charge_reference: Option<String>,
    /// What lets the customer's browser finish it.
    pub client_secret: Option<SecretString>,
    /// What the customer must do, as the provider's script wants it.
    pub next_action: Option<serde_json::Value>,
    /// Why the last attempt was declined, until one succeeds.
    pub decline: Option<Decline>,
    /// The documents it settles.
    pub settles: Vec<Settles>,
    /// What the merchant says of it, for people.
    pub description: Option<String>,
    /// The merchant's own notes.
    pub metadata: BTreeMap<String, String>,
    /// Grows with every change of what is known of it.
    pub version: i64,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

impl Payment {
    /// A payment that nobody was asked for yet.
    #[must_use]
    pub fn new(
        merchant_id: MerchantId,
        provider_account_id: ProviderAccountId,
        reference: Reference,
        amount: Amount,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            merchant_id,
            id: PaymentId::generate(),
            provider_account_id,
            odoo_instance_id: None,
            reference,
            amount,
            capture_method: CaptureMethod::Automatic,
            state: PaymentState::Created,
            customer_id: None,
            customer_reference: None,
            method_reference: None,
            terms: Terms::default(),
            hosted: false,
            expires_at: None,
            allow_double: false,
            authorized_minor: 0,
            captured_minor: 0,
            refunded_minor: 0,
            posted_minor: 0,
            captures: Vec::new(),
            disputed_minor: 0,
            captured_at: None,
            provider_reference: None,
            charge_reference: None,
            client_secret: None,
            next_action: None,
            decline: None,
            settles: Vec::new(),
            description: None,
            metadata: BTreeMap::new(),
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Minor units in the currency the customer pays in.
    #[must_use]
    pub const fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.amount.currency())
    }
}
