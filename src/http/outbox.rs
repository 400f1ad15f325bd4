//! `/v1/outbox`: what Odoo was told, and what it was not: look, replay, skip.
//!
//! Neither takes an `Idempotency-Key`: Odoo acts once on a message however often it is sent, and what is skipped stays as it was
//! skipped first.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::parse_id;
use super::extract::{EmptyBody, Json, Queried};
use super::page::{self, Bounds, LISTED, REPLAYED, Replayed};
use super::refusals::{Oversized, Unfound, Unserved, Untouchable};
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::messages::{self, MessageEntry, MessageFilter};
use crate::app::{App, Page};
use crate::domain::ids::OutboxMessageId;
use crate::domain::outbox::OutboxState;
use crate::domain::reason::Reason;
use crate::domain::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutboxQuery {
    /// Where they stand; `dead` are the dead letters.
    #[param(inline)]
    state: Option<OutboxState>,
    /// The payment that they tell of: `pay_…`.
    payment: Option<String>,
    /// Where they go: `odo_…`.
    odoo_instance: Option<String>,
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

impl OutboxQuery {
    fn parse(self, bounds: Bounds) -> Result<(MessageFilter, Option<OutboxMessageId>, u16), Problem> {
        let filter = MessageFilter {
            state: self.state,
            payment: parse_id("payment", self.payment.as_deref())?,
            odoo_instance: parse_id("odoo_instance", self.odoo_instance.as_deref())?,
        };
        let after = page::after(self.cursor.as_deref())?;
        Ok((filter, after, bounds.limit(self.limit)?))
    }
}

/// Which messages to send again: those that fit all that is said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayMessagesBody {
    /// Where they stand: `dead`, or `pending` for those that wait for their next attempt.
    state: OutboxState,
    /// The payment that they tell of: `pay_…`.
    payment: Option<String>,
    /// Where they go: `odo_…`.
    odoo_instance: Option<String>,
    /// How many at most: 1 to 1000, 100 by default.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next_cursor` of the call before, with the same filters.
    cursor: Option<String>,
}

impl From<ReplayMessagesBody> for OutboxQuery {
    fn from(body: ReplayMessagesBody) -> Self {
        Self {
            state: Some(body.state),
            payment: body.payment,
            odoo_instance: body.odoo_instance,
            limit: body.limit,
            cursor: body.cursor,
        }
    }
}

/// Why a message is let go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SkipBody {
    /// For whoever reads the books later: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// One message on its way to Odoo.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// `msg_…`
    id: String,
    state: OutboxState,
    /// `pay_…`; null of a booking that belongs to none.
    payment: Option<String>,
    /// `odo_…`
    odoo_instance: String,
    /// Its place among the messages of its payment, setup or saved method, which leave in this order; null of a booking, which leaves
    /// after them.
    sequence: Option<i64>,
    /// `customer_payment`, `customer_refund`, `refund_returned` or `booking`; where Odoo has our addon, `payment_updated`,
    /// `setup_updated`, `payment_method_updated`, `dispute_updated`, `payment_linked` or `booking`.
    kind: &'static str,
    /// The provider's id of what happened.
    key: String,
    /// How often Odoo refused it since it was queued or last replayed.
    attempts: i32,
    /// What went wrong last, where it is not sent.
    last_error: Option<String>,
    /// When it is tried next, or the worker's time with it ends.
    #[serde(with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    sent_at: Option<OffsetDateTime>,
    /// What it became in Odoo, such as `account.payment,12`.
    records: Vec<String>,
    /// Why it was let go, where it was.
    skip_reason: Option<String>,
    /// By whom: an API key, `key_…`, or `cli`.
    skipped_by: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    skipped_at: Option<OffsetDateTime>,
}

impl From<&MessageEntry> for MessageView {
    fn from(message: &MessageEntry) -> Self {
        let records = message
            .result
            .as_ref()
            .map(|posted| posted.records.as_slice())
            .unwrap_or_default();
        Self {
            id: message.id.to_string(),
            state: message.state,
            payment: message.payment_id.map(|id| id.to_string()),
            odoo_instance: message.odoo_instance_id.to_string(),
            sequence: message.sequence,
            kind: message.posting.kind(),
            key: message.posting.key(),
            attempts: message.attempts,
            last_error: message.last_error.clone(),
            due_at: message.due_at,
            created_at: message.created_at,
            sent_at: message.sent_at,
            records: records
                .iter()
                .map(|record| format!("{},{}", record.model, record.id))
                .collect(),
            skip_reason: message.skip_reason.clone(),
            skipped_by: message.skipped_by.clone(),
            skipped_at: message.skipped_at,
        }
    }
}

