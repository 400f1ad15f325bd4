//! News for Odoo, kept until it is told.

pub mod lists;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{StoreError, uuids};
use crate::domain::ids::{MerchantId, OdooInstanceId, OutboxMessageId, PaymentId};
use crate::domain::outbox::{OutboxMessage, OutboxState};
use crate::domain::posting::Posting;
use crate::sink::Posted;

/// Queues a posting behind the payment's others. The caller holds the payment's row. `false` where it was queued before.
pub async fn push(
    conn: &mut PgConnection,
    merchant: MerchantId,
    instance: OdooInstanceId,
    payment: PaymentId,
    posting: &Posting,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into outbox_message (merchant_id, id, odoo_instance_id, payment_id, sequence, posting_key, posting,
             due_at, created_at)
         select $1, $2, $3, $4, coalesce(max(sequence), 0) + 1, $5, $6, $7, $7
         from outbox_message where merchant_id = $1 and payment_id = $4
         on conflict (merchant_id, odoo_instance_id, posting_key) do nothing",
    )
    .bind(merchant)
    .bind(OutboxMessageId::generate())
    .bind(instance)
    .bind(payment)
    .bind(posting.key())
    .bind(Json(posting))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: OutboxMessageId,
    odoo_instance_id: OdooInstanceId,
    payment_id: PaymentId,
    posting: serde_json::Value,
    attempts: i32,
    fence: i64,
}

impl Row {
    /// One that this version cannot read is left to a version that can; its neighbours go on.
    fn read(self) -> Option<(MerchantId, OutboxMessage)> {
        let posting = serde_json::from_value(self.posting)
            .inspect_err(|error| tracing::error!(%error, message_id = %self.id, "a posting cannot be read"))
            .ok()?;
        let message = OutboxMessage {
            id: self.id,
            odoo_instance_id: self.odoo_instance_id,
            payment_id: self.payment_id,
            posting,
            attempts: self.attempts,
            fence: self.fence,
        };
        Some((self.merchant_id, message))
    }
}

/// Takes up to `limit` due messages until `until`: of each payment its first that is neither sent nor skipped, of
/// instances that are not paused. A dead message holds its payment's later ones.
pub async fn lease(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(MerchantId, OutboxMessage)>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "update outbox_message m set fence = m.fence + 1, due_at = $2
         from (
             select o.merchant_id, o.id from outbox_message o
             join odoo_instance i on i.merchant_id = o.merchant_id and i.id = o.odoo_instance_id
             where o.due_at <= $1
               and (i.paused_until is null or i.paused_until <= $1)
               and not exists (
                   select from outbox_message earlier
                   where earlier.merchant_id = o.merchant_id and earlier.payment_id = o.payment_id
                     and earlier.sequence < o.sequence and earlier.state not in ('sent', 'skipped'))
             order by o.due_at limit $3 for update of o skip locked
         ) head
         where m.merchant_id = head.merchant_id and m.id = head.id
         returning m.merchant_id, m.id, m.odoo_instance_id, m.payment_id, m.posting, m.attempts, m.fence",
    )
    .bind(now)
    .bind(until)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().filter_map(Row::read).collect())
}

/// Notes that Odoo has it. `false` where the lease was lost: whoever holds it now will note it.
pub async fn ack(
    conn: &mut PgConnection,
    merchant: MerchantId,
    message: &OutboxMessage,
    posted: &Posted,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update outbox_message set state = 'sent', due_at = null, sent_at = $4, result = $5, last_error = null
         where merchant_id = $1 and id = $2 and fence = $3 and state = 'pending'",
    )
    .bind(merchant)
    .bind(message.id)
    .bind(message.fence)
    .bind(now)
    .bind(Json(posted))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts a message back with what went wrong: due again at `due_at`, or dead where there is no next time.
pub async fn put_back(
    conn: &mut PgConnection,
    merchant: MerchantId,
    message: &OutboxMessage,
    attempts: i32,
    due_at: Option<OffsetDateTime>,
    error: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update outbox_message set state = case when $5::timestamptz is null then 'dead' else 'pending' end,
             attempts = $4, due_at = $5, last_error = $6
         where merchant_id = $1 and id = $2 and fence = $3 and state = 'pending'",
    )
    .bind(merchant)
    .bind(message.id)
    .bind(message.fence)
    .bind(attempts)
    .bind(due_at)
    .bind(error)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A message as people see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OutboxEntry {
    /// Its id.
    pub id: OutboxMessageId,
    /// The payment it tells of.
    pub payment_id: PaymentId,
    /// What Odoo must record.
    pub posting: Json<Posting>,
    /// Where it stands.
    pub state: OutboxState,
    /// How often it was refused.
    pub attempts: i32,
    /// What went wrong last, where it is not sent.
    pub last_error: Option<String>,
    /// When it is tried next.
    pub due_at: Option<OffsetDateTime>,
    /// What it became in Odoo.
    pub result: Option<Json<Posted>>,
}

/// The messages of several payments, each one's in order.
pub async fn list_of(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<Vec<OutboxEntry>, StoreError> {
    Ok(sqlx::query_as(
        "select id, payment_id, posting, state, attempts, last_error, due_at, result from outbox_message
         where merchant_id = $1 and payment_id = any($2) order by payment_id, sequence",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?)
}
