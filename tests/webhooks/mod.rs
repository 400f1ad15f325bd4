//! From a delivery to a proven event.

mod deliveries;
mod envelopes;
mod fuzz;
mod official;
mod table;

use std::fmt::{Display, Write};
use std::num::NonZeroU32;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use quittance::provider::{Delivery, Envelope, Provider, VerifyError};
use quittance::stripe::{Limits, Stripe, Timeouts, http_client};
use secrecy::SecretString;
use sha2::Sha256;
use time::OffsetDateTime;

/// A moment to be in.
const NOW: i64 = 1_790_000_000;
const SECRET: &str = "whsec_Zb0x1RfYFJ6eUrTpVQkN";
const BODY: &[u8] =
    br#"{"id":"evt_1","object":"event","type":"charge.updated","created":1789999999,"livemode":true,
    "account":"acct_1","api_version":"2026-09-30.endive","data":{"object":{"id":"ch_1","amount":12100}}}"#;

/// The hexadecimal digits that the holder of a secret signs a body with.
fn digits(secret: &str, time: impl Display + Copy, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut digits = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        write!(digits, "{byte:02x}").unwrap();
    }
    digits
}

/// The header of a body that was signed at a time with a secret.
fn header(secret: &str, time: impl Display + Copy, body: &[u8]) -> String {
    format!("t={time},v1={}", digits(secret, time, body))
}

/// What our verifier says of a delivery at [`NOW`].
fn verify(signature: Option<&str>, body: &[u8], secrets: &[&str]) -> Result<Envelope, VerifyError> {
    static STRIPE: LazyLock<Stripe> = LazyLock::new(|| {
        let nothing_is_sent = Limits {
            live: NonZeroU32::MIN,
            test: NonZeroU32::MIN,
            endpoint: NonZeroU32::MIN,
        };
        Stripe::new(http_client().unwrap(), Timeouts::default(), nothing_is_sent)
    });
    let secrets: Vec<SecretString> = secrets.iter().map(|&secret| secret.into()).collect();
    let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
    let verified = STRIPE.verify(&Delivery { signature, body }, &secrets, now)?;
    assert_eq!(verified.body(), body, "what is kept is what was signed");
    Ok(verified.envelope().clone())
}
