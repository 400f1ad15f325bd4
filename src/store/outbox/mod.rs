//! News for Odoo, kept until it is told.

mod lease;
pub mod lists;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, uuids};
use crate::domain::ids::{MerchantId, OdooInstanceId, OutboxMessageId, PaymentId, ProviderAccountId};
use crate::domain::money::Currency;
use crate::domain::outbox::{Message, OutboxMessage, OutboxState};
use crate::domain::redact::mask;
use crate::sink::Posted;
use crate::telemetry::trace;

pub use lease::{Room, lease, lease_bookings, read};

/// The time, by the clock that messages are leased by: the database's, which all workers share.
pub async fn now(conn: &mut PgConnection) -> Result<OffsetDateTime, StoreError> {
    Ok(sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(conn)
        .await?)
}

/// Whose messages leave one after the other.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// A payment.
    Payment(PaymentId),
    /// A setup or a saved method.
    Other(Uuid),
}

/// The statement of [`push`], by the column that names the subject.
macro_rules! push {
    ($subject:literal) => {
        concat!(
            "insert into outbox_message (merchant_id, id, odoo_instance_id, sequence, posting_key, posting, due_at, created_at,
                 provider_account_id, trace_context, ",
            $subject,
            ") select $1, $2, $3, coalesce(max(sequence), 0) + 1, $5, $6, clock_timestamp(), $7, $9,
                 coalesce((select trace_context from operation where merchant_id = $1 and payment_id = $4
                     order by created_at desc, id desc limit 1), $10), $4
             from outbox_message where merchant_id = $1 and ",
            $subject,
            " = $4
             on conflict (merchant_id, odoo_instance_id, posting_key) do update set posting = excluded.posting
                 where $8 and outbox_message.state = 'pending' and outbox_message.fence = 0"
        )
    };
}

/// Queues a message behind its subject's others. The caller holds the subject's row. One that has the same key is left as it
/// is; news of the same version that nobody has taken up yet is told as it is now. It belongs to the trace of the payment's newest
/// operation, whoever brought the news; where that has none, to the caller's.
pub async fn push(
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    instance: OdooInstanceId,
    subject: Subject,
    message: &Message,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let is_news = matches!(message, Message::News(_));
    let (statement, subject) = match subject {
        Subject::Payment(payment) => (push!("payment_id"), payment.uuid()),
        Subject::Other(about) => (push!("about_id"), about),
    };
    sqlx::query(statement)
        .bind(merchant)
        .bind(OutboxMessageId::generate())
        .bind(instance)
        .bind(subject)
        .bind(message.key())
        .bind(Json(message))
        .bind(now)
        .bind(is_news)
        .bind(account)
        .bind(trace::current().map(|context| context.to_string()))
        .execute(conn)
        .await?;
    Ok(())
}

/// A booking to be queued, or what one meets and no payment of ours stands for.
#[derive(Debug)]
pub struct NewBooking {
    /// Where it goes.
    pub odoo_instance_id: OdooInstanceId,
    /// The payment that must be told first, where there is one.
    pub payment_id: Option<PaymentId>,
    /// The currency of its journal.
    pub currency: Currency,
    /// What it says.
    pub posting: Message,
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
        postings.push(Json(booking.posting));
    }
    sqlx::query(
        "insert into outbox_message (merchant_id, provider_account_id, due_at, created_at, trace_context, id, odoo_instance_id,
             payment_id, journal_currency, posting_key, posting)
         select $1, $2, clock_timestamp(), $3,
             (select trace_context from operation o where o.merchant_id = $1 and o.payment_id = booking.payment_id
                 order by o.created_at desc, o.id desc limit 1), booking.*
         from unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::jsonb[])
             booking (id, odoo_instance_id, payment_id, journal_currency, posting_key, posting)
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

/// What stock Odoo is told of payments, in its order.
pub async fn list_posted(
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

/// What our addon is told of payments: what was taken, in its order, and what went back.
pub async fn list_reported(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<Vec<Told>, StoreError> {
    Ok(sqlx::query_as(
        "select p.id as payment_id, capture ->> 'source' as key,
             sum((capture ->> 'amount_minor')::bigint) over (partition by p.id order by place)::bigint as reached_minor
         from payment p, jsonb_array_elements(p.captures) with ordinality captures (capture, place)
         where p.merchant_id = $1 and p.id = any($2)
         union all
         select payment_id, provider_reference, null from refund
         where merchant_id = $1 and payment_id = any($2) and refunded_on is not null
         union all
         select payment_id, provider_reference || '_returned', null from refund
         where merchant_id = $1 and payment_id = any($2) and returned_on is not null
         order by payment_id, reached_minor",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?)
}

/// Those of the keys whose message an instance has not got yet.
pub async fn list_unsent(
    conn: &mut PgConnection,
    merchant: MerchantId,
    instance: OdooInstanceId,
    keys: &[String],
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "select posting_key from outbox_message
         where merchant_id = $1 and odoo_instance_id = $2 and posting_key = any($3) and state not in ('sent', 'skipped')",
    )
    .bind(merchant)
    .bind(instance)
    .bind(keys)
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
    .bind(mask(error))
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
