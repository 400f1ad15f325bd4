//! What accounts at providers may do.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::standing::{HeldStanding, Requirements, Standing};

#[derive(sqlx::FromRow)]
struct Row {
    charges_enabled: Option<bool>,
    payouts_enabled: Option<bool>,
    due_count: Option<i32>,
    disabled_reason: Option<String>,
    country: Option<String>,
    default_currency: Option<String>,
    told_at: Option<OffsetDateTime>,
    deauthorized_at: Option<OffsetDateTime>,
}

impl From<Row> for HeldStanding {
    fn from(row: Row) -> Self {
        let disabled_reason = row.disabled_reason;
        Self {
            told: Standing {
                charges_enabled: row.charges_enabled,
                payouts_enabled: row.payouts_enabled,
                requirements: row.due_count.map(|due_count| Requirements {
                    due_count,
                    disabled_reason,
                }),
                country: row.country,
                default_currency: row.default_currency,
            },
            told_at: row.told_at,
            deauthorized_at: row.deauthorized_at,
        }
    }
}

/// An account's standing, held until the transaction ends; as nobody told of it where nobody did.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    now: OffsetDateTime,
) -> Result<HeldStanding, StoreError> {
    let row: Row = sqlx::query_as(
        "insert into account_standing (merchant_id, provider_account_id, updated_at) values ($1, $2, $3)
         on conflict (merchant_id, provider_account_id) do update set updated_at = account_standing.updated_at
         returning charges_enabled, payouts_enabled, due_count, disabled_reason, country, default_currency, told_at,
             deauthorized_at",
    )
    .bind(merchant)
    .bind(account)
    .bind(now)
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// Writes an account's standing, whose row the caller holds.
pub async fn update(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    held: &HeldStanding,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let requirements = held.told.requirements.as_ref();
    sqlx::query(
        "update account_standing set charges_enabled = $3, payouts_enabled = $4, due_count = $5, disabled_reason = $6,
             country = $7, default_currency = $8, told_at = $9, deauthorized_at = $10, updated_at = $11
         where merchant_id = $1 and provider_account_id = $2",
    )
    .bind(merchant)
    .bind(account)
    .bind(held.told.charges_enabled)
    .bind(held.told.payouts_enabled)
    .bind(requirements.map(|requirements| requirements.due_count))
    .bind(requirements.and_then(|requirements| requirements.disabled_reason.as_deref()))
    .bind(&held.told.country)
    .bind(&held.told.default_currency)
    .bind(held.told_at)
    .bind(held.deauthorized_at)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the account took from us the right to act for it.
pub async fn is_deauthorized(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select exists (select from account_standing where merchant_id = $1 and provider_account_id = $2
             and deauthorized_at is not null)",
    )
    .bind(merchant)
    .bind(account)
    .fetch_one(conn)
    .await?)
}
