//! What a caller is told of the budgets it draws on.
//!
//! Source: IETF draft-ietf-httpapi-ratelimit-headers, `RateLimit-Policy` and `RateLimit`; RFC 6585 for 429.

use std::fmt::Write as _;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest};

use super::Problem;
use super::extract::idempotency_key;
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::limits::{self, Draws, Place, Standing, TooMany};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// How the budgets stand that a request drew on.
struct Standings(Vec<Standing>);

/// The place of a request among its merchant's, kept with the request.
struct Placed(#[expect(dead_code, reason = "it is dropped with the request")] Place);

/// Whether a request of that method changes nothing.
pub(super) fn looks(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// Takes a token for a request whose caller is known, and notes what to tell of it.
///
/// # Errors
/// 429: come back later. Nothing was stored.
pub(super) async fn take(app: &App, caller: &Caller, request: &HttpRequest) -> Result<(), Problem> {
    let draws = if looks(request.method()) {
        Draws::Reads
    } else {
        Draws::Writes
    };
    let key = idempotency_key(request).ok();
    let taken = limits::take(app, caller, draws, key.as_ref()).await;
    let mut extensions = request.extensions_mut();
    extensions.insert(Standings(taken.standings));
    match taken.place {
        Ok(place) => {
            extensions.insert(Placed(place));
            Ok(())
        }
        Err(too_many) => Err(turned_away(too_many)),
    }
}

fn turned_away(too_many: TooMany) -> Problem {
    let refused = |code, detail: &str| Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail);
    match too_many {
        TooMany::Rate(wait) => refused(
            "rate_limited",
            "the key or its merchant has sent too many requests; repeat after Retry-After, under the same key",
        )
        .retry_after(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX).max(1)),
        TooMany::AtOnce => refused(
            "too_many_at_once",
            "the merchant has too many requests being served; wait for some of them, then repeat under the same key",
        )
        .retry_after(1),
    }
}

/// Says in an answer how the budgets stand, where the request drew on any.
pub(super) fn tell(request: &HttpRequest, headers: &mut HeaderMap) {
    let extensions = request.extensions();
    let Some(Standings(standings)) = extensions.get::<Standings>() else {
        return;
    };
    let mut policy = String::with_capacity(96);
    let mut standing = String::with_capacity(96);
    for (index, each) in standings.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _never_fails = write!(
            policy,
            "{comma}\"{}\";q={};w={}",
            each.name, each.quota, each.window_s
        );
        let _never_fails = write!(
            standing,
            "{comma}\"{}\";r={};t={}",
            each.name, each.remaining, each.resets_in_s
        );
    }
    for (name, text) in [(POLICY, policy), (STANDING, standing)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}
