//! What the commands that look after events and messages have in common.

use std::str::FromStr;

use clap::Args;
use quittance::app::auth::Operator;
use quittance::domain::ids::MerchantId;
use quittance::http;
use serde::de::DeserializeOwned;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

/// Whose things they are, and of which mode.
#[derive(Args)]
pub(crate) struct Whose {
    /// Whose they are (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
    /// Where real money moves; else where none does.
    #[arg(long)]
    live: bool,
}

impl Whose {
    pub(super) fn operator(&self) -> Operator {
        Operator::at_the_command_line(self.merchant, self.live)
    }
}

/// Which part of what fits.
#[derive(Args)]
pub(crate) struct Page {
    /// How many at most: 1 to 100.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(super) limit: u16,
    /// The `next_cursor` of the page before.
    #[arg(long)]
    cursor: Option<String>,
}

/// How much of what fits is taken up.
#[derive(Args)]
pub(crate) struct Bound {
    /// How many at most: 1 to 1000.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(super) limit: u16,
    /// The `next_cursor` of the run before.
    #[arg(long)]
    cursor: Option<String>,
}

impl Page {
    pub(super) fn after<T: FromStr>(&self) -> anyhow::Result<Option<T>> {
        after(self.cursor.as_deref())
    }
}

impl Bound {
    pub(super) fn after<T: FromStr>(&self) -> anyhow::Result<Option<T>> {
        after(self.cursor.as_deref())
    }
}

fn after<T: FromStr>(cursor: Option<&str>) -> anyhow::Result<Option<T>> {
    http::parse_cursor(cursor).map_err(|problem| anyhow::anyhow!("--cursor: {problem}"))
}

/// One of the words that the API has for something.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let word = serde_json::Value::String(text.to_owned());
    serde_json::from_value(word).map_err(|error| error.to_string())
}

/// A moment, RFC 3339.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "must be a time of RFC 3339, such as 2026-11-20T12:00:00Z".to_owned())
}

/// A day.
pub(super) fn day(text: &str) -> Result<Date, String> {
    Date::parse(text, &Iso8601::DATE).map_err(|_| "must be a day, such as 2026-11-20".to_owned())
}
