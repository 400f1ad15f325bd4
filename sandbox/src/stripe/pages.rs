//! The bank's page: where a customer says who they are (3-D Secure).

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::balance::is_three_decimal;
use super::payment_intents::PaymentIntent;
use super::service::Service;
use super::setup_intents;
use super::state::Origin;

/// Proves that the page was reached through the intent's own link.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    client_secret: String,
}

/// What the customer pressed.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Succeed,
    Fail,
}

/// The intent that the page asks about.
struct Asked {
    /// What its parameters are called in the address that the customer is sent back to.
    name: &'static str,
    what: String,
    return_url: Option<String>,
}

/// `GET /redirect/authenticate/{intent}`
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Query(link): Query<Link>,
) -> Response {
    match service.linked(&id, &link) {
        None => unknown(),
        Some(asked) => Html(format!(
            "<!doctype html><title>Sandbox bank</title>\n\
             <h1>Is it you?</h1><p>{}</p>\n\
             <form method=\"post\"><button name=\"outcome\" value=\"succeed\">Yes</button>\n\
             <button name=\"outcome\" value=\"fail\">No</button></form>\n",
            asked.what
        ))
        .into_response(),
    }
}

/// `POST /redirect/authenticate/{intent}`
pub(crate) async fn press(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Query(link): Query<Link>,
    Form(pressed): Form<Pressed>,
) -> Response {
    let Some(asked) = service.linked(&id, &link) else {
        return unknown();
    };
    let agreed = service.answered(&id, pressed.outcome == Outcome::Succeed);
    let Some(return_url) = &asked.return_url else {
        return Html("<!doctype html><title>Sandbox bank</title><p>You may close this page.</p>")
            .into_response();
    };
    let join = if return_url.contains('?') { '&' } else { '?' };
    let status = if agreed { "succeeded" } else { "failed" };
    let (name, secret) = (asked.name, &link.client_secret);
    Redirect::to(&format!(
        "{return_url}{join}{name}={id}&{name}_client_secret={secret}&redirect_status={status}"
    ))
    .into_response()
}

impl Service {
    fn linked(&self, id: &str, link: &Link) -> Option<Asked> {
        let state = self.state();
        let (secret, asked) = if let Some(intent) = state.setup_intents.find(id) {
            let asked = Asked {
                name: "setup_intent",
                what: "Save it for later".to_owned(),
                return_url: intent.return_url.clone(),
            };
            (&intent.client_secret, asked)
        } else {
            let intent = state.payment_intents.find(id)?;
            let asked = Asked {
                name: "payment_intent",
                what: format!("Pay {}", shown(intent.amount, &intent.currency)),
                return_url: intent.return_url.clone(),
            };
            (&intent.client_secret, asked)
        };
        (*secret == link.client_secret).then_some(asked)
    }

    /// Tells the intent what the customer said. Returns whether it succeeded.
    fn answered(&self, id: &str, succeed: bool) -> bool {
        let mut state = self.state();
        state.origin = Origin::default();
        // A page may be pressed twice: the intent knows how it ended.
        if state.setup_intents.find(id).is_some() {
            let _ = state.authenticated_setup(id, succeed);
            let intent = state.setup_intents.find(id);
            return intent.is_some_and(|intent| intent.status == setup_intents::Status::Succeeded);
        }
        let _ = state.authenticated(id, succeed);
        state.payment_intents.find(id).is_some_and(PaymentIntent::is_paid)
    }
}

/// A sum as a person reads it.
pub(crate) fn shown(amount: i64, currency: &str) -> String {
    let places: usize = match currency {
        "jpy" | "krw" | "vnd" | "clp" | "bif" | "djf" | "gnf" | "kmf" | "mga" | "pyg" | "rwf" | "vuv"
        | "xaf" | "xof" | "xpf" => 0,
        currency if is_three_decimal(currency) => 3,
        _ => 2,
    };
    let digits = format!("{amount:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let point = if part.is_empty() { "" } else { "." };
    format!("{whole}{point}{part} {}", currency.to_uppercase())
}

pub(crate) fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "no such page").into_response()
}
