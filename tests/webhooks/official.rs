//! Our verifier beside those of Stripe's own packages for Python and Node: what they sign is taken, and each row of a table says
//! where all three agree and where we differ on purpose.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{BODY, NOW, SECRET, digits, header, verify};

/// Reads `{"now", "sign": [[secret, payload, time], …], "verify": [[secret, payload, header], …]}`, writes
/// `{"signed": [header, …], "verified": [true, …]}`.
const PYTHON: &str = r#"
import json, sys, time
import stripe
asked = json.load(sys.stdin)
time.time = lambda: asked["now"]
signature = stripe.WebhookSignature

def verified(secret, payload, header):
    try:
        return signature.verify_header(payload, header, secret, 300)
    except stripe.SignatureVerificationError:
        return False
    except Exception as crash:
        return type(crash).__name__

json.dump({
    "signed": [signature.generate_signature_header(payload, secret, at) for secret, payload, at in asked["sign"]],
    "verified": [verified(*each) for each in asked["verify"]],
}, sys.stdout)
"#;

/// The same.
const NODE: &str = r#"
const stripe = require("stripe");
const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const verified = ([secret, payload, header]) => {
  try {
    return stripe.webhooks.signature.verifyHeader(payload, header, secret, 300, undefined, asked.now * 1000);
  } catch (error) {
    return error.type === "StripeSignatureVerificationError" ? false : error.name;
  }
};
const sign = ([secret, payload, timestamp]) => stripe.webhooks.generateTestHeaderString({ secret, payload, timestamp });
process.stdout.write(JSON.stringify({ signed: asked.sign.map(sign), verified: asked.verify.map(verified) }));
"#;

/// A package of Stripe's, and what runs it.
struct Package {
    name: &'static str,
    program: PathBuf,
    arguments: [&'static str; 2],
    modules: PathBuf,
}

impl Package {
    /// Those that are at hand. Without one its part is skipped, but never in CI.
    fn all() -> Vec<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        let python = Self {
            name: "Python",
            program: named("QUITTANCE_TEST_PYTHON").unwrap_or_else(|| target.join("python/bin/python")),
            arguments: ["-c", PYTHON],
            modules: PathBuf::new(),
        };
        let node = Self {
            name: "Node",
            program: PathBuf::from("node"),
            arguments: ["-e", NODE],
            modules: named("QUITTANCE_TEST_NODE_MODULES").unwrap_or_else(|| target.join("node/node_modules")),
        };
        [(python, "import stripe"), (node, r#"require("stripe")"#)]
            .into_iter()
            .filter(|(package, import)| package.is_at_hand(import))
            .map(|(package, _)| package)
            .collect()
    }

    fn is_at_hand(&self, import: &str) -> bool {
        let status = Command::new(&self.program)
            .env("NODE_PATH", &self.modules)
            .args([self.arguments[0], import])
            .stderr(Stdio::null())
            .status();
        if status.is_ok_and(|status| status.success()) {
            return true;
        }
        let name = self.name;
        assert!(
            named("CI").is_none(),
            "no {name} with the package `stripe`: see scripts/prepare.sh"
        );
        // The harness shows what is written straight to standard error.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no {name} with the package `stripe`; `make test` sets one up"
        );
        false
    }

