//! What is sent, as a file that is the same each time: ids by the order in which they appear, one time, one secret.

use std::collections::{BTreeMap, BTreeSet};

use quittance::domain::signing_secret::SigningSecret;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{folder, read};

const TIME: &str = "2026-11-30T03:00:00Z";
const DAY: &str = "2026-11-30";
/// The time of each signature: that of `TIME`.
const AT: i64 = 1_796_007_600;
/// Of no use anywhere.
const SECRET: [u8; 32] = *b"the secret of recorded messages!";

/// Writes files where they are asked for, and else holds what is sent against them.
#[derive(Default)]
pub(super) struct Recorder {
    names: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
    versions: BTreeMap<String, i64>,
    kept: Vec<Value>,
    files: BTreeSet<String>,
}

impl Recorder {
    /// Keeps a message in a batch of its own.
    pub(super) fn keep(&mut self, name: &str, what: &str, message: Value) {
        let message = self.same_each_time("", message);
        self.kept.push(message.clone());
        let id = message["id"].as_str().unwrap().to_owned();
        self.file(name, what, &id, &[message]);
    }

    /// Keeps all of them in as many batches as that takes, and makes sure that there are no other files.
    pub(super) fn end(mut self) {
        let bookings: Vec<Value> = self
            .kept
            .iter()
            .filter(|message| message["sequence"] == 0)
            .cloned()
            .collect();
        self.file(
            "batch-of-bookings",
            "all bookings and links together",
            "batch_1",
            &bookings,
        );
        self.file("ping", "an empty batch", "batch_2", &[]);
        let there: BTreeSet<String> = super::files("messages")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(there, self.files);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no configuration to read it from"
    )]
    fn file(&mut self, name: &str, what: &str, id: &str, messages: &[Value]) {
        let batch = json!({ "type": "batch", "database": "5d0a3f6e-0000-4000-8000-000000000001", "company": "1", "messages": messages });
        let body = batch.to_string();
        let secret = SigningSecret::new(&SECRET);
        let file = json!({
            "what": what,
            "secret": secret.text().expose_secret(),
            "headers": {
                "content-type": "application/json",
                "webhook-id": id,
                "webhook-timestamp": AT.to_string(),
                "webhook-signature": secret.sign(id, AT, body.as_bytes()),
            },
            "body": body,
        });
        let path = folder("messages").join(format!("{name}.json"));
        if std::env::var("INSTA_UPDATE").is_ok_and(|wish| wish == "always") {
            std::fs::write(&path, format!("{file:#}\n")).unwrap();
        }
        let known = read(&path);
        let messages =
            |file: &Value| -> Value { serde_json::from_str(file["body"].as_str().unwrap()).unwrap() };
        pretty_assertions(&messages(&file), &messages(&known), name);
        assert_eq!(file, known, "{name}");
        self.files.insert(name.to_owned());
    }

    fn same_each_time(&mut self, field: &str, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(field, &text)),
            Value::Array(each) => each
                .into_iter()
                .map(|one| self.same_each_time(field, one))
                .collect(),
            Value::Object(fields) => {
                let is_versioned = fields.contains_key("version");
                let mut told: serde_json::Map<String, Value> = fields
                    .into_iter()
                    .map(|(name, one)| (name.clone(), self.same_each_time(&name, one)))
                    .collect();
                if is_versioned {
                    let version = self.versions.entry(told["id"].to_string()).or_default();
                    *version += 1;
                    told["version"] = json!(*version);
                }
                if told.get("sequence").is_some_and(|sequence| *sequence != 0) {
                    let version = ["payment", "setup", "payment_method", "dispute"]
                        .iter()
                        .find_map(|kind| told.get(*kind).map(|one| one["version"].clone()));
                    told["sequence"] = version.unwrap();
                }
                Value::Object(told)
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        }
    }

    fn text(&mut self, field: &str, text: &str) -> String {
        if field == "due_at" {
            return "2026-12-08T03:00:00Z".to_owned();
        }
        let bytes = text.as_bytes();
        if bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' {
            return if bytes.len() == 10 { DAY } else { TIME }.to_owned();
        }
        let mut same = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('_') {
            let (before, after) = rest.split_at(start);
            let run = &after[1..];
            let run = &run[..run
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(run.len())];
            let letters = before.len() - before.trim_end_matches(|c: char| c.is_ascii_lowercase()).len();
            let (kept, prefix) = before.split_at(before.len() - letters);
            same.push_str(kept);
            let is_ours = run.len() == 26;
            if is_ours || (run.len() == 23 && run.starts_with('3')) {
                same.push_str(&self.name(prefix, run, is_ours));
                rest = &after[1 + run.len()..];
            } else {
                same.push_str(prefix);
                same.push('_');
                rest = &after[1..];
            }
        }
        same + rest
    }

    /// The name that stands for an id wherever it appears.
    fn name(&mut self, prefix: &str, run: &str, is_ours: bool) -> String {
        if let Some(known) = self.names.get(run) {
            return known.clone();
        }
        let count = self.counts.entry(format!("{prefix} {is_ours}")).or_default();
        *count += 1;
        let name = if is_ours {
            format!("{prefix}_{count:026}")
        } else {
            format!("{prefix}_{count}")
        };
        self.names.insert(run.to_owned(), name.clone());
        name
    }
}

/// Fails with both, as they are read by people.
fn pretty_assertions(found: &Value, known: &Value, name: &str) {
    assert!(
        found == known,
        "{name} is not as it was recorded; INSTA_UPDATE=always records it anew.\nnow: {found:#}\nrecorded: {known:#}"
    );
}
