//! `/v1/payments`.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Json, RequiredKey};
use super::view::{PaymentList, PaymentView, render};
use super::{Problem, ProviderTime};
use crate::app::auth::Caller;
use crate::app::{App, Keyed, Served, payments};
use crate::domain::card_number::holds_card_number;
use crate::domain::ids::PaymentId;
use crate::domain::money::{Amount, Currency};
use crate::domain::payment::{CaptureMethod, Reference};
use crate::domain::posting::Settles;

/// What to ask a customer for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// `acc_…`; may be left out where the merchant has one account of the key's mode.
    provider_account: Option<String>,
    /// `odo_…`; may be left out where the merchant has one instance, or none.
    odoo_instance: Option<String>,
    /// Odoo's own reference of the transaction: 1 to 255 characters. One living payment has it at a time.
    reference: String,
    /// Whole minor units: 12100 is EUR 121.00.
    amount_minor: i64,
    /// ISO 4217, such as `EUR`.
    currency: String,
    /// When the money is taken; `automatic` by default.
    #[serde(default)]
    capture_method: CaptureMethod,
    /// A saved payment method (`pm_…`) to confirm with at once, without the customer.
    payment_method: Option<String>,
    /// Where the customer returns to after 3-D Secure: an absolute http or https URL.
    return_url: Option<String>,
    /// For people; no card numbers.
    description: Option<String>,
    /// Your own notes: up to 40 keys of 40 characters with values of 500; no card numbers.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// The documents of Odoo that it settles.
    #[serde(default)]
    settles: Vec<SettlesBody>,
}

/// A document of Odoo that a payment settles.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettlesBody {
    /// Odoo's model, such as `account.move`.
    model: String,
    /// The record's id.
    id: i64,
    /// The part of the payment meant for it, in minor units.
    amount_minor: i64,
}

impl From<&Settles> for SettlesBody {
    fn from(settles: &Settles) -> Self {
        Self {
            model: settles.model.clone(),
            id: settles.id,
            amount_minor: settles.amount_minor,
        }
    }
}

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
        (status = 400, body = Problem, content_type = "application/problem+json", description = "cannot be read"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "no valid API key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "no such account or instance"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "being served, or the reference is in use"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "too large"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "a field is wrong, or the provider refused"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "the provider takes no more for now"),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "the provider does not accept the account's key"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "repeat under the same key")),
    security(("api_key" = [])))]
#[post("/v1/payments")]
pub(super) async fn create(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    request: HttpRequest,
    json: Json<CreateBody>,
) -> Result<HttpResponse, Problem> {
    let keyed = Keyed::new(&caller, &key.0, json.fingerprint, render);
    let served = payments::create(&app, &caller, keyed, json.body.parse()?).await?;
    Ok(respond(&request, served))
}

