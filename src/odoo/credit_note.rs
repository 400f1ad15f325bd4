//! Credit notes: taking back the sale of what a customer got back.
//!
//! A refund meets an open credit note of its invoice over just its amount, where the bookkeeper or an earlier refund left one;
//! else one is made, once, as payments are. Its total is the refund's or it is not posted.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::domain::money::Money;
use crate::domain::posting::Settles;
use crate::sink::{OdooRecord, SinkError};

use super::client::Database;
use super::draft::ENTRY;
use super::error::{differs, refused, unreachable};
use super::items::{self, Item, Meeting};
use super::load::{external_id, load};
use super::payment::Order;
use super::sale::{self, Invoice};
use super::wire::{Decimal, Link};

/// What says what a credit note is, in the order of the cells of [`head`].
const HEAD: [&str; 11] = [
    "id",
    "move_type",
    "partner_id/.id",
    "journal_id/.id",
    "currency_id",
    "invoice_date",
    "date",
    "ref",
    "reversed_entry_id/.id",
    // Both are worked out from the customer where nothing is said.
    "invoice_payment_term_id/.id",
    "fiscal_position_id/.id",
];

/// A credit note as it stands now.
#[derive(Debug, Deserialize)]
struct Note {
    id: i64,
    state: String,
    currency_id: Link,
    amount_total: Decimal,
    amount_residual: Decimal,
}

impl Note {
    fn is_over(&self, amount: Money) -> bool {
        self.is_in(amount) && self.amount_total.to_minor(amount.currency) == Some(amount.minor)
    }

    fn is_in(&self, amount: Money) -> bool {
        self.currency_id.name() == amount.currency.code()
    }
}

/// Takes back the sales that a refunded payment had settled. `paid` is that payment's item on the receivable, `refunded` the
/// refund's, which is met. Answers with the credit notes.
pub(super) async fn take_back_sale(
    odoo: &Database<'_>,
    order: &Order,
    settles: &[Settles],
    paid: &Item,
    refunded: &Item,
) -> Result<Vec<OdooRecord>, SinkError> {
    let documents: Vec<&Settles> = settles
        .iter()
        .filter(|document| document.model == ENTRY)
        .collect();
    if !documents.is_empty() && !refunded.reconciled {
        for (document, amount) in shares(order, &documents, paid)? {
            take_back(odoo, order, document, amount, refunded).await?;
        }
    }
    met(odoo, &items::meetings(odoo, &[refunded]).await?).await
}

/// How much of a refund each document is taken back by. Refuses what only a person can say.
fn shares(order: &Order, documents: &[&Settles], paid: &Item) -> Result<Vec<(i64, Money)>, SinkError> {
    let amount = order.amount;
    let settled: i64 = documents.iter().map(|document| document.amount_minor).sum();
    let settled = Money::new(settled, amount.currency);
    if !paid.amounts_to(-settled) {
        return Err(by_hand(&format!(
            "the payment settled {settled} of what was paid, so that {amount} may be what was paid too much"
        )));
    }
    match documents {
        _ if amount == settled => Ok(documents
            .iter()
            .map(|document| (document.id, Money::new(document.amount_minor, amount.currency)))
            .collect()),
        [document] if amount.minor < settled.minor => Ok(vec![(document.id, amount)]),
        _ => Err(by_hand(&format!(
            "of which of {} invoices {amount} went back is not said",
            documents.len()
        ))),
    }
}

/// A refusal of what needs a person, with what to do.
pub(super) fn by_hand(why: &str) -> SinkError {
    refused(format!(
        "no credit note was made: {why}; make one by hand, reconcile it with the refund, and send this again"
    ))
}

async fn take_back(
    odoo: &Database<'_>,
    order: &Order,
    invoice: i64,
    amount: Money,
    refunded: &Item,
) -> Result<(), SinkError> {
    if let Some(note) = open_note(odoo, invoice, amount).await? {
        let credits = receivable(odoo, note).await?;
        return items::reconcile(odoo, &[refunded], &borrow(&credits), amount).await;
    }
    // Another delivery of the same may have met the note that was open, after this one read the refund's item.
    let again = items::find(odoo, json!([["id", "=", refunded.id]])).await?;
    if again.iter().all(|item| item.reconciled) {
        return Ok(());
    }
    let invoice = sale::read(odoo, invoice, amount).await?;
    let id = make(odoo, order, &invoice, amount).await?;
    let credits = receivable(odoo, id).await?;
    check(&credits, order, amount)?;
    free(odoo, &invoice, &credits).await?;
    let credits: Vec<Item> = credits
        .into_iter()
        .map(|item| Item {
            reconciled: false,
            ..item
        })
        .collect();
    items::reconcile(odoo, &[refunded], &borrow(&credits), amount).await
}

