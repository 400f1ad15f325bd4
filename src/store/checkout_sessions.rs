//! Pages of the provider's on which a payment is paid.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StoreError, sealed};
use crate::crypto::{Place, Sealer};
use crate::domain::checkout::{CheckoutSession, CheckoutState};
use crate::domain::ids::{CheckoutSessionId, MerchantId, PaymentId, ProviderAccountId};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, payment_id, provider_account_id, state, provider_reference, url_sealed, expires_at ",
            "from checkout_session ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: CheckoutSessionId,
    payment_id: PaymentId,
    provider_account_id: ProviderAccountId,
    state: CheckoutState,
    provider_reference: Option<String>,
    url_sealed: Option<Vec<u8>>,
    expires_at: Option<OffsetDateTime>,
}

impl Row {
    async fn open(
        self,
        conn: &mut PgConnection,
        sealer: &Sealer,
        merchant: MerchantId,
    ) -> Result<CheckoutSession, StoreError> {
        let place = url_place(merchant, self.id);
        let url = sealer.open_some(conn, place, self.url_sealed.as_deref()).await?;
        Ok(CheckoutSession {
            id: self.id,
            payment_id: self.payment_id,
            provider_account_id: self.provider_account_id,
            state: self.state,
            provider_reference: self.provider_reference,
            url,
            expires_at: self.expires_at,
        })
    }
}

fn url_place(merchant: MerchantId, id: CheckoutSessionId) -> Place {
    sealed::CHECKOUT_URL.place(merchant, id.uuid())
}

/// Adds a page that the provider is about to be asked for.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    session: &CheckoutSession,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into checkout_session (merchant_id, id, payment_id, provider_account_id, state, expires_at, created_at,
             updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)",
    )
    .bind(merchant)
    .bind(session.id)
    .bind(session.payment_id)
    .bind(session.provider_account_id)
    .bind(session.state)
    .bind(session.expires_at)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what changes in the life of a page.
pub async fn update(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    session: &CheckoutSession,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let place = url_place(merchant, session.id);
    let url = sealer.seal_text(conn, place, session.url.as_ref()).await?;
    sqlx::query(
        "update checkout_session set state = $3, provider_reference = $4, url_sealed = $5, expires_at = $6,
             updated_at = $7
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(session.id)
    .bind(session.state)
    .bind(&session.provider_reference)
    .bind(url)
    .bind(session.expires_at)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// One page.
pub async fn get(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: CheckoutSessionId,
) -> Result<CheckoutSession, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2"))
        .bind(merchant)
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    row.open(conn, sealer, merchant).await
}

/// The page of a payment, where it is paid on one.
pub async fn find(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<Option<CheckoutSession>, StoreError> {
    let row: Option<Row> = sqlx::query_as(select!("where merchant_id = $1 and payment_id = $2"))
        .bind(merchant)
        .bind(payment)
        .fetch_optional(&mut *conn)
        .await?;
    match row {
        Some(row) => Ok(Some(row.open(conn, sealer, merchant).await?)),
        None => Ok(None),
    }
}

/// The payment of the page that the provider knows by that id.
pub async fn find_payment(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<PaymentId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select payment_id from checkout_session
         where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?)
}
