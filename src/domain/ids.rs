//! Typed ids: a prefix that says what a thing is, and a `UUIDv7` that sorts by age.
//!
//! In text an id is a `TypeID` (`pay_01h455vb4pex5vsknk084sn02q`: prefix, `_`, 26 characters of Crockford's
//! base 32 in lower case), in Postgres a plain `uuid`. Source of the format: the `TypeID` specification 0.3.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

/// A text that is not the id it was taken for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id of the form {prefix}_ followed by 26 characters")]
pub struct IdError {
    prefix: &'static str,
}

fn encode(prefix: &str, uuid: Uuid) -> String {
    let bits = uuid.as_u128();
    let mut text = String::with_capacity(prefix.len() + 1 + SUFFIX_LEN);
    text.push_str(prefix);
    text.push('_');
    for place in (0..SUFFIX_LEN).rev() {
        let index = (bits >> (place * 5)) & 31;
        text.push(char::from(ALPHABET[usize::try_from(index).unwrap_or_default()]));
    }
    text
}

fn decode(prefix: &str, text: &str) -> Option<Uuid> {
    let suffix = text.strip_prefix(prefix)?.strip_prefix('_')?;
    if suffix.len() != SUFFIX_LEN || suffix.as_bytes()[0] > b'7' {
        return None;
    }
    suffix
        .bytes()
        .try_fold(0_u128, |bits, byte| {
            let digit = ALPHABET.iter().position(|known| *known == byte)?;
            Some((bits << 5) | u128::try_from(digit).ok()?)
        })
        .map(Uuid::from_u128)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// What its text starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later than every earlier one of this process.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The bare value, as Postgres keeps it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(Self::PREFIX, self.0))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                decode(Self::PREFIX, text).map(Self).ok_or(IdError { prefix: Self::PREFIX })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

ids! {
    /// A tenant.
    MerchantId = "mer";
    /// A merchant's account at a provider.
    ProviderAccountId = "acc";
    /// One secret that a provider account's webhooks may be signed with.
    WebhookSecretId = "whs";
    /// One Odoo database and company that we post to.
    OdooInstanceId = "odo";
    /// A key that a merchant's programs call us with.
    ApiKeyId = "key";
    /// Money owed for one Odoo transaction reference.
    PaymentId = "pay";
    /// One money-moving call to a provider; its text is the provider's idempotency key.
    OperationId = "op";
    /// A page of the provider's on which a payment is paid.
    CheckoutSessionId = "chk";
    /// Somebody who pays, one per partner of Odoo's and provider account.
    CustomerId = "cus";
    /// A card or an account that a customer left for later.
    PaymentMethodId = "pmt";
    /// A customer leaving a payment method for later, without a charge.
    SetupId = "set";
    /// Money given back.
    RefundId = "re";
    /// Money that a customer's bank takes back, or asks about.
    DisputeId = "dsp";
    /// Money on its way to the merchant's bank.
    PayoutId = "pyt";
    /// A payment at a provider that did not start here.
    ForeignPaymentId = "fpy";
    /// News to tell.
    OutboxMessageId = "msg";
    /// A difference that a person must see.
    ExceptionId = "exc";
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_that_of_the_typeid_specification() {
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        assert_eq!(encode("prefix", uuid), "prefix_01h455vb4pex5vsknk084sn02q");
    }

    proptest! {
        #[test]
        fn every_id_comes_back_from_its_text(bits: u128) {
            let id = PaymentId(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<PaymentId>().unwrap(), id);
        }

        #[test]
        fn other_texts_are_refused_and_never_panic(text in "\\PC{0,40}") {
            prop_assume!(!text.starts_with("pay_"));
            prop_assert!(text.parse::<PaymentId>().is_err());
        }
    }

    #[test]
    fn an_id_of_another_kind_or_past_the_largest_uuid_is_refused() {
        assert!(OperationId::generate().to_string().parse::<PaymentId>().is_err());
        assert!("pay_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<PaymentId>().is_err());
    }
}
