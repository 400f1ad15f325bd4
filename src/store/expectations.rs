//! What was captured or given back, and what the provider's ledger lines of it come to.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, uuids};
use crate::domain::expectation::{ExpectationKind, ExpectationState, Judged, Standing};
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId, RefundId};
use crate::domain::money::Money;

/// Expects the lines of what was captured of a payment so far. It is judged at once.
pub async fn expect_capture(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<(), StoreError> {
    expect(conn, merchant, ExpectationKind::Capture, payment, payment.uuid()).await
}

/// Expects the lines of a refund as it stands now. It is judged at once.
pub async fn expect_refund(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
    refund: RefundId,
) -> Result<(), StoreError> {
    expect(conn, merchant, ExpectationKind::Refund, payment, refund.uuid()).await
}

async fn expect(
    conn: &mut PgConnection,
    merchant: MerchantId,
    kind: ExpectationKind,
    payment: PaymentId,
    id: Uuid,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into expectation (merchant_id, id, payment_id, kind, state, due_at)
         values ($1, $2, $3, $4, $5, clock_timestamp())
         on conflict (merchant_id, id) do update set due_at = excluded.due_at",
    )
    .bind(merchant)
    .bind(id)
    .bind(payment)
    .bind(kind)
    .bind(ExpectationState::Expected)
    .execute(conn)
    .await?;
    Ok(())
}

/// Has all that is expected of payments judged anew: something became of their lines.
pub async fn wake(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<(), StoreError> {
    if payments.is_empty() {
        return Ok(());
    }
    // In one order, so that two who wake the same never wait for each other.
    sqlx::query(
        "with held as materialized (
             select merchant_id, id from expectation where merchant_id = $1 and payment_id = any($2) order by id for update
         )
         update expectation e set due_at = clock_timestamp()
         from held where e.merchant_id = held.merchant_id and e.id = held.id",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .execute(conn)
    .await?;
    Ok(())
}

/// An expectation that is to be judged.
#[derive(Clone, Debug)]
pub struct Due {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// The account whose ledger must show it.
    pub provider_account_id: ProviderAccountId,
    /// The account's provider.
    pub provider: String,
    /// The payment that it is of.
    pub payment_id: PaymentId,
    /// Odoo's reference of that.
    pub reference: String,
    /// What it is of.
    pub kind: ExpectationKind,
    /// The payment's id, or the provider's of the refund: what an exception on it is about.
    pub subject: String,
    /// Where it stood.
    pub state: ExpectationState,
    /// What moved.
    pub expected: Money,
    /// The same, and what its lines come to.
    pub standing: Standing,
    /// Since when there is a difference.
    pub differs_since: Option<OffsetDateTime>,
    /// When all this was read.
    pub read_at: OffsetDateTime,
    id: Uuid,
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    provider: String,
    payment_id: PaymentId,
    reference: String,
    kind: ExpectationKind,
    refund_reference: Option<String>,
    state: ExpectationState,
    currency: String,
    expected_minor: i64,
    found_minor: i64,
    lines: i64,
    moves: i64,
    is_suspended: bool,
    differs_since: Option<OffsetDateTime>,
    read_at: OffsetDateTime,
    id: Uuid,
}

impl TryFrom<Row> for Due {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let currency = row
            .currency
            .parse()
            .map_err(|error| StoreError::corrupt("payment", &error))?;
        Ok(Self {
            merchant_id: row.merchant_id,
            provider_account_id: row.provider_account_id,
            provider: row.provider,
            payment_id: row.payment_id,
            reference: row.reference,
            kind: row.kind,
            subject: row.refund_reference.unwrap_or_else(|| row.payment_id.to_string()),
            state: row.state,
            expected: Money::new(row.expected_minor, currency),
            standing: Standing {
                expected_minor: row.expected_minor,
                found_minor: row.found_minor,
                has_all_lines: row.lines >= row.moves,
                is_suspended: row.is_suspended,
            },
            differs_since: row.differs_since,
            read_at: row.read_at,
            id: row.id,
        })
    }
}

