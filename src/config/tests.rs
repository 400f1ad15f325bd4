//! Settings, right and wrong.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use figment::providers::Serialized;

use super::*;
use crate::crypto::LocalKek;

fn with(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let figment = pairs.iter().fold(defaults(), |figment, (key, value)| {
        figment.merge(Serialized::default(key, value))
    });
    check(figment.extract().map_err(|error| explain(&error))?)
}

const GOOD: [(&str, &str); 2] = [
    ("database_url", "postgres://localhost/q"),
    ("sealing_key", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="),
];

#[test]
fn the_defaults_and_the_two_required_settings_are_enough() {
    let settings = with(&GOOD).unwrap();
    assert_eq!(settings.listen.port(), 8080);
    assert!(settings.timing.operation_lease > settings.provider_timeout);
}

#[test]
fn the_providers_key_wraps_and_every_other_one_that_is_named_may_unwrap() {
    let one = BASE64_STANDARD.encode([1; 32]);
    let two = BASE64_STANDARD.encode([2; 32]);
    let previous = format!("{one}, {two}");
    let file = std::env::temp_dir().join(format!("quittance-keys-{}", std::process::id()));
    std::fs::write(&file, format!("# newest first\n{two}\n\n{one}\n")).unwrap();
    let path = file.to_str().unwrap();
    let id = |key: &str| crate::crypto::Kek::id(&LocalKek::parse(&key.to_owned().into()).unwrap());
    let ids = |pairs: &[(&str, &str)]| with(&[&GOOD[..], pairs].concat()).unwrap().sealer.ring().ids();
    assert_eq!(ids(&[]), [id(GOOD[1].1)]);
    assert_eq!(
        ids(&[("sealing_keys_previous", &previous)]),
        [id(GOOD[1].1), id(&one), id(&two)]
    );
    assert_eq!(
        ids(&[("sealing_key_file", path), ("sealing_keys_previous", &one)]),
        [id(GOOD[1].1), id(&one), id(&two)],
        "one that is named twice counts once"
    );
    assert_eq!(
        ids(&[("sealing_key_file", path), ("sealing_provider", "file")]),
        [id(&two), id(GOOD[1].1), id(&one)]
    );
    let without_environment = [GOOD[0], ("sealing_key_file", path), ("sealing_provider", "file")];
    let ring = with(&without_environment).unwrap().sealer.ring().ids();
    assert_eq!(ring, [id(&two), id(&one)]);
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_missing_or_wrong_value_is_named_in_one_line_that_says_what_to_set() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "QUITTANCE_DATABASE_URL is not set"),
        (&GOOD[..1], "QUITTANCE_SEALING_KEY is not set"),
        (
            &[("database_url", "mysql://x"), GOOD[1]],
            "QUITTANCE_DATABASE_URL is no Postgres URL",
        ),
        (
            &[GOOD[0], ("sealing_key", "hunter2")],
            "QUITTANCE_SEALING_KEY must be 32 bytes",
        ),
        (
            &[GOOD[0], ("sealing_provider", "file")],
            "QUITTANCE_SEALING_KEY_FILE is not set",
        ),
        (
            &[GOOD[0], GOOD[1], ("sealing_provider", "magic")],
            "QUITTANCE_SEALING_PROVIDER cannot be read",
        ),
        (
            &[GOOD[0], GOOD[1], ("sealing_keys_previous", "hunter2")],
            "QUITTANCE_SEALING_KEYS_PREVIOUS must be 32 bytes",
        ),
        (
            &[GOOD[0], GOOD[1], ("sealing_key_file", "/nowhere")],
            "QUITTANCE_SEALING_KEY_FILE names /nowhere, which cannot be read",
        ),
        (
            &[GOOD[0], GOOD[1], ("vault_address", "hunter2")],
            "QUITTANCE_VAULT_ADDRESS ",
        ),
        (
            &[GOOD[0], GOOD[1], ("listen", "nowhere")],
            "QUITTANCE_LISTEN cannot be read",
        ),
        (
            &[GOOD[0], GOOD[1], ("otlp_endpoint", "hunter2")],
            "QUITTANCE_OTLP_ENDPOINT ",
        ),
        (
            &[GOOD[0], GOOD[1], ("otlp_percent", "101")],
            "QUITTANCE_OTLP_PERCENT ",
        ),
        (
            &[GOOD[0], GOOD[1], ("log_format", "xml")],
            "QUITTANCE_LOG_FORMAT cannot be read",
        ),
        (
            &[GOOD[0], GOOD[1], ("stripe_requests_per_s_live", "0")],
            "QUITTANCE_STRIPE_REQUESTS_PER_S_LIVE cannot be read: set it to a nonzero",
        ),
        (
            &[GOOD[0], GOOD[1], ("odoo_allowed_networks", "localhost")],
            "QUITTANCE_ODOO_ALLOWED_NETWORKS must be",
        ),
        (
            &[GOOD[0], GOOD[1], ("listn", "127.0.0.1:1")],
            "listn is no setting",
        ),
    ];
    for (pairs, wanted) in cases {
        let line = with(pairs).unwrap_err().to_string();
        assert!(line.starts_with(wanted), "{line}");
        assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    }
}

#[cfg(feature = "otlp")]
#[test]
fn a_collectors_address_alone_means_the_path_that_all_collectors_have() {
    let at = |url| {
        with(&[GOOD[0], GOOD[1], ("otlp_endpoint", url)])
            .unwrap()
            .traces
            .unwrap()
            .url
    };
    assert_eq!(
        at("http://collector:4318").as_str(),
        "http://collector:4318/v1/traces"
    );
    assert_eq!(
        at("https://collector/otlp/spans").as_str(),
        "https://collector/otlp/spans"
    );
    assert_eq!(with(&GOOD).unwrap().traces, None);
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_program_that_cannot_export_spans_says_so_where_it_is_told_where_to() {
    let line = with(&[GOOD[0], GOOD[1], ("otlp_endpoint", "http://collector:4318")])
        .unwrap_err()
        .to_string();
    assert!(line.contains("built without the feature `otlp`"), "{line}");
}
