//! Writing entries: invoices, payments and statement lines, each in balance.

use time::{Date, OffsetDateTime};

use super::books::{
    Books, EXCHANGE, EXCHANGE_GAIN, EXCHANGE_LOSS, Entry, Item, Payment, Source, StatementLine,
};
use super::documents::Details;
use super::error::OdooError;

/// One side of an entry that is about to be written.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) account: i64,
    pub(super) partner: Option<i64>,
    pub(super) label: String,
    pub(super) currency: i64,
    pub(super) minor: i64,
    /// What it is worth in the company's currency, where that is said.
    pub(super) worth_minor: Option<i64>,
    pub(super) details: Details,
}

impl Side {
    /// What it is worth in the company's currency: as it is said, or by the rate.
    fn worth(&self, books: &Books) -> i64 {
        self.worth_minor
            .unwrap_or_else(|| books.in_company_currency(self.minor, self.currency))
    }
}

/// A statement line that is about to be written.
#[derive(Clone, Debug)]
pub(super) struct NewLine {
    pub(super) journal: i64,
    pub(super) date: Date,
    pub(super) label: String,
    pub(super) reference: String,
    pub(super) minor: i64,
    pub(super) partner: Option<i64>,
    pub(super) sides: Vec<Side>,
}

/// An entry of a general journal that is about to be written, as a draft.
#[derive(Clone, Debug)]
pub(super) struct NewEntry {
    pub(super) journal: i64,
    pub(super) date: Date,
    pub(super) reference: String,
    pub(super) sides: Vec<Side>,
}

impl NewEntry {
    /// What Odoo checks before it keeps one.
    pub(super) fn check(&self, books: &Books) -> Result<(), OdooError> {
        check_sides(books, &self.sides)?;
        if self.sides.iter().map(|side| side.worth(books)).sum::<i64>() != 0 {
            return Err(OdooError::user("The entry is not balanced."));
        }
        Ok(())
    }
}

impl NewLine {
    /// What Odoo checks before it keeps one.
    pub(super) fn check(&self, books: &Books) -> Result<(), OdooError> {
        check_sides(books, &self.sides)?;
        if self.sides.iter().map(|side| side.worth(books)).sum::<i64>() != 0 {
            return Err(OdooError::user("The entry is not balanced."));
        }
        let mut details = self.sides.iter().map(|side| &side.details);
        if details.clone().any(|of| !of.taxes.is_empty()) && details.all(|of| of.share.is_none()) {
            // Odoo works out the tax that is missing and finds its own items too many.
            return Err(OdooError::user(
                "The journal entry reached an invalid state regarding its related statement line.",
            ));
        }
        let own = books
            .journals
            .get(self.journal)
            .and_then(|journal| journal.account);
        let on_own = |side: &&Side| Some(side.account) == own;
        let holds = books.currency_of(self.journal);
        if self
            .sides
            .iter()
            .filter(on_own)
            .any(|side| side.currency != holds)
        {
            return Err(OdooError::value(
                "the pretend Odoo books in a journal's own currency on its account only",
            ));
        }
        let arrived: i64 = self.sides.iter().filter(on_own).map(|side| side.minor).sum();
        if arrived != self.minor {
            return Err(OdooError::user(
                "The journal items do not add up to the amount of the line.",
            ));
        }
        Ok(())
    }
}

/// An item in the company's currency is worth what it is.
fn check_sides(books: &Books, sides: &[Side]) -> Result<(), OdooError> {
    let differs = |side: &&Side| side.currency == books.currency && side.worth(books) != side.minor;
    if sides.iter().any(|side| differs(&side)) {
        return Err(OdooError::user(
            "The amount expressed in the secondary currency must be the same as the balance.",
        ));
    }
    Ok(())
}

impl Books {
    /// Posts an invoice or an entry of a general journal.
    pub(super) fn post_invoice(&mut self, entry: i64) -> Result<(), OdooError> {
        if let Some(name) = self.entries.get(entry).and_then(|found| found.name.as_ref()) {
            return Err(OdooError::user(format!(
                "The entry {name} (id {entry}) must be in draft."
            )));
        }
        let source = self.entries.get(entry).map(|found| found.source);
        if let Some(Source::CreditNote(reversed)) = source {
            self.number(entry, "R");
            if let Some(invoice) = reversed {
                self.meet_invoice(entry, invoice);
            }
        } else {
            self.number(entry, "");
        }
        Ok(())
    }

    /// Whether a payment has its journal entry.
    pub(super) fn is_posted_payment(&self, id: i64) -> bool {
        self.payments
            .get(id)
            .is_some_and(|payment| payment.entry.is_some())
    }

    /// Posts a payment. One that is posted already stays as it is.
    pub(super) fn post_payment(&mut self, id: i64) -> Result<(), OdooError> {
        let payment = self
            .payments
            .get(id)
            .ok_or_else(|| OdooError::missing("account.payment", id))?;
        if payment.entry.is_some() {
            return Ok(());
        }
        let Payment {
            inbound,
            partner,
            currency,
            minor,
            date,
            journal,
            destination,
            ..
        } = *payment;
        let destination =
            destination.ok_or_else(|| OdooError::user("Missing required account on accountable line."))?;
        let label = payment.memo.clone();
        let waiting = self
            .method_lines
            .get(payment.method_line)
            .and_then(|line| line.account);
        let outstanding = waiting.map_or_else(|| self.account("101403"), Ok)?;
        let minor = if inbound { minor } else { -minor };
        let entry = self.add_entry(
            journal,
            date,
            Some(label.clone()),
            partner,
            (currency, Source::Payment(id)),
        );
        self.add_items(
            entry,
            vec![
                Side {
                    account: outstanding,
                    partner,
                    label: label.clone(),
                    currency,
                    minor,
                    worth_minor: None,
                    details: Details::default(),
                },
                Side {
                    account: destination,
                    partner,
                    label,
                    currency,
                    minor: -minor,
                    worth_minor: None,
                    details: Details::default(),
                },
            ],
        );
        self.number(entry, "P");
        if let Some(payment) = self.payments.get_mut(id) {
            payment.entry = Some(entry);
        }
        Ok(())
    }

