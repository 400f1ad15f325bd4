//! Bookings: transactions of the ledger in Odoo's journals, many in one import.
//!
//! A transaction with a part on the provider's balance is a line of the journal that stands for it, one with a part on the
//! bank a line of the bank's, and any other an entry of the general journal. What comes of one never depends on another's.

use time::Date;

use crate::domain::ledger::LedgerAccount;
use crate::domain::posting::{Part, Posting};
use crate::sink::{Books, OdooRecord, SinkError};

use super::client::Database;
use super::draft::{Draft, ENTRY, LINE};
use super::error::refused;
use super::items::Item;
use super::meeting::Waiting;
use super::rates::Rates;
use super::{draft, meeting};

/// One booking to be recorded once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booking<'a> {
    /// What makes it one and the same.
    pub(super) source: &'a str,
    pub(super) date: Date,
    pub(super) label: &'a str,
    pub(super) parts: &'a [Part],
    /// What its part on Outstanding meets, or its part on the way to the bank.
    pub(super) meets: Option<&'a str>,
}

impl<'a> Booking<'a> {
    /// Nothing where the posting is another one.
    pub(super) fn of(posting: &'a Posting) -> Option<Self> {
        match posting {
            Posting::Booking {
                source,
                date,
                label,
                parts,
                meets,
            } => Some(Self {
                source,
                date: *date,
                label,
                parts,
                meets: meets.as_deref(),
            }),
            Posting::CustomerPayment { .. }
            | Posting::CustomerRefund { .. }
            | Posting::RefundReturned { .. } => None,
        }
    }

    /// Its part on an account of the ledger.
    pub(super) fn part(&self, account: LedgerAccount) -> Option<&Part> {
        self.parts.iter().find(|part| part.account == account)
    }

    pub(super) fn has(&self, account: LedgerAccount) -> bool {
        self.part(account).is_some()
    }
}

/// Where a booking is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// A line of a bank journal, and that journal's own account.
    Line { journal_id: i64, account_id: i64 },
    /// An entry of the general journal.
    Entry { journal_id: i64 },
    /// The bank's feed writes it.
    Elsewhere,
}

fn home(books: &Books, booking: &Booking<'_>) -> Result<Home, SinkError> {
    if booking.has(LedgerAccount::ProviderBalance) {
        return Ok(Home::Line {
            journal_id: books.journal_id,
            account_id: books.journal_account_id,
        });
    }
    if booking.has(LedgerAccount::Bank) {
        return Ok(books.bank.as_ref().map_or(Home::Elsewhere, |bank| Home::Line {
            journal_id: bank.journal_id,
            account_id: bank.account_id,
        }));
    }
    let journal_id = books
        .general_journal_id
        .ok_or_else(|| refused("no general journal is mapped: `quittance odoo setup` finds one"))?;
    Ok(Home::Entry { journal_id })
}

/// The account of Odoo that a part goes to. What a dispute took for good goes to `receivable_id`, where a customer owes it
/// again.
pub(super) fn account_id(
    books: &Books,
    home: Home,
    part: &Part,
    receivable_id: Option<i64>,
) -> Result<i64, SinkError> {
    let own = match home {
        Home::Line {
            journal_id,
            account_id,
        } => {
            let is_own = if journal_id == books.journal_id {
                part.account == LedgerAccount::ProviderBalance
            } else {
                part.account == LedgerAccount::Bank
            };
            is_own.then_some(account_id)
        }
        Home::Entry { .. } | Home::Elsewhere => None,
    };
    let known = match part.account {
        LedgerAccount::ReceivableClearing if part.amount.minor < 0 => Some(books.outstanding_receipts_id),
        LedgerAccount::ReceivableClearing => Some(books.outstanding_payments_id),
        LedgerAccount::Fees => Some(books.fee_account_id),
        LedgerAccount::DisputeLosses if receivable_id.is_some() => receivable_id,
        other @ (LedgerAccount::ProviderBalance
        | LedgerAccount::DisputeLosses
        | LedgerAccount::FeeTax
        | LedgerAccount::Disputes
        | LedgerAccount::DisputeFees
        | LedgerAccount::Fx
        | LedgerAccount::InTransit
        | LedgerAccount::Bank
        | LedgerAccount::Reserve
        | LedgerAccount::Transfers
        | LedgerAccount::Financing
        | LedgerAccount::Contributions
        | LedgerAccount::Issuing
        | LedgerAccount::Opening
        | LedgerAccount::Suspense) => books.accounts.get(&other).copied(),
    };
    own.or(known).ok_or_else(|| {
        refused(format!(
            "no account of Odoo is mapped to {}: `quittance odoo setup` finds or makes one",
            part.account.word()
        ))
    })
}

