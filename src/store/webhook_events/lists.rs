//! Events as people see them: looked through, counted, and given back to the workers.

use sqlx::PgConnection;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::payload_place;
use crate::crypto::Sealer;
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId, WebhookEventId};
use crate::domain::webhook_event::EventState;
use crate::store::StoreError;

/// An event without its bytes.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EventEntry {
    /// Its id.
    pub id: WebhookEventId,
    /// The account it came to.
    pub provider_account_id: ProviderAccountId,
    /// The provider's id of it.
    pub event_id: String,
    /// The provider's word for what happened.
    pub kind: String,
    /// The provider's id of the object it happened to.
    pub object_id: Option<String>,
    /// The API version it is written in.
    pub api_version: Option<String>,
    /// `delivery` or `poll`: how it came.
    pub source: String,
    /// Where it stands.
    pub state: EventState,
    /// How often it failed.
    pub attempts: i32,
    /// What went wrong last, until it is ended.
    pub last_error: Option<String>,
    /// When it is tried next, or its lease ends.
    pub due_at: Option<OffsetDateTime>,
    /// By the provider's clock.
    pub created: OffsetDateTime,
    /// By the database's clock.
    pub received_at: OffsetDateTime,
    /// When somebody last had it applied again.
    pub replayed_at: Option<OffsetDateTime>,
    /// Who.
    pub replayed_by: Option<String>,
}

/// Which events a list shows, or a replay takes: all that fit every filter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Where they stand.
    pub state: Option<EventState>,
    /// The provider's word for what happened.
    pub kind: Option<String>,
    /// The provider's id of the object.
    pub object_id: Option<String>,
    /// The account they came to.
    pub provider_account: Option<ProviderAccountId>,
    /// Created then or later, by the provider's clock.
    pub created_from: Option<OffsetDateTime>,
    /// Created before then.
    pub created_before: Option<OffsetDateTime>,
}

/// The columns of an [`EventEntry`] of `e`.
macro_rules! columns {
    () => {
        "e.id, e.provider_account_id, e.event_id, e.kind, e.object_id, e.api_version, e.source, e.state, e.attempts,
         e.last_error, e.due_at, e.created, e.received_at, e.replayed_at, e.replayed_by"
    };
}

/// The condition of a mode, where `$1` is the merchant and `$2` whether money is real.
macro_rules! of_mode {
    () => {
        "e.merchant_id = $1
         and e.provider_account_id in (select id from provider_account where merchant_id = $1 and live = $2)"
    };
}

/// The condition of an [`EventFilter`], `$3` to `$8`.
macro_rules! fits {
    () => {
        "($3::text is null or e.state = $3) and ($4::text is null or e.kind = $4)
         and ($5::text is null or e.object_id = $5) and ($6::uuid is null or e.provider_account_id = $6)
         and ($7::timestamptz is null or e.created >= $7) and ($8::timestamptz is null or e.created < $8)"
    };
}

/// A page of a merchant's events of one mode, newest first, after `after`, `limit` at most.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    filter: &EventFilter,
    after: Option<WebhookEventId>,
    limit: i64,
) -> Result<Vec<EventEntry>, StoreError> {
    Ok(sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from webhook_event e where ",
        of_mode!(),
        " and ",
        fits!(),
        " and ($9::uuid is null or e.id < $9) order by e.id desc limit $10"
    ))
    .bind(merchant)
    .bind(live)
    .bind(filter.state)
    .bind(&filter.kind)
    .bind(&filter.object_id)
    .bind(filter.provider_account)
    .bind(filter.created_from)
    .bind(filter.created_before)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// One event.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    id: WebhookEventId,
) -> Result<EventEntry, StoreError> {
    Ok(sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from webhook_event e where ",
        of_mode!(),
        " and e.id = $3"
    ))
    .bind(merchant)
    .bind(live)
    .bind(id)
    .fetch_one(conn)
    .await?)
}

/// What an event says happened, and the provider's id of the object it happened to.
pub async fn describe(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: WebhookEventId,
) -> Result<(String, Option<String>), StoreError> {
    Ok(
        sqlx::query_as("select kind, object_id from webhook_event where merchant_id = $1 and id = $2")
            .bind(merchant)
            .bind(id)
            .fetch_one(conn)
            .await?,
    )
}

/// The bytes of one event, as they were signed.
pub async fn open(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    live: bool,
    id: WebhookEventId,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let payload: Vec<u8> = sqlx::query_scalar(concat!(
        "select e.payload_sealed from webhook_event e where ",
        of_mode!(),
        " and e.id = $3"
    ))
    .bind(merchant)
    .bind(live)
    .bind(id)
    .fetch_one(&mut *conn)
    .await?;
    sealer.open(conn, payload_place(merchant, id), &payload).await
}

