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
