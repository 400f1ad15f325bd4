//! Customers' payments and refunds, and the documents they settle.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use time::Date;

use crate::domain::money::Money;
use crate::domain::posting::Settles;
use crate::sink::{Books, OdooRecord, SinkError};

use super::client::Database;
use super::credit_note;
use super::error::{differs, refused};
use super::items::{self, Item};
use super::load::load;
use super::version::Version;

const MODEL: &str = "account.payment";

/// The fields of an import, in the order of its cells.
const fn fields(version: Version) -> [&'static str; 12] {
    [
        "id",
        "payment_type",
        "partner_type",
        "partner_id/.id",
        "amount",
        "currency_id",
        "date",
        "journal_id/.id",
        "payment_method_line_id/.id",
        version.memo_field(),
        "payment_reference",
        "destination_account_id/.id",
    ]
}

/// Money between a customer and us, to be recorded once.
pub(super) struct Order {
    /// What makes it one and the same in Odoo.
    pub(super) external_id: String,
    /// The provider's id, by which its statement line finds it.
    pub(super) source: String,
    /// What people read.
    pub(super) memo: String,
    /// Positive, whichever way it goes.
    pub(super) amount: Money,
    /// The day it is booked on.
    pub(super) date: Date,
}

/// Records what a customer paid and makes it meet the documents it settles.
pub(super) async fn receive(
    odoo: &Database<'_>,
    books: &Books,
    order: &Order,
    settles: &[Settles],
) -> Result<Vec<OdooRecord>, SinkError> {
    same_currency(books, order.amount)?;
    let owed = owed(odoo, settles, order.amount).await?;
    let customer = owed.first();
    let way = Way {
        payment_type: "inbound",
        method_line_id: books.inbound_method_line_id,
        outstanding_id: books.outstanding_receipts_id,
        outstanding: order.amount,
    };
    let (id, receivable) = record(odoo, books, order, &way, customer).await?;
    for document in settles {
        let debits: Vec<&Item> = owed
            .iter()
            .filter(|item| item.move_id.id() == Some(document.id))
            .collect();
        let expected = Money::new(document.amount_minor, order.amount.currency);
        // All of it met something else since, as a dispute that was lost: a repeat changes nothing of that.
        if receivable.reconciled
            && items::met(odoo, &debits, &[&receivable], expected.currency)
                .await?
                .minor
                == 0
        {
            continue;
        }
        items::reconcile(odoo, &debits, &[&receivable], expected).await?;
    }
    Ok(vec![OdooRecord {
        model: MODEL.to_owned(),
        id,
    }])
}

/// Records what a customer got back of a charge, and, where that was chosen, takes back what the charge had settled.
///
/// Else it stays open on the customer's account until the bookkeeper's credit note meets it: only they know why.
pub(super) async fn give_back(
    odoo: &Database<'_>,
    books: &Books,
    order: &Order,
    charge: &str,
    settles: &[Settles],
) -> Result<Vec<OdooRecord>, SinkError> {
    same_currency(books, order.amount)?;
    let paid = of_source(odoo, charge).await?;
    let way = Way {
        payment_type: "outbound",
        method_line_id: books.outbound_method_line_id,
        outstanding_id: books.outstanding_payments_id,
        outstanding: -order.amount,
    };
    let customer = paid.iter().find(|item| item.is_receivable());
    let (id, refunded) = record(odoo, books, order, &way, customer).await?;
    let mut records = vec![OdooRecord {
        model: MODEL.to_owned(),
        id,
    }];
    if let (true, Some(paid)) = (books.credit_notes, customer) {
        records.extend(credit_note::take_back_sale(odoo, order, settles, paid, &refunded).await?);
    }
    Ok(records)
}

/// Records that a refund came back: the customer has the money no more, and the refund's item is met. A credit note that it
/// had met is open again: what it says is still owed to the customer.
pub(super) async fn take_back(
    odoo: &Database<'_>,
    books: &Books,
    order: &Order,
    refund: &str,
) -> Result<Vec<OdooRecord>, SinkError> {
    let refunded = of_source(odoo, refund).await?;
    let open = refunded.iter().find(|item| item.is_receivable());
    let way = Way {
        payment_type: "inbound",
        method_line_id: books.inbound_method_line_id,
        outstanding_id: books.outstanding_receipts_id,
        outstanding: order.amount,
    };
    let (id, receivable) = record(odoo, books, order, &way, open).await?;
    if let Some(open) = open {
        let meetings = items::meetings(odoo, &[open]).await?;
        let with_own = meetings.iter().filter(|meeting| meeting.has(&receivable));
        let met = items::sum_met(with_own, order.amount.currency)?;
        let mut open = open.clone();
        if met != order.amount && !credit_note::met(odoo, &meetings).await?.is_empty() {
            items::part(odoo, &meetings).await?;
            open.reconciled = false;
        }
        items::reconcile(odoo, &[&open], &[&receivable], order.amount).await?;
    }
    Ok(vec![OdooRecord {
        model: MODEL.to_owned(),
        id,
    }])
}