/// Which expectations of any merchant have their turn, those that wait longest first.
pub async fn list_due(conn: &mut PgConnection, limit: i64) -> Result<Vec<(MerchantId, Uuid)>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, id from expectation where due_at <= clock_timestamp() order by due_at limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Holds those of a merchant's expectations whose turn it is, with what their lines come to. None that another transaction holds.
///
/// What is booked for the payment itself counts, in the payment's currency; a line is the refund's that it names as its source,
/// and else the charge's.
pub async fn lock_due(
    conn: &mut PgConnection,
    merchant: MerchantId,
    ids: &[Uuid],
) -> Result<Vec<Due>, StoreError> {
    let held: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select merchant_id, id from expectation where merchant_id = $1 and id = any($2) and due_at <= clock_timestamp()
         order by id for update skip locked",
    )
    .bind(merchant)
    .bind(ids)
    .fetch_all(&mut *conn)
    .await?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let (merchants, ids): (Vec<Uuid>, Vec<Uuid>) = held.into_iter().unzip();
    // A statement of its own: it sees what was booked by whoever held a row before.
    let rows: Vec<Row> = sqlx::query_as(
        "select e.merchant_id, e.id, e.payment_id, e.kind, e.state, e.differs_since, p.provider_account_id, a.provider,
             p.reference, p.currency, r.provider_reference as refund_reference, clock_timestamp() as read_at,
             case when e.kind = 'capture' then p.captured_minor when r.state = 'succeeded' then -r.amount_minor else 0 end
                 as expected_minor,
             coalesce(found.minor, 0)::bigint as found_minor, found.lines, coalesce(found.is_suspended, false) as is_suspended,
             case when e.kind = 'refund' then 1 else greatest(1, (
                 select count(*) from operation o where o.merchant_id = e.merchant_id and o.payment_id = e.payment_id
                     and o.kind = 'capture' and o.state = 'succeeded')) end as moves
         from unnest($1::uuid[], $2::uuid[]) held (merchant_id, id)
         join expectation e on e.merchant_id = held.merchant_id and e.id = held.id
         join payment p on p.merchant_id = e.merchant_id and p.id = e.payment_id
         join provider_account a on a.merchant_id = p.merchant_id and a.id = p.provider_account_id
         left join refund r on r.merchant_id = e.merchant_id and r.id = e.id and e.kind = 'refund'
         cross join lateral (
             select sum(booked.cleared_minor) as minor, count(*) as lines, bool_or(booked.suspended <> 0) as is_suspended
             from balance_transaction b
             cross join lateral (
                 select coalesce(sum(-l.amount_minor) filter (
                            where l.account = 'receivable_clearing' and l.currency = p.currency), 0) as cleared_minor,
                        coalesce(sum(l.amount_minor) filter (where l.account = 'suspense'), 0) as suspended,
                        count(*) filter (where l.account in ('receivable_clearing', 'suspense')) as entries
                 from ledger_transaction t
                 join ledger_entry l on l.merchant_id = t.merchant_id and l.provider_account_id = t.provider_account_id
                     and l.transaction_id = t.id
                 where t.merchant_id = b.merchant_id and t.provider_account_id = b.provider_account_id
                     and t.subject = b.id
             ) booked
             where b.merchant_id = e.merchant_id and b.payment_id = e.payment_id and booked.entries > 0
                 and case when e.kind = 'refund' then b.source = r.provider_reference
                     else (b.amount_minor > 0 or b.source is not distinct from p.charge_reference)
                         and not exists (select from refund x where x.merchant_id = b.merchant_id
                             and x.payment_id = b.payment_id and x.provider_reference = b.source) end
         ) found",
    )
    .bind(merchants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Due::try_from).collect()
}

/// Writes what became of them.
pub async fn update(conn: &mut PgConnection, judged: &[(Due, Judged)]) -> Result<(), StoreError> {
    let merchants: Vec<Uuid> = judged.iter().map(|(due, _)| due.merchant_id.uuid()).collect();
    let ids: Vec<Uuid> = judged.iter().map(|(due, _)| due.id).collect();
    let states: Vec<ExpectationState> = judged.iter().map(|(_, judged)| judged.state).collect();
    let since: Vec<Option<OffsetDateTime>> = judged.iter().map(|(_, judged)| judged.differs_since).collect();
    let due: Vec<Option<OffsetDateTime>> = judged.iter().map(|(_, judged)| judged.due_at).collect();
    sqlx::query(
        "update expectation e set state = j.state, differs_since = j.differs_since, due_at = j.due_at
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
             j (merchant_id, id, state, differs_since, due_at)
         where e.merchant_id = j.merchant_id and e.id = j.id",
    )
    .bind(merchants)
    .bind(ids)
    .bind(states)
    .bind(since)
    .bind(due)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether what was captured of a payment is expected and no line of it is matched; if so, it is held until the transaction ends.
/// Nothing is where another transaction holds it.
pub async fn lock_without_lines(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<bool, StoreError> {
    let held: Option<(Uuid,)> = sqlx::query_as(
        "select id from expectation where merchant_id = $1 and id = $2 and kind = $3 and state = any($4)
         for update skip locked",
    )
    .bind(merchant)
    .bind(payment)
    .bind(ExpectationKind::Capture)
    .bind([ExpectationState::Expected, ExpectationState::Missing])
    .fetch_optional(&mut *conn)
    .await?;
    if held.is_none() {
        return Ok(false);
    }
    Ok(sqlx::query_scalar(
        "select not exists (select from balance_transaction
             where merchant_id = $1 and payment_id = $2 and amount_minor > 0)",
    )
    .bind(merchant)
    .bind(payment)
    .fetch_one(conn)
    .await?)
}
