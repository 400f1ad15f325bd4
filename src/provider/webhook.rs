//! From an untrusted request to a proven event, as types: what is not proven cannot be stored.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::ProviderAccount;

/// A webhook request as it came: nobody has vouched for it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The header that carries the signature, where there is one.
    pub signature: Option<&'a str>,
    /// The raw bytes that were signed.
    pub body: &'a [u8],
}

/// What an event says of itself on the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The provider's id of the event (`evt_…`).
    pub event_id: String,
    /// The provider's word for what happened.
    pub kind: String,
    /// The provider's id of the object it happened to, where the event names one.
    pub object_id: Option<String>,
    /// When it happened, in the provider's whole seconds.
    pub created: OffsetDateTime,
    /// The API version the event is written in, where it says.
    pub api_version: Option<String>,
    /// Whether real money is meant.
    pub live: bool,
    /// The connected account it is about, where it is.
    pub external_account: Option<String>,
}

impl Envelope {
    /// Whether it is about an account, in its mode, and not about another that its provider tells of at the same place.
    #[must_use]
    pub fn is_of(&self, account: &ProviderAccount) -> bool {
        self.live == account.live && self.external_account == account.external_account
    }
}

/// How an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Source {
    /// Pushed to us and signed.
    Delivery,
    /// Read by us from the provider's list.
    Poll,
}

/// Evidence that some bytes are the provider's own: they were signed by the holder of a secret, or read from the provider
/// itself. Only [`verify_hmac_sha256`] and [`Proof::of_a_read`] make one.
#[derive(Debug)]
pub struct Proof(Source);

impl Proof {
    /// For bytes that an implementation of the port read over the provider's API with the account's own key: whoever answers
    /// there is believed about payments too.
    #[must_use]
    pub const fn of_a_read() -> Self {
        Self(Source::Poll)
    }
}

/// An event that is the provider's own, delivered or read.
///
/// It can only be made with a [`Proof`], and the store takes nothing else.
#[derive(Debug)]
pub struct VerifiedWebhook<'a> {
    source: Source,
    envelope: Envelope,
    body: Cow<'a, [u8]>,
}

impl<'a> VerifiedWebhook<'a> {
    /// Puts together what was proven.
    #[must_use]
    pub fn new(proof: &Proof, envelope: Envelope, body: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            source: proof.0,
            envelope,
            body: body.into(),
        }
    }

    /// How it came.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// What the event says of itself.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The raw bytes that were signed or read.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Why a delivery is not accepted. Says nothing of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no signature header, or it is not of the provider's form.
    #[error("the signature header is missing or malformed")]
    Malformed,
    /// The account has no secret to prove anything with.
    #[error("no webhook secret is set for this account")]
    NoSecret,
    /// It was signed too long ago or in the future.
    #[error("the signature is not of the last five minutes")]
    Untimely,
    /// No signature was made with a secret of the account.
    #[error("no signature matches")]
    Mismatch,
    /// The signature holds, but what was signed is no event.
    #[error("the body is no event")]
    NotAnEvent,
}

/// Looks for a signature over `parts`, one after the other, made with one of `secrets`.
///
/// Every candidate is compared with every secret, in time that depends on neither's contents, so that a secret can
/// be rolled while both are in use. A blank secret is none: anybody could sign with it.
#[must_use]
pub fn verify_hmac_sha256(
    parts: &[&[u8]],
    candidates: &[[u8; 32]],
    secrets: &[SecretString],
) -> Option<Proof> {
    let mut matched = subtle::Choice::from(0);
    for secret in secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .filter(|secret| !secret.trim().is_empty())
    {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        for part in parts {
            mac.update(part);
        }
        let expected = mac.finalize().into_bytes();
        for candidate in candidates {
            matched |= expected.as_slice().ct_eq(candidate);
        }
    }
    bool::from(matched).then_some(Proof(Source::Delivery))
}
