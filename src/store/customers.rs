//! Customers.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::customer::{Customer, Partner, Person};
use crate::domain::ids::{CustomerId, MerchantId, OperationId, PaymentMethodId, ProviderAccountId};

/// The columns of a [`Row`], after which a condition follows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select merchant_id, id, provider_account_id, partner, name, email, phone, metadata, provider_reference, ",
            "default_payment_method_id, creation_key, first_sent_at, version, told_version, created_at, updated_at ",
            "from customer ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: CustomerId,
    provider_account_id: ProviderAccountId,
    partner: String,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    metadata: Json<BTreeMap<String, String>>,
    provider_reference: Option<String>,
    default_payment_method_id: Option<PaymentMethodId>,
    creation_key: Option<OperationId>,
    first_sent_at: OffsetDateTime,
    version: i64,
    told_version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Customer {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            merchant_id: row.merchant_id,
            id: row.id,
            provider_account_id: row.provider_account_id,
            partner: Partner::parse(row.partner).map_err(|error| StoreError::corrupt("customer", &error))?,
            person: Person {
                name: row.name,
                email: row.email,
                phone: row.phone,
            },
            metadata: row.metadata.0,
            provider_reference: row.provider_reference,
            default_payment_method: row.default_payment_method_id,
            creation_key: row.creation_key,
            first_sent_at: row.first_sent_at,
            version: row.version,
            told_version: row.told_version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Adds a customer, unless the partner has one at that account; of several at once, one adds it.
pub async fn insert(conn: &mut PgConnection, customer: &Customer) -> Result<(), StoreError> {
    sqlx::query(
        "insert into customer (merchant_id, id, provider_account_id, partner, name, email, phone, metadata,
             first_sent_at, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9)
         on conflict (merchant_id, provider_account_id, partner) do nothing",
    )
    .bind(customer.merchant_id)
    .bind(customer.id)
    .bind(customer.provider_account_id)
    .bind(customer.partner.as_str())
    .bind(&customer.person.name)
    .bind(&customer.person.email)
    .bind(&customer.person.phone)
    .bind(Json(&customer.metadata))
    .bind(customer.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what changes in the life of a customer.
pub async fn update(conn: &mut PgConnection, customer: &Customer) -> Result<(), StoreError> {
    sqlx::query(
        "update customer set name = $3, email = $4, phone = $5, metadata = $6, provider_reference = $7,
             default_payment_method_id = $8, creation_key = $9, first_sent_at = $10, version = $11,
             told_version = $12, updated_at = $13
         where merchant_id = $1 and id = $2",
    )
    .bind(customer.merchant_id)
    .bind(customer.id)
    .bind(&customer.person.name)
    .bind(&customer.person.email)
    .bind(&customer.person.phone)
    .bind(Json(&customer.metadata))
    .bind(&customer.provider_reference)
    .bind(customer.default_payment_method)
    .bind(customer.creation_key)
    .bind(customer.first_sent_at)
    .bind(customer.version)
    .bind(customer.told_version)
    .bind(customer.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// One customer.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: CustomerId,
) -> Result<Customer, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2"))
        .bind(merchant)
        .bind(id)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// One customer, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: CustomerId,
) -> Result<Customer, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2 for update"))
        .bind(merchant)
        .bind(id)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// A partner's customer, held until the transaction ends.
pub async fn lock_of_partner(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    partner: &Partner,
) -> Result<Customer, StoreError> {
    let row: Row = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id = $2 and partner = $3 for update"
    ))
    .bind(merchant)
    .bind(account)
    .bind(partner.as_str())
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// The customer that the provider knows by that id.
pub async fn find_by_provider_reference(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<CustomerId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from customer where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?)
}

/// A merchant's customers of one mode, newest first, older than `before`, `limit` at most; those of one partner where it
/// is named.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    partner: Option<&str>,
    before: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<Customer>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and ($2::text is null or partner = $2) and ($3::uuid is null or id < $3)
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live = $4)
         order by id desc limit $5"
    ))
    .bind(merchant)
    .bind(partner)
    .bind(before)
    .bind(live)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
