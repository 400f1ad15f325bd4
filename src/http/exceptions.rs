//! `/v1/exceptions`: differences that a person must see: look, resolve, reopen.
//!
//! Neither takes an `Idempotency-Key`: what is resolved stays as it was resolved first, and what is open stays open.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::{check_text, parse_id, parse_time};
use super::extract::{Json, Queried};
use super::page::{self, LISTED, next_cursor};
use super::refusals::{Oversized, Unfound, Unserved, Untouchable};
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::exceptions::{self, ChangeEntry, ExceptionDetail, ExceptionFilter};
use crate::app::{App, Page};
use crate::domain::exception::{Difference, Exception, ExceptionKind, ExceptionState};
use crate::domain::ids::ExceptionId;
use crate::domain::ledger::LedgerAccount;
use crate::domain::reason::Reason;
use crate::domain::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExceptionsQuery {
    /// What kind they are.
    #[param(inline)]
    kind: Option<ExceptionKind>,
    /// Where they stand.
    #[param(inline)]
    state: Option<ExceptionState>,
    /// The payment that they are about: `pay_…`.
    payment: Option<String>,
    /// The payout that they hold open, by the provider's id: `po_…`.
    payout: Option<String>,
    /// First seen then or later, RFC 3339.
    since: Option<String>,
    /// First seen before then, RFC 3339.
    until: Option<String>,
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

impl ExceptionsQuery {
    fn parse(self) -> Result<(ExceptionFilter, Option<ExceptionId>, u16), Problem> {
        check_text("payout", self.payout.as_deref().unwrap_or_default(), 255)?;
        let filter = ExceptionFilter {
            kind: self.kind,
            state: self.state,
            payment: parse_id("payment", self.payment.as_deref())?,
            payout: self.payout,
            since: parse_time("since", self.since.as_deref())?,
            until: parse_time("until", self.until.as_deref())?,
        };
        let after = page::after(self.cursor.as_deref())?;
        Ok((filter, after, LISTED.limit(self.limit)?))
    }
}

/// Why an exception is resolved, and where its money goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveBody {
    /// For whoever reads the books later: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// The account of the ledger to which what waits in suspense for it goes, such as `fees`. Where none is said it stays there, and
    /// the audit counts it as accepted.
    #[schema(value_type = Option<String>, examples("fees"))]
    account: Option<LedgerAccount>,
}

/// Why an exception is reopened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    /// For whoever reads the books later: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

pub(super) fn parse_reason(text: &str) -> Result<Reason, Problem> {
    Reason::parse(text).map_err(|error| Problem::invalid("reason", "invalid_reason", error))
}

/// What differs.
#[derive(Debug, Serialize, ToSchema)]
struct DifferenceView {
    /// In words.
    detail: String,
    /// What should have been, in minor units, where it is an amount.
    expected_minor: Option<i64>,
    /// What was, in minor units.
    found_minor: Option<i64>,
    /// By how much more was found than expected, in minor units; negative where it was less.
    difference_minor: Option<i64>,
    /// ISO 4217.
    currency: Option<&'static str>,
    /// That of what was found, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    found_currency: Option<&'static str>,
}

impl From<&Difference> for DifferenceView {
    fn from(difference: &Difference) -> Self {
        let (expected, found) = (difference.expected, difference.found);
        let currency = expected.or(found).map(|money| money.currency.code());
        let found_currency = found.map(|money| money.currency.code());
        Self {
            detail: difference.detail.clone(),
            expected_minor: expected.map(|money| money.minor),
            found_minor: found.map(|money| money.minor),
            difference_minor: difference.minor(),
            currency,
            found_currency: found_currency.filter(|_| found_currency != currency),
        }
    }
}

/// A difference that a person must see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExceptionView {
    /// `exc_…`
    id: String,
    /// A stable word for what kind it is.
    #[schema(value_type = String, examples("amount_under"))]
    kind: ExceptionKind,
    state: ExceptionState,
    /// What it is about: one kind has one exception on one subject.
    subject: String,
    #[serde(flatten)]
    difference: DifferenceView,
    /// `pay_…`
    payment: Option<String>,
    /// `acc_…`
    provider_account: Option<String>,
    /// The payout that it holds open, by the provider's id.
    payout: Option<String>,
    /// When it was first seen.
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    resolved_at: Option<OffsetDateTime>,
    /// By whom: an API key, `key_…`, `cli`, or `quittance` where it ended by itself.
    resolved_by: Option<String>,
    resolved_reason: Option<String>,
}

impl From<&Exception> for ExceptionView {
    fn from(exception: &Exception) -> Self {
        let resolution = exception.resolution.as_ref();
        Self {
            id: exception.id.to_string(),
            kind: exception.kind,
            state: exception.state(),
            subject: exception.subject.clone(),
            difference: DifferenceView::from(&exception.difference),
            payment: exception.payment_id.map(|id| id.to_string()),
            provider_account: exception.provider_account_id.map(|id| id.to_string()),
            payout: exception.payout.clone(),
            opened_at: exception.opened_at,
            resolved_at: resolution.map(|resolution| resolution.at),
            resolved_by: resolution.map(|resolution| resolution.by.clone()),
            resolved_reason: resolution.map(|resolution| resolution.reason.clone()),
        }
    }
}

