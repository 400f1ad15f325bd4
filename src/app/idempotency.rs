//! Makes a repeated request the same request.
//!
//! A key is claimed in the transaction that writes the operation, so that the two exist together or not at all. It is
//! finished when its operation is decided; a 202 is never kept. Source: IETF draft `Idempotency-Key`, and what Stripe
//! does.

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

use super::auth::{Administrator, Caller};
use super::payments::PaymentDetail;
use super::{App, AppError, commit};
use crate::domain::idempotency::{Asked, Fingerprint, IdempotencyKey};
use crate::domain::ids::{MerchantId, OperationId};
use crate::domain::operation::Operation;
use crate::provider::ProviderError;
use crate::store;
use crate::store::idempotency_records::IdempotencyRecord;
use crate::telemetry::metrics;

/// How long a claim is held for a caller who is being served: past the longest answer, and Odoo's patience.
const SERVING: time::Duration = time::Duration::seconds(10);

/// An answer as it goes over the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, byte for byte. It may hold a client secret.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer {}, {} bytes", self.status, self.body.len())
    }
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

/// A caller's key and what it was used for.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key within its merchant: the hash of the principal and the caller's key.
    hash: [u8; 32],
    /// What is asked.
    fingerprint: Fingerprint,
}

/// How far a call that moves no money has come under its key.
#[derive(Debug)]
enum Begun {
    /// It was answered before.
    Answered(Answer),
    /// It is to be made, under this id: the same one however often it is begun, for the provider to deduplicate on.
    Call(OperationId),
}

impl Key {
    /// A request of `caller` under `key`.
    #[must_use]
    pub fn new(caller: &Caller, key: &IdempotencyKey, fingerprint: Fingerprint) -> Self {
        Self::of(caller.key_id.uuid(), key, fingerprint)
    }

    /// A request of `administrator` under `key`.
    #[must_use]
    pub fn of_administrator(
        administrator: &Administrator,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
    ) -> Self {
        Self::of(administrator.principal, key, fingerprint)
    }

    fn of(principal: Uuid, key: &IdempotencyKey, fingerprint: Fingerprint) -> Self {
        Self {
            hash: hash_of(principal, key),
            fingerprint,
        }
    }

    /// What is asked under which key, as an operation keeps it.
    pub(super) const fn asked(&self) -> Asked {
        Asked {
            key_hash: self.hash,
            fingerprint: self.fingerprint,
        }
    }

