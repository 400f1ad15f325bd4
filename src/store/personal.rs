//! What is personal, taken out of rows whose books stay as they are.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::ids::{CustomerId, MerchantId, WebhookEventId};

/// Takes what is personal out of payments, what each was asked with and its page: of those that `$3` names.
const ERASE: &str = "
    with erased as (
        update payment set client_secret_sealed = null, next_action = null, description = null, metadata = '{}',
            terms = terms - 'receipt_email' - 'shipping', erased_at = $2
        where merchant_id = $1 and id = any ($3) returning id
    ), asked as (
        update operation o set mandate = null, page = null, return_url = null
        from erased e where o.merchant_id = $1 and o.payment_id = e.id
    ), lines as (
        update balance_transaction b set description = null
        from erased e where b.merchant_id = $1 and b.payment_id = e.id and b.description is not null
    ), pages as (
        update checkout_session s set url_sealed = null
        from erased e where s.merchant_id = $1 and s.payment_id = e.id
    )
    select count(*) from erased";

/// Takes what is personal out of up to `limit` payments that nothing more can come of and that last changed before `before`.
/// How many.
pub async fn erase_payments(
    conn: &mut PgConnection,
    merchant: MerchantId,
    before: OffsetDateTime,
    limit: i64,
    now: OffsetDateTime,
) -> Result<usize, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select id from payment where merchant_id = $1 and updated_at < $2 and erased_at is null
             and state in ('captured', 'failed', 'canceled')
         order by updated_at limit $3 for update skip locked",
    )
    .bind(merchant)
    .bind(before)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    erase(conn, merchant, &ids, now).await?;
    Ok(ids.len())
}

async fn erase(
    conn: &mut PgConnection,
    merchant: MerchantId,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(ERASE)
        .bind(merchant)
        .bind(now)
        .bind(ids)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets where up to `limit` acts came from that were done before `before`. How many.
pub async fn erase_origins(
    conn: &mut PgConnection,
    merchant: MerchantId,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "delete from audit_origin where merchant_id = $1 and sequence in (
             select sequence from audit_origin where merchant_id = $1 and at < $2 order by at limit $3)",
    )
    .bind(merchant)
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// What keeps a customer from being erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Unfinished {
    /// Payments of which something may still come.
    pub payments: i64,
    /// Methods that can be charged.
    pub methods: i64,
    /// Savings of a method that may still end.
    pub setups: i64,
}

/// Counts what keeps a customer from being erased.
pub async fn count_unfinished(
    conn: &mut PgConnection,
    merchant: MerchantId,
    customer: CustomerId,
) -> Result<Unfinished, StoreError> {
    Ok(sqlx::query_as(
        "select
             (select count(*) from payment where merchant_id = $1 and customer_id = $2
                 and state not in ('captured', 'failed', 'canceled')) as payments,
             (select count(*) from payment_method where merchant_id = $1 and customer_id = $2 and state = 'attached') as methods,
             (select count(*) from setup where merchant_id = $1 and customer_id = $2
                 and state not in ('succeeded', 'failed', 'canceled')) as setups",
    )
    .bind(merchant)
    .bind(customer)
    .fetch_one(conn)
    .await?)
}

/// Takes what is personal out of a customer, its methods, savings and payments. How many payments.
pub async fn erase_customer(
    conn: &mut PgConnection,
    merchant: MerchantId,
    customer: CustomerId,
    now: OffsetDateTime,
) -> Result<usize, StoreError> {
    for sql in [
        "update customer set name = null, email = null, phone = null, metadata = '{}', erased_at = $3, updated_at = $3
         where merchant_id = $1 and id = $2",
        "update payment_method set brand = null, last4 = null, exp_month = null, exp_year = null, bank_code = null, country = null,
             mandate_reference = null, mandate_url = null, updated_at = $3
         where merchant_id = $1 and customer_id = $2",
        "update setup set client_secret_sealed = null, next_action = null, updated_at = $3
         where merchant_id = $1 and customer_id = $2",
    ] {
        sqlx::query(sql)
            .bind(merchant)
            .bind(customer)
            .bind(now)
            .execute(&mut *conn)
            .await?;
    }
    let payments: Vec<Uuid> =
        sqlx::query_scalar("select id from payment where merchant_id = $1 and customer_id = $2 for update")
            .bind(merchant)
            .bind(customer)
            .fetch_all(&mut *conn)
            .await?;
    erase(conn, merchant, &payments, now).await?;
    Ok(payments.len())
}

