//! Every setting: what it is called, its default, and what it is for.

use std::fmt::Write as _;

use figment::Figment;
use figment::providers::Serialized;

/// How the variables begin.
pub(super) const PREFIX: &str = "QUITTANCE_";
/// The variable that names the file.
pub(super) const FILE: &str = "QUITTANCE_CONFIG";

/// One setting, as documented.
struct Setting {
    key: &'static str,
    default: Option<&'static str>,
    about: &'static str,
}

/// Every setting. The README's table and the defaults are made of this.
const SETTINGS: &[Setting] = &[
    Setting {
        key: "database_url",
        default: None,
        about: "Postgres, such as `postgres://quittance@db/quittance`",
    },
    Setting {
        key: "sealing_key",
        default: None,
        about: "32 bytes in base64 that wrap the keys that secrets are sealed with; make one with `openssl rand -base64 32`; not needed where `QUITTANCE_SEALING_PROVIDER` is another than `environment`",
    },
    Setting {
        key: "sealing_provider",
        default: Some("environment"),
        about: "where the key is that wraps: `environment`, `file` or `vault`; those that are named besides may still unwrap",
    },
    Setting {
        key: "sealing_keys_previous",
        default: Some("none"),
        about: "keys that may still unwrap, with commas between them",
    },
    Setting {
        key: "sealing_key_file",
        default: Some("none"),
        about: "a file with such keys, one on each line, the first of which wraps; as a Kubernetes secret is mounted",
    },
    Setting {
        key: "vault_address",
        default: Some("none"),
        about: "Vault, such as `https://vault:8200`; only in a build with the feature `vault`, as the next two",
    },
    Setting {
        key: "vault_transit_key",
        default: Some("transit/quittance"),
        about: "mount and name of the key in its transit engine",
    },
    Setting {
        key: "vault_token_file",
        default: Some("none"),
        about: "a file with the token, read for each request",
    },
    Setting {
        key: "listen",
        default: Some("127.0.0.1:8080"),
        about: "address and port to serve on",
    },
    Setting {
        key: "metrics_listen",
        default: Some("none"),
        about: "address and port of metrics and probes, such as `0.0.0.0:9464`; for the worker too, and not for customers",
    },
    Setting {
        key: "log",
        default: Some("info"),
        about: "log filter, such as `info` or `quittance=debug,info`",
    },
    Setting {
        key: "log_format",
        default: Some("text"),
        about: "`text` for people, `json` for machines",
    },
    Setting {
        key: "otlp_endpoint",
        default: Some("none"),
        about: "an OpenTelemetry collector that takes spans over HTTP, such as `http://otel-collector:4318`; only in a build with the feature `otlp`",
    },
    Setting {
        key: "otlp_percent",
        default: Some("100"),
        about: "how many of a hundred traces are exported, of those that begin here; of a caller's trace the caller decides",
    },
    Setting {
        key: "database_connections",
        default: Some("16"),
        about: "most connections to Postgres, two of them for taking webhooks in",
    },
    Setting {
        key: "http_workers",
        default: Some("2"),
        about: "threads that serve requests",
    },
    Setting {
        key: "trusted_proxies",
        default: Some("none"),
        about: "networks of the proxies in front, such as `10.0.0.0/8`, whose `Forwarded` or `X-Forwarded-For` says where a request comes from",
    },
    Setting {
        key: "rate_reads_per_s",
        default: Some("1000"),
        about: "most requests of one API key that read, in a second, over all replicas; ten times as many at once",
    },
    Setting {
        key: "rate_writes_per_s",
        default: Some("500"),
        about: "the same for requests that change something",
    },
    Setting {
        key: "rate_reads_per_s_merchant",
        default: Some("2000"),
        about: "most requests of one merchant that read, in a second, over all its keys and all replicas",
    },
    Setting {
        key: "rate_writes_per_s_merchant",
        default: Some("1000"),
        about: "the same for requests that change something",
    },
    Setting {
        key: "requests_at_once",
        default: Some("256"),
        about: "most requests of the API served at once by one process; eight times as many wait for a moment, more get a 503",
    },
    Setting {
        key: "requests_at_once_merchant",
        default: Some("128"),
        about: "most of them of one merchant; more get a 429",
    },
    Setting {
        key: "webhooks_at_once",
        default: Some("512"),
        about: "most webhooks served at once by one process, beside them; eight times as many wait for a moment, more get a 503",
    },
    Setting {
        key: "connections",
        default: Some("8192"),
        about: "most open connections to one process; more wait until one is closed",
    },
    Setting {
        key: "answer_within_ms",
        default: Some("7500"),
        about: "longest wait for a provider before a 202; Odoo gives up after 10000",
    },
    Setting {
        key: "provider_timeout_ms",
        default: Some("25000"),
        about: "longest time for one operation at the provider, retries included",
    },
    Setting {
        key: "provider_attempt_timeout_ms",
        default: Some("10000"),
        about: "longest time for one request to the provider",
    },
    Setting {
        key: "stripe_requests_per_s_live",
        default: Some("100"),
        about: "most requests to Stripe in a second, for an account in which real money moves; per process: divide by the number of replicas",
    },
    Setting {
        key: "stripe_requests_per_s_test",
        default: Some("25"),
        about: "the same for any other account; per process",
    },
    Setting {
        key: "stripe_requests_per_s_endpoint",
        default: Some("25"),
        about: "the same to one endpoint, for one account; per process",
    },
    Setting {
        key: "odoo_timeout_ms",
        default: Some("30000"),
        about: "longest time for one request to Odoo",
    },
    Setting {
        key: "odoo_concurrency",
        default: Some("4"),
        about: "most messages on their way to one Odoo instance at once, over all replicas",
    },
    Setting {
        key: "odoo_allowed_networks",
        default: Some("none"),
        about: "networks beside the public Internet in which Odoo may be, such as `10.0.0.0/8,fd00::/8`",
    },
    Setting {
        key: "poll_ms",
        default: Some("250"),
        about: "longest pause of an idle worker",
    },
    Setting {
        key: "shutdown_grace_s",
        default: Some("25"),
        about: "longest time to finish requests and work on SIGTERM",
    },
    Setting {
        key: "keep_events_days",
        default: Some("90"),
        about: "how long events are kept once they are applied: at least 35, as Stripe lists them for 30",
    },
    Setting {
        key: "keep_payments_days",
        default: Some("730"),
        about: "how long payments that ended keep descriptions, notes, receipt addresses and shipping; the books stay",
    },
    Setting {
        key: "keep_addresses_days",
        default: Some("180"),
        about: "how long the audit log keeps from which addresses people acted",
    },
    Setting {
        key: "retry_divisor",
        default: Some("1"),
        about: "divides every waiting time between attempts; for trials only",
    },
];

