//! Settings: from defaults, a TOML file and the environment, the later winning. Alone reads the environment.

mod fit;
mod sealing;
mod table;
mod traces;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use figment::error::Kind;
use figment::providers::{Env, Format, Toml};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::app::Timing;
use crate::app::limits::Rates;
use crate::app::personal::Kept;
use crate::crypto::Sealer;
use crate::domain::network::{Networks, NoNetworks};
use crate::http::Bounds;
use crate::odoo::{AllowedNetworks, NetworksError};
use crate::stripe::Limits;
use crate::telemetry::{Export, LogFormat};
use sealing::SealingProvider;
use table::{FILE, PREFIX, about, defaults, keys};

pub use fit::fit;
pub use table::table;

/// The service's settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Postgres.
    pub database_url: SecretString,
    /// Most connections to it.
    pub database_connections: u32,
    /// Seals secrets.
    pub sealer: Sealer,
    /// Where to serve.
    pub listen: SocketAddr,
    /// Where to serve metrics and probes, where anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Threads that serve requests.
    pub http_workers: usize,
    /// The proxies whose word is taken for where a request comes from.
    pub trusted_proxies: Networks,
    /// How many requests keys and merchants may send.
    pub rates: Rates,
    /// How much is served at once.
    pub bounds: Bounds,
    /// Log filter.
    pub log: String,
    /// How a log line looks.
    pub log_format: LogFormat,
    /// Where spans go, where anywhere.
    pub traces: Option<Export>,
    /// How long things may take.
    pub timing: Timing,
    /// Longest time for one operation at the provider.
    pub provider_timeout: Duration,
    /// Longest time for one request to the provider.
    pub provider_attempt_timeout: Duration,
    /// How many requests may go to Stripe.
    pub stripe_limits: Limits,
    /// Longest time for one request to Odoo.
    pub odoo_timeout: Duration,
    /// How long what is personal is kept.
    pub kept: Kept,
    /// Most messages on their way to one Odoo instance at once.
    pub odoo_concurrency: u32,
    /// The networks beside the public Internet in which Odoo may be.
    pub odoo_allowed_networks: AllowedNetworks,
    /// Longest pause of an idle worker.
    pub poll: Duration,
    /// Longest time to finish on SIGTERM.
    pub shutdown_grace: Duration,
}

/// Settings that cannot be used: one line that says what to set.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    database_url: Option<SecretString>,
    sealing_key: Option<SecretString>,
    sealing_provider: SealingProvider,
    sealing_keys_previous: SecretString,
    sealing_key_file: String,
    vault_address: String,
    vault_transit_key: String,
    vault_token_file: String,
    listen: SocketAddr,
    metrics_listen: String,
    log: String,
    log_format: LogFormat,
    otlp_endpoint: String,
    otlp_percent: u8,
    database_connections: u32,
    http_workers: usize,
    trusted_proxies: String,
    rate_reads_per_s: NonZeroU32,
    rate_writes_per_s: NonZeroU32,
    rate_reads_per_s_merchant: NonZeroU32,
    rate_writes_per_s_merchant: NonZeroU32,
    requests_at_once: NonZeroU32,
    requests_at_once_merchant: NonZeroU32,
    webhooks_at_once: NonZeroU32,
    connections: NonZeroU32,
    answer_within_ms: u64,
    provider_timeout_ms: u64,
    provider_attempt_timeout_ms: u64,
    stripe_requests_per_s_live: NonZeroU32,
    stripe_requests_per_s_test: NonZeroU32,
    stripe_requests_per_s_endpoint: NonZeroU32,
    odoo_timeout_ms: u64,
    odoo_concurrency: u32,
    odoo_allowed_networks: String,
    poll_ms: u64,
    shutdown_grace_s: u64,
    retry_divisor: u32,
    keep_events_days: u32,
    keep_payments_days: u32,
    keep_addresses_days: u32,
}

