//! Disputes that nobody told us of, and those whose news was lost.

use time::OffsetDateTime;

use super::facet;
use super::hear::{apply, refresh};
use crate::app::apply::{Applied, Heard};
use crate::app::{App, AppError, commit};
use crate::provider::ProviderAccount;

/// Takes in every dispute that was opened at a provider then or later. Nothing happens where it has no disputes.
pub(in crate::app) async fn catch_up(
    app: &App,
    account: &ProviderAccount,
    since: OffsetDateTime,
) -> Result<(), AppError> {
    let Ok(disputes) = facet(app.provider(&account.provider)?) else {
        return Ok(());
    };
    let listed = disputes
        .list_disputes(account, since)
        .await
        .map_err(AppError::Provider)?;
    for said in &listed {
        let mut tx = app.begin(account.merchant_id).await?;
        let place = (account.merchant_id, account.id);
        if apply(app, &mut tx, place, said, Heard::Once).await? == Applied::Done {
            commit(tx).await?;
        } else {
            drop(tx);
            refresh(app, account, &said.provider_reference, None).await?;
        }
    }
    Ok(())
}
