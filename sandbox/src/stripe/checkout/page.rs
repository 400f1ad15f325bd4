//! The page itself: what a browser sees at a session's `url`, and where it goes from there.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use super::super::cards::Rail;
use super::super::pages::{shown, unknown};
use super::super::service::Service;
use super::super::state::{Origin, Row, State as Account};
use super::{Session, Status};

/// Where a card's number is typed.
const CARD_FORM: &str = "<form method=\"post\"><label>Card number <input name=\"number\" inputmode=\"numeric\" \
     autocomplete=\"cc-number\" required></label> <button id=\"pay\">Pay</button></form>\n";

/// What the customer chose.
#[derive(Debug, Deserialize)]
pub(crate) struct Chosen {
    /// The number of a card, where it was typed.
    number: Option<String>,
    /// A test method, where its button was pressed.
    #[serde(default)]
    payment_method: String,
}

/// `GET /c/pay/{session}`
pub(crate) async fn show(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Response {
    let session = service.state().sessions.find(&id).cloned();
    match session {
        None => unknown(),
        Some(session) if session.status == Status::Complete => {
            Redirect::to(&session.after_success()).into_response()
        }
        Some(session) if session.status == Status::Expired => (
            StatusCode::GONE,
            Html("<!doctype html><title>Sandbox checkout</title><p>This page has expired.</p>"),
        )
            .into_response(),
        Some(session) => Html(session.page("")).into_response(),
    }
}

/// `POST /c/pay/{session}`
pub(crate) async fn press(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Form(chosen): Form<Chosen>,
) -> Response {
    let mut state = service.state();
    state.origin = Origin::default();
    if state.sessions.find(&id).is_none() {
        return unknown();
    }
    let method = match chosen.number {
        Some(number) => state.type_card(&number),
        None => Ok(chosen.payment_method),
    };
    let outcome = method.and_then(|method| state.pay_session(&id, &method));
    let Some(session) = state.sessions.find(&id) else {
        return unknown();
    };
    if session.status == Status::Complete {
        return Redirect::to(&session.after_success()).into_response();
    }
    match outcome {
        Err(error) => (error.status, Html(session.page(error.message()))).into_response(),
        Ok(()) => match bank_page(&state, session) {
            Some(page) => Redirect::to(&page).into_response(),
            None => Html(session.page("Nothing happened.")).into_response(),
        },
    }
}

/// Where the bank wants to see the customer.
fn bank_page(state: &Account, session: &Session) -> Option<String> {
    let payment = session.payment_intent.as_deref();
    let setup = session.setup_intent.as_deref();
    let view = match payment.and_then(|id| state.payment_intents.find(id)) {
        Some(intent) => intent.view(),
        None => state.setup_intents.find(setup?)?.view(),
    };
    let url = view.pointer("/next_action/redirect_to_url/url");
    url.and_then(Value::as_str).map(str::to_owned)
}

impl Session {
    /// Where the customer goes once they are done.
    fn after_success(&self) -> String {
        self.success_url.replace("{CHECKOUT_SESSION_ID}", &self.id)
    }

    fn page(&self, notice: &str) -> String {
        let sum = match (self.amount, &self.currency) {
            (Some(amount), Some(currency)) => shown(amount, currency),
            _ => "A method for later".to_owned(),
        };
        let button =
            |(method, label)| format!("<button name=\"payment_method\" value=\"{method}\">{label}</button>");
        let buttons = self
            .buttons()
            .into_iter()
            .map(button)
            .collect::<Vec<_>>()
            .join("\n");
        let card = if self.method_types.iter().any(|name| name == Rail::Card.word()) {
            CARD_FORM
        } else {
            ""
        };
        let back = match &self.cancel_url {
            Some(url) => format!("<p><a id=\"cancel\" href=\"{}\">Cancel</a></p>\n", escaped(url)),
            None => String::new(),
        };
        format!(
            "<!doctype html><title>Sandbox checkout</title>\n<h1>Pay</h1><p>{sum}</p><p role=\"alert\">{}</p>\n\
             {card}<form method=\"post\">\n{buttons}\n</form>\n{back}",
            escaped(notice)
        )
    }

    /// Test methods to choose from.
    fn buttons(&self) -> Vec<(&'static str, &'static str)> {
        let all = [
            ("card", "pm_card_visa", "Pay with a test card"),
            (
                "card",
                "pm_card_threeDSecureRequired",
                "Pay with a card whose bank asks",
            ),
            (
                "card",
                "pm_card_chargeDeclined",
                "Pay with a card that is declined",
            ),
            ("sepa_debit", "pm_sepaDebit_success", "Pay by SEPA debit"),
            (
                "us_bank_account",
                "pm_usBankAccount_success",
                "Pay from a US bank account",
            ),
        ];
        let taken = all
            .into_iter()
            .filter(|(rail, ..)| self.method_types.iter().any(|name| name == rail));
        taken.map(|(_, method, label)| (method, label)).collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
