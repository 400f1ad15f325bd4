//! Who calls.

use secrecy::SecretString;

use super::{App, AppError};
use crate::domain::api_key;
use crate::domain::ids::{ApiKeyId, MerchantId};
use crate::store;

/// A program of a merchant's that proved itself with an API key.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Whose program it is. Everything it does stays within that merchant.
    pub merchant_id: MerchantId,
    /// Its key: the principal that idempotency keys belong to.
    pub key_id: ApiKeyId,
    /// Whether it moves real money. Test and live never meet.
    pub live: bool,
}

/// Finds out who presents a key; `None` where nobody may.
pub async fn authenticate(app: &App, key: &SecretString) -> Result<Option<Caller>, AppError> {
    let mut conn = app.db.acquire().await.map_err(store::StoreError::from)?;
    let found = store::api_keys::find(&mut conn, &api_key::hash_presented(key)).await?;
    Ok(found.map(|key| Caller {
        merchant_id: key.merchant_id,
        key_id: key.id,
        live: key.live,
    }))
}