/// One payment.
#[utoipa::path(
    tag = "payments",
    params(("id" = String, Path, description = "`pay_…`"), GetQuery),
    responses(
        (status = 200, body = PaymentView),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "the query cannot be read"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "no valid API key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "no such payment"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "changing too fast to be read; repeat"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "the provider refused to tell"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "the provider takes no more for now"),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "the provider does not accept the account's key"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "come back later")),
    security(("api_key" = [])))]
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
    responses(
        (status = 200, body = PaymentList),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "the query cannot be read"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "no valid API key"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "come back later")),
    security(("api_key" = [])))]
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
                (status = 400, body = Problem, content_type = "application/problem+json", description = "cannot be read"),
                (status = 401, body = Problem, content_type = "application/problem+json", description = "no valid API key"),
                (status = 404, body = Problem, content_type = "application/problem+json", description = "no such payment"),
                (status = 409, body = Problem, content_type = "application/problem+json", description = "the payment does not allow it as it stands"),
                (status = 413, body = Problem, content_type = "application/problem+json", description = "too large"),
                (status = 422, body = Problem, content_type = "application/problem+json", description = "a field is wrong, or the provider refused"),
                (status = 429, body = Problem, content_type = "application/problem+json", description = "the provider takes no more for now"),
                (status = 502, body = Problem, content_type = "application/problem+json", description = "the provider does not accept the account's key"),
                (status = 503, body = Problem, content_type = "application/problem+json", description = "repeat under the same key")),
            security(("api_key" = [])))]
        #[post($route)]
        pub(super) async fn $name(
            app: web::Data<Arc<App>>,
            caller: Caller,
            key: RequiredKey,
            path: web::Path<String>,
            request: HttpRequest,
            json: Json<EmptyBody>,
        ) -> Result<HttpResponse, Problem> {
            let keyed = Keyed::new(&caller, &key.0, json.fingerprint, render);
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

impl CreateBody {
    fn parse(self) -> Result<payments::NewPayment, Problem> {
        let currency: Currency = self
            .currency
            .parse()
            .map_err(|error| Problem::invalid("currency", "unknown_currency", error))?;
        let amount = Amount::parse(self.amount_minor, currency)
            .map_err(|error| Problem::invalid("amount_minor", "invalid_amount", error))?;
        let reference = Reference::parse(self.reference)
            .map_err(|error| Problem::invalid("reference", "invalid_reference", error))?;
        if let Some(description) = &self.description {
            check_text("description", description, 1_000)?;
        }
        check_metadata(&self.metadata)?;
        if let Some(method) = &self.payment_method {
            check_token("payment_method", method)?;
        }
        if let Some(url) = &self.return_url {
            check_url("return_url", url)?;
        }
        Ok(payments::NewPayment {
            provider_account: parse_id("provider_account", self.provider_account.as_deref())?,
            odoo_instance: parse_id("odoo_instance", self.odoo_instance.as_deref())?,
            reference,
            amount,
            capture_method: self.capture_method,
            payment_method: self.payment_method,
            return_url: self.return_url,
            description: self.description,
            metadata: self.metadata,
            settles: parse_settles(&self.settles, amount)?,
        })
    }
}

fn parse_id<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, Problem> {
    text.map(|text| {
        text.parse()
            .map_err(|error| Problem::invalid(field, "invalid_id", error))
    })
    .transpose()
}

fn parse_settles(settles: &[SettlesBody], amount: Amount) -> Result<Vec<Settles>, Problem> {
    if settles.len() > 100 {
        return Err(Problem::invalid(
            "settles",
            "too_many",
            "may name 100 documents at most",
        ));
    }
    let mut rest = amount.minor();
    settles
        .iter()
        .enumerate()
        .map(|(index, document)| {
            check_model(&format!("settles[{index}].model"), &document.model)?;
            if document.id < 1 {
                return Err(Problem::invalid(
                    format!("settles[{index}].id"),
                    "invalid_id",
                    "must be at least 1",
                ));
            }
            let field = format!("settles[{index}].amount_minor");
            if document.amount_minor < 1 || document.amount_minor > rest {
                let message = format!("must be from 1 to what is left of the payment, {rest}");
                return Err(Problem::invalid(field, "invalid_amount", message));
            }
            rest -= document.amount_minor;
            Ok(Settles {
                model: document.model.clone(),
                id: document.id,
                amount_minor: document.amount_minor,
            })
        })
        .collect()
}

fn check_model(field: &str, model: &str) -> Result<(), Problem> {
    let fits = (1..=64).contains(&model.len())
        && model
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_model",
            "must be a model of Odoo, such as account.move",
        ))
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Problem> {
    if metadata.len() > 40 {
        return Err(Problem::invalid(
            "metadata",
            "too_many",
            "may have 40 keys at most",
        ));
    }
    for (key, value) in metadata {
        if key.is_empty() || key.starts_with("quittance_") || key.contains(['[', ']']) {
            let message = "keys must not be empty, start with quittance_ or hold brackets";
            return Err(Problem::invalid("metadata", "invalid_key", message));
        }
        check_text("metadata", key, 40)?;
        check_text(&format!("metadata.{key}"), value, 500)?;
    }
    Ok(())
}

/// Free text: bounded, printable, and no place for a card number.
fn check_text(field: &str, text: &str, limit: usize) -> Result<(), Problem> {
    if text.chars().count() > limit {
        return Err(Problem::invalid(
            field,
            "too_long",
            format!("may have {limit} characters at most"),
        ));
    }
    if text.contains('\0') {
        return Err(Problem::invalid(
            field,
            "invalid_text",
            "must not hold NUL characters",
        ));
    }
    if holds_card_number(text) {
        return Err(Problem::invalid(
            field,
            "card_number",
            "holds what looks like a card number, which must never come here",
        ));
    }
    Ok(())
}

fn check_token(field: &str, text: &str) -> Result<(), Problem> {
    let fits = (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_id",
            "must be an id of the provider, such as pm_…",
        ))
    }
}

fn check_url(field: &str, text: &str) -> Result<(), Problem> {
    let fits =
        text.len() <= 2_048 && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_url",
            "must be an absolute http or https URL",
        ))
    }
}

/// What can be no payment's id is no payment's.
fn payment_id(text: &str) -> Result<PaymentId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such payment"))
}

fn query_problem(error: &actix_web::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_query", error.to_string())
}

fn respond(request: &HttpRequest, served: Served) -> HttpResponse {
    let (answer, replayed) = match served {
        Served::Fresh {
            answer,
            provider_time,
        } => {
            request.extensions_mut().insert(ProviderTime(provider_time));
            (answer, false)
        }
        Served::Replayed(answer) => (answer, true),
        Served::Accepted(detail) => {
            let location = format!("/v1/payments/{}", detail.payment.id);
            let body = PaymentView::from(&*detail);
            return HttpResponse::Accepted()
                .insert_header((LOCATION, location))
                .insert_header(("Retry-After", "10"))
                .json(body);
        }
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let content = if status.is_success() {
        "application/json"
    } else {
        "application/problem+json"
    };
    let mut response = HttpResponse::build(status);
    if replayed {
        response.insert_header(("Idempotency-Replayed", "true"));
    }
    response.content_type(content).body(answer.body)
}
