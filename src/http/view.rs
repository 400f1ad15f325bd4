//! What the API shows of a payment.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use secrecy::ExposeSecret;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Problem;
use super::new_payment::SettlesBody;
use super::page::next_cursor;
use crate::app::payments::{After, PaymentDetail};
use crate::app::{Answer, Page};
use crate::domain::checkout::CheckoutState;
use crate::domain::operation::{Operation, OperationKind, OperationState, Reason};
use crate::domain::outbox::OutboxState;
use crate::domain::payment::{CaptureMethod, Decline, PaymentState, Shipping, Usage};
use crate::domain::refund::RefundState;
use crate::store::outbox::OutboxEntry;

/// A payment: money owed for one Odoo transaction reference, and what became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentView {
    /// `pay_…`
    id: String,
    /// Odoo's own reference of it.
    reference: String,
    state: PaymentState,
    /// What the customer owes, in minor units.
    amount_minor: i64,
    /// ISO 4217.
    currency: &'static str,
    capture_method: CaptureMethod,
    /// `cus_…`, where it is known who pays.
    customer: Option<String>,
    setup_future_usage: Option<Usage>,
    statement_descriptor: Option<String>,
    receipt_email: Option<String>,
    shipping: Option<Shipping>,
    /// Until when the customer may pay.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// The page on which it is paid, where it is: `chk_…`.
    checkout_session: Option<String>,
    /// What is or was held for you, in minor units.
    authorized_minor: i64,
    /// What was taken, in minor units.
    captured_minor: i64,
    /// What was given back or is on its way, in minor units.
    refunded_minor: i64,
    /// What can still be captured, in minor units.
    capturable_minor: i64,
    /// What open and lost disputes took, in minor units; inquiries take nothing.
    disputed_minor: i64,
    /// `acc_…`
    provider_account: String,
    /// `odo_…`, where the payment goes into an Odoo's books.
    odoo_instance: Option<String>,
    /// The provider's id of it, such as `pi_…`.
    provider_reference: Option<String>,
    /// What lets the customer's browser finish it; hand it to no one else.
    client_secret: Option<String>,
    /// The key that the customer's browser uses.
    publishable_key: Option<String>,
    /// What the customer must do, as the provider's script wants it.
    next_action: Option<serde_json::Value>,
    /// Why the last attempt was declined; the customer may try again while the state is not final.
    decline: Option<Decline>,
    /// The documents of Odoo that it settles.
    settles: Vec<SettlesBody>,
    description: Option<String>,
    metadata: BTreeMap<String, String>,
    /// What was asked of the provider, oldest first.
    operations: Vec<OperationView>,
    /// What was given back, oldest first.
    refunds: Vec<RefundView>,
    /// What Odoo's books must record, in order.
    postings: Vec<PostingView>,
    /// Differences that a person must see, as long as they are open.
    exceptions: Vec<PaymentExceptionView>,
    /// Grows with every change.
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// One money-moving call to the provider.
#[derive(Debug, Serialize, ToSchema)]
struct OperationView {
    /// `op_…`, which is also the provider's idempotency key.
    id: String,
    kind: OperationKind,
    state: OperationState,
    amount_minor: i64,
    /// Odoo's own reference of the child transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// Money given back.
#[derive(Debug, Serialize, ToSchema)]
struct RefundView {
    /// `re_…`
    id: String,
    state: RefundState,
    amount_minor: i64,
    /// The provider's id of it.
    provider_reference: String,
}

/// Something that Odoo's books must record, and how far it got.
#[derive(Debug, Serialize, ToSchema)]
struct PostingView {
    /// `msg_…`
    id: String,
    /// `customer_payment`, `customer_refund`, `refund_returned` or `booking`; `payment_updated` where Odoo has our addon.
    kind: &'static str,
    /// The provider's id of what happened.
    key: String,
    state: OutboxState,
    /// How often Odoo refused it.
    attempts: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When it is tried next.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    due_at: Option<OffsetDateTime>,
    /// What it became in Odoo, such as `account.payment,12`.
    records: Vec<String>,
}

/// A difference that a person must see.
#[derive(Debug, Serialize, ToSchema)]
struct PaymentExceptionView {
    /// `exc_…`
    id: String,
    /// A stable word for what kind it is.
    #[schema(value_type = String)]
    kind: crate::domain::exception::ExceptionKind,
    detail: String,
}

/// A page of payments.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentList {
    data: Vec<PaymentView>,
    /// What to send as `cursor` for the next page; none on the last.
    next_cursor: Option<String>,
}

impl From<&Page<PaymentDetail>> for PaymentList {
    fn from(page: &Page<PaymentDetail>) -> Self {
        Self {
            data: page.data.iter().map(PaymentView::from).collect(),
            next_cursor: next_cursor(page, |detail| After {
                id: detail.payment.id,
                updated_at: detail.payment.updated_at,
            }),
        }
    }
}

