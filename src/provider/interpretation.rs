//! What an event turns out to be about.

use crate::domain::dispute::DisputeSnapshot;
use crate::domain::ids::{PaymentId, SetupId};
use crate::domain::payout::PayoutSnapshot;
use crate::domain::snapshot::Snapshot;
use crate::domain::standing::Standing;

/// A part of a payment, by the provider's id of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PartRef {
    /// All of it: the payment itself, where an event does not say which of ours it is.
    Whole(String),
    /// A charge.
    Charge(String),
    /// A refund.
    Refund(String),
}

impl PartRef {
    /// The provider's id of it.
    #[must_use]
    pub fn reference(&self) -> &str {
        match self {
            Self::Whole(reference) | Self::Charge(reference) | Self::Refund(reference) => reference,
        }
    }
}

/// What an event is about.
#[derive(Clone, Debug)]
pub enum Interpretation {
    /// A payment changed.
    Payment {
        /// The provider's id of it.
        reference: String,
        /// Our id of it, where the provider gives back what we told it.
        payment: Option<PaymentId>,
        /// How it stood; none where the event shows too little and the payment must be read.
        snapshot: Option<Box<Snapshot>>,
    },
    /// A page on which a payment is paid changed.
    Checkout {
        /// The provider's id of it.
        reference: String,
        /// Our id of the payment, where the provider gives back what we told it.
        payment: Option<PaymentId>,
        /// How it stood; none where the event shows too little.
        snapshot: Option<Box<Snapshot>>,
    },
    /// A setup changed.
    Setup {
        /// The provider's id of it.
        reference: String,
        /// Our id of it, where the provider gives back what we told it.
        setup: Option<SetupId>,
    },
    /// A payment method changed, came or went.
    PaymentMethod {
        /// The provider's id of it.
        reference: String,
        /// The provider's id of whose it was at the time.
        customer: Option<String>,
    },
    /// A mandate changed.
    Mandate {
        /// The provider's id of it.
        reference: String,
        /// The provider's id of the method that may be debited, where it says.
        method: Option<String>,
    },
    /// A dispute was opened or changed.
    Dispute {
        /// The provider's id of it.
        reference: String,
        /// How it stood; none where the event shows too little and the dispute must be read.
        snapshot: Option<Box<DisputeSnapshot>>,
    },
    /// A part of a payment changed, and the event does not say whose: [`Provider::resolve`](super::Provider::resolve) finds out.
    Part(PartRef),
    /// A charge changed, or a refund of it, and the event names no payment that it is of.
    Charge {
        /// The provider's id of the charge.
        reference: String,
        /// Our id of the payment, where the provider gives back what we told it.
        payment: Option<PaymentId>,
    },
    /// A payout was made or changed.
    Payout {
        /// The provider's id of it.
        reference: String,
        /// How it stood; none where the event shows too little and the payout must be read.
        snapshot: Option<Box<PayoutSnapshot>>,
    },
    /// What the account may do changed, and this is how it stood; none where the account must be read.
    Account(Option<Box<Standing>>),
    /// The account took from us the right to act for it.
    Deauthorized,
    /// Nothing that we follow.
    NotFollowed,
}

impl Interpretation {
    /// The provider's id of the object that it is about; none where that is the account, or nothing.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Payment { reference, .. }
            | Self::Checkout { reference, .. }
            | Self::Setup { reference, .. }
            | Self::PaymentMethod { reference, .. }
            | Self::Mandate { reference, .. }
            | Self::Dispute { reference, .. }
            | Self::Charge { reference, .. }
            | Self::Payout { reference, .. } => Some(reference),
            Self::Part(part) => Some(part.reference()),
            Self::Account(_) | Self::Deauthorized | Self::NotFollowed => None,
        }
    }
}
