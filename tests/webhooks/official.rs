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
    /// Which of [`Row::theirs`] is its.
    column: usize,
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
            column: 0,
        };
        let node = Self {
            name: "Node",
            program: PathBuf::from("node"),
            arguments: ["-e", NODE],
            modules: named("QUITTANCE_TEST_NODE_MODULES").unwrap_or_else(|| target.join("node/node_modules")),
            column: 1,
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

/// A header, what we say of it, what Stripe's packages for Python and Node say, and why we differ where we do.
struct Row {
    name: &'static str,
    header: Option<String>,
    ours: bool,
    theirs: [Value; 2],
    why: &'static str,
}

fn same(name: &'static str, header: impl Into<Option<String>>, verdict: bool) -> Row {
    Row {
        name,
        header: header.into(),
        ours: verdict,
        theirs: [json!(verdict), json!(verdict)],
        why: "",
    }
}

/// Theirs is the name of an error where they fail otherwise than by refusing.
fn differing(name: &'static str, header: String, ours: bool, theirs: [Value; 2], why: &'static str) -> Row {
    assert!(!why.is_empty(), "{name}: a difference has a reason");
    assert!(theirs.iter().any(|theirs| theirs != ours), "{name}: they agree");
    Row {
        name,
        header: Some(header),
        ours,
        theirs,
        why,
    }
}

/// Where all three say the same.
fn agreements() -> Vec<Row> {
    let right = digits(SECRET, NOW, BODY);
    let old = digits("whsec_the_old_one", NOW, BODY);
    let at = |seconds: i64| header(SECRET, NOW + seconds, BODY);
    let zeros = "0".repeat(64);
    let v1 = |digits: &[&str]| format!("t={NOW},v1={}", digits.join(",v1="));
    let fifteen = vec![zeros.as_str(); 15];
    vec![
        same("signed now", at(0), TAKEN),
        same("at the edge of the tolerance", at(-300), TAKEN),
        same("stale", at(-301), REFUSED),
        same("ahead of us, at the edge of the tolerance", at(300), TAKEN),
        same("no header", None, REFUSED),
        same("empty", String::new(), REFUSED),
        same(
            "of a body that was tampered with",
            header(SECRET, NOW, b"{}"),
            REFUSED,
        ),
        same("another secret's", header("whsec_other", NOW, BODY), REFUSED),
        same("for another second", format!("t={},v1={right}", NOW + 1), REFUSED),
        same("of a time before 1970", header(SECRET, -NOW, BODY), REFUSED),
        same("while a secret is rolled", v1(&[&old, &right]), TAKEN),
        same("the right one first", v1(&[&right, &zeros]), TAKEN),
        same("doubled", v1(&[&right, &right]), TAKEN),
        same(
            "after fifteen others",
            v1(&[&fifteen[..], &[&right]].concat()),
            TAKEN,
        ),
        same("the time last", format!("v1={right},t={NOW}"), TAKEN),
        same("of another scheme", format!("t={NOW},v0={right}"), REFUSED),
        same(
            "other schemes beside it",
            format!("t={NOW},v0={zeros},v1={right},v2=x"),
            TAKEN,
        ),
        same("the names in capitals", format!("T={NOW},V1={right}"), REFUSED),
        same("cut by a digit", v1(&[&right[..63]]), REFUSED),
        same("cut after the time", format!("t={NOW}"), REFUSED),
        same("no time", format!("v1={right}"), REFUSED),
        same("a time that is none", format!("t=now,v1={right}"), REFUSED),
        same(
            "a time beyond all numbers",
            format!("t=99999999999999999999,v1={right}"),
            REFUSED,
        ),
        same("garbled", "t=;v1=".to_owned(), REFUSED),
        same("not a list of pairs", "hello".to_owned(), REFUSED),
    ]
}

/// Where we say otherwise than one of them, on purpose.
#[expect(clippy::too_many_lines, reason = "a table")]
fn differences() -> Vec<Row> {
    let right = digits(SECRET, NOW, BODY);
    let zeros = "0".repeat(64);
    let sixteen = format!(",v1={zeros}").repeat(16);
    let both = |verdict: bool| [json!(verdict), json!(verdict)];
    let node = |verdict: bool| [json!(!verdict), json!(verdict)];
    let text = "the very text that was signed is what counts";
    let whole = "a header is read whole or not at all";
    let refused = "an error of another kind refuses as well";
    vec![
        differing(
            "far ahead",
            header(SECRET, NOW + 301, BODY),
            REFUSED,
            both(true),
            "a clock that is wrong by more than the tolerance is wrong either way",
        ),
        differing(
            "after sixteen others",
            format!("t={NOW}{sixteen},v1={right}"),
            REFUSED,
            both(true),
            "rolled secrets need few signatures, and each costs us a comparison",
        ),
        differing(
            "two times",
            format!("t=1,t={NOW},v1={right}"),
            REFUSED,
            node(true),
            "which of them was signed is not said",
        ),
        differing(
            "a time with a zero before",
            format!("t=0{NOW},v1={right}"),
            REFUSED,
            both(true),
            text,
        ),
        differing(
            "that time, signed",
            header(SECRET, format_args!("0{NOW}"), BODY),
            TAKEN,
            both(false),
            text,
        ),
        differing(
            "a time with letters after",
            format!("t={NOW}s,v1={right}"),
            REFUSED,
            node(true),
            text,
        ),
        differing(
            "one of two garbled",
            format!("t={NOW},v1=x,v1={right}"),
            REFUSED,
            both(true),
            whole,
        ),
        differing(
            "a comma at the end",
            format!("t={NOW},v1={right},"),
            REFUSED,
            both(true),
            whole,
        ),
        differing(
            "in capitals",
            format!("t={NOW},v1={}", right.to_uppercase()),
            TAKEN,
            both(false),
            "hexadecimal digits are the same in either case",
        ),
        differing(
            "spaces between",
            format!("t={NOW}, v1={right}"),
            TAKEN,
            both(false),
            "a proxy may fold headers",
        ),
        differing(
            "cut before the digits",
            format!("t={NOW},v1="),
            REFUSED,
            [json!(false), json!("Error")],
            refused,
        ),
        differing(
            "letters that no header has",
            format!("t={NOW},v1={}", "é".repeat(32)),
            REFUSED,
            [json!("TypeError"), json!(false)],
            refused,
        ),
    ]
}

#[test]
fn we_agree_with_stripes_own_packages_and_differ_only_on_purpose() {
    let rows: Vec<Row> = agreements().into_iter().chain(differences()).collect();
    for Row {
        name,
        header,
        ours,
        why,
        ..
    } in &rows
    {
        let verdict = verify(header.as_deref(), BODY, &[SECRET]);
        assert_eq!(verdict.is_ok(), *ours, "{name}: {verdict:?} {why}");
    }
    let payload = std::str::from_utf8(BODY).unwrap();
    let asked: Vec<_> = rows.iter().map(|row| (SECRET, payload, &row.header)).collect();
    for package in Package::all() {
        let answer = package.ask(&json!([]), &json!(asked));
        let verdicts = answer["verified"].as_array().unwrap();
        assert_eq!(verdicts.len(), rows.len(), "{}", package.name);
        let unlike: Vec<String> = rows
            .iter()
            .zip(verdicts)
            .filter(|(row, verdict)| &row.theirs[package.column] != *verdict)
            .map(|(row, verdict)| format!("{}: {verdict}", row.name))
            .collect();
        assert!(unlike.is_empty(), "{}: {unlike:?}", package.name);
    }
}
