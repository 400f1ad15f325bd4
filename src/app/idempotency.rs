//! Makes a repeated request the same request.
//!
//! A key is claimed in the transaction that writes the operation, so that the two exist together or not at all. It is
//! finished when its operation is decided; a 202 is never kept. Source: IETF draft `Idempotency-Key`, and what Stripe
//! does.

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;

use super::auth::Caller;
use super::payments::PaymentDetail;
use super::{App, AppError};
use crate::domain::idempotency::{Fingerprint, IdempotencyKey};
use crate::domain::ids::{MerchantId, OperationId};
use crate::domain::operation::Operation;
use crate::store;
use crate::store::idempotency_records::IdempotencyRecord;

/// How long a claim is held for a caller who is being served: past the longest answer, and Odoo's patience.
const SERVING: time::Duration = time::Duration::seconds(10);

/// An answer as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// How a request was served.
#[derive(Debug)]
pub enum Served {
    /// Decided by this request.
    Fresh {
        /// The answer, which is kept.
        answer: Answer,
        /// How long the provider took.
        provider_time: Duration,
    },
    /// Decided before: the kept answer.
    Replayed(Answer),
    /// Not decided yet. Nothing is kept.
    Accepted(Box<PaymentDetail>),
}

/// A request under a key, and how its answer will be written.
#[derive(Clone, Copy, Debug)]
pub struct Keyed {
    /// The key within its merchant: the hash of the principal and the caller's key.
    hash: [u8; 32],
    /// What is asked.
    fingerprint: Fingerprint,
    /// Writes the answer of a decided operation.
    render: fn(&PaymentDetail, &Operation) -> Answer,
}

impl Keyed {
    /// A request of `caller` under `key`.
    #[must_use]
    pub fn new(
        caller: &Caller,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
        render: fn(&PaymentDetail, &Operation) -> Answer,
    ) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(caller.key_id.uuid().as_bytes());
        hasher.update(key.as_str().as_bytes());
        Self {
            hash: hasher.finalize().into(),
            fingerprint,
            render,
        }
    }

    /// Claims the key for an operation that is about to be written; the record where it was claimed before.
    pub(super) async fn claim(
        &self,
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
        operation: OperationId,
    ) -> Result<Option<IdempotencyRecord>, AppError> {
        let now = app.clock.now();
        let claimed = store::idempotency_records::insert(
            conn,
            merchant,
            &self.hash,
            &self.fingerprint,
            operation,
            now + SERVING,
            now,
        )
        .await?;
        if claimed {
            return Ok(None);
        }
        let record = store::idempotency_records::lock(conn, &app.sealer, merchant, &self.hash).await?;
        if record.fingerprint != self.fingerprint.bytes() {
            return Err(AppError::KeyReused);
        }
        if record.answer.is_none() && record.serving_until > now {
            let retry_after = (record.serving_until - now)
                .try_into()
                .unwrap_or(Duration::from_secs(1));
            return Err(AppError::InFlight { retry_after });
        }
        Ok(Some(record))
    }

    /// Marks that a caller is being served again.
    pub(super) async fn serve(
        &self,
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
    ) -> Result<(), AppError> {
        let until = app.clock.now() + SERVING;
        Ok(store::idempotency_records::serve_until(conn, merchant, &self.hash, until).await?)
    }

    /// Marks that the caller has left without a decision.
    pub(super) async fn release(&self, app: &App, merchant: MerchantId) -> Result<(), AppError> {
        let mut conn = app.db.acquire().await.map_err(store::StoreError::from)?;
        let past = OffsetDateTime::UNIX_EPOCH;
        Ok(store::idempotency_records::serve_until(&mut conn, merchant, &self.hash, past).await?)
    }

    /// Holds the key until the transaction ends. `true` while its caller is still waiting for the answer.
    pub(super) async fn lock(
        &self,
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
    ) -> Result<bool, AppError> {
        let record = store::idempotency_records::lock(conn, &app.sealer, merchant, &self.hash).await?;
        Ok(record.serving_until > app.clock.now())
    }

    /// Writes and keeps the answer of a decided operation.
    pub(super) async fn finish(
        &self,
        app: &App,
        conn: &mut PgConnection,
        detail: &PaymentDetail,
        operation: &Operation,
    ) -> Result<Answer, AppError> {
        let answer = (self.render)(detail, operation);
        let merchant = detail.payment.merchant_id;
        store::idempotency_records::finish(
            conn,
            &app.sealer,
            merchant,
            &self.hash,
            answer.status,
            &answer.body,
        )
        .await?;
        Ok(answer)
    }
}
