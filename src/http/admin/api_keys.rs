//! `/v1/merchants/{merchant}/api_keys`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{ListQuery, OverlapBody, created, over, parse_name, parse_path, respond_once};
use crate::app::auth::Administrator;
use crate::app::setup::api_keys::{self, ApiKey, KeyWish, MadeKey};
use crate::app::{Answer, App, Key, Page};
use crate::domain::network::Networks;
use crate::domain::scope::{Preset, Scope};
use crate::http::Problem;
use crate::http::check::parse_time;
use crate::http::extract::{EmptyBody, Json, Queried, RequiredKey};
use crate::http::page::next_cursor;
use crate::http::refusals::{Oversized, Unfound, Unserved, Untouchable};
use crate::http::wants::Wants;

/// How a key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ApiKeyBody {
    /// What people call it: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Whether it moves real money; false by default.
    #[serde(default)]
    live: bool,
    /// What it may do. Either this or `preset`.
    #[schema(examples(json!(["payments:read"])))]
    scopes: Option<Vec<String>>,
    /// A usual set of scopes: `odoo`, `read`, `support` or `admin`.
    #[schema(examples("odoo"))]
    preset: Option<String>,
    /// Where it may be used from: up to 32 addresses or networks; everywhere by default.
    #[serde(default)]
    #[schema(examples(json!(["192.0.2.0/24", "2001:db8::/32"])))]
    networks: Vec<String>,
    /// From when on it is refused, RFC 3339; never by default.
    expires_at: Option<String>,
}

impl ApiKeyBody {
    fn parse(self) -> Result<KeyWish, Problem> {
        let scopes = match (self.scopes, self.preset) {
            (Some(words), None) => parse_scopes(&words)?,
            (None, Some(word)) => {
                let preset: Preset = word
                    .parse()
                    .map_err(|error| Problem::invalid("preset", "unknown_preset", format!("is {error}")))?;
                preset.scopes().to_vec()
            }
            (Some(_), Some(_)) => {
                let message = "cannot be given beside scopes";
                return Err(Problem::invalid("preset", "scopes_ambiguous", message));
            }
            (None, None) => {
                let message = "or preset must be given";
                return Err(Problem::invalid("scopes", "scopes_required", message));
            }
        };
        Ok(KeyWish {
            name: parse_name(&self.name)?,
            live: self.live,
            scopes,
            networks: Networks::parse(&self.networks)
                .map_err(|error| Problem::invalid("networks", "invalid_networks", error))?,
            expires_at: parse_time("expires_at", self.expires_at.as_deref())?,
        })
    }
}

fn parse_scopes(words: &[String]) -> Result<Vec<Scope>, Problem> {
    let read = words.iter().enumerate().map(|(at, word)| {
        word.parse().map_err(|error| {
            Problem::invalid(format!("scopes[{at}]"), "unknown_scope", format!("is {error}"))
        })
    });
    read.collect()
}

/// A key, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyView {
    /// `key_…`
    id: String,
    name: String,
    /// How its text begins.
    prefix: String,
    /// Whether it moves real money.
    live: bool,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// Where it may be used from; everywhere where none is named.
    networks: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// From when on it is refused.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// To the minute, and known a few seconds later.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    /// `key_…`: which one took its place, where it was rolled.
    rolled_to: Option<String>,
    /// `odo_…`: the Odoo that it was connected from; it is refused from any other database.
    odoo_instance: Option<String>,
}

impl From<&ApiKey> for ApiKeyView {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            live: key.live,
            scopes: key.scopes.iter().map(|scope| scope.word()).collect(),
            networks: key.networks.texts(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            rolled_to: key.rolled_to.map(|id| id.to_string()),
            odoo_instance: key
                .binding
                .as_ref()
                .map(|binding| binding.odoo_instance.to_string()),
        }
    }
}

/// A new key with its text, which is shown here and nowhere else.
#[derive(Serialize, ToSchema)]
pub struct NewApiKeyView {
    #[serde(flatten)]
    api_key: ApiKeyView,
    /// What its bearer sends: `qk_test_…` or `qk_live_…`.
    key: String,
}

