//! Events of a provider's own, delivered or read, each kept once.

pub mod lists;

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Db, StoreError, sealed};
use crate::crypto::{DataKey, Place, Sealer};
use crate::domain::ids::{MerchantId, ProviderAccountId, WebhookEventId};
use crate::domain::redact::mask;
use crate::provider::{Source, VerifiedWebhook};

/// An event that a worker has taken up.
#[derive(Debug)]
pub struct WebhookEvent {
    /// Whose account it came to.
    pub merchant_id: MerchantId,
    /// The account it came to.
    pub provider_account_id: ProviderAccountId,
    /// The provider's time of it.
    pub created: OffsetDateTime,
    /// The provider's id of it.
    pub event_id: String,
    /// When it came, by the database's clock.
    pub received_at: OffsetDateTime,
    /// How often it failed.
    pub attempts: i32,
    /// Grows with every lease.
    pub fence: i64,
    /// Its id.
    pub id: WebhookEventId,
    payload_sealed: Vec<u8>,
}

impl WebhookEvent {
    /// Opens the raw bytes that were signed or read.
    pub async fn open(
        &self,
        conn: &mut PgConnection,
        sealer: &Sealer,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let place = payload_place(self.merchant_id, self.id);
        sealer.open(conn, place, &self.payload_sealed).await
    }

    /// The same where the data key is in hand.
    #[must_use]
    pub fn open_known(&self, sealer: &Sealer) -> Option<Result<Zeroizing<Vec<u8>>, StoreError>> {
        let place = payload_place(self.merchant_id, self.id);
        let opened = sealer.open_known(place, &self.payload_sealed)?;
        Some(opened.map_err(StoreError::from))
    }
}

/// A proven event, sealed and ready to be written: made outside the database, so that many can be written at once.
#[derive(Debug)]
pub struct SealedEvent {
    merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    created: OffsetDateTime,
    event_id: String,
    id: WebhookEventId,
    kind: String,
    object_id: Option<String>,
    api_version: Option<String>,
    source: Source,
    payload_sealed: Vec<u8>,
}

fn payload_place(merchant: MerchantId, id: WebhookEventId) -> Place {
    sealed::EVENT.place(merchant, id.uuid())
}

/// The longest text of an envelope that is kept as it came: an index of Postgres holds no entry of more than 2,704 bytes.
const LONGEST_TEXT: usize = 255;

/// A text as a column keeps it. One that is too long keeps its beginning, and its hash to tell it from others.
fn kept(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let beginning = &text[..text.floor_char_boundary(LONGEST_TEXT / 2)];
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(format!("{beginning}…"), |text, byte| {
            format!("{text}{byte:02x}")
        })
}

impl SealedEvent {
    /// Seals a proven event with its merchant's data key. There is no other way into the table.
    pub fn seal(
        key: &DataKey,
        merchant: MerchantId,
        account: ProviderAccountId,
        webhook: &VerifiedWebhook<'_>,
    ) -> Result<Self, StoreError> {
        let envelope = webhook.envelope();
        let id = WebhookEventId::of(account, envelope.created, &envelope.event_id);
        Ok(Self {
            merchant_id: merchant,
            provider_account_id: account,
            created: envelope.created,
            event_id: kept(&envelope.event_id),
            id,
            kind: kept(&envelope.kind),
            object_id: envelope.object_id.as_deref().map(kept),
            api_version: envelope.api_version.as_deref().map(kept),
            source: webhook.source(),
            payload_sealed: key.seal(payload_place(merchant, id), webhook.body())?,
        })
    }
}

/// Keeps events of any merchants, each once: one that is there already is left as it is. It is a transaction of its own, for
/// exactly these merchants, and one round trip.
pub async fn keep(db: &Db, events: &[SealedEvent]) -> Result<(), StoreError> {
    let mut conn = db.acquire().await?;
    let sql = "select keep_webhook_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    insert_by(&mut conn, sql, events).await
}

/// Keeps events of the transaction's merchants, each once: one that is there already is left as it is.
pub async fn insert(conn: &mut PgConnection, events: &[SealedEvent]) -> Result<(), StoreError> {
    let sql =
        "insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, object_id,
             api_version, source, payload_sealed)
         select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::bytea[])
         on conflict do nothing";
    insert_by(conn, sql, events).await
}

