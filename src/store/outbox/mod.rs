//! News for Odoo, kept until it is told.

pub mod lists;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, uuids};
use crate::domain::ids::{MerchantId, OdooInstanceId, OutboxMessageId, PaymentId, ProviderAccountId};
use crate::domain::money::Currency;
use crate::domain::outbox::{Message, OutboxMessage, OutboxState};
use crate::domain::posting::Posting;
use crate::sink::Posted;

/// The time, by the clock that messages are leased by: the database's, which all workers share.
pub async fn now(conn: &mut PgConnection) -> Result<OffsetDateTime, StoreError> {
    Ok(sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(conn)
        .await?)
}

/// Queues a message behind the payment's others. The caller holds the payment's row. One that has the same key is left as it
/// is; news of the same version that nobody has taken up yet is told as it is now.
pub async fn push(
    conn: &mut PgConnection,
    merchant: MerchantId,
    instance: OdooInstanceId,
    payment: PaymentId,
    message: &Message,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let is_news = matches!(message, Message::News(_));
    sqlx::query(
        "insert into outbox_message (merchant_id, id, odoo_instance_id, payment_id, sequence, posting_key, posting,
             due_at, created_at)
         select $1, $2, $3, $4, coalesce(max(sequence), 0) + 1, $5, $6, clock_timestamp(), $7
         from outbox_message where merchant_id = $1 and payment_id = $4
         on conflict (merchant_id, odoo_instance_id, posting_key) do update set posting = excluded.posting
             where $8 and outbox_message.state = 'pending' and outbox_message.fence = 0",
    )
    .bind(merchant)
    .bind(OutboxMessageId::generate())
    .bind(instance)
    .bind(payment)
    .bind(message.key())
    .bind(Json(message))
    .bind(now)
    .bind(is_news)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: OutboxMessageId,
    odoo_instance_id: OdooInstanceId,
    provider_account_id: ProviderAccountId,
    payment_id: Option<PaymentId>,
    sequence: Option<i64>,
    posting: serde_json::Value,
    attempts: i32,
    fence: i64,
}

impl Row {
    /// One that this version cannot read is left to a version that can; its neighbours go on.
    fn read(self) -> Option<(MerchantId, OutboxMessage)> {
        let posting = serde_json::from_value(self.posting)
            .inspect_err(|error| tracing::error!(%error, message_id = %self.id, "a message cannot be read"))
            .ok()?;
        let message = OutboxMessage {
            id: self.id,
            odoo_instance_id: self.odoo_instance_id,
            provider_account_id: self.provider_account_id,
            payment_id: self.payment_id,
            sequence: self.sequence,
            posting,
            attempts: self.attempts,
            fence: self.fence,
        };
        Some((self.merchant_id, message))
    }
}

/// A booking to be queued.
#[derive(Debug)]
pub struct NewBooking {
    /// Where it goes.
    pub odoo_instance_id: OdooInstanceId,
    /// The payment that must be told first, where there is one.
    pub payment_id: Option<PaymentId>,
    /// The currency of its journal.
    pub currency: Currency,
    /// What it says.
    pub posting: Posting,
}

/// Queues bookings of an account, many in one statement. One that has the same key is left as it is.
pub async fn push_bookings(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    bookings: Vec<NewBooking>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if bookings.is_empty() {
        return Ok(());
    }
    let (mut ids, mut instances, mut payments) = (Vec::new(), Vec::new(), Vec::new());
    let (mut currencies, mut keys, mut postings) = (Vec::new(), Vec::new(), Vec::new());
    for booking in bookings {
        ids.push(OutboxMessageId::generate().uuid());
        instances.push(booking.odoo_instance_id.uuid());
        payments.push(booking.payment_id.map(PaymentId::uuid));
        currencies.push(booking.currency.code());
        keys.push(booking.posting.key());
        postings.push(Json(Message::Posting(booking.posting)));
    }
    sqlx::query(
        "insert into outbox_message (merchant_id, provider_account_id, due_at, created_at, id, odoo_instance_id, payment_id,
             journal_currency, posting_key, posting)
         select $1, $2, clock_timestamp(), $3, * from unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::jsonb[])
         on conflict do nothing",
    )
    .bind(merchant)
    .bind(account)
    .bind(now)
    .bind(ids)
    .bind(instances)
    .bind(payments)
    .bind(currencies)
    .bind(keys)
    .bind(postings)
    .execute(conn)
    .await?;
    Ok(())
}

