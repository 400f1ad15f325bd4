//! From a delivery to a proven event. The path that every event takes: it copies nothing but the envelope.

use std::borrow::Cow;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::nul::without_nul;
use super::signature::SignatureHeader;
use crate::provider::{Delivery, Envelope, VerifiedWebhook, VerifyError, verify_hmac_sha256};

/// How far a signature may be from now, either way, in seconds: what Stripe's own libraries allow.
const TOLERANCE_SECS: u64 = 300;

/// Proves that a delivery was signed with one of `secrets`, and only then reads what kind of event it is.
pub(super) fn verify<'a>(
    delivery: &Delivery<'a>,
    secrets: &[SecretString],
    now: OffsetDateTime,
) -> Result<VerifiedWebhook<'a>, VerifyError> {
    if secrets.is_empty() {
        return Err(VerifyError::NoSecret);
    }
    let header = SignatureHeader::parse(delivery.signature.ok_or(VerifyError::Malformed)?)?;
    if now.unix_timestamp().abs_diff(header.seconds) > TOLERANCE_SECS {
        return Err(VerifyError::Untimely);
    }
    let signed = [header.timestamp.as_bytes(), b".", delivery.body];
    let proof = verify_hmac_sha256(&signed, &header.v1, secrets).ok_or(VerifyError::Mismatch)?;
    let envelope = read_envelope(&without_nul(delivery.body)).ok_or(VerifyError::NotAnEvent)?;
    Ok(VerifiedWebhook::new(&proof, envelope, delivery.body))
}

/// The outside of an event, of either of Stripe's two kinds: with a snapshot (v1) or thin (v2).
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    created: &'a RawValue,
    #[serde(borrow)]
    livemode: Option<&'a RawValue>,
    #[serde(borrow)]
    account: Option<&'a RawValue>,
    /// A thin event's word for the account: the path to it, where it is a connected one
    /// (<https://docs.stripe.com/context>).
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    api_version: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    related_object: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    id: String,
}

/// Reads the outside of an event; none where it is no event.
pub(super) fn read_envelope(body: &[u8]) -> Option<Envelope> {
    let event: Event<'_> = serde_json::from_slice(body).ok()?;
    if event.id.is_empty() || event.kind.is_empty() {
        return None;
    }
    let object = lenient::<Data>(event.data)
        .map(|data| data.object)
        .or_else(|| lenient(event.related_object));
    Some(Envelope {
        created: moment(event.created)?,
        object_id: object.map(|object: Object| object.id),
        api_version: lenient(event.api_version),
        live: lenient(event.livemode).unwrap_or(false),
        external_account: lenient(event.account)
            .or_else(|| lenient::<Cow<'_, str>>(event.context).and_then(|path| last(&path))),
        event_id: event.id.into_owned(),
        kind: event.kind.into_owned(),
    })
}

/// What can be missing, or be of a shape of tomorrow, is then not there.
fn lenient<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// The account that a path leads to, past its platform and organization.
fn last(path: &str) -> Option<String> {
    path.rsplit('/').next().map(str::to_owned)
}

/// Whole seconds, from seconds since 1970 or from RFC 3339. Nothing happened before 1970.
fn moment(raw: &RawValue) -> Option<OffsetDateTime> {
    read_moment(raw).filter(|&moment| moment >= OffsetDateTime::UNIX_EPOCH)
}

fn read_moment(raw: &RawValue) -> Option<OffsetDateTime> {
    if let Ok(seconds) = raw.get().parse() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    let text: Cow<'_, str> = serde_json::from_str(raw.get()).ok()?;
    OffsetDateTime::parse(&text, &Rfc3339)
        .ok()?
        .replace_nanosecond(0)
        .ok()
}
