//! Where a piece of work belongs: [W3C trace context](https://www.w3.org/TR/trace-context/), kept with spans and in rows.
//!
//! A span that is given a context says so in every log line within it, and in what it sends, whether or not spans are exported.
//! Where they are, the exported span's own context takes its place.

use std::fmt;
use std::str::FromStr;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// The header that carries it. What vendors add in `tracestate` is not passed on.
pub const TRACEPARENT: &str = "traceparent";

/// The field of a span by which it is given a context.
const FIELD: &str = TRACEPARENT;

/// The first version's length, which later ones begin with.
const LEN: usize = 55;

/// A place in a trace: the trace, and the span in it that comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) sampled: bool,
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no trace context")]
pub struct NoContext;

impl FromStr for TraceContext {
    type Err = NoContext;

    fn from_str(text: &str) -> Result<Self, NoContext> {
        let (head, rest) = text.split_at_checked(LEN).ok_or(NoContext)?;
        let parts: Vec<&str> = head.split('-').collect();
        let [version, trace, span, flags] = parts[..] else {
            return Err(NoContext);
        };
        let lengths = [version.len(), trace.len(), span.len(), flags.len()] == [2, 32, 16, 2];
        let digits = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let ends = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        if !lengths || !parts.iter().all(|part| digits(part)) || version == "ff" || !ends {
            return Err(NoContext);
        }
        let trace = u128::from_str_radix(trace, 16).map_err(|_| NoContext)?;
        let span = u64::from_str_radix(span, 16).map_err(|_| NoContext)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NoContext)?;
        if trace == 0 || span == 0 {
            return Err(NoContext);
        }
        Ok(Self {
            trace,
            span,
            sampled: flags & 1 == 1,
        })
    }
}

/// As a header and a row have it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span, flags) = (self.trace, self.span, u8::from(self.sampled));
        write!(f, "00-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

/// Has a span continue what a caller or an earlier piece of work began. The span is not entered yet, and has an empty field
/// `traceparent`.
pub fn continue_from(span: &Span, context: Option<TraceContext>) {
    let Some(context) = context else { return };
    span.record(FIELD, tracing::field::display(context));
    #[cfg(feature = "otlp")]
    super::otlp::set_parent(span, context);
}

/// Says that a span is also about what another trace began: it can be a child of one only.
#[cfg_attr(
    not(feature = "otlp"),
    expect(unused_variables, reason = "links are for what is exported")
)]
pub fn link(span: &Span, context: TraceContext) {
    #[cfg(feature = "otlp")]
    super::otlp::link(span, context);
}

/// Where this piece of work belongs, for what it sends and leaves behind.
#[must_use]
pub fn current() -> Option<TraceContext> {
    #[cfg(feature = "otlp")]
    if let Some(exported) = super::otlp::current() {
        return Some(exported);
    }
    thread().context
}

/// What the current span has in common with all around it, whichever of them are logged.
fn thread() -> Thread {
    let found = tracing::dispatcher::get_default(|dispatch| {
        let current = dispatch.current_span();
        let span = dispatch.downcast_ref::<Registry>()?.span(current.id()?)?;
        span.scope()
            .find_map(|span| span.extensions().get::<Thread>().cloned())
    });
    found.unwrap_or_default()
}

/// What all lines within a span have in common.
#[derive(Clone, Debug, Default)]
struct Thread {
    context: Option<TraceContext>,
    request: Option<String>,
}

impl Visit for Thread {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            FIELD => self.context = format!("{value:?}").parse().ok(),
            "request_id" => self.request = Some(format!("{value:?}")),
            _ => {}
        }
    }
}

/// Hands on from span to span what is said once, by the outermost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threads;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Threads {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut thread = span
            .parent()
            .and_then(|parent| parent.extensions().get::<Thread>().cloned())
            .unwrap_or_default();
        attributes.record(&mut thread);
        span.extensions_mut().insert(thread);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(thread) = span.extensions_mut().get_mut::<Thread>() {
            values.record(thread);
        }
    }
}

/// Log lines in JSON, with `trace_id`, `span_id` and `request_id` where a machine looks for them: beside the message. `span_id` is of
/// a span that is exported.
#[derive(Clone, Copy, Debug)]
pub(super) struct WithThread<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for WithThread<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(object) = line.trim_end().strip_suffix('}') else {
            return writer.write_str(&line);
        };
        writer.write_str(object)?;
        let (thread, exported) = (thread(), exported());
        if let Some(place) = exported.or(thread.context) {
            write!(writer, r#","trace_id":"{:032x}""#, place.trace)?;
        }
        if let Some(place) = exported {
            write!(writer, r#","span_id":"{:016x}""#, place.span)?;
        }
        if let Some(request) = thread.request {
            write!(writer, r#","request_id":"{request}""#)?;
        }
        writer.write_str("}\n")
    }
}

/// The span that is being exported, where one is.
fn exported() -> Option<TraceContext> {
    #[cfg(feature = "otlp")]
    return super::otlp::current();
    #[cfg(not(feature = "otlp"))]
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    const KNOWN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        let read: TraceContext = KNOWN.parse().unwrap();
        assert_eq!(read.to_string(), KNOWN);
        assert!(read.sampled);
        let other: TraceContext = KNOWN.replace("-01", "-02").parse().unwrap();
        assert!(!other.sampled);
        assert_eq!(other.to_string(), KNOWN.replace("-01", "-00"));
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known_and_what_is_none_is_refused() {
        let later = format!("{}-more", KNOWN.replacen("00", "cc", 1));
        assert!(later.parse::<TraceContext>().is_ok());
        for none in [
            String::new(),
            KNOWN[..54].to_owned(),
            format!("{KNOWN}-more"),
            format!("{KNOWN}0"),
            KNOWN.replacen("00", "ff", 1),
            KNOWN.to_uppercase(),
            KNOWN.replace('-', "_"),
            KNOWN.replace("b7ad6b7169203331", "0000000000000000"),
            KNOWN.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            KNOWN.replace("0af", "0äf"),
            "é".repeat(40),
        ] {
            assert_eq!(none.parse::<TraceContext>(), Err(NoContext), "{none}");
        }
    }
}