/// How many messages may be taken up.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Altogether.
    pub total: i64,
    /// In hand at once for one instance, by all workers together.
    pub per_instance: i64,
}

/// Takes up due messages until `until`, as far as there is room: of each payment its first that is neither sent nor skipped.
/// A dead message holds its payment's later ones. An instance that failed last time gets one, which tries it for the others.
///
/// The caller holds the rows of the instances, taken in the same transaction by a statement before this one, so that what is
/// in hand is counted by one worker at a time.
pub async fn lease(
    conn: &mut PgConnection,
    instances: &[(MerchantId, OdooInstanceId)],
    now: OffsetDateTime,
    until: OffsetDateTime,
    room: Room,
) -> Result<Vec<(MerchantId, OutboxMessage)>, StoreError> {
    let (merchants, ids): (Vec<Uuid>, Vec<Uuid>) = instances
        .iter()
        .map(|(merchant, id)| (merchant.uuid(), id.uuid()))
        .unzip();
    let rows: Vec<Row> = sqlx::query_as(
        // Materialized, so that the limits hold whatever the plan.
        "with taken as materialized (
             select head.merchant_id, head.id from odoo_instance i
             cross join lateral (
                 select case when i.failures > 0 then 1 else $6 end - count(distinct coalesce(l.batch, l.id)) as places
                 from outbox_message l
                 where l.merchant_id = i.merchant_id and l.odoo_instance_id = i.id and l.leased_until > $3
             ) room
             cross join lateral (
                 select o.merchant_id, o.id, o.due_at from outbox_message o
                 where o.merchant_id = i.merchant_id and o.odoo_instance_id = i.id and o.due_at <= $3
                   and o.sequence is not null
                   and not exists (
                       select from outbox_message earlier
                       where earlier.merchant_id = o.merchant_id and earlier.payment_id = o.payment_id
                         and earlier.sequence < o.sequence and earlier.state not in ('sent', 'skipped'))
                 order by o.due_at, o.id limit greatest(room.places, 0) for update of o skip locked
             ) head
             where (i.merchant_id, i.id) in (select * from unnest($1::uuid[], $2::uuid[]))
             order by head.due_at limit $5
         )
         update outbox_message m set fence = m.fence + 1, due_at = $4, leased_until = $4
         from taken where m.merchant_id = taken.merchant_id and m.id = taken.id
         returning m.merchant_id, m.id, m.odoo_instance_id, m.payment_id, m.sequence, m.posting, m.attempts, m.fence,
             coalesce(m.provider_account_id, (select p.provider_account_id from payment p
                 where p.merchant_id = m.merchant_id and p.id = m.payment_id)) as provider_account_id",
    )
    .bind(merchants)
    .bind(ids)
    .bind(now)
    .bind(until)
    .bind(room.total)
    .bind(room.per_instance)
    .fetch_all(&mut *conn)
    .await?;
    read(conn, rows).await
}

/// How many bookings travel together.
const BATCH: i64 = 50;

