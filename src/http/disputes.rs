//! `/v1/disputes`: look, list, answer.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::{check_text, check_token, parse_id, parse_time};
use super::extract::{EmptyBody, Json, Queried, RequiredKey};
use super::page::{self, LISTED};
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::disputes::{self, DisputeFilter};
use crate::app::{Answer, App, Key};
use crate::domain::dispute::{Dispute, DisputeState, Evidence, EvidenceKind};
use crate::domain::ids::DisputeId;
use crate::domain::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DisputeQuery {
    /// Whether to read the dispute from the provider first.
    #[serde(default)]
    refresh: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DisputesQuery {
    /// Where they stand.
    #[param(inline)]
    state: Option<DisputeState>,
    /// The payment that they are about: `pay_…`.
    payment: Option<String>,
    /// Those that are open and whose evidence is due before then, RFC 3339.
    due_before: Option<String>,
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

impl DisputesQuery {
    fn parse(self) -> Result<(DisputeFilter, Option<DisputeId>, u16), Problem> {
        let limit = LISTED.limit(self.limit)?;
        let after = page::after(self.cursor.as_deref())?;
        let filter = DisputeFilter {
            state: self.state,
            payment: parse_id("payment", self.payment.as_deref())?,
            due_before: parse_time("due_before", self.due_before.as_deref())?,
        };
        Ok((filter, after, limit))
    }
}

/// What is said against a dispute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceBody {
    /// What to leave at the provider; 150,000 characters in all. It is kept there, not here.
    #[serde(default)]
    evidence: Evidence,
    /// Whether all that is at the provider goes to the bank now. That can be done once; until then `false` saves more.
    submit: bool,
}

impl EvidenceBody {
    /// Takes the body for evidence, or names the first field that cannot be right.
    fn parse(self) -> Result<(Evidence, bool), Problem> {
        let mut whole = 0;
        for (name, kind, text) in self.evidence.given() {
            let field = format!("evidence.{name}");
            match kind {
                EvidenceKind::Text | EvidenceKind::Line => check_text(&field, text, kind.limit())?,
                EvidenceKind::File if text.is_empty() => {}
                EvidenceKind::File => {
                    check_token(&field, text)?;
                    if !text.starts_with("file_") {
                        let message = "must be the provider's id of a file, such as file_…";
                        return Err(Problem::invalid(field, "invalid_id", message));
                    }
                }
            }
            whole += text.chars().count();
        }
        if whole > Evidence::LIMIT {
            let message = format!("may have {} characters in all", Evidence::LIMIT);
            return Err(Problem::invalid("evidence", "too_long", message));
        }
        if self.evidence.is_empty() && !self.submit {
            let message = "says nothing; give some, or submit what is saved";
            return Err(Problem::invalid("evidence", "missing_field", message));
        }
        Ok((self.evidence, self.submit))
    }
}

/// A dispute: money that a customer's bank takes back, or asks about.
#[derive(Debug, Serialize, ToSchema)]
struct DisputeView {
    /// `dsp_…`
    id: String,
    /// Where it stands; the provider's own word where it is newer than this version. `warning…` is an inquiry: no money moved.
    #[schema(examples("needs_response"))]
    state: String,
    /// The payment that it is about, `pay_…`; null where that did not start here.
    payment: Option<String>,
    /// `acc_…`
    provider_account: String,
    /// The provider's id of it, such as `dp_…`.
    provider_reference: String,
    /// The provider's id of the charge, such as `ch_…`.
    charge_reference: Option<String>,
    /// The provider's id of the payment, such as `pi_…`.
    payment_reference: Option<String>,
    /// What is disputed, in minor units.
    amount_minor: i64,
    /// ISO 4217.
    currency: &'static str,
    /// The provider's word for why.
    reason: Option<String>,
    /// Until when evidence is taken; null where the bank takes none.
    #[serde(with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    /// Whether there is evidence at the provider, submitted or not.
    has_evidence: bool,
    /// How often evidence was submitted.
    submission_count: i64,
    /// Whether giving the money back by hand would still end it.
    is_charge_refundable: bool,
    /// When the provider opened it.
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    /// Grows with every change.
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A page of disputes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DisputeList {
    data: Vec<DisputeView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Dispute> for DisputeView {
    fn from(dispute: &Dispute) -> Self {
        let told = &dispute.told;
        Self {
            id: dispute.id.to_string(),
            state: told.state.word().to_owned(),
            payment: dispute.payment_id.map(|id| id.to_string()),
            provider_account: dispute.provider_account_id.to_string(),
            provider_reference: told.provider_reference.clone(),
            charge_reference: told.charge_reference.clone(),
            payment_reference: told.payment_reference.clone(),
            amount_minor: told.amount.minor,
            currency: told.amount.currency.code(),
            reason: told.reason.clone(),
            due_at: told.due_at,
            has_evidence: told.has_evidence,
            submission_count: told.submission_count,
            is_charge_refundable: told.is_charge_refundable,
            opened_at: told.opened_at,
            version: dispute.version,
            created_at: dispute.created_at,
            updated_at: dispute.updated_at,
        }
    }
}

fn render(dispute: &Dispute) -> Answer {
    Answer {
        status: StatusCode::OK.as_u16(),
        body: serde_json::to_vec(&DisputeView::from(dispute)).unwrap_or_default(),
    }
}

/// What can be no dispute's id is no dispute's.
fn dispute_id(text: &str) -> Result<DisputeId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such dispute"))
}

/// A page of the disputes, newest first.
#[utoipa::path(
    tag = "disputes",
    params(DisputesQuery),
    responses((status = 200, body = DisputeList), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/disputes", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<DisputesQuery>,
) -> Result<HttpResponse, Problem> {
    let (filter, after, limit) = query.read()?.parse()?;
    let page = disputes::list(&app, &caller, &filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(DisputeList {
        data: page.data.iter().map(DisputeView::from).collect(),
        next_cursor: page::next_cursor(&page, |dispute| dispute.id),
    }))
}

/// One dispute.
#[utoipa::path(
    tag = "disputes",
    params(("id" = String, Path, description = "`dsp_…`"), DisputeQuery),
    responses((status = 200, body = DisputeView), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/disputes/{id}", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<DisputeQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let dispute = disputes::get(&app, &caller, dispute_id(&path)?, query.refresh).await?;
    Ok(HttpResponse::Ok().json(DisputeView::from(&dispute)))
}

/// Leaves evidence at the provider, and hands it over to the bank where `submit` says so.
#[utoipa::path(
    tag = "disputes",
    params(("id" = String, Path, description = "`dsp_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = EvidenceBody,
    responses((status = 200, body = DisputeView, description = "taken"), Unserved, InTheWay, Oversized),
    security(("api_key" = ["refunds:write"]))
)]
#[post("/v1/disputes/{id}/evidence", wrap = "Wants(Scope::RefundsWrite)")]
pub(super) async fn evidence(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    path: web::Path<String>,
    request: HttpRequest,
    json: Json<EvidenceBody>,
) -> Result<HttpResponse, Problem> {
    let key = Key::new(&caller, &key.0, json.fingerprint);
    let id = dispute_id(&path)?;
    let (evidence, submit) = json.body.parse()?;
    let served = disputes::submit_evidence(&app, &caller, key, id, (&evidence, submit), render).await?;
    Ok(respond(&request, served))
}

/// Gives a dispute up: the money stays with the customer. It cannot be taken back.
#[utoipa::path(
    tag = "disputes",
    params(("id" = String, Path, description = "`dsp_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = EmptyBody,
    responses((status = 200, body = DisputeView, description = "given up"), Unserved, InTheWay, Oversized),
    security(("api_key" = ["refunds:write"]))
)]
#[post("/v1/disputes/{id}/accept", wrap = "Wants(Scope::RefundsWrite)")]
pub(super) async fn accept(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    path: web::Path<String>,
    request: HttpRequest,
    json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let key = Key::new(&caller, &key.0, json.fingerprint);
    let served = disputes::accept(&app, &caller, key, dispute_id(&path)?, render).await?;
    Ok(respond(&request, served))
}
