//! `/v1/payment_methods` and `/v1/customers/{id}/payment_methods`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::customers::customer_id;
use super::extract::{EmptyBody, Json, Queried, RequiredKey};
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::payment_methods::MethodDetail;
use crate::app::{Answer, App, Key, payment_methods};
use crate::domain::ids::PaymentMethodId;
use crate::domain::payment_method::{Mandate, MethodState};
use crate::domain::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RefreshQuery {
    /// Whether to read it from the provider first.
    #[serde(default)]
    pub(super) refresh: bool,
}

/// A card or an account that a customer left for later.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentMethodView {
    /// `pmt_…`
    id: String,
    /// `cus_…`
    customer: String,
    /// `acc_…`
    provider_account: String,
    /// The provider's id of it, such as `pm_…`.
    provider_reference: String,
    state: MethodState,
    /// The provider's word, such as `card` or `sepa_debit`.
    kind: String,
    /// A card's brand, or a bank's name.
    brand: Option<String>,
    last4: Option<String>,
    exp_month: Option<i16>,
    exp_year: Option<i16>,
    bank_code: Option<String>,
    country: Option<String>,
    /// Whether it is taken where you name none.
    default: bool,
    /// What it may be debited under, where it needs that.
    mandate: Option<MandateView>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A customer's word that an account may be debited.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MandateView {
    /// The provider's id of it.
    provider_reference: String,
    /// What the customer knows it by, on their bank statement.
    reference: Option<String>,
    /// Where the customer can read it.
    url: Option<String>,
    /// `active`, `pending` or `inactive`; words of tomorrow come as they are.
    state: String,
}

/// A customer's methods, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentMethodList {
    data: Vec<PaymentMethodView>,
}

impl From<&Mandate> for MandateView {
    fn from(mandate: &Mandate) -> Self {
        Self {
            provider_reference: mandate.provider_reference.clone(),
            reference: mandate.reference.clone(),
            url: mandate.url.clone(),
            state: mandate.state.clone(),
        }
    }
}

impl From<&MethodDetail> for PaymentMethodView {
    fn from(detail: &MethodDetail) -> Self {
        let method = &detail.method;
        let face = &method.face;
        Self {
            id: method.id.to_string(),
            customer: method.customer_id.to_string(),
            provider_account: method.provider_account_id.to_string(),
            provider_reference: method.provider_reference.clone(),
            state: method.state,
            kind: face.kind.clone(),
            brand: face.brand.clone(),
            last4: face.last4.clone(),
            exp_month: face.exp_month,
            exp_year: face.exp_year,
            bank_code: face.bank_code.clone(),
            country: face.country.clone(),
            default: detail.is_default,
            mandate: method.mandate.as_ref().map(MandateView::from),
            created_at: method.created_at,
            updated_at: method.updated_at,
        }
    }
}

fn render(detail: &MethodDetail) -> Answer {
    Answer {
        status: StatusCode::OK.as_u16(),
        body: serde_json::to_vec(&PaymentMethodView::from(detail)).unwrap_or_default(),
    }
}

/// The methods that a customer left and that can be used, newest first.
#[utoipa::path(
    tag = "payment methods",
    params(("id" = String, Path, description = "`cus_…`"), RefreshQuery),
    responses((status = 200, body = PaymentMethodList), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/customers/{id}/payment_methods", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<RefreshQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let found = payment_methods::list(&app, &caller, customer_id(&path)?, query.refresh).await?;
    Ok(HttpResponse::Ok().json(PaymentMethodList {
        data: found.iter().map(PaymentMethodView::from).collect(),
    }))
}

/// One method.
#[utoipa::path(
    tag = "payment methods",
    params(("id" = String, Path, description = "`pmt_…`")),
    responses((status = 200, body = PaymentMethodView), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/payment_methods/{id}", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let detail = payment_methods::get(&app, &caller, method_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(PaymentMethodView::from(&detail)))
}

/// What a method may be debited under; 404 where it needs nothing.
#[utoipa::path(
    tag = "payment methods",
    params(("id" = String, Path, description = "`pmt_…`"), RefreshQuery),
    responses((status = 200, body = MandateView), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/payment_methods/{id}/mandate", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn get_mandate(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<RefreshQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let mandate = payment_methods::mandate(&app, &caller, method_id(&path)?, query.refresh).await?;
    Ok(HttpResponse::Ok().json(MandateView::from(&mandate)))
}

macro_rules! change {
    ($(#[$doc:meta])* $name:ident, $route:literal) => {
        $(#[$doc])*
        #[utoipa::path(
            tag = "payment methods",
            params(("id" = String, Path, description = "`pmt_…`"),
                   ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
            request_body = EmptyBody,
            responses((status = 200, body = PaymentMethodView), Unserved, InTheWay, Oversized),
            security(("api_key" = ["payments:write"]))
        )]
        #[post($route, wrap = "Wants(Scope::PaymentsWrite)")]
        pub(super) async fn $name(
            app: web::Data<Arc<App>>,
            caller: Caller,
            key: RequiredKey,
            path: web::Path<String>,
            request: HttpRequest,
            json: Json<EmptyBody>,
        ) -> Result<HttpResponse, Problem> {
            let key = Key::new(&caller, &key.0, json.fingerprint);
            let served = payment_methods::$name(&app, &caller, key, render, method_id(&path)?).await?;
            Ok(respond(&request, served))
        }
    };
}

change!(
    /// Makes a method the one to take where none is named.
    set_default, "/v1/payment_methods/{id}/default"
);
change!(
    /// Takes a method from its customer, for ever.
    detach, "/v1/payment_methods/{id}/detach"
);

/// What can be no method's id is no method's.
fn method_id(text: &str) -> Result<PaymentMethodId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such payment method"))
}
