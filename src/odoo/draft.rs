//! What a booking is written as: rows of an import, and what they must have become.

use serde::de::IgnoredAny;
use serde_json::json;

use crate::sink::{Books, SinkError};

use super::booking::{Booking, Home, account_id};
use super::client::Database;
use super::error::{differs, unreachable};
use super::items::{self, Item};
use super::load::{external_id, load};
use super::meeting::Met;
use super::rates::Rates;
use super::side::{self, Side};

/// A line of a bank journal.
pub(super) const LINE: &str = "account.bank.statement.line";

/// A journal entry.
pub(super) const ENTRY: &str = "account.move";

/// What says what a line is.
const LINE_HEAD: [&str; 9] = [
    "id",
    "journal_id/.id",
    "date",
    "payment_ref",
    "ref",
    "amount",
    "partner_id/.id",
    "foreign_currency_id",
    "amount_currency",
];

/// What says what an entry is.
const ENTRY_HEAD: [&str; 5] = ["id", "journal_id/.id", "date", "ref", "move_type"];

/// A booking as Odoo takes it.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) model: &'static str,
    booking: Booking<'a>,
    head: Vec<String>,
    sides: Vec<Side>,
    partner_id: Option<i64>,
    /// What its items meet.
    pub(super) meets: Vec<Met>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        books: &Books,
        home: Home,
        booking: &Booking<'a>,
        meets: Vec<Met>,
        rates: &Rates,
    ) -> Result<Self, SinkError> {
        let mut sides = Vec::with_capacity(booking.parts.len());
        let values = rates.value(books, booking)?;
        for (part, value) in booking.parts.iter().zip(values) {
            let receivable_id = meets.iter().find_map(Met::receivable_id);
            let account_id = account_id(books, home, part, receivable_id)?;
            sides.push(Side::new(account_id, part.amount, value));
        }
        if let Some(fee_tax) = &books.fee_tax {
            side::tax(fee_tax, booking.parts, &mut sides);
        }
        let partner_id = meets.iter().find_map(Met::partner_id);
        let id = external_id("booking", &booking.source.replace(':', "-"))?;
        let date = booking.date.to_string();
        let (model, head) = match home {
            Home::Line {
                journal_id,
                account_id,
            } => {
                let own = sides.iter().find(|side| side.account_id == account_id);
                let amount = own.map(|side| side.amount.to_decimal()).unwrap_or_default();
                let foreign = booking
                    .parts
                    .iter()
                    .find(|part| part.amount.currency.code() != books.currency);
                let foreign_currency = foreign.map(|part| part.amount.currency.code().to_owned());
                let foreign_amount = foreign.map(|part| (-part.amount).to_decimal());
                let head = vec![
                    id,
                    journal_id.to_string(),
                    date,
                    booking.label.to_owned(),
                    booking.source.to_owned(),
                    amount,
                    partner_id.map(|id| id.to_string()).unwrap_or_default(),
                    foreign_currency.unwrap_or_default(),
                    foreign_amount.unwrap_or_default(),
                ];
                (LINE, head)
            }
            Home::Entry { journal_id } => {
                let label = format!("{} ({})", booking.label, booking.source);
                let head = vec![id, journal_id.to_string(), date, label, "entry".to_owned()];
                (ENTRY, head)
            }
            Home::Elsewhere => return Err(unreachable("what is written elsewhere has no rows")),
        };
        Ok(Self {
            model,
            booking: *booking,
            head,
            sides,
            partner_id,
            meets,
        })
    }

    /// The rows: the first says what it is and books the first item, each further one books another.
    fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        self.sides.iter().enumerate().map(|(place, side)| {
            let mut row = if place == 0 {
                self.head.clone()
            } else {
                vec![String::new(); self.head.len()]
            };
            row.extend(side.cells(self.booking.label, self.partner_id));
            row
        })
    }

    /// Says what did not become what it was sent as.
    pub(super) fn check(&self, id: i64, items: &[Item]) -> Result<(), SinkError> {
        let mut open: Vec<&Item> = items.iter().collect();
        for side in &self.sides {
            let on_account = |item: &&Item| item.account_id.id() == Some(side.account_id);
            let same = open
                .iter()
                .position(|item| on_account(item) && item.amounts_to(side.amount))
                .or_else(|| open.iter().position(on_account));
            let Some(place) = same else {
                return Err(differs(format!(
                    "{} {id} of {} no longer has the accounts it was booked on",
                    self.model, self.booking.source
                )));
            };
            let item = open.swap_remove(place);
            item.check(side.amount, self.booking.date)?;
            side.check(item)?;
        }
        if open.is_empty() {
            return Ok(());
        }
        Err(differs(format!(
            "{} {id} of {} has more journal items than it was booked with",
            self.model, self.booking.source
        )))
    }
}