/// What became of an exception at one moment, and how the difference stood from then on.
#[derive(Debug, Serialize, ToSchema)]
struct ExceptionChangeView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// An API key, `key_…`, `cli`, or `quittance` where it came by itself.
    by: String,
    /// Null where it was opened for the first time.
    #[schema(inline)]
    from: Option<ExceptionState>,
    #[schema(inline)]
    to: ExceptionState,
    /// Null where it was opened for the first time.
    reason: Option<String>,
    #[serde(flatten)]
    difference: DifferenceView,
}

impl From<&ChangeEntry> for ExceptionChangeView {
    fn from(entry: &ChangeEntry) -> Self {
        let change = &entry.change;
        Self {
            at: change.at,
            by: change.by.clone(),
            from: change.from,
            to: change.to,
            reason: change.reason.clone(),
            difference: DifferenceView::from(&entry.difference),
        }
    }
}

/// A difference that a person must see, with what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExceptionWithHistory {
    #[serde(flatten)]
    exception: ExceptionView,
    /// Its last 100 changes, oldest first.
    history: Vec<ExceptionChangeView>,
}

impl From<&ExceptionDetail> for ExceptionWithHistory {
    fn from(detail: &ExceptionDetail) -> Self {
        Self {
            exception: ExceptionView::from(&detail.exception),
            history: detail.history.iter().map(ExceptionChangeView::from).collect(),
        }
    }
}

/// A page of exceptions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExceptionList {
    data: Vec<ExceptionView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Page<Exception>> for ExceptionList {
    fn from(page: &Page<Exception>) -> Self {
        Self {
            data: page.data.iter().map(ExceptionView::from).collect(),
            next_cursor: next_cursor(page, |exception| exception.id),
        }
    }
}

/// What can be no exception's id is no exception's.
pub(super) fn exception_id(text: &str) -> Result<ExceptionId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such exception"))
}

/// A page of the exceptions, newest first. Scope `exceptions:read`.
#[utoipa::path(
    tag = "exceptions",
    params(ExceptionsQuery),
    responses((status = 200, body = ExceptionList), Unserved, Unfound),
    security(("api_key" = ["exceptions:read"]))
)]
#[get("/v1/exceptions", wrap = "Wants(Scope::ExceptionsRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<ExceptionsQuery>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let (filter, after, limit) = query.read()?.parse()?;
    let page = exceptions::list(&app, &operator, &filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(ExceptionList::from(&page)))
}

/// One exception, with what became of it. Scope `exceptions:read`.
#[utoipa::path(
    tag = "exceptions",
    params(("id" = String, Path, description = "`exc_…`")),
    responses((status = 200, body = ExceptionWithHistory), Unserved, Unfound),
    security(("api_key" = ["exceptions:read"]))
)]
#[get("/v1/exceptions/{id}", wrap = "Wants(Scope::ExceptionsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let detail = exceptions::get(&app, &operator, exception_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(ExceptionWithHistory::from(&detail)))
}

/// Says that the difference, as it stands, is settled, and where what waits in suspense for it belongs. It opens again by itself where
/// it comes back as another one. Scope `exceptions:write`. No key is needed: it stays as it was resolved first.
#[utoipa::path(
    tag = "exceptions",
    params(("id" = String, Path, description = "`exc_…`")),
    request_body = ResolveBody,
    responses((status = 200, body = ExceptionWithHistory, description = "resolved"),
              Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["exceptions:write"]))
)]
#[post("/v1/exceptions/{id}/resolve", wrap = "Wants(Scope::ExceptionsWrite)")]
pub(super) async fn resolve(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    json: Json<ResolveBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let id = exception_id(&path)?;
    let reason = parse_reason(&json.body.reason)?;
    let detail = exceptions::resolve(&app, &operator, id, &reason, json.body.account).await?;
    Ok(HttpResponse::Ok().json(ExceptionWithHistory::from(&detail)))
}

/// Says that the difference is not settled after all; what was moved out of suspense goes back. Scope `exceptions:write`. No key is needed: what is open stays open.
#[utoipa::path(
    tag = "exceptions",
    params(("id" = String, Path, description = "`exc_…`")),
    request_body = ReasonBody,
    responses((status = 200, body = ExceptionWithHistory, description = "open again"),
              Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["exceptions:write"]))
)]
#[post("/v1/exceptions/{id}/reopen", wrap = "Wants(Scope::ExceptionsWrite)")]
pub(super) async fn reopen(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    json: Json<ReasonBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let id = exception_id(&path)?;
    let reason = parse_reason(&json.body.reason)?;
    let detail = exceptions::reopen(&app, &operator, id, &reason).await?;
    Ok(HttpResponse::Ok().json(ExceptionWithHistory::from(&detail)))
}
