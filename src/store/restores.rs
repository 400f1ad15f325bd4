//! Which database this is, and how far providers have told again what a restore lost. The first two tables belong to no merchant.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::trace::Shelf;

/// What a look at the database found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The database that was here before; that it still is, is noted.
    Same,
    /// Another one.
    Other,
}

/// Looks whether the database is the one that was here before. The first one that is looked at is.
pub async fn look(conn: &mut PgConnection) -> Result<Found, StoreError> {
    sqlx::query("insert into incarnation (identity) select quittance_incarnation() where not exists (select from incarnation) on conflict do nothing")
        .execute(&mut *conn)
        .await?;
    let same = sqlx::query(
        "update incarnation set seen_at = clock_timestamp() where identity = quittance_incarnation()",
    )
    .execute(conn)
    .await?;
    Ok(if same.rows_affected() == 1 {
        Found::Same
    } else {
        Found::Other
    })
}

/// Whether the database tells enough of itself for a restore to be noticed.
pub async fn is_told_apart(conn: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(
        sqlx::query_scalar("select quittance_incarnation() not like '%-/%'")
            .fetch_one(conn)
            .await?,
    )
}

/// Begins a restore where the database is another one than it was; nothing where somebody else was quicker.
pub async fn notice(conn: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let point: Option<OffsetDateTime> = sqlx::query_scalar(
        "with before as (select seen_at from incarnation where identity <> quittance_incarnation() for update)
         update incarnation set identity = quittance_incarnation(), seen_at = clock_timestamp() from before
         returning before.seen_at",
    )
    .fetch_optional(&mut *conn)
    .await?;
    match point {
        Some(point) => begin(conn, point, "another database than before").await.map(Some),
        None => Ok(None),
    }
}

/// Begins a restore to `point`. One that is not finished is a part of it.
pub async fn begin(conn: &mut PgConnection, point: OffsetDateTime, cause: &str) -> Result<i64, StoreError> {
    let earlier: Option<OffsetDateTime> = sqlx::query_scalar(
        "update restore set finished_at = clock_timestamp(), finished_because = 'another restore began'
         where finished_at is null returning point",
    )
    .fetch_optional(&mut *conn)
    .await?;
    let point = earlier.map_or(point, |earlier| earlier.min(point));
    Ok(
        sqlx::query_scalar("insert into restore (point, cause) values ($1, $2) returning id")
            .bind(point)
            .bind(cause)
            .fetch_one(conn)
            .await?,
    )
}

/// Whether nothing may move money for a merchant.
pub async fn is_fenced(conn: &mut PgConnection, merchant: MerchantId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("select quittance_is_fenced($1)")
        .bind(merchant)
        .fetch_one(conn)
        .await?)
}

/// The restore that is not finished, and whether all its accounts have their rows.
pub async fn find_unfinished(conn: &mut PgConnection) -> Result<Option<(i64, bool)>, StoreError> {
    Ok(
        sqlx::query_as("select id, enrolled_at is not null from restore where finished_at is null")
            .fetch_optional(conn)
            .await?,
    )
}

/// Whose accounts have no row of a restore yet: some of these merchants, at most.
pub async fn list_missing(conn: &mut PgConnection, restore: i64) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select distinct merchant_id from provider_account account
         where not exists (select from restore_account held
             where held.merchant_id = account.merchant_id and held.provider_account_id = account.id and held.restore_id = $1)
         limit 500",
    )
    .bind(restore)
    .fetch_all(conn)
    .await?)
}

/// Makes a row for every account of the transaction's merchants that has none: it is asked from `margin` before the restore point,
/// once `wait` is over, in which calls come to an end that were under way when the restore was noticed.
pub async fn enroll(
    conn: &mut PgConnection,
    restore: i64,
    margin: Duration,
    wait: time::Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into restore_account (merchant_id, provider_account_id, restore_id, since, due_at)
         select account.merchant_id, account.id, restore.id, restore.point - $2, restore.began_at + $3
         from provider_account account, restore where restore.id = $1
         on conflict do nothing",
    )
    .bind(restore)
    .bind(margin)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that every account has its row.
pub async fn note_enrolled(conn: &mut PgConnection, restore: i64) -> Result<(), StoreError> {
    sqlx::query("update restore set enrolled_at = clock_timestamp() where id = $1 and enrolled_at is null")
        .bind(restore)
        .execute(conn)
        .await?;
    Ok(())
}

/// An account whose provider a worker is asking.
#[derive(Debug, sqlx::FromRow)]
pub struct RestoreAccount {
    /// Whose account it is.
    pub merchant_id: MerchantId,
    /// The account.
    pub provider_account_id: ProviderAccountId,
    /// Of which restore.
    pub restore_id: i64,
    /// From when on it is asked.
    pub since: OffsetDateTime,
    /// What is being read.
    pub shelf: Shelf,
    /// Where that stands.
    pub next: Option<String>,
    /// Whether all is read, and only questions keep the fence.
    pub is_taken_in: bool,
    fence: i64,
}

