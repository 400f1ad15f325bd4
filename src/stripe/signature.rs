//! Stripe's signature header: `t=1492774577,v1=5257a8…,v1=6ffbb5…,v0=…`.

use crate::provider::VerifyError;

/// More signatures than a header can hold while secrets are rolled.
const MOST_SIGNATURES: usize = 16;

/// What a signature header says. Nothing of it is proven.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SignatureHeader<'a> {
    /// When it was signed, as text: the very bytes that were signed.
    pub(super) timestamp: &'a str,
    /// The same in seconds since 1970.
    pub(super) seconds: i64,
    /// Every signature of the scheme that we know. While a secret is rolled, there is one of each.
    pub(super) v1: Vec<[u8; 32]>,
}

impl<'a> SignatureHeader<'a> {
    /// Reads a header. Elements come in any order; those of other schemes are passed over.
    pub(super) fn parse(header: &'a str) -> Result<Self, VerifyError> {
        let (mut timestamp, mut v1) = (None, Vec::new());
        for element in header.split(',') {
            let (scheme, value) = element.split_once('=').ok_or(VerifyError::Malformed)?;
            match scheme.trim() {
                "t" if timestamp.is_none() => timestamp = Some(value.trim()),
                "v1" if v1.len() < MOST_SIGNATURES => {
                    v1.push(decode_hex(value.trim()).ok_or(VerifyError::Malformed)?)
                }
                "t" | "v1" => return Err(VerifyError::Malformed),
                _ => {}
            }
        }
        let timestamp = timestamp.ok_or(VerifyError::Malformed)?;
        let seconds = timestamp.parse().map_err(|_| VerifyError::Malformed)?;
        if v1.is_empty() {
            Err(VerifyError::Malformed)
        } else {
            Ok(Self {
                timestamp,
                seconds,
                v1,
            })
        }
    }
}

/// The 32 bytes that 64 hexadecimal digits stand for.
fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let value = char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())?;
            *byte = *byte << 4 | value;
        }
    }
    Some(bytes)
}