    fn ask(&self, sign: &Value, verify: &Value) -> Value {
        let mut process = Command::new(&self.program)
            .env("NODE_PATH", &self.modules)
            .args(self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asked = json!({ "now": NOW, "sign": sign, "verify": verify }).to_string();
        process.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{} failed", self.name);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration to read it from"
)]
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(|value: OsString| value.into())
}

#[test]
fn what_stripes_own_packages_sign_is_taken() {
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
    for package in Package::all() {
        let answer = package.ask(&json!(deliveries), &json!([]));
        let headers = answer["signed"].as_array().unwrap();
        assert_eq!(headers.len(), deliveries.len(), "{}", package.name);
        for ((secret, payload, _), header) in deliveries.iter().zip(headers) {
            let header = header.as_str();
            let verdict = verify(header, payload.as_bytes(), &["whsec_other", secret]);
            assert!(verdict.is_ok(), "{} {header:?}: {verdict:?}", package.name);
            let refused = verify(header, payload.as_bytes(), &["whsec_other"]);
            assert!(refused.is_err(), "{} {header:?}", package.name);
        }
    }
}

const TAKEN: bool = true;
const REFUSED: bool = false;

/// What we say, what Stripe's packages for Python and Node say, and why we differ where we do.
type Row<'a> = (&'a str, String, bool, [Value; 2], &'a str);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn we_agree_with_stripes_own_packages_and_differ_only_on_purpose() {
    let right = digits(SECRET, NOW, BODY);
    let other = digits("whsec_other", NOW, BODY);
    let at = |seconds: i64| header(SECRET, NOW + seconds, BODY);
    let zeros = "0".repeat(64);
    let both = |verdict: bool| [json!(verdict), json!(verdict)];
    let rows: Vec<Row<'_>> = vec![
        ("signed now", at(0), TAKEN, both(true), ""),
        ("at the edge of the tolerance", at(-300), TAKEN, both(true), ""),
        ("stale", at(-301), REFUSED, both(false), ""),
        ("a little ahead", at(299), TAKEN, both(true), ""),
        (
            "far ahead",
            at(301),
            REFUSED,
            both(true),
            "a clock that is wrong by more than the tolerance is wrong either way",
        ),
        (
            "the right one first",
            format!("t={NOW},v1={right},v1={zeros}"),
            TAKEN,
            both(true),
            "",
        ),
        (
            "the right one last",
            format!("t={NOW},v1={zeros},v1={right}"),
            TAKEN,
            both(true),
            "",
        ),
        (
            "another secret's",
            format!("t={NOW},v1={other}"),
            REFUSED,
            both(false),
            "",
        ),
        (
            "of another scheme",
            format!("t={NOW},v0={right}"),
            REFUSED,
            both(false),
            "",
        ),
        (
            "another scheme beside it",
            format!("t={NOW},v0={zeros},v1={right},v2=x"),
            TAKEN,
            both(true),
            "",
        ),
        (
            "the time last",
            format!("v1={right},t={NOW}"),
            TAKEN,
            both(true),
            "",
        ),
        (
            "in capitals",
            format!("t={NOW},v1={}", right.to_uppercase()),
            TAKEN,
            both(false),
            "hexadecimal digits are the same in either case",
        ),
        (
            "cut by a digit",
            format!("t={NOW},v1={}", &right[..63]),
            REFUSED,
            both(false),
            "",
        ),
        (
            "for another second",
            format!("t={},v1={right}", NOW + 1),
            REFUSED,
            both(false),
            "",
        ),
        ("empty", String::new(), REFUSED, both(false), ""),
        ("no time", format!("v1={right}"), REFUSED, both(false), ""),
        ("only a time", format!("t={NOW}"), REFUSED, both(false), ""),
        (
            "a time that is none",
            format!("t=now,v1={right}"),
            REFUSED,
            both(false),
            "",
        ),
        ("garbled", "t=;v1=".to_owned(), REFUSED, both(false), ""),
        (
            "not a list of pairs",
            "hello".to_owned(),
            REFUSED,
            both(false),
            "",
        ),
        (
            "two times",
            format!("t=1,t={NOW},v1={right}"),
            REFUSED,
            [json!(false), json!(true)],
            "which of them was signed is not said",
        ),
        (
            "spaces between",
            format!("t={NOW}, v1={right}"),
            TAKEN,
            both(false),
            "a proxy may fold headers",
        ),
    ];
    let payload = std::str::from_utf8(BODY).unwrap();
    for (name, header, ours, _, why) in &rows {
        let verdict = verify(Some(header), BODY, &[SECRET]);
        assert_eq!(verdict.is_ok(), *ours, "{name}: {verdict:?} {why}");
    }
    let asked: Vec<_> = rows
        .iter()
        .map(|(_, header, ..)| [SECRET, payload, header])
        .collect();
    for (index, package) in Package::all().iter().enumerate() {
        let answer = package.ask(&json!([]), &json!(asked));
        let differing: Vec<String> = rows
            .iter()
            .zip(answer["verified"].as_array().unwrap())
            .filter(|((_, _, _, theirs, _), verdict)| &theirs[index] != *verdict)
            .map(|((name, ..), verdict)| format!("{name}: {verdict}"))
            .collect();
        assert!(differing.is_empty(), "{}: {differing:?}", package.name);
    }
    for (name, _, ours, theirs, why) in &rows {
        let agreed = theirs.iter().all(|theirs| theirs == ours);
        assert_eq!(agreed, why.is_empty(), "{name}: a difference has a reason");
    }
}
