//! The official Python package as a judge: it drives the API and verifies the webhooks.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::Options;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::support::{Desk, Listener, SOON};

/// The version that the script was written for.
const PACKAGE: &str = "stripe==16.1.0";

/// Names a Python that has the package, instead of one that the test prepares.
const PYTHON_VARIABLE: &str = "QUITTANCE_TEST_PYTHON";

#[tokio::test]
async fn the_official_python_package_walks_through_every_call() {
    let Some(mut script) = script("walk") else { return };
    let desk = Desk::with(Options::default()).await;
    let refunds = || Matcher::method_path("POST", "/v1/refunds");
    desk.stripe.faults().next(
        refunds(),
        Fault::TooManyRequests {
            retry_after_secs: Some(1),
        },
    );
    desk.stripe.faults().next(refunds(), Fault::ErrorAfter);
    script
        .env("STRIPE_URL", desk.stripe.url())
        .env("STRIPE_KEY", desk.stripe.secret_key());
    let output = script.output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(desk.stripe.faults().fired().len(), 2);
}

#[tokio::test]
async fn the_official_verifier_accepts_our_webhooks_under_each_secret_and_nothing_else() {
    let Some(mut script) = script("verify") else {
        return;
    };
    let listener = Listener::start().await;
    let desk = Desk::open().await;
    let mut endpoint = listener.endpoint();
    endpoint.secrets.push("whsec_second".to_owned());
    desk.stripe.add_endpoint(endpoint);
    desk.pay("visa", "metadata[name]=Zo%C3%AB").await;
    desk.stripe.wait_until_delivered(SOON).await.unwrap();

    let mut python = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    for delivery in listener.deliveries() {
        let secrets = ["whsec_first", "whsec_second"];
        let line = json!({ "secrets": secrets, "header": delivery.signature, "payload": delivery.payload });
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
    drop(stdin);
    let output = python.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let verified = String::from_utf8(output.stdout).unwrap();
    let verified: Vec<_> = verified.lines().collect();
    assert_eq!(
        verified,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
}

/// The script under a Python that has Stripe's package. None where neither can be had, which CI does not forgive.
fn script(what: &str) -> Option<tokio::process::Command> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PYTHON.get_or_init(python) {
        Ok(python) => {
            let mut command = tokio::process::Command::new(python);
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stripe/official.py");
            command
                .arg(script)
                .arg(what)
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            Some(command)
        }
        Err(reason) => {
            assert!(
                variable("CI").is_none(),
                "the official package is needed in CI: {reason}"
            );
            skipped(&format!("{what} with Stripe's Python package: {reason}"));
            None
        }
    }
}

fn python() -> Result<PathBuf, String> {
    if let Some(python) = variable(PYTHON_VARIABLE) {
        return Ok(python.into());
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE.replace("==", "-"));
    let python = venv.join("bin/python");
    let has_package = |python: &Path| run(python, &["-c", "import stripe, requests"]).is_ok();
    if !has_package(&python) {
        run(Path::new("python3"), &["-m", "venv", &venv.to_string_lossy()])?;
        run(&python, &["-m", "pip", "install", "--quiet", PACKAGE])?;
    }
    Ok(python)
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rfind(|line| !line.is_empty())
        .unwrap_or("no reason given")
        .to_owned();
    Err(format!("{}: {last}", program.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where these tests read the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One line that is seen even when the test passes: written past the harness, which keeps what is printed.
pub(crate) fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}
