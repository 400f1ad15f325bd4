//! Stripe. The only user of async-stripe.

mod client;
mod compose;
mod execute;
mod find;
mod interpret;
mod judgement;
mod money;
mod objects;
mod refusal;
mod request;
mod series;
mod signature;
mod snapshots;
mod webhook;

use async_trait::async_trait;
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::domain::snapshot::Snapshot;
use crate::provider::{
    Call, Delivery, Interpretation, ObjectRef, Outcome, Provider, ProviderAccount, ProviderError,
    VerifiedWebhook, VerifyError,
};

pub use client::{API_VERSION, http_client};
pub use series::Timeouts;

use series::StripeHttp;

/// Stripe, reached over connections that all accounts share.
#[derive(Clone, Debug)]
pub struct Stripe {
    http: StripeHttp,
}

impl Stripe {
    /// The name that accounts at Stripe carry.
    pub const NAME: &'static str = "stripe";

    /// Stripe over a client as [`http_client`] makes it.
    #[must_use]
    pub const fn new(http: reqwest::Client, timeouts: Timeouts) -> Self {
        Self {
            http: StripeHttp::new(http, timeouts),
        }
    }
}

#[async_trait]
impl Provider for Stripe {
    async fn execute(&self, account: &ProviderAccount, call: Call<'_>) -> Result<Outcome, ProviderError> {
        execute::execute(&self.http, account, call).await
    }

    async fn find(
        &self,
        account: &ProviderAccount,
        call: Call<'_>,
    ) -> Result<Option<Outcome>, ProviderError> {
        find::find(&self.http, account, call, self.http.deadline()).await
    }

    async fn fetch(&self, account: &ProviderAccount, object: &ObjectRef) -> Result<Snapshot, ProviderError> {
        let ObjectRef::Payment(reference) = object;
        find::fetch(&self.http, account, reference).await
    }

    fn signature_header(&self) -> &'static str {
        "stripe-signature"
    }

    fn verify<'a>(
        &self,
        delivery: &Delivery<'a>,
        secrets: &[SecretString],
        now: OffsetDateTime,
    ) -> Result<VerifiedWebhook<'a>, VerifyError> {
        webhook::verify(delivery, secrets, now)
    }

    fn interpret(&self, event: &[u8]) -> Interpretation {
        interpret::interpret(event)
    }
}
