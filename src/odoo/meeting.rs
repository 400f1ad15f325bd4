//! What a booking's part on Outstanding, or on the way to the bank, meets in Odoo.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;

use crate::domain::ledger::LedgerAccount;
use crate::domain::money::Money;
use crate::sink::{Books, LostDisputes, SinkError};

use super::booking::{Booking, Home, account_id};
use super::client::Database;
use super::error::{differs, refused};
use super::items::{self, Item};
use super::wire::Text;

/// What waits in Odoo for a booking.
#[derive(Debug)]
pub(super) enum Met {
    /// An item of a payment, a refund or a line, which holds the opposite of what the booking's own item does.
    Waiting {
        item: Box<Item>,
        /// What the booking's own item holds.
        amount: Money,
    },
    /// What a customer paid, and owes again.
    Debt {
        /// The payment's item on the customer's account.
        paid: Box<Item>,
        /// What they owe again.
        amount: Money,
    },
}

impl Met {
    /// Whose money it is.
    pub(super) fn partner_id(&self) -> Option<i64> {
        match self {
            Self::Waiting { item, .. } | Self::Debt { paid: item, .. } => item.partner_id.id(),
        }
    }

    /// Whether what waits is just the opposite.
    fn is_exact(&self) -> bool {
        match self {
            Self::Waiting { item, amount } | Self::Debt { paid: item, amount } => item.amounts_to(-*amount),
        }
    }

    /// The account on which the customer owes again.
    pub(super) fn receivable_id(&self) -> Option<i64> {
        match self {
            Self::Debt { paid, .. } => paid.account_id.id(),
            Self::Waiting { .. } => None,
        }
    }
}

/// The items of customers' payments and refunds, and of lines of the journal, that bookings name.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<String, Vec<Item>>);

#[derive(Debug, Deserialize)]
struct Named {
    id: i64,
    payment_reference: Text,
}