/// The provider's ids of everything that a customer has: what events are about.
pub async fn list_references(
    conn: &mut PgConnection,
    merchant: MerchantId,
    customer: CustomerId,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "with own as (select id, provider_reference, charge_reference from payment where merchant_id = $1 and customer_id = $2),
         found (reference) as (
             select provider_reference from customer where merchant_id = $1 and id = $2
             union all select provider_reference from payment_method where merchant_id = $1 and customer_id = $2
             union all select provider_reference from setup where merchant_id = $1 and customer_id = $2
             union all select provider_reference from own union all select charge_reference from own
             union all select r.provider_reference from refund r join own on own.id = r.payment_id where r.merchant_id = $1
             union all select d.provider_reference from dispute d join own on own.id = d.payment_id where d.merchant_id = $1
             union all select c.provider_reference from checkout_session c join own on own.id = c.payment_id where c.merchant_id = $1
         )
         select distinct reference from found where reference is not null",
    )
    .bind(merchant)
    .bind(customer)
    .fetch_all(conn)
    .await?)
}

/// Among the next `many` events after one, those that ended and are about one of `references`; and the last one looked at.
pub async fn list_events(
    conn: &mut PgConnection,
    merchant: MerchantId,
    after: Option<WebhookEventId>,
    references: &[String],
    many: i64,
) -> Result<(Vec<WebhookEventId>, Option<WebhookEventId>), StoreError> {
    let rows: Vec<(WebhookEventId, bool)> = sqlx::query_as(
        "select id, object_id = any ($3) and state in ('applied', 'ignored') from (
             select id, object_id, state from webhook_event
             where merchant_id = $1 and ($2::uuid is null or id > $2) order by id limit $4) looked_at
         order by id",
    )
    .bind(merchant)
    .bind(after)
    .bind(references)
    .bind(many)
    .fetch_all(conn)
    .await?;
    let last = rows.last().map(|(id, _)| *id);
    let found = rows.into_iter().filter(|(_, is_about)| *is_about);
    Ok((found.map(|(id, _)| id).collect(), last))
}

/// All that is kept of a customer, as JSON: what is sealed is left out.
pub async fn export(
    conn: &mut PgConnection,
    merchant: MerchantId,
    customer: CustomerId,
) -> Result<serde_json::Value, StoreError> {
    let Json(found) = sqlx::query_scalar::<_, Json<serde_json::Value>>(
        "with own as (select * from payment where merchant_id = $1 and customer_id = $2)
         select jsonb_build_object(
             'customer', (select to_jsonb(c) - 'merchant_id' from customer c where merchant_id = $1 and id = $2),
             'payment_methods', (select coalesce(jsonb_agg(to_jsonb(m) - 'merchant_id' order by id), '[]') from payment_method m
                 where merchant_id = $1 and customer_id = $2),
             'setups', (select coalesce(jsonb_agg(to_jsonb(s) - 'merchant_id' - 'client_secret_sealed' order by id), '[]')
                 from setup s where merchant_id = $1 and customer_id = $2),
             'payments', (select coalesce(jsonb_agg(to_jsonb(p) - 'merchant_id' - 'client_secret_sealed' order by id), '[]') from own p),
             'operations', (select coalesce(jsonb_agg(to_jsonb(o) - 'merchant_id' order by o.id), '[]')
                 from operation o join own p on o.payment_id = p.id where o.merchant_id = $1),
             'refunds', (select coalesce(jsonb_agg(to_jsonb(r) - 'merchant_id' order by r.id), '[]')
                 from refund r join own p on r.payment_id = p.id where r.merchant_id = $1),
             'disputes', (select coalesce(jsonb_agg(to_jsonb(d) - 'merchant_id' order by d.id), '[]')
                 from dispute d join own p on d.payment_id = p.id where d.merchant_id = $1),
             'pages', (select coalesce(jsonb_agg(to_jsonb(c) - 'merchant_id' - 'url_sealed' order by c.id), '[]')
                 from checkout_session c join own p on c.payment_id = p.id where c.merchant_id = $1)
         )",
    )
    .bind(merchant)
    .bind(customer)
    .fetch_one(conn)
    .await?;
    Ok(found)
}
