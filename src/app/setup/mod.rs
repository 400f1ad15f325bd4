//! What an administrator sets up: merchants, what they reach, and what reaches them. The API and the command line do the same here.

pub mod api_keys;
mod by_hand;
pub mod merchants;
pub mod odoo_instances;
pub mod operator_keys;
pub mod provider_accounts;

use std::time::Duration;

use sqlx::PgConnection;

use super::{Answer, App, AppError, Key, Served, commit};
use crate::domain::ids::{MerchantId, OperationId};

pub use by_hand::{
    add_addon_instance, add_merchant, add_odoo_instance, add_provider_account, add_webhook_secret,
    create_api_key, create_api_key_with, enable_odoo_instance, rotate_signing_secret,
};

/// Makes something once for a caller's key. It is made and the answer kept in one transaction, so that a repeated request finds
/// both or neither; the answer is kept sealed, with the secret that it may show.
async fn once<T>(
    app: &App,
    merchant: MerchantId,
    key: Key,
    render: fn(&T) -> Answer,
    make: impl AsyncFnOnce(&mut PgConnection, OperationId) -> Result<T, AppError>,
) -> Result<Served, AppError> {
    key.once(app, merchant, async |id| {
        let mut tx = app.begin(merchant).await?;
        let thing = make(&mut tx, id).await?;
        let answer = render(&thing);
        key.finish(app, &mut tx, merchant, &answer).await?;
        commit(tx).await?;
        Ok((answer, Duration::ZERO))
    })
    .await
}
