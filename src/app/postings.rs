//! What the ledger booked, on its way into Odoo's books.
//!
//! What an account holds in a currency has one journal, so that each transaction goes to one Odoo: the one that the journal is
//! mapped in, or that with our addon which keeps the account's books, or else the stock one that its payment names.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::UtcOffset;

use super::{App, AppError, commit};
use crate::domain::ids::{MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
use crate::domain::ledger::LedgerAccount;
use crate::domain::line_link::LineLink;
use crate::domain::money::{Currency, Money};
use crate::domain::news::{LinkNews, News};
use crate::domain::outbox::Message;
use crate::domain::posting::{self, Posting};
use crate::sink::Via;
use crate::store;
use crate::store::ledger::{NewTransaction, Unqueued};
use crate::store::outbox::NewBooking;

/// How many transactions are looked at together.
const BATCH: i64 = 500;

/// A transaction of the ledger, and what a bookkeeper wants to know of it.
#[derive(Debug)]
pub(super) struct Booked {
    pub(super) transaction: NewTransaction,
    /// What people read beside it.
    pub(super) label: String,
    /// What it meets in Odoo, by the provider's id.
    pub(super) meets: Option<String>,
    /// The payment that it belongs to, and the Odoo that is told of that.
    pub(super) payment: Option<(PaymentId, OdooInstanceId)>,
    /// What a dispute took whole, in the currency that the customer paid in, where the ledger has it in another.
    pub(super) disputed: Option<Money>,
}

/// Books transactions of an account in the ledger, each once, and queues them for whoever keeps its books: the one way there.
pub(super) async fn book(
    app: &App,
    conn: &mut PgConnection,
    place: (MerchantId, ProviderAccountId),
    booked: Vec<Booked>,
) -> Result<(), AppError> {
    let transactions: Vec<&NewTransaction> = booked.iter().map(|booked| &booked.transaction).collect();
    store::ledger::insert(conn, place.0, place.1, &transactions).await?;
    queue(app, conn, place, booked).await?;
    Ok(())
}

/// Who keeps the books of an account.
struct Keepers {
    /// Stock Odoos, by the currency of the journal that is mapped there.
    mapped: HashMap<String, OdooInstanceId>,
    /// The Odoo with our addon, for all currencies.
    addon: Option<OdooInstanceId>,
}

impl Keepers {
    async fn find(
        conn: &mut PgConnection,
        merchant: MerchantId,
        account: ProviderAccountId,
    ) -> Result<Self, AppError> {
        Ok(Self {
            mapped: store::odoo_journals::list_instances(conn, merchant, account).await?,
            addon: store::book_keepers::find(conn, merchant, account).await?,
        })
    }

    /// Who keeps what it holds in a currency; none where nobody was said to.
    fn of(&self, currency: Currency) -> Option<OdooInstanceId> {
        self.mapped.get(currency.code()).copied().or(self.addon)
    }

    fn is_empty(&self) -> bool {
        self.mapped.is_empty() && self.addon.is_none()
    }
}

/// Books what a line was linked to by hand. In Odoo the customer's payment is registered on the documents of the link, and what
/// waited for it in suspense meets that.
pub(super) async fn book_link(
    app: &App,
    conn: &mut PgConnection,
    link: &LineLink,
    transaction: NewTransaction,
) -> Result<(), AppError> {
    let (merchant, account) = (link.merchant_id, link.provider_account_id);
    store::ledger::insert(conn, merchant, account, &[&transaction]).await?;
    let parts = posting::parts(&transaction.entries);
    let (Some(currency), Some(instance)) = (posting::home(&parts), link.odoo_instance_id) else {
        return Ok(());
    };
    let keeper = Keepers::find(conn, merchant, account).await?.of(currency);
    let via = app.outgoing.ways.get(conn, merchant, instance).await?;
    let keeps = match via {
        Via::Rpc => keeper.is_none_or(|keeper| keeper == instance) && link.amount.minor > 0,
        Via::Addon => keeper == Some(instance),
    };
    if !keeps {
        return Ok(());
    }
    let date = transaction.occurred_at.to_offset(UtcOffset::UTC).date();
    let key = format!("link_{}", link.balance_transaction);
    let booking = |posting| NewBooking {
        odoo_instance_id: instance,
        payment_id: None,
        currency,
        posting,
    };
    let paid: Message = match via {
        Via::Rpc => Posting::CustomerPayment {
            charge: key.clone(),
            provider_reference: link.balance_transaction.clone(),
            reference: link.reference.as_str().to_owned(),
            amount: link.amount,
            date,
            settles: link.settles.clone(),
        }
        .into(),
        Via::Addon => Message::News(News::PaymentLinked {
            link: Box::new(LinkNews::of(link, &key, date)),
        }),
    };
    let moved = Posting::Booking {
        source: transaction.source,
        date,
        label: link.balance_transaction.clone(),
        parts,
        meets: Some(key),
    };
    let both = vec![booking(paid), booking(moved.into())];
    Ok(store::outbox::push_bookings(conn, merchant, account, both, app.clock.now()).await?)
}

/// Queues what was booked of an account for whoever keeps its books. What was queued before is passed over. How
/// many messages.
async fn queue(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    booked: Vec<Booked>,
) -> Result<usize, AppError> {
    let keepers = Keepers::find(conn, merchant, account).await?;
    if keepers.is_empty() && booked.iter().all(|booked| booked.payment.is_none()) {
        return Ok(0);
    }
    let mut messages = Vec::with_capacity(booked.len());
    for booked in booked {
        let mut parts = posting::parts(&booked.transaction.entries);
        let Some(currency) = posting::home(&parts) else {
            continue;
        };
        if let Some(disputed) = booked.disputed {
            posting::owe_again(&mut parts, disputed);
        }
        let Some(instance) = keeper(app, conn, merchant, &keepers, currency, booked.payment).await? else {
            continue;
        };
        // Another Odoo was not told of the payment: nothing there waits for its bookings.
        let payment = booked.payment.filter(|(_, told)| *told == instance);
        let is_met = payment.is_some() || parts.iter().any(|part| part.account == LedgerAccount::Bank);
        let posting = Posting::Booking {
            source: booked.transaction.source.clone(),
            date: booked.transaction.occurred_at.to_offset(UtcOffset::UTC).date(),
            label: booked.label,
            parts,
            meets: booked.meets.filter(|_| is_met),
        };
        messages.push(NewBooking {
            odoo_instance_id: instance,
            payment_id: payment.map(|(id, _)| id),
            currency,
            posting: posting.into(),
        });
    }
    let count = messages.len();
    store::outbox::push_bookings(conn, merchant, account, messages, app.clock.now()).await?;
    Ok(count)
}

/// Queues what was booked of an account before anybody kept its books, oldest first. How many messages.
///
/// # Errors
/// [`AppError::NotFound`] where the merchant has no such account.
pub async fn catch_up(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<usize, AppError> {
    let (mut queued, mut after) = (0, None);
    loop {
        let mut tx = app.begin(merchant).await?;
        let found = store::ledger::list_unqueued(&mut tx, merchant, account, after, BATCH).await?;
        let Some(last) = found.last() else {
            return Ok(queued);
        };
        after = Some(last.id);
        let booked = found.into_iter().map(|found| {
            let (label, meets) = name(&found);
            Booked {
                payment: found.transaction.payment_id.zip(found.odoo_instance),
                transaction: found.transaction,
                label,
                meets,
                disputed: found.disputed,
            }
        });
        queued += queue(app, &mut tx, (merchant, account), booked.collect()).await?;
        commit(tx).await?;
        app.bell.notify_waiters();
    }
}

/// What people read beside a transaction, and what it meets.
fn name(found: &Unqueued) -> (String, Option<String>) {
    let source = found.transaction.source.as_str();
    let Some(label) = found.label.clone() else {
        // Of a payout or a dispute: `paid:po_…`, `lost:dp_…:1`.
        let mut parts = source.split(':');
        let (kind, about) = (parts.next(), parts.next().unwrap_or(source).to_owned());
        let meets = match kind {
            Some("lost") => found.charge_reference.clone(),
            Some("paid" | "returned") => Some(about.clone()),
            _ => None,
        };
        return (about, meets);
    };
    let mut entries = found.transaction.entries.iter();
    let is_customers = entries.any(|entry| entry.account == LedgerAccount::ReceivableClearing);
    let about = found.about.clone().filter(|_| is_customers);
    let meets = if found.is_returned {
        about.map(|refund| posting::returned(&refund))
    } else {
        about
    };
    (label, meets)
}

/// The Odoo whose books show what an account holds in a currency.
async fn keeper(
    app: &App,
    conn: &mut PgConnection,
    merchant: MerchantId,
    keepers: &Keepers,
    currency: Currency,
    payment: Option<(PaymentId, OdooInstanceId)>,
) -> Result<Option<OdooInstanceId>, AppError> {
    if let Some(instance) = keepers.of(currency) {
        return Ok(Some(instance));
    }
    let Some((_, instance)) = payment else {
        return Ok(None);
    };
    let via = app.outgoing.ways.get(conn, merchant, instance).await?;
    Ok((via == Via::Rpc).then_some(instance))
}
