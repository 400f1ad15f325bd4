//! Stripe's list of events, for those whose delivery was missed.

use serde_json::value::RawValue;
use stripe_core::event::ListEvent;
use stripe_types::{RangeBoundsTs, RangeQueryTs};
use time::{Duration, OffsetDateTime};

use super::objects::{Identified, Page};
use super::request::Request;
use super::series::StripeHttp;
use super::webhook::read_envelope;
use crate::provider::{HistoryPage, Proof, ProviderAccount, ProviderError, VerifiedWebhook};

/// Stripe lists events of the last 30 days: <https://docs.stripe.com/api/events/list>.
pub(super) const KEPT_FOR: Duration = Duration::days(30);

/// How many events are read at a time: half of what Stripe gives, so that a page of large ones stays within what is read of an
/// answer.
const PAGE: i64 = 50;

/// Reads a page of the events of then or later, newest first: what happens meanwhile comes before the walk's first page, and
/// moves none of the others.
///
/// Each is kept in the bytes that it is listed in, but for NUL characters. It is written in the API version that the account had when it happened.
pub(super) async fn read(
    http: &StripeHttp,
    account: &ProviderAccount,
    since: OffsetDateTime,
    next: Option<&str>,
) -> Result<HistoryPage, ProviderError> {
    let from = RangeQueryTs::Bounds(RangeBoundsTs {
        gt: None,
        gte: Some(since.unix_timestamp()),
        lt: None,
        lte: None,
    });
    let mut request = ListEvent::new().created(from).limit(PAGE);
    if let Some(last) = next {
        request = request.starting_after(last);
    }
    let page: Page<Box<RawValue>> = http
        .send(account, &Request::read(&request), http.deadline())
        .await?;
    let next = if page.has_more {
        let last = page.data.last().ok_or_else(unreadable)?;
        let Identified { id } = serde_json::from_str(last.get()).map_err(|_| unreadable())?;
        Some(id)
    } else {
        None
    };
    let events = page.data.into_iter().filter_map(|event| prove(account, event));
    Ok(HistoryPage {
        events: events.collect(),
        next,
    })
}

/// An event as a delivery of it would be. What has no id, type or time can be told from nothing else, and is left out.
fn prove(account: &ProviderAccount, event: Box<RawValue>) -> Option<VerifiedWebhook<'static>> {
    let event: Box<str> = event.into();
    let Some(mut envelope) = read_envelope(event.as_bytes()) else {
        tracing::warn!(provider_account_id = %account.id, "an entry of the list of events is no event");
        return None;
    };
    // Asked for a connected account, Stripe lists that account's own events, which need not name it.
    envelope.external_account = envelope
        .external_account
        .or_else(|| account.external_account.clone());
    let body = String::from(event).into_bytes();
    Some(VerifiedWebhook::new(&Proof::of_a_read(), envelope, body))
}

fn unreadable() -> ProviderError {
    ProviderError::Unavailable {
        message: "the list of events cannot be read".to_owned(),
    }
}
