//! What is sealed with which key.

use std::collections::BTreeMap;

use super::{MERCHANTS, list_merchants};
use crate::app::{App, AppError, commit};
use crate::store;
use crate::store::sealed::{Counts, SEALED};

/// What is sealed with which key.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// The key-encryption keys: those in the settings, and those that only the database knows.
    pub keks: Vec<KekStatus>,
    /// How many data keys seal: one for each merchant that has one.
    pub current_data_keys: i64,
    /// How many only open.
    pub retired_data_keys: i64,
    /// How many merchants a rotation of data keys is not done with.
    pub unswept_merchants: u64,
    /// Each column that holds something sealed.
    pub columns: Vec<ColumnStatus>,
}

/// A key-encryption key.
#[derive(Clone, Debug)]
pub struct KekStatus {
    /// Its id.
    pub id: String,
    /// Whether it wraps what is wrapped now.
    pub is_current: bool,
    /// Whether it is in the settings.
    pub is_in_settings: bool,
    /// How many data keys it wraps.
    pub data_keys: i64,
    /// Whether nothing needs it any more: then it may be taken out of the settings.
    pub may_be_removed: bool,
}

/// A column that holds something sealed.
#[derive(Clone, Debug)]
pub struct ColumnStatus {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What its values are sealed with.
    pub counts: Counts,
}

/// Counts what is sealed with which key. Reads the head of every sealed value.
pub async fn status(app: &App) -> Result<KeyStatus, AppError> {
    let merchants = list_merchants(app).await?;
    let mut columns: Vec<ColumnStatus> = SEALED
        .iter()
        .map(|sealed| ColumnStatus {
            table: sealed.table,
            column: sealed.column,
            counts: Counts::default(),
        })
        .collect();
    let mut by_kek: BTreeMap<String, i64> = BTreeMap::new();
    let (mut wrapped, mut retired, mut unswept) = (0, 0, 0);
    for chunk in merchants.chunks(MERCHANTS) {
        let mut tx = app.db.read_at_once_for(chunk.iter().copied()).await?;
        for (kek, count, old) in store::data_keys::count_by_kek(&mut tx, chunk).await? {
            *by_kek.entry(kek).or_default() += count;
            wrapped += count;
            retired += old;
        }
        let left = store::key_rounds::list_unswept(&mut tx, chunk).await?;
        unswept += u64::try_from(left.len()).unwrap_or(u64::MAX);
        for (sealed, column) in SEALED.iter().zip(&mut columns) {
            column.counts.add(sealed.count(&mut tx, chunk).await?);
        }
        commit(tx).await?;
    }
    let single: i64 = columns.iter().map(|column| column.counts.single_key).sum();
    Ok(KeyStatus {
        keks: keks(app, by_kek, single),
        current_data_keys: wrapped - retired,
        retired_data_keys: retired,
        unswept_merchants: unswept,
        columns,
    })
}

/// Every key-encryption key. Values that such a key sealed itself do not say which: any but the one that wraps now may be theirs.
fn keks(app: &App, mut by_kek: BTreeMap<String, i64>, single: i64) -> Vec<KekStatus> {
    let ring = app.sealer.ring();
    let ids = ring.ids();
    for id in &ids {
        by_kek.entry(id.clone()).or_default();
    }
    let current = ring.current().id();
    by_kek
        .into_iter()
        .map(|(id, data_keys)| {
            let is_current = id == current;
            let is_in_settings = ring.unwraps(&id);
            KekStatus {
                may_be_removed: !is_current && is_in_settings && data_keys == 0 && single == 0,
                is_current,
                is_in_settings,
                data_keys,
                id,
            }
        })
        .collect()
}
