//! A payment with all that belongs to it.

use sqlx::PgConnection;

use crate::app::{App, AppError};
use crate::domain::exception::ExceptionKind;
use crate::domain::operation::Operation;
use crate::domain::payment::Payment;
use crate::domain::refund::Refund;
use crate::store;
use crate::store::outbox::OutboxEntry;

/// A payment with all that belongs to it, as the API shows it.
#[derive(Clone, Debug)]
pub struct PaymentDetail {
    /// The payment.
    pub payment: Payment,
    /// The key that the customer's browser uses.
    pub publishable_key: Option<String>,
    /// What was asked of the provider, oldest first.
    pub operations: Vec<Operation>,
    /// What was given back, oldest first.
    pub refunds: Vec<Refund>,
    /// What Odoo's books must record, in order.
    pub postings: Vec<OutboxEntry>,
    /// What a person must see: kind and detail.
    pub exceptions: Vec<(ExceptionKind, String)>,
}

impl PaymentDetail {
    /// Reads what belongs to a payment.
    pub(in crate::app) async fn load(
        conn: &mut PgConnection,
        app: &App,
        payment: Payment,
    ) -> Result<Self, AppError> {
        let (merchant, id) = (payment.merchant_id, payment.id);
        let known = app.accounts.get(app, conn, payment.provider_account_id).await?;
        Ok(Self {
            publishable_key: known.account.publishable_key.clone(),
            operations: store::operations::list(conn, merchant, id).await?,
            refunds: store::refunds::list(conn, merchant, id).await?,
            postings: store::outbox::list(conn, merchant, id).await?,
            exceptions: store::exceptions::list(conn, merchant, id).await?,
            payment,
        })
    }
}
