//! What is counted, in Prometheus' words: every name, its labels, and nothing that grows with customers or merchants.
//!
//! Counters and times are the process's own. What stands in queues is asked of Postgres when it is wanted, and is the same from every
//! process. `docs/metrics.md` has the list.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Where times are cut, in seconds: from a webhook's insert to the longest call to a provider.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 25.0,
];

/// What becomes of keys, and of deliveries.
const KEY_OUTCOMES: [&str; 5] = ["new", "replayed", "unknown", "in_flight", "mismatch"];
const DELIVERY_OUTCOMES: [&str; 5] = ["kept", "not_ours", "unknown_account", "refused", "not_kept"];

/// What becomes of spans.
const SPAN_OUTCOMES: [&str; 2] = ["exported", "dropped"];

/// Pairs of a name and a word, from a set that the code bounds.
type Labels<const N: usize> = [(&'static str, String); N];

type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Standing = Family<Vec<(&'static str, String)>, Gauge>;
type Times<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// The process's counters.
struct Counted {
    registry: Registry,
    requests: Counters<3>,
    request_times: Times<2>,
    calls: Counters<2>,
    call_times: Times<1>,
    keys: Counters<1>,
    webhooks: Counters<1>,
    spans: Counters<1>,
}

static COUNTED: LazyLock<Counted> = LazyLock::new(Counted::new);

impl Counted {
    fn new() -> Self {
        let times = || Histogram::new(BUCKETS);
        let mut registry = Registry::with_prefix("quittance");
        let counted = Self {
            requests: Family::default(),
            request_times: Family::new_with_constructor(times),
            calls: Family::default(),
            call_times: Family::new_with_constructor(times),
            keys: Family::default(),
            webhooks: Family::default(),
            spans: Family::default(),
            registry: Registry::default(),
        };
        registry.register(
            "http_requests",
            "Requests that were answered",
            counted.requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "From a request's head to its answer",
            counted.request_times.clone(),
        );
        registry.register(
            "provider_calls",
            "Requests to the provider, each time that one was sent",
            counted.calls.clone(),
        );
        registry.register(
            "provider_call_duration_seconds",
            "From a request to the provider to its answer, or to giving up",
            counted.call_times.clone(),
        );
        registry.register(
            "idempotency",
            "What became of requests under a key",
            counted.keys.clone(),
        );
        registry.register("webhooks", "What became of deliveries", counted.webhooks.clone());
        registry.register(
            "spans",
            "What became of spans for the collector",
            counted.spans.clone(),
        );
        for outcome in KEY_OUTCOMES {
            drop(counted.keys.get_or_create(&[("outcome", outcome.to_owned())]));
        }
        for outcome in DELIVERY_OUTCOMES {
            drop(counted.webhooks.get_or_create(&[("outcome", outcome.to_owned())]));
        }
        for outcome in SPAN_OUTCOMES {
            drop(counted.spans.get_or_create(&[("outcome", outcome.to_owned())]));
        }
        let built: Family<Labels<1>, Gauge> = Family::default();
        built
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION").to_owned())])
            .set(1);
        registry.register("build_info", "Which version this is", built);
        Self { registry, ..counted }
    }
}

/// A request was answered. `route` is the pattern that it matched.
pub fn answered(route: &str, method: &str, status: u16, took: Duration) {
    let route = if route.is_empty() { "none" } else { route };
    let method = match method {
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" => method,
        _ => "other",
    };
    let place = [("route", route.to_owned()), ("method", method.to_owned())];
    let [by_route, by_method] = place.clone();
    let counters = &COUNTED.requests;
    counters
        .get_or_create(&[by_route, by_method, ("status", status.to_string())])
        .inc();
    COUNTED
        .request_times
        .get_or_create(&place)
        .observe(took.as_secs_f64());
}

/// A request was sent to the provider. `operation` is its kind, without ids.
pub fn called(operation: &str, outcome: &str, took: Duration) {
    let operation = ("operation", operation.to_owned());
    COUNTED
        .calls
        .get_or_create(&[operation.clone(), ("outcome", outcome.to_owned())])
        .inc();
    COUNTED
        .call_times
        .get_or_create(&[operation])
        .observe(took.as_secs_f64());
}

/// A key was presented.
pub fn key_presented(outcome: &'static str) {
    COUNTED
        .keys
        .get_or_create(&[("outcome", outcome.to_owned())])
        .inc();
}

/// A delivery was answered.
pub fn delivered(outcome: &'static str) {
    COUNTED
        .webhooks
        .get_or_create(&[("outcome", outcome.to_owned())])
        .inc();
}

/// Spans were sent to the collector, or given up.
#[cfg(feature = "otlp")]
pub fn exported(spans: usize, taken: bool) {
    let outcome = SPAN_OUTCOMES[usize::from(!taken)];
    COUNTED
        .spans
        .get_or_create(&[("outcome", outcome.to_owned())])
        .inc_by(u64::try_from(spans).unwrap_or_default());
}

/// A number that stands now.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it is called, after `quittance_`.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// What it is of.
    pub labels: Vec<(&'static str, String)>,
    /// How much.
    pub value: i64,
}

/// Everything counted here and `readings`, in the text format of `OpenMetrics`.
#[must_use]
pub fn write(readings: &[Reading]) -> String {
    let mut standing = Registry::with_prefix("quittance");
    let mut families: Vec<(&str, Standing)> = Vec::new();
    for reading in readings {
        let known = families.iter().position(|(known, _)| *known == reading.name);
        let place = known.unwrap_or_else(|| {
            let family = Family::default();
            standing.register(reading.name, reading.help, family.clone());
            families.push((reading.name, family));
            families.len() - 1
        });
        families[place]
            .1
            .get_or_create(&reading.labels)
            .set(reading.value);
    }
    let (mut counted, mut stood) = (String::new(), String::new());
    let written = encode(&mut counted, &COUNTED.registry).and_then(|()| encode(&mut stood, &standing));
    if written.is_err() {
        return String::new();
    }
    let mut text = counted.trim_end_matches("# EOF\n").to_owned();
    let _never_fails = text.write_str(&stood);
    text
}
