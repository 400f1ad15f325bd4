//! `/v1/merchants/{merchant}/odoo_instances`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;
use utoipa::ToSchema;

use super::{ListQuery, OverlapBody, check_texts, created, over, parse_path, respond_once};
use crate::app::auth::Administrator;
use crate::app::setup::odoo_instances::{self, InstanceWish, MadeInstance, ShownInstance};
use crate::app::{Answer, App, Key, Page};
use crate::domain::scope::Scope;
use crate::domain::signing_secret::SigningSecret;
use crate::http::Problem;
use crate::http::check::check_url;
use crate::http::extract::{EmptyBody, Json, Queried, RequiredKey};
use crate::http::page::next_cursor;
use crate::http::refusals::{InTheWay, Oversized, Unfound, Unserved, Untouchable};
use crate::http::wants::Wants;
use crate::sink::{BooksRequest, Via};

/// How an instance is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum ViaWord {
    /// A stock Odoo, over its external API.
    Rpc,
    /// An Odoo with our addon, by signed messages.
    Addon,
}

/// How an instance is to be. Its key is tried first, then sealed, and in no answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct OdooInstanceBody {
    via: ViaWord,
    /// Where a stock Odoo answers, or where the addon takes messages.
    url: String,
    /// The database's name: of a stock Odoo, and required there.
    database: Option<String>,
    /// The login of the user whose API key it is: Odoo 16 to 18 ask for it.
    login: Option<String>,
    /// The API key: of a stock Odoo, and required there.
    #[schema(value_type = Option<String>)]
    api_key: Option<SecretString>,
    /// The short code of one bank journal that stands for all of the provider's balance; together with `fee_account`.
    journal: Option<String>,
    /// The code of the expense account for the provider's fees.
    fee_account: Option<String>,
}

impl OdooInstanceBody {
    fn parse(self) -> Result<InstanceWish, Problem> {
        check_url("url", &self.url)?;
        let url: Url = self
            .url
            .parse()
            .map_err(|error| Problem::invalid("url", "invalid_url", error))?;
        check_texts(&[
            ("database", self.database.as_deref()),
            ("login", self.login.as_deref()),
            ("journal", self.journal.as_deref()),
            ("fee_account", self.fee_account.as_deref()),
        ])?;
        if self.via == ViaWord::Addon {
            let others = [
                ("database", self.database.is_some()),
                ("login", self.login.is_some()),
                ("api_key", self.api_key.is_some()),
                ("journal", self.journal.is_some()),
                ("fee_account", self.fee_account.is_some()),
            ];
            return match others.into_iter().find(|(_, is_given)| *is_given) {
                Some((field, _)) => {
                    let message = "is of a stock Odoo, and this one has our addon";
                    Err(Problem::invalid(field, "not_of_addon", message))
                }
                None => Ok(InstanceWish::Addon { url }),
            };
        }
        let required = |field: &'static str| Problem::invalid(field, "missing_field", "is required");
        let books = match (self.journal, self.fee_account) {
            (None, None) => None,
            (Some(journal_code), Some(fee_account_code)) => Some(BooksRequest {
                journal_code,
                fee_account_code,
            }),
            (Some(_), None) => return Err(required("fee_account")),
            (None, Some(_)) => return Err(required("journal")),
        };
        Ok(InstanceWish::Rpc {
            url,
            database: self.database.ok_or_else(|| required("database"))?,
            login: self.login,
            api_key: parse_key(self.api_key.ok_or_else(|| required("api_key"))?)?,
            books,
        })
    }
}

fn parse_key(key: SecretString) -> Result<SecretString, Problem> {
    let text = key.expose_secret();
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    let message = "must be 1 to 255 visible ASCII characters";
    Err(Problem::invalid("api_key", "invalid_secret", message))
}

/// Another key of a stock Odoo.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RotateKeyBody {
    /// The key from now on. It is tried first.
    #[schema(value_type = String)]
    api_key: SecretString,
    /// Whose it is; it stays where it is left out.
    login: Option<String>,
}

/// An Odoo database and company, without what is secret about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OdooInstanceView {
    /// `odo_…`
    id: String,
    via: ViaWord,
    url: String,
    /// The name of a stock Odoo's database; the `database.uuid` of one with our addon, once it connected.
    database: Option<String>,
    /// The id of the company, of an Odoo with our addon that connected.
    company: Option<String>,
    company_name: Option<String>,
    /// The Odoo's own version, as it said when it connected.
    odoo_version: Option<String>,
    addon_version: Option<String>,
    login: Option<String>,
    /// Until when it rests, as it did not answer or refused our key.
    #[serde(with = "time::serde::rfc3339::option")]
    paused_until: Option<OffsetDateTime>,
    /// Why.
    paused_reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Since when nothing is sent; null while it is in use.
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
}

impl From<&ShownInstance> for OdooInstanceView {
    fn from(instance: &ShownInstance) -> Self {
        Self {
            id: instance.id.to_string(),
            via: match instance.sink {
                Via::Rpc => ViaWord::Rpc,
                Via::Addon => ViaWord::Addon,
            },
            url: instance.url.clone(),
            database: instance.database.clone(),
            company: instance.company.clone(),
            company_name: instance.company_name.clone(),
            odoo_version: instance.odoo_version.clone(),
            addon_version: instance.addon_version.clone(),
            login: instance.login.clone(),
            paused_until: instance.paused_until,
            paused_reason: instance.paused_reason.clone(),
            created_at: instance.created_at,
            disabled_at: instance.disabled_at,
        }
    }
}

/// An instance and, with our addon, what its messages are signed with: shown here and nowhere else.
#[derive(Serialize, ToSchema)]
pub struct NewOdooInstanceView {
    #[serde(flatten)]
    instance: OdooInstanceView,
    /// `whsec_…`, where the instance has our addon.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
}

