//! `/v1/merchants`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{ListQuery, created, over, parse_name, parse_path, respond_once};
use crate::app::auth::Administrator;
use crate::app::setup::merchants::{self, Merchant};
use crate::app::{Answer, App, Key, Page};
use crate::domain::scope::Scope;
use crate::http::Problem;
use crate::http::extract::{EmptyBody, Json, Queried, RequiredKey};
use crate::http::page::next_cursor;
use crate::http::refusals::{Oversized, Unfound, Unserved, Untouchable};
use crate::http::wants::Wants;

/// What people call it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MerchantBody {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// A tenant: one company, its provider accounts, its Odoo instances and its keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct MerchantView {
    /// `mer_…`
    id: String,
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Since when its keys are refused; null while it is in use.
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
}

impl From<&Merchant> for MerchantView {
    fn from(merchant: &Merchant) -> Self {
        Self {
            id: merchant.id.to_string(),
            name: merchant.name.clone(),
            created_at: merchant.created_at,
            disabled_at: merchant.disabled_at,
        }
    }
}

/// A page of merchants, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MerchantList {
    data: Vec<MerchantView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Page<Merchant>> for MerchantList {
    fn from(page: &Page<Merchant>) -> Self {
        Self {
            data: page.data.iter().map(MerchantView::from).collect(),
            next_cursor: next_cursor(page, |merchant| merchant.id),
        }
    }
}

fn render(merchant: &Merchant) -> Answer {
    created(&MerchantView::from(merchant))
}

/// Adds a merchant. An operator's key alone may.
#[utoipa::path(
    tag = "administration",
    operation_id = "merchant_create",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = MerchantBody,
    responses((status = 201, body = MerchantView), Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post("/v1/merchants", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn create(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    key: RequiredKey,
    request: HttpRequest,
    json: Json<MerchantBody>,
) -> Result<HttpResponse, Problem> {
    let key = Key::of_administrator(&administrator, &key.0, json.fingerprint);
    let name = parse_name(&json.body.name)?;
    let served = merchants::create_once(&app, &administrator, key, render, &name).await?;
    Ok(respond_once(&request, served))
}

/// A page of the merchants that the key may set up, newest first.
#[utoipa::path(
    tag = "administration",
    operation_id = "merchant_list",
    params(ListQuery),
    responses((status = 200, body = MerchantList), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get("/v1/merchants", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn list(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    query: Queried<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let (before, limit) = query.read()?.parse()?;
    let page = merchants::list(&app, &administrator, before, limit).await?;
    Ok(HttpResponse::Ok().json(MerchantList::from(&page)))
}

/// One merchant.
#[utoipa::path(
    tag = "administration",
    operation_id = "merchant_get",
    params(("merchant" = String, Path, description = "`mer_…`")),
    responses((status = 200, body = MerchantView), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get("/v1/merchants/{merchant}", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn get(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let merchant = merchants::get(&app, &over(&administrator, &path)?).await?;
    Ok(HttpResponse::Ok().json(MerchantView::from(&merchant)))
}

/// Gives a merchant another name.
#[utoipa::path(
    tag = "administration",
    operation_id = "merchant_rename",
    params(("merchant" = String, Path, description = "`mer_…`")),
    request_body = MerchantBody,
    responses((status = 200, body = MerchantView), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post("/v1/merchants/{merchant}/rename", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn rename(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<String>,
    json: Json<MerchantBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path)?;
    let merchant = merchants::rename(&app, &by, &parse_name(&json.body.name)?).await?;
    Ok(HttpResponse::Ok().json(MerchantView::from(&merchant)))
}

/// Refuses a merchant's keys from now on, within a second. What is under way goes on, and what providers tell is taken in and booked. An
/// operator's key alone may.
#[utoipa::path(
    tag = "administration",
    operation_id = "merchant_disable",
    params(("merchant" = String, Path, description = "`mer_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = MerchantView), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post("/v1/merchants/{merchant}/disable", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn disable(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<String>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = merchants::disable(&app, &administrator, parse_path(&path, "merchant")?).await?;
    Ok(HttpResponse::Ok().json(MerchantView::from(&merchant)))
}

/// Takes a merchant's keys again. An operator's key alone may.
#[utoipa::path(
    tag = "administration",
    operation_id = "merchant_enable",
    params(("merchant" = String, Path, description = "`mer_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = MerchantView), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post("/v1/merchants/{merchant}/enable", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn enable(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<String>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = merchants::enable(&app, &administrator, parse_path(&path, "merchant")?).await?;
    Ok(HttpResponse::Ok().json(MerchantView::from(&merchant)))
}
