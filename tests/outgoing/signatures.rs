//! What we sign, held against the official package of Standard Webhooks.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quittance::app::setup;
use quittance_sandbox::addon::Request;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;

use super::World;

/// Reads `[[secret, body, headers], …]`, writes `true` or `false` a line.
const VERIFIER: &str = r"
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
for secret, body, headers in json.load(sys.stdin):
    try:
        Webhook(secret).verify(body, headers)
        print('true')
    except WebhookVerificationError:
        print('false')
";

#[tokio::test]
async fn the_official_package_verifies_what_we_sign_also_while_a_secret_is_rolled() {
    let mut world = World::new().await;
    let before = requests_of(&world, "S1").await;
    let (app, merchant) = (world.test.application().app(), world.test.merchant);
    let rotate = async |overlap| {
        let secret = setup::rotate_signing_secret(app, merchant, world.instance, overlap)
            .await
            .unwrap();
        secret.text().expose_secret().to_owned()
    };
    let second = rotate(Duration::hours(24)).await;
    let rolling = requests_of(&world, "S2").await;
    world.addon.set_secret(&second);
    let third = rotate(Duration::ZERO).await;
    world.addon.set_secret(&third);
    let after = requests_of(&world, "S3").await;
    let secrets = [std::mem::take(&mut world.secret), second, third];
    assert_eq!(before.headers["webhook-signature"].split(' ').count(), 1);
    assert_eq!(rolling.headers["webhook-signature"].split(' ').count(), 2);
    assert_eq!(after.headers["webhook-signature"].split(' ').count(), 1);
    assert!(before.headers["webhook-id"].starts_with("msg_"));

    let Some(python) = python() else { return };
    let mut tampered = rolling.clone();
    tampered.body = tampered.body.replacen("12100", "12101", 1);
    let mut swapped = rolling.clone();
    swapped
        .headers
        .insert("webhook-id".to_owned(), "msg_other".to_owned());
    let wanted = [
        (&before, [true, false, false]),
        (&rolling, [true, true, false]),
        (&after, [false, false, true]),
        (&tampered, [false, false, false]),
        (&swapped, [false, false, false]),
    ];
    let cases: Vec<Value> = wanted
        .iter()
        .flat_map(|(request, _)| {
            secrets
                .iter()
                .map(|secret| json!([secret, request.body, request.headers]))
        })
        .collect();
    let said = verify(&python, &json!(cases));
    let expected: Vec<bool> = wanted.iter().flat_map(|(_, fits)| *fits).collect();
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_repeated_message_keeps_its_id_and_body_and_is_signed_anew() {
    let world = World::new().await;
    world.addon.faults().next(
        quittance_sandbox::faults::Matcher::any(),
        quittance_sandbox::faults::Fault::ErrorAfter,
    );
    world.pay("S1").await;
    world.settled().await;
    let requests = world.addon.requests();
    assert_eq!(
        requests[0].headers["webhook-id"],
        requests[1].headers["webhook-id"]
    );
    assert_eq!(requests[0].body, requests[1].body);
    let mut ids: BTreeMap<&str, u32> = BTreeMap::new();
    for request in &requests {
        *ids.entry(&request.headers["webhook-id"]).or_default() += 1;
    }
    assert_eq!(ids.values().filter(|count| **count > 1).count(), 1);
}

/// The first request of a payment that is paid now.
async fn requests_of(world: &World, reference: &str) -> Request {
    let seen = world.addon.requests().len();
    world.pay(reference).await;
    world.settled().await;
    world.addon.requests()[seen].clone()
}

fn verify(python: &Path, cases: &Value) -> Vec<bool> {
    let mut verifier = Command::new(python)
        .args(["-c", VERIFIER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    verifier
        .stdin
        .take()
        .unwrap()
        .write_all(cases.to_string().as_bytes())
        .unwrap();
    let output = verifier.wait_with_output().unwrap();
    assert!(output.status.success(), "the verifier failed");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line == "true")
        .collect()
}

/// A Python that has the package. Without one this part is skipped, but never in CI.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration to read it from"
)]
fn python() -> Option<PathBuf> {
    let of_make = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let python = std::env::var_os("QUITTANCE_TEST_PYTHON").map_or_else(of_make, PathBuf::from);
    let has_package = Command::new(&python)
        .args(["-c", "import standardwebhooks"])
        .stderr(Stdio::null())
        .status();
    if has_package.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "no Python with the package `standardwebhooks`: set QUITTANCE_TEST_PYTHON"
    );
    // The harness shows what is written straight to standard error.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: no Python with the package `standardwebhooks`; `make test` sets one up"
    );
    None
}
