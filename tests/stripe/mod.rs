//! The port to payment companies, kept by our Stripe against a pretend one, over real HTTP.

mod budget;
mod faults;
mod lookups;
mod walk;
mod wire;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use quittance::domain::ids::{MerchantId, OperationId, ProviderAccountId};
use quittance::domain::money::Amount;
use quittance::domain::operation::{Ask, Operation, OperationKind};
use quittance::domain::payment::{CaptureMethod, Payment, PaymentState, Reference};
use quittance::domain::snapshot::{PaymentSnapshot, RefundSnapshot, Said, Snapshot};
use quittance::provider::{Call, ObjectRef, Outcome, Provider, ProviderAccount, ProviderError};
use quittance::stripe::{Limits, Stripe, Timeouts, http_client};
use quittance_sandbox::stripe::{Options, PretendStripe};
use secrecy::ExposeSecret;
use time::OffsetDateTime;

/// Our Stripe, a pretend one, and an account there.
struct Test {
    stripe: Stripe,
    account: ProviderAccount,
    pretend: PretendStripe,
}

/// Long enough that nothing times out unless it is made to.
const PATIENT: Timeouts = Timeouts {
    per_attempt: Duration::from_secs(10),
    total: Duration::from_secs(20),
};
/// Short enough to wait for.
const HASTY: Timeouts = Timeouts {
    per_attempt: Duration::from_secs(1),
    total: Duration::from_secs(4),
};

/// So many requests in a second that nothing waits for its turn.
const AMPLE: Limits = limits(10_000, 10_000, 10_000);

const fn limits(live: u32, test: u32, endpoint: u32) -> Limits {
    const fn rate(per_s: u32) -> NonZeroU32 {
        NonZeroU32::new(per_s).unwrap()
    }
    Limits {
        live: rate(live),
        test: rate(test),
        endpoint: rate(endpoint),
    }
}

impl Test {
    async fn new() -> Self {
        Self::with(PATIENT, Options::default()).await
    }

    async fn with(timeouts: Timeouts, options: Options) -> Self {
        Self::limited(timeouts, AMPLE, options).await
    }

    async fn limited(timeouts: Timeouts, limits: Limits, options: Options) -> Self {
        let pretend = PretendStripe::start(options).await.unwrap();
        let account = ProviderAccount {
            merchant_id: MerchantId::generate(),
            id: ProviderAccountId::generate(),
            provider: "stripe".to_owned(),
            live: false,
            external_account: None,
            api_base: pretend.url().parse().unwrap(),
            secret_key: pretend.secret_key().into(),
            publishable_key: None,
        };
        Self {
            stripe: Stripe::new(http_client().unwrap(), timeouts, limits),
            account,
            pretend,
        }
    }

    async fn execute(&self, payment: &Payment, operation: &Operation) -> Result<Outcome, ProviderError> {
        self.stripe
            .execute(&self.account, Call { payment, operation })
            .await
    }

    async fn find(&self, payment: &Payment, operation: &Operation) -> Result<Option<Outcome>, ProviderError> {
        self.stripe.find(&self.account, Call { payment, operation }).await
    }

    async fn fetch(&self, payment: &Payment) -> PaymentSnapshot {
        let reference = payment.provider_reference.clone().unwrap();
        payment_said(
            self.stripe
                .fetch(&self.account, &ObjectRef::Payment(reference))
                .await
                .unwrap(),
        )
    }

    /// Carries an operation out and takes in what it did to the payment.
    async fn done(&self, payment: &mut Payment, operation: &Operation) -> Snapshot {
        let said = snapshot(self.execute(payment, operation).await);
        if let Snapshot::Payment(said) = &said {
            payment.take_in(said, OffsetDateTime::UNIX_EPOCH);
        }
        said
    }

    /// A payment that a customer's card was charged for, or whose money is held for us.
    async fn paid(&self, capture_method: CaptureMethod, card: &str) -> Payment {
        let mut payment = payment(capture_method);
        let authorize = confirmed_with(&payment, card);
        self.done(&mut payment, &authorize).await;
        payment
    }

    /// The customer pays a payment in the browser.
    async fn customer_pays(&self, payment: &Payment, card: &str) -> serde_json::Value {
        let secret = payment.client_secret.as_ref().unwrap().expose_secret();
        let intent = payment.provider_reference.as_ref().unwrap();
        self.pretend
            .customer()
            .confirm(intent, secret, card)
            .await
            .unwrap()
    }
}

fn payment(capture_method: CaptureMethod) -> Payment {
    let amount = Amount::parse(12_100, "EUR".parse().unwrap()).unwrap();
    let reference = Reference::parse("S00042").unwrap();
    let (merchant, account) = (MerchantId::generate(), ProviderAccountId::generate());
    Payment {
        capture_method,
        state: PaymentState::Unknown,
        description: Some("Invoice 42".to_owned()),
        metadata: BTreeMap::from([("ticket".to_owned(), "7".to_owned())]),
        ..Payment::new(merchant, account, reference, amount, OffsetDateTime::UNIX_EPOCH)
    }
}

fn operation(payment: &Payment, kind: OperationKind, amount_minor: i64) -> Operation {
    let (id, ask) = (OperationId::generate(), Ask::default());
    Operation::new(id, payment, kind, amount_minor, ask, OffsetDateTime::UNIX_EPOCH)
}

fn authorize(payment: &Payment) -> Operation {
    operation(payment, OperationKind::Authorize, payment.amount.minor())
}

/// An authorization with a card at once, the customer being there.
fn confirmed_with(payment: &Payment, card: &str) -> Operation {
    let back = Some("https://shop.example/back".to_owned());
    let ask = Ask {
        payment_method: Some(card.to_owned()),
        return_url: back,
        ..Ask::default()
    };
    Operation {
        ask,
        ..authorize(payment)
    }
}

fn snapshot(outcome: Result<Outcome, ProviderError>) -> Snapshot {
    match outcome.unwrap() {
        Outcome::Done(snapshot) => snapshot,
        Outcome::Declined { decline, .. } => panic!("declined: {}", decline.code),
    }
}

fn payment_said(snapshot: Snapshot) -> PaymentSnapshot {
    match snapshot {
        Snapshot::Payment(said) => said,
        other @ (Snapshot::Refund(_) | Snapshot::Checkout(_)) => panic!("no payment: {other:?}"),
    }
}

fn refund_said(snapshot: Snapshot) -> RefundSnapshot {
    match snapshot {
        Snapshot::Refund(said) => said,
        other @ (Snapshot::Payment(_) | Snapshot::Checkout(_)) => panic!("no refund: {other:?}"),
    }
}

const fn known(state: PaymentState) -> Said<PaymentState> {
    Said::Known(state)
}
