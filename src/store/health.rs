//! What the database says of itself.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Db, StoreError};
use crate::crypto::Sealer;
use crate::domain::ids::{MerchantId, ProviderAccountId};

/// SQLSTATE of a table that is not there, and of one from before we were let in.
const NO_TABLE: [&str; 2] = ["42P01", "42501"];

/// The newest migration that is applied; none on an empty database.
pub async fn latest_migration(conn: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let found = sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
        .fetch_one(conn)
        .await;
    match found {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| NO_TABLE.contains(&&*code)) => {
            Ok(None)
        }
        other => Ok(other?),
    }
}

/// Whether a sealed value that is there opens; `true` where there is none.
pub async fn key_opens(db: &Db, sealer: &Sealer) -> Result<bool, StoreError> {
    let mut conn = db.dispatch().await?;
    let some: Option<(MerchantId, ProviderAccountId)> =
        sqlx::query_as("select merchant_id, id from provider_account limit 1")
            .fetch_optional(&mut *conn)
            .await?;
    drop(conn);
    let Some((merchant, id)) = some else {
        return Ok(true);
    };
    match super::provider_accounts::get(&mut *db.read(merchant).await?, sealer, merchant, id).await {
        Ok(_) => Ok(true),
        Err(StoreError::Crypto(error)) if !error.may_pass() => Ok(false),
        Err(error) => Err(error),
    }
}

/// How a commit is made durable, as this connection has it.
pub async fn synchronous_commit(conn: &mut PgConnection) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar("show synchronous_commit")
        .fetch_one(conn)
        .await?)
}

/// What time it is there, at the moment of asking and not of the transaction's beginning.
pub async fn clock(conn: &mut PgConnection) -> Result<OffsetDateTime, StoreError> {
    Ok(sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(conn)
        .await?)
}

/// What a server says of itself to whoever logs in, whatever roles there are.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Server {
    /// Its version, as a number: 150004 is 15.4.
    pub version: i32,
    /// As [`synchronous_commit`].
    pub synchronous_commit: String,
}

/// Asks a server what it is.
pub async fn server(db: &Db) -> Result<Server, StoreError> {
    let mut conn = db.acquire().await?;
    let said = sqlx::query_as(
        "select current_setting('server_version_num')::integer as version,
             current_setting('synchronous_commit') as synchronous_commit",
    );
    Ok(said.fetch_one(&mut *conn).await?)
}
