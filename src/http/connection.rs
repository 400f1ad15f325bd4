//! `/v1/odoo/connection`: an Odoo with our addon connects itself, and sees how that stands.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;
use utoipa::ToSchema;

use super::Problem;
use super::check::{check_text, check_url, parse_id};
use super::extract::Json;
use super::refusals::{InTheWay, Oversized, Unfound, Unserved};
use super::wants::{Wants, named_database};
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::connection::{self, Connection, Webhook, WebhookState, Wish};
use crate::domain::scope::Scope;
use crate::domain::signing_secret::SigningSecret;
use crate::store::odoo_instances::AddonSide;

/// Which Odoo connects. Fields that this version does not know are passed over: the addon may be newer.
#[derive(Deserialize, ToSchema)]
pub(super) struct ConnectionBody {
    /// The `database.uuid` of Odoo.
    database: String,
    /// The id of the company, as text.
    company: String,
    /// What people call it.
    company_name: Option<String>,
    /// Where the addon takes messages.
    url: String,
    /// Where the provider reaches this service; needed for `register_webhook`. It begins with `https://`, or in test mode `http://`.
    service_url: Option<String>,
    /// Whether the webhook endpoint is registered at the provider, where none of ours leads to `service_url`.
    #[serde(default)]
    register_webhook: bool,
    /// Whether messages are signed with a new secret. The old one signs beside it for a day.
    #[serde(default)]
    new_secret: bool,
    /// `acc_…`; may be left out where the merchant has one account of the key's mode.
    provider_account: Option<String>,
    odoo_version: Option<String>,
    addon_version: Option<String>,
}

impl ConnectionBody {
    fn parse(self) -> Result<Wish, Problem> {
        check_name("database", &self.database)?;
        check_name("company", &self.company)?;
        for (field, text) in [
            ("company_name", &self.company_name),
            ("odoo_version", &self.odoo_version),
            ("addon_version", &self.addon_version),
        ] {
            if let Some(text) = text {
                check_text(field, text, 255)?;
            }
        }
        let endpoint_at = match (self.register_webhook, self.service_url) {
            (true, None) => {
                let message = "must be given where the webhook endpoint is to be registered";
                return Err(Problem::invalid("service_url", "missing_field", message));
            }
            (true, Some(text)) => Some(parse_url("service_url", &text)?),
            (false, Some(text)) => parse_url("service_url", &text).map(|_| None)?,
            (false, None) => None,
        };
        Ok(Wish {
            provider_account: parse_id("provider_account", self.provider_account.as_deref())?,
            new_secret: self.new_secret,
            endpoint_at,
            side: AddonSide {
                url: parse_url("url", &self.url)?,
                database: self.database,
                company: self.company,
                company_name: self.company_name,
                odoo_version: self.odoo_version,
                addon_version: self.addon_version,
            },
        })
    }
}

/// What Odoo calls a database or a company: it travels in a header.
fn check_name(field: &str, text: &str) -> Result<(), Problem> {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(())
    } else {
        let message = "must be 1 to 64 visible ASCII characters";
        Err(Problem::invalid(field, "invalid_name", message))
    }
}

fn parse_url(field: &'static str, text: &str) -> Result<Url, Problem> {
    check_url(field, text)?;
    text.parse()
        .map_err(|error| Problem::invalid(field, "invalid_url", error))
}

/// Whether the key moves real money.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ModeWord {
    Test,
    Live,
}

/// A connection, and how all that it needs stands.
#[derive(Serialize, ToSchema)]
pub(super) struct ConnectionView {
    /// `mer_…`
    merchant: String,
    /// `odo_…`
    odoo_instance: String,
    database: Option<String>,
    company: Option<String>,
    /// `whsec_…`: what messages are signed with, where that was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
    /// `acc_…`
    provider_account: String,
    provider: String,
    /// Whether this Odoo keeps the account's books. Where another one that is in use does, that one goes on.
    keeps_books: bool,
    mode: ModeWord,
    publishable_key: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    server_time: OffsetDateTime,
    /// The service's own version.
    version: &'static str,
    /// In which version of its API the provider tells us.
    api_version: Option<&'static str>,
    scopes: Vec<&'static str>,
    /// What the key lacks of the preset `odoo`.
    missing_scopes: Vec<&'static str>,
    /// What the provider holds for the account; empty where it did not say.
    currencies: Vec<&'static str>,
    webhook: WebhookView,
    messages: MessagesView,
    events: EventsView,
    /// Of the key's mode.
    exceptions_open: i64,
}