/// What a draft became: a record, and its journal items.
type Became = Result<(i64, Vec<Item>), SinkError>;

/// Imports drafts of one model, all at once where that is possible: one that Odoo refuses is left out, and the others go in.
pub(super) async fn write(
    odoo: &Database<'_>,
    books: &Books,
    model: &'static str,
    drafts: &[&Draft<'_>],
) -> Vec<Became> {
    if drafts.is_empty() {
        return Vec::new();
    }
    let mut ids: Vec<Result<i64, SinkError>> = Vec::with_capacity(drafts.len());
    let mut slices = vec![drafts];
    while let Some(slice) = slices.pop() {
        match import(odoo, books, model, slice).await {
            Ok(found) => ids.extend(found.into_iter().map(Ok)),
            Err(SinkError::Refused { .. }) if slice.len() > 1 => {
                let (first, second) = slice.split_at(slice.len() / 2);
                slices.extend([second, first]);
            }
            Err(error) => ids.extend(slice.iter().map(|_| Err(error.clone()))),
        }
    }
    let kept: Vec<i64> = ids.iter().filter_map(|id| id.as_ref().ok().copied()).collect();
    match read(odoo, model, &kept).await {
        Ok(items) => ids
            .into_iter()
            .map(|id| {
                let id = id?;
                let own = items.iter().filter(|item| of(model, item) == Some(id));
                Ok((id, own.cloned().collect()))
            })
            .collect(),
        Err(error) => ids.into_iter().map(|id| id.and(Err(error.clone()))).collect(),
    }
}

fn of(model: &str, item: &Item) -> Option<i64> {
    if model == LINE {
        item.statement_line_id.id()
    } else {
        item.move_id.id()
    }
}

async fn import(
    odoo: &Database<'_>,
    books: &Books,
    model: &str,
    drafts: &[&Draft<'_>],
) -> Result<Vec<i64>, SinkError> {
    let head: &[&str] = if model == LINE { &LINE_HEAD } else { &ENTRY_HEAD };
    let fields: Vec<&str> = head.iter().copied().chain(side::fields(books)).collect();
    let rows: Vec<Vec<String>> = drafts
        .iter()
        .flat_map(|draft| draft.rows())
        .map(|mut row| {
            row.truncate(fields.len());
            row
        })
        .collect();
    let ids = load(odoo, model, &fields, &rows).await?;
    if ids.len() == drafts.len() {
        return Ok(ids);
    }
    Err(differs(format!(
        "{} bookings became {} records",
        drafts.len(),
        ids.len()
    )))
}

/// The journal items of records; those of entries that are drafts are posted first.
async fn read(odoo: &Database<'_>, model: &str, ids: &[i64]) -> Result<Vec<Item>, SinkError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if model == LINE {
        return items::find(odoo, json!([["statement_line_id", "in", ids]])).await;
    }
    let domain = json!([["move_id", "in", ids]]);
    let items = items::find(odoo, domain.clone()).await?;
    let mut drafts: Vec<i64> = items
        .iter()
        .filter(|item| item.parent_state == "draft")
        .filter_map(|item| item.move_id.id())
        .collect();
    drafts.dedup();
    if drafts.is_empty() {
        return Ok(items);
    }
    odoo.call::<IgnoredAny>(ENTRY, "action_post", json!({ "ids": drafts }))
        .await?;
    items::find(odoo, domain).await
}
