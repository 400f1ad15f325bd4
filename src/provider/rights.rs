//! What can be asked of a payment company whose keys may be restricted.

use async_trait::async_trait;
use serde::Serialize;
use time::OffsetDateTime;

use super::{ProviderAccount, ProviderError};

/// Something that a key must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Permission {
    /// The company's name of it, such as `charge_write`.
    pub name: &'static str,
    /// Where a person finds it at the company.
    pub shown_as: &'static str,
}

/// What the keys of a payment company may be kept from.
#[async_trait]
pub trait Rights: Send + Sync {
    /// All that an account's key must be allowed.
    fn needed(&self) -> Vec<Permission>;

    /// Whether the key can lack anything: it is a restricted one.
    fn is_restricted(&self, account: &ProviderAccount) -> bool;

    /// Which of these the account's key lacks, by asking for each. Nothing changes at the company.
    ///
    /// # Errors
    /// Never [`ProviderError::Lacks`]; [`ProviderError::Auth`] where the key is none at all.
    async fn find_missing(&self, account: &ProviderAccount) -> Result<Vec<Permission>, ProviderError>;

    /// What time it is at the company, where its answer says so, asked with the account's key.
    ///
    /// # Errors
    /// [`ProviderError::Auth`] where the key is none at all; [`ProviderError::Unavailable`] where there is no answer.
    async fn tell_time(&self, account: &ProviderAccount) -> Result<Option<OffsetDateTime>, ProviderError>;
}