/// What the settings are called.
pub(super) fn keys() -> Vec<&'static str> {
    SETTINGS.iter().map(|setting| setting.key).collect()
}

/// The settings where nothing is said.
pub(super) fn defaults() -> Figment {
    SETTINGS
        .iter()
        .filter_map(|setting| Some((setting, setting.default?)))
        .fold(Figment::new(), |figment, (setting, text)| {
            match text.parse::<u64>() {
                Ok(number) => figment.merge(Serialized::default(setting.key, number)),
                Err(_) => figment.merge(Serialized::default(setting.key, text)),
            }
        })
}

/// What a setting is for.
pub(super) fn about(key: &str) -> &'static str {
    SETTINGS
        .iter()
        .find(|setting| setting.key == key)
        .map_or("see the README's table", |setting| setting.about)
}

/// The README's table of settings, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut table = String::from("| variable | default | what it is |\n|---|---|---|\n");
    let _ = writeln!(
        table,
        "| `{FILE}` | | a TOML file with the settings below, in lower case and without the prefix; the environment wins |"
    );
    for setting in SETTINGS {
        let default = setting
            .default
            .map_or_else(|| "**required**".to_owned(), |text| format!("`{text}`"));
        let _ = writeln!(
            table,
            "| `{PREFIX}{}` | {default} | {} |",
            setting.key.to_uppercase(),
            setting.about
        );
    }
    table
}
