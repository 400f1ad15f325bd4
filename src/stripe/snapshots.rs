//! From Stripe's objects to ours.

use time::OffsetDateTime;

use super::money::{Inexpressible, StripeAmount};
use super::objects::{
    BalanceTransaction, Charge, CheckoutSession, ErrorObject, Expandable, FeeDetail, Metadata, PaymentIntent,
    Refund,
};
use crate::domain::balance_transaction::{BalanceTransaction as Line, FeePart};
use crate::domain::checkout::CheckoutState;
use crate::domain::money::Currency;
use crate::domain::payment::{Decline, PaymentState};
use crate::domain::redact::mask;
use crate::domain::refund::RefundState;
use crate::domain::snapshot::{
    ChargeSnapshot, CheckoutSnapshot, PaymentSnapshot, RefundSnapshot, Said, Snapshot,
};

/// What is missing in, or unreadable about, an object of Stripe's. Names the field, never its contents.
#[derive(Clone, Copy, Debug, thiserror::Error)]
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

impl Described for CheckoutSession {
    fn describe(self) -> Result<Snapshot, Unreadable> {
        self.try_into().map(Snapshot::Checkout)
    }
}

impl TryFrom<CheckoutSession> for CheckoutSnapshot {
    type Error = Unreadable;

    fn try_from(session: CheckoutSession) -> Result<Self, Unreadable> {
        let field = Fields("checkout.session");
        let word = field.need(session.status, "status")?;
        Ok(Self {
            provider_reference: session.id,
            payment_reference: session.payment_intent.map(Expandable::into_id),
            state: match word.as_str() {
                "open" => Said::Known(CheckoutState::Open),
                "complete" => Said::Known(CheckoutState::Complete),
                "expired" => Said::Known(CheckoutState::Expired),
                _ => Said::Unrecognized(word),
            },
            url: session.url,
            expires_at: session
                .expires_at
                .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
        })
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
        let captured_minor = minor(intent.amount_received, "amount_received")?;
        let state = match payment_state(field.need(intent.status, "status")?) {
            // What was taken in part before the rest was let go stays taken.
            Said::Known(PaymentState::Canceled) if captured_minor > 0 => Said::Known(PaymentState::Captured),
            state @ (Said::Known(_) | Said::Unrecognized(_)) => state,
        };
        let charge = intent
            .latest_charge
            .and_then(Expandable::into_whole)
            .filter(|charge| !charge.failed());
        Ok(Self {
            provider_reference: intent.id,
            state,
            amount: field.need(intent.amount, "amount")?.to_money(currency)?,
            capturable_minor: minor(intent.amount_capturable, "amount_capturable")?,
            captured_minor,
            client_secret: intent.client_secret,
            next_action: intent.next_action,
            decline: intent.last_payment_error.map(Decline::from),
            payment_method: intent.payment_method.map(Expandable::into_id),
            charge: charge.map(ChargeSnapshot::try_from).transpose()?,
        })
    }
}

impl TryFrom<Charge> for ChargeSnapshot {
    type Error = Unreadable;

