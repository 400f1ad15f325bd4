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
                    v1.push(decode_hex(value.trim()).ok_or(VerifyError::Malformed)?);
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use super::*;

    /// Headers of which a part can be read: what is right, and what is nearly, in any order.
    fn nearly_headers() -> impl Strategy<Value = String> {
        let element = prop_oneof![
            3 => " ?t=[+-]?0?[0-9]{1,12} ?",
            5 => " ?v1 ?=[0-9a-fA-F]{64}",
            2 => "v[02]=[a-z=]{0,9}",
            1 => "(t|v1)?=?[ -~]{0,65}",
        ];
        prop::collection::vec(element, 1..6).prop_map(|elements| elements.join(","))
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_says_the_same_written_anew(
            header in prop_oneof![1 => any::<String>(), 3 => nearly_headers()],
        ) {
            if let Ok(read) = SignatureHeader::parse(&header) {
                let hex = |bytes: &[u8; 32]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
                let begun = format!("t={}", read.timestamp);
                let anew = read.v1.iter().fold(begun, |text, bytes| format!("{text},v1={}", hex(bytes)));
                prop_assert_eq!(SignatureHeader::parse(&anew), Ok(read));
            }
        }
    }

    const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn every_signature_counts_wherever_the_time_stands() {
        let ones = ZEROS.replace('0', "f");
        let header = format!("v1={ZEROS},v0=abc,t=12,v1={ones}, v2=x");
        let read = SignatureHeader::parse(&header).unwrap();
        assert_eq!((read.timestamp, read.seconds), ("12", 12));
        assert_eq!(read.v1, [[0; 32], [255; 32]]);
    }

    #[test]
    fn hexadecimal_digits_may_be_of_either_case() {
        let upper = decode_hex(&"AB".repeat(32));
        assert_eq!(upper, Some([0xab; 32]));
        assert_eq!(upper, decode_hex(&"ab".repeat(32)));
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        let many = format!(
            "t=1,{}",
            vec![format!("v1={ZEROS}"); MOST_SIGNATURES + 1].join(",")
        );
        let twice = format!("t=1,t=1,v1={ZEROS}");
        let no_time = format!("v1={ZEROS}");
        let no_number = format!("t=now,v1={ZEROS}");
        let short = format!("t=1,v1={}", &ZEROS[1..]);
        let no_hex = format!("t=1,v1={}", ZEROS.replace('0', "g"));
        let multibyte = format!("t=1,v1={}", "é".repeat(32));
        let garbled = format!("t=1;v1={ZEROS}");
        for header in [
            "", ",", "t=1", "t", &many, &twice, &no_time, &no_number, &short, &no_hex, &multibyte, &garbled,
        ] {
            assert_eq!(
                SignatureHeader::parse(header),
                Err(VerifyError::Malformed),
                "{header}"
            );
        }
    }
}
