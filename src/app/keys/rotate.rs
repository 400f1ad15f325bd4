//! Wraps data keys anew, makes new ones, and seals with them what older ones sealed.

use serde_json::json;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use time::OffsetDateTime;

use super::{IN_FLIGHT, MERCHANTS, list_merchants, make_missing};
use crate::app::audit_log;
use crate::app::{App, AppError, commit};
use crate::crypto::{DataKey, KeyPlace, LEARNED_WITHIN, Wrapped};
use crate::domain::audit_log::{Action, Actor};
use crate::domain::ids::MerchantId;
use crate::store::data_keys::KeyRow;
use crate::store::key_rounds::Newest;
use crate::store::sealed::{Anew, SEALED, SealedColumn, SealedRow};
use crate::store::{self, StoreError};

/// How many values are taken up at once: what is held in memory is so many times the largest body.
const ROWS: i64 = 100;

/// How many merchants' values are sealed anew at once.
const SIDE_BY_SIDE: usize = 4;

/// How often a merchant's values are gone through at most in one run: each time only what somebody held the time before is left.
const PASSES: u32 = 20;

/// How long what somebody held is left alone.
const HELD: Duration = Duration::from_millis(100);

/// What became of a rotation of the key-encryption key.
#[derive(Clone, Debug)]
pub struct Rewrapped {
    /// What wraps all data keys now.
    pub kek: String,
    /// How many were wrapped by another.
    pub rewrapped: u64,
}

/// Wraps every data key that another key-encryption key wrapped with the one that wraps now.
///
/// # Errors
/// [`AppError`]; what was wrapped anew stays so, and the rest is as it was.
pub async fn rewrap(app: &App) -> Result<Rewrapped, AppError> {
    let merchants = list_merchants(app).await?;
    make_missing(app, &merchants).await?;
    let mut rewrapped = 0;
    let mut kek = app.sealer.ring().current().id();
    for chunk in merchants.chunks(MERCHANTS) {
        let mut conn = app.db.read_for(chunk.iter().copied()).await?;
        let rows = store::data_keys::list_wrapped_otherwise(&mut conn, chunk, &kek).await?;
        drop(conn);
        if rows.is_empty() {
            continue;
        }
        let anew: Vec<(KeyRow, Wrapped)> = stream::iter(rows)
            .map(|row| rewrap_one(app, row))
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await?;
        let mut tx = app.db.begin_for(chunk.iter().copied()).await?;
        rewrapped += store::data_keys::update_wrapped(&mut tx, &anew).await?;
        commit(tx).await?;
        kek = app.sealer.ring().current().id();
    }
    tracing::info!(kek, rewrapped, "data keys were wrapped anew");
    Ok(Rewrapped { kek, rewrapped })
}

async fn rewrap_one(app: &App, row: KeyRow) -> Result<(KeyRow, Wrapped), AppError> {
    let wrapped = app.sealer.ring().rewrap(row.place, &row.wrapped).await?;
    Ok((row, wrapped))
}

/// What became of a rotation of data keys.
#[derive(Clone, Debug, Default)]
pub struct Resealed {
    /// Whether a rotation was taken up that began before and had not ended.
    pub resumed: bool,
    /// For how many merchants a new data key was made.
    pub new_data_keys: u64,
    /// How many merchants' values were gone through.
    pub merchants: u64,
    /// How many values were sealed anew.
    pub resealed: u64,
    /// How many values do not open, and stay as they are.
    pub not_opened: u64,
    /// How many somebody else held all the time: whoever writes them seals them anew.
    pub held: u64,
}

/// Makes a new data key for each merchant, or for one, and seals with it what is sealed otherwise. A rotation that did not end is taken
/// up where it stopped; then no second one begins.
///
/// # Errors
/// [`AppError`]; then it can be taken up again.
pub async fn rotate_data_keys(app: &App, of: Option<MerchantId>) -> Result<Resealed, AppError> {
    let mut merchants = list_merchants(app).await?;
    merchants.retain(|merchant| of.is_none_or(|of| of == *merchant));
    if of.is_some() && merchants.is_empty() {
        return Err(AppError::NotFound("merchant"));
    }
    make_missing(app, &merchants).await?;
    let mut done = Resealed::default();
    let mut round = None;
    for chunk in merchants.chunks(MERCHANTS) {
        done.new_data_keys += make_next(app, &merchants, chunk, &mut round, &mut done.resumed).await?;
    }
    // From then on every process seals with the new keys, also with those that another run has just made.
    tokio::time::sleep(LEARNED_WITHIN).await;
    for chunk in merchants.chunks(MERCHANTS) {
        let mut conn = app.db.read_for(chunk.iter().copied()).await?;
        let unswept = store::key_rounds::list_unswept(&mut conn, chunk).await?;
        drop(conn);
        let swept: Vec<Resealed> = stream::iter(unswept)
            .map(|merchant| sweep(app, merchant))
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        for one in swept {
            done.merchants += 1;
            done.resealed += one.resealed;
            done.not_opened += one.not_opened;
            done.held += one.held;
        }
    }
    tracing::info!(?done, "data keys were rotated");
    Ok(done)
}