impl From<&PaymentDetail> for PaymentView {
    fn from(detail: &PaymentDetail) -> Self {
        let payment = &detail.payment;
        let open = !payment.state.is_final();
        Self {
            id: payment.id.to_string(),
            reference: payment.reference.as_str().to_owned(),
            state: payment.state,
            amount_minor: payment.amount.minor(),
            currency: payment.amount.currency().code(),
            capture_method: payment.capture_method,
            customer: payment.customer_id.map(|id| id.to_string()),
            setup_future_usage: payment.terms.setup_future_usage,
            statement_descriptor: payment.terms.statement_descriptor.clone(),
            receipt_email: payment.terms.receipt_email.clone(),
            shipping: payment.terms.shipping.clone(),
            expires_at: payment.expires_at,
            checkout_session: detail.checkout.as_ref().map(|session| session.id.to_string()),
            authorized_minor: payment.authorized_minor,
            captured_minor: payment.captured_minor,
            refunded_minor: payment.refunded_minor,
            capturable_minor: payment.capturable_minor(),
            disputed_minor: payment.disputed_minor,
            provider_account: payment.provider_account_id.to_string(),
            odoo_instance: payment.odoo_instance_id.map(|id| id.to_string()),
            provider_reference: payment.provider_reference.clone(),
            // A browser has nothing to do once the payment is at its end, or where it is paid on a page.
            client_secret: payment
                .client_secret
                .as_ref()
                .filter(|_| open && !payment.hosted)
                .map(|secret| secret.expose_secret().to_owned()),
            publishable_key: detail.publishable_key.clone(),
            next_action: payment.next_action.clone(),
            decline: payment.decline.clone(),
            settles: payment.settles.iter().map(SettlesBody::from).collect(),
            description: payment.description.clone(),
            metadata: payment.metadata.clone(),
            operations: detail.operations.iter().map(OperationView::from).collect(),
            refunds: detail
                .refunds
                .iter()
                .map(|refund| RefundView {
                    id: refund.id.to_string(),
                    state: refund.state,
                    amount_minor: refund.amount_minor,
                    provider_reference: refund.provider_reference.clone(),
                })
                .collect(),
            postings: detail.postings.iter().map(PostingView::from).collect(),
            exceptions: detail
                .exceptions
                .iter()
                .map(|exception| PaymentExceptionView {
                    id: exception.id.to_string(),
                    kind: exception.kind,
                    detail: exception.detail.clone(),
                })
                .collect(),
            version: payment.version,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}

impl From<&Operation> for OperationView {
    fn from(operation: &Operation) -> Self {
        Self {
            id: operation.id.to_string(),
            kind: operation.kind,
            state: operation.state,
            amount_minor: operation.amount_minor,
            reference: operation.ask.reference.clone(),
            reason: operation.ask.reason,
            error_code: operation.error_code.clone(),
            error_message: operation.error_message.clone(),
        }
    }
}

impl From<&OutboxEntry> for PostingView {
    fn from(entry: &OutboxEntry) -> Self {
        let records = entry
            .result
            .as_ref()
            .map(|posted| posted.records.as_slice())
            .unwrap_or_default();
        Self {
            id: entry.id.to_string(),
            kind: entry.posting.kind(),
            key: entry.posting.key(),
            state: entry.state,
            attempts: entry.attempts,
            last_error: entry.last_error.clone(),
            due_at: entry.due_at,
            records: records
                .iter()
                .map(|record| format!("{},{}", record.model, record.id))
                .collect(),
        }
    }
}

/// A page of the provider's on which a payment is paid.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckoutView {
    /// `chk_…`
    id: String,
    state: CheckoutState,
    /// Where to send the customer, while it is open. Whoever has the address can pay.
    url: Option<String>,
    /// Until when it is open.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// The provider's id of it, such as `cs_…`.
    provider_reference: Option<String>,
    /// What is paid there.
    payment: PaymentView,
}

impl CheckoutView {
    /// The page of a payment, where it is paid on one.
    pub(super) fn of(detail: &PaymentDetail) -> Option<Self> {
        let session = detail.checkout.as_ref()?;
        let open = session.state == CheckoutState::Open;
        Some(Self {
            id: session.id.to_string(),
            state: session.state,
            url: session
                .url
                .as_ref()
                .filter(|_| open)
                .map(|url| url.expose_secret().to_owned()),
            expires_at: session.expires_at,
            provider_reference: session.provider_reference.clone(),
            payment: detail.into(),
        })
    }
}

/// Writes the answer of a decided operation: the payment, or why the provider refused the request.
pub(super) fn render(detail: &PaymentDetail, operation: &Operation) -> Answer {
    write(detail, operation, &PaymentView::from(detail))
}

/// The same, with the page on which the payment is paid around it.
pub(super) fn render_checkout(detail: &PaymentDetail, operation: &Operation) -> Answer {
    write(detail, operation, &CheckoutView::of(detail))
}

fn write(detail: &PaymentDetail, operation: &Operation, view: &impl Serialize) -> Answer {
    if operation.state == OperationState::Refused {
        let code = operation.error_code.as_deref().unwrap_or_default();
        let message = operation.error_message.as_deref().unwrap_or_default();
        let refusal = format!("the provider refused the request: {code}: {message}");
        let problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "provider_refused", refusal).of(&detail.payment);
        let (status, body) = problem.to_bytes();
        return Answer { status, body };
    }
    let status = match operation.kind {
        OperationKind::Authorize | OperationKind::Checkout | OperationKind::Refund => StatusCode::CREATED,
        OperationKind::Confirm | OperationKind::Capture | OperationKind::Cancel => StatusCode::OK,
    };
    Answer {
        status: status.as_u16(),
        body: serde_json::to_vec(view).unwrap_or_default(),
    }
}
