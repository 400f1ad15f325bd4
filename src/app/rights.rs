//! What an account's key may not do at its provider: named before a payment meets it. It stops nothing.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use super::{App, AppError};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::{Permission, ProviderAccount};
use crate::store;

/// How many accounts are looked at when a worker starts, the newest first: the nightly sweep looks at all.
const AT_START: i64 = 100;

/// How many of these at once.
const ABREAST: usize = 2;

/// What a key may do of what is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRights {
    /// Whether the key is a restricted one; any other may do everything.
    pub restricted: bool,
    /// What it lacks.
    pub missing: Vec<Permission>,
}

/// Asks the provider what the key of a merchant's account lacks. Changes nothing.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Provider`] where the provider does not say.
pub async fn check(app: &App, merchant: MerchantId, id: ProviderAccountId) -> Result<KeyRights, AppError> {
    let account = {
        let mut conn = app.db.read(merchant).await?;
        store::provider_accounts::get(&mut conn, &app.sealer, merchant, id).await?
    };
    find(app, &account).await
}

async fn find(app: &App, account: &ProviderAccount) -> Result<KeyRights, AppError> {
    let provider = app.provider(&account.provider)?;
    let Some(rights) = provider.rights().filter(|rights| rights.is_restricted(account)) else {
        return Ok(KeyRights {
            restricted: false,
            missing: Vec::new(),
        });
    };
    let missing = rights.find_missing(account).await.map_err(AppError::Provider)?;
    Ok(KeyRights {
        restricted: true,
        missing,
    })
}

/// Looks at one account, and logs in one line what its key lacks.
pub(super) async fn look_at(app: &App, account: &ProviderAccount) {
    match find(app, account).await {
        Ok(KeyRights { missing, .. }) if missing.is_empty() => {}
        Ok(KeyRights { missing, .. }) => {
            let names: Vec<&str> = missing.iter().map(|permission| permission.name).collect();
            let permissions = names.join(", ");
            tracing::warn!(provider_account_id = %account.id, permissions, "the key of a provider account lacks permissions");
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, provider_account_id = %account.id, "the permissions of a provider account's key could not be looked at");
        }
    }
}

/// Looks once at the newest accounts, beside everything else. A provider that does not answer keeps nobody waiting.
pub async fn look(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = look_at_newest(&app) => {}
        () = stop.cancelled() => {}
    }
}

#[tracing::instrument(name = "app.rights.look", skip_all)]
async fn look_at_newest(app: &App) {
    let accounts = async {
        let mut conn = app.db.dispatch().await?;
        Ok::<_, AppError>(store::provider_accounts::list_newest(&mut conn, AT_START).await?)
    };
    let accounts = match accounts.await {
        Ok(accounts) => accounts,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the keys of provider accounts were not looked at"
            );
            return;
        }
    };
    stream::iter(accounts)
        .for_each_concurrent(ABREAST, |(merchant, id)| async move {
            let account = async {
                let mut conn = app.db.read(merchant).await?;
                store::provider_accounts::get(&mut conn, &app.sealer, merchant, id).await
            };
            match account.await {
                Ok(account) => look_at(app, &account).await,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, provider_account_id = %id, "a provider account could not be read");
                }
            }
        })
        .await;
}
