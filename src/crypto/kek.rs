//! What wraps data keys: the port to wherever the key-encryption key is held.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{DataKey, KeyMaterial, Place, Sealed, random};
use crate::crypto::CryptoError;

/// Whose data key it is, and which. A wrapped key unwraps for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// Whose.
    pub merchant: Uuid,
    /// Which: 1 is the first.
    pub version: u32,
}

impl KeyPlace {
    /// What a wrapped key is bound to, besides the key that wraps it: so called by who wraps.
    #[must_use]
    pub fn aad(&self, kek: &str) -> Vec<u8> {
        let mut aad = b"quittance data key\0".to_vec();
        aad.extend_from_slice(self.merchant.as_bytes());
        aad.extend_from_slice(&self.version.to_be_bytes());
        aad.extend_from_slice(kek.as_bytes());
        aad
    }
}

/// A data key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The id of the key-encryption key that unwraps it.
    pub kek: String,
    /// Its own format.
    pub bytes: Vec<u8>,
}

/// Why a data key is neither wrapped nor unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KekError {
    /// No setting names the key that wrapped it.
    #[error("no setting names the key-encryption key {kek}")]
    Unknown {
        /// Its id.
        kek: String,
    },
    /// It is another merchant's, another version, or was changed since.
    #[error("{kek} does not unwrap it: another merchant's, another version, or changed")]
    Refused {
        /// The key's id.
        kek: String,
    },
    /// Whoever holds the key cannot be reached, or does not let us use it. To be tried again.
    #[error("{kek} cannot be used: {reason}")]
    Unavailable {
        /// The key's id.
        kek: String,
        /// Why; no secret.
        reason: String,
    },
}

/// A key-encryption key, wherever it is held: in this process, or by a service that wraps and unwraps for us.
///
/// Calls may go over a network: they end within seconds, one way or the other.
#[async_trait]
pub trait Kek: Send + Sync {
    /// What it is called in `data_key.kek_id` when it wraps now. Names the key's version where its holder has several.
    fn id(&self) -> String;

    /// Whether it unwraps what is kept under that id.
    fn unwraps(&self, id: &str) -> bool;

    /// Wraps a data key, bound to its place.
    ///
    /// # Errors
    /// [`KekError::Unavailable`].
    async fn wrap(&self, place: KeyPlace, key: &KeyMaterial) -> Result<Wrapped, KekError>;

    /// Unwraps a data key of that place.
    ///
    /// # Errors
    /// [`KekError`].
    async fn unwrap(&self, place: KeyPlace, wrapped: &Wrapped) -> Result<KeyMaterial, KekError>;

    /// Tries whether it can be used, before anything depends on it.
    ///
    /// # Errors
    /// [`KekError::Unavailable`].
    async fn check(&self) -> Result<(), KekError>;

    /// Opens what the key itself sealed before there were data keys, where it is such a key.
    fn open_single(&self, place: &Place, sealed: Sealed<'_>) -> Option<Zeroizing<Vec<u8>>>;
}

/// The key that wraps, and those that may still unwrap.
#[derive(Clone)]
pub struct KeyRing {
    current: Arc<dyn Kek>,
    previous: Vec<Arc<dyn Kek>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl KeyRing {
    /// A ring of a key that wraps and of others that may still unwrap. One that is named twice counts once.
    #[must_use]
    pub fn new(current: Arc<dyn Kek>, previous: Vec<Arc<dyn Kek>>) -> Self {
        let mut ring = Self {
            current,
            previous: Vec::with_capacity(previous.len()),
        };
        for kek in previous {
            if !ring.ids().contains(&kek.id()) {
                ring.previous.push(kek);
            }
        }
        ring
    }

    /// The key that wraps.
    #[must_use]
    pub fn current(&self) -> &Arc<dyn Kek> {
        &self.current
    }

    /// The keys that may still unwrap.
    #[must_use]
    pub fn previous(&self) -> &[Arc<dyn Kek>] {
        &self.previous
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Kek>> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// What all are called, the one that wraps first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.all().map(|kek| kek.id()).collect()
    }

    /// Whether one of them unwraps what is kept under that id.
    #[must_use]
    pub fn unwraps(&self, id: &str) -> bool {
        self.all().any(|kek| kek.unwraps(id))
    }

    /// Makes a new data key.
    ///
    /// # Errors
    /// [`CryptoError::Kek`] or [`CryptoError::Random`].
    pub async fn generate(&self, place: KeyPlace) -> Result<(DataKey, Wrapped), CryptoError> {
        let key = Zeroizing::new(random()?);
        let wrapped = self.current.wrap(place, &key).await?;
        Ok((DataKey::new(place.version, &key), wrapped))
    }

    async fn material(&self, place: KeyPlace, wrapped: &Wrapped) -> Result<KeyMaterial, KekError> {
        let kek = self
            .all()
            .find(|kek| kek.unwraps(&wrapped.kek))
            .ok_or_else(|| KekError::Unknown {
                kek: wrapped.kek.clone(),
            })?;
        kek.unwrap(place, wrapped).await
    }

    /// Unwraps a data key.
    ///
    /// # Errors
    /// [`CryptoError::Kek`].
    pub async fn unwrap(&self, place: KeyPlace, wrapped: &Wrapped) -> Result<DataKey, CryptoError> {
        let key = self.material(place, wrapped).await?;
        Ok(DataKey::new(place.version, &key))
    }

    /// Wraps a data key anew, with the key that wraps now.
    ///
    /// # Errors
    /// [`CryptoError::Kek`].
    pub async fn rewrap(&self, place: KeyPlace, wrapped: &Wrapped) -> Result<Wrapped, CryptoError> {
        let key = self.material(place, wrapped).await?;
        Ok(self.current.wrap(place, &key).await?)
    }

    /// Opens what one of the keys itself sealed before there were data keys.
    pub(super) fn open_single(
        &self,
        place: Place,
        sealed: Sealed<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        self.all()
            .find_map(|kek| kek.open_single(&place, sealed))
            .ok_or(CryptoError::Open {
                table: place.table,
                column: place.column,
            })
    }
}
