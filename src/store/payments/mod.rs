//! Payments.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{StoreError, sealed};
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{CustomerId, MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
use crate::domain::money::Amount;
use crate::domain::payment::{Capture, CaptureMethod, Decline, Payment, PaymentState, Reference, Terms};
use crate::domain::posting::Settles;

const TABLE: &str = "payment";

/// The columns of a [`Row`], after which a condition follows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select merchant_id, id, provider_account_id, odoo_instance_id, reference, amount_minor, currency, ",
            "capture_method, state, authorized_minor, captured_minor, refunded_minor, disputed_minor, provider_reference, ",
            "charge_reference, client_secret_sealed, next_action, decline, settles, description, metadata, version, ",
            "customer_id, customer_reference, terms, hosted, expires_at, allow_double, posted_minor, captured_at, ",
            "created_at, updated_at, captures, method_reference from payment ",
            $rest
        )
    };
}

mod documents;
mod lists;

pub use documents::{insert_documents, list_of_documents, lock_names};
pub use lists::{PaymentFilter, Referred, list, list_by_references, list_expired, list_updated};

fn secret_place(merchant: MerchantId, id: PaymentId) -> Place {
    sealed::PAYMENT_SECRET.place(merchant, id.uuid())
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: PaymentId,
    provider_account_id: ProviderAccountId,
    odoo_instance_id: Option<OdooInstanceId>,
    reference: String,
    amount_minor: i64,
    currency: String,
    capture_method: CaptureMethod,
    state: PaymentState,
    authorized_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    disputed_minor: i64,
    provider_reference: Option<String>,
    charge_reference: Option<String>,
    client_secret_sealed: Option<Vec<u8>>,
    next_action: Option<serde_json::Value>,
    decline: Option<Json<Decline>>,
    settles: Json<Vec<Settles>>,
    description: Option<String>,
    metadata: Json<BTreeMap<String, String>>,
    version: i64,
    customer_id: Option<CustomerId>,
    customer_reference: Option<String>,
    terms: Json<Terms>,
    hosted: bool,
    expires_at: Option<OffsetDateTime>,
    allow_double: bool,
    posted_minor: i64,
    captures: Json<Vec<Capture>>,
    method_reference: Option<String>,
    captured_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    async fn open(self, conn: &mut PgConnection, sealer: &Sealer) -> Result<Payment, StoreError> {
        let currency = self
            .currency
            .parse()
            .map_err(|error| StoreError::corrupt(TABLE, &error))?;
        let place = secret_place(self.merchant_id, self.id);
        let secret = sealer
            .open_some(conn, place, self.client_secret_sealed.as_deref())
            .await?;
        Ok(Payment {
            merchant_id: self.merchant_id,
            id: self.id,
            provider_account_id: self.provider_account_id,
            odoo_instance_id: self.odoo_instance_id,
            reference: Reference::parse(self.reference)
                .map_err(|error| StoreError::corrupt(TABLE, &error))?,
            amount: Amount::parse(self.amount_minor, currency)
                .map_err(|error| StoreError::corrupt(TABLE, &error))?,
            capture_method: self.capture_method,
            state: self.state,
            authorized_minor: self.authorized_minor,
            captured_minor: self.captured_minor,
            refunded_minor: self.refunded_minor,
            disputed_minor: self.disputed_minor,
            provider_reference: self.provider_reference,
            charge_reference: self.charge_reference,
            client_secret: secret,
            next_action: self.next_action,
            decline: self.decline.map(|Json(decline)| decline),
            settles: self.settles.0,
            description: self.description,
            metadata: self.metadata.0,
            version: self.version,
            customer_id: self.customer_id,
            customer_reference: self.customer_reference,
            terms: self.terms.0,
            hosted: self.hosted,
            expires_at: self.expires_at,
            allow_double: self.allow_double,
            posted_minor: self.posted_minor,
            captures: self.captures.0,
            method_reference: self.method_reference,
            captured_at: self.captured_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// Rows, each opened.
async fn open_all(
    conn: &mut PgConnection,
    sealer: &Sealer,
    rows: Vec<Row>,
) -> Result<Vec<Payment>, StoreError> {
    let mut payments = Vec::with_capacity(rows.len());
    for row in rows {
        payments.push(row.open(conn, sealer).await?);
    }
    Ok(payments)
}

/// Adds a payment.
///
/// # Errors
/// [`StoreError::Conflict`] on `payment_living_reference` where another living payment has the reference.
pub async fn insert(conn: &mut PgConnection, payment: &Payment) -> Result<(), StoreError> {
    sqlx::query(
        "insert into payment (merchant_id, id, provider_account_id, odoo_instance_id, reference, amount_minor,
             currency, capture_method, state, settles, description, metadata, version, customer_id,
             customer_reference, terms, hosted, expires_at, allow_double, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20)",
    )
    .bind(payment.merchant_id)
    .bind(payment.id)
    .bind(payment.provider_account_id)
    .bind(payment.odoo_instance_id)
    .bind(payment.reference.as_str())
    .bind(payment.amount.minor())
    .bind(payment.amount.currency().code())
    .bind(payment.capture_method)
    .bind(payment.state)
    .bind(Json(&payment.settles))
    .bind(&payment.description)
    .bind(Json(&payment.metadata))
    .bind(payment.version)
    .bind(payment.customer_id)
    .bind(&payment.customer_reference)
    .bind(Json(&payment.terms))
    .bind(payment.hosted)
    .bind(payment.expires_at)
    .bind(payment.allow_double)
    .bind(payment.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what changes in the life of a payment.
pub async fn update(conn: &mut PgConnection, sealer: &Sealer, payment: &Payment) -> Result<(), StoreError> {
    let place = secret_place(payment.merchant_id, payment.id);
    let secret = sealer
        .seal_text(conn, place, payment.client_secret.as_ref())
        .await?;
    sqlx::query(
        "update payment set state = $3, authorized_minor = $4, captured_minor = $5, refunded_minor = $6,
             provider_reference = $7, charge_reference = $8, client_secret_sealed = $9, next_action = $10,
             decline = $11, version = $12, updated_at = $13, posted_minor = $14, captured_at = $15,
             captures = $16, method_reference = $17
         where merchant_id = $1 and id = $2",
    )
    .bind(payment.merchant_id)
    .bind(payment.id)
    .bind(payment.state)
    .bind(payment.authorized_minor)
    .bind(payment.captured_minor)
    .bind(payment.refunded_minor)
    .bind(&payment.provider_reference)
    .bind(&payment.charge_reference)
    .bind(secret)
    .bind(&payment.next_action)
    .bind(payment.decline.as_ref().map(Json))
    .bind(payment.version)
    .bind(payment.updated_at)
    .bind(payment.posted_minor)
    .bind(payment.captured_at)
    .bind(Json(&payment.captures))
    .bind(&payment.method_reference)
    .execute(conn)
    .await?;
    Ok(())
}

/// One payment.
pub async fn get(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: PaymentId,
) -> Result<Payment, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2"))
        .bind(merchant)
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    row.open(conn, sealer).await
}

/// When a read of the payment may begin, by the database's clock, to be noted with [`note_read`] once it is applied.
pub async fn read_begins(conn: &mut PgConnection) -> Result<OffsetDateTime, StoreError> {
    Ok(sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(conn)
        .await?)
}

/// Notes that a read which began then is applied.
pub async fn note_read(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: PaymentId,
    began_at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("update payment set read_at = $3 where merchant_id = $1 and id = $2")
        .bind(merchant)
        .bind(id)
        .bind(began_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether a read that began after `moment` is applied already.
pub async fn read_since(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: PaymentId,
    moment: OffsetDateTime,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select coalesce(read_at > $3, false) from payment where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .bind(moment)
    .fetch_one(conn)
    .await?)
}

/// One payment, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: PaymentId,
) -> Result<Payment, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2 for update"))
        .bind(merchant)
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    row.open(conn, sealer).await
}

/// The payments that the provider knows by those ids, held until the transaction ends; always in the same order, so that two
/// who hold several do not wait for each other.
pub async fn lock_known(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    account: ProviderAccountId,
    references: &[&str],
) -> Result<Vec<Payment>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id = $2 and provider_reference = any($3) order by id for update"
    ))
    .bind(merchant)
    .bind(account)
    .bind(references)
    .fetch_all(&mut *conn)
    .await?;
    open_all(conn, sealer, rows).await
}