/// How many events there are of a type in a state.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EventCount {
    /// The provider's word for what happened.
    pub kind: String,
    /// Where they stand.
    pub state: EventState,
    /// How many.
    pub count: i64,
}

/// How many events happened since a moment, by type and state, most first, `limit` lines at most.
pub async fn count(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    since: OffsetDateTime,
    limit: i64,
) -> Result<Vec<EventCount>, StoreError> {
    Ok(sqlx::query_as(concat!(
        "select e.kind, e.state, count(*) as count from webhook_event e where ",
        of_mode!(),
        " and e.id >= $3 group by e.kind, e.state order by count desc, e.kind, e.state limit $4"
    ))
    .bind(merchant)
    .bind(live)
    .bind(WebhookEventId::before(since))
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// What a replay does to an event; who asked for it follows. What went wrong stays to be seen until the event is ended.
macro_rules! again {
    () => {
        "update webhook_event e set state = 'received', attempts = 0, due_at = clock_timestamp(),
             replayed_at = clock_timestamp(), replayed_by = "
    };
}

/// Gives one event back to the workers, due now. `false` where a worker has it.
pub async fn replay(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    id: WebhookEventId,
    by: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query(concat!(
        again!(),
        "$4 where ",
        of_mode!(),
        " and e.id = $3 and e.state <> 'leased'"
    ))
    .bind(merchant)
    .bind(live)
    .bind(id)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives events back to the workers, oldest first, after `after`, `limit` at most: which, in this order. What a worker has is
/// left to it.
pub async fn replay_all(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    filter: &EventFilter,
    after: Option<WebhookEventId>,
    limit: i64,
    by: &str,
) -> Result<Vec<WebhookEventId>, StoreError> {
    // Materialized, or the plan may choose anew for each row, and more than `limit` in the end.
    let mut replayed: Vec<WebhookEventId> = sqlx::query_scalar(concat!(
        "with chosen as materialized (select e.id from webhook_event e where ",
        of_mode!(),
        " and ",
        fits!(),
        " and e.state <> 'leased' and ($10::uuid is null or e.id > $10)
          order by e.id limit $11 for update skip locked) ",
        again!(),
        "$9 from chosen where e.merchant_id = $1 and e.id = chosen.id returning e.id"
    ))
    .bind(merchant)
    .bind(live)
    .bind(filter.state)
    .bind(&filter.kind)
    .bind(&filter.object_id)
    .bind(filter.provider_account)
    .bind(filter.created_from)
    .bind(filter.created_before)
    .bind(by)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    replayed.sort_unstable();
    Ok(replayed)
}

/// The payment that one of these is or belongs to: the provider's ids of payments, charges, refunds, disputes and pages.
pub async fn find_payment(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    references: &[String],
) -> Result<Option<PaymentId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from payment
             where merchant_id = $1 and provider_account_id = $2
                 and (provider_reference = any($3) or charge_reference = any($3))
         union all select payment_id from refund
             where merchant_id = $1 and provider_account_id = $2 and provider_reference = any($3)
         union all select payment_id from dispute
             where merchant_id = $1 and provider_account_id = $2 and provider_reference = any($3)
                 and payment_id is not null
         union all select payment_id from checkout_session
             where merchant_id = $1 and provider_account_id = $2 and provider_reference = any($3)
         limit 1",
    )
    .bind(merchant)
    .bind(account)
    .bind(references)
    .fetch_optional(conn)
    .await?)
}

/// How the events of an account stand.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Standing {
    /// How many are to be applied, now or later.
    pub pending: i64,
    /// How many wait for a person.
    pub dead: i64,
    /// When the provider last delivered one, as far as it is among the merchant's latest.
    pub last_delivered_at: Option<OffsetDateTime>,
}

/// Among how many of a merchant's latest events one of an account is looked for.
const LATEST: i64 = 1_000;

/// How the events of an account stand.
pub async fn get_standing(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Standing, StoreError> {
    Ok(sqlx::query_as(
        "select
             (select count(*) from webhook_event
                 where merchant_id = $1 and provider_account_id = $2 and due_at is not null) as pending,
             (select count(*) from webhook_event
                 where merchant_id = $1 and provider_account_id = $2 and state = 'dead') as dead,
             (select max(received_at) from (select provider_account_id, source, received_at from webhook_event
                     where merchant_id = $1 order by id desc limit $3) latest
                 where provider_account_id = $2 and source = 'delivery') as last_delivered_at",
    )
    .bind(merchant)
    .bind(account)
    .bind(LATEST)
    .fetch_one(conn)
    .await?)
}
