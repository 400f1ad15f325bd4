//! Typed ids: a prefix that says what a thing is, and a `UUIDv7` that sorts by age.
//!
//! In text an id is a `TypeID` (`pay_01h455vb4pex5vsknk084sn02q`: prefix, `_`, 26 characters of Crockford's
//! base 32 in lower case), in Postgres a plain `uuid`. Source of the format: the `TypeID` specification 0.3.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::{Builder, Uuid};

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
    /// Where a provider sends an account's webhooks.
    WebhookEndpointId = "whe";
    /// One Odoo database and company that we post to.
    OdooInstanceId = "odo";
    /// One secret that our messages to an Odoo instance are signed with.
    SigningSecretId = "sgs";
    /// A key that a merchant's programs call us with.
    ApiKeyId = "key";
    /// A key that an operator sets merchants up with.
    OperatorKeyId = "opk";
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
    /// An event that a provider told of.
    WebhookEventId = "evt";
    /// Money on its way to the merchant's bank.
    PayoutId = "pyt";
    /// A payment at a provider that did not start here.
    ForeignPaymentId = "fpy";
    /// News to tell.
    OutboxMessageId = "msg";
    /// A booking.
    LedgerTransactionId = "ltx";
    /// A difference that a person must see.
    ExceptionId = "exc";
}

impl WebhookEventId {
    /// The id of an account's event: the same for the same event, however often and in whichever way it comes, and sorted by
    /// when it happened. What is random in another id is here a hash of what the provider calls it.
    #[must_use]
    pub fn of(account: ProviderAccountId, created: OffsetDateTime, event_id: &str) -> Self {
        let millis = u64::try_from(created.unix_timestamp()).unwrap_or_default() * 1_000;
        let hash = Sha256::new()
            .chain_update(account.uuid())
            .chain_update(event_id)
            .finalize();
        let tail = hash.first_chunk().copied().unwrap_or_default();
        Self(Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
    }

    /// What sorts before every event that happened then or later.
    #[must_use]
    pub fn before(moment: OffsetDateTime) -> Self {
        let millis = u64::try_from(moment.unix_timestamp()).unwrap_or_default() * 1_000;
        Self(Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
    }
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
    fn an_event_has_one_id_however_often_it_comes_and_ids_sort_by_when_it_happened() {
        let account = ProviderAccountId::generate();
        let at = |secs| OffsetDateTime::from_unix_timestamp(secs).unwrap();
        let id = WebhookEventId::of(account, at(1_800_000_000), "evt_1");
        assert_eq!(id, WebhookEventId::of(account, at(1_800_000_000), "evt_1"));
        for other in [
            WebhookEventId::of(account, at(1_800_000_000), "evt_2"),
            WebhookEventId::of(ProviderAccountId::generate(), at(1_800_000_000), "evt_1"),
            WebhookEventId::of(account, at(1_800_000_001), "evt_1"),
        ] {
            assert_ne!(id, other);
        }
        assert!(id < WebhookEventId::of(account, at(1_800_000_001), "evt_0"));
        assert!(
            WebhookEventId::before(at(1_800_000_000)) < id && id < WebhookEventId::before(at(1_800_000_001))
        );
    }

    #[test]
    fn an_id_of_another_kind_or_past_the_largest_uuid_is_refused() {
        assert!(OperationId::generate().to_string().parse::<PaymentId>().is_err());
        assert!("pay_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<PaymentId>().is_err());
    }
}
