//! A merchant's own key, and what is sealed with it.

use aes_gcm::aead::{Aead, AeadInOut, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use zeroize::Zeroizing;

use super::{CryptoError, NONCE_LEN, Place, TAG_LEN, random};

/// The first byte of what was sealed with the key-encryption key itself, before merchants had keys of their own.
const SINGLE: u8 = 1;
/// The first byte of what is sealed with a data key; four bytes of its version follow, big-endian.
const ENVELOPE: u8 = 2;
/// Format and version.
const HEADER_LEN: usize = 5;

/// 32 bytes of a key, wiped when dropped.
pub type KeyMaterial = Zeroizing<[u8; 32]>;

/// A key as it is used: expanded for the cipher, which wipes it when dropped.
pub(super) struct Cipher(Aes256Gcm);

impl Cipher {
    pub(super) fn new(key: &KeyMaterial) -> Self {
        Self(Aes256Gcm::new((&**key).into()))
    }

    /// A header, a new nonce, the ciphertext and the tag.
    pub(super) fn seal(&self, header: &[u8], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = Vec::with_capacity(header.len() + NONCE_LEN + plain.len() + TAG_LEN);
        sealed.extend_from_slice(header);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let (_, text) = sealed.split_at_mut(header.len() + NONCE_LEN);
        let tag = self
            .0
            .encrypt_inout_detached(&Nonce::from(nonce), aad, text.into())
            .map_err(|_| CryptoError::Seal)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// What follows the header. None where it does not open.
    pub(super) fn open(&self, aad: &[u8], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, msg) = body.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload { msg, aad };
        let opened = self.0.decrypt(&Nonce::from(*nonce), payload);
        opened.map(Zeroizing::new).ok()
    }
}

/// Sealed bytes, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    header: &'a [u8],
    /// The data key that it names; none for what a single key sealed.
    pub version: Option<u32>,
    body: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// # Errors
    /// [`CryptoError::Format`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CryptoError> {
        match bytes.first() {
            Some(&SINGLE) => Ok(Self {
                header: &bytes[..1],
                version: None,
                body: &bytes[1..],
            }),
            Some(&ENVELOPE) => {
                let (header, body) = bytes.split_at_checked(HEADER_LEN).ok_or(CryptoError::Format)?;
                let version = header[1..].try_into().map_err(|_| CryptoError::Format)?;
                Ok(Self {
                    header,
                    version: Some(u32::from_be_bytes(version)),
                    body,
                })
            }
            _ => Err(CryptoError::Format),
        }
    }

    /// Opens it with a key. None where it does not open.
    pub(super) fn open_with(&self, cipher: &Cipher, place: &Place) -> Option<Zeroizing<Vec<u8>>> {
        cipher.open(&place.aad(self.header), self.body)
    }
}

/// Seals as it was done before merchants had keys of their own.
#[cfg(test)]
pub(super) fn seal_single(cipher: &Cipher, place: &Place, plain: &[u8]) -> Vec<u8> {
    cipher
        .seal(&[SINGLE], &place.aad(&[SINGLE]), plain)
        .unwrap_or_default()
}

/// A merchant's key of one version, unwrapped.
pub struct DataKey {
    version: u32,
    cipher: Cipher,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey {}", self.version)
    }
}

impl DataKey {
    pub(super) fn new(version: u32, key: &KeyMaterial) -> Self {
        Self {
            version,
            cipher: Cipher::new(key),
        }
    }

    /// Which of the merchant's keys it is: 1 is the first.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// How everything begins that it seals.
    #[must_use]
    pub fn header(&self) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = self.version.to_be_bytes();
        [ENVELOPE, a, b, c, d]
    }

    /// Seals bytes for a place of its merchant's: format, version, nonce, ciphertext and tag.
    ///
    /// # Errors
    /// [`CryptoError::Random`] or [`CryptoError::Seal`].
    pub fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let header = self.header();
        self.cipher.seal(&header, &place.aad(&header), plain)
    }

    /// Opens what it sealed for that place.
    ///
    /// # Errors
    /// [`CryptoError::Open`].
    pub fn open(&self, place: Place, sealed: Sealed<'_>) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        sealed.open_with(&self.cipher, &place).ok_or(CryptoError::Open {
            table: place.table,
            column: place.column,
        })
    }
}
