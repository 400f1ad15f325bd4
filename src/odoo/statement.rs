//! Lines of the journal that stands for the provider's balance.

use serde_json::json;
use time::{Date, UtcOffset};

use crate::domain::balance_transaction::BalanceTransaction;
use crate::domain::money::Money;
use crate::sink::{Books, OdooRecord, SinkError};

use super::client::Database;
use super::error::differs;
use super::items::{self, Item};
use super::load::{external_id, load};
use super::payment;

const MODEL: &str = "account.bank.statement.line";
const FIELDS: [&str; 12] = [
    "id",
    "journal_id/.id",
    "date",
    "payment_ref",
    "ref",
    "amount",
    "partner_id/.id",
    "line_ids/account_id/.id",
    "line_ids/name",
    "line_ids/amount_currency",
    "line_ids/currency_id",
    "line_ids/partner_id/.id",
];
/// How many of the fields say what the line is; the rest say what it books.
const HEAD_LEN: usize = 7;

/// One ledger line of the provider, and the payment or refund that it meets in Outstanding.
struct Movement<'a> {
    kind: &'static str,
    source: &'a str,
    outstanding_id: i64,
    balance_transaction: &'a BalanceTransaction,
}

/// What one statement line moves, and where it comes from or goes to.
struct Leg {
    external_id: String,
    label: String,
    amount: Money,
    counterpart_id: i64,
    partner_id: Option<i64>,
}

/// A charge: gross against Outstanding, where it meets the customer's payment, and the fee against Fees.
pub(super) async fn charge_line(
    odoo: &Database<'_>,
    books: &Books,
    charge: &str,
    balance_transaction: &BalanceTransaction,
) -> Result<Vec<OdooRecord>, SinkError> {
    let outstanding_id = books.outstanding_receipts_id;
    let movement = Movement {
        kind: "charge_line",
        source: charge,
        outstanding_id,
        balance_transaction,
    };
    movement.post(odoo, books).await
}

/// A refund: what left, against Outstanding, where it meets the customer's refund.
pub(super) async fn refund_line(
    odoo: &Database<'_>,
    books: &Books,
    refund: &str,
    balance_transaction: &BalanceTransaction,
) -> Result<Vec<OdooRecord>, SinkError> {
    let outstanding_id = books.outstanding_payments_id;
    let movement = Movement {
        kind: "refund_line",
        source: refund,
        outstanding_id,
        balance_transaction,
    };
    movement.post(odoo, books).await
}

impl Movement<'_> {
    async fn post(&self, odoo: &Database<'_>, books: &Books) -> Result<Vec<OdooRecord>, SinkError> {
        let gross = self.balance_transaction.amount;
        payment::same_currency(books, gross)?;
        let waiting = payment::waiting_item(odoo, books, self.source, self.outstanding_id).await?;
        let legs = self.legs(books, waiting.partner_id.id())?;
        let date = self.balance_transaction.created.to_offset(UtcOffset::UTC).date();
        let account_id = books.journal_account_id;
        let reference = &self.balance_transaction.id;
        let rows: Vec<Vec<String>> = legs
            .iter()
            .flat_map(|leg| rows(books, leg, account_id, date, reference))
            .collect();
        let ids = load(odoo, MODEL, &FIELDS, &rows).await?;
        let found = items::find(odoo, json!([["statement_line_id", "in", ids]])).await?;
        for (leg, id) in legs.iter().zip(&ids) {
            check(leg, *id, account_id, date, &found)?;
        }
        if let Some(arrived) = found
            .iter()
            .find(|item| item.account_id.id() == Some(self.outstanding_id))
        {
            let (debit, credit) = if gross.minor > 0 {
                (&waiting, arrived)
            } else {
                (arrived, &waiting)
            };
            let met = Money::new(gross.minor.abs(), gross.currency);
            items::reconcile(odoo, &[debit], &[credit], met).await?;
        }
        Ok(ids
            .into_iter()
            .map(|id| OdooRecord {
                model: MODEL.to_owned(),
                id,
            })
            .collect())
    }

    fn legs(&self, books: &Books, partner_id: Option<i64>) -> Result<Vec<Leg>, SinkError> {
        let BalanceTransaction {
            id,
            amount,
            fee_minor,
            ..
        } = self.balance_transaction;
        let external_id = external_id(self.kind, id)?;
        let fee = Leg {
            external_id: format!("{external_id}-fee"),
            label: format!("fee of {}", self.source),
            amount: Money::new(-fee_minor, amount.currency),
            counterpart_id: books.fee_account_id,
            partner_id: None,
        };
        let gross = Leg {
            external_id,
            label: self.source.to_owned(),
            amount: *amount,
            counterpart_id: self.outstanding_id,
            partner_id,
        };
        Ok([gross, fee]
            .into_iter()
            .filter(|leg| leg.amount.minor != 0)
            .collect())
    }
}

/// The two rows of one line: what the journal's own account gets, and what the counterpart gives.
fn rows(books: &Books, leg: &Leg, account_id: i64, date: Date, reference: &str) -> [Vec<String>; 2] {
    let partner = leg.partner_id.map(|id| id.to_string()).unwrap_or_default();
    let item = |account_id: i64, amount: Money| {
        [
            account_id.to_string(),
            leg.label.clone(),
            amount.to_decimal(),
            amount.currency.code().to_owned(),
            partner.clone(),
        ]
    };
    let mut own = vec![
        leg.external_id.clone(),
        books.journal_id.to_string(),
        date.to_string(),
        leg.label.clone(),
        reference.to_owned(),
        leg.amount.to_decimal(),
        partner.clone(),
    ];
    own.extend(item(account_id, leg.amount));
    let mut counterpart = vec![String::new(); HEAD_LEN];
    counterpart.extend(item(leg.counterpart_id, -leg.amount));
    [own, counterpart]
}

fn check(leg: &Leg, id: i64, account_id: i64, date: Date, found: &[Item]) -> Result<(), SinkError> {
    let of_line: Vec<&Item> = found
        .iter()
        .filter(|item| item.statement_line_id.id() == Some(id))
        .collect();
    let on = |account_id: i64| {
        of_line
            .iter()
            .find(|item| item.account_id.id() == Some(account_id))
    };
    let (Some(own), Some(counterpart), 2) = (on(account_id), on(leg.counterpart_id), of_line.len()) else {
        return Err(differs(format!(
            "statement line {id} no longer has the accounts it was booked on"
        )));
    };
    own.check(leg.amount, date)?;
    counterpart.check(-leg.amount, date)
}
