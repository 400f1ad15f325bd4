//! What a person says of money that waits in Suspense.

use sqlx::PgConnection;

use crate::app::AppError;
use crate::domain::exception::Exception;
use crate::domain::ids::ProviderAccountId;
use crate::domain::ledger::{Entries, LedgerAccount, LineBookings, SuspenseRuleBroken};
use crate::domain::line_link::LineLink;
use crate::store;
use crate::store::StoreError;
use crate::store::ledger::NewTransaction;
use time::OffsetDateTime;

/// The account and what was booked about the line of an exception whose row the caller holds.
///
/// # Errors
/// [`SuspenseRuleBroken::NothingWaits`] where it is about no line.
async fn booked(
    conn: &mut PgConnection,
    held: &Exception,
) -> Result<(ProviderAccountId, LineBookings), AppError> {
    let account = held
        .provider_account_id
        .filter(|_| held.kind.is_of_a_line())
        .ok_or(SuspenseRuleBroken::NothingWaits)?;
    let booked = store::ledger::list_of_line(conn, held.merchant_id, account, &held.subject).await?;
    Ok((account, booked))
}

/// Books what waits as what a person who resolved its exception says that it is.
///
/// # Errors
/// [`SuspenseRuleBroken::NothingWaits`].
pub(in crate::app) async fn settle(
    conn: &mut PgConnection,
    held: &Exception,
    to: LedgerAccount,
    now: OffsetDateTime,
) -> Result<(), AppError> {
    let (account, booked) = booked(conn, held).await?;
    let entries = booked.settle(to)?;
    let source = format!("resolved:{}:{}", held.subject, booked.times_by_hand() + 1);
    insert(conn, held, account, source, entries, now).await
}

/// Checks that the money of an exception that was resolved before is where a person now says that it belongs.
///
/// # Errors
/// [`SuspenseRuleBroken::Resolved`].
pub(in crate::app) async fn check_settled(
    conn: &mut PgConnection,
    held: &Exception,
    to: LedgerAccount,
) -> Result<(), AppError> {
    let (_, booked) = booked(conn, held).await?;
    if booked.is_moved_to(to) {
        Ok(())
    } else {
        Err(SuspenseRuleBroken::Resolved.into())
    }
}

/// Books back what persons have moved for an exception that is open again.
///
/// # Errors
/// [`SuspenseRuleBroken::Linked`].
pub(in crate::app) async fn take_back(
    conn: &mut PgConnection,
    held: &Exception,
    now: OffsetDateTime,
) -> Result<(), AppError> {
    if !held.kind.is_of_a_line() {
        return Ok(());
    }
    let (account, booked) = booked(conn, held).await?;
    let linked = store::line_links::find(conn, held.merchant_id, account, &held.subject).await?;
    if let Some(link) = linked {
        let reference = link.reference.as_str().to_owned();
        return Err(SuspenseRuleBroken::Linked { reference }.into());
    }
    let back = booked
        .take_back()
        .map_err(|error| StoreError::corrupt("ledger_entry", &error))?;
    let Some(entries) = back else { return Ok(()) };
    let source = format!("reopened:{}:{}", held.subject, booked.times_by_hand() + 1);
    insert(conn, held, account, source, entries, now).await
}

async fn insert(
    conn: &mut PgConnection,
    held: &Exception,
    account: ProviderAccountId,
    source: String,
    entries: Entries,
    now: OffsetDateTime,
) -> Result<(), AppError> {
    let transaction = NewTransaction {
        source,
        payment_id: held.payment_id,
        occurred_at: now,
        entries,
    };
    Ok(store::ledger::insert(conn, held.merchant_id, account, &[transaction]).await?)
}

/// All that follows from a link that was just kept, in its transaction: the line's money is the customer's. What Odoo's books must
/// record of it is posted from here as well, once there is a posting for it: the link has whose books, which documents and how much,
/// and its line the rest.
///
/// # Errors
/// [`SuspenseRuleBroken::NothingWaits`].
pub(in crate::app) async fn on_linked(conn: &mut PgConnection, link: &LineLink) -> Result<(), AppError> {
    let (merchant, account) = (link.merchant_id, link.provider_account_id);
    let subject = &link.balance_transaction;
    let booked = store::ledger::list_of_line(conn, merchant, account, subject).await?;
    let transaction = NewTransaction {
        source: format!("link:{subject}"),
        payment_id: None,
        occurred_at: link.at,
        entries: booked.clear(link.amount)?,
    };
    Ok(store::ledger::insert(conn, merchant, account, &[transaction]).await?)
}
