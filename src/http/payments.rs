//! `/v1/payments`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::{Json, RequiredKey};
use super::new_payment::CreateBody;
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::view::{PaymentList, PaymentView, render};
use crate::app::auth::Caller;
use crate::app::{App, Key, Keyed, payments};
use crate::domain::ids::PaymentId;
use crate::domain::payment::Reference;

/// Nothing is taken in: the operation is in the path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmptyBody {}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct GetQuery {
    /// Whether to read the payment from the provider first.
    #[serde(default)]
    refresh: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Odoo's own reference.
    reference: String,
}

/// Asks a customer for money.
#[utoipa::path(
    tag = "payments",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = CreateBody,
    responses(
        (status = 201, body = PaymentView, description = "decided: look at its state"),
        (status = 202, body = PaymentView, description = "not decided yet: repeat under the same key, or read it"),
        Unserved,
        InTheWay,
        Oversized
    ),
    security(("api_key" = []))
)]
#[post("/v1/payments")]
pub(super) async fn create(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    request: HttpRequest,
    json: Json<CreateBody>,
) -> Result<HttpResponse, Problem> {
    let keyed = Keyed::new(Key::new(&caller, &key.0, json.fingerprint), render);
    let served = payments::create(&app, &caller, keyed, json.body.parse()?).await?;
    Ok(respond(&request, served))
}

/// One payment.
#[utoipa::path(
    tag = "payments",
    params(("id" = String, Path, description = "`pay_…`"), GetQuery),
    responses((status = 200, body = PaymentView), Unserved, InTheWay),
    security(("api_key" = []))
)]
#[get("/v1/payments/{id}")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Result<web::Query<GetQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let query = query.map_err(|error| query_problem(&error))?;
    let detail = payments::get(&app, &caller, payment_id(&path)?, query.refresh).await?;
    Ok(HttpResponse::Ok().json(PaymentView::from(&detail)))
}

/// The payments with a reference, newest first.
#[utoipa::path(
    tag = "payments",
    params(ListQuery),
    responses((status = 200, body = PaymentList), Unserved),
    security(("api_key" = []))
)]
#[get("/v1/payments")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Result<web::Query<ListQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let query = query.map_err(|error| query_problem(&error))?;
    // What can be no reference is nobody's.
    let found = match Reference::parse(query.reference.as_str()) {
        Ok(reference) => payments::list_by_reference(&app, &caller, reference.as_str()).await?,
        Err(_) => Vec::new(),
    };
    Ok(HttpResponse::Ok().json(PaymentList::new(&found)))
}

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident, $route:literal, $done:literal) => {
        $(#[$doc])*
        #[utoipa::path(
            tag = "payments",
            params(("id" = String, Path, description = "`pay_…`"),
                   ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
            request_body = EmptyBody,
            responses(
                (status = $done, body = PaymentView, description = "decided: look at its state"),
                (status = 202, body = PaymentView, description = "not decided yet: repeat under the same key, or read it"),
                Unserved,
                InTheWay,
                Oversized
            ),
            security(("api_key" = []))
        )]
        #[post($route)]
        pub(super) async fn $name(
            app: web::Data<Arc<App>>,
            caller: Caller,
            key: RequiredKey,
            path: web::Path<String>,
            request: HttpRequest,
            json: Json<EmptyBody>,
        ) -> Result<HttpResponse, Problem> {
            let keyed = Keyed::new(Key::new(&caller, &key.0, json.fingerprint), render);
            let served = payments::$name(&app, &caller, keyed, payment_id(&path)?).await?;
            Ok(respond(&request, served))
        }
    };
}

operation!(
    /// Takes all that is held on a payment.
    capture, "/v1/payments/{id}/capture", 200
);
operation!(
    /// Calls a payment off.
    cancel, "/v1/payments/{id}/cancel", 200
);
operation!(
    /// Gives back all that was captured and is not given back yet.
    refund, "/v1/payments/{id}/refunds", 201
);

/// What can be no payment's id is no payment's.
fn payment_id(text: &str) -> Result<PaymentId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such payment"))
}

pub(super) fn query_problem(error: &actix_web::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_query", error.to_string())
}
