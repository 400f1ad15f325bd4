//! Setups.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{StoreError, sealed};
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{CustomerId, MerchantId, PaymentMethodId, ProviderAccountId, SetupId};
use crate::domain::payment::{Decline, Reference};
use crate::domain::setup::{Setup, SetupState, Usage};

/// The columns of a [`Row`], after which a condition follows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select merchant_id, id, provider_account_id, customer_id, reference, state, usage, provider_reference, ",
            "client_secret_sealed, next_action, decline, payment_method_id, version, first_sent_at, created_at, ",
            "updated_at from setup ",
            $rest
        )
    };
}

fn secret_place(merchant: MerchantId, id: SetupId) -> Place {
    sealed::SETUP_SECRET.place(merchant, id.uuid())
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: SetupId,
    provider_account_id: ProviderAccountId,
    customer_id: CustomerId,
    reference: Option<String>,
    state: SetupState,
    usage: Usage,
    provider_reference: Option<String>,
    client_secret_sealed: Option<Vec<u8>>,
    next_action: Option<serde_json::Value>,
    decline: Option<Json<Decline>>,
    payment_method_id: Option<PaymentMethodId>,
    version: i64,
    first_sent_at: OffsetDateTime,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    async fn open(self, conn: &mut PgConnection, sealer: &Sealer) -> Result<Setup, StoreError> {
        let place = secret_place(self.merchant_id, self.id);
        let secret = sealer
            .open_some(conn, place, self.client_secret_sealed.as_deref())
            .await?;
        Ok(Setup {
            merchant_id: self.merchant_id,
            id: self.id,
            provider_account_id: self.provider_account_id,
            customer_id: self.customer_id,
            reference: self
                .reference
                .map(Reference::parse)
                .transpose()
                .map_err(|error| StoreError::corrupt("setup", &error))?,
            state: self.state,
            usage: self.usage,
            provider_reference: self.provider_reference,
            client_secret: secret,
            next_action: self.next_action,
            decline: self.decline.map(|Json(decline)| decline),
            payment_method: self.payment_method_id,
            version: self.version,
            first_sent_at: self.first_sent_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// Adds a setup, unless it is there: a request that is made again finds its own.
pub async fn insert(conn: &mut PgConnection, setup: &Setup) -> Result<(), StoreError> {
    sqlx::query(
        "insert into setup (merchant_id, id, provider_account_id, customer_id, state, usage, first_sent_at, created_at,
             updated_at, reference)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $7, $8) on conflict (merchant_id, id) do nothing",
    )
    .bind(setup.merchant_id)
    .bind(setup.id)
    .bind(setup.provider_account_id)
    .bind(setup.customer_id)
    .bind(setup.state)
    .bind(setup.usage)
    .bind(setup.created_at)
    .bind(setup.reference.as_ref().map(Reference::as_str))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what changes in the life of a setup.
pub async fn update(conn: &mut PgConnection, sealer: &Sealer, setup: &Setup) -> Result<(), StoreError> {
    let place = secret_place(setup.merchant_id, setup.id);
    let secret = sealer
        .seal_text(conn, place, setup.client_secret.as_ref())
        .await?;
    sqlx::query(
        "update setup set state = $3, provider_reference = $4, client_secret_sealed = $5, next_action = $6,
             decline = $7, payment_method_id = $8, version = $9, updated_at = $10
         where merchant_id = $1 and id = $2",
    )
    .bind(setup.merchant_id)
    .bind(setup.id)
    .bind(setup.state)
    .bind(&setup.provider_reference)
    .bind(secret)
    .bind(&setup.next_action)
    .bind(setup.decline.as_ref().map(Json))
    .bind(setup.payment_method)
    .bind(setup.version)
    .bind(setup.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// One setup.
pub async fn get(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: SetupId,
) -> Result<Setup, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2"))
        .bind(merchant)
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    row.open(conn, sealer).await
}

/// One setup, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: SetupId,
) -> Result<Setup, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2 for update"))
        .bind(merchant)
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    row.open(conn, sealer).await
}

/// The setup that the provider knows by that id.
pub async fn find_by_provider_reference(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<SetupId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from setup where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?)
}
