//! Stripe's webhook endpoints: made, read, changed and deleted through its API.
//!
//! An endpoint for connected accounts is the platform's (`connect`), so no call here is made for a connected account. It hears of
//! all of them, test events too where it is live: <https://docs.stripe.com/connect/webhooks>. Stripe shows a secret once and
//! rolls none through its API: <https://docs.stripe.com/api/webhook_endpoints/object>.

mod followed;
mod requests;

use secrecy::SecretString;
use serde::Deserialize;

use super::client::API_VERSION;
use super::compose::checked;
use super::objects::{Identified, Metadata, Page};
use super::request::Request;
use super::series::StripeHttp;
use crate::domain::ids::{OperationId, ProviderAccountId};
use crate::provider::{CreatedEndpoint, Endpoint, NewEndpoint, ProviderAccount, ProviderError};

pub(super) use followed::FOLLOWED;
use requests::{CreateEndpoint, DeleteEndpoint, ListEndpoints, Named, UpdateEndpoint};

/// The most that Stripe gives at a time; it allows 16 in all.
const PAGE: u8 = 100;

/// `webhook_endpoint`
#[derive(Deserialize)]
struct WebhookEndpoint {
    id: String,
    url: Option<String>,
    #[serde(default)]
    enabled_events: Vec<String>,
    api_version: Option<String>,
    status: Option<String>,
    metadata: Option<Metadata>,
    /// Only in the answer to its creation.
    secret: Option<SecretString>,
}

impl WebhookEndpoint {
    fn shown_to(self, account: ProviderAccountId) -> Endpoint {
        let metadata = self.metadata.unwrap_or_default();
        Endpoint {
            reference: self.id,
            url: self.url.unwrap_or_default(),
            types: self.enabled_events,
            api_version: self.api_version,
            enabled: self.status.as_deref() != Some("disabled"),
            id: metadata.endpoint_of(account),
        }
    }
}

/// The account whose endpoints they are: where ours is a connected one, its platform.
fn owner(account: &ProviderAccount) -> ProviderAccount {
    ProviderAccount {
        external_account: None,
        ..account.clone()
    }
}

pub(super) async fn create(
    http: &StripeHttp,
    account: &ProviderAccount,
    new: NewEndpoint<'_>,
) -> Result<CreatedEndpoint, ProviderError> {
    let request = CreateEndpoint {
        url: new.url.as_str(),
        enabled_events: FOLLOWED,
        api_version: API_VERSION,
        connect: account.external_account.is_some(),
        description: "Quittance",
        metadata: Named {
            account: account.id,
            endpoint: new.id,
        },
    };
    let key = OperationId::from(new.id.uuid());
    let made: WebhookEndpoint = http
        .send(&owner(account), &Request::keep(&request, key), http.deadline())
        .await?;
    let secret = made.secret.ok_or_else(|| ProviderError::Unavailable {
        message: "the endpoint was made and its secret not told".to_owned(),
    })?;
    Ok(CreatedEndpoint {
        reference: made.id,
        secret,
    })
}

pub(super) async fn list(
    http: &StripeHttp,
    account: &ProviderAccount,
) -> Result<Vec<Endpoint>, ProviderError> {
    let request = Request::read(&ListEndpoints { limit: PAGE });
    let page: Page<WebhookEndpoint> = http.send(&owner(account), &request, http.deadline()).await?;
    Ok(page
        .data
        .into_iter()
        .map(|found| found.shown_to(account.id))
        .collect())
}

pub(super) async fn update(
    http: &StripeHttp,
    account: &ProviderAccount,
    key: OperationId,
    reference: &str,
) -> Result<(), ProviderError> {
    let request = UpdateEndpoint {
        reference: checked(reference)?,
        enabled_events: FOLLOWED,
        disabled: false,
    };
    let _: Identified = http
        .send(&owner(account), &Request::keep(&request, key), http.deadline())
        .await?;
    Ok(())
}

pub(super) async fn delete(
    http: &StripeHttp,
    account: &ProviderAccount,
    key: OperationId,
    reference: &str,
) -> Result<(), ProviderError> {
    let request = DeleteEndpoint {
        reference: checked(reference)?,
    };
    let deleted = http
        .send::<Identified>(&owner(account), &Request::keep(&request, key), http.deadline())
        .await;
    match deleted.map_err(ProviderError::from) {
        Err(ProviderError::Invalid { code, .. }) if code == "resource_missing" => Ok(()),
        other => other.map(drop),
    }
}
