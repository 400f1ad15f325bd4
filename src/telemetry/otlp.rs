//! Spans to a collector: OTLP over HTTP, in protobuf, a batch at a time and beside everything else.
//!
//! Only our own spans go out, with the fields that they name; no event and no text of a log line. A collector that is away costs what
//! it would have been sent: it is counted, and said once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData};
use tokio::runtime::Handle;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::trace::TraceContext;
use super::{Export, metrics};

/// How long one batch may take.
const SENT_WITHIN: Duration = Duration::from_secs(5);

/// How long the last one may take, at the end of the process.
const FLUSHED_WITHIN: Duration = Duration::from_secs(3);

static STARTED: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Why no spans can be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No HTTP client.
    #[error("no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The exporter does not take the settings.
    #[error("{0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// What exports our spans. Within a runtime: batches are sent by it.
pub(super) fn layer<S>(export: &Export) -> Result<impl Layer<S> + use<S>, ExportError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let client = reqwest::Client::builder()
        .timeout(SENT_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client {
            client,
            runtime: Handle::current(),
        })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(export.url.as_str())
        .with_timeout(SENT_WITHIN)
        .build()?;
    let batches = BatchSpanProcessor::builder(Watched {
        exporter,
        is_away: AtomicBool::new(false),
    });
    let resource = Resource::builder_empty()
        .with_service_name("quittance")
        .with_attribute(opentelemetry::KeyValue::new(
            "service.version",
            env!("CARGO_PKG_VERSION"),
        ));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(batches.build())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share(
            export.percent,
        )))))
        .with_resource(resource.build())
        .build();
    let tracer = provider.tracer("quittance");
    let _only_once = STARTED.set(provider);
    Ok(tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // Spans know their parents; nothing else here goes by OpenTelemetry's own current context.
        .with_context_activation(false)
        .with_filter(filter_fn(is_ours)))
}

/// Whether it is a span of ours that everybody is shown.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with("quittance")
}

#[expect(clippy::float_arithmetic, reason = "a share of traces is no money")]
fn share(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}

/// Sends what is left, for the end of the process.
pub(super) async fn finish() {
    let Some(provider) = STARTED.get() else { return };
    // It blocks, and what it waits for is sent by this runtime.
    let flushed = tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(FLUSHED_WITHIN));
    let _what_is_lost_is_counted = flushed.await;
}

pub(super) fn set_parent(span: &Span, context: TraceContext) {
    // Where nothing is exported there is nobody to take it.
    let _exported = span.set_parent(Context::new().with_remote_span_context(span_context(context)));
}

pub(super) fn link(span: &Span, context: TraceContext) {
    span.add_link(span_context(context));
}

/// The current span, where it is exported, or would be if its trace were sampled.
pub(super) fn current() -> Option<TraceContext> {
    STARTED.get()?;
    let context = Span::current().context();
    let span = context.span();
    let place = span.span_context();
    place.is_valid().then(|| TraceContext {
        trace: u128::from_be_bytes(place.trace_id().to_bytes()),
        span: u64::from_be_bytes(place.span_id().to_bytes()),
        sampled: place.is_sampled(),
    })
}

fn span_context(context: TraceContext) -> SpanContext {
    let flags = if context.sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::NOT_SAMPLED
    };
    SpanContext::new(
        TraceId::from_bytes(context.trace.to_be_bytes()),
        SpanId::from_bytes(context.span.to_be_bytes()),
        flags,
        true,
        TraceState::NONE,
    )
}

/// Sends on the service's runtime what the exporter's own thread, which has none, wants sent.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let request = reqwest::Request::try_from(request)?;
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sent.await??;
        Ok(http::Response::builder().status(status).body(body)?)
    }
}

/// An exporter whose failures are counted, and said when they begin and end.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    is_away: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        metrics::exported(spans, sent.is_ok());
        let was_away = self.is_away.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Ok(()) if was_away => tracing::info!("the collector takes spans again"),
            Err(_) if !was_away => {
                tracing::warn!("the collector takes no spans; they are dropped until it does");
            }
            Ok(()) | Err(_) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
