//! A key-encryption key that is in this process: from the environment, or from a file.

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::data_key::{Cipher, Sealed};
use super::{CryptoError, Kek, KekError, KeyMaterial, KeyPlace, Place, Wrapped};

/// 32 bytes that wrap data keys with AES-256-GCM.
///
/// Its id tells it from others and is the same wherever it comes from: `local:` and the first 8 bytes of a SHA-256 over it.
pub struct LocalKek {
    id: String,
    cipher: Cipher,
}

impl std::fmt::Debug for LocalKek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)
    }
}

impl LocalKek {
    /// Takes 32 bytes in base64 for a key.
    ///
    /// # Errors
    /// [`CryptoError::Key`].
    pub fn parse(text: &SecretString) -> Result<Self, CryptoError> {
        let bytes = BASE64_STANDARD
            .decode(text.expose_secret().trim())
            .map(Zeroizing::new)
            .map_err(|_| CryptoError::Key)?;
        let mut key: KeyMaterial = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(CryptoError::Key);
        }
        key.copy_from_slice(&bytes);
        let hash = Sha256::new_with_prefix(b"quittance key-encryption key\0")
            .chain_update(key.as_slice())
            .finalize();
        let id = hash[..8]
            .iter()
            .fold("local:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        Ok(Self {
            id,
            cipher: Cipher::new(&key),
        })
    }
}

#[async_trait]
impl Kek for LocalKek {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn unwraps(&self, id: &str) -> bool {
        self.id == id
    }

    async fn wrap(&self, place: KeyPlace, key: &KeyMaterial) -> Result<Wrapped, KekError> {
        let bytes = self
            .cipher
            .seal(&[], &place.aad(&self.id), &**key)
            .map_err(|error| KekError::Unavailable {
                kek: self.id.clone(),
                reason: error.to_string(),
            })?;
        Ok(Wrapped {
            kek: self.id.clone(),
            bytes,
        })
    }

    async fn unwrap(&self, place: KeyPlace, wrapped: &Wrapped) -> Result<KeyMaterial, KekError> {
        let opened = self.cipher.open(&place.aad(&self.id), &wrapped.bytes);
        let mut key: KeyMaterial = Zeroizing::new([0; 32]);
        match opened {
            Some(bytes) if bytes.len() == key.len() => {
                key.copy_from_slice(&bytes);
                Ok(key)
            }
            Some(_) | None => Err(KekError::Refused { kek: self.id.clone() }),
        }
    }

    async fn check(&self) -> Result<(), KekError> {
        Ok(())
    }

    fn open_single(&self, place: &Place, sealed: Sealed<'_>) -> Option<Zeroizing<Vec<u8>>> {
        sealed.open_with(&self.cipher, place)
    }
}
