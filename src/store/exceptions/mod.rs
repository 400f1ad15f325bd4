//! Differences that a person must see, and what became of each.

pub mod lists;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StoreError, uuids};
use crate::domain::exception::{Change, Exception, ExceptionKind, ITSELF, NewException};
use crate::domain::ids::{ExceptionId, MerchantId, PaymentId, WebhookEventId};
use crate::domain::money::Money;
use crate::domain::redact::mask;

/// Keeps what became of the rows that a statement named `changed` returned: when, by whom, from and to which state, and why.
macro_rules! kept {
    ($at:literal, $by:literal, $from:literal, $to:literal, $reason:literal) => {
        concat!(
            " insert into exception_change (merchant_id, exception_id, number, at, by, from_state, to_state, reason,
                 detail, expected_minor, found_minor, currency, found_currency)
             select merchant_id, id, version, ",
            $at,
            ", ",
            $by,
            ", ",
            $from,
            ", ",
            $to,
            ", ",
            $reason,
            ", detail, expected_minor, found_minor, currency, found_currency from changed"
        )
    };
}

/// Opens an exception. What was seen before is one exception still: it says how the difference stands now, and one that was
/// resolved opens again by itself where it is not what a person accepted. `true` where a person must look who need not have before.
pub async fn open(
    conn: &mut PgConnection,
    new: &NewException<'_>,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    if insert(conn, new, now).await? {
        return Ok(true);
    }
    // Most say nothing new. Those hold no row: two transactions may see the same differences in another order.
    let mut known = lists::get_by_subject(conn, new.merchant, new.kind, new.subject).await?;
    if !known.learn(new) && known.recur(new.difference(), now).is_none() {
        return Ok(false);
    }
    let mut held = lists::lock_by_subject(conn, new.merchant, new.kind, new.subject).await?;
    let was = held.state();
    if held.learn(new) {
        link(conn, &held).await?;
    }
    let Some(change) = held.recur(new.difference(), now) else {
        return Ok(false);
    };
    update(conn, &held, &change).await?;
    Ok(was != held.state())
}

async fn insert(
    conn: &mut PgConnection,
    new: &NewException<'_>,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let (currency, found_currency) = currencies(new.expected, new.found);
    let done = sqlx::query(concat!(
        "with changed as (
             insert into exception (merchant_id, id, kind, payment_id, provider_account_id, payout, subject, detail,
                 expected_minor, found_minor, currency, found_currency, opened_at, version)
             select $1, $2, $3, $4,
                 coalesce($5, (select provider_account_id from payment where merchant_id = $1 and id = $4)),
                 $6, $7, $8, $9, $10, $11, $12, $13, 1
             where not exists (select from exception where merchant_id = $1 and kind = $3 and subject = $7)
             on conflict (merchant_id, kind, subject) where closed_at is null do nothing
             returning *)",
        kept!("$13", "$14", "null", "'open'", "null")
    ))
    .bind(new.merchant)
    .bind(ExceptionId::generate())
    .bind(new.kind)
    .bind(new.payment)
    .bind(new.account)
    .bind(new.payout)
    .bind(new.subject)
    .bind(mask(new.detail))
    .bind(new.expected.map(|money| money.minor))
    .bind(new.found.map(|money| money.minor))
    .bind(currency)
    .bind(found_currency)
    .bind(now)
    .bind(ITSELF)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The currency of what was expected, or found where nothing was; and that of what was found where it is another.
fn currencies(expected: Option<Money>, found: Option<Money>) -> (Option<&'static str>, Option<&'static str>) {
    let currency = expected.or(found).map(|money| money.currency.code());
    let found = found.map(|money| money.currency.code());
    (currency, found.filter(|_| found != currency))
}

