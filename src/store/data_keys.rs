//! Merchants' data keys, wrapped; and sealing and opening with them over a connection.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::StoreError;
use crate::crypto::{CryptoError, DataKey, KeyPlace, Place, Sealed, Sealer, Wrapped};
use crate::domain::ids::MerchantId;

const TABLE: &str = "data_key";

#[derive(sqlx::FromRow)]
struct Row {
    version: i32,
    kek_id: String,
    wrapped: Vec<u8>,
    /// Written by the transaction that reads it, which may not come to be.
    is_own: bool,
}

/// `select` of a [`Row`], with `where …` appended.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select version, kek_id, wrapped,
                 coalesce(xmin = pg_current_xact_id_if_assigned()::xid, false) as is_own from data_key ",
            $rest
        )
    };
}

/// A version as Postgres keeps it.
fn stored(version: u32) -> Result<i32, StoreError> {
    i32::try_from(version).map_err(|error| StoreError::corrupt(TABLE, &error))
}

/// A version as Postgres kept it.
fn read(version: i32) -> Result<u32, StoreError> {
    u32::try_from(version).map_err(|error| StoreError::corrupt(TABLE, &error))
}

impl Sealer {
    /// Seals bytes for a place with its merchant's newest data key, which is made where there is none yet.
    ///
    /// # Errors
    /// [`StoreError::Crypto`]; [`StoreError::NotFound`] where there is no such merchant.
    pub async fn seal(
        &self,
        conn: &mut PgConnection,
        place: Place,
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let key = self.current(conn, place.merchant.into()).await?;
        Ok(key.seal(place, plain)?)
    }

    /// Seals a text, where there is one.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub async fn seal_text(
        &self,
        conn: &mut PgConnection,
        place: Place,
        text: Option<&SecretString>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match text {
            Some(text) => Ok(Some(
                self.seal(conn, place, text.expose_secret().as_bytes()).await?,
            )),
            None => Ok(None),
        }
    }

    /// Opens what was sealed for that place. Asks the database only for a data key that is not in hand.
    ///
    /// # Errors
    /// [`StoreError::Crypto`].
    pub async fn open(
        &self,
        conn: &mut PgConnection,
        place: Place,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        if let Some(opened) = self.open_known(place, sealed) {
            return Ok(opened?);
        }
        let sealed = Sealed::parse(sealed)?;
        let version = sealed.version.ok_or(CryptoError::Format)?;
        // More than Postgres can count is no version of ours.
        let row: Option<Row> = match stored(version) {
            Ok(version) => {
                sqlx::query_as(select!("where merchant_id = $1 and version = $2"))
                    .bind(place.merchant)
                    .bind(version)
                    .fetch_optional(conn)
                    .await?
            }
            Err(_) => None,
        };
        let row = row.ok_or(CryptoError::NoDataKey { version })?;
        let key = self.unwrap(place.merchant.into(), row).await?;
        Ok(key.open(place, sealed)?)
    }

    /// Opens a text.
    ///
    /// # Errors
    /// As [`Sealer::open`].
    pub async fn open_text(
        &self,
        conn: &mut PgConnection,
        place: Place,
        sealed: &[u8],
    ) -> Result<SecretString, StoreError> {
        let plain = self.open(conn, place, sealed).await?;
        let text = std::str::from_utf8(&plain).map_err(|_| CryptoError::Format)?;
        Ok(SecretString::from(text.to_owned()))
    }

    /// Opens a text, where there is one.
    ///
    /// # Errors
    /// As [`Sealer::open`].
    pub async fn open_some(
        &self,
        conn: &mut PgConnection,
        place: Place,
        sealed: Option<&[u8]>,
    ) -> Result<Option<SecretString>, StoreError> {
        match sealed {
            Some(sealed) => Ok(Some(self.open_text(conn, place, sealed).await?)),
            None => Ok(None),
        }
    }

    /// The data key that seals a merchant's things, for who seals without a connection.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub async fn current(
        &self,
        conn: &mut PgConnection,
        merchant: MerchantId,
    ) -> Result<Arc<DataKey>, StoreError> {
        if let Some(key) = self.recall_current(merchant.uuid()) {
            return Ok(key);
        }
        let mut row = find_newest(conn, merchant).await?;
        if row.is_none() {
            let (_, wrapped) = self.ring().generate(first_place(merchant)).await?;
            insert_first(conn, merchant, &wrapped).await?;
            row = find_newest(conn, merchant).await?;
        }
        let row = row.ok_or(StoreError::NotFound)?;
        let version = read(row.version)?;
        let key = match self.recall(merchant.uuid(), version) {
            Some(key) => key,
            None => self.unwrap(merchant, row).await?,
        };
        self.learn_current(merchant.uuid(), version);
        Ok(key)
    }

    /// Unwraps a key, and takes it in hand where it is on disk for good.
    async fn unwrap(&self, merchant: MerchantId, row: Row) -> Result<Arc<DataKey>, StoreError> {
        let place = KeyPlace {
            merchant: merchant.uuid(),
            version: read(row.version)?,
        };
        let wrapped = Wrapped {
            kek: row.kek_id,
            bytes: row.wrapped,
        };
        let key = Arc::new(self.ring().unwrap(place, &wrapped).await?);
        if !row.is_own {
            self.learn(merchant.uuid(), &key);
        }
        Ok(key)
    }
}

