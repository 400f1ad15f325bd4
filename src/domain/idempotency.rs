//! Keys that make a repeated request the same request.
//!
//! Source: IETF draft `Idempotency-Key` (a quoted string), and Stripe's bare form.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// What a caller marks a request with, unique among the requests of one API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A header that is no idempotency key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be 1 to 255 visible ASCII characters, bare or in double quotes")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// Takes a header's value, quoted or bare, for a key.
    pub fn parse(header: &str) -> Result<Self, IdempotencyKeyError> {
        let text = header.trim();
        let bare = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        let fits = (1..=255).contains(&bare.len())
            && bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if fits {
            Ok(Self(bare.to_owned()))
        } else {
            Err(IdempotencyKeyError)
        }
    }

    /// The key itself, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request is: two requests with the same fingerprint ask for the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// SHA-256 of method, route and canonical body. `serde_json` keeps object keys sorted, which makes it canonical.
    #[must_use]
    pub fn of(method: &str, route: &str, body: &serde_json::Value) -> Self {
        let mut hasher = Sha256::new();
        for part in [method, route, &body.to_string()] {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher.finalize().into())
    }

    /// Its 32 bytes, as stored.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The request that something was asked for with: the hash of its key, and its fingerprint. A provider keeps its text with what it
/// made, so that the repeated request is known as the same one even after a restore to before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The principal and the caller's key, as they are kept.
    pub key_hash: [u8; 32],
    /// What was asked under it.
    pub fingerprint: Fingerprint,
}

/// A text or bytes that name no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request's 64 bytes")]
pub struct AskedError;

impl Asked {
    /// Its 64 bytes, as stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.key_hash);
        bytes[32..].copy_from_slice(self.fingerprint.bytes());
        bytes
    }
}

impl TryFrom<&[u8]> for Asked {
    type Error = AskedError;

    fn try_from(bytes: &[u8]) -> Result<Self, AskedError> {
        let (key_hash, fingerprint) = bytes.split_at_checked(32).ok_or(AskedError)?;
        Ok(Self {
            key_hash: key_hash.try_into().map_err(|_| AskedError)?,
            fingerprint: Fingerprint(fingerprint.try_into().map_err(|_| AskedError)?),
        })
    }
}

impl Display for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.to_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Asked {
    type Err = AskedError;

    fn from_str(text: &str) -> Result<Self, AskedError> {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        });
        let bytes: Vec<u8> = pairs.collect::<Option<_>>().ok_or(AskedError)?;
        bytes.as_slice().try_into()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_quoted_and_the_bare_form_are_the_same_key() {
        assert_eq!(
            IdempotencyKey::parse("\"k-1\"").unwrap(),
            IdempotencyKey::parse(" k-1 ").unwrap()
        );
    }

    #[test]
    fn a_request_is_read_back_from_its_text_and_its_bytes_and_nothing_else_is() {
        let asked = Asked {
            key_hash: [0xa7; 32],
            fingerprint: Fingerprint([9; 32]),
        };
        assert_eq!(asked.to_string().parse(), Ok(asked));
        assert_eq!(Asked::try_from(&asked.to_bytes()[..]), Ok(asked));
        for text in ["", "a", &"0".repeat(126), &"0".repeat(130), &"g".repeat(128)] {
            assert_eq!(text.parse::<Asked>(), Err(AskedError), "{text}");
        }
    }

    #[test]
    fn empty_long_and_odd_keys_are_refused() {
        for text in ["", "\"\"", "a b", "a\u{e9}", &"x".repeat(256), "a\"b"] {
            assert!(IdempotencyKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_of_fields_does_not_change_a_fingerprint_and_their_values_do() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":2}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str(r#"{"b":2,"a":1}"#).unwrap();
        assert_eq!(
            Fingerprint::of("POST", "/v1/payments", &one),
            Fingerprint::of("POST", "/v1/payments", &two)
        );
        assert_ne!(
            Fingerprint::of("POST", "/v1/payments", &one),
            Fingerprint::of("POST", "/v1/payments", &json!({"a": 1, "b": 3}))
        );
        assert_ne!(
            Fingerprint::of("POST", "/v1/p", &one),
            Fingerprint::of("POST", "/v1/", &one)
        );
    }
}
