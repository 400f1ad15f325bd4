//! Stripe. The only user of async-stripe.

mod affairs;
mod budget;
mod client;
mod compose;
mod disputes;
mod events;
mod endpoints;
mod execute;
mod find;
mod interpret;
mod ledger;
mod judgement;
mod memory;
mod money;
mod nul;
mod objects;
mod opening;
mod permissions;
mod recent;
mod refusal;
mod request;
mod series;
mod settlement;
mod signature;
mod snapshots;
mod thin;
mod wallet;
mod webhook;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};

use crate::domain::dispute::{DisputeSnapshot, Evidence};
use crate::domain::ids::OperationId;
use crate::domain::snapshot::Snapshot;
use crate::domain::trace::Shelf;
use crate::provider::{
    Affairs, Call, Capability, CreatedEndpoint, Delivery, Disputes, Endpoint, Endpoints, History,
    HistoryPage, Interpretation, Memory, MemoryPage, NewEndpoint, ObjectRef, Outcome, PartRef, Provider,
    ProviderAccount, ProviderError, Rights, Settlement, VerifiedWebhook, VerifyError, Wallet,
};

pub use budget::Limits;
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

    /// Stripe may forget keys after 24 hours: <https://docs.stripe.com/api/idempotent_requests>. The rest is for clocks
    /// that differ and for a request that is on its way.
    const REPEATABLE_FOR: Duration = Duration::hours(20);

    /// Stripe over a client as [`http_client`] makes it. Clones share what the limits leave.
    #[must_use]
    pub fn new(http: reqwest::Client, timeouts: Timeouts, limits: Limits) -> Self {
        Self {
            http: StripeHttp::new(http, timeouts, limits),
        }
    }
}

/// Stripe's keys say what they are and which mode they are of: `sk_test_…`, `rk_live_…`, `pk_test_…`.
fn check_mode(key: &str, kinds: &[&str], live: bool) -> Result<(), String> {
    let mode = if live { "live" } else { "test" };
    let kind = kinds.iter().find_map(|kind| key.strip_prefix(kind));
    match kind.and_then(|rest| rest.strip_prefix(mode)) {
        Some(rest) if rest.starts_with('_') => Ok(()),
        _ => Err(format!(
            "a {mode} account needs a key that starts with {}{mode}_",
            kinds.join(&format!("{mode}_ or "))
        )),
    }
}

#[async_trait]
impl Provider for Stripe {
    fn check_keys(&self, account: &ProviderAccount) -> Result<(), String> {
        let secret = account.secret_key.expose_secret();
        let publishable = account.publishable_key.as_deref();
        check_mode(secret, &["sk_", "rk_"], account.live)?;
        publishable.map_or(Ok(()), |key| check_mode(key, &["pk_"], account.live))
    }

    fn home(&self) -> &'static str {
        "https://api.stripe.com"
    }

    fn capabilities(&self) -> &'static [Capability] {
        &Capability::ALL
    }

    fn repeatable_for(&self) -> Duration {
        Self::REPEATABLE_FOR
    }

    fn wallet(&self) -> Option<&dyn Wallet> {
        Some(self)
    }

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
        match object {
            ObjectRef::Payment(reference) => find::fetch(&self.http, account, reference).await,
            ObjectRef::Checkout(reference) => find::fetch_session(&self.http, account, reference).await,
        }
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

    async fn resolve(
        &self,
        account: &ProviderAccount,
        part: &PartRef,
    ) -> Result<Interpretation, ProviderError> {
        thin::resolve(&self.http, account, part).await
    }

    fn disputes(&self) -> Option<&dyn Disputes> {
        Some(self)
    }

    fn affairs(&self) -> Option<&dyn Affairs> {
        Some(self)
    }

    fn settlement(&self) -> Option<&dyn Settlement> {
        Some(self)
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    fn memory(&self) -> Option<&dyn Memory> {
        Some(self)
    }

    fn endpoints(&self) -> Option<&dyn Endpoints> {
        Some(self)
    }

    fn rights(&self) -> Option<&dyn Rights> {
        Some(self)
    }
}

#[async_trait]
impl History for Stripe {
    fn kept_for(&self) -> Duration {
        events::KEPT_FOR
    }

    async fn read_events(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<HistoryPage, ProviderError> {
        events::read(&self.http, account, since, next).await
    }
}

#[async_trait]
impl Memory for Stripe {
    async fn recall(
        &self,
        account: &ProviderAccount,
        what: Shelf,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<MemoryPage, ProviderError> {
        memory::recall(&self.http, account, what, since, next).await
    }
}

#[async_trait]
impl Endpoints for Stripe {
    fn followed(&self) -> &'static [&'static str] {
        endpoints::FOLLOWED
    }

    fn api_version(&self) -> &'static str {
        API_VERSION
    }

    async fn create_endpoint(
        &self,
        account: &ProviderAccount,
        new: NewEndpoint<'_>,
    ) -> Result<CreatedEndpoint, ProviderError> {
        endpoints::create(&self.http, account, new).await
    }

    async fn list_endpoints(&self, account: &ProviderAccount) -> Result<Vec<Endpoint>, ProviderError> {
        endpoints::list(&self.http, account).await
    }

    async fn update_endpoint(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        reference: &str,
    ) -> Result<(), ProviderError> {
        endpoints::update(&self.http, account, key, reference).await
    }

    async fn delete_endpoint(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        reference: &str,
    ) -> Result<(), ProviderError> {
        endpoints::delete(&self.http, account, key, reference).await
    }
}

#[async_trait]
impl Disputes for Stripe {
    async fn submit_evidence(
        &self,
        account: &ProviderAccount,
        reference: &str,
        evidence: &Evidence,
        submit: bool,
        key: OperationId,
    ) -> Result<DisputeSnapshot, ProviderError> {
        disputes::submit_evidence(&self.http, account, reference, evidence, submit, key).await
    }

    async fn accept_dispute(
        &self,
        account: &ProviderAccount,
        reference: &str,
        key: OperationId,
    ) -> Result<DisputeSnapshot, ProviderError> {
        disputes::accept(&self.http, account, reference, key).await
    }

    async fn fetch_dispute(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<DisputeSnapshot, ProviderError> {
        disputes::fetch(&self.http, account, reference).await
    }

    async fn list_disputes(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
    ) -> Result<Vec<DisputeSnapshot>, ProviderError> {
        disputes::list(&self.http, account, since).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_other_mode_or_kind_is_refused_without_showing_it() {
        for key in ["sk_test_1", "rk_test_1"] {
            assert_eq!(check_mode(key, &["sk_", "rk_"], false), Ok(()));
        }
        for (key, live) in [
            ("sk_live_1", false),
            ("sk_test_1", true),
            ("pk_test_1", false),
            ("sk_testing", false),
            ("", true),
        ] {
            let refusal = check_mode(key, &["sk_", "rk_"], live).err().unwrap_or_default();
            assert!(
                refusal.contains(if live {
                    "sk_live_ or rk_live_"
                } else {
                    "sk_test_ or rk_test_"
                }),
                "{refusal}"
            );
        }
    }
}
