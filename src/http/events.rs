//! `/v1/events`: look, count, open, replay.
//!
//! Replays take no `Idempotency-Key`: an event is a hint, so that to apply it again changes nothing that it changed before.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::check::{check_text, parse_id, parse_time};
use super::extract::{EmptyBody, Json};
use super::payments::query_problem;
use super::refusals::{Oversized, Unfound, Unscoped, Unserved, Untouchable};
use super::{Problem, cursor};
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::events::{self, EventCounts, EventEntry, EventFilter};
use crate::domain::ids::WebhookEventId;
use crate::domain::scope::Scope;
use crate::domain::webhook_event::EventState;

/// How many events a page holds, and a replay takes, where nothing is said, and at most.
const PAGE: u16 = 20;
const MOST: u16 = 100;
const REPLAYED: u16 = 100;
const REPLAYED_AT_MOST: u16 = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Where they stand; `dead` are the dead letters.
    #[param(inline)]
    state: Option<EventState>,
    /// The provider's word for what happened, such as `charge.updated`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The provider's id of the object it happened to, such as `pi_…`.
    object: Option<String>,
    /// The account they came to: `acc_…`.
    provider_account: Option<String>,
    /// Created then or later by the provider's clock, RFC 3339.
    created_from: Option<String>,
    /// Created before then by the provider's clock, RFC 3339.
    created_before: Option<String>,
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CountsQuery {
    /// Those that came then or later, RFC 3339: within the last 31 days, the last 24 hours by default.
    since: Option<String>,
}

/// Which events to apply again: those that fit all that is said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayEventsBody {
    /// Where they stand: any but `leased`, which a worker has.
    #[schema(inline)]
    state: EventState,
    /// The provider's word for what happened, such as `charge.updated`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The provider's id of the object it happened to, such as `pi_…`.
    object: Option<String>,
    /// The account they came to: `acc_…`.
    provider_account: Option<String>,
    /// Created then or later by the provider's clock, RFC 3339.
    created_from: Option<String>,
    /// Created before then by the provider's clock, RFC 3339.
    created_before: Option<String>,
    /// How many at most: 1 to 1000, 100 by default.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next_cursor` of the call before, with the same filters.
    cursor: Option<String>,
}

/// What both the list and the replay say of the events they mean.
struct Which {
    state: Option<EventState>,
    kind: Option<String>,
    object: Option<String>,
    provider_account: Option<String>,
    created_from: Option<String>,
    created_before: Option<String>,
}

impl Which {
    fn parse(self) -> Result<EventFilter, Problem> {
        for (field, text) in [("type", &self.kind), ("object", &self.object)] {
            check_text(field, text.as_deref().unwrap_or_default(), 255)?;
        }
        Ok(EventFilter {
            state: self.state,
            kind: self.kind,
            object_id: self.object,
            provider_account: parse_id("provider_account", self.provider_account.as_deref())?,
            created_from: parse_time("created_from", self.created_from.as_deref())?,
            created_before: parse_time("created_before", self.created_before.as_deref())?,
        })
    }
}

impl EventsQuery {
    fn parse(self) -> Result<(EventFilter, Option<WebhookEventId>, u16), Problem> {
        let limit = cursor::limit(self.limit, PAGE, MOST)?;
        let after = cursor::after(self.cursor.as_deref())?;
        let which = Which {
            state: self.state,
            kind: self.kind,
            object: self.object,
            provider_account: self.provider_account,
            created_from: self.created_from,
            created_before: self.created_before,
        };
        Ok((which.parse()?, after, limit))
    }
}

impl ReplayEventsBody {
    fn parse(self) -> Result<(EventFilter, Option<WebhookEventId>, u16), Problem> {
        let limit = cursor::limit(self.limit, REPLAYED, REPLAYED_AT_MOST)?;
        let after = cursor::after(self.cursor.as_deref())?;
        let which = Which {
            state: Some(self.state),
            kind: self.kind,
            object: self.object,
            provider_account: self.provider_account,
            created_from: self.created_from,
            created_before: self.created_before,
        };
        Ok((which.parse()?, after, limit))
    }
}

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