async fn insert_by(
    conn: &mut PgConnection,
    sql: &'static str,
    events: &[SealedEvent],
) -> Result<(), StoreError> {
    let column = |f: fn(&SealedEvent) -> Uuid| events.iter().map(f).collect::<Vec<_>>();
    let merchants = column(|event| event.merchant_id.uuid());
    let accounts = column(|event| event.provider_account_id.uuid());
    let ids = column(|event| event.id.uuid());
    let created: Vec<OffsetDateTime> = events.iter().map(|event| event.created).collect();
    let event_ids: Vec<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let objects: Vec<Option<&str>> = events.iter().map(|event| event.object_id.as_deref()).collect();
    let versions: Vec<Option<&str>> = events.iter().map(|event| event.api_version.as_deref()).collect();
    let sources: Vec<Source> = events.iter().map(|event| event.source).collect();
    let payloads: Vec<&[u8]> = events
        .iter()
        .map(|event| event.payload_sealed.as_slice())
        .collect();
    sqlx::query(sql)
        .bind(merchants)
        .bind(accounts)
        .bind(created)
        .bind(event_ids)
        .bind(ids)
        .bind(kinds)
        .bind(objects)
        .bind(versions)
        .bind(sources)
        .bind(payloads)
        .execute(conn)
        .await?;
    Ok(())
}

/// An event that a worker has taken up, without its bytes.
#[derive(Debug, sqlx::FromRow)]
pub struct Leased {
    /// Whose account it came to.
    pub merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    created: OffsetDateTime,
    /// The provider's id of it.
    pub event_id: String,
    id: WebhookEventId,
    received_at: OffsetDateTime,
    attempts: i32,
    fence: i64,
}

/// The advisory lock under which events are leased.
const LEASING: i64 = 0x0071_7569_7401;

/// Takes up to `limit` due events for as long as `lease`, none whose object somebody works on. The caller's transaction should
/// end right after: one lease at a time sees what the one before it took.
pub async fn lease(
    conn: &mut PgConnection,
    lease: std::time::Duration,
    limit: i64,
) -> Result<Vec<Leased>, StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LEASING)
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query_as(
        // Materialized, so that the limit holds whatever the plan.
        "with due as materialized (
             select merchant_id, id from webhook_event due
             where due_at <= clock_timestamp()
               and not exists (
                   select from webhook_event held
                   where held.merchant_id = due.merchant_id and held.provider_account_id = due.provider_account_id
                     and held.object_id = due.object_id and held.state = 'leased'
                     and held.due_at > clock_timestamp())
             order by due_at limit $2 for update skip locked
         )
         update webhook_event e set state = 'leased', fence = e.fence + 1, due_at = clock_timestamp() + $1
         from due where e.merchant_id = due.merchant_id and e.id = due.id
         returning e.merchant_id, e.provider_account_id, e.created, e.event_id, e.id, e.received_at, e.attempts, e.fence",
    )
    .bind(lease)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Reads what was taken up, for the merchants whose it is. What is gone meanwhile is left out.
pub async fn read(conn: &mut PgConnection, leased: Vec<Leased>) -> Result<Vec<WebhookEvent>, StoreError> {
    let merchants: Vec<Uuid> = leased.iter().map(|event| event.merchant_id.uuid()).collect();
    let ids: Vec<Uuid> = leased.iter().map(|event| event.id.uuid()).collect();
    let payloads: Vec<(Uuid, Uuid, Vec<u8>)> = sqlx::query_as(
        "select e.merchant_id, e.id, e.payload_sealed from unnest($1::uuid[], $2::uuid[]) leased (merchant_id, id)
         join webhook_event e on e.merchant_id = leased.merchant_id and e.id = leased.id",
    )
    .bind(merchants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    let mut payloads: HashMap<(Uuid, Uuid), Vec<u8>> = payloads
        .into_iter()
        .map(|(merchant, id, payload)| ((merchant, id), payload))
        .collect();
    let whole = leased.into_iter().filter_map(|event| {
        Some(WebhookEvent {
            payload_sealed: payloads.remove(&(event.merchant_id.uuid(), event.id.uuid()))?,
            merchant_id: event.merchant_id,
            provider_account_id: event.provider_account_id,
            created: event.created,
            event_id: event.event_id,
            received_at: event.received_at,
            attempts: event.attempts,
            fence: event.fence,
            id: event.id,
        })
    });
    Ok(whole.collect())
}

/// What became of an event that a worker took up.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// Its effects are in the same transaction.
    Applied,
    /// Nothing that we follow.
    Ignored,
    /// To be tried again.
    Again {
        /// How long to wait.
        after: time::Duration,
        /// What went wrong.
        error: &'a str,
    },
    /// Out of attempts.
    Dead {
        /// What went wrong.
        error: &'a str,
    },
}

