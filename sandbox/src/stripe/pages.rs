//! The bank's page: where a customer says who they are (3-D Secure).

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::payment_intents::PaymentIntent;
use super::service::Service;
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

/// `GET /redirect/authenticate/{intent}`
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Query(link): Query<Link>,
) -> Response {
    match service.linked(&id, &link) {
        None => unknown(),
        Some(intent) => Html(format!(
            "<!doctype html><title>Sandbox bank</title>\n\
             <h1>Is it you?</h1><p>{} {} in minor units</p>\n\
             <form method=\"post\"><button name=\"outcome\" value=\"succeed\">Yes, pay</button>\n\
             <button name=\"outcome\" value=\"fail\">No</button></form>\n",
            intent.amount, intent.currency
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
    let Some(intent) = service.linked(&id, &link) else {
        return unknown();
    };
    let paid = {
        let mut state = service.state();
        state.origin = Origin::default();
        // A page may be pressed twice: the intent knows how it ended.
        let _ = state.authenticated(&id, pressed.outcome == Outcome::Succeed);
        state
            .payment_intents
            .find(&id)
            .is_some_and(PaymentIntent::is_paid)
    };
    let Some(return_url) = &intent.return_url else {
        return Html("<!doctype html><title>Sandbox bank</title><p>You may close this page.</p>")
            .into_response();
    };
    let join = if return_url.contains('?') { '&' } else { '?' };
    let status = if paid { "succeeded" } else { "failed" };
    Redirect::to(&format!(
        "{return_url}{join}payment_intent={id}&payment_intent_client_secret={}&redirect_status={status}",
        intent.client_secret
    ))
    .into_response()
}

impl Service {
    fn linked(&self, id: &str, link: &Link) -> Option<PaymentIntent> {
        let state = self.state();
        state
            .payment_intents
            .find(id)
            .filter(|intent| intent.client_secret == link.client_secret)
            .cloned()
    }
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "no such page").into_response()
}
