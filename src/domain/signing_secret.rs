//! What our messages are signed with, as Standard Webhooks has it (version 1, symmetric).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What its text starts with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret has at least and at most.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that signs.
#[derive(Clone)]
pub struct SigningSecret(Zeroizing<Vec<u8>>);

/// A text that is no secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be whsec_ and 24 to 64 bytes in base64")]
pub struct SigningSecretError;

impl SigningSecret {
    /// Makes a secret out of 32 random bytes.
    #[must_use]
    pub fn new(random: &[u8; 32]) -> Self {
        Self(Zeroizing::new(random.to_vec()))
    }

    /// Takes a text for a secret.
    pub fn parse(text: &SecretString) -> Result<Self, SigningSecretError> {
        let encoded = text
            .expose_secret()
            .strip_prefix(PREFIX)
            .ok_or(SigningSecretError)?;
        let bytes = BASE64_STANDARD
            .decode(encoded)
            .map(Zeroizing::new)
            .map_err(|_| SigningSecretError)?;
        if LENGTHS.contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(SigningSecretError)
        }
    }

    /// Its text, to be shown once and kept sealed.
    #[must_use]
    pub fn text(&self) -> SecretString {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(self.0.as_slice())).into()
    }

    /// The signature of a message: one element of the header.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // A key of any length will do: the error cannot happen, and an empty signature proves nothing.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn a_secret_comes_back_from_its_text() {
        let secret = SigningSecret::new(&[7; 32]);
        let again = SigningSecret::parse(&secret.text()).unwrap();
        assert_eq!(again.sign("msg_1", 1, b"{}"), secret.sign("msg_1", 1, b"{}"));
        assert_ne!(secret.sign("msg_1", 1, b"{}"), secret.sign("msg_1", 2, b"{}"));
    }

    #[test]
    fn a_text_without_the_prefix_or_of_another_length_is_refused() {
        let encoded = |len: usize| BASE64_STANDARD.encode(vec![1; len]);
        for text in [
            encoded(32),
            format!("whsec_{}", encoded(23)),
            format!("whsec_{}", encoded(65)),
            "whsec_!".to_owned(),
        ] {
            assert!(SigningSecret::parse(&text.clone().into()).is_err(), "{text}");
        }
    }
}
