//! `/v1/setups`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Problem;
use super::check::{check_method_types, check_text, check_token, check_url, parse_id, parse_time};
use super::extract::{Json, Queried, RequiredKey};
use super::payment_methods::RefreshQuery;
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::setups::{SetupDetail, SetupWish};
use crate::app::{Answer, App, Key, setups};
use crate::domain::ids::{PaymentMethodId, SetupId};
use crate::domain::payment::{Decline, Reference};
use crate::domain::scope::Scope;
use crate::domain::setup::{Acceptance, SetupState, SetupTerms, Usage};

/// What to ask a customer for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupBody {
    /// `cus_…`
    customer: String,
    /// Your own reference of it: 1 to 255 characters. It need not be unique: the same `Idempotency-Key` is the same setup.
    reference: Option<String>,
    /// Where the customer returns to after 3-D Secure: an absolute http or https URL.
    return_url: Option<String>,
    /// A method to save at once, without a browser: `pmt_…`, or the provider's `pm_…`.
    payment_method: Option<String>,
    /// Whether the customer will be there when the method is used; `off_session` by default.
    #[serde(default)]
    usage: Usage,
    /// Which kinds of methods may be left, such as `card` and `sepa_debit`; the provider's settings decide by default.
    #[serde(default)]
    payment_method_types: Vec<String>,
    /// How the customer agreed to be debited; only together with `payment_method`.
    mandate: Option<AcceptanceBody>,
}

/// How a customer agreed, online, that their account may be debited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptanceBody {
    /// RFC 3339.
    accepted_at: String,
    ip_address: String,
    user_agent: String,
}

/// A customer leaving a payment method for later, without a charge.
#[derive(Serialize, ToSchema)]
pub(super) struct SetupView {
    /// `set_…`
    id: String,
    /// Your own reference of it.
    reference: Option<String>,
    /// `cus_…`
    customer: String,
    /// `acc_…`
    provider_account: String,
    state: SetupState,
    usage: Usage,
    /// The provider's id of it, such as `seti_…`.
    provider_reference: Option<String>,
    /// What lets the customer's browser finish it; hand it to no one else.
    client_secret: Option<String>,
    /// The key that the customer's browser uses.
    publishable_key: Option<String>,
    /// What the customer must do, as the provider's script wants it.
    next_action: Option<serde_json::Value>,
    /// Why the last attempt was declined; the customer may try again while the state is not final.
    decline: Option<Decline>,
    /// `pmt_…`: what was saved.
    payment_method: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl SetupBody {
    fn parse(self) -> Result<SetupWish, Problem> {
        let customer = self
            .customer
            .parse()
            .map_err(|error| Problem::invalid("customer", "invalid_id", error))?;
        if let Some(url) = &self.return_url {
            check_url("return_url", url)?;
        }
        let reference = self
            .reference
            .map(Reference::parse)
            .transpose()
            .map_err(|error| Problem::invalid("reference", "invalid_reference", error))?;
        check_method_types(&self.payment_method_types)?;
        if self.mandate.is_some() && self.payment_method.is_none() {
            return Err(Problem::invalid(
                "mandate",
                "payment_method_required",
                "must come with the payment_method that it is for; in a browser the provider's script asks",
            ));
        }
        let ours = format!("{}_", PaymentMethodId::PREFIX);
        let (ours, theirs) = match self.payment_method {
            Some(method) if method.starts_with(&ours) => (parse_id("payment_method", Some(&method))?, None),
            Some(method) => {
                check_token("payment_method", &method)?;
                (None, Some(method))
            }
            None => (None, None),
        };
        Ok(SetupWish {
            customer,
            reference,
            usage: self.usage,
            payment_method: ours,
            terms: SetupTerms {
                return_url: self.return_url,
                payment_method: theirs,
                payment_method_types: self.payment_method_types,
                mandate: self.mandate.map(AcceptanceBody::parse).transpose()?,
            },
        })
    }
}

impl AcceptanceBody {
    fn parse(self) -> Result<Acceptance, Problem> {
        let accepted_at = parse_time("mandate.accepted_at", Some(&self.accepted_at))?;
        let ip_address = self.ip_address.parse().map_err(|_| {
            Problem::invalid(
                "mandate.ip_address",
                "invalid_ip_address",
                "must be an IPv4 or IPv6 address",
            )
        })?;
        check_text("mandate.user_agent", &self.user_agent, 1_000)?;
        Ok(Acceptance {
            accepted_at: accepted_at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            ip_address,
            user_agent: self.user_agent,
        })
    }
}

impl From<&SetupDetail> for SetupView {
    fn from(detail: &SetupDetail) -> Self {
        let setup = &detail.setup;
        let open = !setup.state.is_final();
        Self {
            id: setup.id.to_string(),
            reference: setup.reference.as_ref().map(|text| text.as_str().to_owned()),
            customer: setup.customer_id.to_string(),
            provider_account: setup.provider_account_id.to_string(),
            state: setup.state,
            usage: setup.usage,
            provider_reference: setup.provider_reference.clone(),
            // A browser has nothing to do any more once the setup is at its end.
            client_secret: setup
                .client_secret
                .as_ref()
                .filter(|_| open)
                .map(|secret| secret.expose_secret().to_owned()),
            publishable_key: detail.publishable_key.clone(),
            next_action: setup.next_action.clone(),
            decline: setup.decline.clone(),
            payment_method: setup.payment_method.map(|id| id.to_string()),
            created_at: setup.created_at,
            updated_at: setup.updated_at,
        }
    }
}

fn render(detail: &SetupDetail) -> Answer {
    Answer {
        status: StatusCode::CREATED.as_u16(),
        body: serde_json::to_vec(&SetupView::from(detail)).unwrap_or_default(),
    }
}

/// Asks a customer to leave a payment method for later, without a charge.
#[utoipa::path(
    tag = "setups",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = SetupBody,
    responses(
        (status = 201, body = SetupView, description = "started: look at its state"),
        Unserved,
        InTheWay,
        Oversized
    ),
    security(("api_key" = ["payments:write"]))
)]
#[post("/v1/setups", wrap = "Wants(Scope::PaymentsWrite)")]
pub(super) async fn create(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    request: HttpRequest,
    json: Json<SetupBody>,
) -> Result<HttpResponse, Problem> {
    let key = Key::new(&caller, &key.0, json.fingerprint);
    let served = setups::create(&app, &caller, key, render, json.body.parse()?).await?;
    Ok(respond(&request, served))
}

/// One setup.
#[utoipa::path(
    tag = "setups",
    params(("id" = String, Path, description = "`set_…`"), RefreshQuery),
    responses((status = 200, body = SetupView), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/setups/{id}", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<RefreshQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let detail = setups::get(&app, &caller, setup_id(&path)?, query.refresh).await?;
    Ok(HttpResponse::Ok().json(SetupView::from(&detail)))
}

/// What can be no setup's id is no setup's.
fn setup_id(text: &str) -> Result<SetupId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such setup"))
}
