//! A card or an account that a customer left for later.

use serde::Serialize;
use time::OffsetDateTime;

use super::ids::{CustomerId, MerchantId, PaymentMethodId, ProviderAccountId};
use super::snapshot::{MandateSnapshot, PaymentMethodSnapshot, Said};

/// Whether a method can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MethodState {
    /// It is its customer's.
    Attached,
    /// It was taken from its customer: it can never be used again.
    Detached,
}

/// What a method looks like: enough to tell one from another, and nothing that pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodFace {
    /// The provider's word, such as `card` or `sepa_debit`.
    pub kind: String,
    /// A card's brand, or a bank's name.
    pub brand: Option<String>,
    /// The last four characters of its number.
    pub last4: Option<String>,
    /// The month in which a card ends.
    pub exp_month: Option<i16>,
    /// The year in which a card ends.
    pub exp_year: Option<i16>,
    /// The code of an account's bank.
    pub bank_code: Option<String>,
    /// The country of the bank, ISO 3166.
    pub country: Option<String>,
}

/// Whether a mandate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MandateState {
    /// The account may be debited.
    Active,
    /// The bank has not confirmed it yet.
    Pending,
    /// It was taken back, used up or refused.
    Inactive,
}

impl MandateState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Inactive => "inactive",
        }
    }
}

/// A customer's word that an account may be debited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mandate {
    /// The provider's id of it (`mandate_…`).
    pub provider_reference: String,
    /// What the customer knows it by, on their bank statement.
    pub reference: Option<String>,
    /// Where the customer can read it.
    pub url: Option<String>,
    /// `active`, `pending`, `inactive`, or a word that came after us.
    pub state: String,
}

impl From<&MandateSnapshot> for Mandate {
    fn from(said: &MandateSnapshot) -> Self {
        Self {
            provider_reference: said.provider_reference.clone(),
            reference: said.reference.clone(),
            url: said.url.clone(),
            state: match &said.state {
                Said::Known(state) => state.as_str().to_owned(),
                Said::Unrecognized(word) => word.clone(),
            },
        }
    }
}

/// A card or an account that a customer left for later.
#[derive(Clone, Debug)]
pub struct PaymentMethod {
    /// Whose it is to charge.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: PaymentMethodId,
    /// Where it can be charged.
    pub provider_account_id: ProviderAccountId,
    /// Who left it.
    pub customer_id: CustomerId,
    /// The provider's id of it (`pm_…`).
    pub provider_reference: String,
    /// Whether it can still be used.
    pub state: MethodState,
    /// What it looks like.
    pub face: MethodFace,
    /// What it may be debited under, where it needs that.
    pub mandate: Option<Mandate>,
    /// Grows with every change of what Odoo is told of it.
    pub version: i64,
    /// When what is held of it was read.
    pub read_at: OffsetDateTime,
    /// When it was first told of.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

impl PaymentMethod {
    /// Takes in what the provider said in a read that began at `read_at`; `true` where that is news.
    ///
    /// A method that is nobody's any more never comes back, so that is true whenever it was said. The rest counts unless
    /// something newer is held.
    pub fn take_in(&mut self, said: &PaymentMethodSnapshot, read_at: OffsetDateTime) -> bool {
        let before = (self.state, self.face.clone(), self.mandate.clone());
        if said.customer_reference.is_none() {
            self.state = MethodState::Detached;
        }
        if read_at >= self.read_at {
            self.read_at = read_at;
            self.face = said.face.clone();
            if let Some(mandate) = &said.mandate {
                self.take_mandate(mandate);
            }
        }
        before != (self.state, self.face.clone(), self.mandate.clone())
    }

    /// Marks that more is known than before.
    pub const fn touch(&mut self, now: OffsetDateTime) {
        self.version += 1;
        self.updated_at = now;
    }

    /// Takes in what the provider says of a mandate. One that does not hold never replaces another one that does.
    pub fn take_mandate(&mut self, said: &MandateSnapshot) {
        let replaces = self.mandate.as_ref().is_none_or(|held| {
            held.provider_reference == said.provider_reference
                || said.state != Said::Known(MandateState::Inactive)
        });
        if replaces {
            self.mandate = Some(said.into());
        }
    }
}
