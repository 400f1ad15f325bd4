//! One request to Stripe, sent once, over our own pooled connections.
//!
//! async-stripe says what a request is; sending it is ours, because its bundled client opens a connection for every
//! request, hides the answer's headers and invents keys. Its trait `StripeClient` is not implemented either: behind
//! it wait typed objects that fail as a whole for one missing field, and a page with them; we read tolerantly.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use stripe_client_core::StripeMethod;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tracing::Span;
use url::Url;

use super::nul::without_nul;
use super::request::Request;
use crate::provider::{ProviderAccount, ProviderError};

/// The API version that requests and webhook endpoints are written in: the one async-stripe was generated for.
pub const API_VERSION: &str = "2026-09-30.endive";

/// The most of an answer that is read; a full page of refunds is a tenth of it.
const BODY_LIMIT: usize = 4 << 20;

/// A client as Stripe needs it: connections are kept, redirects are not followed.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(Duration::from_mins(1))
        .redirect(redirect::Policy::none())
        .build()
}

/// What came of sending a request once.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Stripe, or something in its place, answered.
    Answered(Answer),
    /// Nothing left: no connection could be made.
    NotSent(String),
    /// It left, and no whole answer came.
    Lost(&'static str),
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    request_id: Option<String>,
    /// Whether it was stored under the key by an earlier attempt.
    pub(super) replayed: bool,
    /// What Stripe itself says about repeating.
    pub(super) should_retry: Option<bool>,
    /// When to come back, where it says.
    pub(super) retry_after: Option<Duration>,
    /// Where it refuses for a limit: whether that is a limit of one object's.
    pub(super) of_one_object: bool,
    /// When it was given, by the clock there.
    pub(super) date: Option<OffsetDateTime>,
}

/// A request in its final bytes: every attempt sends the same ones.
pub(super) struct Prepared {
    request: reqwest::Request,
}

impl Prepared {
    /// Writes a request out for one account.
    pub(super) fn new(account: &ProviderAccount, request: &Request) -> Result<Self, ProviderError> {
        let wire = request.wire();
        let base = account.api_base.as_str().trim_end_matches('/');
        let mut url =
            Url::parse(&format!("{base}/v1{}", wire.path)).map_err(|_| misconfigured("api_base"))?;
        url.set_query(wire.query.as_deref());
        let method = match wire.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let mut prepared = reqwest::Request::new(method, url);
        let headers = prepared.headers_mut();
        headers.insert(AUTHORIZATION, bearer(&account.secret_key)?);
        headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("quittance/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(connected) = &account.external_account {
            let connected =
                HeaderValue::from_str(connected).map_err(|_| misconfigured("external_account"))?;
            headers.insert("stripe-account", connected);
        }
        if let Some(key) = request.key() {
            let key = HeaderValue::from_str(&key.to_string()).map_err(|_| misconfigured("operation"))?;
            headers.insert("idempotency-key", key);
        }
        if let Some(body) = &wire.body {
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
            *prepared.body_mut() = Some(body.clone().into());
        }
        Ok(Self { request: prepared })
    }

    /// Sends it once. Tells the log everything but what it carries. Where our trace goes on is not Stripe's business.
    #[tracing::instrument(name = "stripe.request.send", skip_all, fields(otel.kind = "client", otel.status_code, status,
        method = %self.request.method(), path = self.request.url().path()))]
    pub(super) async fn send(&self, http: &reqwest::Client, limit: Duration) -> Attempt {
        let started = Instant::now();
        let attempt = self.exchange(http, limit).await;
        let (status, stripe_request_id) = match &attempt {
            Attempt::Answered(answer) => (Some(answer.status.as_u16()), answer.request_id.as_deref()),
            Attempt::NotSent(_) | Attempt::Lost(_) => (None, None),
        };
        let span = Span::current();
        span.record("status", status);
        if status.is_none_or(|status| status >= 500) {
            span.record("otel.status_code", "ERROR");
        }
        tracing::debug!(
            stripe_request_id,
            duration_ms = started.elapsed().as_millis(),
            "a request was sent"
        );
        attempt
    }

    async fn exchange(&self, http: &reqwest::Client, limit: Duration) -> Attempt {
        let Some(mut request) = self.request.try_clone() else {
            return Attempt::NotSent("the request cannot be repeated".to_owned());
        };
        *request.timeout_mut() = Some(limit);
        let mut response = match http.execute(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Attempt::NotSent(root_cause(&error)),
            Err(error) => return Attempt::Lost(loss(&error)),
        };
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_LIMIT => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Attempt::Lost("the answer is too large"),
                Ok(None) => {
                    return Attempt::Answered(Answer::new(
                        response.status(),
                        response.headers(),
                        body.freeze(),
                    ));
                }
                Err(error) => return Attempt::Lost(loss(&error)),
            }
        }
    }
}

impl Answer {
    /// An answer by its parts. What is read of its body can be kept.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let body = match without_nul(&body) {
            Cow::Borrowed(_) => body,
            Cow::Owned(clean) => clean.into(),
        };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            status,
            body,
            request_id: text("request-id").map(str::to_owned),
            replayed: text("idempotent-replayed") == Some("true"),
            should_retry: text("stripe-should-retry").and_then(|word| word.parse().ok()),
            // Stripe gives seconds. A date is for others to read: it needs two clocks that agree.
            retry_after: text(RETRY_AFTER.as_str())
                .and_then(|secs| secs.parse().ok())
                .map(Duration::from_secs),
            of_one_object: text("stripe-rate-limited-reason") == Some("resource-specific"),
            // `Sun, 06 Nov 1994 08:49:37 GMT`, which mail writes in the same way.
            date: text(DATE.as_str()).and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok()),
        }
    }
}

fn bearer(secret: &SecretString) -> Result<HeaderValue, ProviderError> {
    // A key with a line break in it is one that Stripe never gave.
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret()))
        .map_err(|_| ProviderError::Auth)?;
    value.set_sensitive(true);
    Ok(value)
}

fn misconfigured(param: &str) -> ProviderError {
    ProviderError::Invalid {
        code: "account_misconfigured".to_owned(),
        message: "the provider account cannot be called as it is set up".to_owned(),
        param: Some(param.to_owned()),
    }
}

fn loss(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection ended before the answer did"
    }
}

/// What the connection says at the bottom: `Connection refused`, an unknown host, a certificate.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_the_typed_requests_are_written_in() {
        assert_eq!(API_VERSION, stripe_client_core::VERSION.as_str());
    }
}
