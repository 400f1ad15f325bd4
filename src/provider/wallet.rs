//! The part of the port that keeps customers and their payment methods. No money moves here.

use async_trait::async_trait;

use super::{ProviderAccount, ProviderError};
use crate::domain::customer::Customer;
use crate::domain::ids::OperationId;
use crate::domain::setup::{Setup, SetupTerms};
use crate::domain::snapshot::{CustomerSnapshot, MandateSnapshot, PaymentMethodSnapshot, SetupSnapshot};

/// A setup, as it is about to be started.
#[derive(Clone, Copy, Debug)]
pub struct NewSetup<'a> {
    /// The setup, as we hold it; its key is what the company deduplicates on.
    pub setup: &'a Setup,
    /// The company's id of who leaves the method.
    pub customer_reference: &'a str,
    /// What they are asked with.
    pub terms: &'a SetupTerms,
}

/// A payment company that keeps customers and their payment methods.
///
/// What makes something goes out under an id of ours and leaves that id behind, so that it can be looked up.
#[async_trait]
pub trait Wallet: Send + Sync {
    /// Makes a customer, once per [`Customer::key`]: everybody who asks at the same time asks for the same, since what we
    /// hold of a customer does not change before the company has answered.
    async fn create_customer(
        &self,
        account: &ProviderAccount,
        customer: &Customer,
    ) -> Result<CustomerSnapshot, ProviderError>;

    /// Tells of a customer as we hold it. Safe to repeat, since it sets; `key` is of this telling alone.
    async fn update_customer(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        customer: &Customer,
    ) -> Result<(), ProviderError>;

    /// Looks up the customer that was made for ours. `None` proves nothing.
    async fn find_customer(
        &self,
        account: &ProviderAccount,
        customer: &Customer,
    ) -> Result<Option<CustomerSnapshot>, ProviderError>;

    /// Starts a setup. A decline is a part of what is said, not an error.
    async fn start_setup(
        &self,
        account: &ProviderAccount,
        new: NewSetup<'_>,
    ) -> Result<SetupSnapshot, ProviderError>;

    /// Looks up what was made of a setup. `None` proves nothing.
    async fn find_setup(
        &self,
        account: &ProviderAccount,
        new: NewSetup<'_>,
    ) -> Result<Option<SetupSnapshot>, ProviderError>;

    /// Reads a setup as it stands now, with what it saved.
    async fn fetch_setup(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<SetupSnapshot, ProviderError>;

    /// Reads all methods of a customer.
    async fn list_methods(
        &self,
        account: &ProviderAccount,
        customer_reference: &str,
    ) -> Result<Vec<PaymentMethodSnapshot>, ProviderError>;

    /// Reads a method as it stands now; `None` where there is none.
    async fn fetch_method(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<Option<PaymentMethodSnapshot>, ProviderError>;

    /// Takes a method from its customer, for ever. Safe to repeat.
    async fn detach_method(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        reference: &str,
    ) -> Result<PaymentMethodSnapshot, ProviderError>;

    /// Reads a mandate as it stands now.
    async fn fetch_mandate(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<MandateSnapshot, ProviderError>;
}
