//! A pretend of our addon in Odoo: its controller takes signed messages, each once, and says of each what became of it.
//!
//! `docs/outgoing.md` is the contract it keeps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::faults::{Faults, Refusal};
use crate::server::{self, Server};

/// Where the controller is.
const PATH: &str = "/payment/quittance/news";
/// How far a signature's time may be off, in seconds.
const TOLERANCE: i64 = 300;

/// A request that reached the controller, whether or not it was taken.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body, as it came.
    pub body: String,
}

/// What the controller says whatever it is sent, without looking at it.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// A status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT),
            headers: Vec::new(),
        }
    }

    /// And a header with it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Debug, Default)]
struct State {
    secret: String,
    reply: Option<Reply>,
    refused: BTreeMap<String, String>,
    work: Duration,
    requests: Vec<Request>,
    applied: Vec<Value>,
    payments: BTreeMap<String, Value>,
    told: BTreeMap<String, Vec<String>>,
    in_hand: usize,
    most_in_hand: usize,
}

/// A pretend addon.
#[derive(Debug)]
pub struct PretendAddon {
    server: Server,
    state: Arc<Mutex<State>>,
    faults: Faults,
}

impl PretendAddon {
    /// Starts one on a free port. It takes nothing before it has a secret.
    pub async fn start() -> Result<Self> {
        let state: Arc<Mutex<State>> = Arc::default();
        let faults = Faults::default();
        let (shared, breaking) = (Arc::clone(&state), faults.clone());
        let router = Router::new().fallback(move |method, uri, headers, body| {
            answer(Arc::clone(&shared), breaking.clone(), method, uri, headers, body)
        });
        Ok(Self {
            server: Server::start(router, 0).await?,
            state,
            faults,
        })
    }

    /// Where messages go.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.server.url())
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// How many TCP connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.server.connections()
    }

    /// From now on messages must be signed with this secret.
    pub fn set_secret(&self, secret: &str) {
        secret.clone_into(&mut self.state().secret);
    }

    /// From now on the controller says this and looks at nothing; `None` ends it.
    pub fn reply(&self, reply: Option<Reply>) {
        self.state().reply = reply;
    }

    /// From now on messages of the payment with this reference are rejected.
    pub fn reject(&self, reference: &str, reason: &str) {
        self.state()
            .refused
            .insert(reference.to_owned(), reason.to_owned());
    }

    /// Ends every rejection.
    pub fn reject_none(&self) {
        self.state().refused.clear();
    }

    /// How long the controller thinks about each request.
    pub fn set_work(&self, work: Duration) {
        self.state().work = work;
    }

    /// What goes wrong on demand.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Every request that came, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Every message that was applied, in order.
    #[must_use]
    pub fn applied(&self) -> Vec<Value> {
        self.state().applied.clone()
    }

    /// The payment with a reference, as it was told last.
    #[must_use]
    pub fn payment(&self, reference: &str) -> Option<Value> {
        let state = self.state();
        let found = state
            .payments
            .values()
            .find(|payment| payment["reference"] == reference);
        found.cloned()
    }

    /// What was said of a message, each time that it came.
    #[must_use]
    pub fn told(&self, message: &str) -> Vec<String> {
        self.state().told.get(message).cloned().unwrap_or_default()
    }

    /// How many requests it had in hand at once at most, since the last look.
    #[must_use]
    pub fn most_in_hand(&self) -> usize {
        let mut state = self.state();
        let now = state.in_hand;
        std::mem::replace(&mut state.most_in_hand, now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a request for as long as it is in hand.
struct InHand(Arc<Mutex<State>>);

impl InHand {
    fn new(state: Arc<Mutex<State>>) -> Self {
        {
            let mut held = lock(&state);
            held.in_hand += 1;
            held.most_in_hand = held.most_in_hand.max(held.in_hand);
        }
        Self(state)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        lock(&self.0).in_hand -= 1;
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    faults: Faults,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let in_hand = InHand::new(Arc::clone(&state));
    let fault = faults.take(&method, uri.path());
    let effect = async move {
        let work = lock(&state).work;
        tokio::time::sleep(work).await;
        if method != Method::POST || uri.path() != PATH {
            return server::json(StatusCode::NOT_FOUND, "{}");
        }
        take(&mut lock(&state), &headers, &body)
    };
    let response = faults.answer(fault, effect, refuse).await;
    drop(in_hand);
    response
}

fn refuse(refusal: Refusal) -> Response {
    let mut reply = Reply::status(refusal.status.as_u16());
    if let Some(seconds) = refusal.retry_after_secs {
        reply = reply.with("retry-after", seconds.to_string());
    }
    write(&reply)
}

fn write(reply: &Reply) -> Response {
    let mut response = server::json(reply.status, "{}");
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn take(state: &mut State, headers: &HeaderMap, body: &[u8]) -> Response {
    let read = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    state.requests.push(Request {
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), read(value)))
            .collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    });
    if let Some(reply) = &state.reply {
        return write(reply);
    }
    let header = |name: &str| headers.get(name).map(read).unwrap_or_default();
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    if verify(&state.secret, &id, &time, &header("webhook-signature"), body).is_err() {
        return server::json(StatusCode::UNAUTHORIZED, "{}");
    }
    let batch: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(messages) = batch["messages"].as_array() else {
        return server::json(StatusCode::BAD_REQUEST, "{}");
    };
    let results: Vec<Value> = messages.iter().map(|message| apply(state, message)).collect();
    server::json(StatusCode::OK, json!({ "results": results }).to_string())
}

/// What becomes of one message, as in one transaction of Odoo's.
fn apply(state: &mut State, message: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (id, payment) = (text(&message["id"]), &message["payment"]);
    let held = state.payments.get(&text(&payment["id"]));
    let mut reason = Value::Null;
    let result = if state.applied.iter().any(|applied| applied["id"] == message["id"]) {
        "duplicate"
    } else if held.is_some_and(|held| held["version"].as_i64() >= payment["version"].as_i64()) {
        "stale"
    } else if let Some(why) = state.refused.get(&text(&payment["reference"])) {
        reason = json!(why);
        "rejected"
    } else {
        state.applied.push(message.clone());
        state.payments.insert(text(&payment["id"]), payment.clone());
        "applied"
    };
    state.told.entry(id.clone()).or_default().push(result.to_owned());
    json!({ "id": id, "result": result, "reason": reason })
}

/// Standard Webhooks, version 1: one of the signatures is HMAC-SHA256 of `{id}.{timestamp}.{body}`.
fn verify(secret: &str, id: &str, time: &str, signatures: &str, body: &[u8]) -> Result<()> {
    let key = BASE64.decode(secret.strip_prefix("whsec_").context("no prefix")?)?;
    let seconds: i64 = time.parse()?;
    let now = time::OffsetDateTime::from(SystemTime::now()).unix_timestamp();
    if key.is_empty() || (now - seconds).abs() > TOLERANCE {
        anyhow::bail!("no key, or too old");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).context("no key")?;
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(body);
    let fits = signatures
        .split(' ')
        .filter_map(|signature| BASE64.decode(signature.strip_prefix("v1,")?).ok())
        .any(|signature| mac.clone().verify_slice(&signature).is_ok());
    if fits {
        Ok(())
    } else {
        anyhow::bail!("no signature fits")
    }
}
