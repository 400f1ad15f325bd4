//! Why a use case could not do it, sorted by what the caller can do about it.

use std::net::IpAddr;
use std::time::Duration;

use super::reconciliation::opening::OpeningRefused;
use crate::domain::checkout::CheckoutState;
use crate::domain::dispute::DisputeRuleBroken;
use crate::domain::exception::BoundToMessage;
use crate::domain::ids::{PaymentId, ProviderAccountId};
use crate::domain::ledger::SuspenseRuleBroken;
use crate::domain::outbox::OutboxState;
use crate::domain::payment::{PaymentState, RuleBroken};
use crate::domain::scope::Scope;
use crate::provider::ProviderError;
use crate::sink::SinkError;
use crate::store::StoreError;
use crate::store::personal::Unfinished;

/// Why a use case could not do it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No such thing, or another merchant's: the two look alike.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// What was sent cannot be right.
    #[error("{field} {message}")]
    Invalid {
        /// Where in the request, as a JSON path or a header's name.
        field: &'static str,
        /// A stable code.
        code: &'static str,
        /// What to do.
        message: String,
    },
    /// The payment as it stands does not allow it.
    #[error(transparent)]
    Rule(#[from] RuleBroken),
    /// The dispute as it stands does not allow it.
    #[error(transparent)]
    Dispute(#[from] DisputeRuleBroken),
    /// The account's provider cannot do it.
    #[error("the provider of this account has no {what}")]
    NotSupported {
        /// What it has not.
        what: String,
    },
    /// Another payment of the document has, or may get, the customer's money.
    #[error("{payment}, which settles {document}, is {state}")]
    DocumentInPayment {
        /// That payment.
        payment: PaymentId,
        /// Where it stands.
        state: PaymentState,
        /// The document, as `model,id`.
        document: String,
    },
    /// The account took from us the right to act for it.
    #[error("{0} took from us the right to act for it; connect it again at the provider")]
    AccountDeauthorized(ProviderAccountId),
    /// The page is not open any more.
    #[error("the page is {0}")]
    CheckoutNotOpen(CheckoutState),
    /// The payment method was taken from its customer.
    #[error("the payment method is detached: it can never be used again")]
    MethodDetached,
    /// Another living payment has the reference.
    #[error("the reference belongs to {payment}")]
    ReferenceInUse {
        /// That payment.
        payment: PaymentId,
        /// Whether it is of another amount.
        differs: bool,
    },
    /// The key stands for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The first request with the key is still being served.
    #[error("a request with this idempotency key is being served")]
    InFlight {
        /// When to come back.
        retry_after: Duration,
    },
    /// The database was put back, and does not know yet what its providers did since.
    #[error("the database was restored, and its providers have not told everything since")]
    Fenced,
    /// The provider did not take the request; it may be repeated under its key.
    #[error("the provider did not take the request")]
    Provider(#[source] ProviderError),
    /// An account names a provider that this version does not have.
    #[error("no provider is called {0}")]
    UnknownProvider(String),
    /// Nobody, or nobody we know.
    #[error("no valid key was presented")]
    Unauthenticated,
    /// The address failed to prove itself too often.
    #[error("the address failed to authenticate too often")]
    FailedTooOften {
        /// When to come back.
        retry_after: Duration,
    },
    /// The key is good, but not from there.
    #[error("the key may not be used from {0}")]
    AddressNotAllowed(IpAddr),
    /// The key was connected from another database than the one that uses it.
    #[error("the key was connected from another database")]
    DatabaseMismatch,
    /// The key was connected from a database, and the request does not say from which it comes.
    #[error("the request does not say which database it comes from")]
    DatabaseMissing,
    /// The key is good, but its merchant is out of use.
    #[error("the merchant is disabled")]
    MerchantDisabled,
    /// Only an operator may do it.
    #[error("only an operator may do it")]
    OperatorOnly,
    /// Nothing begins at the account.
    #[error("{0} is disabled")]
    AccountDisabled(ProviderAccountId),
    /// What it is about does not allow it as it stands.
    #[error("{message}")]
    Refused {
        /// A stable code.
        code: &'static str,
        /// Why, and what to do.
        message: String,
    },
    /// The key may not do it.
    #[error("the key lacks the scope {0}")]
    ScopeMissing(Scope),
    /// A worker has the event.
    #[error("a worker has the event")]
    EventLeased,
    /// Only what is dead, or waits, can be taken up by hand.
    #[error("the message is {0}")]
    MessageNotDead(OutboxState),
    /// The exception goes with its message.
    #[error(transparent)]
    BoundToMessage(#[from] BoundToMessage),
    /// The account cannot be opened so.
    #[error("the account cannot be opened at that date")]
    Opening(#[from] OpeningRefused),
    /// Money in Suspense cannot be moved so.
    #[error(transparent)]
    Suspense(#[from] SuspenseRuleBroken),
    /// Something may still come of what the customer began.
    #[error("the customer cannot be erased: {0}")]
    Unfinished(Unfinished),
    /// Odoo could not be set up.
    #[error("odoo could not be set up")]
    Sink(#[from] SinkError),
    /// The store could not do it.
    #[error(transparent)]
    Store(StoreError),
    /// A task of ours ended early.
    #[error("work ended early")]
    Interrupted,
}

impl AppError {
    /// What happened, with the provider's or Odoo's own words: for whoever looks after the merchant, never for a log.
    pub(super) fn told(&self) -> String {
        if let Self::Provider(error) = self {
            return error.told();
        }
        self.to_string()
    }

    /// Something else is under way that must end first.
    pub(super) const fn in_flight() -> Self {
        Self::InFlight {
            retry_after: Duration::from_secs(1),
        }
    }
}

/// Names what is not there.
pub(super) fn no(what: &'static str) -> impl FnOnce(StoreError) -> AppError {
    move |error| {
        if matches!(error, StoreError::NotFound) {
            AppError::NotFound(what)
        } else {
            error.into()
        }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::NotFound) {
            Self::NotFound("resource")
        } else {
            Self::Store(error)
        }
    }
}

/// Why it ended is left out: a panic's message may hold anything. Where it did is logged as it happens.
impl From<tokio::task::JoinError> for AppError {
    fn from(_: tokio::task::JoinError) -> Self {
        Self::Interrupted
    }
}

impl From<crate::crypto::CryptoError> for AppError {
    fn from(error: crate::crypto::CryptoError) -> Self {
        Self::Store(error.into())
    }
}
