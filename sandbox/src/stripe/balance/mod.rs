//! The account's money: its ledger lines and their sum.

mod kinds;
mod terms;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields};
use super::lists::Page;
use super::payouts::PayoutKind;
use super::state::{Row, State, new_id, now};
pub use kinds::Extra;
pub(crate) use kinds::{LineKind, charge_fee, dispute_fee, is_three_decimal};
pub(crate) use terms::Terms;
use terms::{FeePart, decimal};
pub use terms::{Fees, Rate};

/// How long Stripe keeps card money before it may be paid out.
const AVAILABLE_AFTER_SECS: i64 = 7 * 24 * 60 * 60;

/// One line of the account's ledger.
#[derive(Clone, Debug)]
pub(crate) struct BalanceTransaction {
    id: String,
    kind: LineKind,
    created: i64,
    amount: i64,
    fees: Vec<FeePart>,
    currency: String,
    /// In millionths, where the money came in another currency.
    rate: Option<i64>,
    description: Option<String>,
    source: Option<String>,
    /// The payout that took it.
    pub(crate) payout: Option<String>,
}

impl BalanceTransaction {
    fn fee(&self) -> i64 {
        self.fees.iter().map(|part| part.amount).sum()
    }

    fn net(&self) -> i64 {
        self.amount - self.fee()
    }

    fn available_on(&self) -> i64 {
        if self.kind.matures() {
            self.created + AVAILABLE_AFTER_SECS
        } else {
            self.created
        }
    }

    fn is_available(&self) -> bool {
        self.payout.is_some() || self.available_on() <= now()
    }
}

impl Row for BalanceTransaction {
    const KIND: &'static str = "balance transaction";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let (kind, category) = self.kind.words();
        let fees = self.fees.iter().map(|part| part.view(self.kind, &self.currency));
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": self.available_on(),
            "balance_type": "payments",
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "exchange_rate": self.rate.map(decimal),
            "fee": self.fee(),
            "fee_details": fees.collect::<Vec<_>>(),
            "net": self.net(),
            "reporting_category": category,
            "source": self.source,
            "status": if self.is_available() { "available" } else { "pending" },
            "type": kind,
        })
    }
}

impl State {
    /// When a line or a payout is written.
    pub(crate) fn today(&self) -> i64 {
        self.terms.date.unwrap_or_else(now)
    }

    /// Writes a ledger line, in the currency that the account gets the money in; a charge and a dispute pay Stripe's
    /// fee, nothing else does. Returns the line's id.
    pub(crate) fn book(
        &mut self,
        kind: LineKind,
        amount: i64,
        currency: &str,
        source: Option<&str>,
        description: Option<String>,
    ) -> String {
        let Some(rate) = self.terms.rates.get(currency).cloned() else {
            return self.book_settled(kind, amount, currency, source, description);
        };
        let amount = rate.convert(amount);
        let line = self.book_settled(kind, amount, &rate.currency, source, description);
        if let Some(line) = self.balance_transactions.find_mut(&line) {
            line.rate = Some(rate.millionths);
        }
        line
    }

    /// Writes a ledger line whose currency is the balance's own. Returns its id.
    pub(crate) fn book_settled(
        &mut self,
        kind: LineKind,
        amount: i64,
        currency: &str,
        source: Option<&str>,
        description: Option<String>,
    ) -> String {
        let id = new_id("txn");
        self.balance_transactions.insert(BalanceTransaction {
            id: id.clone(),
            kind,
            created: self.today(),
            amount,
            fees: self.terms.parts(kind, amount, currency),
            currency: currency.to_owned(),
            rate: None,
            description,
            source: source.map(str::to_owned),
            payout: None,
        });
        id
    }

    /// Writes a line that no payment stands behind. Returns its id.
    pub(crate) fn book_extra(
        &mut self,
        extra: Extra,
        amount: i64,
        currency: &str,
        source: Option<&str>,
    ) -> String {
        let description = Some(extra.description().to_owned());
        self.book_settled(LineKind::Extra(extra), amount, currency, source, description)
    }

    /// What the account holds of a currency, fees taken off.
    pub(crate) fn held(&self, currency: &str) -> i64 {
        self.sum(|line| line.currency == currency)
    }

    /// What no payout of a currency has taken yet; None where there is no such line.
    pub(crate) fn unpaid(&self, currency: &str) -> Option<i64> {
        let wanted = |line: &BalanceTransaction| line.payout.is_none() && line.currency == currency;
        let any = self.balance_transactions.rows().iter().any(wanted);
        any.then(|| self.sum(wanted))
    }

    /// Puts everything that no payout of a currency has taken yet into one.
    pub(crate) fn take_unpaid(&mut self, currency: &str, payout: &str) {
        for line in self.balance_transactions.rows_mut() {
            if line.payout.is_none() && line.currency == currency {
                line.payout = Some(payout.to_owned());
            }
        }
    }

    fn sum(&self, wanted: impl Fn(&BalanceTransaction) -> bool) -> i64 {
        let lines = self.balance_transactions.rows().iter();
        lines
            .filter(|line| wanted(line))
            .map(BalanceTransaction::net)
            .sum()
    }
}

/// `GET /v1/balance`
pub(crate) fn retrieve(state: &State, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    let lines = state.balance_transactions.rows().iter();
    let currencies: BTreeSet<_> = lines.map(|line| line.currency.as_str()).collect();
    let sums = |available: bool| -> Vec<Value> {
        let sum = |currency: &&str| {
            let wanted =
                |line: &BalanceTransaction| line.currency == **currency && line.is_available() == available;
            view(currency, state.sum(wanted))
        };
        currencies.iter().map(sum).collect()
    };
    Ok(of(&sums(true), &sums(false)))
}

/// The balance of such sums.
pub(super) fn of(available: &[Value], pending: &[Value]) -> Value {
    json!({
        "object": "balance",
        "available": available,
        "connect_reserved": [],
        "livemode": false,
        "pending": pending,
    })
}

/// What is held of one currency.
pub(super) fn view(currency: &str, amount: i64) -> Value {
    json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } })
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
    let payout = fields.text("payout")?;
    fields.finish()?;
    if let Some(payout) = &payout {
        state.payouts.check(payout, "payout")?;
        if state
            .payouts
            .find(payout)
            .is_some_and(|payout| payout.kind == PayoutKind::Manual)
        {
            return Err(ApiError::invalid(
                "Balance transaction history can only be filtered on automatic transfers, not manual.",
            ));
        }
    }
    let fits = |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
    page.of(&state.balance_transactions, "/v1/balance_transactions", |line| {
        created.contains(line.created)
            && fits(&payout, line.payout.as_deref())
            && fits(&kind, Some(line.kind.words().0))
            && fits(&source, line.source.as_deref())
            && fits(&currency, Some(&line.currency))
    })
}
