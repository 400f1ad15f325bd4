//! What can be asked of a payment company that keeps what we noted with what it made.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{ProviderAccount, ProviderError};
use crate::domain::trace::{Shelf, Trace};

/// A page of what a company keeps.
#[derive(Debug)]
pub struct MemoryPage {
    /// What was asked for by us, in the company's order. What was not is left out.
    pub traces: Vec<Trace>,
    /// Where the next page begins, in the company's words; none where this was the last.
    pub next: Option<String>,
}

/// What a company keeps of what we asked of it, for a database that was put back to before that.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Reads a page of what the company made then or later; the first one, or the one that a page named as its next. The pages of
    /// one walk hold all that was there when it began.
    ///
    /// # Errors
    /// Never [`ProviderError::Ambiguous`]; [`ProviderError::Invalid`] where the company does not know `next` any more.
    async fn recall(
        &self,
        account: &ProviderAccount,
        shelf: Shelf,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<MemoryPage, ProviderError>;
}