/// The payment that the provider knows by that id.
pub async fn find_by_provider_reference(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<PaymentId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from payment where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?)
}

/// The newest payments that a method is or was tried on, `limit` at most.
pub async fn list_of_method(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    method: &str,
    limit: i64,
) -> Result<Vec<PaymentId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from payment where merchant_id = $1 and provider_account_id = $2 and method_reference = $3
         order by id desc limit $4",
    )
    .bind(merchant)
    .bind(account)
    .bind(method)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// The Odoo that is told of a payment, where one is.
pub async fn find_odoo_instance(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: PaymentId,
) -> Result<Option<OdooInstanceId>, StoreError> {
    Ok(
        sqlx::query_scalar("select odoo_instance_id from payment where merchant_id = $1 and id = $2")
            .bind(merchant)
            .bind(id)
            .fetch_one(conn)
            .await?,
    )
}

/// The payment whose charge that counts the provider knows by that id.
pub async fn find_by_charge(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    charge: &str,
) -> Result<Option<PaymentId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from payment where merchant_id = $1 and provider_account_id = $2 and charge_reference = $3 limit 1",
    )
    .bind(merchant)
    .bind(account)
    .bind(charge)
    .fetch_optional(conn)
    .await?)
}

/// Writes what disputes took. Nothing else of a payment changes with them.
pub async fn update_disputed(conn: &mut PgConnection, payment: &Payment) -> Result<(), StoreError> {
    sqlx::query(
        "update payment set disputed_minor = $3, version = $4, updated_at = $5 where merchant_id = $1 and id = $2",
    )
    .bind(payment.merchant_id)
    .bind(payment.id)
    .bind(payment.disputed_minor)
    .bind(payment.version)
    .bind(payment.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The living payment with that reference of Odoo's.
pub async fn find_living(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &Reference,
) -> Result<Option<PaymentId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from payment where merchant_id = $1 and provider_account_id = $2 and reference = $3
             and state not in ('failed', 'canceled') and not reference_taken",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference.as_str())
    .fetch_optional(conn)
    .await?)
}

/// Leaves a payment's reference to the living one that has it.
pub async fn give_up_reference(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: PaymentId,
) -> Result<(), StoreError> {
    sqlx::query("update payment set reference_taken = true where merchant_id = $1 and id = $2")
        .bind(merchant)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}
