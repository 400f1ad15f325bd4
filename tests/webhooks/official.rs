//! Our verifier against signatures that Stripe's own Python package made.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{NOW, verify};

/// Reads `[[secret, payload, time], …]`, writes one signature header a line.
const SIGNER: &str = r"
import json, sys
import stripe
for secret, payload, time in json.load(sys.stdin):
    print(stripe.WebhookSignature.generate_signature_header(payload, secret, time))
";

#[test]
fn what_stripes_own_package_signs_is_taken() {
    let Some(python) = python() else { return };
    let event =
        |id: &str| json!({ "id": id, "type": "charge.updated", "created": NOW, "data": { "object": {} } });
    let deliveries = [
        ("whsec_1", event("evt_1").to_string(), NOW),
        ("whsec_1", event("evt_übung_💶").to_string(), NOW - 299),
        (
            "whsec_ünicode",
            serde_json::to_string_pretty(&event("evt_\\\"\u{1}")).unwrap(),
            NOW + 299,
        ),
        ("x", format!(" \r\n{}\n", event("evt_4")), NOW),
    ];
    let headers = sign(&python, &json!(deliveries));
    assert_eq!(headers.len(), deliveries.len());
    for ((secret, payload, _), header) in deliveries.iter().zip(headers) {
        let verdict = verify(Some(&header), payload.as_bytes(), &["whsec_other", secret]);
        assert!(verdict.is_ok(), "{header}: {verdict:?}");
        assert!(
            verify(Some(&header), payload.as_bytes(), &["whsec_other"]).is_err(),
            "{header}"
        );
    }
}

fn sign(python: &Path, deliveries: &Value) -> Vec<String> {
    let mut signer = Command::new(python)
        .args(["-c", SIGNER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    signer
        .stdin
        .take()
        .unwrap()
        .write_all(deliveries.to_string().as_bytes())
        .unwrap();
    let output = signer.wait_with_output().unwrap();
    assert!(output.status.success(), "the signer failed");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A Python that has Stripe's package. Without one the test is skipped, but never in CI.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration to read it from"
)]
fn python() -> Option<PathBuf> {
    let of_make = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let python = std::env::var_os("QUITTANCE_TEST_PYTHON").map_or_else(of_make, PathBuf::from);
    let has_stripe = Command::new(&python)
        .args(["-c", "import stripe"])
        .stderr(Stdio::null())
        .status();
    if has_stripe.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "no Python with the package `stripe`: set QUITTANCE_TEST_PYTHON"
    );
    // The harness shows what is written straight to standard error.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: no Python with the package `stripe`; `make test` sets one up"
    );
    None
}
