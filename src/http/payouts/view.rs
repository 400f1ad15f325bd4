//! Payouts and what they are made of, as JSON.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::app::reconciliation::report::{KindSum, PayoutLine, Report};
use crate::domain::payout::Payout;
use crate::http::exceptions::ExceptionView;
use crate::http::page::next_cursor;

/// Money on its way from an account at the provider to the merchant's bank, or back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PayoutView {
    /// `pyt_…`
    id: String,
    /// `acc_…`
    provider_account: String,
    /// The provider's id of it, such as `po_…`.
    provider_reference: String,
    /// Where it stands; the provider's own word where it is newer than this version.
    #[schema(examples("paid"))]
    state: String,
    /// What goes to the bank, in minor units; negative where the account owed the provider.
    amount_minor: i64,
    /// ISO 4217.
    currency: &'static str,
    /// Whether the provider's schedule made it: only then can its lines be told apart.
    automatic: bool,
    /// The day on which the bank should have it.
    #[schema(value_type = Option<String>, format = Date)]
    arrives_on: Option<String>,
    /// Why it failed, as the provider's code.
    failure_code: Option<String>,
    /// Why it failed, in the provider's words.
    failure_message: Option<String>,
    /// When it was made, by the provider's clock.
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    /// When what is known of it last changed.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<&Payout> for PayoutView {
    fn from(payout: &Payout) -> Self {
        let told = &payout.told;
        Self {
            id: payout.id.to_string(),
            provider_account: payout.provider_account_id.to_string(),
            provider_reference: told.provider_reference.clone(),
            state: told.state.word().to_owned(),
            amount_minor: told.amount.minor,
            currency: told.amount.currency.code(),
            automatic: told.is_automatic,
            arrives_on: told.arrives_on.map(|date| date.to_string()),
            failure_code: told.failure_code.clone(),
            failure_message: told.failure_message.clone(),
            opened_at: told.opened_at,
            updated_at: payout.updated_at,
        }
    }
}

/// A page of payouts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PayoutList {
    pub(super) data: Vec<PayoutView>,
    /// Ask with it for the next page; null on the last one.
    pub(super) next_cursor: Option<String>,
}

/// What the lines of one type come to, in minor units.
#[derive(Debug, Serialize, ToSchema)]
struct PayoutSumView {
    /// The provider's word for the type.
    #[schema(examples("charge"))]
    kind: String,
    count: i64,
    amount_minor: i64,
    fee_minor: i64,
    net_minor: i64,
}

impl From<&KindSum> for PayoutSumView {
    fn from(sum: &KindSum) -> Self {
        Self {
            kind: sum.kind.clone(),
            count: sum.count,
            amount_minor: sum.amount_minor,
            fee_minor: sum.fee_minor,
            net_minor: sum.net_minor,
        }
    }
}

/// One line of the provider's ledger, in minor units of the payout's currency.
#[derive(Debug, Serialize, ToSchema)]
struct PayoutLineView {
    /// The provider's id of it, such as `txn_…`.
    provider_reference: String,
    /// The provider's word for its type.
    kind: String,
    /// What it is about, by the provider's id.
    source: Option<String>,
    /// The payment that it belongs to, `pay_…`.
    payment: Option<String>,
    /// The merchant's name for that payment.
    reference: Option<String>,
    amount_minor: i64,
    fee_minor: i64,
    net_minor: i64,
    /// When the provider wrote it.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<&PayoutLine> for PayoutLineView {
    fn from(line: &PayoutLine) -> Self {
        Self {
            provider_reference: line.id.clone(),
            kind: line.kind.clone(),
            source: line.source.clone(),
            payment: line.payment_id.map(|id| id.to_string()),
            reference: line.reference.clone(),
            amount_minor: line.amount_minor,
            fee_minor: line.fee_minor,
            net_minor: line.net_minor,
            created_at: line.created_at,
        }
    }
}

/// What a payout is made of.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutReconciliation {
    payout: PayoutView,
    /// Whether all of its lines were read, come to its amount, and nothing about it is open.
    explained: bool,
    /// When all of its lines were read; null before that, and for one whose lines the provider cannot tell apart.
    #[serde(with = "time::serde::rfc3339::option")]
    read_at: Option<OffsetDateTime>,
    /// The sum of the nets of its lines without its own, in minor units.
    net_minor: i64,
    /// What that is more than the payout.
    difference_minor: i64,
    /// What its lines come to, by type; its own among them.
    sums: Vec<PayoutSumView>,
    /// The differences that hold it open, newest first, 100 at most.
    open: Vec<ExceptionView>,
    /// A page of its lines, by the provider's id.
    lines: Vec<PayoutLineView>,
    /// Ask with it for the next page of lines; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Report> for PayoutReconciliation {
    fn from(report: &Report) -> Self {
        Self {
            payout: PayoutView::from(&report.payout),
            explained: report.is_explained(),
            read_at: report.read_at,
            net_minor: report.net.minor,
            difference_minor: report.difference_minor(),
            sums: report.sums.iter().map(PayoutSumView::from).collect(),
            open: report.open.iter().map(ExceptionView::from).collect(),
            lines: report.lines.data.iter().map(PayoutLineView::from).collect(),
            next_cursor: next_cursor(&report.lines, |line| line.id.clone()),
        }
    }
}
