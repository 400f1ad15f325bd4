//! A customer leaving a payment method for later, without a charge.

use std::net::IpAddr;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::customer::KEY_REMEMBERED;
use super::ids::{CustomerId, MerchantId, OperationId, PaymentMethodId, ProviderAccountId, SetupId};
use super::payment::{Decline, Reference};
use super::snapshot::{Said, SetupSnapshot};

/// Where a setup stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum SetupState {
    /// Waiting for the customer to choose a method.
    Created,
    /// Waiting for the customer to prove who they are.
    RequiresAction,
    /// With the customer's bank.
    Processing,
    /// The method is saved.
    Succeeded,
    /// The provider never took it on.
    Failed,
    /// Called off.
    Canceled,
}

impl SetupState {
    /// What has ended never goes on: an end counts whenever it is told of, so the order of news does not matter for it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}

/// Whether the customer will be there when the method is used.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Usage {
    /// Without them: the bank is asked for that now.
    #[default]
    OffSession,
    /// With them.
    OnSession,
}

/// How a customer agreed that their account may be debited.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// When.
    pub accepted_at: OffsetDateTime,
    /// From where.
    pub ip_address: IpAddr,
    /// With which browser.
    pub user_agent: String,
}

/// What a customer leaving a method is asked with, beside what [`Setup`] holds.
#[derive(Clone, Debug, Default)]
pub struct SetupTerms {
    /// Where the customer returns to after 3-D Secure.
    pub return_url: Option<String>,
    /// The provider's id of a method to save at once (`pm_…`).
    pub payment_method: Option<String>,
    /// Which kinds of methods may be left; where there are none, the provider's settings decide.
    pub payment_method_types: Vec<String>,
    /// How the customer agreed to be debited.
    pub mandate: Option<Acceptance>,
}

/// A customer leaving a payment method for later.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose customer it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: SetupId,
    /// Where the method can be charged.
    pub provider_account_id: ProviderAccountId,
    /// Who leaves it.
    pub customer_id: CustomerId,
    /// The caller's own reference of it.
    pub reference: Option<Reference>,
    /// Where it stands.
    pub state: SetupState,
    /// Whether the customer will be there when the method is used.
    pub usage: Usage,
    /// The provider's id of it (`seti_…`), once it has one.
    pub provider_reference: Option<String>,
    /// What lets the customer's browser finish it.
    pub client_secret: Option<SecretString>,
    /// What the customer must do, as the provider's script wants it.
    pub next_action: Option<serde_json::Value>,
    /// Why the last attempt was declined, until one succeeds.
    pub decline: Option<Decline>,
    /// What was saved, once something is.
    pub payment_method: Option<PaymentMethodId>,
    /// Grows with every change of what is known of it.
    pub version: i64,
    /// When the provider was first asked.
    pub first_sent_at: OffsetDateTime,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

impl Setup {
    /// What the provider deduplicates on.
    #[must_use]
    pub fn key(&self) -> OperationId {
        OperationId::from(self.id.uuid())
    }

    /// Whether the provider may have forgotten the key: then what it made is looked up before it is asked again.
    #[must_use]
    pub fn key_is_old(&self, now: OffsetDateTime) -> bool {
        now - self.first_sent_at > KEY_REMEMBERED
    }

    /// Takes in what the provider says. A state that we do not know leaves the state as it is.
    pub fn take_in(&mut self, said: &SetupSnapshot, now: OffsetDateTime) {
        let never_taken_on = self.provider_reference.is_none();
        self.provider_reference
            .get_or_insert_with(|| said.provider_reference.clone());
        if said.client_secret.is_some() {
            self.client_secret.clone_from(&said.client_secret);
        }
        if !self.state.is_final() || never_taken_on {
            if let Said::Known(state) = said.state {
                self.state = state;
            }
            self.next_action.clone_from(&said.next_action);
            self.decline.clone_from(&said.decline);
        }
        self.touch(now);
    }

    /// Notes a change.
    pub const fn touch(&mut self, now: OffsetDateTime) {
        self.version += 1;
        self.updated_at = now;
    }
}
