//! Which payments there are: by what a caller asks, by their changes, by their time.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Row, open_all};
use crate::crypto::Sealer;
use crate::domain::ids::{CustomerId, MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
use crate::domain::payment::{CaptureMethod, Payment, PaymentState};
use crate::store::StoreError;
use crate::store::balance_transactions::Matched;

/// Which payments a list shows: all that fit every filter.
#[derive(Clone, Debug, Default)]
pub struct PaymentFilter {
    /// Odoo's own reference.
    pub reference: Option<String>,
    /// Where they stand.
    pub state: Option<PaymentState>,
    /// Who pays.
    pub customer: Option<CustomerId>,
    /// Asked for then or later.
    pub created_from: Option<OffsetDateTime>,
    /// Asked for before then.
    pub created_before: Option<OffsetDateTime>,
}

impl PaymentFilter {
    /// Whether all fit.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                reference: None,
                state: None,
                customer: None,
                created_from: None,
                created_before: None,
            }
        )
    }
}

/// A page of a merchant's payments of one mode, newest first, after `after`, `limit` at most.
pub async fn list(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    live: bool,
    filter: &PaymentFilter,
    after: Option<PaymentId>,
    limit: i64,
) -> Result<Vec<Payment>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live = $2)
             and ($3::text is null or reference = $3) and ($4::text is null or state = $4)
             and ($5::uuid is null or customer_id = $5) and ($6::timestamptz is null or created_at >= $6)
             and ($7::timestamptz is null or created_at < $7) and ($8::uuid is null or id < $8)
         order by id desc limit $9"
    ))
    .bind(merchant)
    .bind(live)
    .bind(&filter.reference)
    .bind(filter.state)
    .bind(filter.customer)
    .bind(filter.created_from)
    .bind(filter.created_before)
    .bind(after)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    open_all(conn, sealer, rows).await
}

/// A page of a merchant's payments of one mode in the order of their changes, from `since`, after `after`.
pub async fn list_updated(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    live: bool,
    since: OffsetDateTime,
    after: Option<PaymentId>,
    limit: i64,
) -> Result<Vec<Payment>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live = $2)
             and updated_at >= $3 and ($4::uuid is null or (updated_at, id) > ($3, $4))
         order by updated_at, id limit $5"
    ))
    .bind(merchant)
    .bind(live)
    .bind(since)
    .bind(after)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    open_all(conn, sealer, rows).await
}

/// Which payments nobody may pay any more, although nobody has called them off.
pub async fn list_expired(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(MerchantId, PaymentId)>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, id from payment
         where expires_at <= $1 and expires_at is not null and state in ('created', 'requires_action')
         order by expires_at limit $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// A payment whose reference somebody told.
#[derive(Clone, Debug)]
pub struct Referred {
    /// Odoo's reference of it.
    pub reference: String,
    /// The provider's id of it, where that is known.
    pub provider_reference: Option<String>,
    /// The payment.
    pub matched: Matched,
}

/// How many payments of the same references are looked at.
const REFERRED: i64 = 20;

/// The payments of an account that have one of these references.
pub async fn list_by_references(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    references: &[String],
) -> Result<Vec<Referred>, StoreError> {
    type Row = (
        String,
        Option<String>,
        PaymentId,
        String,
        i64,
        CaptureMethod,
        Option<String>,
        Option<OdooInstanceId>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "select reference, provider_reference, id, currency, captured_minor, capture_method, charge_reference,
             odoo_instance_id
         from payment where merchant_id = $1 and reference = any($3) and provider_account_id = $2 order by id limit $4",
    )
    .bind(merchant)
    .bind(account)
    .bind(references)
    .bind(REFERRED)
    .fetch_all(conn)
    .await?;
    let referred = rows.into_iter().map(
        |(
            reference,
            provider_reference,
            id,
            currency,
            captured_minor,
            method,
            charge_reference,
            odoo_instance,
        )| Referred {
            reference,
            provider_reference,
            matched: Matched {
                id,
                currency,
                captured_minor,
                is_captured_by_hand: method == CaptureMethod::Manual,
                charge_reference,
                odoo_instance,
            },
        },
    );
    Ok(referred.collect())
}
