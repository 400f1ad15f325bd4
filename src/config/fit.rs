//! Whether settings that are each allowed fit together.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Settings;
use crate::app::doctor::Finding;

/// When Odoo gives up on a request.
const ODOO_WAITS: Duration = Duration::from_secs(10);

/// The least of it that is left for the way.
const SPARE: Duration = Duration::from_secs(2);

/// Where collectors take gRPC, which we do not speak.
const GRPC: u16 = 4317;

/// An address of nobody's, in the middle of the Internet.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Holds settings against each other.
#[must_use]
pub fn fit(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![
        answer(settings),
        attempts(settings),
        shutdown(settings),
        proxies(settings),
    ];
    if settings.metrics_listen.is_none() {
        findings.push(Finding::warning(
            "settings.metrics",
            "nobody can watch it",
            "set QUITTANCE_METRICS_LISTEN, such as to 0.0.0.0:9464",
        ));
    }
    if settings.timing.retry_divisor > 1 {
        findings.push(Finding::warning(
            "settings.retries",
            "waiting times between attempts are divided",
            "leave QUITTANCE_RETRY_DIVISOR to trials",
        ));
    }
    if let Some(export) = &settings.traces
        && export.url.port() == Some(GRPC)
    {
        findings.push(Finding::warning(
            "settings.traces",
            "4317 is most often a collector's port for gRPC",
            "set QUITTANCE_OTLP_ENDPOINT to its port for HTTP, most often 4318",
        ));
    }
    findings
}

fn answer(settings: &Settings) -> Finding {
    let within = settings.timing.answer_within;
    let said = format!(
        "a caller gets an answer within {} ms, and Odoo waits 10000",
        within.as_millis()
    );
    if within + SPARE <= ODOO_WAITS {
        Finding::ok("settings.answer", said)
    } else {
        Finding::error(
            "settings.answer",
            said,
            "set QUITTANCE_ANSWER_WITHIN_MS to 8000 at most",
        )
    }
}

fn attempts(settings: &Settings) -> Finding {
    let (one, all) = (settings.provider_attempt_timeout, settings.provider_timeout);
    let said = format!(
        "one request may take {} ms, with repeats {}",
        one.as_millis(),
        all.as_millis()
    );
    if one < all {
        Finding::ok("settings.provider", said)
    } else {
        let remedy = "set QUITTANCE_PROVIDER_ATTEMPT_TIMEOUT_MS below QUITTANCE_PROVIDER_TIMEOUT_MS: nothing is ever repeated";
        Finding::warning("settings.provider", said, remedy)
    }
}

fn shutdown(settings: &Settings) -> Finding {
    let (grace, longest) = (settings.shutdown_grace, settings.timing.answer_within);
    let said = format!("the end of the process waits for {} s", grace.as_secs());
    if grace >= longest {
        Finding::ok("settings.shutdown", said)
    } else {
        let remedy = "set QUITTANCE_SHUTDOWN_GRACE_S above QUITTANCE_ANSWER_WITHIN_MS: requests are cut";
        Finding::warning("settings.shutdown", said, remedy)
    }
}

fn proxies(settings: &Settings) -> Finding {
    let check = "settings.proxies";
    if settings.trusted_proxies.contain(STRANGER) {
        let remedy = "set QUITTANCE_TRUSTED_PROXIES to the networks of the proxies alone";
        return Finding::error(check, "anybody may say where a request comes from", remedy);
    }
    if settings.trusted_proxies.is_empty() && !settings.listen.ip().is_loopback() {
        let remedy =
            "set QUITTANCE_TRUSTED_PROXIES where a proxy is in front: else all callers are the proxy";
        return Finding::warning(check, "no proxy is trusted", remedy);
    }
    Finding::ok(check, "a proxy's word is taken from trusted networks alone")
}
