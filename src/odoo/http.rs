//! The one way out to Odoo: no redirects, no proxies, allowed addresses only, answers of a bounded length.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Url};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tracing::Span;
use url::Host;

use crate::sink::SinkError;
use crate::telemetry::trace;

use super::address::{AddressNotAllowed, AllowedNetworks, Resolver, resolve};
use super::error;

/// The most bytes of an answer that are read.
const ANSWER_LEN: usize = 4 * 1024 * 1024;

/// How long it may take until there is a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A pooled client with its rules.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    allowed: Arc<AllowedNetworks>,
    /// How long one call may take, from the first byte sent to the last one read.
    timeout: Duration,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// How long it asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Http {
    pub(super) fn new(timeout: Duration, allowed: AllowedNetworks) -> Result<Self, reqwest::Error> {
        let allowed = Arc::new(allowed);
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Resolver::new(Arc::clone(&allowed)))
            .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            allowed,
            timeout,
        })
    }

    /// Refuses an address that is not allowed, as it resolves now.
    pub(super) async fn check(&self, url: &Url) -> Result<(), SinkError> {
        self.allowed.check_literal(url).map_err(not_allowed)?;
        let Some(Host::Domain(name)) = url.host() else {
            return Ok(());
        };
        match resolve(&self.allowed, name).await {
            Ok(found) if found.is_empty() => Err(error::unreachable(format!("{name} has no address"))),
            Ok(_) => Ok(()),
            Err(error) => Err(AddressNotAllowed::beneath(&*error).map_or_else(
                || error::unreachable(format!("{name} does not resolve")),
                not_allowed,
            )),
        }
    }

    /// Posts to an address that may be spoken to, and takes in the whole answer.
    pub(super) async fn post(
        &self,
        url: Url,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder + Send,
    ) -> Result<Answer, SinkError> {
        let request = with(self.client.post(url.clone()));
        self.send(&url, request).await
    }

    /// Asks an address that may be spoken to for what is there.
    pub(super) async fn get(&self, url: Url) -> Result<Answer, SinkError> {
        let request = self.client.get(url.clone());
        self.send(&url, request).await
    }

    #[tracing::instrument(name = "odoo.request.send", skip_all, fields(otel.kind = "client", otel.status_code, status, path = url.path()))]
    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Answer, SinkError> {
        let answered = self.exchange(url, request).await;
        let span = Span::current();
        match &answered {
            Ok(answer) => span.record("status", answer.status),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        answered
    }

    async fn exchange(&self, url: &Url, mut request: RequestBuilder) -> Result<Answer, SinkError> {
        self.allowed.check_literal(url).map_err(not_allowed)?;
        if let Some(context) = trace::current() {
            request = request.header(trace::TRACEPARENT, context.to_string());
        }
        let response = request
            .timeout(self.timeout)
            .send()
            .await
            .map_err(|cause| from_transport(&cause))?;
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
            body: read(response).await?,
        })
    }
}

fn not_allowed(refused: AddressNotAllowed) -> SinkError {
    SinkError::NotAllowed {
        message: refused.to_string().into(),
    }
}

/// Sorts a call without a whole answer. The address is left out: the caller knows it.
fn from_transport(cause: &reqwest::Error) -> SinkError {
    if let Some(refused) = AddressNotAllowed::beneath(cause) {
        return not_allowed(refused);
    }
    error::unreachable(match () {
        () if cause.is_timeout() => "no answer in time",
        () if cause.is_connect() => "cannot connect",
        () => "the connection broke",
    })
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, SinkError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|cause| from_transport(&cause))? {
        if body.len() + chunk.len() > ANSWER_LEN {
            return Err(error::unreachable("the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long a header asks to wait: in seconds, or until a time by the clock that stands in the same answer.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = http_date(asked)?;
    let now = http_date(text(reqwest::header::DATE)?)?;
    Some(Duration::try_from(at - now).unwrap_or_default())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, which mail writes in the same way.
fn http_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc2822).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn asked(headers: &[(&str, &str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        retry_after(&map)
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_time() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
        let until = |text| asked(&[date, ("retry-after", text)]);
        assert_eq!(until("120"), Some(Duration::from_mins(2)));
        assert_eq!(
            until("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(until("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(until("soon"), None);
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), None);
        assert_eq!(asked(&[]), None);
    }
}
