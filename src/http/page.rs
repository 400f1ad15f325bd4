//! Pages of lists: how much one holds, and where it ended, as an opaque text.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use crate::app::Page;

/// How many things one request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Where nothing is said.
    pub(super) usual: u16,
    /// At most.
    pub(super) most: u16,
}

/// How many a page of a list holds.
pub(super) const LISTED: Bounds = Bounds { usual: 20, most: 100 };

/// How many a replay takes.
pub(super) const REPLAYED: Bounds = Bounds {
    usual: 100,
    most: 1_000,
};

impl Bounds {
    /// How many it is to be, where it is said: at least one.
    pub(super) fn limit(self, given: Option<impl TryInto<u16>>) -> Result<u16, Problem> {
        let Some(given) = given else { return Ok(self.usual) };
        let fitting = given
            .try_into()
            .ok()
            .filter(|limit| (1..=self.most).contains(limit));
        fitting.ok_or_else(|| {
            let message = format!("must be from 1 to {}", self.most);
            Problem::invalid("limit", "invalid_limit", message)
        })
    }
}

/// The place that a page ended with, out of the text that the page gave.
///
/// # Errors
/// Where no list of ours ended with it.
pub fn after<T: FromStr>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let read = |text| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        String::from_utf8(bytes).ok()?.parse().ok()
    };
    text.map(|text| {
        let message = "must be the next_cursor of an earlier page";
        read(text).ok_or_else(|| Problem::invalid("cursor", "invalid_cursor", message))
    })
    .transpose()
}

/// The text for the next page: where this one ended, where the list goes on.
pub(super) fn next_cursor<T, P: ToString>(page: &Page<T>, place: impl FnOnce(&T) -> P) -> Option<String> {
    page.end().map(|end| encode(&place(end)))
}

fn encode(place: &impl ToString) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(place.to_string())
}

/// What a replay of several took up.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// How many.
    replayed: usize,
    /// Ask with it for the next ones; null where there are no more.
    next_cursor: Option<String>,
}

impl Replayed {
    /// So many, the last of which is this, where more may follow.
    #[must_use]
    pub fn new(count: usize, last: Option<&impl ToString>) -> Self {
        Self {
            replayed: count,
            next_cursor: last.map(encode),
        }
    }
}
