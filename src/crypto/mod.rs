//! Seals secrets with AES-256-GCM, bound to the place where they are kept.
//!
//! Envelope encryption: what is kept is sealed with a data key of its merchant's, and data keys are wrapped by a key-encryption key
//! ([`Kek`]). What was sealed before there were data keys (format 1) is opened with that key itself.

mod data_key;
mod kek;
mod local;
mod sealer;

use uuid::Uuid;

pub use data_key::{DataKey, KeyMaterial, Sealed};
pub use kek::{Kek, KekError, KeyPlace, KeyRing, Wrapped};
pub use local::LocalKek;
pub use sealer::{LEARNED_WITHIN, Sealer};

const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// Where a sealed value is kept. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The merchant whose row it is.
    pub merchant: Uuid,
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row, where its id is a UUID.
    pub row: Uuid,
}

impl Place {
    /// What a value is bound to: how it is sealed, and where it is kept.
    fn aad(&self, header: &[u8]) -> Vec<u8> {
        let mut aad = header.to_vec();
        aad.extend_from_slice(self.merchant.as_bytes());
        aad.extend_from_slice(self.row.as_bytes());
        aad.extend_from_slice(self.table.as_bytes());
        aad.push(b'.');
        aad.extend_from_slice(self.column.as_bytes());
        aad
    }
}

/// Why something cannot be sealed or opened. Says nothing of the contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The key's text is not 32 bytes in base64.
    #[error("must be 32 bytes in base64; make one with `openssl rand -base64 32`")]
    Key,
    /// It was sealed in a way that we do not know.
    #[error("a sealed value is of an unknown format")]
    Format,
    /// It was sealed with another key, for another place, or was changed since.
    #[error("a sealed value of {table}.{column} does not open: another key, another place, or changed")]
    Open {
        /// The table it was read from.
        table: &'static str,
        /// The column it was read from.
        column: &'static str,
    },
    /// The cipher refused.
    #[error("a value could not be sealed")]
    Seal,
    /// The data key that it names is not there.
    #[error("data key {version} of the merchant is not there")]
    NoDataKey {
        /// Its version.
        version: u32,
    },
    /// The data key does not unwrap.
    #[error("a data key does not unwrap")]
    Kek(#[from] KekError),
    /// The operating system gave no random bytes.
    #[error("no random bytes can be had")]
    Random,
}

impl CryptoError {
    /// Whether it may be otherwise in a moment: who holds the key did not answer.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Kek(KekError::Unavailable { .. }) | Self::Random)
    }
}

/// Random bytes of the operating system.
///
/// # Errors
/// [`CryptoError::Random`].
pub fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| CryptoError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
