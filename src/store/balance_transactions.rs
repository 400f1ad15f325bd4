//! The provider's ledger lines: facts, written once.

use sqlx::PgConnection;

use super::StoreError;
use crate::domain::balance_transaction::BalanceTransaction;
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};

/// Keeps a fact. `false` where it was known.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payment: PaymentId,
    line: &BalanceTransaction,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into balance_transaction (merchant_id, provider_account_id, id, payment_id, kind, source,
             amount_minor, fee_minor, net_minor, currency, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict do nothing",
    )
    .bind(merchant)
    .bind(account)
    .bind(&line.id)
    .bind(payment)
    .bind(&line.kind)
    .bind(&line.source)
    .bind(line.amount.minor)
    .bind(line.fee_minor)
    .bind(line.net_minor)
    .bind(line.amount.currency.code())
    .bind(line.created)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