/// One journal holds one currency: what another one is worth in it is known only where the company's currency is.
fn same_currency(books: &Books, amount: Money) -> Result<(), SinkError> {
    if amount.currency.code() == books.currency || books.company_currency.is_some() {
        return Ok(());
    }
    Err(refused(format!(
        "the journal holds {} and cannot take {}",
        books.currency, amount.currency
    )))
}

/// What tells an inbound payment from an outbound one.
struct Way {
    payment_type: &'static str,
    method_line_id: i64,
    outstanding_id: i64,
    /// What the outstanding account gets, signed.
    outstanding: Money,
}

/// Loads and posts a payment, and reads its two items back. Answers with its id and the item on the receivable.
async fn record(
    odoo: &Database<'_>,
    books: &Books,
    order: &Order,
    way: &Way,
    customer: Option<&Item>,
) -> Result<(i64, Item), SinkError> {
    let partner_id = customer.and_then(|item| item.partner_id.id());
    let receivable_id = match customer.and_then(|item| item.account_id.id()) {
        Some(id) => id,
        None => default_receivable(odoo).await?,
    };
    let row = vec![
        order.external_id.clone(),
        way.payment_type.to_owned(),
        "customer".to_owned(),
        partner_id.map(|id| id.to_string()).unwrap_or_default(),
        order.amount.to_decimal(),
        order.amount.currency.code().to_owned(),
        order.date.to_string(),
        books.journal_id.to_string(),
        way.method_line_id.to_string(),
        order.memo.clone(),
        order.source.clone(),
        receivable_id.to_string(),
    ];
    let fields = fields(odoo.version().await?);
    let ids = load(odoo, MODEL, &fields, &[row]).await?;
    let [id] = ids[..] else {
        return Err(differs(format!("{} became {} payments", order.source, ids.len())));
    };
    post(odoo, id).await?;
    let found = items::find(odoo, json!([["payment_id", "=", id]])).await?;
    let (waiting, receivable): (Vec<Item>, Vec<Item>) = found
        .into_iter()
        .partition(|item| item.account_id.id() == Some(way.outstanding_id));
    let ([waiting], Ok([receivable])) = (&waiting[..], <[Item; 1]>::try_from(receivable)) else {
        return Err(differs(format!(
            "payment {id} is not booked between outstanding and receivable"
        )));
    };
    waiting.check(way.outstanding, order.date)?;
    receivable.check(-way.outstanding, order.date)?;
    Ok((id, receivable))
}

/// Posts a payment that may be posted already, which an Odoo before 18 refuses to be told again.
async fn post(odoo: &Database<'_>, id: i64) -> Result<(), SinkError> {
    let answer = odoo
        .call::<IgnoredAny>(MODEL, "action_post", json!({ "ids": [id] }))
        .await;
    let Err(SinkError::Refused { message }) = answer else {
        return answer.map(|_| ());
    };
    let posted = json!([["payment_id", "=", id], ["parent_state", "=", "posted"]]);
    if items::find(odoo, posted).await?.is_empty() {
        return Err(refused(message));
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Defaults {
    property_account_receivable_id: i64,
}

/// Where customers owe who have no account of their own. Left to itself, Odoo takes any receivable account.
async fn default_receivable(odoo: &Database<'_>) -> Result<i64, SinkError> {
    let arguments = json!({ "fields": ["property_account_receivable_id"] });
    let defaults: Defaults = odoo.call("res.partner", "default_get", arguments).await?;
    Ok(defaults.property_account_receivable_id)
}

/// The items by which the customer owes what is settled. Refuses documents that cannot be settled.
async fn owed(odoo: &Database<'_>, settles: &[Settles], amount: Money) -> Result<Vec<Item>, SinkError> {
    if settles.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(other) = settles.iter().find(|document| document.model != "account.move") {
        return Err(refused(format!(
            "only account.move can be settled, not {}",
            other.model
        )));
    }
    let ids: Vec<i64> = settles.iter().map(|document| document.id).collect();
    let domain = json!([["move_id", "in", ids], ["account_type", "=", "asset_receivable"]]);
    let found = items::find(odoo, domain).await?;
    for id in ids {
        let mut of_document = found
            .iter()
            .filter(|item| item.move_id.id() == Some(id))
            .peekable();
        if of_document.peek().is_none() {
            return Err(refused(format!(
                "account.move {id} is no customer's invoice, or is gone"
            )));
        }
        for item in of_document {
            let (name, currency) = (item.move_id.name(), item.currency_id.name());
            if item.parent_state != "posted" {
                return Err(refused(format!("{name} is not posted but {}", item.parent_state)));
            }
            if currency != amount.currency.code() {
                return Err(refused(format!(
                    "{name} is in {currency}, the payment is {amount}"
                )));
            }
        }
    }
    Ok(found)
}

/// The items of the payment that was recorded for a charge or a refund.
async fn of_source(odoo: &Database<'_>, source: &str) -> Result<Vec<Item>, SinkError> {
    let domain = json!([
        ["payment_id.payment_reference", "=", source],
        ["parent_state", "=", "posted"],
    ]);
    let found = items::find(odoo, domain).await?;
    match found.len() {
        0 => Err(refused(format!("the payment of {source} is not in Odoo"))),
        2 => Ok(found),
        _ => Err(differs(format!("several payments are called {source}"))),
    }
}
