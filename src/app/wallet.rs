//! What use cases of customers, payment methods and setups share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::accounts::KnownAccount;
use super::auth::Caller;
use super::{App, AppError};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::{Provider, ProviderAccount, ProviderError, Wallet};

/// An account whose provider keeps customers and their methods.
pub(super) struct WalletAccount {
    known: Arc<KnownAccount>,
    provider: Arc<dyn Provider>,
}

impl WalletAccount {
    /// The account of a row that names it.
    pub(super) async fn get(
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
        id: ProviderAccountId,
    ) -> Result<Self, AppError> {
        let known = app.accounts.get(app, conn, merchant, id).await?;
        let provider = Arc::clone(app.provider(&known.account.provider)?);
        Ok(Self { known, provider })
    }

    /// Checks that calls for the account are taken.
    pub(super) fn check_authorized(&self) -> Result<(), AppError> {
        self.known.check_authorized()
    }

    /// Checks that something may begin there.
    pub(super) fn check_open(&self) -> Result<(), AppError> {
        self.known.check_open()
    }

    /// The account itself.
    pub(super) fn account(&self) -> &ProviderAccount {
        &self.known.account
    }

    /// The part of the provider that keeps them.
    ///
    /// # Errors
    /// [`AppError::NotSupported`] where it keeps none.
    pub(super) fn wallet(&self) -> Result<&dyn Wallet, AppError> {
        self.provider.wallet().ok_or_else(|| AppError::NotSupported {
            what: "saved payment methods".to_owned(),
        })
    }
}

/// Asks the provider, and counts the time.
pub(super) async fn timed<T>(
    spent: &mut Duration,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let started = Instant::now();
    let said = call.await;
    *spent += started.elapsed();
    said
}

/// Asks the provider as long as a caller can wait.
pub(super) async fn patient<T>(
    app: &App,
    call: impl Future<Output = Result<T, AppError>>,
) -> Result<T, AppError> {
    tokio::time::timeout(app.timing.answer_within, call)
        .await
        .unwrap_or_else(|_elapsed| Err(AppError::Provider(ProviderError::too_slow())))
}

/// Test keys see what is of test accounts, live keys what is of live ones.
pub(super) async fn check_mode(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    account: ProviderAccountId,
    what: &'static str,
) -> Result<(), AppError> {
    if app
        .accounts
        .get(app, conn, caller.merchant_id, account)
        .await?
        .account
        .live
        == caller.live
    {
        Ok(())
    } else {
        Err(AppError::NotFound(what))
    }
}
