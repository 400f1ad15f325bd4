//! Messages taken up by a worker: as many as there is room for, and none before its time.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::ids::{MerchantId, OdooInstanceId, OutboxMessageId, PaymentId, ProviderAccountId};
use crate::domain::outbox::OutboxMessage;
use crate::store::StoreError;

/// A message that a worker has taken up, without what it tells.
#[derive(Debug, sqlx::FromRow)]
pub struct Leased {
    /// Whose it is.
    pub merchant_id: MerchantId,
    id: OutboxMessageId,
    odoo_instance_id: OdooInstanceId,
    provider_account_id: ProviderAccountId,
    payment_id: Option<PaymentId>,
    sequence: Option<i64>,
    attempts: i32,
    fence: i64,
    batch: Option<Uuid>,
}

impl Leased {
    /// What is sent as one.
    #[must_use]
    pub fn batch(&self) -> Uuid {
        self.batch.unwrap_or_else(|| self.id.uuid())
    }
}

/// How many messages may be taken up.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Batches altogether.
    pub total: i64,
    /// Batches in hand at once for one instance, by all workers together; one where our addon is.
    pub per_instance: i64,
}

/// How many messages travel together.
const BATCH: i64 = 50;

/// Takes up due messages until `until`, as far as there is room: of each payment, setup or method its first that is neither sent nor
/// skipped. A dead message holds the later ones. An instance that failed last time gets one, which tries it for the others.
///
/// Those of an instance with our addon travel together, one batch after the other: entries of one journal are numbered one by one, and what
/// comes meanwhile makes the next batch. A batch is named by its first message, and counts as one.
///
/// The caller holds the rows of the instances, taken in the same transaction by a statement before this one, so that what is
/// in hand is counted by one worker at a time.
pub async fn lease(
    conn: &mut PgConnection,
    instances: &[(MerchantId, OdooInstanceId)],
    now: OffsetDateTime,
    until: OffsetDateTime,
    room: Room,
) -> Result<Vec<Leased>, StoreError> {
    let (merchants, ids): (Vec<Uuid>, Vec<Uuid>) = instances
        .iter()
        .map(|(merchant, id)| (merchant.uuid(), id.uuid()))
        .unzip();
    Ok(sqlx::query_as(
        // Materialized, so that the limits hold whatever the plan.
        "with head as materialized (
             select head.merchant_id, head.id, case when i.sink = 'addon' then first_value(head.id) over (
                 partition by i.merchant_id, i.id, head.place / $7 order by head.place) end as batch
             from odoo_instance i
             cross join lateral (
                 select case when i.failures > 0 or i.sink = 'addon' then 1 else $6 end - count(distinct coalesce(l.batch, l.id)) as places
                 from outbox_message l
                 where l.merchant_id = i.merchant_id and l.odoo_instance_id = i.id and l.leased_until > $3
             ) room
             cross join lateral (
                 select due.*, row_number() over (order by due.due_at, due.id) - 1 as place from (
                     select o.merchant_id, o.id, o.due_at from outbox_message o
                     where o.merchant_id = i.merchant_id and o.odoo_instance_id = i.id and o.due_at <= $3
                       and o.sequence is not null
                       and not exists (
                           select from outbox_message earlier
                           where earlier.merchant_id = o.merchant_id and earlier.payment_id = o.payment_id
                             and earlier.sequence < o.sequence and earlier.state not in ('sent', 'skipped'))
                       and not exists (
                           select from outbox_message earlier
                           where earlier.merchant_id = o.merchant_id and earlier.about_id = o.about_id
                             and earlier.sequence < o.sequence and earlier.state not in ('sent', 'skipped'))
                     order by o.due_at, o.id
                     limit greatest(room.places, 0) * case when i.sink = 'addon' and i.failures = 0 then $7 else 1 end
                     for update of o skip locked
                 ) due
             ) head
             where (i.merchant_id, i.id) in (select * from unnest($1::uuid[], $2::uuid[]))
         ), taken as materialized (
             select * from (
                 select head.*, dense_rank() over (order by coalesce(batch, id)) as number from head
             ) numbered where number <= $5
         )
         update outbox_message m set fence = m.fence + 1, due_at = $4, leased_until = $4, batch = taken.batch
         from taken where m.merchant_id = taken.merchant_id and m.id = taken.id
         returning m.merchant_id, m.id, m.odoo_instance_id, m.payment_id, m.sequence, m.attempts, m.fence, m.batch,
             coalesce(m.provider_account_id, (select p.provider_account_id from payment p
                 where p.merchant_id = m.merchant_id and p.id = m.payment_id)) as provider_account_id",
    )
    .bind(merchants)
    .bind(ids)
    .bind(now)
    .bind(until)
    .bind(room.total)
    .bind(room.per_instance)
    .bind(BATCH)
    .fetch_all(conn)
    .await?)
}

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
) -> Result<Vec<Leased>, StoreError> {
    let (merchants, ids): (Vec<Uuid>, Vec<Uuid>) = instances
        .iter()
        .map(|(merchant, id)| (merchant.uuid(), id.uuid()))
        .unzip();
    Ok(sqlx::query_as(
        "with ready as not materialized (
             select o.merchant_id, o.id, o.odoo_instance_id, o.provider_account_id, o.journal_currency, o.due_at from outbox_message o
             where o.sequence is null and o.due_at <= $3 and (o.payment_id is null or (
                 exists (select from outbox_message told
                     where told.merchant_id = o.merchant_id and told.payment_id = o.payment_id and told.sequence is not null)
                 and not exists (select from outbox_message told
                     where told.merchant_id = o.merchant_id and told.payment_id = o.payment_id and told.sequence is not null
                       and told.state not in ('sent', 'skipped'))))
         ), taken as materialized (
             select m.merchant_id, m.id, journal.batch from odoo_instance i
             cross join lateral (
                 select case when i.failures > 0 or i.sink = 'addon' then 1 else $6 end - count(distinct coalesce(l.batch, l.id)) as places
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
         returning m.merchant_id, m.id, m.odoo_instance_id, m.payment_id, m.sequence, m.attempts, m.fence, m.batch,
             m.provider_account_id",
    )
    .bind(merchants)
    .bind(ids)
    .bind(now)
    .bind(until)
    .bind(room.total)
    .bind(room.per_instance)
    .bind(BATCH)
    .fetch_all(conn)
    .await?)
}

/// Reads what was taken up, for the merchants whose it is, and puts together what is sent as one. What this version cannot read is left to a version that can; its neighbours go on.
pub async fn read(
    conn: &mut PgConnection,
    leased: Vec<Leased>,
) -> Result<Vec<(MerchantId, Vec<OutboxMessage>)>, StoreError> {
    let mut postings = list_postings(conn, &leased).await?;
    let mut batches: Vec<((MerchantId, Uuid), Vec<OutboxMessage>)> = Vec::new();
    for row in leased {
        let (merchant, id, batch) = (row.merchant_id, row.id, row.batch());
        let Some((posting, trace_context)) = postings.remove(&(merchant.uuid(), id.uuid())) else {
            continue;
        };
        let posting = match serde_json::from_value(posting) {
            Ok(posting) => posting,
            Err(error) => {
                tracing::error!(%error, message_id = %id, "a message cannot be read");
                let_go(conn, merchant, id).await?;
                continue;
            }
        };
        let message = OutboxMessage {
            id,
            odoo_instance_id: row.odoo_instance_id,
            provider_account_id: row.provider_account_id,
            payment_id: row.payment_id,
            sequence: row.sequence,
            posting,
            attempts: row.attempts,
            fence: row.fence,
            trace_context: trace_context.and_then(|text| text.parse().ok()),
        };
        match batches.iter_mut().find(|(of, _)| *of == (merchant, batch)) {
            Some((_, messages)) => messages.push(message),
            None => batches.push(((merchant, batch), vec![message])),
        }
    }
    let of_merchants = batches
        .into_iter()
        .map(|((merchant, _), messages)| (merchant, messages));
    Ok(of_merchants.collect())
}

async fn list_postings(
    conn: &mut PgConnection,
    leased: &[Leased],
) -> Result<HashMap<(Uuid, Uuid), (serde_json::Value, Option<String>)>, StoreError> {
    let merchants: Vec<Uuid> = leased.iter().map(|row| row.merchant_id.uuid()).collect();
    let ids: Vec<Uuid> = leased.iter().map(|row| row.id.uuid()).collect();
    let postings: Vec<(Uuid, Uuid, serde_json::Value, Option<String>)> = sqlx::query_as(
        "select m.merchant_id, m.id, m.posting, m.trace_context from unnest($1::uuid[], $2::uuid[]) leased (merchant_id, id)
         join outbox_message m on m.merchant_id = leased.merchant_id and m.id = leased.id",
    )
    .bind(merchants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    let keyed = postings
        .into_iter()
        .map(|(merchant, id, posting, trace_context)| ((merchant, id), (posting, trace_context)));
    Ok(keyed.collect())
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