/// A page of messages, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageList {
    data: Vec<MessageView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Page<MessageEntry>> for MessageList {
    fn from(page: &Page<MessageEntry>) -> Self {
        Self {
            data: page.data.iter().map(MessageView::from).collect(),
            next_cursor: page::next_cursor(page, |message| message.id),
        }
    }
}

/// What can be no message's id is no message's.
fn message_id(text: &str) -> Result<OutboxMessageId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such message"))
}

/// A page of the messages for Odoo, oldest first. Scope `outbox:read`.
#[utoipa::path(
    tag = "outbox",
    params(OutboxQuery),
    responses((status = 200, body = MessageList), Unserved, Unfound),
    security(("api_key" = ["outbox:read"]))
)]
#[get("/v1/outbox", wrap = "Wants(Scope::OutboxRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<OutboxQuery>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let (filter, after, limit) = query.read()?.parse(LISTED)?;
    let page = messages::list(&app, &operator, filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(MessageList::from(&page)))
}

/// One message for Odoo. Scope `outbox:read`.
#[utoipa::path(
    tag = "outbox",
    params(("id" = String, Path, description = "`msg_…`")),
    responses((status = 200, body = MessageView), Unserved, Unfound),
    security(("api_key" = ["outbox:read"]))
)]
#[get("/v1/outbox/{id}", wrap = "Wants(Scope::OutboxRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let message = messages::get(&app, &operator, message_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(MessageView::from(&message)))
}

/// Sends a dead message again with all its attempts before it, or a pending one sooner, and closes its exception: the payment's
/// later messages follow. Scope `outbox:write`. No key is needed: it is safe to repeat.
#[utoipa::path(
    tag = "outbox",
    params(("id" = String, Path, description = "`msg_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = MessageView, description = "a worker will take it up"),
              Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["outbox:write"]))
)]
#[post("/v1/outbox/{id}/replay", wrap = "Wants(Scope::OutboxWrite)")]
pub(super) async fn replay(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    _: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let message = messages::replay(&app, &operator, message_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(MessageView::from(&message)))
}

/// Sends the messages that fit again, oldest first, and says how many: such as all that are dead of one instance. Scope
/// `outbox:write`. No key is needed: it is safe to repeat.
#[utoipa::path(
    tag = "outbox",
    request_body = ReplayMessagesBody,
    responses((status = 200, body = Replayed, description = "workers will take them up"),
              Unserved, Unfound, Oversized),
    security(("api_key" = ["outbox:write"]))
)]
#[post("/v1/outbox/replay", wrap = "Wants(Scope::OutboxWrite)")]
pub(super) async fn replay_all(
    app: web::Data<Arc<App>>,
    caller: Caller,
    json: Json<ReplayMessagesBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let (filter, after, limit) = OutboxQuery::from(json.body).parse(REPLAYED)?;
    let (count, last) = messages::replay_all(&app, &operator, filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(Replayed::new(count, last.as_ref())))
}

/// Lets a dead message go for good, and closes its exception: the payment's later messages go on without it, and what it told must
/// be recorded in Odoo by hand. Scope `outbox:write`. No key is needed: it stays as it was skipped first.
#[utoipa::path(
    tag = "outbox",
    params(("id" = String, Path, description = "`msg_…`")),
    request_body = SkipBody,
    responses((status = 200, body = MessageView, description = "let go"),
              Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["outbox:write"]))
)]
#[post("/v1/outbox/{id}/skip", wrap = "Wants(Scope::OutboxWrite)")]
pub(super) async fn skip(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    json: Json<SkipBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let id = message_id(&path)?;
    let reason = Reason::parse(&json.body.reason)
        .map_err(|error| Problem::invalid("reason", "invalid_reason", error))?;
    let message = messages::skip(&app, &operator, id, &reason).await?;
    Ok(HttpResponse::Ok().json(MessageView::from(&message)))
}
