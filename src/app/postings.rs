//! What the ledger booked, on its way into stock Odoo's books.
//!
//! What an account holds in a currency has one journal, so that each transaction goes to one Odoo: the one that the journal is
//! mapped in, or else the one that its payment names.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::UtcOffset;

use super::{App, AppError};
use crate::domain::ids::{MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
use crate::domain::money::Currency;
use crate::domain::posting::{self, Posting};
use crate::sink::Via;
use crate::store;
use crate::store::ledger::NewTransaction;
use crate::store::outbox::NewBooking;

/// A transaction of the ledger, and what a bookkeeper wants to know of it.
#[derive(Debug)]
pub(super) struct Booked<'a> {
    pub(super) transaction: &'a NewTransaction,
    /// What people read beside it.
    pub(super) label: String,
    /// What it meets in Odoo, by the provider's id.
    pub(super) meets: Option<String>,
    /// The payment that it belongs to, and the Odoo that is told of that.
    pub(super) payment: Option<(PaymentId, OdooInstanceId)>,
}

/// Queues what was booked of an account for whoever keeps its books. What was queued before is passed over.
pub(super) async fn queue(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    booked: Vec<Booked<'_>>,
) -> Result<(), AppError> {
    let mapped = store::odoo_journals::list_instances(conn, merchant, account).await?;
    if mapped.is_empty() && booked.iter().all(|booked| booked.payment.is_none()) {
        return Ok(());
    }
    let mut messages = Vec::with_capacity(booked.len());
    for booked in booked {
        let posting = Posting::Booking {
            source: booked.transaction.source.clone(),
            date: booked.transaction.occurred_at.to_offset(UtcOffset::UTC).date(),
            label: booked.label,
            parts: posting::parts(&booked.transaction.entries),
            meets: booked.meets,
        };
        let Some(currency) = posting.currency() else {
            continue;
        };
        let Some(instance) = keeper(app, conn, merchant, &mapped, currency, booked.payment).await? else {
            continue;
        };
        messages.push(NewBooking {
            odoo_instance_id: instance,
            // Another Odoo was not told of the payment: nothing there waits for its bookings.
            payment_id: booked
                .payment
                .filter(|(_, told)| *told == instance)
                .map(|(id, _)| id),
            currency,
            posting,
        });
    }
    Ok(store::outbox::push_bookings(conn, merchant, account, messages, app.clock.now()).await?)
}

/// The stock Odoo whose books show what an account holds in a currency.
async fn keeper(
    app: &App,
    conn: &mut PgConnection,
    merchant: MerchantId,
    mapped: &HashMap<String, OdooInstanceId>,
    currency: Currency,
    payment: Option<(PaymentId, OdooInstanceId)>,
) -> Result<Option<OdooInstanceId>, AppError> {
    if let Some(instance) = mapped.get(currency.code()) {
        return Ok(Some(*instance));
    }
    let Some((_, instance)) = payment else {
        return Ok(None);
    };
    let via = app.outgoing.ways.get(conn, merchant, instance).await?;
    Ok((via == Via::Rpc).then_some(instance))
}
