//! JSON without the one character that no text in Postgres can hold.

use std::borrow::Cow;

const NUL: &[u8] = br"\u0000";

/// The same JSON with every escaped NUL replaced by U+FFFD. Copies only what has one.
pub(super) fn without_nul(json: &[u8]) -> Cow<'_, [u8]> {
    if !json.windows(NUL.len()).any(|window| window == NUL) {
        return Cow::Borrowed(json);
    }
    let (mut clean, mut rest) = (Vec::with_capacity(json.len()), json);
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        clean.extend_from_slice(before);
        // An escaped backslash is no beginning of an escape.
        let length = if escape.starts_with(NUL) {
            NUL.len()
        } else {
            escape.len().min(2)
        };
        clean.extend_from_slice(if escape.starts_with(NUL) {
            br"\ufffd"
        } else {
            &escape[..length]
        });
        rest = &escape[length..];
    }
    clean.extend_from_slice(rest);
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_nul_is_replaced() {
        for (json, clean) in [
            (r#"{"a":"x\u0000y\u0000"}"#, r#"{"a":"x\ufffdy\ufffd"}"#),
            (r#"{"a":"\\u0000"}"#, r#"{"a":"\\u0000"}"#),
            (r#"{"a":"\\\u0000\n"}"#, r#"{"a":"\\\ufffd\n"}"#),
            (r#"{"a":"\u0001"}"#, r#"{"a":"\u0001"}"#),
            (r"\u0000\", r"\ufffd\"),
            ("", ""),
        ] {
            assert_eq!(without_nul(json.as_bytes()), clean.as_bytes(), "{json}");
        }
    }
}