impl EventList {
    /// The page that holds these, with more to come or not.
    #[must_use]
    pub fn new(found: &[EventEntry], more: bool) -> Self {
        let last = found.last().filter(|_| more);
        Self {
            data: found.iter().map(EventView::from).collect(),
            next_cursor: last.map(|event| cursor::encode(&event.id.to_string())),
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

/// What a replay of several took up.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// How many.
    replayed: usize,
    /// Ask with it for the next ones; null where there are no more.
    next_cursor: Option<String>,
}

impl Replayed {
    /// So many, the last of which is this, where more may follow.
    #[must_use]
    pub fn new(count: usize, last: Option<&impl ToString>) -> Self {
        Self {
            replayed: count,
            next_cursor: last.map(|last| cursor::encode(&last.to_string())),
        }
    }
}

/// What can be no event's id is no event's.
fn event_id(text: &str) -> Result<WebhookEventId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such event"))
}

/// A page of the events, newest first. Scope `events:read`.
#[utoipa::path(
    tag = "events",
    params(EventsQuery),
    responses((status = 200, body = EventList), Unserved, Unscoped, Unfound),
    security(("api_key" = []))
)]
#[get("/v1/events")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Result<web::Query<EventsQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator(Scope::EventsRead)?;
    let query = query.map_err(|error| query_problem(&error))?;
    let (filter, after, limit) = query.into_inner().parse()?;
    let (found, more) = events::list(&app, &operator, &filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(EventList::new(&found, more)))
}

/// How many events happened since a moment, by type and state. Scope `events:read`.
#[utoipa::path(
    tag = "events",
    params(CountsQuery),
    responses((status = 200, body = EventCountsView), Unserved, Unscoped, Unfound),
    security(("api_key" = []))
)]
#[get("/v1/events/counts")]
pub(super) async fn counts(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Result<web::Query<CountsQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator(Scope::EventsRead)?;
    let query = query.map_err(|error| query_problem(&error))?;
    let since = parse_time("since", query.since.as_deref())?;
    let counts = events::count(&app, &operator, since).await?;
    Ok(HttpResponse::Ok().json(EventCountsView::from(&counts)))
}

/// One event. Scope `events:read`.
#[utoipa::path(
    tag = "events",
    params(("id" = String, Path, description = "`evt_…`, ours")),
    responses((status = 200, body = EventView), Unserved, Unscoped, Unfound),
    security(("api_key" = []))
)]
#[get("/v1/events/{id}")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator(Scope::EventsRead)?;
    let event = events::get(&app, &operator, event_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(EventView::from(&event)))
}

/// What an event told, byte for byte as the provider sent it. It holds personal data: scope `events:payload`.
#[utoipa::path(
    tag = "events",
    params(("id" = String, Path, description = "`evt_…`, ours")),
    responses((status = 200, body = serde_json::Value, description = "the provider's own bytes"), Unserved, Unscoped, Unfound),
    security(("api_key" = []))
)]
#[get("/v1/events/{id}/payload")]
pub(super) async fn payload(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator(Scope::EventsPayload)?;
    let bytes = events::payload(&app, &operator, event_id(&path)?).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(bytes.to_vec()))
}

/// Applies an event again, whatever became of it, with all its attempts before it. Scope `events:write`. No key is needed: it is
/// safe to repeat.
#[utoipa::path(
    tag = "events",
    params(("id" = String, Path, description = "`evt_…`, ours")),
    request_body = EmptyBody,
    responses((status = 200, body = EventView, description = "a worker will take it up"),
              Unserved, Unscoped, Unfound, Untouchable, Oversized),
    security(("api_key" = []))
)]
#[post("/v1/events/{id}/replay")]
pub(super) async fn replay(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    _: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator(Scope::EventsWrite)?;
    let event = events::replay(&app, &operator, event_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(EventView::from(&event)))
}

/// Applies the events that fit again, oldest first, and says how many. Scope `events:write`. No key is needed: it is safe to
/// repeat.
#[utoipa::path(
    tag = "events",
    request_body = ReplayEventsBody,
    responses((status = 200, body = Replayed, description = "workers will take them up"),
              Unserved, Unscoped, Unfound, Oversized),
    security(("api_key" = []))
)]
#[post("/v1/events/replay")]
pub(super) async fn replay_all(
    app: web::Data<Arc<App>>,
    caller: Caller,
    json: Json<ReplayEventsBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator(Scope::EventsWrite)?;
    let (filter, after, limit) = json.body.parse()?;
    let (count, last) = events::replay_all(&app, &operator, &filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(Replayed::new(count, last.as_ref())))
}
