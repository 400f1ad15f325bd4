//! The contract with the addon, as a schema and as recorded messages and answers. The addon's own tests read the same files.

mod record;
mod scenes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quittance::domain::signing_secret::SigningSecret;
use serde_json::{Value, json};

use record::Recorder;

/// Where what is recorded is kept.
fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/contract")
        .join(of)
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of a folder, by its name.
fn files(of: &str) -> Vec<(String, Value)> {
    let mut files: Vec<(String, Value)> = std::fs::read_dir(folder(of))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                read(&path),
            )
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files
}

/// Fails unless a value is as the schema says that a `batch` or the `results` are.
fn assert_fits(definition: &str, value: &Value, what: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/odoo-contract.schema.json");
    let mut schema = read(&path);
    let root = schema.as_object_mut().unwrap();
    root.remove("anyOf");
    root.insert("$ref".to_owned(), json!(format!("#/$defs/{definition}")));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
}

#[tokio::test]
async fn every_message_that_the_service_sends_fits_the_schema_and_is_as_it_was_recorded() {
    let world = scenes::play().await;
    assert_eq!(world.addon.broken(), Vec::<String>::new());
    let mut kinds = BTreeSet::new();
    for request in world.addon.requests() {
        let batch: Value = serde_json::from_str(&request.body).unwrap();
        assert_fits("batch", &batch, "a batch that was sent");
        for message in batch["messages"].as_array().unwrap() {
            kinds.insert(message["type"].as_str().unwrap().to_owned());
        }
    }
    let all = [
        "dispute.updated",
        "ledger.booked",
        "payment.linked",
        "payment.updated",
        "payment_method.updated",
        "setup.updated",
    ];
    assert_eq!(kinds, BTreeSet::from(all.map(str::to_owned)));
    let mut recorder = Recorder::default();
    for (name, what, message) in scenes::pick(&world) {
        recorder.keep(name, what, message);
    }
    recorder.end();
}

#[test]
fn every_recorded_batch_fits_the_schema_and_is_signed() {
    let files = files("messages");
    assert!(files.len() > 20, "{} are there", files.len());
    for (name, file) in files {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let body = text(&file["body"]);
        assert_fits("batch", &serde_json::from_str(&body).unwrap(), &name);
        let secret = SigningSecret::parse(&text(&file["secret"]).into()).unwrap();
        let headers = &file["headers"];
        let (id, at) = (text(&headers["webhook-id"]), text(&headers["webhook-timestamp"]));
        let signature = secret.sign(&id, at.parse().unwrap(), body.as_bytes());
        assert_eq!(text(&headers["webhook-signature"]), signature, "{name}");
    }
}

#[test]
fn every_recorded_answer_that_can_be_read_fits_the_schema() {
    for (name, file) in files("answers") {
        if file["status"] == 200 && !["unreadable", "unknown-word"].contains(&name.as_str()) {
            let body = serde_json::from_str(file["body"].as_str().unwrap()).unwrap();
            assert_fits("results", &body, &name);
        }
    }
}
