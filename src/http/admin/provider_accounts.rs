//! `/v1/merchants/{merchant}/provider_accounts`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{ListQuery, check_texts, created, over, parse_path, respond_once};
use crate::app::auth::Administrator;
use crate::app::setup::provider_accounts::{self, AccountDetail, AccountWish, ShownAccount, WebhookSecret};
use crate::app::{Answer, App, Key, Page};
use crate::domain::scope::Scope;
use crate::http::Problem;
use crate::http::check::check_token;
use crate::http::extract::{EmptyBody, Json, Queried, RequiredKey};
use crate::http::page::next_cursor;
use crate::http::refusals::{Oversized, Unfound, Unserved, Untouchable};
use crate::http::wants::Wants;

/// How an account is to be. Its secrets are sealed, and in no answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ProviderAccountBody {
    /// The provider's name: `stripe`, by default.
    provider: Option<String>,
    /// Whether real money moves; false by default.
    #[serde(default)]
    live: bool,
    /// The connected account that calls are made for (`acct_…`), where the secret key is a platform's.
    external_account: Option<String>,
    /// The key that calls are made with; better a restricted one (`rk_…`).
    #[schema(value_type = String)]
    secret_key: SecretString,
    /// The key that browsers use (`pk_…`).
    publishable_key: Option<String>,
    /// What webhooks are signed with, where an endpoint is there.
    #[schema(value_type = Option<String>)]
    webhook_secret: Option<SecretString>,
}

impl ProviderAccountBody {
    fn parse(self) -> Result<AccountWish, Problem> {
        if let Some(account) = &self.external_account {
            check_token("external_account", account)?;
        }
        check_texts(&[("provider", self.provider.as_deref())])?;
        Ok(AccountWish {
            provider: self.provider.unwrap_or_else(|| "stripe".to_owned()),
            live: self.live,
            external_account: self.external_account,
            // Where calls go is no merchant's to choose: it could lead into our own network.
            api_base: None,
            secret_key: self.secret_key,
            publishable_key: self.publishable_key,
            webhook_secret: self.webhook_secret,
        })
    }
}

/// Other keys of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RotateKeysBody {
    /// The key that calls are made with from now on.
    #[schema(value_type = String)]
    secret_key: SecretString,
    /// The key that browsers use; it stays where it is left out.
    publishable_key: Option<String>,
}

/// What webhooks may be signed with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WebhookSecretBody {
    /// `whsec_…`
    #[schema(value_type = String)]
    webhook_secret: SecretString,
}

/// A merchant's account at a provider, without what is secret about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderAccountView {
    /// `acc_…`
    id: String,
    provider: String,
    /// Whether real money moves.
    live: bool,
    external_account: Option<String>,
    publishable_key: Option<String>,
    /// Where the provider sends its webhooks.
    webhook_path: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Since when nothing begins there; null while it is in use.
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
}

impl From<&ShownAccount> for ProviderAccountView {
    fn from(account: &ShownAccount) -> Self {
        Self {
            id: account.id.to_string(),
            provider: account.provider.clone(),
            live: account.live,
            external_account: account.external_account.clone(),
            publishable_key: account.publishable_key.clone(),
            webhook_path: format!("/webhooks/{}/{}", account.provider, account.id),
            created_at: account.created_at,
            disabled_at: account.disabled_at,
        }
    }
}

/// A secret that webhooks are signed with, without its text.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookSecretView {
    /// `whs_…`
    id: String,
    /// Whether an endpoint that was registered by us signs with it.
    of_endpoint: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Since when it proves nothing.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

impl From<&WebhookSecret> for WebhookSecretView {
    fn from(secret: &WebhookSecret) -> Self {
        Self {
            id: secret.id.to_string(),
            of_endpoint: secret.is_of_endpoint,
            created_at: secret.created_at,
            ended_at: secret.ended_at,
        }
    }
}

/// An account with what its webhooks are and were signed with.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderAccountDetail {
    #[serde(flatten)]
    account: ProviderAccountView,
    /// Oldest first.
    webhook_secrets: Vec<WebhookSecretView>,
}

impl From<&AccountDetail> for ProviderAccountDetail {
    fn from(detail: &AccountDetail) -> Self {
        Self {
            account: ProviderAccountView::from(&detail.account),
            webhook_secrets: detail
                .webhook_secrets
                .iter()
                .map(WebhookSecretView::from)
                .collect(),
        }
    }
}

/// A page of accounts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderAccountList {
    data: Vec<ProviderAccountView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&Page<ShownAccount>> for ProviderAccountList {
    fn from(page: &Page<ShownAccount>) -> Self {
        Self {
            data: page.data.iter().map(ProviderAccountView::from).collect(),
            next_cursor: next_cursor(page, |account| account.id),
        }
    }
}

fn render(detail: &AccountDetail) -> Answer {
    created(&ProviderAccountDetail::from(detail))
}

fn shown(detail: &AccountDetail) -> HttpResponse {
    HttpResponse::Ok().json(ProviderAccountDetail::from(detail))
}