/// Takes up to `limit` accounts of a restore that are due, for as long as `lease`.
pub async fn lease(
    conn: &mut PgConnection,
    restore: i64,
    lease: Duration,
    limit: i64,
) -> Result<Vec<RestoreAccount>, StoreError> {
    Ok(sqlx::query_as(
        "with due as materialized (
             select merchant_id, provider_account_id, restore_id from restore_account
             where due_at <= clock_timestamp() and restore_id = $3 order by due_at limit $2 for update skip locked
         )
         update restore_account a set fence = a.fence + 1, due_at = clock_timestamp() + $1
         from due where a.merchant_id = due.merchant_id and a.provider_account_id = due.provider_account_id
             and a.restore_id = due.restore_id
         returning a.merchant_id, a.provider_account_id, a.restore_id, a.since, a.shelf, a.next,
             a.taken_in_at is not null as is_taken_in, a.fence",
    )
    .bind(lease)
    .bind(limit)
    .bind(restore)
    .fetch_all(conn)
    .await?)
}

/// Notes that a page was taken in, and where the account then stands: at the end where there is no shelf.
pub async fn advance(
    conn: &mut PgConnection,
    account: &RestoreAccount,
    at: Option<(Shelf, Option<&str>)>,
    rewritten: i32,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update restore_account set shelf = coalesce($5, shelf), next = $6, rewritten = rewritten + $7,
             due_at = clock_timestamp(), last_error = null, taken_in_at = case when $5 is null then clock_timestamp() end
         where merchant_id = $1 and provider_account_id = $2 and restore_id = $3 and fence = $4",
    )
    .bind(account.merchant_id)
    .bind(account.provider_account_id)
    .bind(account.restore_id)
    .bind(account.fence)
    .bind(at.map(|(shelf, _)| shelf))
    .bind(at.and_then(|(_, next)| next))
    .bind(rewritten)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Leaves an account until later, with what went wrong.
pub async fn put_off(
    conn: &mut PgConnection,
    account: &RestoreAccount,
    wait: time::Duration,
    error: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update restore_account set due_at = clock_timestamp() + $5, last_error = $6
         where merchant_id = $1 and provider_account_id = $2 and restore_id = $3 and fence = $4",
    )
    .bind(account.merchant_id)
    .bind(account.provider_account_id)
    .bind(account.restore_id)
    .bind(account.fence)
    .bind(wait)
    .bind(error)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lifts an account's fence where nothing of it is left to a person. Whether it is lifted.
pub async fn lift(conn: &mut PgConnection, account: &RestoreAccount) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update restore_account set lifted_at = clock_timestamp(), due_at = null
         where merchant_id = $1 and provider_account_id = $2 and restore_id = $3 and fence = $4 and taken_in_at is not null
             and not exists (select from exception where merchant_id = $1 and provider_account_id = $2
                 and kind = 'restore_incomplete' and closed_at is null)",
    )
    .bind(account.merchant_id)
    .bind(account.provider_account_id)
    .bind(account.restore_id)
    .bind(account.fence)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many accounts of the restore that is not finished are fenced.
pub async fn count_fenced(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select count(*) from restore_account account join restore on restore.id = account.restore_id
         where restore.finished_at is null and account.lifted_at is null",
    )
    .fetch_one(conn)
    .await?)
}

/// Finishes the restore that is not finished; `false` where there is none.
pub async fn finish(conn: &mut PgConnection, because: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update restore set finished_at = clock_timestamp(), finished_because = $1 where finished_at is null",
    )
    .bind(because)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A restore, as an operator sees it.
#[derive(Debug, sqlx::FromRow)]
pub struct Restore {
    /// Its number.
    pub id: i64,
    /// When it was noticed, or said.
    pub began_at: OffsetDateTime,
    /// From when on the database may have lacked what its providers did.
    pub point: OffsetDateTime,
    /// How it was noticed.
    pub cause: String,
    /// When it was over.
    pub finished_at: Option<OffsetDateTime>,
    /// Why.
    pub finished_because: Option<String>,
}

/// The latest restore.
pub async fn find_latest(conn: &mut PgConnection) -> Result<Option<Restore>, StoreError> {
    Ok(sqlx::query_as(
        "select id, began_at, point, cause, finished_at, finished_because from restore order by id desc limit 1",
    )
    .fetch_optional(conn)
    .await?)
}

/// How an account stands in a restore.
#[derive(Debug, sqlx::FromRow)]
pub struct Standing {
    /// Whose account it is.
    pub merchant_id: MerchantId,
    /// The account.
    pub provider_account_id: ProviderAccountId,
    /// How many rows were written again.
    pub rewritten: i32,
    /// When all was read.
    pub taken_in_at: Option<OffsetDateTime>,
    /// When its fence was lifted.
    pub lifted_at: Option<OffsetDateTime>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// How many exceptions keep its fence.
    pub questions: i64,
}

/// How the accounts of the transaction's merchants stand in a restore.
pub async fn list_standings(conn: &mut PgConnection, restore: i64) -> Result<Vec<Standing>, StoreError> {
    Ok(sqlx::query_as(
        "select account.merchant_id, account.provider_account_id, rewritten, taken_in_at, lifted_at, last_error,
             (select count(*) from exception where exception.merchant_id = account.merchant_id
                 and exception.provider_account_id = account.provider_account_id and kind = 'restore_incomplete'
                 and closed_at is null) as questions
         from restore_account account where restore_id = $1 order by account.merchant_id, account.provider_account_id",
    )
    .bind(restore)
    .fetch_all(conn)
    .await?)
}

/// How many times the database was put back.
pub async fn count(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("select coalesce(max(id), 0) from restore")
        .fetch_one(conn)
        .await?)
}
