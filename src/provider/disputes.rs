//! What can be asked of a payment company whose customers' banks take money back.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{ProviderAccount, ProviderError};
use crate::domain::dispute::{DisputeSnapshot, Evidence};
use crate::domain::ids::OperationId;

/// The disputes of a payment company that has any.
///
/// No money moves by these calls, and each is safe to repeat under its key. What came of one whose answer was lost can be read
/// from the dispute itself.
#[async_trait]
pub trait Disputes: Send + Sync {
    /// Leaves evidence at the company; with `submit`, hands over all that is there to the bank.
    async fn submit_evidence(
        &self,
        account: &ProviderAccount,
        reference: &str,
        evidence: &Evidence,
        submit: bool,
        key: OperationId,
    ) -> Result<DisputeSnapshot, ProviderError>;

    /// Gives a dispute up. One that is lost already is given up.
    async fn accept_dispute(
        &self,
        account: &ProviderAccount,
        reference: &str,
        key: OperationId,
    ) -> Result<DisputeSnapshot, ProviderError>;

    /// Reads a dispute as it stands now, by the company's id of it.
    async fn fetch_dispute(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<DisputeSnapshot, ProviderError>;

    /// Reads the disputes that were opened then or later, newest first.
    async fn list_disputes(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
    ) -> Result<Vec<DisputeSnapshot>, ProviderError>;
}
