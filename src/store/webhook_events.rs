//! Events that a provider signed, each kept once.

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::StoreError;
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::VerifiedWebhook;

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
    id: Uuid,
    payload_sealed: Vec<u8>,
}

impl WebhookEvent {
    /// Opens the raw bytes that were signed.
    pub fn open(&self, sealer: &Sealer) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        Ok(sealer.open(payload_place(self.merchant_id, self.id), &self.payload_sealed)?)
    }
}

/// A proven event, sealed and ready to be written: made outside the database, so that many can be written at once.
#[derive(Debug)]
pub struct SealedEvent {
    merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    created: OffsetDateTime,
    event_id: String,
    id: Uuid,
    kind: String,
    object_id: Option<String>,
    api_version: Option<String>,
    payload_sealed: Vec<u8>,
}

fn payload_place(merchant: MerchantId, id: Uuid) -> Place {
    Place {
        merchant: merchant.uuid(),
        table: "webhook_event",
        column: "payload_sealed",
        row: id,
    }
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
    /// Seals a proven event. There is no other way into the table.
    pub fn seal(
        sealer: &Sealer,
        merchant: MerchantId,
        account: ProviderAccountId,
        webhook: &VerifiedWebhook<'_>,
    ) -> Result<Self, StoreError> {
        let id = Uuid::now_v7();
        let envelope = webhook.envelope();
        Ok(Self {
            merchant_id: merchant,
            provider_account_id: account,
            created: envelope.created,
            event_id: kept(&envelope.event_id),
            id,
            kind: kept(&envelope.kind),
            object_id: envelope.object_id.as_deref().map(kept),
            api_version: envelope.api_version.as_deref().map(kept),
            payload_sealed: sealer.seal(payload_place(merchant, id), webhook.body())?,
        })
    }
}

/// Keeps events, each once: one that is there already is left as it is.
pub async fn insert(conn: &mut PgConnection, events: &[SealedEvent]) -> Result<(), StoreError> {
    let column = |f: fn(&SealedEvent) -> Uuid| events.iter().map(f).collect::<Vec<_>>();
    let merchants = column(|event| event.merchant_id.uuid());
    let accounts = column(|event| event.provider_account_id.uuid());
    let ids = column(|event| event.id);
    let created: Vec<OffsetDateTime> = events.iter().map(|event| event.created).collect();
    let event_ids: Vec<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let objects: Vec<Option<&str>> = events.iter().map(|event| event.object_id.as_deref()).collect();
    let versions: Vec<Option<&str>> = events.iter().map(|event| event.api_version.as_deref()).collect();
    let payloads: Vec<&[u8]> = events
        .iter()
        .map(|event| event.payload_sealed.as_slice())
        .collect();
    sqlx::query(
        "insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, object_id,
             api_version, payload_sealed)
         select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::text[],
             $7::text[], $8::text[], $9::bytea[])
         on conflict do nothing",
    )
    .bind(merchants)
    .bind(accounts)
    .bind(created)
    .bind(event_ids)
    .bind(ids)
    .bind(kinds)
    .bind(objects)
    .bind(versions)
    .bind(payloads)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    created: OffsetDateTime,
    event_id: String,
    id: Uuid,
    payload_sealed: Vec<u8>,
    received_at: OffsetDateTime,
    attempts: i32,
    fence: i64,
}

/// Takes up to `limit` due events until `until`.
pub async fn lease(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<WebhookEvent>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "update webhook_event e set state = 'leased', fence = e.fence + 1, due_at = $2
         from (
             select merchant_id, provider_account_id, created, event_id from webhook_event
             where due_at <= $1 order by due_at limit $3 for update skip locked
         ) due
         where e.merchant_id = due.merchant_id and e.provider_account_id = due.provider_account_id
           and e.created = due.created and e.event_id = due.event_id
         returning e.merchant_id, e.provider_account_id, e.created, e.event_id, e.id, e.payload_sealed, e.received_at,
             e.attempts, e.fence",
    )
    .bind(now)
    .bind(until)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| WebhookEvent {
            merchant_id: row.merchant_id,
            provider_account_id: row.provider_account_id,
            created: row.created,
            event_id: row.event_id,
            received_at: row.received_at,
            attempts: row.attempts,
            fence: row.fence,
            id: row.id,
            payload_sealed: row.payload_sealed,
        })
        .collect())
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
        /// When.
        at: OffsetDateTime,
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
    let (state, due_at, error, attempts) = match ended {
        Ended::Applied => ("applied", None, None, event.attempts),
        Ended::Ignored => ("ignored", None, None, event.attempts),
        Ended::Again { at, error } => ("received", Some(at), Some(error), event.attempts + 1),
        Ended::Dead { error } => ("dead", None, Some(error), event.attempts + 1),
    };
    let done = sqlx::query(
        "update webhook_event set state = $6, due_at = $7, last_error = $8, attempts = $9
         where merchant_id = $1 and provider_account_id = $2 and created = $3 and event_id = $4 and fence = $5
             and state = 'leased'",
    )
    .bind(event.merchant_id)
    .bind(event.provider_account_id)
    .bind(event.created)
    .bind(&event.event_id)
    .bind(event.fence)
    .bind(state)
    .bind(due_at)
    .bind(error)
    .bind(attempts)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
