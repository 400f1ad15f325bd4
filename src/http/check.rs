//! How fields are checked: each check names the field and says what it must be.

use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::Problem;
use crate::domain::card_number::holds_card_number;

/// One of our ids, where it is given.
pub(super) fn parse_id<T: FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, Problem> {
    text.map(|text| {
        text.parse()
            .map_err(|error| Problem::invalid(field, "invalid_id", error))
    })
    .transpose()
}

/// A moment, RFC 3339, where it is given.
pub(super) fn parse_time(field: &'static str, text: Option<&str>) -> Result<Option<OffsetDateTime>, Problem> {
    text.map(|text| {
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            Problem::invalid(
                field,
                "invalid_time",
                "must be a time of RFC 3339, such as 2026-11-20T12:00:00Z",
            )
        })
    })
    .transpose()
}

/// Checks that a query is text once it is decoded: UTF-8 without NUL, which no column takes.
pub(super) fn check_query(query: &str) -> Result<(), Problem> {
    // A cursor is read as ours or not at all.
    let is_odd = |pair: &&str| !is_text(pair) && !pair.starts_with("cursor=");
    let Some(odd) = query.split('&').find(is_odd) else {
        return Ok(());
    };
    let name = odd.split('=').next().unwrap_or_default();
    let name = if is_text(name) { name } else { "query" };
    Err(Problem::invalid(
        name,
        "invalid_text",
        "must be UTF-8 without NUL characters",
    ))
}

fn is_text(query: &str) -> bool {
    let hex = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let bytes = query.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = match (byte, bytes.get(at + 1), bytes.get(at + 2)) {
            (b'%', Some(&high), Some(&low)) => hex(high).zip(hex(low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        at += if escaped.is_some() { 3 } else { 1 };
        decoded.push(escaped.unwrap_or(byte));
    }
    !decoded.contains(&0) && std::str::from_utf8(&decoded).is_ok()
}

/// Free text: bounded, printable, and no place for a card number.
pub(super) fn check_text(field: &str, text: &str, limit: usize) -> Result<(), Problem> {
    if text.chars().count() > limit {
        return Err(Problem::invalid(
            field,
            "too_long",
            format!("may have {limit} characters at most"),
        ));
    }
    if text.contains('\0') {
        return Err(Problem::invalid(
            field,
            "invalid_text",
            "must not hold NUL characters",
        ));
    }
    if holds_card_number(text) {
        return Err(Problem::invalid(
            field,
            "card_number",
            "holds what looks like a card number, which must never come here",
        ));
    }
    Ok(())
}

pub(super) fn check_token(field: &str, text: &str) -> Result<(), Problem> {
    let fits = (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_id",
            "must be an id of the provider, such as pm_…",
        ))
    }
}

/// Kinds of payment methods, in the provider's words.
pub(super) fn check_method_types(kinds: &[String]) -> Result<(), Problem> {
    let fits = |kind: &String| {
        (1..=64).contains(&kind.len())
            && kind
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if kinds.len() <= 20 && kinds.iter().all(fits) {
        Ok(())
    } else {
        Err(Problem::invalid(
            "payment_method_types",
            "invalid_payment_method_type",
            "must be 20 words at most, each the provider's, such as card or sepa_debit",
        ))
    }
}

pub(super) fn check_url(field: &str, text: &str) -> Result<(), Problem> {
    let fits =
        text.len() <= 2_048 && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_url",
            "must be an absolute http or https URL",
        ))
    }
}

/// What can stand on a customer's bank statement: 1 to 22 Latin characters, one of them a letter.
///
/// Source: docs.stripe.com/get-started/account/statement-descriptors.
pub(super) fn check_descriptor(field: &str, text: &str) -> Result<(), Problem> {
    let fits = (1..=22).contains(&text.len())
        && text
            .bytes()
            .all(|byte| (byte == b' ' || byte.is_ascii_graphic()) && !b"<>\\'\"*".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_descriptor",
            "must be 1 to 22 Latin characters with at least one letter and none of < > \\ ' \" *",
        ))
    }
}

/// What can be an e-mail address. Whether it is one, only sending tells.
pub(super) fn check_email(field: &str, text: &str) -> Result<(), Problem> {
    let parts = text.split_once('@');
    let fits = text.len() <= 254
        && parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
        && !text.chars().any(|char| char.is_whitespace() || char.is_control());
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_email",
            "must be an e-mail address",
        ))
    }
}