/// An open credit note of an invoice over just an amount.
async fn open_note(odoo: &Database<'_>, invoice: i64, amount: Money) -> Result<Option<i64>, SinkError> {
    let domain = json!([
        ["reversed_entry_id", "=", invoice],
        ["move_type", "=", "out_refund"],
        ["state", "=", "posted"],
    ]);
    let notes = read(odoo, domain).await?;
    let is_open = |note: &&Note| {
        note.is_in(amount) && note.amount_residual.to_minor(amount.currency) == Some(amount.minor)
    };
    Ok(notes.iter().find(is_open).map(|note| note.id))
}

async fn read(odoo: &Database<'_>, domain: Value) -> Result<Vec<Note>, SinkError> {
    let fields = ["state", "currency_id", "amount_total", "amount_residual"];
    odoo.search(ENTRY, domain, &fields).await
}

async fn one(odoo: &Database<'_>, id: i64) -> Result<Note, SinkError> {
    let found = read(odoo, json!([["id", "=", id]])).await?;
    let gone = || unreachable("the credit note that was made cannot be read");
    found.into_iter().next().ok_or_else(gone)
}

/// The items by which a document's customer owes, or is owed.
async fn receivable(odoo: &Database<'_>, document: i64) -> Result<Vec<Item>, SinkError> {
    let domain = json!([
        ["move_id", "=", document],
        ["account_type", "=", "asset_receivable"]
    ]);
    items::find(odoo, domain).await
}

fn borrow(items: &[Item]) -> Vec<&Item> {
    items.iter().collect()
}

/// Makes the credit note and posts it, or finds the one that was made before.
async fn make(
    odoo: &Database<'_>,
    order: &Order,
    invoice: &Invoice,
    amount: Money,
) -> Result<i64, SinkError> {
    let lines = sale::lines(odoo, invoice, amount).await?;
    let fields: Vec<&str> = HEAD.into_iter().chain(sale::FIELDS).collect();
    let rows: Vec<Vec<String>> = lines
        .into_iter()
        .enumerate()
        .map(|(place, cells)| {
            let mut row = if place == 0 {
                head(order, invoice, amount)?
            } else {
                vec![String::new(); HEAD.len()]
            };
            row.extend(cells);
            Ok(row)
        })
        .collect::<Result<_, SinkError>>()?;
    let ids = load(odoo, ENTRY, &fields, &rows).await?;
    let [id] = ids[..] else {
        return Err(differs(format!(
            "the credit note of {} became {} records",
            order.source,
            ids.len()
        )));
    };
    if one(odoo, id).await?.state == "draft" {
        correct(odoo, id, amount).await?;
        post(odoo, id).await?;
    }
    let note = one(odoo, id).await?;
    if note.state == "posted" && note.is_over(amount) {
        return Ok(id);
    }
    Err(differs(format!(
        "the credit note {id} of {} is {} over {}, the refund {amount}",
        invoice.name.as_str(),
        note.state,
        note.amount_total
    )))
}

fn head(order: &Order, invoice: &Invoice, amount: Money) -> Result<Vec<String>, SinkError> {
    let link = |link: &Link| link.id().map(|id| id.to_string()).unwrap_or_default();
    let date = order.date.to_string();
    Ok(vec![
        external_id("credit_note", &format!("{}_{}", order.source, invoice.id))?,
        "out_refund".to_owned(),
        link(&invoice.partner_id),
        link(&invoice.journal_id),
        amount.currency.code().to_owned(),
        date.clone(),
        date,
        format!("{} {}", invoice.name.as_str(), order.source),
        invoice.id.to_string(),
        String::new(),
        link(&invoice.fiscal_position_id),
    ])
}