impl Waiting {
    /// Finds them in three calls at most, however many there are.
    pub(super) async fn find(
        odoo: &Database<'_>,
        books: &Books,
        bookings: &[Booking<'_>],
    ) -> Result<Self, SinkError> {
        let named: Vec<(&Booking<'_>, &str)> = bookings
            .iter()
            .filter_map(|booking| Some((booking, booking.meets?)))
            .collect();
        let lines = bookings.iter().filter_map(|booking| {
            let is_met = booking.has(LedgerAccount::DisputeLosses)
                || (books.bank.is_some() && booking.has(LedgerAccount::Bank));
            is_met.then_some(booking.label)
        });
        let lines: Vec<&str> = lines.collect();
        let payments: Vec<&str> = named
            .into_iter()
            .filter(|(booking, _)| !booking.has(LedgerAccount::Bank))
            .map(|(_, name)| name)
            .collect();
        let mut found = HashMap::<String, Vec<Item>>::new();
        if !payments.is_empty() {
            of_payments(odoo, &payments, &mut found).await?;
        }
        if !lines.is_empty() {
            of_lines(odoo, books, &lines, &mut found).await?;
        }
        Ok(Self(found))
    }

    /// What a booking meets.
    pub(super) fn of(&self, books: &Books, home: Home, booking: &Booking<'_>) -> Result<Vec<Met>, SinkError> {
        if booking.has(LedgerAccount::DisputeLosses) {
            let mut met: Vec<Met> = self.debt(books, booking)?.into_iter().collect();
            // Of a dispute that took and gave back several times, the sum on its account is what counts.
            let taken = self.waiting(books, home, booking, booking.label, LedgerAccount::Disputes)?;
            met.extend(taken.filter(Met::is_exact));
            return Ok(met);
        }
        let Some(name) = booking.meets else {
            return Ok(Vec::new());
        };
        let account = if booking.has(LedgerAccount::Bank) {
            LedgerAccount::InTransit
        } else {
            LedgerAccount::ReceivableClearing
        };
        if booking.part(account).is_none() {
            return Ok(Vec::new());
        }
        let met = self
            .waiting(books, home, booking, name, account)?
            .ok_or_else(|| {
                refused(format!(
                    "what {name} waits with on the account that its booking meets is not in Odoo"
                ))
            })?;
        Ok(vec![met])
    }

    /// The item of a name that a booking's part on an account meets: best one that holds just its opposite.
    fn waiting(
        &self,
        books: &Books,
        home: Home,
        booking: &Booking<'_>,
        name: &str,
        account: LedgerAccount,
    ) -> Result<Option<Met>, SinkError> {
        let Some(part) = booking.part(account) else {
            return Ok(None);
        };
        let account_id = account_id(books, home, part, None)?;
        let items = self.0.get(name).into_iter().flatten();
        let item = items
            .filter(|item| item.account_id.id() == Some(account_id))
            .min_by_key(|item| !item.amounts_to(-part.amount));
        Ok(item.map(|item| Met::Waiting {
            item: Box::new(item.clone()),
            amount: part.amount,
        }))
    }

    /// What a lost dispute makes the customer owe again, where it does not become an expense.
    fn debt(&self, books: &Books, booking: &Booking<'_>) -> Result<Option<Met>, SinkError> {
        let lost = booking.part(LedgerAccount::DisputeLosses);
        let (Some(name), Some(lost), LostDisputes::Reopen) = (booking.meets, lost, books.lost_disputes)
        else {
            return Ok(None);
        };
        let items = self
            .0
            .get(name)
            .ok_or_else(|| refused(format!("the payment of {name} is not in Odoo")))?;
        let paid = items
            .iter()
            .find(|item| item.is_receivable())
            .ok_or_else(|| differs(format!("the payment of {name} is on no customer's account")))?;
        Ok(Some(Met::Debt {
            paid: Box::new(paid.clone()),
            amount: lost.amount,
        }))
    }
}

async fn of_payments(
    odoo: &Database<'_>,
    names: &[&str],
    found: &mut HashMap<String, Vec<Item>>,
) -> Result<(), SinkError> {
    let domain = json!([["payment_reference", "in", names]]);
    let payments: Vec<Named> = odoo
        .search("account.payment", domain, &["payment_reference"])
        .await?;
    let ids: Vec<i64> = payments.iter().map(|payment| payment.id).collect();
    let domain = json!([["payment_id", "in", ids], ["parent_state", "=", "posted"]]);
    let items = items::find(odoo, domain).await?;
    for payment in payments {
        let name = payment.payment_reference.as_str().to_owned();
        let own = items
            .iter()
            .filter(|item| item.payment_id.id() == Some(payment.id));
        found.entry(name).or_default().extend(own.cloned());
    }
    Ok(())
}

/// The lines of the journal that stands for the provider's balance are called what they are about.
async fn of_lines(
    odoo: &Database<'_>,
    books: &Books,
    names: &[&str],
    found: &mut HashMap<String, Vec<Item>>,
) -> Result<(), SinkError> {
    let domain = json!([
        ["journal_id", "=", books.journal_id],
        ["name", "in", names],
        ["parent_state", "=", "posted"],
    ]);
    for item in items::find(odoo, domain).await? {
        found.entry(item.name.as_str().to_owned()).or_default().push(item);
    }
    Ok(())
}

/// Makes a booking's own item meet the one that waits for it.
pub(super) async fn meet(odoo: &Database<'_>, met: &Met, items: &[Item]) -> Result<(), SinkError> {
    let (waiting, amount) = match met {
        Met::Waiting { item, amount } | Met::Debt { paid: item, amount } => (item, *amount),
    };
    let Some(own) = items
        .iter()
        .find(|item| item.account_id == waiting.account_id && item.amounts_to(amount))
    else {
        return Ok(());
    };
    let expected = Money::new(amount.minor.abs(), amount.currency);
    let (debit, credit): (&Item, &Item) = if amount.minor < 0 {
        (waiting, own)
    } else {
        (own, waiting)
    };
    if let Met::Debt { paid, .. } = met {
        // Of a part that was lost the customer owes that part: the invoice stays as it is.
        if !met.is_exact() {
            return Ok(());
        }
        let meetings = items::meetings(odoo, &[paid]).await?;
        let with_own = meetings.iter().filter(|meeting| meeting.has(own));
        if items::sum_met(with_own, expected.currency)? == expected {
            return Ok(());
        }
        items::part(odoo, &meetings).await?;
        let parted = Item {
            reconciled: false,
            ..Item::clone(paid)
        };
        return items::reconcile(odoo, &[debit], &[&parted], expected).await;
    }
    items::reconcile(odoo, &[debit], &[credit], expected).await
}
