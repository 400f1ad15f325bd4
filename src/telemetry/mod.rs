//! Logs: one line an event, as text or JSON, on standard error. Ids yes; bodies, secrets and personal data never. A panic is a line as well.
//! And what is counted.

pub mod metrics;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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

/// A filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("is no log filter such as info or quittance=debug,info")]
pub struct FilterError;

/// Starts logging what `filter` lets through. A second call in one process changes nothing.
///
/// # Errors
/// [`FilterError`].
pub fn init(filter: &str, format: LogFormat) -> Result<(), FilterError> {
    let filter = EnvFilter::try_new(filter).map_err(|_| FilterError)?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Whoever embeds this library may have set a subscriber of their own: theirs stays.
    let started = match format {
        LogFormat::Text => registry
            .with(lines.with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_current_span(true))
            .try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(tell_panic));
    }
    Ok(())
}

/// Logs that something panicked and where. Its message only where the code has it word for word: what is made as it happens may
/// hold anything.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(tracing::field::display);
    let message = panic.payload().downcast_ref::<&'static str>();
    tracing::error!(at, message, "a panic");
}
