//! `/v1/payouts`: money on its way to the merchant's bank, and what each payout is made of.

mod csv;
mod format;
mod html;
mod text;
mod view;
mod words;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    Accept, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, get, web};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Problem;
use super::check::check_text;
use super::extract::Queried;
use super::page::{self, LISTED, next_cursor};
use super::refusals::{Unfound, Unserved};
use crate::app::auth::{Caller, Whose};
use crate::app::reconciliation::report::{self, AllLines};
use crate::app::{App, AppError};
use crate::domain::ids::PayoutId;
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::scope::Scope;
use crate::http::wants::Wants;

pub use csv::{csv_header, csv_rows};
use format::Format;
use html::ReportPage;
pub use text::ReportText;
pub use view::PayoutReconciliation;
use view::{PayoutList, PayoutView};

/// How many lines a page to read has at most; the CSV has all.
pub const SHOWN: u16 = 1_000;

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
    /// `json`, `csv` with all of its lines, or `html` to read and print; it goes before the `Accept` header.
    #[param(inline)]
    format: Option<Format>,
    /// How many lines at most: 1 to 100, 20 by default. Of JSON alone.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before. Of JSON alone.
    cursor: Option<String>,
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
    security(("api_key" = ["payouts:read"]))
)]
#[get("/v1/payouts", wrap = "Wants(Scope::PayoutsRead)")]
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
    security(("api_key" = ["payouts:read"]))
)]
#[get("/v1/payouts/{id}", wrap = "Wants(Scope::PayoutsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let payout = report::get_payout(&app, &caller, payout_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(PayoutView::from(&payout)))
}

/// What a payout is made of: the sums of its lines, what holds it open, and the lines page by page.
///
/// As CSV (`Accept: text/csv` or `?format=csv`) every line of it, by the provider's id: RFC 4180 in UTF-8 under a header. `payout` and
/// `line` are the provider's ids, `type` and `category` its words for what the line is, `source` its id of what it is about, `payment`
/// and `reference` the payment of ours and the merchant's name for it, `description` what the provider says of it, `created_at` and
/// `available_on` RFC 3339 in UTC, `currency` ISO 4217; `amount`, `fee` and `net` are decimals with the currency's own number of
/// decimals, and `amount_minor`, `fee_minor` and `net_minor` the same in whole minor units. A text that a spreadsheet would take for a
/// formula begins with an apostrophe. The file is named `…-unread.csv` while not all lines are read.
///
/// As HTML (`Accept: text/html` or `?format=html`) a page to read and print, with the first 1,000 lines.
#[utoipa::path(
    tag = "reconciliation",
    params(("id" = String, Path, description = "`pyt_…`"), LinesQuery),
    responses((status = 200, content(
                  (PayoutReconciliation = "application/json"), (String = "text/csv"), (String = "text/html"))),
              Unserved, Unfound),
    security(("api_key" = ["payouts:read"]))
)]
#[get("/v1/payouts/{id}/reconciliation", wrap = "Wants(Scope::PayoutsRead)")]
pub(super) async fn reconciliation(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<LinesQuery>,
    accepted: Option<web::Header<Accept>>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let id = payout_id(&path)?;
    let format = query
        .format
        .unwrap_or_else(|| Format::accepted(accepted.map(web::Header::into_inner)));
    if format != Format::Json && (query.limit.is_some() || query.cursor.is_some()) {
        let field = if query.limit.is_some() { "limit" } else { "cursor" };
        return Err(Problem::invalid(field, "invalid_format", "is of JSON alone"));
    }
    let after: Option<String> = page::after(query.cursor.as_deref())?;
    check_text("cursor", after.as_deref().unwrap_or_default(), 255)?;
    let limit = match format {
        Format::Json => LISTED.limit(query.limit)?,
        Format::Html => SHOWN,
        Format::Csv => 1,
    };
    let report = report::report(&app, Whose::from(&caller), id, after.as_deref(), limit).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((VARY, "accept"));
    Ok(match format {
        Format::Json => response.json(PayoutReconciliation::from(&report)),
        Format::Html => response
            .insert_header((CONTENT_SECURITY_POLICY, html::POLICY.as_str()))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .content_type("text/html; charset=utf-8")
            .body(ReportPage(&report).to_string()),
        Format::Csv => {
            let unread = if report.read_at.is_some() { "" } else { "-unread" };
            let name = format!("attachment; filename=\"{id}{unread}.csv\"");
            response
                .insert_header((CONTENT_DISPOSITION, name))
                .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .insert_header((CACHE_CONTROL, "no-store"))
                .content_type("text/csv; charset=utf-8; header=present")
                .streaming(rows(Arc::clone(&app), report.payout))
        }
    })
}

/// The rows of a payout's lines, read while they are sent.
fn rows(app: Arc<App>, payout: Payout) -> impl Stream<Item = Result<Bytes, AppError>> {
    let reference = payout.told.provider_reference.clone();
    let header = stream::once(async { Ok(Bytes::from(csv_header())) });
    let rows = stream::try_unfold(AllLines::of(payout), move |mut lines| {
        let (app, reference) = (Arc::clone(&app), reference.clone());
        async move {
            let some = lines.next(&app).await.inspect_err(|error| {
                // Its status is sent: that the body ends in the middle is all that the caller can be told.
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    payout = reference,
                    "a report could not be read to its end"
                );
            })?;
            Ok(some.map(|some| (Bytes::from(csv_rows(&reference, &some)), lines)))
        }
    });
    header.chain(rows)
}