    fn try_from(charge: Charge) -> Result<Self, Unreadable> {
        // A charge that can be captured in parts names one line only, and not always the same: it counts once all were read.
        let lines = if charge.in_several_parts() {
            let lines = charge.lines.unwrap_or_default();
            lines.into_iter().map(Line::try_from).collect::<Result<_, _>>()?
        } else {
            line(charge.balance_transaction)?.into_iter().collect()
        };
        let refunds = charge.refunds.map_or_else(Vec::new, |page| page.data);
        Ok(Self {
            id: charge.id,
            created: Fields("charge").moment(charge.created)?,
            balance_transactions: lines,
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

    /// Whether it may be captured more than once, with a ledger line for each time.
    pub(super) fn in_several_parts(&self) -> bool {
        let card = self
            .payment_method_details
            .as_ref()
            .and_then(|method| method.card.as_ref());
        let multicapture = card.and_then(|card| card.multicapture.as_ref());
        multicapture.and_then(|multicapture| multicapture.status.as_deref()) == Some("available")
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
        let part = |part: FeeDetail| -> Result<FeePart, Unreadable> {
            Ok(FeePart {
                kind: part.kind.unwrap_or_default(),
                amount_minor: field.need(part.amount, "fee_details")?.to_minor(currency)?,
            })
        };
        let available_on = line.available_on.map(OffsetDateTime::from_unix_timestamp);
        Ok(Self {
            id: line.id,
            kind: field.need(line.kind, "type")?,
            fee_details: line.fee_details.into_iter().map(part).collect::<Result<_, _>>()?,
            reporting_category: line.reporting_category,
            description: line.description,
            exchange_rate: line.exchange_rate.map(|rate| rate.to_string()),
            available_on: available_on.and_then(Result::ok),
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
            message: mask(&error.message.unwrap_or_default()).into_owned(),
        }
    }
}

fn line(written: Option<Expandable<BalanceTransaction>>) -> Result<Option<Line>, Unreadable> {
    written
        .and_then(Expandable::into_whole)
        .map(Line::try_from)
        .transpose()
}

pub(super) fn payment_state(word: String) -> Said<PaymentState> {
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
pub(super) struct Fields(pub(super) &'static str);

impl Fields {
    pub(super) fn need<T>(self, value: Option<T>, field: &'static str) -> Result<T, Unreadable> {
        value.ok_or(Unreadable::Field {
            object: self.0,
            field,
        })
    }

    pub(super) fn currency(self, code: Option<&str>) -> Result<Currency, Unreadable> {
        self.need(code.and_then(|code| code.parse().ok()), "currency")
    }

    pub(super) fn moment(self, seconds: Option<i64>) -> Result<OffsetDateTime, Unreadable> {
        self.need(
            seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
            "created",
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::money::Money;

    fn intent(status: &str) -> Value {
        json!({
            "id": "pi_1", "object": "payment_intent", "amount": 500, "amount_capturable": 300, "amount_received": 200,
            "currency": "isk", "status": status, "client_secret": "pi_1_secret_x", "latest_charge": "ch_1",
            "last_payment_error": null, "next_action": null, "metadata": {}, "a_field_of_tomorrow": [1],
        })
    }

    fn read(intent: &Value) -> Result<PaymentSnapshot, Unreadable> {
        serde_json::from_value::<PaymentIntent>(intent.clone())
            .unwrap()
            .try_into()
    }

    #[test]
    fn every_word_for_a_payments_state_is_read_and_a_new_one_is_kept() {
        for (word, state) in [
            ("requires_payment_method", PaymentState::Created),
            ("requires_confirmation", PaymentState::Created),
            ("requires_action", PaymentState::RequiresAction),
            ("processing", PaymentState::Processing),
            ("requires_capture", PaymentState::Authorized),
            ("succeeded", PaymentState::Captured),
            ("canceled", PaymentState::Captured),
        ] {
            assert_eq!(read(&intent(word)).unwrap().state, Said::Known(state), "{word}");
        }
        let mut untouched = intent("canceled");
        untouched["amount_received"] = json!(0);
        assert_eq!(
            read(&untouched).unwrap().state,
            Said::Known(PaymentState::Canceled)
        );
        assert_eq!(
            read(&intent("requires_luck")).unwrap().state,
            Said::Unrecognized("requires_luck".to_owned())
        );
    }

    #[test]
    fn amounts_come_back_in_minor_units_of_iso_4217() {
        let said = read(&intent("requires_capture")).unwrap();
        assert_eq!(said.amount, Money::new(5, "ISK".parse().unwrap()));
        assert_eq!((said.capturable_minor, said.captured_minor), (3, 2));
        assert_eq!(said.client_secret.unwrap().expose_secret(), "pi_1_secret_x");
        assert!(said.charge.is_none(), "an id alone tells nothing of a charge");
    }

    #[test]
    fn a_charge_is_read_with_its_line_and_refunds_and_one_that_failed_is_none() {
        let line = json!({
            "id": "txn_1", "type": "a_kind_of_tomorrow", "amount": 12100, "fee": 207, "net": 11893,
            "currency": "eur", "source": { "id": "ch_1", "object": "charge" }, "created": 1_700_000_100,
        });
        let refund = json!({
            "id": "re_1", "amount": 200, "currency": "isk", "status": "requires_action", "created": 1_700_000_200,
            "payment_intent": "pi_1", "balance_transaction": "txn_2", "metadata": { "quittance_operation": "no id" },
        });
        let mut paid = intent("succeeded");
        paid["latest_charge"] = json!({
            "id": "ch_1", "status": "succeeded", "created": 1_700_000_000, "balance_transaction": line,
            "refunds": { "object": "list", "data": [refund], "has_more": false },
        });
        let charge = read(&paid).unwrap().charge.unwrap();
        let line = &charge.balance_transactions[0];
        assert_eq!(
            (line.kind.as_str(), line.source.as_deref()),
            ("a_kind_of_tomorrow", Some("ch_1"))
        );
        assert_eq!(
            (line.amount.minor, line.fee_minor, line.net_minor),
            (12_100, 207, 11_893)
        );
        let refund = &charge.refunds[0];
        assert_eq!(
            (refund.amount.minor, &refund.state),
            (2, &Said::Known(RefundState::Pending))
        );
        assert!(refund.balance_transaction.is_none() && refund.operation.is_none());

        paid["latest_charge"]["status"] = json!("failed");
        assert!(read(&paid).unwrap().charge.is_none());
    }

    #[test]
    fn the_banks_own_word_for_a_decline_comes_first() {
        let mut declined = intent("requires_payment_method");
        declined["last_payment_error"] = json!({ "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "message": "No." });
        let decline = read(&declined).unwrap().decline.unwrap();
        assert_eq!(
            (decline.code.as_str(), decline.message.as_str()),
            ("insufficient_funds", "No.")
        );
        declined["last_payment_error"] = json!({ "type": "card_error", "code": "expired_card" });
        assert_eq!(read(&declined).unwrap().decline.unwrap().code, "expired_card");
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_else() {
        for field in [
            "amount",
            "amount_capturable",
            "amount_received",
            "currency",
            "status",
        ] {
            let mut without = intent("succeeded");
            without.as_object_mut().unwrap().remove(field);
            assert_eq!(
                read(&without).unwrap_err().to_string(),
                format!("payment_intent has no readable {field}")
            );
        }
        for field in [
            "client_secret",
            "latest_charge",
            "last_payment_error",
            "next_action",
            "metadata",
        ] {
            let mut without = intent("succeeded");
            without.as_object_mut().unwrap().remove(field);
            assert!(read(&without).is_ok(), "{field}");
        }
    }
}
