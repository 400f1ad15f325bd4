//! Payments and operations to try a provider with, and what comes of them.

use std::sync::Arc;

use quittance::domain::ids::OperationId;
use quittance::domain::money::Amount;
use quittance::domain::operation::{Ask, Operation, OperationKind};
use quittance::domain::payment::{CaptureMethod, Payment, PaymentState, Reference};
use quittance::domain::snapshot::{PaymentSnapshot, RefundSnapshot, Said, Snapshot};
use quittance::provider::{Call, ObjectRef, Outcome, Provider, ProviderAccount, ProviderError};

use super::{Bank, Subject};
use crate::support::now;

/// Money with a number of minor units that every company can say.
pub(crate) fn amount(minor: i64, currency: &str) -> Amount {
    Amount::parse(minor, currency.parse().unwrap()).unwrap()
}

pub(crate) fn operation(payment: &Payment, kind: OperationKind, amount_minor: i64, ask: Ask) -> Operation {
    Operation::new(OperationId::generate(), payment, kind, amount_minor, ask, now())
}

/// An operation on all of a payment, with nothing special.
pub(crate) fn whole(payment: &Payment, kind: OperationKind) -> Operation {
    operation(payment, kind, payment.amount.minor(), Ask::default())
}

/// A provider and an account at it, as the core holds them.
pub(crate) struct Port<'a, S> {
    pub(crate) subject: &'a S,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) account: ProviderAccount,
}

impl<'a, S: Subject> Port<'a, S> {
    pub(crate) fn of(subject: &'a S) -> Self {
        Self {
            subject,
            provider: subject.provider(),
            account: subject.account(),
        }
    }

    /// The same provider over another account.
    pub(crate) fn over(subject: &'a S, account: ProviderAccount) -> Self {
        Self {
            account,
            ..Self::of(subject)
        }
    }

    /// A payment of EUR 121.00 that nobody has asked for.
    pub(crate) fn payment(&self, capture_method: CaptureMethod) -> Payment {
        self.payment_of(capture_method, amount(12_100, "EUR"))
    }

    pub(crate) fn payment_of(&self, capture_method: CaptureMethod, amount: Amount) -> Payment {
        let reference = Reference::parse("S00042").unwrap();
        let (merchant, account) = (self.account.merchant_id, self.account.id);
        Payment {
            capture_method,
            ..Payment::new(merchant, account, reference, amount, now())
        }
    }

    pub(crate) async fn execute(
        &self,
        payment: &Payment,
        operation: &Operation,
    ) -> Result<Outcome, ProviderError> {
        let call = Call { payment, operation };
        self.provider.execute(&self.account, call).await
    }

    pub(crate) async fn find(
        &self,
        payment: &Payment,
        operation: &Operation,
    ) -> Result<Option<Outcome>, ProviderError> {
        let call = Call { payment, operation };
        self.provider.find(&self.account, call).await
    }

    pub(crate) async fn fetch(&self, payment: &Payment) -> PaymentSnapshot {
        let object = ObjectRef::Payment(payment.provider_reference.clone().unwrap());
        payment_said(self.provider.fetch(&self.account, &object).await.unwrap())
    }

    /// Reads a payment and takes in what it says.
    pub(crate) async fn read(&self, payment: &mut Payment) {
        let said = self.fetch(payment).await;
        payment.take_in(&said, now());
    }

    /// Carries an operation out and takes in what it did to the payment.
    pub(crate) async fn done(&self, payment: &mut Payment, operation: &Operation) -> Snapshot {
        let said = done(self.execute(payment, operation).await.unwrap());
        if let Snapshot::Payment(said) = &said {
            payment.take_in(said, now());
        }
        said
    }

    /// A payment that the customer was asked for.
    pub(crate) async fn asked(&self, capture_method: CaptureMethod) -> Payment {
        let mut payment = self.payment(capture_method);
        let authorize = whole(&payment, OperationKind::Authorize);
        self.done(&mut payment, &authorize).await;
        payment
    }

    /// A payment that the customer has paid, or whose money is held for us.
    pub(crate) async fn paid(&self, capture_method: CaptureMethod) -> Payment {
        let mut payment = self.asked(capture_method).await;
        self.customer_pays(&payment, Bank::Agrees).await;
        self.read(&mut payment).await;
        let expected = match capture_method {
            CaptureMethod::Automatic => PaymentState::Captured,
            CaptureMethod::Manual => PaymentState::Authorized,
        };
        assert_eq!(payment.state, expected);
        payment
    }

    pub(crate) async fn customer_pays(&self, payment: &Payment, bank: Bank) {
        let reference = payment.provider_reference.as_deref().unwrap();
        self.subject.customer_pays(reference, bank).await;
        self.subject.settle();
    }
}

pub(crate) fn done(outcome: Outcome) -> Snapshot {
    match outcome {
        Outcome::Done(snapshot) => snapshot,
        Outcome::Declined { decline, .. } => panic!("declined: {}", decline.code),
    }
}

pub(crate) fn payment_said(snapshot: Snapshot) -> PaymentSnapshot {
    match snapshot {
        Snapshot::Payment(said) => said,
        other @ (Snapshot::Refund(_) | Snapshot::Checkout(_)) => panic!("no payment: {other:?}"),
    }
}

pub(crate) fn refund_said(snapshot: Snapshot) -> RefundSnapshot {
    match snapshot {
        Snapshot::Refund(said) => said,
        other @ (Snapshot::Payment(_) | Snapshot::Checkout(_)) => panic!("no refund: {other:?}"),
    }
}

/// The state, where the word for it is known.
pub(crate) fn known<T: Copy>(said: &Said<T>) -> T {
    match said {
        Said::Known(state) => *state,
        Said::Unrecognized(word) => panic!("an unknown word: {word}"),
    }
}

pub(crate) const fn is_ambiguous(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Ambiguous { .. })
}

pub(crate) const fn is_invalid(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Invalid { .. })
}

pub(crate) const fn is_unavailable(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Unavailable { .. })
}
