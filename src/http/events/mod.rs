//! `/v1/events`: look, count, open, replay.
//!
//! Replays take no `Idempotency-Key`: an event is a hint, so that to apply it again changes nothing that it changed before.

mod view;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::{check_text, parse_id, parse_time};
use super::extract::{EmptyBody, Json, Queried};
use super::page::{self, Bounds, LISTED, REPLAYED, Replayed};
use super::refusals::{Oversized, Unfound, Unserved, Untouchable};
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::events::{self, EventFilter};
use crate::domain::ids::WebhookEventId;
use crate::domain::scope::Scope;
use crate::domain::webhook_event::EventState;
use crate::http::wants::Wants;

pub use view::{EventCountsView, EventList, EventView};

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

impl EventsQuery {
    fn parse(self, bounds: Bounds) -> Result<(EventFilter, Option<WebhookEventId>, u16), Problem> {
        let limit = bounds.limit(self.limit)?;
        let after = page::after(self.cursor.as_deref())?;
        for (field, text) in [("type", &self.kind), ("object", &self.object)] {
            check_text(field, text.as_deref().unwrap_or_default(), 255)?;
        }
        let filter = EventFilter {
            state: self.state,
            kind: self.kind,
            object_id: self.object,
            provider_account: parse_id("provider_account", self.provider_account.as_deref())?,
            created_from: parse_time("created_from", self.created_from.as_deref())?,
            created_before: parse_time("created_before", self.created_before.as_deref())?,
        };
        Ok((filter, after, limit))
    }
}

impl From<ReplayEventsBody> for EventsQuery {
    fn from(body: ReplayEventsBody) -> Self {
        Self {
            state: Some(body.state),
            kind: body.kind,
            object: body.object,
            provider_account: body.provider_account,
            created_from: body.created_from,
            created_before: body.created_before,
            limit: body.limit,
            cursor: body.cursor,
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
    responses((status = 200, body = EventList), Unserved, Unfound),
    security(("api_key" = ["events:read"]))
)]
#[get("/v1/events", wrap = "Wants(Scope::EventsRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<EventsQuery>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let (filter, after, limit) = query.read()?.parse(LISTED)?;
    let page = events::list(&app, &operator, &filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(EventList::from(&page)))
}

/// How many events happened since a moment, by type and state. Scope `events:read`.
#[utoipa::path(
    tag = "events",
    params(CountsQuery),
    responses((status = 200, body = EventCountsView), Unserved, Unfound),
    security(("api_key" = ["events:read"]))
)]
#[get("/v1/events/counts", wrap = "Wants(Scope::EventsRead)")]
pub(super) async fn counts(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<CountsQuery>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let query = query.read()?;
    let since = parse_time("since", query.since.as_deref())?;
    let counts = events::count(&app, &operator, since).await?;
    Ok(HttpResponse::Ok().json(EventCountsView::from(&counts)))
}

/// One event. Scope `events:read`.
#[utoipa::path(
    tag = "events",
    params(("id" = String, Path, description = "`evt_…`, ours")),
    responses((status = 200, body = EventView), Unserved, Unfound),
    security(("api_key" = ["events:read"]))
)]
#[get("/v1/events/{id}", wrap = "Wants(Scope::EventsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let event = events::get(&app, &operator, event_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(EventView::from(&event)))
}

/// What an event told, byte for byte as the provider sent it. It holds personal data: scope `events:payload`.
#[utoipa::path(
    tag = "events",
    params(("id" = String, Path, description = "`evt_…`, ours")),
    responses((status = 200, body = serde_json::Value, description = "the provider's own bytes"), Unserved, Unfound),
    security(("api_key" = ["events:payload"]))
)]
#[get("/v1/events/{id}/payload", wrap = "Wants(Scope::EventsPayload)")]
pub(super) async fn payload(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
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
              Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["events:write"]))
)]
#[post("/v1/events/{id}/replay", wrap = "Wants(Scope::EventsWrite)")]
pub(super) async fn replay(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    _: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let event = events::replay(&app, &operator, event_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(EventView::from(&event)))
}

/// Applies the events that fit again, oldest first, and says how many. Scope `events:write`. No key is needed: it is safe to
/// repeat.
#[utoipa::path(
    tag = "events",
    request_body = ReplayEventsBody,
    responses((status = 200, body = Replayed, description = "workers will take them up"),
              Unserved, Unfound, Oversized),
    security(("api_key" = ["events:write"]))
)]
#[post("/v1/events/replay", wrap = "Wants(Scope::EventsWrite)")]
pub(super) async fn replay_all(
    app: web::Data<Arc<App>>,
    caller: Caller,
    json: Json<ReplayEventsBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let (filter, after, limit) = EventsQuery::from(json.body).parse(REPLAYED)?;
    let (count, last) = events::replay_all(&app, &operator, &filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(Replayed::new(count, last.as_ref())))
}
