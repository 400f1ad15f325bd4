//! Endpoints that we registered at providers, and which secret each of them signs with.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, ProviderAccountId, WebhookEndpointId, WebhookSecretId};

/// How far an endpoint has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// The provider is about to be asked for it, or was asked and the answer is not stored.
    Creating,
    /// The account's one.
    Active,
    /// Another took its place; both deliver until it is retired.
    Retiring,
}

/// An endpoint, as we hold it.
#[derive(Clone, Debug)]
pub struct WebhookEndpoint {
    /// Whose account it is for.
    pub merchant_id: MerchantId,
    /// The account it is for.
    pub provider_account_id: ProviderAccountId,
    /// Its id with us; the key under which the provider makes it.
    pub id: WebhookEndpointId,
    /// How far it has come.
    pub state: EndpointState,
    /// Where the provider sends.
    pub url: String,
    /// The provider's id of it; none while it is being made.
    pub provider_reference: Option<String>,
    /// What its webhooks are signed with; none while it is being made.
    pub secret_id: Option<WebhookSecretId>,
    /// When it was first asked for.
    pub created_at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    id: WebhookEndpointId,
    state: String,
    url: String,
    provider_reference: Option<String>,
    secret_id: Option<WebhookSecretId>,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for WebhookEndpoint {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = match row.state.as_str() {
            "creating" => EndpointState::Creating,
            "active" => EndpointState::Active,
            "retiring" => EndpointState::Retiring,
            other => return Err(StoreError::corrupt("webhook_endpoint", &other)),
        };
        Ok(Self {
            merchant_id: row.merchant_id,
            provider_account_id: row.provider_account_id,
            id: row.id,
            state,
            url: row.url,
            provider_reference: row.provider_reference,
            secret_id: row.secret_id,
            created_at: row.created_at,
        })
    }
}

/// Writes down that an endpoint is about to be made; nothing where one is already.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    id: WebhookEndpointId,
    url: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into webhook_endpoint (merchant_id, provider_account_id, id, state, url, created_at)
         values ($1, $2, $3, 'creating', $4, $5)
         on conflict (merchant_id, provider_account_id) where state = 'creating' do nothing",
    )
    .bind(merchant)
    .bind(account)
    .bind(id)
    .bind(url)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// An account's endpoints, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<WebhookEndpoint>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select merchant_id, provider_account_id, id, state, url, provider_reference, secret_id, created_at
         from webhook_endpoint where merchant_id = $1 and provider_account_id = $2 order by id",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(WebhookEndpoint::try_from).collect()
}

/// Whose endpoints are among the `limit` that have overlapped for long enough.
pub async fn list_merchants(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select distinct merchant_id from (select merchant_id from webhook_endpoint
             where state = 'retiring' and retire_at <= $1 order by retire_at limit $2) due",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Which endpoints have overlapped for long enough, of the transaction's merchants.
pub async fn list_due(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<WebhookEndpoint>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select merchant_id, provider_account_id, id, state, url, provider_reference, secret_id, created_at
         from webhook_endpoint where state = 'retiring' and retire_at <= $1 order by retire_at limit $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(WebhookEndpoint::try_from).collect()
}

/// Lets an account's active endpoint go at a time, to make room for another.
pub async fn retire_active(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update webhook_endpoint set state = 'retiring', retire_at = $3
         where merchant_id = $1 and provider_account_id = $2 and state = 'active'",
    )
    .bind(merchant)
    .bind(account)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down what an endpoint became. False where somebody else did.
pub async fn activate(
    conn: &mut PgConnection,
    endpoint: &WebhookEndpoint,
    reference: &str,
    secret: WebhookSecretId,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update webhook_endpoint set state = 'active', provider_reference = $4, secret_id = $5
         where merchant_id = $1 and provider_account_id = $2 and id = $3 and state = 'creating'",
    )
    .bind(endpoint.merchant_id)
    .bind(endpoint.provider_account_id)
    .bind(endpoint.id)
    .bind(reference)
    .bind(secret)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets an endpoint that is still being made; nothing where it was made meanwhile.
pub async fn abandon(conn: &mut PgConnection, endpoint: &WebhookEndpoint) -> Result<(), StoreError> {
    sqlx::query(
        "delete from webhook_endpoint
         where merchant_id = $1 and provider_account_id = $2 and id = $3 and state = 'creating'",
    )
    .bind(endpoint.merchant_id)
    .bind(endpoint.provider_account_id)
    .bind(endpoint.id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets an endpoint and what it signed with.
pub async fn delete(conn: &mut PgConnection, endpoint: &WebhookEndpoint) -> Result<(), StoreError> {
    sqlx::query(
        "with gone as (
             delete from webhook_endpoint where merchant_id = $1 and provider_account_id = $2 and id = $3
             returning secret_id
         )
         delete from webhook_secret where merchant_id = $1 and provider_account_id = $2
             and id in (select secret_id from gone)",
    )
    .bind(endpoint.merchant_id)
    .bind(endpoint.provider_account_id)
    .bind(endpoint.id)
    .execute(conn)
    .await?;
    Ok(())
}
