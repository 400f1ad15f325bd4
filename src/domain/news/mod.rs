//! What our addon in Odoo is told: each thing as a whole, each time it changes.

mod payment;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::customer::Customer;
use super::day;
use super::dispute::Dispute;
use super::ids::{CustomerId, DisputeId, PaymentId, PaymentMethodId, SetupId};
use super::line_link::LineLink;
use super::money::Currency;
use super::payment::Decline;
use super::payment_method::{MethodState, PaymentMethod};
use super::posting::Settles;
use super::setup::{Setup, SetupState};

pub use payment::{Beside, Mode, OdooState, OperationNews, PaymentNews, RefundNews, ReturnNews};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// A payment has a new version.
    PaymentUpdated {
        /// All that is known of it at that version.
        payment: Box<PaymentNews>,
    },
    /// A setup has.
    SetupUpdated {
        /// All that is known of it at that version.
        setup: Box<SetupNews>,
    },
    /// A saved method has.
    PaymentMethodUpdated {
        /// All that is known of it at that version.
        payment_method: MethodNews,
    },
    /// A dispute has.
    DisputeUpdated {
        /// All that is known of it at that version.
        dispute: Box<DisputeNews>,
    },
    /// A payment that did not start here was linked by hand to what it pays.
    PaymentLinked {
        /// What it pays, and what its booking meets.
        link: Box<LinkNews>,
    },
}

impl News {
    /// What makes it one and the same: a version is told once.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::PaymentUpdated { payment } => format!("{}_{}", payment.id, payment.version),
            Self::SetupUpdated { setup } => format!("{}_{}", setup.id, setup.version),
            Self::PaymentMethodUpdated { payment_method } => {
                format!("{}_{}", payment_method.id, payment_method.version)
            }
            Self::DisputeUpdated { dispute } => format!("{}_{}", dispute.id, dispute.version),
            Self::PaymentLinked { link } => link.source.clone(),
        }
    }

    /// Its kind in one word, as stored and shown.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PaymentUpdated { .. } => "payment_updated",
            Self::SetupUpdated { .. } => "setup_updated",
            Self::PaymentMethodUpdated { .. } => "payment_method_updated",
            Self::DisputeUpdated { .. } => "dispute_updated",
            Self::PaymentLinked { .. } => "payment_linked",
        }
    }
}

/// Who pays, or leaves a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerNews {
    /// Its id.
    pub id: CustomerId,
    /// Odoo's own name of the partner.
    pub partner: String,
}

impl From<&Customer> for CustomerNews {
    fn from(customer: &Customer) -> Self {
        Self {
            id: customer.id,
            partner: customer.partner.as_str().to_owned(),
        }
    }
}

/// A saved method: enough to tell one from another, and nothing that pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodNews {
    /// Its id.
    pub id: PaymentMethodId,
    /// Of two of the same method, the higher one is how it stands.
    pub version: i64,
    /// The provider's word, such as `card` or `sepa_debit`.
    pub kind: String,
    /// A card's brand, or a bank's name.
    pub brand: Option<String>,
    /// The last four characters of its number.
    pub last4: Option<String>,
    /// The month in which a card ends.
    pub exp_month: Option<i16>,
    /// The year in which a card ends.
    pub exp_year: Option<i16>,
    /// Whether it can still be used.
    pub state: Usable,
}

/// Whether a saved method can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usable {
    /// It can.
    Active,
    /// It was taken from its customer, for ever.
    Detached,
}

impl From<&PaymentMethod> for MethodNews {
    fn from(method: &PaymentMethod) -> Self {
        let face = method.face.clone();
        Self {
            id: method.id,
            version: method.version,
            kind: face.kind,
            brand: face.brand,
            last4: face.last4,
            exp_month: face.exp_month,
            exp_year: face.exp_year,
            state: match method.state {
                MethodState::Attached => Usable::Active,
                MethodState::Detached => Usable::Detached,
            },
        }
    }
}

/// A setup as a whole, without what opens it in a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupNews {
    /// Its id.
    pub id: SetupId,
    /// Of two of the same setup, the higher one is how it stands.
    pub version: i64,
    /// Odoo's own reference of it.
    pub reference: Option<String>,
    /// Where it stands.
    pub state: SetupState,
    /// Why the last attempt was declined, until one succeeds.
    pub decline: Option<Decline>,
    /// Who leaves a method.
    pub customer: CustomerNews,
    /// What was saved, once something is.
    pub payment_method: Option<MethodNews>,
}

impl SetupNews {
    /// A setup as it stands.
    #[must_use]
    pub fn of(setup: &Setup, customer: &Customer, method: Option<&PaymentMethod>) -> Self {
        Self {
            id: setup.id,
            version: setup.version,
            reference: setup
                .reference
                .as_ref()
                .map(|reference| reference.as_str().to_owned()),
            state: setup.state,
            decline: setup.decline.clone(),
            customer: customer.into(),
            payment_method: method.map(Into::into),
        }
    }
}

/// A dispute as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeNews {
    /// Its id.
    pub id: DisputeId,
    /// Of two of the same dispute, the higher one is how it stands.
    pub version: i64,
    /// The payment that it is about.
    pub payment: PaymentId,
    /// Odoo's own reference of that.
    pub reference: String,
    /// The provider's id of it (`dp_…`): what its bookings are labelled with.
    pub provider_reference: String,
    /// The charge that it is about.
    pub charge: Option<String>,
    /// Where it stands: our word, or the provider's own where it came after us.
    pub state: String,
    /// The provider's word for why.
    pub reason: Option<String>,
    /// ISO 4217.
    pub currency: Currency,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Until when the bank takes evidence, where it does.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_at: Option<OffsetDateTime>,
    /// When the bank opened it.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
}

impl DisputeNews {
    /// A dispute as it stands, of a payment with this reference.
    #[must_use]
    pub fn of(dispute: &Dispute, payment: PaymentId, reference: &str) -> Self {
        let told = &dispute.told;
        Self {
            id: dispute.id,
            version: dispute.version,
            payment,
            reference: reference.to_owned(),
            provider_reference: told.provider_reference.clone(),
            charge: told.charge_reference.clone(),
            state: told.state.word().to_owned(),
            reason: told.reason.clone(),
            currency: told.amount.currency,
            amount_minor: told.amount.minor,
            due_at: told.due_at,
            opened_at: told.opened_at,
        }
    }
}

/// What a payment that did not start here pays, as a person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkNews {
    /// What its booking meets.
    pub source: String,
    /// The ledger line of it (`txn_…`), for people who look it up.
    pub balance_transaction: String,
    /// What Odoo calls what it pays.
    pub reference: String,
    /// ISO 4217.
    pub currency: Currency,
    /// What the customer paid, in minor units.
    pub amount_minor: i64,
    /// The day on which it was linked, in UTC.
    #[serde(with = "day")]
    pub linked_on: Date,
    /// The documents that it settles.
    pub settles: Vec<Settles>,
}

impl LinkNews {
    /// A link whose booking meets `source`.
    #[must_use]
    pub fn of(link: &LineLink, source: &str, linked_on: Date) -> Self {
        Self {
            source: source.to_owned(),
            balance_transaction: link.balance_transaction.clone(),
            reference: link.reference.as_str().to_owned(),
            currency: link.amount.currency,
            amount_minor: link.amount.minor,
            linked_on,
            settles: link.settles.clone(),
        }
    }
}
