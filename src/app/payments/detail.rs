//! A payment with all that belongs to it.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::app::{App, AppError};
use crate::domain::checkout::CheckoutSession;
use crate::domain::ids::{MerchantId, PaymentId};
use crate::domain::operation::Operation;
use crate::domain::payment::Payment;
use crate::domain::refund::Refund;
use crate::store;
use crate::store::exceptions::ExceptionEntry;
use crate::store::outbox::OutboxEntry;

/// A payment with all that belongs to it, as the API shows it.
#[derive(Clone, Debug)]
pub struct PaymentDetail {
    /// The payment.
    pub payment: Payment,
    /// The key that the customer's browser uses.
    pub publishable_key: Option<String>,
    /// The provider's page on which it is paid, where it is.
    pub checkout: Option<CheckoutSession>,
    /// What was asked of the provider, oldest first.
    pub operations: Vec<Operation>,
    /// What was given back, oldest first.
    pub refunds: Vec<Refund>,
    /// What Odoo's books must record, in order.
    pub postings: Vec<OutboxEntry>,
    /// What a person must see, oldest first.
    pub exceptions: Vec<ExceptionEntry>,
}

impl PaymentDetail {
    /// Reads what belongs to a payment.
    pub(in crate::app) async fn load(
        conn: &mut PgConnection,
        app: &App,
        payment: Payment,
    ) -> Result<Self, AppError> {
        let merchant = payment.merchant_id;
        let mut details = Self::load_all(conn, app, merchant, vec![payment]).await?;
        details.pop().ok_or(AppError::NotFound("payment"))
    }

    /// Reads what belongs to several payments of one merchant, in as many queries as for one.
    pub(in crate::app) async fn load_all(
        conn: &mut PgConnection,
        app: &App,
        merchant: MerchantId,
        payments: Vec<Payment>,
    ) -> Result<Vec<Self>, AppError> {
        let ids: Vec<PaymentId> = payments.iter().map(|payment| payment.id).collect();
        let operations = store::operations::list_of(conn, merchant, &ids).await?;
        let mut operations = by_payment(operations, |operation| operation.payment_id);
        let refunds = store::refunds::list_of(conn, merchant, &ids).await?;
        let mut refunds = by_payment(refunds, |refund| refund.payment_id);
        let postings = store::outbox::list_of(conn, merchant, &ids).await?;
        let mut postings = by_payment(postings, |posting| posting.payment_id);
        let exceptions = store::exceptions::list_of(conn, merchant, &ids).await?;
        let mut exceptions = by_payment(exceptions, |exception| exception.payment_id);
        let mut details = Vec::with_capacity(payments.len());
        for payment in payments {
            let id = payment.id;
            let known = app
                .accounts
                .get(app, conn, payment.merchant_id, payment.provider_account_id)
                .await?;
            let checkout = if payment.hosted {
                store::checkout_sessions::find(conn, &app.sealer, merchant, id).await?
            } else {
                None
            };
            details.push(Self {
                publishable_key: known.account.publishable_key.clone(),
                checkout,
                operations: operations.remove(&id).unwrap_or_default(),
                refunds: refunds.remove(&id).unwrap_or_default(),
                postings: postings.remove(&id).unwrap_or_default(),
                exceptions: exceptions.remove(&id).unwrap_or_default(),
                payment,
            });
        }
        Ok(details)
    }
}

/// Sorts what belongs to several payments, keeping the order of each one's.
fn by_payment<T>(all: Vec<T>, payment_of: impl Fn(&T) -> PaymentId) -> HashMap<PaymentId, Vec<T>> {
    let mut sorted: HashMap<PaymentId, Vec<T>> = HashMap::new();
    for each in all {
        sorted.entry(payment_of(&each)).or_default().push(each);
    }
    sorted
}
