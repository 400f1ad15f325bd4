//! What a person says of money that waits in Suspense.

use sqlx::PgConnection;

use crate::app::postings::{self, Booked};
use crate::app::{App, AppError};
use crate::domain::exception::Exception;
use crate::domain::ids::ProviderAccountId;
use crate::domain::ledger::{Entries, LedgerAccount, LineBookings, SuspenseRuleBroken};
use crate::domain::line_link::LineLink;
use crate::store;
use crate::store::StoreError;
use crate::store::ledger::NewTransaction;

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
    app: &App,
    conn: &mut PgConnection,
    held: &Exception,
    to: LedgerAccount,
) -> Result<(), AppError> {
    let (account, booked) = booked(conn, held).await?;
    let entries = booked.settle(to)?;
    let source = format!("resolved:{}:{}", held.subject, booked.times_by_hand() + 1);
    insert(app, conn, held, account, (source, entries)).await
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
    app: &App,
    conn: &mut PgConnection,
    held: &Exception,
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
    insert(app, conn, held, account, (source, entries)).await
}

async fn insert(
    app: &App,
    conn: &mut PgConnection,
    held: &Exception,
    account: ProviderAccountId,
    (source, entries): (String, Entries),
) -> Result<(), AppError> {
    let moved = Booked {
        disputed: None,
        transaction: NewTransaction {
            source,
            payment_id: held.payment_id,
            occurred_at: app.clock.now(),
            entries,
        },
        label: held.subject.clone(),
        meets: None,
        payment: None,
    };
    postings::book(app, conn, (held.merchant_id, account), vec![moved]).await
}

/// All that follows from a link that was just kept, in its transaction: the line's money is the customer's, here and in the
/// books of the Odoo that the link names.
///
/// # Errors
/// [`SuspenseRuleBroken::NothingWaits`].
pub(in crate::app) async fn on_linked(
    app: &App,
    conn: &mut PgConnection,
    link: &LineLink,
) -> Result<(), AppError> {
    let (merchant, account) = (link.merchant_id, link.provider_account_id);
    let subject = &link.balance_transaction;
    let booked = store::ledger::list_of_line(conn, merchant, account, subject).await?;
    let transaction = NewTransaction {
        source: format!("link:{subject}"),
        payment_id: None,
        occurred_at: link.at,
        entries: booked.clear(link.amount)?,
    };
    postings::book_link(app, conn, link, transaction).await
}