async fn find_newest(conn: &mut PgConnection, merchant: MerchantId) -> Result<Option<Row>, StoreError> {
    Ok(
        sqlx::query_as(select!("where merchant_id = $1 order by version desc limit 1"))
            .bind(merchant)
            .fetch_optional(conn)
            .await?,
    )
}

/// The place of a merchant's first data key.
#[must_use]
pub const fn first_place(merchant: MerchantId) -> KeyPlace {
    KeyPlace {
        merchant: merchant.uuid(),
        version: 1,
    }
}

/// Gives a merchant its first data key, unless it has one.
///
/// # Errors
/// [`StoreError::NotFound`] where there is no such merchant.
pub async fn insert_first(
    conn: &mut PgConnection,
    merchant: MerchantId,
    wrapped: &Wrapped,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into data_key (merchant_id, version, kek_id, wrapped) values ($1, 1, $2, $3) on conflict do nothing",
    )
    .bind(merchant)
    .bind(&wrapped.kek)
    .bind(&wrapped.bytes)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these merchants have no data key yet.
pub async fn list_without(
    conn: &mut PgConnection,
    merchants: &[MerchantId],
) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select merchant_id from unnest($1::uuid[]) as asked (merchant_id)
         where not exists (select from data_key k where k.merchant_id = asked.merchant_id)",
    )
    .bind(uuids(merchants))
    .fetch_all(conn)
    .await?)
}

/// A wrapped data key, and whose it is.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Whose, and which.
    pub place: KeyPlace,
    /// As it is kept.
    pub wrapped: Wrapped,
}

/// Data keys of these merchants that another key-encryption key wrapped than `kek`.
pub async fn list_wrapped_otherwise(
    conn: &mut PgConnection,
    merchants: &[MerchantId],
    kek: &str,
) -> Result<Vec<KeyRow>, StoreError> {
    let rows: Vec<(Uuid, i32, String, Vec<u8>)> = sqlx::query_as(
        "select merchant_id, version, kek_id, wrapped from data_key where merchant_id = any($1) and kek_id <> $2",
    )
    .bind(uuids(merchants))
    .bind(kek)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(merchant, version, kek, bytes)| {
            let version = read(version)?;
            Ok(KeyRow {
                place: KeyPlace { merchant, version },
                wrapped: Wrapped { kek, bytes },
            })
        })
        .collect()
}

/// Keeps data keys as they were wrapped anew: each after how it was wrapped before. One that somebody else wrapped anew meanwhile is
/// left as it is. How many.
pub async fn update_wrapped(conn: &mut PgConnection, keys: &[(KeyRow, Wrapped)]) -> Result<u64, StoreError> {
    let merchants: Vec<Uuid> = keys.iter().map(|(row, _)| row.place.merchant).collect();
    let versions = keys
        .iter()
        .map(|(row, _)| stored(row.place.version))
        .collect::<Result<Vec<i32>, StoreError>>()?;
    let old: Vec<&[u8]> = keys.iter().map(|(row, _)| row.wrapped.bytes.as_slice()).collect();
    let names: Vec<&str> = keys.iter().map(|(_, new)| new.kek.as_str()).collect();
    let new: Vec<&[u8]> = keys.iter().map(|(_, new)| new.bytes.as_slice()).collect();
    let done = sqlx::query(
        "update data_key k set kek_id = n.kek_id, wrapped = n.wrapped
         from unnest($1::uuid[], $2::integer[], $3::bytea[], $4::text[], $5::bytea[])
             as n (merchant_id, version, old, kek_id, wrapped)
         where k.merchant_id = any($1) and k.merchant_id = n.merchant_id and k.version = n.version and k.wrapped = n.old",
    )
    .bind(merchants)
    .bind(versions)
    .bind(old)
    .bind(names)
    .bind(new)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// How many data keys of these merchants each key-encryption key wraps, and how many of those seal no more.
pub async fn count_by_kek(
    conn: &mut PgConnection,
    merchants: &[MerchantId],
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "select kek_id, count(*), count(retired_at) from data_key where merchant_id = any($1) group by kek_id",
    )
    .bind(uuids(merchants))
    .fetch_all(conn)
    .await?)
}

/// Merchants as Postgres takes many of them.
pub(super) fn uuids(merchants: &[MerchantId]) -> Vec<Uuid> {
    merchants.iter().map(|merchant| merchant.uuid()).collect()
}
