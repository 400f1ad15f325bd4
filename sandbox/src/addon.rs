//! A pretend of our addon in Odoo: its controller takes signed messages, each once, and says of each what became of it.
//!
//! `docs/odoo-contract.md` is the contract it keeps, and a batch that breaks it is refused and told of.

use std::collections::{BTreeMap, BTreeSet};
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
/// How many messages a batch has at most.
const MOST: usize = 50;
/// And how many bytes, unless one message alone has more.
const MOST_BYTES: usize = 1024 * 1024;

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
    /// How often messages about something are put off yet.
    busy: BTreeMap<String, usize>,
    broken: Vec<String>,
    work: Duration,
    requests: Vec<Request>,
    applied: Vec<Value>,
    /// What was told last of each payment, setup, method, dispute, booking and link, by its id.
    held: BTreeMap<String, Value>,
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

    /// From now on messages about what has this id, reference or source are rejected.
    pub fn reject(&self, about: &str, reason: &str) {
        self.state().refused.insert(about.to_owned(), reason.to_owned());
    }

    /// So often from now on messages about what has this id, reference or source are put off.
    pub fn put_off(&self, about: &str, times: usize) {
        self.state().busy.insert(about.to_owned(), times);
    }

    /// In what ways batches broke the contract.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        self.state().broken.clone()
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
        let mut payments = state.held.iter().filter(|(id, _)| id.starts_with("pay_"));
        let found = payments.find(|(_, payment)| payment["reference"] == reference);
        found.map(|(_, payment)| payment.clone())
    }

    /// What was told last of what has this id; of a booking or a link, this source.
    #[must_use]
    pub fn held(&self, id: &str) -> Option<Value> {
        self.state().held.get(id).cloned()
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
    if let Some(broken) = breaks(messages, body.len()) {
        state.broken.push(broken);
        return server::json(StatusCode::UNPROCESSABLE_ENTITY, "{}");
    }
    let results: Vec<Value> = messages.iter().map(|message| apply(state, message)).collect();
    let answer = json!({ "database": batch["database"], "results": results });
    server::json(StatusCode::OK, answer.to_string())
}

/// In what way a batch breaks the contract.
fn breaks(messages: &[Value], bytes: usize) -> Option<String> {
    if messages.len() > MOST || (messages.len() > 1 && bytes > MOST_BYTES) {
        return Some(format!("{} messages in {bytes} bytes", messages.len()));
    }
    let mut seen = BTreeSet::new();
    for message in messages {
        let Some(told) = told(message) else {
            return Some(format!("nobody knows what {} is", message["type"]));
        };
        let (id, sequence) = (text(&message["id"]), message["sequence"].as_i64());
        if !id.starts_with("msg_") || sequence.is_none() {
            return Some(format!("no id or sequence: {message}"));
        }
        let subject = told["payment"]
            .as_str()
            .map_or_else(|| id_of(told), str::to_owned);
        if sequence != Some(0) && !seen.insert(subject.clone()) {
            return Some(format!("{subject} is there twice"));
        }
    }
    None
}

/// What a message tells of.
fn told(message: &Value) -> Option<&Value> {
    let field = match message["type"].as_str()? {
        "payment.updated" => "payment",
        "setup.updated" => "setup",
        "payment_method.updated" => "payment_method",
        "dispute.updated" => "dispute",
        "payment.linked" => "link",
        "ledger.booked" => "booking",
        _ => return None,
    };
    Some(&message[field]).filter(|told| told.is_object())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What makes it one and the same: an id, or the source of a booking or a link.
fn id_of(told: &Value) -> String {
    text(told.get("id").unwrap_or(&told["source"]))
}

/// What becomes of one message, as in one transaction of Odoo's.
fn apply(state: &mut State, message: &Value) -> Value {
    let id = text(&message["id"]);
    let (result, reason) = judge(state, message);
    if result == "applied" {
        state.applied.push(message.clone());
        if let Some(told) = told(message) {
            state.held.insert(id_of(told), told.clone());
        }
    }
    state.told.entry(id.clone()).or_default().push(result.to_owned());
    json!({ "id": id, "result": result, "reason": reason })
}

fn judge(state: &mut State, message: &Value) -> (&'static str, Option<String>) {
    let Some(told) = told(message) else {
        return ("rejected", Some("unknown".to_owned()));
    };
    let names = [id_of(told), text(&told["reference"])];
    if state.applied.iter().any(|applied| applied["id"] == message["id"]) {
        return ("duplicate", None);
    }
    let held = state.held.get(&names[0]);
    if held.is_some_and(|held| held["version"].as_i64() >= told["version"].as_i64()) {
        return ("stale", None);
    }
    for name in &names {
        if let Some(left) = state.busy.get_mut(name).filter(|left| **left > 0) {
            *left -= 1;
            return ("later", None);
        }
        if let Some(why) = state.refused.get(name) {
            return ("rejected", Some(why.clone()));
        }
    }
    if let Some(why) = unmet(state, told).filter(|_| message["type"] == "ledger.booked") {
        return ("rejected", Some(why));
    }
    ("applied", None)
}

/// Why a booking cannot be written: nothing that was told so far is what it meets.
fn unmet(state: &State, booking: &Value) -> Option<String> {
    let name = booking["meets"].as_str()?;
    let is_bank = |part: &Value| part["account"] == "bank";
    if booking["parts"].as_array()?.iter().any(is_bank) || state.held.contains_key(name) {
        return None;
    }
    let waits = |told: &Value| {
        let list = |field: &str| told[field].as_array().cloned().unwrap_or_default();
        let is_met = |one: &Value| one["source"] == name;
        list("captures").iter().any(is_met)
            || list("refunds").iter().any(|refund| {
                (is_met(refund) && !refund["refunded_on"].is_null()) || is_met(&refund["returned"])
            })
    };
    if state.held.values().any(waits) {
        None
    } else {
        Some(format!("nothing waits for {name}"))
    }
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
