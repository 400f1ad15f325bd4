//! The keys that secrets are sealed with: made, wrapped anew, replaced, and counted.
//!
//! A rotation runs while the service does, may be killed at any moment and taken up again, and several may run at once: each write stands
//! only where what it replaces still does.

mod measure;
mod rotate;
mod status;

use futures::stream::{self, StreamExt, TryStreamExt};
use zeroize::Zeroizing;

use super::{App, AppError, commit};
use crate::crypto::{CryptoError, KekError, Wrapped};
use crate::domain::ids::MerchantId;
use crate::store::webhook_events::WebhookEvent;
use crate::store::{self, MIGRATOR, StoreError};

pub use measure::{Measured, measure};
pub use rotate::{Resealed, Rewrapped, rewrap, rotate_data_keys};
pub use status::{ColumnStatus, KekStatus, KeyStatus, status};

/// How many merchants one transaction is about.
const MERCHANTS: usize = 500;

/// How many data keys are with their key-encryption key's holder at once.
const IN_FLIGHT: usize = 32;

/// Why the keys in the settings cannot be used with this database: one line that says what to set.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Data keys are wrapped by a key that is not in the settings.
    #[error(
        "QUITTANCE_SEALING_KEY: {count} data keys are wrapped by {kek}, which no setting names: add it to QUITTANCE_SEALING_KEYS_PREVIOUS"
    )]
    Unknown {
        /// Its id.
        kek: String,
        /// How many.
        count: i64,
    },
    /// What is sealed does not open.
    #[error("QUITTANCE_SEALING_KEY does not open what the database holds")]
    Wrong,
    /// Who holds the key does not answer.
    #[error("QUITTANCE_SEALING_PROVIDER: {0}")]
    Unavailable(KekError),
    /// The database did not answer.
    #[error("QUITTANCE_DATABASE_URL: the keys in the database cannot be read")]
    Store(#[source] AppError),
}

impl From<AppError> for KeysError {
    fn from(error: AppError) -> Self {
        Self::Store(error)
    }
}

/// Holds the keys in the settings against those in the database, and gives merchants that have none their first data key. Does
/// nothing where the schema is older than this version.
///
/// # Errors
/// [`KeysError`]; then nothing was written.
pub async fn prepare(app: &App) -> Result<(), KeysError> {
    let mut conn = app.db.read_for([]).await.map_err(AppError::from)?;
    let wanted = MIGRATOR.iter().map(|migration| migration.version).max();
    let applied = store::health::latest_migration(&mut conn)
        .await
        .map_err(AppError::from)?;
    if applied < wanted {
        return Ok(());
    }
    let current = app.sealer.ring().current();
    current.check().await.map_err(KeysError::Unavailable)?;
    drop(conn);
    let merchants = list_merchants(app).await?;
    for chunk in merchants.chunks(MERCHANTS) {
        let chunk_of = chunk.iter().copied();
        let mut conn = app.db.read_for(chunk_of).await.map_err(AppError::from)?;
        let keks = store::data_keys::count_by_kek(&mut conn, chunk)
            .await
            .map_err(AppError::from)?;
        let ring = app.sealer.ring();
        if let Some((kek, count, _)) = keks.into_iter().find(|(kek, ..)| !ring.unwraps(kek)) {
            return Err(KeysError::Unknown { kek, count });
        }
    }
    match store::health::key_opens(&app.db, &app.sealer).await {
        Ok(true) => {}
        Ok(false) => return Err(KeysError::Wrong),
        Err(StoreError::Crypto(CryptoError::Kek(error))) => return Err(KeysError::Unavailable(error)),
        Err(error) => return Err(AppError::from(error).into()),
    }
    Ok(make_missing(app, &merchants).await?)
}

/// All merchants there are.
async fn list_merchants(app: &App) -> Result<Vec<MerchantId>, AppError> {
    let mut tx = app.db.dispatch().await?;
    Ok(store::merchants::list(&mut tx).await?)
}

/// Gives each of these merchants that has no data key its first.
async fn make_missing(app: &App, merchants: &[MerchantId]) -> Result<(), AppError> {
    for chunk in merchants.chunks(MERCHANTS) {
        let mut conn = app.db.read_for(chunk.iter().copied()).await?;
        let without = store::data_keys::list_without(&mut conn, chunk).await?;
        drop(conn);
        let made: Vec<(MerchantId, Wrapped)> = stream::iter(without)
            .map(|merchant| first_of(app, merchant))
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await?;
        if made.is_empty() {
            continue;
        }
        let mut tx = app.db.begin_for(chunk.iter().copied()).await?;
        for (merchant, wrapped) in made {
            store::data_keys::insert_first(&mut tx, merchant, &wrapped).await?;
        }
        commit(tx).await?;
    }
    Ok(())
}

/// A merchant's first data key, wrapped: to be written with [`store::data_keys::insert_first`], in a transaction that begins after it is
/// made.
pub(super) async fn first_of(app: &App, merchant: MerchantId) -> Result<(MerchantId, Wrapped), AppError> {
    let place = store::data_keys::first_place(merchant);
    let (_, wrapped) = app.sealer.ring().generate(place).await?;
    Ok((merchant, wrapped))
}

/// The bytes of an event. A connection is taken only where its data key is not in hand.
pub(super) async fn open_event(app: &App, event: &WebhookEvent) -> Result<Zeroizing<Vec<u8>>, AppError> {
    if let Some(opened) = event.open_known(&app.sealer) {
        return Ok(opened?);
    }
    let mut conn = app.begin(event.merchant_id).await?;
    Ok(event.open(&mut conn, &app.sealer).await?)
}
