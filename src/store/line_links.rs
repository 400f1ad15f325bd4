//! Lines of payments that did not start here, and what each pays: written once.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{ExceptionId, MerchantId, OdooInstanceId, ProviderAccountId};
use crate::domain::line_link::LineLink;
use crate::domain::money::Money;
use crate::domain::payment::Reference;
use crate::domain::posting::Settles;

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    balance_transaction: String,
    exception_id: ExceptionId,
    odoo_instance_id: Option<OdooInstanceId>,
    reference: String,
    settles: Json<Vec<Settles>>,
    amount_minor: i64,
    currency: String,
    reason: String,
    linked_by: String,
    linked_at: OffsetDateTime,
}

impl TryFrom<Row> for LineLink {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let currency = row
            .currency
            .parse()
            .map_err(|error| StoreError::corrupt("line_link", &error))?;
        let reference =
            Reference::parse(row.reference).map_err(|error| StoreError::corrupt("line_link", &error))?;
        Ok(Self {
            merchant_id: row.merchant_id,
            provider_account_id: row.provider_account_id,
            balance_transaction: row.balance_transaction,
            exception_id: row.exception_id,
            odoo_instance_id: row.odoo_instance_id,
            reference,
            settles: row.settles.0,
            amount: Money::new(row.amount_minor, currency),
            reason: row.reason,
            by: row.linked_by,
            at: row.linked_at,
        })
    }
}

/// Keeps what a line pays.
///
/// # Errors
/// [`StoreError::Conflict`] where it is linked.
pub async fn insert(conn: &mut PgConnection, link: &LineLink) -> Result<(), StoreError> {
    sqlx::query(
        "insert into line_link (merchant_id, provider_account_id, balance_transaction, exception_id, odoo_instance_id,
             reference, settles, amount_minor, currency, reason, linked_by, linked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(link.merchant_id)
    .bind(link.provider_account_id)
    .bind(&link.balance_transaction)
    .bind(link.exception_id)
    .bind(link.odoo_instance_id)
    .bind(link.reference.as_str())
    .bind(Json(&link.settles))
    .bind(link.amount.minor)
    .bind(link.amount.currency.code())
    .bind(&link.reason)
    .bind(&link.by)
    .bind(link.at)
    .execute(conn)
    .await?;
    Ok(())
}

/// What a line pays, where a person has said.
pub async fn find(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    balance_transaction: &str,
) -> Result<Option<LineLink>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "select merchant_id, provider_account_id, balance_transaction, exception_id, odoo_instance_id, reference, settles,
             amount_minor, currency, reason, linked_by, linked_at
         from line_link where merchant_id = $1 and provider_account_id = $2 and balance_transaction = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(balance_transaction)
    .fetch_optional(conn)
    .await?;
    row.map(LineLink::try_from).transpose()
}