/// Adds an account at a provider.
#[utoipa::path(
    tag = "administration",
    operation_id = "provider_account_create",
    params(("merchant" = String, Path, description = "`mer_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = ProviderAccountBody,
    responses((status = 201, body = ProviderAccountDetail), Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post("/v1/merchants/{merchant}/provider_accounts", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn create(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    key: RequiredKey,
    path: web::Path<String>,
    request: HttpRequest,
    json: Json<ProviderAccountBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path)?;
    let key = Key::of_administrator(&administrator, &key.0, json.fingerprint);
    let served = provider_accounts::create_once(&app, &by, key, render, &json.body.parse()?).await?;
    Ok(respond_once(&request, served))
}

/// A page of a merchant's accounts, newest first; of the mode of the key that asks, or of both for an operator's.
#[utoipa::path(
    tag = "administration",
    operation_id = "provider_account_list",
    params(("merchant" = String, Path, description = "`mer_…`"), ListQuery),
    responses((status = 200, body = ProviderAccountList), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get("/v1/merchants/{merchant}/provider_accounts", wrap = "Wants(Scope::Admin)")]
pub(in crate::http) async fn list(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<String>,
    query: Queried<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path)?;
    let (before, limit) = query.read()?.parse()?;
    let page = provider_accounts::list(&app, &by, before, limit).await?;
    Ok(HttpResponse::Ok().json(ProviderAccountList::from(&page)))
}

/// One account.
#[utoipa::path(
    tag = "administration",
    operation_id = "provider_account_get",
    params(("merchant" = String, Path, description = "`mer_…`"), ("provider_account" = String, Path, description = "`acc_…`")),
    responses((status = 200, body = ProviderAccountDetail), Unserved, Unfound),
    security(("api_key" = ["admin"]))
)]
#[get(
    "/v1/merchants/{merchant}/provider_accounts/{provider_account}",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn get(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let detail = provider_accounts::get(&app, &by, parse_path(&path.1, "provider account")?).await?;
    Ok(shown(&detail))
}

/// Gives an account other keys, which every replica uses within a few seconds: let the old ones go on at the provider for a minute.
#[utoipa::path(
    tag = "administration",
    operation_id = "provider_account_rotate_keys",
    params(("merchant" = String, Path, description = "`mer_…`"), ("provider_account" = String, Path, description = "`acc_…`")),
    request_body = RotateKeysBody,
    responses((status = 200, body = ProviderAccountDetail), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/provider_accounts/{provider_account}/rotate_keys",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn rotate_keys(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
    json: Json<RotateKeysBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let id = parse_path(&path.1, "provider account")?;
    let RotateKeysBody {
        secret_key,
        publishable_key,
    } = json.body;
    let detail = provider_accounts::rotate_keys(&app, &by, id, secret_key, publishable_key).await?;
    Ok(shown(&detail))
}

/// Lets nothing begin at an account: no payment, customer or setup. What began goes on: captures, refunds, webhooks, the books.
#[utoipa::path(
    tag = "administration",
    operation_id = "provider_account_disable",
    params(("merchant" = String, Path, description = "`mer_…`"), ("provider_account" = String, Path, description = "`acc_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = ProviderAccountDetail), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/provider_accounts/{provider_account}/disable",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn disable(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let id = parse_path(&path.1, "provider account")?;
    Ok(shown(
        &provider_accounts::set_disabled(&app, &by, id, true).await?,
    ))
}

/// Lets things begin at an account again.
#[utoipa::path(
    tag = "administration",
    operation_id = "provider_account_enable",
    params(("merchant" = String, Path, description = "`mer_…`"), ("provider_account" = String, Path, description = "`acc_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = ProviderAccountDetail), Unserved, Unfound, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/provider_accounts/{provider_account}/enable",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn enable(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String)>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let id = parse_path(&path.1, "provider account")?;
    Ok(shown(
        &provider_accounts::set_disabled(&app, &by, id, false).await?,
    ))
}

/// Adds a secret that an account's webhooks may be signed with, beside those it has.
#[utoipa::path(
    tag = "administration",
    operation_id = "webhook_secret_create",
    params(("merchant" = String, Path, description = "`mer_…`"), ("provider_account" = String, Path, description = "`acc_…`"),
           ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = WebhookSecretBody,
    responses((status = 201, body = ProviderAccountDetail), Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/provider_accounts/{provider_account}/webhook_secrets",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn add_webhook_secret(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    key: RequiredKey,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    json: Json<WebhookSecretBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let key = Key::of_administrator(&administrator, &key.0, json.fingerprint);
    let id = parse_path(&path.1, "provider account")?;
    let secret = &json.body.webhook_secret;
    let served = provider_accounts::add_webhook_secret_once(&app, &by, key, render, id, secret).await?;
    Ok(respond_once(&request, served))
}

/// Lets a secret prove nothing any more. That of an endpoint which we registered is rolled instead: refused with 409.
#[utoipa::path(
    tag = "administration",
    operation_id = "webhook_secret_end",
    params(("merchant" = String, Path, description = "`mer_…`"), ("provider_account" = String, Path, description = "`acc_…`"),
           ("webhook_secret" = String, Path, description = "`whs_…`")),
    request_body = EmptyBody,
    responses((status = 200, body = ProviderAccountDetail), Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["admin"]))
)]
#[post(
    "/v1/merchants/{merchant}/provider_accounts/{provider_account}/webhook_secrets/{webhook_secret}/end",
    wrap = "Wants(Scope::Admin)"
)]
pub(in crate::http) async fn end_webhook_secret(
    app: web::Data<Arc<App>>,
    administrator: Administrator,
    path: web::Path<(String, String, String)>,
    _json: Json<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let by = over(&administrator, &path.0)?;
    let id = parse_path(&path.1, "provider account")?;
    let secret = parse_path(&path.2, "webhook secret")?;
    Ok(shown(
        &provider_accounts::end_webhook_secret(&app, &by, id, secret).await?,
    ))
}