/// Takes up due bookings until `until`: of each instance that has room one batch, all of one journal. Those of a payment wait
/// until Odoo was told of it, and has all that it was told.
///
/// The caller holds the rows of the instances, as for [`lease`]. A batch counts as one message.
pub async fn lease_bookings(
    conn: &mut PgConnection,
    instances: &[(MerchantId, OdooInstanceId)],
    now: OffsetDateTime,
    until: OffsetDateTime,
    room: Room,
) -> Result<Vec<(MerchantId, Vec<OutboxMessage>)>, StoreError> {
    let (merchants, ids): (Vec<Uuid>, Vec<Uuid>) = instances
        .iter()
        .map(|(merchant, id)| (merchant.uuid(), id.uuid()))
        .unzip();
    let rows: Vec<Row> = sqlx::query_as(
        "with ready as not materialized (
             select * from outbox_message o
             where o.sequence is null and o.due_at <= $3 and (o.payment_id is null or (
                 exists (select from outbox_message told
                     where told.merchant_id = o.merchant_id and told.payment_id = o.payment_id and told.sequence is not null)
                 and not exists (select from outbox_message told
                     where told.merchant_id = o.merchant_id and told.payment_id = o.payment_id and told.sequence is not null
                       and told.state not in ('sent', 'skipped'))))
         ), taken as materialized (
             select m.merchant_id, m.id, journal.batch from odoo_instance i
             cross join lateral (
                 select case when i.failures > 0 then 1 else $6 end - count(distinct coalesce(l.batch, l.id)) as places
                 from outbox_message l
                 where l.merchant_id = i.merchant_id and l.odoo_instance_id = i.id and l.leased_until > $3
             ) room
             cross join lateral (
                 select o.provider_account_id, o.journal_currency, gen_random_uuid() as batch from ready o
                 where o.merchant_id = i.merchant_id and o.odoo_instance_id = i.id
                 order by o.due_at, o.id limit least(greatest(room.places, 0), 1)
             ) journal
             cross join lateral (
                 select o.merchant_id, o.id from outbox_message o
                 where (o.merchant_id, o.id) in (
                     select r.merchant_id, r.id from ready r
                     where r.merchant_id = i.merchant_id and r.odoo_instance_id = i.id
                       and r.provider_account_id = journal.provider_account_id and r.journal_currency = journal.journal_currency
                     order by r.due_at, r.id limit $7)
                 for update of o skip locked
             ) m
             where (i.merchant_id, i.id) in (select * from unnest($1::uuid[], $2::uuid[])) limit $5 * $7
         )
         update outbox_message m set fence = m.fence + 1, due_at = $4, leased_until = $4, batch = taken.batch
         from taken where m.merchant_id = taken.merchant_id and m.id = taken.id
         returning m.merchant_id, m.id, m.odoo_instance_id, m.payment_id, m.sequence, m.posting, m.attempts, m.fence,
             m.provider_account_id",
    )
    .bind(merchants)
    .bind(ids)
    .bind(now)
    .bind(until)
    .bind(room.total)
    .bind(room.per_instance)
    .bind(BATCH)
    .fetch_all(&mut *conn)
    .await?;
    let mut batches: Vec<(MerchantId, Vec<OutboxMessage>)> = Vec::new();
    for (merchant, message) in read(conn, rows).await? {
        let of_batch = |(of, batch): &&mut (MerchantId, Vec<OutboxMessage>)| {
            *of == merchant
                && batch
                    .first()
                    .is_some_and(|first| first.odoo_instance_id == message.odoo_instance_id)
        };
        match batches.iter_mut().find(of_batch) {
            Some((_, batch)) => batch.push(message),
            None => batches.push((merchant, vec![message])),
        }
    }
    Ok(batches)
}

async fn read(
    conn: &mut PgConnection,
    rows: Vec<Row>,
) -> Result<Vec<(MerchantId, OutboxMessage)>, StoreError> {
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        let (merchant, id) = (row.merchant_id, row.id);
        match row.read() {
            Some(message) => messages.push(message),
            None => let_go(conn, merchant, id).await?,
        }
    }
    Ok(messages)
}

/// Has nobody hold a message that was taken up; it is due again as if it were held.
async fn let_go(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OutboxMessageId,
) -> Result<(), StoreError> {
    sqlx::query("update outbox_message set leased_until = null where merchant_id = $1 and id = $2")
        .bind(merchant)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// A posting of a payment that Odoo is told of.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Told {
    /// The payment.
    pub payment_id: PaymentId,
    /// The posting's key.
    pub key: String,
    /// How far the customer's payments reach with it, where it is one, in minor units.
    pub reached_minor: Option<i64>,
}

/// What Odoo is told of payments, in its order.
pub async fn list_told(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<Vec<Told>, StoreError> {
    Ok(sqlx::query_as(
        "select payment_id, posting_key as key, case when is_paid then
             sum((posting -> 'amount' ->> 'minor')::bigint) filter (where is_paid)
                 over (partition by payment_id order by sequence)::bigint end as reached_minor
         from outbox_message, lateral (select posting ->> 'kind' = 'customer_payment' as is_paid) kind
         where merchant_id = $1 and payment_id = any($2) and sequence is not null
         order by payment_id, sequence",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?)
}

/// What waits to be posted of what the provider holds for an account, by currency in minor units.
pub async fn sum_unposted(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "select journal_currency, sum((part ->> 'value_minor')::bigint)::bigint
         from outbox_message, jsonb_array_elements(posting -> 'parts') part
         where merchant_id = $1 and provider_account_id = $2 and sequence is null and state in ('pending', 'dead')
           and part ->> 'account' = 'provider_balance'
         group by journal_currency",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?)
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
        "update outbox_message set state = 'sent', due_at = null, leased_until = null, sent_at = $4, result = $5, last_error = null
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
             attempts = $4, due_at = $5, leased_until = null, last_error = $6
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
    /// What it says.
    pub posting: Json<Message>,
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
         where merchant_id = $1 and payment_id = any($2) order by payment_id, sequence nulls last, id",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?)
}