/// Notes what became of an event. `false` where the lease was lost: then nothing of this transaction may count.
pub async fn end(
    conn: &mut PgConnection,
    event: &WebhookEvent,
    ended: Ended<'_>,
) -> Result<bool, StoreError> {
    let (state, after, error, attempts) = match ended {
        Ended::Applied => ("applied", None, None, event.attempts),
        Ended::Ignored => ("ignored", None, None, event.attempts),
        Ended::Again { after, error } => ("received", Some(after), Some(error), event.attempts + 1),
        Ended::Dead { error } => ("dead", None, Some(error), event.attempts + 1),
    };
    let done = sqlx::query(
        "update webhook_event set state = $4, due_at = clock_timestamp() + $5, last_error = $6, attempts = $7,
             ended_at = case when $5::interval is null then clock_timestamp() end
         where merchant_id = $1 and id = $2 and fence = $3 and state = 'leased'",
    )
    .bind(event.merchant_id)
    .bind(event.id)
    .bind(event.fence)
    .bind(state)
    .bind(after)
    .bind(error.map(mask))
    .bind(attempts)
    .execute(conn)
    .await?;
    let held = done.rows_affected() == 1;
    if !held {
        lost(1);
    }
    Ok(held)
}

/// Leases are longer than any work: one that was lost tells of a machine that stood still, or of a clock that jumped.
fn lost(leases: usize) {
    tracing::warn!(leases, "a lease was lost: whoever holds it now applies the event");
}

/// Notes that several events of a merchant's are applied, their effects in the same transaction. How many are: fewer than
/// given where a lease was lost, and then nothing of this transaction may count.
pub async fn end_applied(
    conn: &mut PgConnection,
    merchant: MerchantId,
    events: &[&WebhookEvent],
) -> Result<usize, StoreError> {
    if events.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = events.iter().map(|event| event.id.uuid()).collect();
    let fences: Vec<i64> = events.iter().map(|event| event.fence).collect();
    let done = sqlx::query(
        "update webhook_event e set state = 'applied', due_at = null, last_error = null, ended_at = clock_timestamp()
         from unnest($2::uuid[], $3::bigint[]) done (id, fence)
         where e.merchant_id = $1 and e.id = done.id and e.fence = done.fence and e.state = 'leased'",
    )
    .bind(merchant)
    .bind(ids)
    .bind(fences)
    .execute(conn)
    .await?;
    let ended = usize::try_from(done.rows_affected()).unwrap_or(usize::MAX);
    if ended < events.len() {
        lost(events.len() - ended);
    }
    Ok(ended)
}

/// Gives leased events back, due again after a while. No attempt is spent.
pub async fn postpone(
    conn: &mut PgConnection,
    events: &[WebhookEvent],
    by: time::Duration,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let merchants: Vec<Uuid> = events.iter().map(|event| event.merchant_id.uuid()).collect();
    let ids: Vec<Uuid> = events.iter().map(|event| event.id.uuid()).collect();
    let fences: Vec<i64> = events.iter().map(|event| event.fence).collect();
    sqlx::query(
        "update webhook_event e set state = 'received', due_at = clock_timestamp() + $4
         from unnest($1::uuid[], $2::uuid[], $3::bigint[]) back (merchant_id, id, fence)
         where e.merchant_id = back.merchant_id and e.id = back.id and e.fence = back.fence and e.state = 'leased'",
    )
    .bind(merchants)
    .bind(ids)
    .bind(fences)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the bytes out of an event that has ended: it stays, so that it is not taken in again.
pub async fn empty(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: WebhookEventId,
) -> Result<(), StoreError> {
    let place = payload_place(merchant, id);
    let nothing = sealer.seal(conn, place, b"{}").await?;
    sqlx::query(
        "update webhook_event set payload_sealed = $3
         where merchant_id = $1 and id = $2 and state in ('applied', 'ignored')",
    )
    .bind(merchant)
    .bind(id)
    .bind(nothing)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets up to `limit` events of a merchant's that happened, and were applied or ignored, before `before`. How many.
pub async fn purge(
    conn: &mut PgConnection,
    merchant: MerchantId,
    before: OffsetDateTime,
    limit: u64,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "delete from webhook_event where merchant_id = $1 and id in (
             select id from webhook_event
             where merchant_id = $1 and id < $2 and state in ('applied', 'ignored') and ended_at < $4
             order by id limit $3)",
    )
    .bind(merchant)
    .bind(WebhookEventId::before(before))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(before)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
