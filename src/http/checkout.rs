//! `/v1/checkout_sessions`: pages of the provider's on which a payment is paid.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};

use super::Problem;
use super::extract::{EmptyBody, Json, Queried, RequiredKey};
use super::new_payment::CheckoutBody;
use super::payments::GetQuery;
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::view::{CheckoutView, PaymentView, render_checkout};
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::{App, Key, Keyed, checkout, payments};
use crate::domain::ids::CheckoutSessionId;
use crate::domain::scope::Scope;

/// Opens a page on which a customer is asked for money.
#[utoipa::path(
    tag = "checkout sessions",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = CheckoutBody,
    responses(
        (status = 201, body = CheckoutView, description = "decided: send the customer to its url"),
        (status = 202, body = PaymentView, description = "not decided yet: repeat under the same key"),
        Unserved,
        InTheWay,
        Oversized
    ),
    security(("api_key" = ["payments:write"]))
)]
#[post("/v1/checkout_sessions", wrap = "Wants(Scope::PaymentsWrite)")]
pub(super) async fn create(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    request: HttpRequest,
    json: Json<CheckoutBody>,
) -> Result<HttpResponse, Problem> {
    let keyed = Keyed::new(Key::new(&caller, &key.0, json.fingerprint), render_checkout);
    let served = payments::create(&app, &caller, keyed, json.body.parse()?).await?;
    Ok(respond(&request, served))
}

/// One page, with its payment. With `refresh=true`, as the provider knows it now: for a customer who returns.
#[utoipa::path(
    tag = "checkout sessions",
    params(("id" = String, Path, description = "`chk_…`"), GetQuery),
    responses((status = 200, body = CheckoutView), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/checkout_sessions/{id}", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<GetQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let payment = checkout::find_payment(&app, &caller, session_id(&path)?).await?;
    let detail = payments::get(&app, &caller, payment, query.refresh()).await?;
    let view = CheckoutView::of(&detail).ok_or_else(no_session)?;
    Ok(HttpResponse::Ok().json(view))
}

/// Closes a page while it is open, and calls its payment off.
#[utoipa::path(
    tag = "checkout sessions",
    params(("id" = String, Path, description = "`chk_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = EmptyBody,
    responses(
        (status = 200, body = CheckoutView, description = "decided: look at its state"),
        (status = 202, body = PaymentView, description = "not decided yet: repeat under the same key"),
        Unserved,
        InTheWay,
        Oversized
    ),
    security(("api_key" = ["payments:write"]))
)]
#[post("/v1/checkout_sessions/{id}/expire", wrap = "Wants(Scope::PaymentsWrite)")]
pub(super) async fn expire(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    path: web::Path<String>,
    request: HttpRequest,
    json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let keyed = Keyed::new(Key::new(&caller, &key.0, json.fingerprint), render_checkout);
    let served = checkout::expire(&app, &caller, keyed, session_id(&path)?).await?;
    Ok(respond(&request, served))
}

/// What can be no page's id is no page's.
fn session_id(text: &str) -> Result<CheckoutSessionId, Problem> {
    text.parse().map_err(|_| no_session())
}

fn no_session() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "no such checkout session")
}