/// Moves the taxes of a draft by a minor unit each where Odoo's rounding misses the refund's amount, as a person may. Where that is
/// not enough it stays a draft.
async fn correct(odoo: &Database<'_>, id: i64, amount: Money) -> Result<(), SinkError> {
    let note = one(odoo, id).await?;
    if note.is_over(amount) {
        return Ok(());
    }
    let missed = || {
        differs(format!(
            "the draft credit note {id} is over {} and the refund {amount}: correct it and send this again, or make \
             one by hand",
            note.amount_total
        ))
    };
    let total = note.amount_total.to_minor(amount.currency).ok_or_else(missed)?;
    let short = amount.minor - total;
    let domain = json!([["move_id", "=", id], ["tax_repartition_line_id", "!=", false]]);
    let mut taxes = Vec::new();
    for item in items::find(odoo, domain).await? {
        let minor = item
            .amount_currency
            .to_minor(amount.currency)
            .ok_or_else(missed)?;
        taxes.push((item.id, minor));
    }
    taxes.sort_by_key(|(_, minor)| std::cmp::Reverse(minor.abs()));
    let wanted = usize::try_from(short.unsigned_abs()).map_err(|_| missed())?;
    if !note.is_in(amount) || taxes.len() < wanted {
        return Err(missed());
    }
    // All in one call: whoever goes on after a worker that was killed finds all of them moved or none, and writes what a late call does.
    let mut moved = Vec::with_capacity(wanted);
    for (item, minor) in taxes.into_iter().take(wanted) {
        let right = Money::new(minor + short.signum(), amount.currency);
        let number: Value = serde_json::from_str(&right.to_decimal()).map_err(|_| missed())?;
        moved.push(json!([1, item, { "amount_currency": number }]));
    }
    let vals = json!({ "ids": [id], "vals": { "line_ids": moved } });
    odoo.call::<IgnoredAny>(ENTRY, "write", vals).await?;
    if one(odoo, id).await?.is_over(amount) {
        return Ok(());
    }
    Err(missed())
}

/// Posts a credit note that another delivery may have posted meanwhile.
async fn post(odoo: &Database<'_>, id: i64) -> Result<(), SinkError> {
    let answer = odoo
        .call::<IgnoredAny>(ENTRY, "action_post", json!({ "ids": [id] }))
        .await;
    match answer {
        Err(SinkError::Refused { .. }) if one(odoo, id).await?.state == "posted" => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Says what a posted credit note does not owe the customer as it must.
fn check(credits: &[Item], order: &Order, amount: Money) -> Result<(), SinkError> {
    let Some(first) = credits.first() else {
        return Err(differs("the credit note is on no customer's account"));
    };
    let minors = credits
        .iter()
        .map(|item| item.amount_currency.to_minor(amount.currency));
    let owed: Option<i64> = minors.sum();
    if owed != Some(-amount.minor) {
        return Err(differs(format!(
            "{} does not owe {amount} to the customer",
            first.move_id.name()
        )));
    }
    let own = first
        .amount_currency
        .to_minor(amount.currency)
        .unwrap_or_default();
    first.check(Money::new(own, amount.currency), order.date)
}

/// Parts a credit note from its invoice, which Odoo has it meet when it is posted and the invoice is open: it stands for the
/// refund.
async fn free(odoo: &Database<'_>, invoice: &Invoice, credits: &[Item]) -> Result<(), SinkError> {
    let owed = receivable(odoo, invoice.id).await?;
    let meetings = items::meetings(odoo, &borrow(credits)).await?;
    let is_with_invoice = |meeting: &Meeting| owed.iter().any(|item| meeting.has(item));
    if !meetings.iter().any(is_with_invoice) {
        return Ok(());
    }
    items::part(odoo, &meetings).await
}

/// The credit notes among what met in the meetings of a refund's item.
pub(super) async fn met(odoo: &Database<'_>, meetings: &[Meeting]) -> Result<Vec<OdooRecord>, SinkError> {
    if meetings.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = meetings.iter().flat_map(Meeting::items).flatten().collect();
    let domain = json!([["id", "in", ids], ["move_type", "=", "out_refund"]]);
    let mut notes: Vec<i64> = items::find(odoo, domain)
        .await?
        .iter()
        .filter_map(|item| item.move_id.id())
        .collect();
    notes.sort_unstable();
    notes.dedup();
    let record = |id| OdooRecord {
        model: ENTRY.to_owned(),
        id,
    };
    Ok(notes.into_iter().map(record).collect())
}
