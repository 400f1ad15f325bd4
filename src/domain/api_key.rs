//! Keys that programs call us with.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::ids::{OdooInstanceId, ProviderAccountId};

/// How many characters 32 bytes are in base64 without padding.
const RANDOM_LEN: usize = 43;

/// What a key is for, as its prefix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A merchant's, where no real money moves.
    Test,
    /// A merchant's, where real money moves.
    Live,
    /// An operator's, who sets merchants up and moves no money.
    Operator,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::Test, Self::Live, Self::Operator];

    /// A merchant's, of a mode.
    #[must_use]
    pub const fn of_mode(live: bool) -> Self {
        if live { Self::Live } else { Self::Test }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Test => "qk_test_",
            Self::Live => "qk_live_",
            Self::Operator => "qk_admin_",
        }
    }
}

/// A new key: shown once, kept only as its hash.
///
/// 256 random bits behind a prefix that tells people and secret scanners what it is (`qk_test_…`, `qk_live_…`, `qk_admin_…`).
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
    pub fn new(kind: KeyKind, random: &[u8; 32]) -> Self {
        let text = format!("{}{}", kind.prefix(), BASE64_URL_SAFE_NO_PAD.encode(random));
        Self {
            prefix: text[..kind.prefix().len() + 4].to_owned(),
            hash: hash(&text),
            text: SecretString::from(text),
        }
    }
}

/// What a key was connected from, and for which account: what its payments go to where they say nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The Odoo.
    pub odoo_instance: OdooInstanceId,
    /// Its database: from another one the key is refused.
    pub database: String,
    /// The account at the provider.
    pub provider_account: ProviderAccountId,
}

/// A text that someone presents, as it is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// What it would be kept as.
    pub hash: [u8; 32],
    /// What it says that it is. Which table it is looked for in, and nothing more.
    pub kind: KeyKind,
}

impl Presented {
    /// Reads a text; none where it cannot be a key of ours, which needs no look at any table.
    #[must_use]
    pub fn read(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        let kind = KeyKind::ALL.into_iter().find(|kind| {
            let random = text.strip_prefix(kind.prefix()).unwrap_or_default();
            random.len() == RANDOM_LEN
                && random
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })?;
        Some(Self {
            hash: hash(text),
            kind,
        })
    }
}

/// What is kept of a key: its SHA-256.
///
/// A fast hash is enough for 256 random bits, which nobody can guess. Nor does it matter how long a comparison of such hashes takes: who
/// presents a text cannot choose how its hash begins, so that a hash that is nearly right says nothing about a key.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_kept_as_what_it_is_presented_as() {
        for kind in KeyKind::ALL {
            let key = NewApiKey::new(kind, &[7; 32]);
            let presented = Presented::read(&key.text).unwrap();
            assert_eq!((presented.hash, presented.kind), (key.hash, kind));
            assert!(key.text.expose_secret().starts_with(&key.prefix));
            assert!(key.prefix.len() <= 13, "{}", key.prefix);
        }
    }

    proptest! {
        #[test]
        fn what_is_no_key_of_ours_is_looked_for_nowhere(text in "(qk_(test|live|admin)_)?\\PC{0,60}") {
            let read = Presented::read(&text.clone().into());
            let tail = text.splitn(3, '_').nth(2).unwrap_or_default();
            prop_assert!(read.is_none() || (text.starts_with("qk_") && tail.len() == RANDOM_LEN && tail.is_ascii()));
        }
    }
}
