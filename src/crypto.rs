//! Seals secrets with AES-256-GCM, bound to the place where they are kept.

use aes_gcm::aead::{Aead, AeadInOut, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

/// The first byte of everything sealed: how it was sealed.
const FORMAT: u8 = 1;
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
    fn aad(&self) -> Vec<u8> {
        let mut aad = vec![FORMAT];
        aad.extend_from_slice(self.merchant.as_bytes());
        aad.extend_from_slice(self.row.as_bytes());
        aad.extend_from_slice(self.table.as_bytes());
        aad.push(b'.');
        aad.extend_from_slice(self.column.as_bytes());
        aad
    }
}

/// Why something cannot be sealed or opened. Says nothing of the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The operating system gave no random bytes.
    #[error("no random bytes can be had")]
    Random,
}

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Sealer {
    cipher: Aes256Gcm,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// Takes 32 bytes in base64 for a key.
    ///
    /// # Errors
    /// [`CryptoError::Key`].
    pub fn parse(key: &SecretString) -> Result<Self, CryptoError> {
        let bytes = BASE64_STANDARD
            .decode(key.expose_secret().trim())
            .map(Zeroizing::new)
            .map_err(|_| CryptoError::Key)?;
        let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| CryptoError::Key)?;
        Ok(Self { cipher })
    }

    /// Seals bytes for a place: format, nonce, ciphertext and tag.
    ///
    /// # Errors
    /// [`CryptoError::Random`] or [`CryptoError::Seal`].
    pub fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + TAG_LEN);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let (_, text) = sealed.split_at_mut(1 + NONCE_LEN);
        let tag = self
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), &place.aad(), text.into())
            .map_err(|_| CryptoError::Seal)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what was sealed for that place.
    ///
    /// # Errors
    /// [`CryptoError::Format`] or [`CryptoError::Open`].
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (format, rest) = sealed.split_first().ok_or(CryptoError::Format)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::Format)?;
        if *format != FORMAT {
            return Err(CryptoError::Format);
        }
        self.cipher
            .decrypt(
                &Nonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: &place.aad(),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| CryptoError::Open {
                table: place.table,
                column: place.column,
            })
    }

    /// Opens a text.
    ///
    /// # Errors
    /// As [`Sealer::open`].
    pub fn open_text(&self, place: Place, sealed: &[u8]) -> Result<SecretString, CryptoError> {
        let plain = self.open(place, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| CryptoError::Format)?;
        Ok(SecretString::from(text.to_owned()))
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::parse(&BASE64_STANDARD.encode([byte; 32]).into()).unwrap()
    }

    const PLACE: Place = Place {
        merchant: Uuid::from_u128(1),
        table: "provider_account",
        column: "secret_key",
        row: Uuid::from_u128(2),
    };

    #[test]
    fn what_was_sealed_opens_in_its_place() {
        let sealed = sealer(1).seal(PLACE, b"sk_test_1").unwrap();
        assert_eq!(sealer(1).open(PLACE, &sealed).unwrap().as_slice(), b"sk_test_1");
        assert_ne!(
            sealer(1).seal(PLACE, b"sk_test_1").unwrap(),
            sealed,
            "the nonce is new each time"
        );
    }

    #[test]
    fn it_opens_in_no_other_row_column_table_or_merchant_and_with_no_other_key() {
        let sealed = sealer(1).seal(PLACE, b"sk_test_1").unwrap();
        let elsewhere = [
            Place {
                row: Uuid::from_u128(3),
                ..PLACE
            },
            Place {
                column: "publishable_key",
                ..PLACE
            },
            Place {
                table: "odoo_instance",
                ..PLACE
            },
            Place {
                merchant: Uuid::from_u128(9),
                ..PLACE
            },
        ];
        for place in elsewhere {
            assert!(sealer(1).open(place, &sealed).is_err(), "{place:?}");
        }
        assert!(sealer(2).open(PLACE, &sealed).is_err());
    }

    #[test]
    fn a_changed_or_cut_ciphertext_does_not_open() {
        let sealed = sealer(1).seal(PLACE, b"sk_test_1").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer(1).open(PLACE, &changed).is_err(), "byte {at}");
            assert!(sealer(1).open(PLACE, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for text in ["", "c2hvcnQ=", "not base64 at all!"] {
            assert_eq!(
                Sealer::parse(&text.to_owned().into()).unwrap_err(),
                CryptoError::Key,
                "{text}"
            );
        }
    }
}
