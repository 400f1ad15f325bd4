//! Logs: one line an event, as text or JSON, on standard error. Ids yes; bodies, secrets and personal data never. A panic is a line as well.
//! What is counted, and which traces work belongs to. `docs/LOGGING.md` is the rule.

pub mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
pub mod trace;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, dynamic_filter_fn};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use url::Url;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Where spans go, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Where the collector takes them.
    pub url: Url,
    /// How many of a hundred traces that begin here. Of one that began elsewhere its beginning decides.
    pub percent: u8,
}

/// Why there is no telemetry: one line that says what to set.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A filter that cannot be read.
    #[error("QUITTANCE_LOG is no log filter such as info or quittance=debug,info")]
    Filter,
    /// Spans cannot be exported.
    #[cfg(feature = "otlp")]
    #[error("QUITTANCE_OTLP_ENDPOINT: {0}")]
    Export(#[from] otlp::ExportError),
}

/// Starts logging what `filter` lets through, and exporting spans where they are to go. A second call in one process changes nothing.
///
/// # Errors
/// [`TelemetryError`].
#[cfg_attr(
    not(feature = "otlp"),
    expect(
        unused_variables,
        reason = "settings refuse an endpoint where nothing exports"
    )
)]
pub fn init(filter: &str, format: LogFormat, export: Option<&Export>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter).map_err(|_| TelemetryError::Filter)?;
    // Whoever is logged to, spans know where they belong.
    // Dynamic, so that each span and line is asked about anew: where all filters always say yes, tracing goes by what they said of
    // the last callsite that was only asked about, as sqlx asks about its own.
    let spans = dynamic_filter_fn(|metadata: &Metadata<'_>, _: &Context<'_, _>| metadata.is_span());
    let wanted = dynamic_filter_fn(is_wanted).with_max_level_hint(Level::TRACE);
    let registry = tracing_subscriber::registry()
        .with(trace::Threads.with_filter(spans.with_max_level_hint(Level::INFO)))
        .with(lines(format).with_filter(filter.and(wanted)));
    // Whoever embeds this library may have set a subscriber of their own: theirs stays.
    #[cfg(feature = "otlp")]
    let registry = registry.with(export.map(otlp::layer).transpose()?);
    let started = registry.try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(tell_panic));
    }
    Ok(())
}

/// Whether a socket was closed under the thread that takes connections in, on purpose.
static NO_MORE_TAKEN_IN: AtomicBool = AtomicBool::new(false);

/// From now on the log is told nothing of the thread that takes connections in: its socket is closed on purpose.
pub fn expect_closed_sockets() {
    NO_MORE_TAKEN_IN.store(true, Ordering::Relaxed);
}

fn is_wanted<S>(metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
    metadata.target() != "actix_server::accept" || !NO_MORE_TAKEN_IN.load(Ordering::Relaxed)
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .map_event_format(trace::WithThread)
            .boxed(),
    }
}

/// Sends the spans that are left, for the end of the process.
#[cfg_attr(
    not(feature = "otlp"),
    expect(clippy::unused_async, reason = "only what exports has something left to send")
)]
pub async fn finish() {
    #[cfg(feature = "otlp")]
    otlp::finish().await;
}

/// Logs that something panicked and where. Its message only where the code has it word for word: what is made as it happens may
/// hold anything.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(tracing::field::display);
    let message = panic.payload().downcast_ref::<&'static str>();
    tracing::error!(at, message, "a panic");
}
