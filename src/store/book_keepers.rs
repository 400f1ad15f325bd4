//! Which Odoo with our addon keeps an account's books, whatever the currency.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, OdooInstanceId, ProviderAccountId};

/// Lets an instance keep an account's books from now on; the one that kept them before does so no more. The caller holds the account
/// ([`lock`](super::provider_accounts::lock)) and has seen that no stock Odoo keeps them.
pub async fn upsert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    instance: OdooInstanceId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into book_keeper (merchant_id, provider_account_id, odoo_instance_id, since) values ($1, $2, $3, $4)
         on conflict (merchant_id, provider_account_id) do update
             set odoo_instance_id = excluded.odoo_instance_id, since = excluded.since
             where book_keeper.odoo_instance_id <> excluded.odoo_instance_id",
    )
    .bind(merchant)
    .bind(account)
    .bind(instance)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The instance that keeps an account's books; none where no Odoo with our addon does.
pub async fn find(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Option<OdooInstanceId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select odoo_instance_id from book_keeper where merchant_id = $1 and provider_account_id = $2",
    )
    .bind(merchant)
    .bind(account)
    .fetch_optional(conn)
    .await?)
}
