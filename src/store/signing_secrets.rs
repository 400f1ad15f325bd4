//! What our messages to Odoo instances are signed with.

use secrecy::ExposeSecret;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StoreError, sealed};
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{MerchantId, OdooInstanceId, SigningSecretId};
use crate::domain::signing_secret::SigningSecret;
use crate::sink::LiveSecret;

const TABLE: &str = "signing_secret";

fn place(merchant: MerchantId, id: SigningSecretId) -> Place {
    sealed::SIGNING_SECRET.place(merchant, id.uuid())
}

/// Adds a secret that signs from now on, beside those the instance has.
pub async fn insert(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    instance: OdooInstanceId,
    secret: &SigningSecret,
    now: OffsetDateTime,
) -> Result<SigningSecretId, StoreError> {
    let id = SigningSecretId::generate();
    let text = secret.text();
    let plain = text.expose_secret().as_bytes();
    let ciphertext = sealer.seal(conn, place(merchant, id), plain).await?;
    sqlx::query(
        "insert into signing_secret (merchant_id, odoo_instance_id, id, secret_sealed, created_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(merchant)
    .bind(instance)
    .bind(id)
    .bind(ciphertext)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(id)
}

/// Lets those that an instance has sign until then, unless they end before.
pub async fn end(
    conn: &mut PgConnection,
    merchant: MerchantId,
    instance: OdooInstanceId,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update signing_secret set until = $3
         where merchant_id = $1 and odoo_instance_id = $2 and (until is null or until > $3)",
    )
    .bind(merchant)
    .bind(instance)
    .bind(until)
    .execute(conn)
    .await?;
    Ok(())
}

/// Every secret of an instance, opened, newest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<Vec<LiveSecret>, StoreError> {
    let rows: Vec<(SigningSecretId, Vec<u8>, Option<OffsetDateTime>)> = sqlx::query_as(
        "select id, secret_sealed, until from signing_secret where merchant_id = $1 and odoo_instance_id = $2
         order by id desc",
    )
    .bind(merchant)
    .bind(instance)
    .fetch_all(&mut *conn)
    .await?;
    let mut secrets = Vec::with_capacity(rows.len());
    for (id, ciphertext, until) in rows {
        let text = sealer.open_text(conn, place(merchant, id), &ciphertext).await?;
        let secret = SigningSecret::parse(&text).map_err(|error| StoreError::corrupt(TABLE, &error))?;
        secrets.push(LiveSecret { secret, until });
    }
    Ok(secrets)
}
