//! Keys that a merchant's programs call us with.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A new key: shown once, kept only as its hash.
///
/// 256 random bits behind a prefix that tells people and secret scanners what it is (`qk_test_…`, `qk_live_…`).
#[derive(Debug)]
pub struct NewApiKey {
    /// The whole text, to be shown once.
    pub text: SecretString,
    /// The first characters, kept to recognise it by.
    pub prefix: String,
    /// What is kept of it.
    pub hash: [u8; 32],
}

impl NewApiKey {
    /// Makes a key out of 32 random bytes.
    #[must_use]
    pub fn new(live: bool, random: &[u8; 32]) -> Self {
        let mode = if live { "live" } else { "test" };
        let text = format!("qk_{mode}_{}", BASE64_URL_SAFE_NO_PAD.encode(random));
        Self {
            prefix: text[..12].to_owned(),
            hash: hash(&text),
            text: SecretString::from(text),
        }
    }
}

/// What is kept of a key: its SHA-256. Enough for 256 random bits, which nobody can guess.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The hash of a key someone presents.
#[must_use]
pub fn hash_presented(key: &SecretString) -> [u8; 32] {
    hash(key.expose_secret())
}
