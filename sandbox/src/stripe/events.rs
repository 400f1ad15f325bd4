//! Events: what happened, as Stripe tells and lists it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields};
use super::lists::Page;
use super::state::{Origin, Row, State, new_id, now};

/// How many types one list may be asked for: Stripe's own limit.
const MAX_TYPES: usize = 20;

/// One change, with the object as it was right after it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) created: i64,
    /// Serialized once: an event is sent more often than it is read.
    pub(crate) data: Box<RawValue>,
    /// The connected account it is about, where it is.
    pub(crate) account: Option<String>,
    origin: Origin,
    api_version: String,
    /// How many endpoints have not acknowledged it yet.
    pub(crate) pending_webhooks: AtomicU32,
    /// How many deliveries of it ran out of tries.
    pub(crate) given_up: AtomicU32,
}

#[derive(Serialize)]
struct View<'a> {
    id: &'a str,
    object: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    api_version: &'a str,
    created: i64,
    data: &'a RawValue,
    livemode: bool,
    pending_webhooks: u32,
    request: RequestView<'a>,
    r#type: &'a str,
}

#[derive(Serialize)]
struct RequestView<'a> {
    id: Option<&'a str>,
    idempotency_key: Option<&'a str>,
}

impl Event {
    fn shown_as<'a>(&'a self, api_version: &'a str) -> View<'a> {
        View {
            id: &self.id,
            object: "event",
            account: self.account.as_deref(),
            api_version,
            created: self.created,
            data: &self.data,
            livemode: false,
            pending_webhooks: self.pending_webhooks.load(Ordering::Relaxed),
            request: RequestView {
                id: self.origin.request.as_deref(),
                idempotency_key: self.origin.idempotency_key.as_deref(),
            },
            r#type: self.kind,
        }
    }

    /// The body for an endpoint that was created with `api_version`.
    pub(crate) fn body(&self, api_version: &str) -> Vec<u8> {
        // Strings, numbers and text that is JSON already: there is nothing that could fail.
        serde_json::to_vec(&self.shown_as(api_version)).unwrap_or_default()
    }
}

impl Row for Arc<Event> {
    const KIND: &'static str = "event";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        serde_json::to_value(self.shown_as(&self.api_version)).unwrap_or_default()
    }
}

impl State {
    /// Records that `object` changed and tells the endpoints that want to know.
    pub(crate) fn emit(&mut self, kind: &'static str, object: &Value, previous: Option<Value>) {
        let connected = self.settings.connected.then(|| self.settings.account_id.clone());
        if let Some(event) = self.tell(connected, kind, object, previous) {
            self.events.insert(event);
        }
    }

    /// Tells the endpoints that want to know of one account's change.
    pub(crate) fn tell(
        &self,
        account: Option<String>,
        kind: &'static str,
        object: &Value,
        previous: Option<Value>,
    ) -> Option<Arc<Event>> {
        let mut data = json!({ "object": object });
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        let data = serde_json::value::to_raw_value(&data).ok()?;
        let wanting: Vec<_> = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(kind, account.as_deref()))
            .collect();
        let event = Arc::new(Event {
            id: new_id("evt"),
            kind,
            created: now(),
            data,
            account,
            origin: self.origin.clone(),
            api_version: self.settings.api_version.clone(),
            pending_webhooks: AtomicU32::new(u32::try_from(wanting.len()).unwrap_or(u32::MAX)),
            given_up: AtomicU32::new(0),
        });
        for endpoint in wanting {
            endpoint.enqueue(Arc::clone(&event));
        }
        Some(event)
    }
}

/// `GET /v1/events/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.events.get(id)?.view())
}

/// `GET /v1/events`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let kind = fields.text("type")?;
    let kinds = fields.list("types")?;
    let delivered = fields.boolean("delivery_success")?;
    fields.finish()?;
    if kind.is_some() && !kinds.is_empty() {
        return Err(ApiError::invalid("You may pass either type or types, but not both.").param("types"));
    }
    if kinds.len() > MAX_TYPES {
        let message = format!("You may pass at most {MAX_TYPES} types.");
        return Err(ApiError::invalid(message).param("types"));
    }
    page.of(&state.events, "/v1/events", |event| {
        let everywhere = event.pending_webhooks.load(Ordering::Relaxed) == 0;
        created.contains(event.created)
            && kind.as_deref().is_none_or(|kind| fits(kind, event.kind))
            && (kinds.is_empty() || kinds.iter().any(|kind| fits(kind, event.kind)))
            && delivered.is_none_or(|wanted| wanted == everywhere)
    })
}

/// Whether a type fits a pattern; `charge.*` stands for all of a family.
pub(crate) fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}