/// How the account's webhooks stand.
#[derive(Serialize, ToSchema)]
struct WebhookView {
    state: WebhookState,
    /// Where the endpoint sends that we registered.
    url: Option<String>,
    /// What is wrong with them, in words with what to do.
    problems: Vec<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_event_at: Option<OffsetDateTime>,
}

/// How the messages for this Odoo stand.
#[derive(Serialize, ToSchema)]
struct MessagesView {
    pending: i64,
    dead: i64,
    /// In whole seconds.
    oldest_pending_age_s: Option<i64>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_sent_at: Option<OffsetDateTime>,
    /// Until when it rests, as it did not answer or refused.
    #[serde(with = "time::serde::rfc3339::option")]
    paused_until: Option<OffsetDateTime>,
    paused_reason: Option<String>,
    /// Since when nothing is sent until an operator enables it.
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
}

/// How the account's events stand.
#[derive(Serialize, ToSchema)]
struct EventsView {
    pending: i64,
    dead: i64,
}

fn words(scopes: &[Scope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.word()).collect()
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            state: webhook.state,
            url: webhook.url,
            problems: webhook.problems,
            last_event_at: webhook.last_event_at,
        }
    }
}

impl From<Connection> for ConnectionView {
    fn from(connection: Connection) -> Self {
        let Connection {
            instance, messages, ..
        } = connection;
        let secret = connection.signing_secret.as_ref().map(SigningSecret::text);
        let age = |at: OffsetDateTime| (connection.server_time - at).whole_seconds().max(0);
        Self {
            merchant: connection.merchant_id.to_string(),
            odoo_instance: instance.id.to_string(),
            database: instance.database,
            company: instance.company,
            signing_secret: secret.map(|text| text.expose_secret().to_owned()),
            provider_account: connection.account.id.to_string(),
            provider: connection.account.provider,
            keeps_books: connection.keeps_books,
            mode: if connection.live {
                ModeWord::Live
            } else {
                ModeWord::Test
            },
            publishable_key: connection.account.publishable_key,
            server_time: connection.server_time,
            version: env!("CARGO_PKG_VERSION"),
            api_version: connection.api_version,
            scopes: words(&connection.scopes),
            missing_scopes: words(&connection.missing_scopes),
            currencies: connection.currencies,
            webhook: connection.webhook.into(),
            messages: MessagesView {
                pending: messages.pending,
                dead: messages.dead,
                oldest_pending_age_s: messages.oldest_pending_at.map(age),
                last_sent_at: messages.last_sent_at,
                paused_until: instance.paused_until,
                paused_reason: instance.paused_reason,
                disabled_at: instance.disabled_at,
            },
            events: EventsView {
                pending: connection.events.pending,
                dead: connection.events.dead,
            },
            exceptions_open: connection.exceptions_open,
        }
    }
}

/// Answers with what may be secret: no cache keeps it.
fn shown(connection: Connection) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .json(ConnectionView::from(connection))
}

/// Connects an Odoo with our addon. Safe to repeat: it is found by its database and company. The key is bound to it from then on.
#[utoipa::path(
    tag = "odoo",
    operation_id = "connection_make",
    params(("Quittance-Odoo-Database" = Option<String>, Header,
        description = "the `database.uuid` that the request comes from; needed once the key was connected")),
    request_body = ConnectionBody,
    responses((status = 200, body = ConnectionView), Unserved, InTheWay, Oversized),
    security(("api_key" = ["odoo:connect"]))
)]
#[post("/v1/odoo/connection", wrap = "Wants(Scope::OdooConnect)")]
pub(super) async fn make(
    app: web::Data<Arc<App>>,
    caller: Caller,
    request: HttpRequest,
    json: Json<ConnectionBody>,
) -> Result<HttpResponse, Problem> {
    let named = named_database(request.headers());
    let connection = connection::connect(&app, &caller, named, &json.body.parse()?).await?;
    Ok(shown(connection))
}

/// How the connection stands that was made with the key.
#[utoipa::path(
    tag = "odoo",
    operation_id = "connection_get",
    responses((status = 200, body = ConnectionView), Unserved, Unfound),
    security(("api_key" = ["odoo:connect"]))
)]
#[get("/v1/odoo/connection", wrap = "Wants(Scope::OdooConnect)")]
pub(super) async fn get(app: web::Data<Arc<App>>, caller: Caller) -> Result<HttpResponse, Problem> {
    Ok(shown(connection::get(&app, &caller).await?))
}