/// Makes the next data key of each of a chunk's merchants that this rotation has not given one. How many.
async fn make_next(
    app: &App,
    all: &[MerchantId],
    chunk: &[MerchantId],
    round: &mut Option<OffsetDateTime>,
    resumed: &mut bool,
) -> Result<u64, AppError> {
    let mut conn = app.db.read_for(chunk.iter().copied()).await?;
    let newest = store::key_rounds::list_newest(&mut conn, chunk).await?;
    drop(conn);
    // Wrapped before the transaction, for that may take a call to the outside; those that are not needed are thrown away.
    let wrapped: Vec<(Newest, Wrapped)> = stream::iter(newest)
        .map(|newest| next_of(app, newest))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    let mut tx = app.db.begin_for(all.iter().copied()).await?;
    let begun = if let Some(begun) = *round {
        begun
    } else {
        let (begun, before) = store::key_rounds::lock(&mut tx, all).await?;
        *resumed = before;
        begun
    };
    let mut made = 0;
    for (newest, wrapped) in wrapped {
        if newest.round < Some(begun) && store::key_rounds::insert(&mut tx, &newest, begun, &wrapped).await? {
            made += 1;
        }
    }
    commit(tx).await?;
    *round = Some(begun);
    Ok(made)
}

async fn next_of(app: &App, newest: Newest) -> Result<(Newest, Wrapped), AppError> {
    let version = u32::try_from(newest.version).map_err(|error| StoreError::corrupt("data_key", &error))? + 1;
    let merchant = newest.merchant_id.uuid();
    let place = KeyPlace { merchant, version };
    let (_, wrapped) = app.sealer.ring().generate(place).await?;
    Ok((newest, wrapped))
}

/// Seals all that a merchant has with its newest data key, and notes that it is.
async fn sweep(app: &App, merchant: MerchantId) -> Result<Resealed, AppError> {
    let mut conn = app.db.read(merchant).await?;
    let key = app.sealer.current(&mut conn, merchant).await?;
    drop(conn);
    let mut done = Resealed::default();
    for pass in 1..=PASSES {
        (done.held, done.not_opened) = (0, 0);
        for column in SEALED {
            sweep_column(app, merchant, column, &key, &mut done).await?;
        }
        if done.held == 0 {
            break;
        }
        if pass < PASSES {
            tokio::time::sleep(HELD).await;
        }
    }
    if done.held == 0 {
        let mut tx = app.begin(merchant).await?;
        store::key_rounds::note_swept(&mut tx, merchant, key.version()).await?;
        // Keys are rotated at the command line alone.
        let (actor, detail) = (Actor::at_the_command_line(), json!({ "data_key": key.version() }));
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &actor,
            (Action::KeysRotate, &merchant),
            &detail,
        )
        .await?;
        commit(tx).await?;
    }
    Ok(done)
}

async fn sweep_column(
    app: &App,
    merchant: MerchantId,
    column: &SealedColumn,
    key: &DataKey,
    done: &mut Resealed,
) -> Result<(), AppError> {
    let mut after = column.before_all().to_vec();
    loop {
        let mut conn = app.db.read(merchant).await?;
        let rows = column
            .list(&mut conn, merchant, &after, &key.header(), ROWS)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after.clone_from(&last.key);
        let mut anew = Vec::new();
        for SealedRow { key: row, sealed } in rows {
            let Some(old) = sealed else { continue };
            let place = column
                .place_of(merchant, &row)
                .ok_or_else(|| StoreError::corrupt(column.table, &"a key of another length"))?;
            match app.sealer.open(&mut conn, place, &old).await {
                Ok(plain) => anew.push(Anew {
                    key: row,
                    new: key.seal(place, &plain)?,
                    old,
                }),
                Err(StoreError::Crypto(error)) if !error.may_pass() => {
                    done.not_opened += 1;
                    tracing::error!(
                        merchant_id = %merchant, table = column.table, column = column.column, row = %place.row,
                        error = &error as &dyn std::error::Error, "a sealed value does not open and stays as it is"
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        drop(conn);
        if !anew.is_empty() {
            let mut tx = app.begin(merchant).await?;
            let written = column.replace(&mut tx, merchant, &anew).await?;
            commit(tx).await?;
            done.resealed += written;
            done.held += u64::try_from(anew.len())
                .unwrap_or(u64::MAX)
                .saturating_sub(written);
        }
    }
}