/// Reads settings from the file that `QUITTANCE_CONFIG` names, where it is set, and from the environment.
///
/// # Errors
/// [`ConfigError`] on the first setting that is missing or wrong.
pub fn load() -> Result<Settings, ConfigError> {
    let file = variable_of(FILE);
    if let Some(path) = file
        .as_deref()
        .filter(|path| !std::path::Path::new(path).is_file())
    {
        return Err(ConfigError(format!("{FILE} names {path}, which is no file")));
    }
    let file = file.map(Toml::file);
    let environment = Env::prefixed(PREFIX).only(&keys());
    let mut figment = defaults();
    if let Some(file) = file {
        figment = figment.merge(file);
    }
    check(
        figment
            .merge(environment)
            .extract()
            .map_err(|error| explain(&error))?,
    )
}

/// A secret that a command takes in: from the environment, never from an argument, which every user of a machine can see.
///
/// # Errors
/// [`ConfigError`] where it is not set.
pub fn secret(variable: &str) -> Result<SecretString, ConfigError> {
    find_secret(variable).ok_or_else(|| {
        ConfigError(format!(
            "{variable} is not set: this command takes a secret there"
        ))
    })
}

/// The same, where the command can do without.
#[must_use]
pub fn find_secret(variable: &str) -> Option<SecretString> {
    variable_of(variable)
        .filter(|text| !text.is_empty())
        .map(SecretString::from)
}

fn variable_of(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    std::env::var(name).ok()
}

fn explain(error: &figment::Error) -> ConfigError {
    let key = error.path.last().cloned().unwrap_or_default();
    let name = format!("{PREFIX}{}", key.to_uppercase());
    if let Kind::UnknownField(field, _) = &error.kind {
        return ConfigError(format!("{field} is no setting; see the README's table"));
    }
    if let Kind::InvalidType(_, wanted) | Kind::InvalidValue(_, wanted) = &error.kind {
        return ConfigError(format!("{name} cannot be read: set it to {wanted}"));
    }
    // What else can be wrong names no value, which might be a secret.
    ConfigError(format!("{name} cannot be read: {}", about(&key)))
}

fn bounded(key: &str, value: u64, from: u64, to: u64) -> Result<Duration, ConfigError> {
    if (from..=to).contains(&value) {
        Ok(Duration::from_millis(value))
    } else {
        let key = key.to_uppercase();
        Err(ConfigError(format!("{PREFIX}{key} must be from {from} to {to}")))
    }
}

fn days(key: &str, value: u32, from: u64) -> Result<time::Duration, ConfigError> {
    bounded(key, value.into(), from, 36_500)?;
    Ok(time::Duration::days(value.into()))
}

fn check_metrics_listen(text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if text == "none" {
        return Ok(None);
    }
    let wanted = "must be an address and a port, such as 0.0.0.0:9464, or none";
    let parsed = text
        .parse()
        .map_err(|_| ConfigError(format!("{PREFIX}METRICS_LISTEN {wanted}")))?;
    Ok(Some(parsed))
}

