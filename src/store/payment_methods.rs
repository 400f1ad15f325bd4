//! Saved payment methods.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{CustomerId, MerchantId, PaymentMethodId, ProviderAccountId};
use crate::domain::payment_method::{Mandate, MethodFace, MethodState, PaymentMethod};

/// The columns of a [`Row`], after which a condition follows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select merchant_id, id, provider_account_id, customer_id, provider_reference, kind, state, brand, last4, ",
            "exp_month, exp_year, bank_code, country, mandate_id, mandate_reference, mandate_url, mandate_state, ",
            "version, read_at, created_at, updated_at from payment_method ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: PaymentMethodId,
    provider_account_id: ProviderAccountId,
    customer_id: CustomerId,
    provider_reference: String,
    kind: String,
    state: MethodState,
    brand: Option<String>,
    last4: Option<String>,
    exp_month: Option<i16>,
    exp_year: Option<i16>,
    bank_code: Option<String>,
    country: Option<String>,
    mandate_id: Option<String>,
    mandate_reference: Option<String>,
    mandate_url: Option<String>,
    mandate_state: Option<String>,
    version: i64,
    read_at: OffsetDateTime,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl From<Row> for PaymentMethod {
    fn from(row: Row) -> Self {
        let (reference, url, state) = (row.mandate_reference, row.mandate_url, row.mandate_state);
        Self {
            merchant_id: row.merchant_id,
            id: row.id,
            provider_account_id: row.provider_account_id,
            customer_id: row.customer_id,
            provider_reference: row.provider_reference,
            state: row.state,
            face: MethodFace {
                kind: row.kind,
                brand: row.brand,
                last4: row.last4,
                exp_month: row.exp_month,
                exp_year: row.exp_year,
                bank_code: row.bank_code,
                country: row.country,
            },
            mandate: row.mandate_id.map(|provider_reference| Mandate {
                provider_reference,
                reference,
                url,
                state: state.unwrap_or_default(),
            }),
            version: row.version,
            read_at: row.read_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Adds a method. `false` where the account has it; of several at once, one adds it.
pub async fn insert(conn: &mut PgConnection, method: &PaymentMethod) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into payment_method (merchant_id, id, provider_account_id, customer_id, provider_reference, kind,
             state, read_at, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         on conflict (merchant_id, provider_account_id, provider_reference) do nothing",
    )
    .bind(method.merchant_id)
    .bind(method.id)
    .bind(method.provider_account_id)
    .bind(method.customer_id)
    .bind(&method.provider_reference)
    .bind(&method.face.kind)
    .bind(method.state)
    .bind(method.read_at)
    .bind(method.created_at)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what changes in the life of a method.
pub async fn update(conn: &mut PgConnection, method: &PaymentMethod) -> Result<(), StoreError> {
    let (face, mandate) = (&method.face, method.mandate.as_ref());
    sqlx::query(
        "update payment_method set kind = $3, state = $4, brand = $5, last4 = $6, exp_month = $7, exp_year = $8,
             bank_code = $9, country = $10, mandate_id = $11, mandate_reference = $12, mandate_url = $13,
             mandate_state = $14, read_at = $15, updated_at = $16, version = $17
         where merchant_id = $1 and id = $2",
    )
    .bind(method.merchant_id)
    .bind(method.id)
    .bind(&face.kind)
    .bind(method.state)
    .bind(&face.brand)
    .bind(&face.last4)
    .bind(face.exp_month)
    .bind(face.exp_year)
    .bind(&face.bank_code)
    .bind(&face.country)
    .bind(mandate.map(|mandate| &mandate.provider_reference))
    .bind(mandate.map(|mandate| &mandate.reference))
    .bind(mandate.map(|mandate| &mandate.url))
    .bind(mandate.map(|mandate| &mandate.state))
    .bind(method.read_at)
    .bind(method.updated_at)
    .bind(method.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// One method.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: PaymentMethodId,
) -> Result<PaymentMethod, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2"))
        .bind(merchant)
        .bind(id)
        .fetch_one(conn)
        .await?;
    Ok(row.into())
}

/// One method, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: PaymentMethodId,
) -> Result<PaymentMethod, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2 for update"))
        .bind(merchant)
        .bind(id)
        .fetch_one(conn)
        .await?;
    Ok(row.into())
}

/// The method that the provider knows by that id.
pub async fn find_by_provider_reference(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<PaymentMethod>, StoreError> {
    let row: Option<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3"
    ))
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Into::into))
}

/// The method that may be debited under the mandate that the provider knows by that id.
pub async fn find_by_mandate(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    mandate: &str,
) -> Result<Option<PaymentMethod>, StoreError> {
    let row: Option<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id = $2 and mandate_id = $3"
    ))
    .bind(merchant)
    .bind(account)
    .bind(mandate)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Into::into))
}

/// A customer's methods that can be used, newest first, `limit` at most.
pub async fn list_attached(
    conn: &mut PgConnection,
    merchant: MerchantId,
    customer: CustomerId,
    limit: i64,
) -> Result<Vec<PaymentMethod>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and customer_id = $2 and state = 'attached' order by id desc limit $3"
    ))
    .bind(merchant)
    .bind(customer)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}