/// Records bookings of one journal, and reads each back. What came of each, in their order.
pub(super) async fn post(
    odoo: &Database<'_>,
    books: &Books,
    bookings: &[Booking<'_>],
) -> Vec<Result<Vec<OdooRecord>, SinkError>> {
    match prepare(odoo, books, bookings).await {
        Ok(drafts) => record(odoo, books, drafts).await,
        Err(error) => bookings.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// What each becomes: nothing where it is written elsewhere.
async fn prepare<'a>(
    odoo: &Database<'_>,
    books: &Books,
    bookings: &[Booking<'a>],
) -> Result<Vec<Result<Option<Draft<'a>>, SinkError>>, SinkError> {
    let waiting = Waiting::find(odoo, books, bookings).await?;
    let rates = Rates::find(odoo, books, bookings).await?;
    let draft = |booking: &Booking<'a>| -> Result<Option<Draft<'a>>, SinkError> {
        let home = home(books, booking)?;
        if home == Home::Elsewhere {
            return Ok(None);
        }
        let meets = waiting.of(books, home, booking)?;
        Draft::new(books, home, booking, meets, &rates).map(Some)
    };
    Ok(bookings.iter().map(draft).collect())
}

async fn record(
    odoo: &Database<'_>,
    books: &Books,
    drafts: Vec<Result<Option<Draft<'_>>, SinkError>>,
) -> Vec<Result<Vec<OdooRecord>, SinkError>> {
    let mut outcomes: Vec<Result<Vec<OdooRecord>, SinkError>> = Vec::with_capacity(drafts.len());
    let mut written: Vec<(usize, Draft<'_>)> = Vec::new();
    for (place, draft) in drafts.into_iter().enumerate() {
        outcomes.push(Ok(Vec::new()));
        match draft {
            Ok(Some(draft)) => written.push((place, draft)),
            Ok(None) => {}
            Err(error) => outcomes[place] = Err(error),
        }
    }
    for model in [LINE, ENTRY] {
        let of_model: Vec<&(usize, Draft<'_>)> =
            written.iter().filter(|(_, draft)| draft.model == model).collect();
        let drafts: Vec<&Draft<'_>> = of_model.iter().map(|(_, draft)| draft).collect();
        let became = draft::write(odoo, books, model, &drafts).await;
        for ((place, draft), became) in of_model.into_iter().zip(became) {
            outcomes[*place] = match became {
                Ok((id, items)) => finish(odoo, draft, id, &items).await,
                Err(error) => Err(error),
            };
        }
    }
    outcomes
}

/// Compares what a draft became with what was sent, and makes it meet what waits for it.
async fn finish(
    odoo: &Database<'_>,
    draft: &Draft<'_>,
    id: i64,
    items: &[Item],
) -> Result<Vec<OdooRecord>, SinkError> {
    draft.check(id, items)?;
    for met in &draft.meets {
        meeting::meet(odoo, met, items).await?;
    }
    Ok(vec![OdooRecord {
        model: draft.model.to_owned(),
        id,
    }])
}
