//! Somebody who pays: one per partner of Odoo's and provider account.

use std::collections::BTreeMap;
use std::fmt;

use time::{Duration, OffsetDateTime};

use super::ids::{CustomerId, MerchantId, OperationId, PaymentMethodId, ProviderAccountId};

/// How long a provider is sure to remember a key; Stripe may forget one after 24 hours.
pub(super) const KEY_REMEMBERED: Duration = Duration::hours(20);

/// The caller's own, stable name of a partner: 1 to 255 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner(String);

/// A text that can be no partner.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be 1 to 255 characters without control characters")]
pub struct PartnerError;

impl Partner {
    /// Takes a text for a partner.
    pub fn parse(text: impl Into<String>) -> Result<Self, PartnerError> {
        let text = text.into();
        let fits = (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text)) } else { Err(PartnerError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of a person. Its `Debug` shows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Their name.
    pub name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their telephone number.
    pub phone: Option<String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").finish_non_exhaustive()
    }
}

/// Somebody who pays.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Whose customer it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: CustomerId,
    /// Where it pays.
    pub provider_account_id: ProviderAccountId,
    /// The caller's name of it.
    pub partner: Partner,
    /// What is known of the person.
    pub person: Person,
    /// The merchant's own notes.
    pub metadata: BTreeMap<String, String>,
    /// The provider's id of it (`cus_…`), once it has one.
    pub provider_reference: Option<String>,
    /// The method to take where nobody names one.
    pub default_payment_method: Option<PaymentMethodId>,
    /// What the provider deduplicates on; the customer's id until that is spent.
    pub creation_key: Option<OperationId>,
    /// When the provider was first asked under that key.
    pub first_sent_at: OffsetDateTime,
    /// Grows with every change that the provider must hear of.
    pub version: i64,
    /// Up to which change the provider has heard.
    pub told_version: i64,
    /// When it was first named.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

impl Customer {
    /// What the provider deduplicates on.
    #[must_use]
    pub fn key(&self) -> OperationId {
        self.creation_key
            .unwrap_or_else(|| OperationId::from(self.id.uuid()))
    }

    /// Whether the provider may have forgotten the key: then what it made is looked up before it is asked again.
    #[must_use]
    pub fn key_is_old(&self, now: OffsetDateTime) -> bool {
        now - self.first_sent_at > KEY_REMEMBERED
    }

    /// Takes what a caller knows of the person; what is left out stays. `true` where the provider must hear of it.
    pub fn learn(&mut self, person: &Person, metadata: Option<&BTreeMap<String, String>>) -> bool {
        let before = (self.person.clone(), self.metadata.clone());
        for (held, told) in [
            (&mut self.person.name, &person.name),
            (&mut self.person.email, &person.email),
            (&mut self.person.phone, &person.phone),
        ] {
            if told.is_some() {
                held.clone_from(told);
            }
        }
        if let Some(metadata) = metadata {
            self.metadata.clone_from(metadata);
        }
        let changed = before != (self.person.clone(), self.metadata.clone());
        if changed {
            self.version += 1;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_is_a_text_of_a_bounded_size() {
        assert!(Partner::parse("res.partner,42").is_ok());
        for text in ["", "a\nb", "\0", &"x".repeat(256)] {
            assert_eq!(Partner::parse(text), Err(PartnerError), "{text:?}");
        }
    }

    #[test]
    fn a_person_is_not_shown_in_logs() {
        let person = Person {
            name: Some("Ada".to_owned()),
            email: Some("ada@shop.example".to_owned()),
            phone: Some("1".to_owned()),
        };
        assert_eq!(format!("{person:?}"), "Person { .. }");
    }
}