/// Writes what an exception is about.
async fn link(conn: &mut PgConnection, exception: &Exception) -> Result<(), StoreError> {
    sqlx::query(
        "update exception set payment_id = $3, provider_account_id = $4, payout = $5
         where merchant_id = $1 and id = $2",
    )
    .bind(exception.merchant_id)
    .bind(exception.id)
    .bind(exception.payment_id)
    .bind(exception.provider_account_id)
    .bind(&exception.payout)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes where an exception stands, and keeps how it came there.
pub async fn update(
    conn: &mut PgConnection,
    exception: &Exception,
    change: &Change,
) -> Result<(), StoreError> {
    let (difference, resolution) = (&exception.difference, exception.resolution.as_ref());
    let (currency, found_currency) = currencies(difference.expected, difference.found);
    sqlx::query(concat!(
        "with changed as (
             update exception set detail = $3, expected_minor = $4, found_minor = $5, currency = $6,
                 found_currency = $7, closed_at = $8, closed_reason = $9, closed_by = $10, accepted = $11,
                 version = version + 1
             where merchant_id = $1 and id = $2
             returning *)",
        kept!("$12", "$13", "$14", "$15", "$16")
    ))
    .bind(exception.merchant_id)
    .bind(exception.id)
    .bind(&difference.detail)
    .bind(difference.expected.map(|money| money.minor))
    .bind(difference.found.map(|money| money.minor))
    .bind(currency)
    .bind(found_currency)
    .bind(resolution.map(|resolution| resolution.at))
    .bind(resolution.map(|resolution| &resolution.reason))
    .bind(resolution.map(|resolution| &resolution.by))
    .bind(resolution.is_some_and(|resolution| resolution.accepted))
    .bind(change.at)
    .bind(&change.by)
    .bind(change.from)
    .bind(change.to)
    .bind(&change.reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these kinds is open on a subject, held until the transaction ends.
pub async fn lock_open(
    conn: &mut PgConnection,
    merchant: MerchantId,
    kinds: &[ExceptionKind],
    subject: &str,
) -> Result<Option<ExceptionKind>, StoreError> {
    Ok(sqlx::query_scalar(
        "select kind from exception
         where merchant_id = $1 and kind = any($2) and subject = $3 and closed_at is null order by id limit 1 for update",
    )
    .bind(merchant)
    .bind(kinds)
    .bind(subject)
    .fetch_optional(conn)
    .await?)
}

/// Why an exception is closed, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// What settled it.
    pub reason: &'a str,
    /// Who did that.
    pub by: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// Closes what is open of a kind on these subjects, because of something that was done or came: each opens again when it comes back.
pub async fn close(
    conn: &mut PgConnection,
    merchant: MerchantId,
    kind: ExceptionKind,
    subjects: &[String],
    closing: Closing<'_>,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "with changed as (
             update exception set closed_at = $4, closed_reason = $5, closed_by = $6, version = version + 1
             where merchant_id = $1 and kind = $2 and subject = any($3) and closed_at is null
             returning *)",
        kept!("$4", "$6", "'open'", "'resolved'", "$5")
    ))
    .bind(merchant)
    .bind(kind)
    .bind(subjects)
    .bind(closing.at)
    .bind(closing.reason)
    .bind(closing.by)
    .execute(conn)
    .await?;
    Ok(())
}

/// Closes the exception of an event that was dead, where a replay has ended it since.
pub async fn close_of_event(
    conn: &mut PgConnection,
    merchant: MerchantId,
    event: WebhookEventId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "with changed as (
             update exception x set closed_at = $4, closed_reason = 'replayed: ' || e.state,
                 closed_by = e.replayed_by, version = x.version + 1
             from webhook_event e
             where e.merchant_id = $1 and e.id = $2 and e.state in ('applied', 'ignored')
                 and e.replayed_by is not null
                 and x.merchant_id = $1 and x.kind = $3 and x.subject = $5 and x.closed_at is null
             returning x.*)",
        kept!("$4", "closed_by", "'open'", "'resolved'", "closed_reason")
    ))
    .bind(merchant)
    .bind(event)
    .bind(ExceptionKind::EventDead)
    .bind(now)
    .bind(event.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// An exception as it is shown with its payment.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ExceptionEntry {
    /// Its id.
    pub id: ExceptionId,
    /// The payment it is open on.
    pub payment_id: PaymentId,
    /// What kind of difference it is.
    pub kind: ExceptionKind,
    /// What differs, in words.
    pub detail: String,
}

/// The exceptions open on several payments, oldest first.
pub async fn list_of(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<Vec<ExceptionEntry>, StoreError> {
    Ok(sqlx::query_as(
        "select id, payment_id, kind, detail from exception
         where merchant_id = $1 and payment_id = any($2) and closed_at is null order by id",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?)
}
