//! A page of the provider's on which a payment is paid.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{CheckoutSessionId, PaymentId, ProviderAccountId};
use super::snapshot::{CheckoutSnapshot, Said};

/// Where a page stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CheckoutState {
    /// The customer can pay there.
    Open,
    /// The customer went through; whether the money is there, the payment says.
    Complete,
    /// Nobody can pay there any more.
    Expired,
}

impl std::fmt::Display for CheckoutState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        })
    }
}

/// Where a page leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Where the customer returns to after paying.
    pub success_url: String,
    /// Where the customer returns to without paying.
    pub cancel_url: Option<String>,
    /// Until when the page is open.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

/// A page of the provider's on which a payment is paid.
#[derive(Clone, Debug)]
pub struct CheckoutSession {
    /// Its id.
    pub id: CheckoutSessionId,
    /// The payment that is paid there.
    pub payment_id: PaymentId,
    /// Where it is.
    pub provider_account_id: ProviderAccountId,
    /// Where it stands.
    pub state: CheckoutState,
    /// The provider's id of it (`cs_…`), once it is known.
    pub provider_reference: Option<String>,
    /// Where to send the customer, once it is known.
    pub url: Option<SecretString>,
    /// Until when it is open.
    pub expires_at: Option<OffsetDateTime>,
}

impl CheckoutSession {
    /// Takes in what the provider says; `true` where that is news. A page that is no longer open never opens again, so the
    /// order of news does not matter.
    pub fn apply(&mut self, said: &CheckoutSnapshot) -> bool {
        let mut news = false;
        if let Said::Known(state) = said.state
            && self.state == CheckoutState::Open
            && state != CheckoutState::Open
        {
            self.state = state;
            news = true;
        }
        if self.provider_reference.is_none() {
            self.provider_reference = Some(said.provider_reference.clone());
            news = true;
        }
        if self.url.is_none() && said.url.is_some() {
            self.url.clone_from(&said.url);
            news = true;
        }
        if self.expires_at != said.expires_at && said.expires_at.is_some() {
            self.expires_at = said.expires_at;
            news = true;
        }
        news
    }
}
