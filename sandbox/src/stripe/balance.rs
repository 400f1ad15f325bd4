//! The account's money: its ledger lines and their sum.

use serde_json::{Value, json};

use super::fields::{Checked, Fields};
use super::lists::Page;
use super::state::{Row, State, new_id, now};

/// How long Stripe keeps card money before it may be paid out.
const AVAILABLE_AFTER_SECS: i64 = 7 * 24 * 60 * 60;

/// Stripe's fee for a dispute in minor units; it does not come back.
const DISPUTE_FEE: i64 = 2_000;

/// What a ledger line is for: its `type` and its `reporting_category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    Charge,
    Refund,
    RefundFailure,
    Dispute,
    DisputeReversal,
}

impl LineKind {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Charge => ("charge", "charge"),
            Self::Refund => ("refund", "refund"),
            Self::RefundFailure => ("refund_failure", "refund_failure"),
            Self::Dispute => ("adjustment", "dispute"),
            Self::DisputeReversal => ("adjustment", "dispute_reversal"),
        }
    }

    /// What Stripe takes for it.
    fn fee(self, amount: i64, currency: &str) -> i64 {
        match self {
            Self::Charge => fee(amount, currency),
            Self::Dispute if is_three_decimal(currency) => 10 * DISPUTE_FEE,
            Self::Dispute => DISPUTE_FEE,
            Self::Refund | Self::RefundFailure | Self::DisputeReversal => 0,
        }
    }
}

/// One line of the account's ledger.
#[derive(Clone, Debug)]
pub(crate) struct BalanceTransaction {
    id: String,
    kind: LineKind,
    created: i64,
    amount: i64,
    fee: i64,
    currency: String,
    description: Option<String>,
    source: String,
}

impl Row for BalanceTransaction {
    const KIND: &'static str = "balance transaction";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let (kind, category) = self.kind.words();
        let mut fee_details = Vec::new();
        if self.fee != 0 {
            fee_details.push(json!({
                "amount": self.fee,
                "application": null,
                "currency": self.currency,
                "description": if self.kind == LineKind::Dispute {
                    "Dispute fee"
                } else {
                    "Stripe processing fees"
                },
                "type": "stripe_fee",
            }));
        }
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": self.created + AVAILABLE_AFTER_SECS,
            "balance_type": "payments",
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "exchange_rate": null,
            "fee": self.fee,
            "fee_details": fee_details,
            "net": self.amount - self.fee,
            "reporting_category": category,
            "source": self.source,
            "status": "pending",
            "type": kind,
        })
    }
}

impl State {
    /// Writes a ledger line; a charge and a dispute pay Stripe's fee, nothing else does. Returns the line's id.
    pub(crate) fn book(
        &mut self,
        kind: LineKind,
        amount: i64,
        currency: &str,
        source: &str,
        description: Option<String>,
    ) -> String {
        let id = new_id("txn");
        self.balance_transactions.insert(BalanceTransaction {
            id: id.clone(),
            kind,
            created: now(),
            amount,
            fee: kind.fee(amount, currency),
            currency: currency.to_owned(),
            description,
            source: source.to_owned(),
        });
        id
    }

    /// What the account holds of a currency, fees taken off.
    pub(crate) fn held(&self, currency: &str) -> i64 {
        let lines = self.balance_transactions.rows().iter();
        lines
            .filter(|line| line.currency == currency)
            .map(|line| line.amount - line.fee)
            .sum()
    }
}

/// Stripe's fee for a charge in minor units: 1.5 %, rounded half up, and a fixed part of 25 (250 in three-decimal
/// currencies, where the whole is a multiple of ten, as all amounts there).
pub(crate) fn fee(amount: i64, currency: &str) -> i64 {
    if is_three_decimal(currency) {
        return (amount * 15 + 5_000) / 10_000 * 10 + 250;
    }
    (amount * 15 + 500) / 1_000 + 25
}

/// Whether Stripe counts a currency in thousandths.
pub(crate) fn is_three_decimal(currency: &str) -> bool {
    matches!(currency, "bhd" | "jod" | "kwd" | "omr" | "tnd")
}

/// `GET /v1/balance`
pub(crate) fn retrieve(state: &State, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    let lines = state.balance_transactions.rows().iter();
    let currencies: std::collections::BTreeSet<_> = lines.map(|line| line.currency.as_str()).collect();
    let sums = |held: &dyn Fn(&str) -> i64| -> Vec<Value> {
        let sum = |currency: &&str| {
            let amount = held(currency);
            json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } })
        };
        currencies.iter().map(sum).collect()
    };
    Ok(json!({
        "object": "balance",
        "available": sums(&|_| 0),
        "connect_reserved": [],
        "livemode": false,
        "pending": sums(&|currency| state.held(currency)),
    }))
}

/// `GET /v1/balance_transactions/{id}`
pub(crate) fn retrieve_transaction(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.balance_transactions.get(id)?.view())
}

/// `GET /v1/balance_transactions`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let kind = fields.text("type")?;
    let source = fields.text("source")?;
    let currency = fields.text("currency")?;
    // Payouts are not pretended: no line belongs to one.
    let payout = fields.text("payout")?;
    fields.finish()?;
    page.of(&state.balance_transactions, "/v1/balance_transactions", |line| {
        payout.is_none()
            && created.contains(line.created)
            && kind.as_deref().is_none_or(|kind| kind == line.kind.words().0)
            && source.as_deref().is_none_or(|source| source == line.source)
            && currency
                .as_deref()
                .is_none_or(|currency| currency == line.currency)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_a_whole_number_of_minor_units_in_every_currency() {
        assert_eq!(fee(12_100, "eur"), 207);
        assert_eq!(fee(1_099, "eur"), 41);
        assert_eq!(fee(5_000, "jpy"), 100);
        assert_eq!(fee(12_340, "kwd"), 440);
    }
}
