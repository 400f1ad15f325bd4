//! What can be asked of a payment company about an account beside the payments that start here.

use async_trait::async_trait;

use super::{ProviderAccount, ProviderError};
use crate::domain::foreign_payment::ForeignSnapshot;
use crate::domain::payout::PayoutSnapshot;
use crate::domain::standing::Standing;

/// What else goes on at an account: its payouts, what it may do, payments that did not start here.
///
/// Reads only. Errors are those of [`Provider::fetch`](super::Provider::fetch).
#[async_trait]
pub trait Affairs: Send + Sync {
    /// Reads a payout as it stands now, by the company's id of it.
    async fn fetch_payout(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<PayoutSnapshot, ProviderError>;

    /// Reads what the account may do now.
    async fn fetch_standing(&self, account: &ProviderAccount) -> Result<Standing, ProviderError>;

    /// Reads a payment that did not start here, by the company's id of it or of its charge. A charge that belongs to a
    /// payment leads to that: then the answer carries the payment's id.
    ///
    /// # Errors
    /// [`ProviderError::Invalid`] also where it says nothing that can be counted.
    async fn fetch_foreign(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<ForeignSnapshot, ProviderError>;
}
