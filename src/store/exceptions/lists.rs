//! Exceptions as people see them: looked through, and held to be resolved or reopened.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::exception::{Change, Difference, Exception, ExceptionKind, ExceptionState, Resolution};
use crate::domain::ids::{ExceptionId, MerchantId, PaymentId, ProviderAccountId};
use crate::domain::money::Money;
use crate::store::StoreError;

/// Which exceptions a list shows: all that fit every filter.
#[derive(Clone, Debug, Default)]
pub struct ExceptionFilter {
    /// What kind they are.
    pub kind: Option<ExceptionKind>,
    /// Where they stand.
    pub state: Option<ExceptionState>,
    /// The payment that they are about.
    pub payment: Option<PaymentId>,
    /// The payout that they hold open, by the provider's id.
    pub payout: Option<String>,
    /// First seen then or later.
    pub since: Option<OffsetDateTime>,
    /// First seen before then.
    pub until: Option<OffsetDateTime>,
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: ExceptionId,
    kind: ExceptionKind,
    payment_id: Option<PaymentId>,
    provider_account_id: Option<ProviderAccountId>,
    payout: Option<String>,
    subject: String,
    #[sqlx(flatten)]
    difference: DifferenceRow,
    opened_at: OffsetDateTime,
    closed_at: Option<OffsetDateTime>,
    closed_reason: Option<String>,
    closed_by: Option<String>,
    accepted: bool,
}

#[derive(sqlx::FromRow)]
struct DifferenceRow {
    detail: String,
    expected_minor: Option<i64>,
    found_minor: Option<i64>,
    currency: Option<String>,
    found_currency: Option<String>,
}

impl TryFrom<DifferenceRow> for Difference {
    type Error = StoreError;

    fn try_from(row: DifferenceRow) -> Result<Self, StoreError> {
        let money = |minor: Option<i64>, code: Option<&String>| {
            let Some((minor, code)) = minor.zip(code) else {
                return Ok(None);
            };
            let currency = code
                .parse()
                .map_err(|error| StoreError::corrupt("exception", &error))?;
            Ok::<_, StoreError>(Some(Money::new(minor, currency)))
        };
        let found_currency = row.found_currency.as_ref().or(row.currency.as_ref());
        Ok(Self {
            expected: money(row.expected_minor, row.currency.as_ref())?,
            found: money(row.found_minor, found_currency)?,
            detail: row.detail,
        })
    }
}

impl TryFrom<Row> for Exception {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let closed = row.closed_at.zip(row.closed_reason).zip(row.closed_by);
        Ok(Self {
            merchant_id: row.merchant_id,
            id: row.id,
            kind: row.kind,
            payment_id: row.payment_id,
            provider_account_id: row.provider_account_id,
            payout: row.payout,
            subject: row.subject,
            difference: row.difference.try_into()?,
            opened_at: row.opened_at,
            resolution: closed.map(|((at, reason), by)| Resolution {
                reason,
                by,
                at,
                accepted: row.accepted,
            }),
        })
    }
}

/// The columns of a [`Row`] of `x`, after which conditions follow.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select x.merchant_id, x.id, x.kind, x.payment_id, x.provider_account_id, x.payout, x.subject, x.detail,
                 x.expected_minor, x.found_minor, x.currency, x.found_currency, x.opened_at, x.closed_at,
                 x.closed_reason, x.closed_by, x.accepted
             from exception x where ",
            $rest
        )
    };
}

/// The same of a mode, where `$1` is the merchant and `$2` whether money is real; what is about no account belongs to both.
macro_rules! select_of_mode {
    ($rest:literal) => {
        concat!(
            select!(
                "x.merchant_id = $1 and (x.provider_account_id is null or x.provider_account_id in
                     (select id from provider_account where merchant_id = $1 and live = $2)) and "
            ),
            $rest
        )
    };
}

