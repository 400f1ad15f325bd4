//! From Stripe's objects to ours.

use time::OffsetDateTime;

use super::money::{Inexpressible, StripeAmount};
use super::objects::{BalanceTransaction, Charge, ErrorObject, Expandable, Metadata, PaymentIntent, Refund};
use crate::domain::balance_transaction::BalanceTransaction as Line;
use crate::domain::money::Currency;
use crate::domain::payment::{Decline, PaymentState};
use crate::domain::refund::RefundState;
use crate::domain::snapshot::{ChargeSnapshot, PaymentSnapshot, RefundSnapshot, Said, Snapshot};

/// What is missing in, or unreadable about, an object of Stripe's. Names the field, never its contents.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// A field that we cannot do without.
    #[error("{object} has no readable {field}")]
    Field {
        /// The kind of object.
        object: &'static str,
        /// The field.
        field: &'static str,
    },
    /// An amount.
    #[error(transparent)]
    Amount(#[from] Inexpressible),
}

/// An object that operations answer with.
pub(super) trait Described {
    /// What it says, in our words.
    fn describe(self) -> Result<Snapshot, Unreadable>;
}

impl Described for PaymentIntent {
    fn describe(self) -> Result<Snapshot, Unreadable> {
        self.try_into().map(Snapshot::Payment)
    }
}

impl Described for Refund {
    fn describe(self) -> Result<Snapshot, Unreadable> {
        self.try_into().map(Snapshot::Refund)
    }
}

impl TryFrom<PaymentIntent> for PaymentSnapshot {
    type Error = Unreadable;

    fn try_from(intent: PaymentIntent) -> Result<Self, Unreadable> {
        let field = Fields("payment_intent");
        let currency = field.currency(intent.currency.as_deref())?;
        let minor = |amount: Option<StripeAmount>, name| {
            field
                .need(amount, name)?
                .to_minor(currency)
                .map_err(Unreadable::from)
        };
        let charge = intent
            .latest_charge
            .and_then(Expandable::into_whole)
            .filter(|charge| !charge.failed());
        Ok(Self {
            provider_reference: intent.id,
            state: payment_state(field.need(intent.status, "status")?),
            amount: field.need(intent.amount, "amount")?.to_money(currency)?,
            capturable_minor: minor(intent.amount_capturable, "amount_capturable")?,
            captured_minor: minor(intent.amount_received, "amount_received")?,
            client_secret: intent.client_secret,
            next_action: intent.next_action,
            decline: intent.last_payment_error.map(Decline::from),
            charge: charge.map(ChargeSnapshot::try_from).transpose()?,
        })
    }
}

impl TryFrom<Charge> for ChargeSnapshot {
    type Error = Unreadable;

    fn try_from(charge: Charge) -> Result<Self, Unreadable> {
        let refunds = charge.refunds.map_or_else(Vec::new, |page| page.data);
        Ok(Self {
            id: charge.id,
            created: Fields("charge").moment(charge.created)?,
            balance_transaction: line(charge.balance_transaction)?,
            refunds: refunds
                .into_iter()
                .map(RefundSnapshot::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Charge {
    /// An attempt that was declined leaves a charge as well: one on which no money moved.
    fn failed(&self) -> bool {
        self.status.as_deref() == Some("failed")
    }
}

impl TryFrom<Refund> for RefundSnapshot {
    type Error = Unreadable;

    fn try_from(refund: Refund) -> Result<Self, Unreadable> {
        let field = Fields("refund");
        let currency = field.currency(refund.currency.as_deref())?;
        Ok(Self {
            provider_reference: refund.id,
            payment_reference: refund.payment_intent.map(Expandable::into_id),
            operation: refund.metadata.as_ref().and_then(Metadata::operation),
            state: refund_state(field.need(refund.status, "status")?),
            amount: field.need(refund.amount, "amount")?.to_money(currency)?,
            created: field.moment(refund.created)?,
            balance_transaction: line(refund.balance_transaction)?,
        })
    }
}

impl TryFrom<BalanceTransaction> for Line {
    type Error = Unreadable;

    fn try_from(line: BalanceTransaction) -> Result<Self, Unreadable> {
        let field = Fields("balance_transaction");
        let currency = field.currency(line.currency.as_deref())?;
        Ok(Self {
            id: line.id,
            kind: field.need(line.kind, "type")?,
            source: line.source.map(Expandable::into_id),
            amount: field.need(line.amount, "amount")?.to_money(currency)?,
            fee_minor: field.need(line.fee, "fee")?.to_minor(currency)?,
            net_minor: field.need(line.net, "net")?.to_minor(currency)?,
            created: field.moment(line.created)?,
        })
    }
}

impl From<ErrorObject> for Decline {
    fn from(error: ErrorObject) -> Self {
        let code = error.decline_code.or(error.code).or(error.kind);
        Self {
            code: code.unwrap_or_else(|| "declined".to_owned()),
            message: error.message.unwrap_or_default(),
        }
    }
}

fn line(written: Option<Expandable<BalanceTransaction>>) -> Result<Option<Line>, Unreadable> {
    written
        .and_then(Expandable::into_whole)
        .map(Line::try_from)
        .transpose()
}

fn payment_state(word: String) -> Said<PaymentState> {
    Said::Known(match word.as_str() {
        "requires_payment_method" | "requires_confirmation" => PaymentState::Created,
        "requires_action" => PaymentState::RequiresAction,
        "processing" => PaymentState::Processing,
        "requires_capture" => PaymentState::Authorized,
        "succeeded" => PaymentState::Captured,
        "canceled" => PaymentState::Canceled,
        _ => return Said::Unrecognized(word),
    })
}

fn refund_state(word: String) -> Said<RefundState> {
    Said::Known(match word.as_str() {
        "pending" | "requires_action" => RefundState::Pending,
        "succeeded" => RefundState::Succeeded,
        "failed" => RefundState::Failed,
        "canceled" => RefundState::Canceled,
        _ => return Said::Unrecognized(word),
    })
}

/// Names the kind of object in what it complains of.
#[derive(Clone, Copy)]
struct Fields(&'static str);

impl Fields {
    fn need<T>(self, value: Option<T>, field: &'static str) -> Result<T, Unreadable> {
        value.ok_or(Unreadable::Field {
            object: self.0,
            field,
        })
    }

    fn currency(self, code: Option<&str>) -> Result<Currency, Unreadable> {
        self.need(code.and_then(|code| code.parse().ok()), "currency")
    }

    fn moment(self, seconds: Option<i64>) -> Result<OffsetDateTime, Unreadable> {
        self.need(
            seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
            "created",
        )
    }
}
