//! Who did what to which merchant's what. Written in the transaction of the act itself, so that there is neither without the other.

use std::fmt::Display;

use serde_json::Value;
use sqlx::PgConnection;

use super::page::one_more;
use super::{App, AppError, Page};
use crate::crypto::random;
use crate::domain::audit_log::{Action, Actor, AuditEntry, Broken, Chain};
use crate::domain::ids::MerchantId;
use crate::store;
use crate::store::audit_log::NewEntry;

/// How many entries are walked at once.
const BATCH: i64 = 1_000;

/// Writes down an act, last in its transaction: until that ends, no other act of the merchant is written.
pub(super) async fn record(
    app: &App,
    conn: &mut PgConnection,
    merchant: MerchantId,
    actor: &Actor,
    (action, subject): (Action, &(dyn Display + Sync)),
    detail: &Value,
) -> Result<(), AppError> {
    let entry = NewEntry {
        actor,
        action,
        subject: &subject.to_string(),
        detail,
        at: app.clock.now(),
        salt: random()?,
    };
    Ok(store::audit_log::append(conn, merchant, entry).await?)
}

/// What came of walking a chain.
#[derive(Clone, Debug)]
pub struct Verified {
    /// How far it is whole.
    pub chain: Chain,
    /// Where it breaks, where it does.
    pub broken: Option<Broken>,
}

/// What a chain is known to have held: how many entries, and the hash of the last one.
pub type Known = (i64, Vec<u8>);

/// Walks a merchant's chain from its start, in bounded memory. What was written down elsewhere of an earlier walk must still be
/// in it: that finds even a chain that was written anew from end to end.
pub async fn verify(app: &App, merchant: MerchantId, known: Option<&Known>) -> Result<Verified, AppError> {
    let mut chain = Chain::new(merchant.uuid());
    let head = {
        let mut tx = app.db.read(merchant).await?;
        store::audit_log::find_head(&mut tx, merchant).await?
    };
    let (length, hash) = head.unwrap_or_else(|| (0, chain.hash.clone()));
    let broken = walk(app, merchant, &mut chain, length, known).await?;
    let broken = broken.or_else(|| chain.end(length, &hash).err());
    Ok(Verified { chain, broken })
}

/// Walks as far as `length`: what is appended meanwhile is walked next time.
async fn walk(
    app: &App,
    merchant: MerchantId,
    chain: &mut Chain,
    length: i64,
    known: Option<&Known>,
) -> Result<Option<Broken>, AppError> {
    if let Some((expected, _)) = known.filter(|(expected, _)| *expected > length) {
        return Ok(Some(Broken::End {
            entries: length,
            expected: *expected,
        }));
    }
    while chain.entries < length {
        let left = BATCH.min(length - chain.entries);
        let mut tx = app.db.read(merchant).await?;
        let entries = store::audit_log::list_after(&mut tx, merchant, chain.entries, left).await?;
        drop(tx);
        if entries.is_empty() {
            return Ok(None);
        }
        for entry in &entries {
            if let Err(broken) = chain.follow(entry) {
                return Ok(Some(broken));
            }
            if known.is_some_and(|(sequence, hash)| *sequence == entry.sequence && *hash != entry.hash) {
                return Ok(Some(Broken::Head(entry.sequence)));
            }
        }
    }
    Ok(None)
}

/// A merchant's acts, newest first.
pub async fn list(
    app: &App,
    merchant: MerchantId,
    before: Option<i64>,
    limit: u16,
) -> Result<Page<AuditEntry>, AppError> {
    let mut tx = app.db.read(merchant).await?;
    let found = store::audit_log::list(&mut tx, merchant, before, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}
