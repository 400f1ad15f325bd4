//! Provider accounts, remembered for a moment, so that what happens often reads none of them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use sqlx::PgConnection;

use super::{App, AppError};
use crate::crypto::DataKey;
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::ProviderAccount;
use crate::store;
use crate::store::StoreError;

/// How long an account and its secrets are taken as read.
const REMEMBERED: Duration = Duration::from_secs(2);

/// An account as it was read, opened.
#[derive(Debug)]
pub(super) struct KnownAccount {
    pub(super) account: ProviderAccount,
    /// What its webhooks may be signed with.
    pub(super) webhook_secrets: Vec<SecretString>,
    /// Whether it took from us the right to act for it.
    is_deauthorized: bool,
    /// What its events are sealed with.
    pub(super) data_key: Arc<DataKey>,
    /// Whether nothing begins there.
    is_disabled: bool,
    read_at: Instant,
}

impl KnownAccount {
    /// Checks that calls for the account are taken, so that none is begun that cannot be.
    pub(super) const fn check_authorized(&self) -> Result<(), AppError> {
        if self.is_deauthorized {
            return Err(AppError::AccountDeauthorized(self.account.id));
        }
        Ok(())
    }

    /// Checks that something may begin at the account: neither it nor we put it out of use.
    pub(super) const fn check_open(&self) -> Result<(), AppError> {
        if self.is_disabled {
            return Err(AppError::AccountDisabled(self.account.id));
        }
        self.check_authorized()
    }
}

/// The accounts that were read lately.
#[derive(Debug, Default)]
pub struct Accounts(RwLock<HashMap<ProviderAccountId, Arc<KnownAccount>>>);

impl Accounts {
    /// The account, where it was read lately.
    pub(super) fn recall(&self, id: ProviderAccountId) -> Option<Arc<KnownAccount>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&id)
            .filter(|known| known.read_at.elapsed() < REMEMBERED)
            .cloned()
    }

    /// Reads an account anew the next time: its secrets changed.
    pub(super) fn forget(&self, id: ProviderAccountId) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(&id);
    }

    /// A merchant's account, over a connection that the caller has; none where that merchant does not have it.
    pub(super) async fn find(
        &self,
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
        id: ProviderAccountId,
    ) -> Result<Option<Arc<KnownAccount>>, AppError> {
        if let Some(known) = self.recall(id) {
            return Ok(Some(known).filter(|known| known.account.merchant_id == merchant));
        }
        let account = match store::provider_accounts::get(conn, &app.sealer, merchant, id).await {
            Err(StoreError::NotFound) => return Ok(None),
            account => account?,
        };
        let secrets = store::provider_accounts::list_webhook_secrets(conn, &app.sealer, merchant, id).await?;
        let is_deauthorized = store::account_standings::is_deauthorized(conn, merchant, id).await?;
        let data_key = app.sealer.current(conn, merchant).await?;
        let is_disabled = store::provider_accounts::is_disabled(conn, merchant, id).await?;
        let read = Arc::new(KnownAccount {
            account,
            webhook_secrets: secrets,
            is_deauthorized,
            data_key,
            is_disabled,
            read_at: Instant::now(),
        });
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&read));
        Ok(Some(read))
    }

    /// The account of a row that names it.
    pub(super) async fn get(
        &self,
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
        id: ProviderAccountId,
    ) -> Result<Arc<KnownAccount>, AppError> {
        let found = self.find(app, conn, merchant, id).await?;
        found.ok_or(AppError::Store(StoreError::NotFound))
    }
}
