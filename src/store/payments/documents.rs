//! Which payments settle which documents of Odoo.

use sqlx::PgConnection;

use super::{Row, open_all};
use crate::crypto::Sealer;
use crate::domain::ids::MerchantId;
use crate::domain::payment::Payment;
use crate::store::StoreError;

/// The other payments that settle any of a payment's documents and may have or get the customer's money.
pub async fn list_of_documents(
    conn: &mut PgConnection,
    sealer: &Sealer,
    payment: &Payment,
) -> Result<Vec<Payment>, StoreError> {
    let (models, ids): (Vec<&str>, Vec<i64>) = payment
        .settles
        .iter()
        .map(|document| (document.model.as_str(), document.id))
        .unzip();
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and id <> $2 and odoo_instance_id is not distinct from $3
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live =
                 (select live from provider_account where merchant_id = $1 and id = $4))
             and state not in ('failed', 'canceled') and id in (
                 select d.payment_id from payment_document d
                 join unnest($5::text[], $6::bigint[]) as wanted (model, document_id)
                     on d.model = wanted.model and d.document_id = wanted.document_id
                 where d.merchant_id = $1)
         order by id"
    ))
    .bind(payment.merchant_id)
    .bind(payment.id)
    .bind(payment.odoo_instance_id)
    .bind(payment.provider_account_id)
    .bind(models)
    .bind(ids)
    .fetch_all(&mut *conn)
    .await?;
    open_all(conn, sealer, rows).await
}

/// Notes which documents a payment settles.
pub async fn insert_documents(conn: &mut PgConnection, payment: &Payment) -> Result<(), StoreError> {
    let (models, ids): (Vec<&str>, Vec<i64>) = payment
        .settles
        .iter()
        .map(|document| (document.model.as_str(), document.id))
        .unzip();
    sqlx::query(
        "insert into payment_document (merchant_id, payment_id, model, document_id)
         select $1, $2, * from unnest($3::text[], $4::bigint[]) on conflict do nothing",
    )
    .bind(payment.merchant_id)
    .bind(payment.id)
    .bind(models)
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Holds names of a merchant's until the transaction ends, so that of several who would each find nothing there only one
/// looks at a time. The caller sorts them, so that two who share some never wait for each other.
pub async fn lock_names(
    conn: &mut PgConnection,
    merchant: MerchantId,
    names: &[String],
) -> Result<(), StoreError> {
    for name in names {
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::uuid::text || $2, 0))")
            .bind(merchant)
            .bind(name)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
