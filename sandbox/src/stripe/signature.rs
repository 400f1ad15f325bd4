//! The `Stripe-Signature` header.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `t=…,v1=…` with one `v1` for each secret: HMAC-SHA256 of `{t}.{body}`
/// (<https://docs.stripe.com/webhooks/signature>).
pub(crate) fn header(secrets: &[String], time: i64, body: &[u8]) -> String {
    let mut header = format!("t={time}");
    for secret in secrets {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
            continue;
        };
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        header.push_str(",v1=");
        for byte in mac.finalize().into_bytes() {
            let _ = write!(header, "{byte:02x}");
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac` and with `openssl dgst -sha256 -hmac`.
    #[test]
    fn each_secret_signs_the_time_and_the_raw_body() {
        let secrets = ["whsec_old".to_owned(), "whsec_new".to_owned()];
        let expected = "t=1700000000,\
            v1=45604a379d33c8c38c77e8f47754d7fcceaf2fb9378a09b8bbf9bc8ff48fd41c,\
            v1=e8852b8fc73dd537655dffca7885106cd7ddc96a7a1a5ebdf65e3e447f4ed6a4";
        assert_eq!(header(&secrets, 1_700_000_000, b"{\"id\": \"evt_1\"}"), expected);
    }
}
