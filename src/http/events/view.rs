//! Events as they are shown.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::app::Page;
use crate::app::events::{EventCounts, EventEntry};
use crate::domain::webhook_event::EventState;
use crate::http::page::next_cursor;

/// Something that a provider told of. What exactly it told is its payload, which needs a scope of its own.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// `evt_…`, ours.
    id: String,
    /// The provider's word for what happened.
    #[serde(rename = "type")]
    #[schema(examples("charge.updated"))]
    kind: String,
    state: EventState,
    /// `acc_…`
    provider_account: String,
    /// The provider's id of it.
    provider_reference: String,
    /// The provider's id of the object it happened to, where it names one.
    object: Option<String>,
    /// The API version it is written in, where it says.
    api_version: Option<String>,
    /// How it came: `delivery`, pushed and signed, or `poll`, read from the provider's list.
    source: String,
    /// How often it failed since it came or was last replayed.
    attempts: i32,
    /// What went wrong last, until it is applied or ignored.
    last_error: Option<String>,
    /// When it is tried next, or the worker's time with it ends.
    #[serde(with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    /// By the provider's clock.
    #[serde(with = "time::serde::rfc3339")]
    created: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    replayed_at: Option<OffsetDateTime>,
    /// Who asked for the last replay: an API key, `key_…`, or `cli`.
    replayed_by: Option<String>,
}

impl From<&EventEntry> for EventView {
    fn from(event: &EventEntry) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.kind.clone(),
            state: event.state,
            provider_account: event.provider_account_id.to_string(),
            provider_reference: event.event_id.clone(),
            object: event.object_id.clone(),
            api_version: event.api_version.clone(),
            source: event.source.clone(),
            attempts: event.attempts,
            last_error: event.last_error.clone(),
            due_at: event.due_at,
            created: event.created,
            received_at: event.received_at,
            replayed_at: event.replayed_at,
            replayed_by: event.replayed_by.clone(),
        }
    }
}

/// A page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList {
    data: Vec<EventView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Page<EventEntry>> for EventList {
    fn from(page: &Page<EventEntry>) -> Self {
        Self {
            data: page.data.iter().map(EventView::from).collect(),
            next_cursor: next_cursor(page, |event| event.id),
        }
    }
}

/// How many events there are of a type in a state.
#[derive(Debug, Serialize, ToSchema)]
struct EventCountView {
    #[serde(rename = "type")]
    kind: String,
    state: EventState,
    count: i64,
}

/// How many events happened, by type and state, most first. What is ignored, because nobody follows its type, shows here.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventCountsView {
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    data: Vec<EventCountView>,
}

impl From<&EventCounts> for EventCountsView {
    fn from(counted: &EventCounts) -> Self {
        let views = counted.counts.iter().map(|count| EventCountView {
            kind: count.kind.clone(),
            state: count.state,
            count: count.count,
        });
        Self {
            since: counted.since,
            data: views.collect(),
        }
    }
}
