//! The processes that serve requests. They belong to no merchant.

use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Says that a process is there, and how many are, itself among them. One that was not heard of for ten seconds is gone.
pub async fn beat(conn: &mut PgConnection, id: Uuid) -> Result<i64, StoreError> {
    // The count is of what stood before this statement: without the row that it writes.
    let others: i64 = sqlx::query_scalar(
        "with gone as (
             delete from replica where id in (
                 select id from replica where seen_at < now() - interval '10 seconds' and id <> $1 for update skip locked)),
         here as (
             insert into replica (id, seen_at) values ($1, now())
             on conflict (id) do update set seen_at = excluded.seen_at)
         select count(*) from replica where seen_at >= now() - interval '10 seconds' and id <> $1",
    )
    .bind(id)
    .fetch_one(conn)
    .await?;
    Ok(others + 1)
}

/// Says that a process is gone, so that the others take its share at once.
pub async fn leave(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("delete from replica where id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}