fn check(raw: Raw) -> Result<Settings, ConfigError> {
    let missing = |key: &str| {
        ConfigError(format!(
            "{PREFIX}{} is not set: {}",
            key.to_uppercase(),
            about(key)
        ))
    };
    let (rates, bounds) = check_limits(&raw)?;
    let kept = check_kept(&raw)?;
    let traces = traces::export(&raw)?;
    let sealer = sealing::sealer(&raw);
    let database_url = raw.database_url.ok_or_else(|| missing("database_url"))?;
    check_database_url(&database_url)?;
    let sealer = sealer?;
    bounded("database_connections", raw.database_connections.into(), 4, 1_000)?;
    let http_workers = raw.http_workers.try_into().unwrap_or(u64::MAX);
    bounded("http_workers", http_workers, 1, 256)?;
    let trusted_proxies = check_proxies(&raw.trusted_proxies)?;
    let metrics_listen = check_metrics_listen(&raw.metrics_listen)?;
    bounded("odoo_concurrency", raw.odoo_concurrency.into(), 1, 32)?;
    let odoo_allowed_networks = raw
        .odoo_allowed_networks
        .parse()
        .map_err(|error: NetworksError| ConfigError(format!("{PREFIX}ODOO_ALLOWED_NETWORKS {error}")))?;
    bounded("retry_divisor", raw.retry_divisor.into(), 1, 1_000_000)?;
    let provider_timeout = bounded("provider_timeout_ms", raw.provider_timeout_ms, 100, 60_000)?;
    let odoo_timeout = bounded("odoo_timeout_ms", raw.odoo_timeout_ms, 100, 600_000)?;
    Ok(Settings {
        database_url,
        database_connections: raw.database_connections,
        sealer,
        listen: raw.listen,
        metrics_listen,
        http_workers: raw.http_workers,
        trusted_proxies,
        rates,
        bounds,
        log: raw.log,
        log_format: raw.log_format,
        traces,
        timing: Timing {
            answer_within: bounded("answer_within_ms", raw.answer_within_ms, 10, 8_000)?,
            // Whoever holds a lease has certainly ended when it runs out.
            operation_lease: provider_timeout + Duration::from_secs(5),
            event_lease: provider_timeout * 2 + Duration::from_secs(5),
            message_lease: odoo_timeout * 4,
            retry_divisor: raw.retry_divisor,
            ..Timing::default()
        },
        provider_timeout,
        provider_attempt_timeout: bounded(
            "provider_attempt_timeout_ms",
            raw.provider_attempt_timeout_ms,
            100,
            60_000,
        )?,
        stripe_limits: Limits {
            live: raw.stripe_requests_per_s_live,
            test: raw.stripe_requests_per_s_test,
            endpoint: raw.stripe_requests_per_s_endpoint,
        },
        odoo_timeout,
        kept,
        odoo_concurrency: raw.odoo_concurrency,
        odoo_allowed_networks,
        poll: bounded("poll_ms", raw.poll_ms, 1, 60_000)?,
        shutdown_grace: bounded("shutdown_grace_s", raw.shutdown_grace_s, 1, 3_600)
            .map(|time| time * 1_000)?,
    })
}

fn check_proxies(text: &str) -> Result<Networks, ConfigError> {
    text.parse()
        .map_err(|error: NoNetworks| ConfigError(format!("{PREFIX}TRUSTED_PROXIES {error}")))
}

fn check_kept(raw: &Raw) -> Result<Kept, ConfigError> {
    Ok(Kept {
        // Longer than Stripe lists its own, so that none comes anew.
        events: days("keep_events_days", raw.keep_events_days, 35)?,
        payments: days("keep_payments_days", raw.keep_payments_days, 1)?,
        origins: days("keep_addresses_days", raw.keep_addresses_days, 1)?,
    })
}

/// Holds what limits requests within bounds that counting can keep.
fn check_limits(raw: &Raw) -> Result<(Rates, Bounds), ConfigError> {
    for (key, value, most) in [
        ("rate_reads_per_s", raw.rate_reads_per_s, 1_000_000),
        ("rate_writes_per_s", raw.rate_writes_per_s, 1_000_000),
        (
            "rate_reads_per_s_merchant",
            raw.rate_reads_per_s_merchant,
            1_000_000,
        ),
        (
            "rate_writes_per_s_merchant",
            raw.rate_writes_per_s_merchant,
            1_000_000,
        ),
        ("requests_at_once", raw.requests_at_once, 65_536),
        ("requests_at_once_merchant", raw.requests_at_once_merchant, 65_536),
        ("webhooks_at_once", raw.webhooks_at_once, 65_536),
        ("connections", raw.connections, 1_000_000),
    ] {
        bounded(key, value.get().into(), 1, most)?;
    }
    let rates = Rates {
        reads: raw.rate_reads_per_s,
        writes: raw.rate_writes_per_s,
        merchant_reads: raw.rate_reads_per_s_merchant,
        merchant_writes: raw.rate_writes_per_s_merchant,
        at_once: raw.requests_at_once_merchant,
    };
    let bounds = Bounds {
        requests: raw.requests_at_once,
        webhooks: raw.webhooks_at_once,
        connections: raw.connections,
    };
    Ok((rates, bounds))
}

fn check_database_url(url: &SecretString) -> Result<(), ConfigError> {
    use secrecy::ExposeSecret;
    let fits =
        Url::parse(url.expose_secret()).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    if fits {
        Ok(())
    } else {
        Err(ConfigError(format!(
            "{PREFIX}DATABASE_URL is no Postgres URL: set it to {}",
            about("database_url")
        )))
    }
}