    /// The principal and the caller's key, as they are kept.
    pub(super) const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Claims the key for an operation that is about to be written; the record where it was claimed before. While the merchant is
    /// fenced, nothing is claimed: what was answered before is answered again, and nothing else.
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
        let fenced = store::restores::is_fenced(conn, merchant).await?;
        if fenced && !store::idempotency_records::exists(conn, merchant, &self.hash).await? {
            return Err(AppError::Fenced);
        }
        let record = store::idempotency_records::lock(conn, &app.sealer, merchant, &self.hash).await?;
        if record.fingerprint != self.fingerprint.bytes() {
            metrics::key_presented("mismatch");
            return Err(AppError::KeyReused);
        }
        if fenced && record.answer.is_none() {
            return Err(AppError::Fenced);
        }
        if record.answer.is_none() && record.serving_until > now {
            let retry_after = (record.serving_until - now)
                .try_into()
                .unwrap_or(Duration::from_secs(1));
            metrics::key_presented("in_flight");
            return Err(AppError::InFlight { retry_after });
        }
        Ok(Some(record))
    }

    /// Begins a call that moves no money, or says how it was answered. Nothing else is held or written: such a call is safe
    /// to make again under its id, and whoever repeats the request makes it again.
    async fn begin(&self, app: &App, merchant: MerchantId) -> Result<Begun, AppError> {
        let id = OperationId::generate();
        let mut tx = app.begin(merchant).await?;
        let begun = match self.claim(app, &mut tx, merchant, id).await? {
            None => Begun::Call(id),
            Some(IdempotencyRecord {
                answer: Some((status, body)),
                ..
            }) => Begun::Answered(Answer { status, body }),
            Some(record) => {
                self.serve(app, &mut tx, merchant).await?;
                Begun::Call(record.operation_id)
            }
        };
        commit(tx).await?;
        Ok(begun)
    }

    /// Makes a call that moves no money, as long as a caller can wait, or replays its answer. `work` keeps the answer with
    /// [`finish`](Self::finish) and says how long the provider took. Where it brings no answer, the caller may repeat the
    /// request at once, and the work is done again under the same id.
    pub(super) async fn once<F>(
        &self,
        app: &App,
        merchant: MerchantId,
        work: impl FnOnce(OperationId) -> F,
    ) -> Result<Served, AppError>
    where
        F: Future<Output = Result<(Answer, Duration), AppError>>,
    {
        let id = match self.begin(app, merchant).await? {
            Begun::Answered(answer) => return Ok(Served::Replayed(answer)),
            Begun::Call(id) => id,
        };
        let done = tokio::time::timeout(app.timing.answer_within, work(id)).await;
        match done.unwrap_or_else(|_elapsed| Err(AppError::Provider(ProviderError::too_slow()))) {
            Ok((answer, provider_time)) => Ok(Served::Fresh {
                answer,
                provider_time,
            }),
            // Something may have happened under the id: the repeat must go out under the same one.
            Err(error @ (AppError::Provider(_) | AppError::Store(_) | AppError::Interrupted)) => {
                self.release(app, merchant).await?;
                Err(error)
            }
            // Refused by us: the key stands for nothing.
            Err(error) => {
                let mut tx = app.begin(merchant).await?;
                store::idempotency_records::forget(&mut tx, merchant, &self.hash).await?;
                commit(tx).await?;
                Err(error)
            }
        }
    }

    /// Whether the key was claimed before.
    pub(super) async fn is_used(&self, app: &App, merchant: MerchantId) -> Result<bool, AppError> {
        let mut conn = app.db.read(merchant).await?;
        Ok(store::idempotency_records::exists(&mut conn, merchant, &self.hash).await?)
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
        let mut tx = app.begin(merchant).await?;
        let past = OffsetDateTime::UNIX_EPOCH;
        store::idempotency_records::serve_until(&mut tx, merchant, &self.hash, past).await?;
        commit(tx).await
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

    /// Holds the key until the transaction ends; the answer that is kept under it, where one is.
    pub(super) async fn lock_answer(
        &self,
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
    ) -> Result<Option<Answer>, AppError> {
        let record = store::idempotency_records::lock(conn, &app.sealer, merchant, &self.hash).await?;
        Ok(record.answer.map(|(status, body)| Answer { status, body }))
    }

    /// Keeps the answer for every later request under the key.
    pub(super) async fn finish(
        &self,
        app: &App,
        conn: &mut PgConnection,
        merchant: MerchantId,
        answer: &Answer,
    ) -> Result<(), AppError> {
        let (status, body) = (answer.status, &answer.body);
        store::idempotency_records::finish(conn, &app.sealer, merchant, &self.hash, status, body).await?;
        Ok(())
    }
}

/// A principal's key within its merchant.
fn hash_of(principal: Uuid, key: &IdempotencyKey) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(principal.as_bytes());
    hasher.update(key.as_str().as_bytes());
    hasher.finalize().into()
}

/// Whether a caller's key was claimed before, as far as can be seen now.
pub(super) async fn is_known(app: &App, caller: &Caller, key: &IdempotencyKey) -> bool {
    let Ok(mut conn) = app.db.read(caller.merchant_id).await else {
        return false;
    };
    let hash = hash_of(caller.key_id.uuid(), key);
    let found = store::idempotency_records::exists(&mut conn, caller.merchant_id, &hash).await;
    found.unwrap_or(false)
}

/// A request to move money under a key, and how its answer will be written.
#[derive(Clone, Copy, Debug)]
pub struct Keyed {
    pub(super) key: Key,
    /// Writes the answer of a decided operation.
    render: fn(&PaymentDetail, &Operation) -> Answer,
}

impl Keyed {
    /// A request under a key, answered as `render` writes it.
    #[must_use]
    pub const fn new(key: Key, render: fn(&PaymentDetail, &Operation) -> Answer) -> Self {
        Self { key, render }
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
        self.key.finish(app, conn, merchant, &answer).await?;
        Ok(answer)
    }
}
