//! A pretend Stripe with a merchant that asks it, and an endpoint that listens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use quittance_sandbox::server::Server;
use quittance_sandbox::stripe::{Options, PretendStripe, Settlement, WebhookEndpoint};
use serde_json::Value;

/// Long enough for a busy machine, short enough for a person.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A pretend Stripe and its merchant.
pub(crate) struct Desk {
    pub(crate) stripe: PretendStripe,
    client: reqwest::Client,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }

    /// The error's code.
    pub(crate) fn code(&self) -> &Value {
        &self.body["error"]["code"]
    }
}

impl Desk {
    /// With nothing that happens by itself.
    pub(crate) async fn open() -> Self {
        Self::with(Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let stripe = PretendStripe::start(options).await.unwrap();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_millis(500))
            .build()
            .unwrap();
        Self { stripe, client }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        let url = format!("{}{path}", self.stripe.url());
        let request = self
            .client
            .get(url)
            .basic_auth(self.stripe.secret_key(), Some(""));
        read(request).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answered {
        let url = format!("{}{path}", self.stripe.url());
        let request = self.client.delete(url).bearer_auth(self.stripe.secret_key());
        read(request).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Answered {
        self.try_post(path, form, None).await.unwrap()
    }

    pub(crate) async fn post_with_key(&self, path: &str, form: &str, key: &str) -> Answered {
        self.try_post(path, form, Some(key)).await.unwrap()
    }

    /// On behalf of a connected account.
    pub(crate) async fn post_for(&self, account: &str, path: &str, form: &str) -> Answered {
        let request = self
            .client
            .post(format!("{}{path}", self.stripe.url()))
            .bearer_auth(self.stripe.secret_key())
            .header("Stripe-Account", account)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        read(request).await.unwrap()
    }

    /// As a network that may fail sees it.
    pub(crate) async fn try_post(
        &self,
        path: &str,
        form: &str,
        key: Option<&str>,
    ) -> reqwest::Result<Answered> {
        let url = format!("{}{path}", self.stripe.url());
        let mut request = self
            .client
            .post(url)
            .bearer_auth(self.stripe.secret_key())
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        read(request).await
    }

    /// A payment that is tried at once.
    pub(crate) async fn pay(&self, card: &str, more: &str) -> Answered {
        self.post("/v1/payment_intents", &paying(card, more)).await
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        kinds(&self.stripe.events())
    }
}

/// EUR 121.00 with a card, at once.
pub(crate) fn paying(card: &str, more: &str) -> String {
    let method = "payment_method_types[]=card&confirm=true";
    format!("amount=12100&currency=eur&payment_method=pm_card_{card}&{method}&{more}")
}

pub(crate) fn kinds(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect()
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answered> {
    let response = request.send().await?;
    Ok(Answered {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.json().await?,
    })
}

/// One webhook as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) signature: String,
    pub(crate) payload: String,
}

impl Delivery {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap()
    }
}

/// An endpoint that keeps what it is told.
pub(crate) struct Listener {
    server: Server,
    heard: Heard,
}

#[derive(Clone, Default)]
struct Heard {
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    /// Statuses to answer with before it is 200 again.
    refusals: Arc<Mutex<VecDeque<StatusCode>>>,
}

impl Listener {
    pub(crate) async fn start() -> Self {
        let heard = Heard::default();
        let router = Router::new().fallback(hear).with_state(heard.clone());
        Self {
            server: Server::start(router, 0).await.unwrap(),
            heard,
        }
    }

    pub(crate) fn endpoint(&self) -> WebhookEndpoint {
        WebhookEndpoint::new(self.url(), "whsec_first")
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("{}/webhooks", self.server.url())
    }

    pub(crate) fn refuse(&self, statuses: &[StatusCode]) {
        self.heard.refusals.lock().unwrap().extend(statuses);
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.heard.deliveries.lock().unwrap().clone()
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.deliveries().iter().map(Delivery::event).collect()
    }
}

async fn hear(State(heard): State<Heard>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
    let payload = String::from_utf8(body.to_vec()).unwrap();
    heard
        .deliveries
        .lock()
        .unwrap()
        .push(Delivery { signature, payload });
    heard
        .refusals
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or(StatusCode::OK)
}
