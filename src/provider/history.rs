//! What can be asked of a payment company that keeps a list of what happened.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::{ProviderAccount, ProviderError, VerifiedWebhook};

/// A page of what happened.
#[derive(Debug)]
pub struct HistoryPage {
    /// The events, each as the company would have delivered it.
    pub events: Vec<VerifiedWebhook<'static>>,
    /// Where the next page begins, in the company's words; none where this was the last.
    pub next: Option<String>,
}

/// The events of a payment company that lists them, for who missed their delivery.
#[async_trait]
pub trait History: Send + Sync {
    /// For how long the company lists an event, at least.
    fn kept_for(&self) -> Duration;

    /// Reads a page of what happened then or later; the first one, or the one that a page named as its next.
    ///
    /// The pages of one walk hold every event that was listed when it began, in an order that is the company's own. Each has the
    /// id and the time that a delivery of it has. A page is bounded, whatever the events hold. What the envelopes say of
    /// mode and connected account is compared with the account by the caller.
    ///
    /// # Errors
    /// Never [`ProviderError::Ambiguous`]; [`ProviderError::Invalid`] where the company does not know `next` any more.
    async fn read_events(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<HistoryPage, ProviderError>;
}