    /// Writes a statement line that was checked; it posts itself.
    pub(super) fn add_line(&mut self, line: NewLine) -> i64 {
        let source = Source::StatementLine(self.lines.next_id());
        let currency = self.currency_of(line.journal);
        let entry = self.add_entry(
            line.journal,
            line.date,
            Some(line.reference),
            line.partner,
            (currency, source),
        );
        self.add_items(entry, line.sides);
        self.number(entry, "");
        self.lines.add(StatementLine {
            label: line.label,
            minor: line.minor,
            entry,
        })
    }

    /// Writes a draft of a general journal that was checked.
    pub(super) fn add_general(&mut self, new: NewEntry) -> i64 {
        let kind = (self.currency, Source::General);
        let entry = self.add_entry(new.journal, new.date, Some(new.reference), None, kind);
        self.add_items(entry, new.sides);
        entry
    }

    /// Posts what an item lost of its worth, or won, when it met one that came at another rate. Nothing where it did neither.
    pub(super) fn exchange(&mut self, id: i64, lost_minor: i64) -> Option<i64> {
        if lost_minor == 0 {
            return None;
        }
        let item = self.items.get(id)?;
        let (account, currency, partner) = (item.account, item.currency, item.partner);
        let date = self.entries.get(item.entry)?.date;
        let result = if lost_minor > 0 {
            EXCHANGE_LOSS
        } else {
            EXCHANGE_GAIN
        };
        let side = |account, worth_minor| Side {
            account,
            partner,
            label: "Currency exchange rate difference".to_owned(),
            currency,
            minor: 0,
            worth_minor: Some(worth_minor),
            details: Details::default(),
        };
        let result = self.account(result).ok()?;
        let sides = vec![side(account, -lost_minor), side(result, lost_minor)];
        self.add_exchange(date, currency, sides)
    }

    /// Posts the opposite of what a rate made, of items that meet no more.
    pub(super) fn reverse_exchange(&mut self, entry: i64) {
        let Some((date, currency)) = self.entries.get(entry).map(|entry| (entry.date, entry.currency)) else {
            return;
        };
        let sides = self.items_of(entry).map(|(_, item)| Side {
            account: item.account,
            partner: item.partner,
            label: item.label.clone(),
            currency: item.currency,
            minor: 0,
            worth_minor: Some(-item.worth_minor),
            details: Details::default(),
        });
        let sides = sides.collect();
        self.add_exchange(date, currency, sides);
    }

    /// Its items are met from the start.
    fn add_exchange(&mut self, date: Date, currency: i64, sides: Vec<Side>) -> Option<i64> {
        let journal = self.journal(EXCHANGE).ok()?;
        let entry = self.add_entry(journal, date, None, None, (currency, Source::General));
        self.add_items(entry, sides);
        let items: Vec<i64> = self.items_of(entry).map(|(id, _)| id).collect();
        for id in items {
            if let Some(item) = self.items.get_mut(id) {
                item.residual_worth_minor = 0;
            }
        }
        self.number(entry, "");
        Some(entry)
    }

    pub(super) fn add_entry(
        &mut self,
        journal: i64,
        date: Date,
        reference: Option<String>,
        partner: Option<i64>,
        (currency, source): (i64, Source),
    ) -> i64 {
        self.entries.add(Entry {
            journal,
            name: None,
            date,
            reference,
            partner,
            currency,
            source,
        })
    }

    pub(super) fn add_items(&mut self, entry: i64, sides: Vec<Side>) {
        for side in sides {
            let worth_minor = side.worth(self);
            self.items.add(Item {
                entry,
                account: side.account,
                partner: side.partner,
                label: side.label,
                currency: side.currency,
                minor: side.minor,
                worth_minor,
                residual_minor: side.minor,
                residual_worth_minor: worth_minor,
                details: side.details,
            });
        }
    }

    /// Posts an entry: gives it the next number of its journal and year, and, as Odoo does without a word, another
    /// date where its own is locked.
    fn number(&mut self, entry: i64, prefix: &str) {
        let locked = self.lock_date;
        let Some(found) = self.entries.get_mut(entry) else {
            return;
        };
        if locked.is_some_and(|locked| found.date <= locked) {
            found.date = today();
        }
        let code = self
            .journals
            .get(found.journal)
            .map_or("", |journal| journal.code.as_str());
        let series = format!("{prefix}{code}/{}", found.date.year());
        let number = self.numbers.entry(series.clone()).or_default();
        *number += 1;
        found.name = Some(format!("{series}/{number:05}"));
        self.generation += 1;
    }
}

/// The day it is. Only dates that a lock has moved depend on it.
fn today() -> Date {
    OffsetDateTime::from(std::time::SystemTime::now()).date()
}
