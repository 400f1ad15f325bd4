//! Messages as people see them: looked through, sent again, and let go.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::domain::ids::{MerchantId, OdooInstanceId, OutboxMessageId, PaymentId};
use crate::domain::outbox::{Message, OutboxState};
use crate::sink::Posted;
use crate::store::StoreError;

/// A message with all that is known of it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MessageEntry {
    /// Its id.
    pub id: OutboxMessageId,
    /// Where it goes.
    pub odoo_instance_id: OdooInstanceId,
    /// The payment it tells of, where it does.
    pub payment_id: Option<PaymentId>,
    /// Its place among the messages of its payment; a booking has none.
    pub sequence: Option<i64>,
    /// What it says.
    pub posting: Json<Message>,
    /// Where it stands.
    pub state: OutboxState,
    /// How often it was refused.
    pub attempts: i32,
    /// What went wrong last, where it is not sent.
    pub last_error: Option<String>,
    /// When it is tried next, or its lease ends.
    pub due_at: Option<OffsetDateTime>,
    /// What it became in Odoo.
    pub result: Option<Json<Posted>>,
    /// When it was queued.
    pub created_at: OffsetDateTime,
    /// When Odoo had it.
    pub sent_at: Option<OffsetDateTime>,
    /// Why it was let go.
    pub skip_reason: Option<String>,
    /// By whom.
    pub skipped_by: Option<String>,
    /// When.
    pub skipped_at: Option<OffsetDateTime>,
}

/// Which messages a list shows, or a replay takes: all that fit every filter.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageFilter {
    /// Where they stand.
    pub state: Option<OutboxState>,
    /// The payment that they tell of.
    pub payment: Option<PaymentId>,
    /// Where they go.
    pub odoo_instance: Option<OdooInstanceId>,
}

/// The columns of a [`MessageEntry`] of a mode, where `$1` is the merchant and `$2` whether money is real; more conditions
/// follow.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select m.id, m.odoo_instance_id, m.payment_id, m.sequence, m.posting, m.state, m.attempts, m.last_error,
                 m.due_at, m.result, m.created_at, m.sent_at, m.skip_reason, m.skipped_by, m.skipped_at
             from outbox_message m
             left join payment p on p.merchant_id = m.merchant_id and p.id = m.payment_id
             join provider_account a on a.merchant_id = m.merchant_id
                 and a.id = coalesce(m.provider_account_id, p.provider_account_id)
             where m.merchant_id = $1 and a.live = $2 and ",
            $rest
        )
    };
}

/// A page of a merchant's messages of one mode, oldest first, after `after`, `limit` at most.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    filter: MessageFilter,
    after: Option<OutboxMessageId>,
    limit: i64,
) -> Result<Vec<MessageEntry>, StoreError> {
    Ok(sqlx::query_as(select!(
        "($3::text is null or m.state = $3) and ($4::uuid is null or m.payment_id = $4)
             and ($5::uuid is null or m.odoo_instance_id = $5) and ($6::uuid is null or m.id > $6)
         order by m.id limit $7"
    ))
    .bind(merchant)
    .bind(live)
    .bind(filter.state)
    .bind(filter.payment)
    .bind(filter.odoo_instance)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// One message.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    id: OutboxMessageId,
) -> Result<MessageEntry, StoreError> {
    Ok(sqlx::query_as(select!("m.id = $3"))
        .bind(merchant)
        .bind(live)
        .bind(id)
        .fetch_one(conn)
        .await?)
}

/// One message, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    id: OutboxMessageId,
) -> Result<MessageEntry, StoreError> {
    Ok(sqlx::query_as(select!("m.id = $3 for update of m"))
        .bind(merchant)
        .bind(live)
        .bind(id)
        .fetch_one(conn)
        .await?)
}

/// Messages that fit, oldest first, held until the transaction ends; those that others hold are passed over.
pub async fn lock_all(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    filter: MessageFilter,
    after: Option<OutboxMessageId>,
    limit: i64,
) -> Result<Vec<MessageEntry>, StoreError> {
    Ok(sqlx::query_as(select!(
        "($3::text is null or m.state = $3) and ($4::uuid is null or m.payment_id = $4)
             and ($5::uuid is null or m.odoo_instance_id = $5) and ($6::uuid is null or m.id > $6)
         order by m.id limit $7 for update of m skip locked"
    ))
    .bind(merchant)
    .bind(live)
    .bind(filter.state)
    .bind(filter.payment)
    .bind(filter.odoo_instance)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Makes messages due now, with all their attempts before them. Those that are due before `soon` already are left as they
/// are: one of them may be on its way.
pub async fn replay(
    conn: &mut PgConnection,
    merchant: MerchantId,
    messages: &[OutboxMessageId],
    now: OffsetDateTime,
    soon: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<uuid::Uuid> = messages.iter().map(|id| id.uuid()).collect();
    sqlx::query(
        "update outbox_message set state = 'pending', attempts = 0, due_at = $3
         where merchant_id = $1 and id = any($2) and (state = 'dead' or (state = 'pending' and due_at > $4))",
    )
    .bind(merchant)
    .bind(ids)
    .bind(now)
    .bind(soon)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a dead message go.
pub async fn skip(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OutboxMessageId,
    reason: &str,
    by: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox_message set state = 'skipped', skip_reason = $3, skipped_by = $4, skipped_at = $5
         where merchant_id = $1 and id = $2 and state = 'dead'",
    )
    .bind(merchant)
    .bind(id)
    .bind(reason)
    .bind(by)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// How the messages of an instance stand.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Standing {
    /// How many are to be sent, now or later.
    pub pending: i64,
    /// How many wait for a person.
    pub dead: i64,
    /// When the oldest of those to be sent was queued.
    pub oldest_pending_at: Option<OffsetDateTime>,
    /// When the instance last took one.
    pub last_sent_at: Option<OffsetDateTime>,
}

/// How the messages of an instance stand. The plain comparisons are those that indexes are used for.
pub async fn get_standing(
    conn: &mut PgConnection,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<Standing, StoreError> {
    Ok(sqlx::query_as(
        "select waiting.pending, waiting.oldest_pending_at,
             (select count(*) from outbox_message
                 where merchant_id = $1 and odoo_instance_id = $2 and state = 'dead') as dead,
             (select sent_at from outbox_message
                 where merchant_id = $1 and odoo_instance_id = $2 and sent_at is not null
                 order by sent_at desc limit 1) as last_sent_at
         from (select count(*) as pending, min(created_at) as oldest_pending_at from outbox_message
             where merchant_id = $1 and odoo_instance_id = $2 and due_at is not null) waiting",
    )
    .bind(merchant)
    .bind(instance)
    .fetch_one(conn)
    .await?)
}
