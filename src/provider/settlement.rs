//! What can be asked of a payment company about its own ledger.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{ProviderAccount, ProviderError};
use crate::domain::balance_transaction::{BalanceTransaction, Line};
use crate::domain::ledger::Classified;
use crate::domain::money::Money;

/// Which of an account's lines.
#[derive(Clone, Copy, Debug)]
pub enum Lines<'a> {
    /// Those that a payout went out with, its own among them.
    OfPayout(&'a str),
    /// Those written then or later.
    Since(OffsetDateTime),
}

/// A page of lines.
#[derive(Debug)]
pub struct LinePage {
    /// The lines, each with what its source tells.
    pub lines: Vec<Line>,
    /// Where the next page begins, in the company's words; none where this was the last.
    pub next: Option<String>,
}

/// An account's own ledger at a payment company. Reads only; errors are those of [`Provider::fetch`](super::Provider::fetch).
#[async_trait]
pub trait Settlement: Send + Sync {
    /// Reads a page of lines; the first one, or the one that a page named as its next.
    ///
    /// The pages of one walk hold every line that was written when it began, in an order that is the company's own. A page is
    /// bounded, and so is what it holds.
    ///
    /// # Errors
    /// [`ProviderError::Invalid`] where the company cannot tell a payout's lines apart, or does not know `next` any more.
    async fn read_lines(
        &self,
        account: &ProviderAccount,
        lines: Lines<'_>,
        next: Option<&str>,
    ) -> Result<LinePage, ProviderError>;

    /// What a line is to a bookkeeper, by the company's own words for it.
    fn classify(&self, line: &BalanceTransaction) -> Classified;

    /// Reads what the company holds for the account now, by currency: what can be paid out and what cannot yet, together.
    async fn fetch_balance(&self, account: &ProviderAccount) -> Result<Vec<Money>, ProviderError>;
}
