//! A key-encryption key in Vault's transit engine: it never leaves Vault, which wraps and unwraps for us.
//!
//! Source of the requests: the API documentation of Vault's transit secrets engine, `POST …/encrypt/:name` and `…/decrypt/:name` with
//! `associated_data`. `OpenBao` serves the same.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::StatusCode;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::{Host, Url};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{Kek, KekError, KeyMaterial, KeyPlace, Place, Sealed, Wrapped};

/// Longest time for a request.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Longest time to reach Vault.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A setting that cannot be used: its name without the prefix, and what is wrong.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No address that a token may be sent to.
    #[error("VAULT_ADDRESS must begin with https://; http:// only to this machine")]
    Address,
    /// Not a mount and a key's name.
    #[error("VAULT_TRANSIT_KEY must be a mount and a key's name, such as transit/quittance")]
    Key,
    /// No token.
    #[error("VAULT_TOKEN_FILE must name the file that holds the token")]
    Token,
    /// No HTTP client.
    #[error("VAULT_ADDRESS: no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// A key of Vault's transit engine.
pub struct TransitKek {
    http: reqwest::Client,
    address: Url,
    mount: String,
    key: String,
    /// Read for each request: an agent renews what it holds.
    token_file: PathBuf,
    /// The key's version that wrapped last; 0 before any did.
    version: AtomicU64,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
    associated_data: String,
}

#[derive(Deserialize)]
struct Reply<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize, Zeroize)]
#[zeroize(drop)]
struct Decrypted {
    plaintext: String,
}

impl TransitKek {
    /// A key at an address, such as `https://vault:8200`, by mount and name, such as `transit/quittance`.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn new(address: &str, key: &str, token_file: &str) -> Result<Self, VaultError> {
        let mut address: Url = address.parse().map_err(|_| VaultError::Address)?;
        let is_this_machine = match address.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if address.scheme() != "https" && !(address.scheme() == "http" && is_this_machine) {
            return Err(VaultError::Address);
        }
        if !address.path().ends_with('/') {
            let path = format!("{}/", address.path());
            address.set_path(&path);
        }
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_/.".contains(c))
        };
        let (mount, name) = key
            .rsplit_once('/')
            .filter(|(mount, name)| is_plain(mount) && is_plain(name) && !key.contains(".."))
            .ok_or(VaultError::Key)?;
        if token_file == "none" {
            return Err(VaultError::Token);
        }
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .build()?;
        Ok(Self {
            http,
            address,
            mount: mount.to_owned(),
            key: name.to_owned(),
            token_file: token_file.into(),
            version: AtomicU64::new(0),
        })
    }

    /// What every version of it is called.
    fn name(&self) -> String {
        format!("vault:{}/{}", self.mount, self.key)
    }

    fn unavailable(&self, reason: &impl ToString) -> KekError {
        KekError::Unavailable {
            kek: self.name(),
            reason: reason.to_string(),
        }
    }

    async fn token(&self) -> Result<SecretString, KekError> {
        let text = tokio::fs::read_to_string(&self.token_file)
            .await
            .map(Zeroizing::new)
            .map_err(|error| self.unavailable(&format!("its token's file: {error}")))?;
        Ok(text.trim().to_owned().into())
    }

    async fn post<T: for<'de> Deserialize<'de>>(
        &self,
        verb: &str,
        body: &Request<'_>,
    ) -> Result<T, KekError> {
        let url = self
            .address
            .join(&format!("v1/{}/{verb}/{}", self.mount, self.key))
            .map_err(|error| self.unavailable(&error))?;
        let token = self.token().await?;
        let response = self
            .http
            .post(url)
            .header("X-Vault-Token", token.expose_secret())
            .json(body)
            .send()
            .await
            .map_err(|error| self.unavailable(&error.without_url()))?;
        match response.status() {
            StatusCode::OK => {}
            // What was wrapped for another place, or by another key.
            StatusCode::BAD_REQUEST if body.ciphertext.is_some() => {
                return Err(KekError::Refused { kek: self.name() });
            }
            status => return Err(self.unavailable(&format!("Vault answered {status}"))),
        }
        let reply: Reply<T> = response
            .json()
            .await
            .map_err(|error| self.unavailable(&error.without_url()))?;
        Ok(reply.data)
    }
}

#[async_trait]
impl Kek for TransitKek {
    fn id(&self) -> String {
        format!("{}:v{}", self.name(), self.version.load(Ordering::Relaxed))
    }

    fn unwraps(&self, id: &str) -> bool {
        id.strip_prefix(&self.name())
            .is_some_and(|rest| rest.starts_with(":v"))
    }

    async fn wrap(&self, place: KeyPlace, key: &KeyMaterial) -> Result<Wrapped, KekError> {
        let plaintext = Zeroizing::new(BASE64_STANDARD.encode(key.as_slice()));
        let request = Request {
            plaintext: Some(&plaintext),
            ciphertext: None,
            associated_data: BASE64_STANDARD.encode(place.aad(&self.name())),
        };
        let Encrypted { ciphertext } = self.post("encrypt", &request).await?;
        let version = ciphertext
            .strip_prefix("vault:v")
            .and_then(|rest| rest.split_once(':'))
            .and_then(|(version, _)| version.parse().ok())
            .ok_or_else(|| self.unavailable(&"a ciphertext without a version"))?;
        self.version.store(version, Ordering::Relaxed);
        Ok(Wrapped {
            kek: format!("{}:v{version}", self.name()),
            bytes: ciphertext.into_bytes(),
        })
    }

    async fn unwrap(&self, place: KeyPlace, wrapped: &Wrapped) -> Result<KeyMaterial, KekError> {
        let refused = || KekError::Refused { kek: self.name() };
        let request = Request {
            plaintext: None,
            ciphertext: Some(std::str::from_utf8(&wrapped.bytes).map_err(|_| refused())?),
            associated_data: BASE64_STANDARD.encode(place.aad(&self.name())),
        };
        let decrypted: Decrypted = self.post("decrypt", &request).await?;
        let bytes = BASE64_STANDARD
            .decode(&decrypted.plaintext)
            .map(Zeroizing::new)
            .map_err(|_| refused())?;
        let mut key: KeyMaterial = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(refused());
        }
        key.copy_from_slice(&bytes);
        Ok(key)
    }

    /// Wraps something and unwraps it, and takes no Vault that unwraps it for another place: one that is too old to know
    /// `associated_data` passes it over in silence.
    async fn check(&self) -> Result<(), KekError> {
        let place = |version| KeyPlace {
            merchant: Uuid::nil(),
            version,
        };
        let key: KeyMaterial = Zeroizing::new([0; 32]);
        let wrapped = self.wrap(place(0), &key).await?;
        self.unwrap(place(0), &wrapped).await?;
        match self.unwrap(place(1), &wrapped).await {
            Err(KekError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(self.unavailable(
                &"this Vault does not bind associated_data, or the key's type is no AEAD: use aes256-gcm96",
            )),
        }
    }

    fn open_single(&self, _: &Place, _: Sealed<'_>) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}
