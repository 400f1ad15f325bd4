//! Every request has an id: in its span, in its answer's `X-Request-Id`, and in problem documents.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::ProviderTime;
use crate::telemetry::trace::TraceContext;
use crate::telemetry::{metrics, trace};

tokio::task_local! {
    static CURRENT: Uuid;
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The id of the request that is being served.
pub(super) fn current() -> Option<String> {
    CURRENT.try_with(Uuid::to_string).ok()
}

/// Serves a request under an id and a span, and says how long it took: ours, and the provider's part of it.
pub(super) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let id = Uuid::now_v7();
    let route = request.match_pattern().unwrap_or_default();
    let method = request.method().to_string();
    let span = tracing::info_span!("http.request", request_id = %id, method, route,
        merchant_id = Empty, status = Empty, traceparent = Empty, otel.kind = "server", otel.status_code = Empty);
    trace::continue_from(&span, of_caller(&request, &route));
    let served = CURRENT
        .scope(id, next.call(request))
        .instrument(span.clone())
        .await;
    served.map(|mut response| {
        let total = started.elapsed();
        let provider = response
            .request()
            .extensions()
            .get::<ProviderTime>()
            .map(|time| time.0);
        note(&span, &response, total);
        metrics::answered(&route, &method, response.status().as_u16(), total);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(X_REQUEST_ID, value);
        }
        let provider = provider
            .map(|time| format!("provider;dur={}, ", milliseconds(time)))
            .unwrap_or_default();
        if let Ok(value) = HeaderValue::from_str(&format!("{provider}total;dur={}", milliseconds(total))) {
            headers.insert(SERVER_TIMING, value);
        }
        response
    })
}

/// Where the caller's work belongs that asks this of us. The provider's deliveries belong to nobody's.
fn of_caller(request: &ServiceRequest, route: &str) -> Option<TraceContext> {
    if !route.starts_with("/v1/") {
        return None;
    }
    let header = request.headers().get(trace::TRACEPARENT)?;
    header.to_str().ok()?.parse().ok()
}

fn note<B>(span: &Span, response: &ServiceResponse<B>, total: std::time::Duration) {
    let status = response.status().as_u16();
    span.record("status", status);
    let duration_ms = milliseconds(total);
    span.in_scope(|| {
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
            tracing::warn!(status, duration_ms, "served");
        } else {
            tracing::debug!(status, duration_ms, "served");
        }
    });
}

/// Milliseconds with three decimals, exactly.
fn milliseconds(time: std::time::Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}
