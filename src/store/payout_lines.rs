//! Which lines each payout went out with.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};

/// A line that a payout went out with.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PayoutLine {
    /// The provider's id of it (`txn_…`).
    pub id: String,
    /// The provider's word for its type.
    pub kind: String,
    /// The provider's word for what it is to a bookkeeper.
    pub reporting_category: Option<String>,
    /// What the provider says of it, for people.
    pub description: Option<String>,
    /// What it is about, by the provider's id.
    pub source: Option<String>,
    /// The payment that it belongs to, where it does.
    pub payment_id: Option<PaymentId>,
    /// The merchant's name for that payment.
    pub reference: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// What moved before the fee, in minor units.
    pub amount_minor: i64,
    /// What the provider kept.
    pub fee_minor: i64,
    /// What arrived.
    pub net_minor: i64,
    /// When the provider wrote it.
    pub created_at: OffsetDateTime,
    /// When it can be paid out, where the provider says.
    pub available_on: Option<OffsetDateTime>,
}

/// What the lines of one type come to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct KindSum {
    /// The provider's word for the type.
    pub kind: String,
    /// Whether it is the payout's own line.
    pub is_own: bool,
    /// How many there are.
    pub count: i64,
    /// The sum of what moved before fees, in minor units.
    pub amount_minor: i64,
    /// The sum of the fees.
    pub fee_minor: i64,
    /// The sum of what arrived.
    pub net_minor: i64,
}

/// What the lines of a payout come to, by type: its own last.
pub async fn sum(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payout: &str,
) -> Result<Vec<KindSum>, StoreError> {
    Ok(sqlx::query_as(
        "select b.kind, b.source is not distinct from l.payout as is_own, count(*) as count, sum(b.amount_minor)::bigint as amount_minor,
             sum(b.fee_minor)::bigint as fee_minor, sum(b.net_minor)::bigint as net_minor
         from payout_line l join balance_transaction b
             on b.merchant_id = l.merchant_id and b.provider_account_id = l.provider_account_id and b.id = l.balance_transaction
         where l.merchant_id = $1 and l.provider_account_id = $2 and l.payout = $3
         group by b.kind, is_own order by is_own, b.kind",
    )
    .bind(merchant)
    .bind(account)
    .bind(payout)
    .fetch_all(conn)
    .await?)
}

/// A page of the lines of a payout, by the provider's id, after `after`, `limit` at most.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payout: &str,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<PayoutLine>, StoreError> {
    Ok(sqlx::query_as(
        "select b.id, b.kind, b.reporting_category, b.description, b.source, b.payment_id, p.reference, b.currency,
             b.amount_minor, b.fee_minor, b.net_minor, b.created_at, b.available_on
         from payout_line l
         join balance_transaction b on b.merchant_id = l.merchant_id
             and b.provider_account_id = l.provider_account_id and b.id = l.balance_transaction
         left join payment p on p.merchant_id = b.merchant_id and p.id = b.payment_id
         where l.merchant_id = $1 and l.provider_account_id = $2 and l.payout = $3
             and ($4::text is null or l.balance_transaction > $4)
         order by l.balance_transaction limit $5",
    )
    .bind(merchant)
    .bind(account)
    .bind(payout)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
