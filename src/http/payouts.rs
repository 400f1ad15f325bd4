//! `/v1/payouts`: money on its way to the merchant's bank, and what each payout is made of.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::check_text;
use super::exceptions::ExceptionView;
use super::extract::Queried;
use super::page::{self, LISTED, next_cursor};
use super::refusals::{Unfound, Unserved};
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::reconciliation::report::{self, KindSum, PayoutLine, Report};
use crate::domain::ids::PayoutId;
use crate::domain::payout::{Payout, PayoutState};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PayoutsQuery {
    /// Where they stand: `pending`, `in_transit`, `paid`, `failed`, `canceled`.
    state: Option<String>,
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

impl PayoutsQuery {
    fn parse(self) -> Result<(Option<PayoutState>, Option<PayoutId>, u16), Problem> {
        let state = self.state.map(|word| {
            let found = PayoutState::ALL.into_iter().find(|state| state.word() == word);
            let words = PayoutState::ALL.map(PayoutState::word).join(", ");
            found.ok_or_else(|| Problem::invalid("state", "invalid_state", format!("must be one of {words}")))
        });
        let after = page::after(self.cursor.as_deref())?;
        Ok((state.transpose()?, after, LISTED.limit(self.limit)?))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LinesQuery {
    /// How many lines at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Money on its way from an account at the provider to the merchant's bank, or back.
#[derive(Debug, Serialize, ToSchema)]
struct PayoutView {
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
    data: Vec<PayoutView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
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
            amount_minor: line.amount_minor,
            fee_minor: line.fee_minor,
            net_minor: line.net_minor,
            created_at: line.created_at,
        }
    }
}

/// What a payout is made of.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PayoutReconciliation {
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

/// What can be no payout's id is no payout's.
fn payout_id(text: &str) -> Result<PayoutId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such payout"))
}

/// A page of the payouts, newest first.
#[utoipa::path(
    tag = "reconciliation",
    params(PayoutsQuery),
    responses((status = 200, body = PayoutList), Unserved, Unfound),
    security(("api_key" = []))
)]
#[get("/v1/payouts")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<PayoutsQuery>,
) -> Result<HttpResponse, Problem> {
    let (state, after, limit) = query.read()?.parse()?;
    let page = report::list_payouts(&app, &caller, state, after, limit).await?;
    Ok(HttpResponse::Ok().json(PayoutList {
        data: page.data.iter().map(PayoutView::from).collect(),
        next_cursor: next_cursor(&page, |payout| payout.id),
    }))
}

/// One payout.
#[utoipa::path(
    tag = "reconciliation",
    params(("id" = String, Path, description = "`pyt_…`")),
    responses((status = 200, body = PayoutView), Unserved, Unfound),
    security(("api_key" = []))
)]
#[get("/v1/payouts/{id}")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let payout = report::get_payout(&app, &caller, payout_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(PayoutView::from(&payout)))
}

/// What a payout is made of: the sums of its lines, what holds it open, and the lines page by page.
#[utoipa::path(
    tag = "reconciliation",
    params(("id" = String, Path, description = "`pyt_…`"), LinesQuery),
    responses((status = 200, body = PayoutReconciliation), Unserved, Unfound),
    security(("api_key" = []))
)]
#[get("/v1/payouts/{id}/reconciliation")]
pub(super) async fn reconciliation(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<LinesQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let after: Option<String> = page::after(query.cursor.as_deref())?;
    check_text("cursor", after.as_deref().unwrap_or_default(), 255)?;
    let limit = LISTED.limit(query.limit)?;
    let report = report::report(&app, &caller, payout_id(&path)?, after.as_deref(), limit).await?;
    Ok(HttpResponse::Ok().json(PayoutReconciliation::from(&report)))
}
