//! Settings, right and wrong.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use figment::providers::Serialized;

use super::*;

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
            &[GOOD[0], GOOD[1], ("listen", "nowhere")],
            "QUITTANCE_LISTEN cannot be read",
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