impl From<&MadeInstance> for NewOdooInstanceView {
    fn from(made: &MadeInstance) -> Self {
        let text = made.signing_secret.as_ref().map(SigningSecret::text);
        Self {
            instance: OdooInstanceView::from(&made.instance),
            signing_secret: text.map(|text| text.expose_secret().to_owned()),
        }
    }
}

/// A page of instances, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OdooInstanceList {
    data: Vec<OdooInstanceView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Page<ShownInstance>> for OdooInstanceList {
    fn from(page: &Page<ShownInstance>) -> Self {
        Self {
            data: page.data.iter().map(OdooInstanceView::from).collect(),
            next_cursor: next_cursor(page, |instance| instance.id),
        }
    }
}

fn render(made: &MadeInstance) -> Answer {
    created(&NewOdooInstanceView::from(made))
}

fn shown(instance: &ShownInstance) -> HttpResponse {
    HttpResponse::Ok().json(OdooInstanceView::from(instance))
}

/// Adds an Odoo: a stock one over its external API, or one with our addon, whose signing secret is in the answer.
#[utoipa::path(
    tag = "administration",
    operation_id = "odoo_instance_create",
    params(("merchant" = String, Path, description = "`mer_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = OdooInstanceBody,
    responses((status = 201, body = NewOdooInstanceView), Unserved, InTheWay, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post("/v1/merchants/{merchant}/odoo_instances", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn create(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    key: RequiredKey,
    path: web::Path<String>,
    request: HttpRequest,
    json: Json<OdooInstanceBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path)?;
    let key = Key::of_administrator(&administrator, &key.0, json.fingerprint);
    let served = odoo_instances::create_once(&app, &by, key, render, &json.body.parse()?).await?;
    Ok(respond_once(&request, served))
}

/// A page of a merchant's Odoo instances, newest first.
#[utoipa::path(
    tag = "administration",
    operation_id = "odoo_instance_list",
    params(("merchant" = String, Path, description = "`mer_…`"), ListQuery),
    responses((status = 200, body = OdooInstanceList), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get("/v1/merchants/{merchant}/odoo_instances", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn list(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<String>,
    query: Queried<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path)?;
    let (before, limit) = query.read()?.parse()?;
    let page = odoo_instances::list(&app, &by, before, limit).await?;
    Ok(HttpResponse::Ok().json(OdooInstanceList::from(&page)))
}

/// One Odoo instance.
#[utoipa::path(
    tag = "administration",
    operation_id = "odoo_instance_get",
    params(("merchant" = String, Path, description = "`mer_…`"), ("odoo_instance" = String, Path, description = "`odo_…`")),
    responses((status = 200, body = OdooInstanceView), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get(
    "/v1/merchants/{merchant}/odoo_instances/{odoo_instance}",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn get(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    Ok(shown(
        &odoo_instances::get(&app, &by, parse_path(&path.1, "odoo instance")?).await?,
    ))
}

/// Takes another API key of a stock Odoo, once it is found good.
#[utoipa::path(
    tag = "administration",
    operation_id = "odoo_instance_rotate_key",
    params(("merchant" = String, Path, description = "`mer_…`"), ("odoo_instance" = String, Path, description = "`odo_…`")),
    request_body = RotateKeyBody,
    responses((status = 200, body = OdooInstanceView), Unserved, InTheWay, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/odoo_instances/{odoo_instance}/rotate_key",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn rotate_key(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
    json: Json<RotateKeyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let id = parse_path(&path.1, "odoo instance")?;
    check_texts(&[("login", json.body.login.as_deref())])?;
    let key = parse_key(json.body.api_key)?;
    Ok(shown(
        &odoo_instances::rotate_key(&app, &by, id, key, json.body.login).await?,
    ))
}

/// Makes a new secret to sign messages with, for an Odoo with our addon. The old one signs beside it until the overlap is over.
#[utoipa::path(
    tag = "administration",
    operation_id = "odoo_instance_rotate_signing_secret",
    params(("merchant" = String, Path, description = "`mer_…`"), ("odoo_instance" = String, Path, description = "`odo_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = OverlapBody,
    responses((status = 201, body = NewOdooInstanceView), Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/odoo_instances/{odoo_instance}/rotate_signing_secret",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn rotate_signing_secret(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    key: RequiredKey,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    json: Json<OverlapBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let key = Key::of_administrator(&administrator, &key.0, json.fingerprint);
    let (id, overlap) = (parse_path(&path.1, "odoo instance")?, json.body.parse()?);
    let served = odoo_instances::rotate_signing_secret_once(&app, &by, key, render, id, overlap).await?;
    Ok(respond_once(&request, served))
}

/// Sends to an instance again, beginning with one message.
#[utoipa::path(
    tag = "administration",
    operation_id = "odoo_instance_enable",
    params(("merchant" = String, Path, description = "`mer_…`"), ("odoo_instance" = String, Path, description = "`odo_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = OdooInstanceView), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/odoo_instances/{odoo_instance}/enable",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn enable(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    Ok(shown(
        &odoo_instances::enable(&app, &by, parse_path(&path.1, "odoo instance")?).await?,
    ))
}

/// Sends nothing to an instance until it is enabled. Its messages wait.
#[utoipa::path(
    tag = "administration",
    operation_id = "odoo_instance_disable",
    params(("merchant" = String, Path, description = "`mer_…`"), ("odoo_instance" = String, Path, description = "`odo_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = OdooInstanceView), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/odoo_instances/{odoo_instance}/disable",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn disable(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    Ok(shown(
        &odoo_instances::disable(&app, &by, parse_path(&path.1, "odoo instance")?).await?,
    ))
}
