//! Lines of the journal that stands for the provider's balance.

use serde::Deserialize;
use serde_json::json;
use time::Date;

use crate::domain::balance_transaction::BalanceTransaction;
use crate::domain::money::Money;
use crate::sink::{Books, OdooRecord, SinkError};

use super::client::Database;
use super::error::{differs, refused};
use super::items::{self, Item};
use super::load::{external_id, load};
use super::payment;
use super::wire::Link;

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

/// What one line moves, and where it comes from or goes to.
struct Leg {
    external_id: String,
    label: String,
    amount: Money,
    counterpart_id: i64,
}

/// A charge: gross against Outstanding, where it meets the customer's payment, and the fee against Fees.
pub(super) async fn charge_line(
    odoo: &Database<'_>,
    books: &Books,
    charge: &str,
    balance_transaction: &BalanceTransaction,
) -> Result<Vec<OdooRecord>, SinkError> {
    let outstanding_id = books.outstanding_receipts_id;
    post(
        odoo,
        books,
        "charge_line",
        charge,
        outstanding_id,
        balance_transaction,
    )
    .await
}

/// A refund: what left, against Outstanding, where it meets the customer's refund.
pub(super) async fn refund_line(
    odoo: &Database<'_>,
    books: &Books,
    refund: &str,
    balance_transaction: &BalanceTransaction,
) -> Result<Vec<OdooRecord>, SinkError> {
    let outstanding_id = books.outstanding_payments_id;
    post(
        odoo,
        books,
        "refund_line",
        refund,
        outstanding_id,
        balance_transaction,
    )
    .await
}

async fn post(
    odoo: &Database<'_>,
    books: &Books,
    kind: &str,
    source: &str,
    outstanding_id: i64,
    balance_transaction: &BalanceTransaction,
) -> Result<Vec<OdooRecord>, SinkError> {
    payment::same_currency(books, balance_transaction.amount)?;
    let waiting = payment::waiting_item(odoo, books, source, outstanding_id).await?;
    let legs = legs(books, kind, source, outstanding_id, balance_transaction)?;
    let date = balance_transaction.created.date();
    let account_id = journal_account(odoo, books).await?;
    let rows: Vec<Vec<String>> = legs
        .iter()
        .flat_map(|leg| {
            rows(
                books,
                leg,
                account_id,
                waiting.partner_id.id(),
                date,
                &balance_transaction.id,
            )
        })
        .collect();
    let ids = load(odoo, MODEL, &FIELDS, &rows).await?;
    let found = items::find(odoo, json!([["statement_line_id", "in", ids]])).await?;
    for (leg, id) in legs.iter().zip(&ids) {
        check(leg, *id, account_id, date, &found)?;
    }
    let gross = found
        .iter()
        .find(|item| item.account_id.id() == Some(outstanding_id));
    if let Some(gross) = gross {
        let met = Money::new(
            balance_transaction.amount.minor.abs(),
            balance_transaction.amount.currency,
        );
        if balance_transaction.amount.minor > 0 {
            items::reconcile(odoo, &[&waiting], &[gross], met).await?;
        } else {
            items::reconcile(odoo, &[gross], &[&waiting], met).await?;
        }
    }
    Ok(ids
        .into_iter()
        .map(|id| OdooRecord {
            model: MODEL.to_owned(),
            id,
        })
        .collect())
}

fn legs(
    books: &Books,
    kind: &str,
    source: &str,
    outstanding_id: i64,
    balance_transaction: &BalanceTransaction,
) -> Result<Vec<Leg>, SinkError> {
    let external_id = external_id(kind, &balance_transaction.id)?;
    let gross = Leg {
        external_id: external_id.clone(),
        label: source.to_owned(),
        amount: balance_transaction.amount,
        counterpart_id: outstanding_id,
    };
    let fee = Leg {
        external_id: format!("{external_id}-fee"),
        label: format!("fee of {source}"),
        amount: Money::new(
            -balance_transaction.fee_minor,
            balance_transaction.amount.currency,
        ),
        counterpart_id: books.fee_account_id,
    };
    Ok([gross, fee]
        .into_iter()
        .filter(|leg| leg.amount.minor != 0)
        .collect())
}

/// The two rows of one line: what the journal's own account gets, and what the counterpart gives.
fn rows(
    books: &Books,
    leg: &Leg,
    account_id: i64,
    partner_id: Option<i64>,
    date: Date,
    reference: &str,
) -> [Vec<String>; 2] {
    let partner = partner_id.map(|id| id.to_string()).unwrap_or_default();
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

#[derive(Debug, Deserialize)]
struct Journal {
    default_account_id: Link,
}

async fn journal_account(odoo: &Database<'_>, books: &Books) -> Result<i64, SinkError> {
    let domain = json!([["id", "=", books.journal_id]]);
    let journals: Vec<Journal> = odoo
        .search("account.journal", domain, &["default_account_id"])
        .await?;
    journals
        .first()
        .and_then(|journal| journal.default_account_id.id())
        .ok_or_else(|| refused("the journal is gone or has no account any more"))
}