impl From<&MadeKey> for NewApiKeyView {
    fn from(made: &MadeKey) -> Self {
        Self {
            api_key: ApiKeyView::from(&made.key),
            key: made.text.expose_secret().to_owned(),
        }
    }
}

/// A page of keys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyList {
    data: Vec<ApiKeyView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Page<ApiKey>> for ApiKeyList {
    fn from(page: &Page<ApiKey>) -> Self {
        Self {
            data: page.data.iter().map(ApiKeyView::from).collect(),
            next_cursor: next_cursor(page, |key| key.id),
        }
    }
}

fn render(made: &MadeKey) -> Answer {
    created(&NewApiKeyView::from(made))
}

/// Makes a key. Its text is in the answer, and in that of a repeated request under the same key; nowhere else.
#[utoipa::path(
    tag = "administration",
    operation_id = "api_key_create",
    params(("merchant" = String, Path, description = "`mer_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = ApiKeyBody,
    responses((status = 201, body = NewApiKeyView), Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post("/v1/merchants/{merchant}/api_keys", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn create(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    key: RequiredKey,
    path: web::Path<String>,
    request: HttpRequest,
    json: Json<ApiKeyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path)?;
    let key = Key::of_administrator(&administrator, &key.0, json.fingerprint);
    let served = api_keys::create_once(&app, &by, key, render, &json.body.parse()?).await?;
    Ok(respond_once(&request, served))
}

/// A page of a merchant's keys, newest first, those that ended too; of the mode of the key that asks, or of both for an operator's.
#[utoipa::path(
    tag = "administration",
    operation_id = "api_key_list",
    params(("merchant" = String, Path, description = "`mer_…`"), ListQuery),
    responses((status = 200, body = ApiKeyList), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get("/v1/merchants/{merchant}/api_keys", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn list(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<String>,
    query: Queried<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path)?;
    let (before, limit) = query.read()?.parse()?;
    let page = api_keys::list(&app, &by, before, limit).await?;
    Ok(HttpResponse::Ok().json(ApiKeyList::from(&page)))
}

/// One key, without its text.
#[utoipa::path(
    tag = "administration",
    operation_id = "api_key_get",
    params(("merchant" = String, Path, description = "`mer_…`"), ("api_key" = String, Path, description = "`key_…`")),
    responses((status = 200, body = ApiKeyView), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get("/v1/merchants/{merchant}/api_keys/{api_key}", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn get(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let key = api_keys::get(&app, &by, parse_path(&path.1, "API key")?).await?;
    Ok(HttpResponse::Ok().json(ApiKeyView::from(&key)))
}

/// Revokes a key for good: it is refused everywhere within a second. No `Idempotency-Key` is needed: it stays as it was revoked first.
#[utoipa::path(
    tag = "administration",
    operation_id = "api_key_revoke",
    params(("merchant" = String, Path, description = "`mer_…`"), ("api_key" = String, Path, description = "`key_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = ApiKeyView), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/api_keys/{api_key}/revoke",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn revoke(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let key = api_keys::revoke(&app, &by, parse_path(&path.1, "API key")?).await?;
    Ok(HttpResponse::Ok().json(ApiKeyView::from(&key)))
}

/// Makes a key like this one, which is refused once the overlap is over.
#[utoipa::path(
    tag = "administration",
    operation_id = "api_key_roll",
    params(("merchant" = String, Path, description = "`mer_…`"), ("api_key" = String, Path, description = "`key_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = OverlapBody,
    responses((status = 201, body = NewApiKeyView), Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/api_keys/{api_key}/roll",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn roll(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    key: RequiredKey,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    json: Json<OverlapBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let key = Key::of_administrator(&administrator, &key.0, json.fingerprint);
    let (id, overlap) = (parse_path(&path.1, "API key")?, json.body.parse()?);
    let served = api_keys::roll_once(&app, &by, key, render, id, overlap).await?;
    Ok(respond_once(&request, served))
}
