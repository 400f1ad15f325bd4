//! What can be asked of a payment company that can be told where to send its webhooks.

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use super::{ProviderAccount, ProviderError};
use crate::domain::ids::{OperationId, WebhookEndpointId};

/// An endpoint, as it is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewEndpoint<'a> {
    /// Our id of it: what the company deduplicates on, and what it gives back in [`Endpoint::id`].
    pub id: WebhookEndpointId,
    /// Where the company is to send.
    pub url: &'a Url,
}

/// An endpoint that was made. Its secret is never shown again.
#[derive(Clone, Debug)]
pub struct CreatedEndpoint {
    /// The company's id of it.
    pub reference: String,
    /// What its webhooks are signed with.
    pub secret: SecretString,
}

/// An endpoint as the company shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The company's id of it.
    pub reference: String,
    /// Where the company sends.
    pub url: String,
    /// The types of events that it sends.
    pub types: Vec<String>,
    /// The API version that it writes them in; none where that is the account's own.
    pub api_version: Option<String>,
    /// Whether it sends at all.
    pub enabled: bool,
    /// Our id of it, where we made it.
    pub id: Option<WebhookEndpointId>,
}

impl Endpoint {
    /// Which of some types it does not send.
    #[must_use]
    pub fn lacks<'a>(&self, followed: &[&'a str]) -> Vec<&'a str> {
        let sends = |kind: &str| self.types.iter().any(|sent| sent == kind || sent == "*");
        followed.iter().copied().filter(|kind| !sends(kind)).collect()
    }
}

/// The webhook endpoints of a payment company.
///
/// No money moves by these calls. Where the account is one that a platform's key is used for, they are about the platform's
/// endpoints for all its connected accounts; what comes from another of those is left out when it arrives.
#[async_trait]
pub trait Endpoints: Send + Sync {
    /// The types of events that we follow, all that an endpoint must send.
    fn followed(&self) -> &'static [&'static str];

    /// The API version that our types were made for.
    fn api_version(&self) -> &'static str;

    /// Makes an endpoint for the types that we follow, once per [`NewEndpoint::id`]: asked again for as long as keys hold, it
    /// tells the secret again.
    async fn create_endpoint(
        &self,
        account: &ProviderAccount,
        new: NewEndpoint<'_>,
    ) -> Result<CreatedEndpoint, ProviderError>;

    /// Reads all endpoints, those of others too.
    async fn list_endpoints(&self, account: &ProviderAccount) -> Result<Vec<Endpoint>, ProviderError>;

    /// Lets an endpoint send the types that we follow. Safe to repeat, since it sets; `key` is of this telling alone.
    async fn update_endpoint(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        reference: &str,
    ) -> Result<(), ProviderError>;

    /// Deletes an endpoint. One that is gone is deleted.
    async fn delete_endpoint(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        reference: &str,
    ) -> Result<(), ProviderError>;
}