/// A page of a merchant's exceptions of one mode, newest first, after `after`, `limit` at most.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    filter: &ExceptionFilter,
    after: Option<ExceptionId>,
    limit: i64,
) -> Result<Vec<Exception>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select_of_mode!(
        "($3::text is null or x.kind = $3) and ($4::bool is null or (x.closed_at is null) = $4)
             and ($5::uuid is null or x.payment_id = $5) and ($6::text is null or x.payout = $6)
             and ($7::timestamptz is null or x.opened_at >= $7) and ($8::timestamptz is null or x.opened_at < $8)
             and ($9::uuid is null or x.id < $9)
         order by x.id desc limit $10"
    ))
    .bind(merchant)
    .bind(live)
    .bind(filter.kind)
    .bind(filter.state.map(|state| state == ExceptionState::Open))
    .bind(filter.payment)
    .bind(&filter.payout)
    .bind(filter.since)
    .bind(filter.until)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Exception::try_from).collect()
}

/// What holds a payout open, newest first, `limit` at most: what is about it, and what is about one of its lines.
pub async fn list_of_payout(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payout: &str,
    limit: i64,
) -> Result<Vec<Exception>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "x.merchant_id = $1 and x.provider_account_id = $2 and x.closed_at is null
             and (x.payout = $3 or x.subject in (select balance_transaction from payout_line
                 where merchant_id = $1 and provider_account_id = $2 and payout = $3))
         order by x.id desc limit $4"
    ))
    .bind(merchant)
    .bind(account)
    .bind(payout)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Exception::try_from).collect()
}

/// One exception.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    id: ExceptionId,
) -> Result<Exception, StoreError> {
    let row: Row = sqlx::query_as(select_of_mode!("x.id = $3"))
        .bind(merchant)
        .bind(live)
        .bind(id)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// One exception, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    id: ExceptionId,
) -> Result<Exception, StoreError> {
    let row: Row = sqlx::query_as(select_of_mode!("x.id = $3 for update of x"))
        .bind(merchant)
        .bind(live)
        .bind(id)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// How many exceptions of a mode are open.
pub async fn count_open(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select count(*) from exception x where x.merchant_id = $1 and x.closed_at is null
             and (x.provider_account_id is null or x.provider_account_id in
                 (select id from provider_account where merchant_id = $1 and live = $2))",
    )
    .bind(merchant)
    .bind(live)
    .fetch_one(conn)
    .await?)
}

/// The condition of a kind on a subject, `$1` to `$3`. Rows of earlier versions may be several: the open one, else the newest.
macro_rules! select_by_subject {
    ($rest:literal) => {
        concat!(
            select!(
                "x.merchant_id = $1 and x.kind = $2 and x.subject = $3
                 order by x.closed_at is null desc, x.id desc limit 1"
            ),
            $rest
        )
    };
}

/// The exception of a kind on a subject.
pub(super) async fn get_by_subject(
    conn: &mut PgConnection,
    merchant: MerchantId,
    kind: ExceptionKind,
    subject: &str,
) -> Result<Exception, StoreError> {
    let row: Row = sqlx::query_as(select_by_subject!(""))
        .bind(merchant)
        .bind(kind)
        .bind(subject)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// The exception of a kind on a subject, held until the transaction ends.
pub(super) async fn lock_by_subject(
    conn: &mut PgConnection,
    merchant: MerchantId,
    kind: ExceptionKind,
    subject: &str,
) -> Result<Exception, StoreError> {
    let row: Row = sqlx::query_as(select_by_subject!(" for update of x"))
        .bind(merchant)
        .bind(kind)
        .bind(subject)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// A change, and the difference as it stood from then on.
#[derive(Clone, Debug)]
pub struct ChangeEntry {
    /// What became of the exception.
    pub change: Change,
    /// How the difference stood.
    pub difference: Difference,
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    at: OffsetDateTime,
    by: String,
    from_state: Option<ExceptionState>,
    to_state: ExceptionState,
    reason: Option<String>,
    #[sqlx(flatten)]
    difference: DifferenceRow,
}

/// The last changes of an exception, oldest first, `limit` at most.
pub async fn history(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ExceptionId,
    limit: i64,
) -> Result<Vec<ChangeEntry>, StoreError> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "select at, by, from_state, to_state, reason, detail, expected_minor, found_minor, currency, found_currency
         from exception_change where merchant_id = $1 and exception_id = $2 order by number desc limit $3",
    )
    .bind(merchant)
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let entries = rows.into_iter().rev().map(|row| {
        Ok(ChangeEntry {
            difference: row.difference.try_into()?,
            change: Change {
                from: row.from_state,
                to: row.to_state,
                by: row.by,
                reason: row.reason,
                at: row.at,
            },
        })
    });
    entries.collect()
}
