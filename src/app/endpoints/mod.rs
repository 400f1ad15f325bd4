//! Webhook endpoints at the provider: registered, rolled, retired and checked.
//!
//! The provider shows an endpoint's secret once. The row that says that an endpoint is about to be made is committed before the
//! provider is asked, and its id is the request's key: who died in between asks again and is told the same secret. Where the
//! key is forgotten a new endpoint is made, and the one whose secret nobody has is deleted.

mod check;
mod make;
mod retire;

use time::{Duration, OffsetDateTime};
use url::Url;

use super::{App, AppError};
use crate::domain::audit_log::Actor;
use crate::domain::ids::{MerchantId, OperationId, ProviderAccountId, WebhookEndpointId};
use crate::provider::{Endpoints, Provider, ProviderAccount};
use crate::store;
use crate::store::StoreError;
use crate::store::webhook_endpoints::{EndpointState, WebhookEndpoint};

pub use check::{Check, Finding, check};
pub use retire::retire_due;

/// How long an endpoint goes on delivering beside the one that takes its place: what Stripe's dashboard allows at most.
pub const OVERLAP: Duration = Duration::hours(24);

/// What became of an account's endpoint.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Its id with us.
    pub id: WebhookEndpointId,
    /// The provider's id of it.
    pub provider_reference: String,
    /// Where the provider sends.
    pub url: String,
    /// Whether it was made just now.
    pub created: bool,
    /// When the one whose place it took is deleted, where there was one.
    pub old_until: Option<OffsetDateTime>,
}

/// Where an endpoint leads to, and who has it made.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    url: &'a Url,
    by: &'a Actor,
}

/// Lets the provider send an account's events to us: one endpoint, for the types that we follow, in our API version.
///
/// Safe to repeat: an endpoint that is there is brought up to date. `base` is where the provider reaches us.
///
/// # Errors
/// [`AppError::Invalid`] for a URL that the provider would not send to; [`AppError::NotSupported`]; [`AppError::Provider`].
pub async fn connect(
    app: &App,
    merchant: MerchantId,
    id: ProviderAccountId,
    base: &Url,
    by: &Actor,
) -> Result<Connected, AppError> {
    let account = account(app, merchant, id).await?;
    let endpoints = endpoints(app, &account)?;
    let url = url_of(&account, base)?;
    let held = active(app, &account).await?;
    let old = held.as_ref().map(|(held, _)| held.id);
    if let Some((held, reference)) = held.filter(|(held, _)| held.url == url.as_str()) {
        let there = endpoints
            .list_endpoints(&account)
            .await
            .map_err(AppError::Provider)?;
        if let Some(there) = there.iter().find(|there| there.reference == reference) {
            if !there.enabled || !there.lacks(endpoints.followed()).is_empty() {
                endpoints
                    .update_endpoint(&account, OperationId::generate(), &reference)
                    .await
                    .map_err(AppError::Provider)?;
            }
            make::delete_orphans(app, &account, endpoints, &[url.as_str()]).await?;
            return Ok(Connected {
                id: held.id,
                provider_reference: reference,
                url: held.url,
                created: false,
                old_until: None,
            });
        }
    }
    let at = Place { url: &url, by };
    make::make(app, &account, endpoints, at, old, app.clock.now() + OVERLAP).await
}

/// Checks that a provider would send there.
///
/// # Errors
/// As [`connect`].
pub async fn check_base(
    app: &App,
    merchant: MerchantId,
    id: ProviderAccountId,
    base: &Url,
) -> Result<(), AppError> {
    let account = account(app, merchant, id).await?;
    endpoints(app, &account)?;
    url_of(&account, base).map(drop)
}

/// Lets a new endpoint, and so a new secret, take the place of the account's: a secret cannot be rolled through the API.
///
/// Both deliver and both secrets prove for as long as `overlap`; an event that comes twice is kept once. Then
/// [`retire_due`] deletes the old one. Without an overlap it goes at once: for a secret that leaked, since what the old endpoint
/// had not delivered yet is then for the poll of events to find. What the new endpoint delivers in the instant before its
/// secret is stored is refused, and the provider sends it again.
///
/// # Errors
/// [`AppError::NotFound`] where the account was never connected; as [`connect`] otherwise.
pub async fn rotate(
    app: &App,
    merchant: MerchantId,
    id: ProviderAccountId,
    overlap: Duration,
    by: &Actor,
) -> Result<Connected, AppError> {
    let account = account(app, merchant, id).await?;
    let endpoints = endpoints(app, &account)?;
    let (held, _) = active(app, &account)
        .await?
        .ok_or(AppError::NotFound("endpoint of ours: connect the account first"))?;
    let url = Url::parse(&held.url).map_err(|error| StoreError::corrupt("webhook_endpoint", &error))?;
    let old_until = app.clock.now() + overlap;
    let made = make::make(
        app,
        &account,
        endpoints,
        Place { url: &url, by },
        Some(held.id),
        old_until,
    )
    .await?;
    if !overlap.is_positive() {
        retire_due(app).await?;
    }
    Ok(made)
}

async fn account(
    app: &App,
    merchant: MerchantId,
    id: ProviderAccountId,
) -> Result<ProviderAccount, AppError> {
    let mut conn = app.db.read(merchant).await?;
    Ok(store::provider_accounts::get(&mut conn, &app.sealer, merchant, id).await?)
}

fn endpoints<'a>(app: &'a App, account: &ProviderAccount) -> Result<&'a dyn Endpoints, AppError> {
    let provider: &dyn Provider = app.provider(&account.provider)?.as_ref();
    provider.endpoints().ok_or_else(|| AppError::NotSupported {
        what: "webhook endpoints to register".to_owned(),
    })
}

async fn list(app: &App, account: &ProviderAccount) -> Result<Vec<WebhookEndpoint>, AppError> {
    let mut conn = app.db.read(account.merchant_id).await?;
    Ok(store::webhook_endpoints::list(&mut conn, account.merchant_id, account.id).await?)
}

/// The endpoint that the account has, with the provider's id of it.
async fn active(app: &App, account: &ProviderAccount) -> Result<Option<(WebhookEndpoint, String)>, AppError> {
    let held = list(app, account).await?;
    Ok(held
        .into_iter()
        .filter(|endpoint| endpoint.state == EndpointState::Active)
        .find_map(|endpoint| {
            let reference = endpoint.provider_reference.clone()?;
            Some((endpoint, reference))
        }))
}

/// The end of every URL that leads to an account's webhooks.
fn path_of(account: &ProviderAccount) -> String {
    format!("/webhooks/{}/{}", account.provider, account.id)
}

/// Where the provider sends an account's webhooks. Stripe sends live events over TLS only.
fn url_of(account: &ProviderAccount, base: &Url) -> Result<Url, AppError> {
    let invalid = |message: &str| AppError::Invalid {
        field: "url",
        code: "invalid_url",
        message: message.to_owned(),
    };
    let plain = base.scheme() == "http" && !account.live;
    if base.scheme() != "https" && !plain {
        return Err(invalid("must start with https://"));
    }
    if base.query().is_some() || base.fragment().is_some() || !base.username().is_empty() {
        return Err(invalid(
            "must be the address alone, without user, query or fragment",
        ));
    }
    let url = format!("{}{}", base.as_str().trim_end_matches('/'), path_of(account));
    Url::parse(&url).map_err(|_| invalid("is no address"))
}
