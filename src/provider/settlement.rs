//! What can be asked of a payment company about its own ledger.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{ProviderAccount, ProviderError};
use crate::domain::balance_transaction::{BalanceTransaction, Line};
use crate::domain::ledger::Classified;
use crate::domain::money::Money;
use crate::domain::opening::{ListedDispute, ListedPayout};

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

/// A page of payouts.
#[derive(Debug)]
pub struct PayoutPage {
    /// The payouts.
    pub payouts: Vec<ListedPayout>,
    /// Where the next page begins, in the company's words; none where this was the last.
    pub next: Option<String>,
}

/// A page of disputes.
#[derive(Debug)]
pub struct DisputePage {
    /// The disputes, each with what it moved.
    pub disputes: Vec<ListedDispute>,
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

    /// Reads a page of the payouts that were made then or later, in an order that is the company's own.
    async fn read_payouts(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<PayoutPage, ProviderError>;

    /// Reads a page of the disputes that were opened then or later, with what they moved.
    async fn read_disputes(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<DisputePage, ProviderError>;

    /// Reads what the company holds for the account now, by currency: what can be paid out and what cannot yet, together.
    async fn fetch_balance(&self, account: &ProviderAccount) -> Result<Vec<Money>, ProviderError>;
}
