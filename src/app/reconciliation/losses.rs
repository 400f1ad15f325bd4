//! Disputes that were lost: what their lines took and did not bring back is gone for good.
//!
//! Lines and the end of a dispute come in any order, so that each of both looks, holding the dispute's row.

use sqlx::PgConnection;

use crate::app::postings::{self, Booked};
use crate::app::{App, AppError};
use crate::domain::dispute::{Dispute, DisputeState};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::ledger;
use crate::domain::money::{Currency, Money};
use crate::domain::snapshot::Said;
use crate::store;
use crate::store::StoreError;
use crate::store::ledger::{Disputed, NewTransaction};

/// Looks at disputes whose lines were booked just now.
pub(super) async fn book_of(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    mut references: Vec<&str>,
) -> Result<(), AppError> {
    // In one order, so that two workers never wait for each other.
    references.sort_unstable();
    references.dedup();
    for reference in references {
        match store::disputes::lock(conn, merchant, account, reference).await {
            Ok(dispute) => book(app, conn, &dispute).await?,
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Books what a dispute took for good, where it was lost. The caller holds its row.
pub(in crate::app) async fn book(
    app: &App,
    conn: &mut PgConnection,
    dispute: &Dispute,
) -> Result<(), AppError> {
    if dispute.told.state != Said::Known(DisputeState::Lost) {
        return Ok(());
    }
    let (merchant, account) = (dispute.merchant_id, dispute.provider_account_id);
    let reference = &dispute.told.provider_reference;
    let taken = store::ledger::list_disputed(conn, merchant, account, reference).await?;
    let told = match dispute.payment_id {
        Some(id) => store::payments::find_odoo_instance(conn, merchant, id)
            .await?
            .map(|instance| (id, instance)),
        None => None,
    };
    let mut lost = Vec::with_capacity(taken.len());
    let before: i64 = taken.iter().map(|taken| taken.losses).sum();
    let is_whole = before == 0 && taken.iter().all(|taken| taken.returns == 0);
    let open = taken.into_iter().filter(|taken| taken.minor != 0);
    for (Disputed { currency, minor, .. }, number) in open.zip(before + 1..) {
        let currency: Currency = currency
            .parse()
            .map_err(|error| StoreError::corrupt("ledger_entry", &error))?;
        let entries = ledger::book_lost(Money::new(minor, currency))
            .map_err(|error| StoreError::corrupt("ledger_entry", &error))?;
        lost.push(Booked {
            transaction: NewTransaction {
                source: format!("lost:{reference}:{number}"),
                payment_id: dispute.payment_id,
                occurred_at: app.clock.now(),
                entries,
            },
            label: reference.clone(),
            meets: dispute.told.charge_reference.clone(),
            payment: told,
            // Of what came back in part, at another rate, nobody knows what it is in the customer's currency.
            disputed: Some(dispute.told.amount).filter(|amount| is_whole && amount.currency != currency),
        });
    }
    postings::book(app, conn, (merchant, account), lost).await
}
