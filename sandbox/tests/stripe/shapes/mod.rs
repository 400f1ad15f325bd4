//! Every object we answer, beside Stripe's own example of it: field by field, type by type.
//!
//! The examples are not part of this repository. Where they are not at hand, the check is skipped and says so.

mod answers;
mod excused;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::checkout::SESSIONS;
use super::official::skipped;
use super::setups::SETUPS;
use super::support::Desk;
use answers::answers;
use excused::{BY_TYPE, NULLABLE, VARIANCE};

/// What the reference knows of an error.
const ERROR_FIELDS: [&str; 14] = [
    "advice_code",
    "charge",
    "code",
    "decline_code",
    "doc_url",
    "message",
    "network_advice_code",
    "network_decline_code",
    "param",
    "payment_intent",
    "payment_method",
    "request_log_url",
    "setup_intent",
    "type",
];

#[tokio::test]
async fn every_object_has_the_fields_and_types_of_stripes_example() {
    let Some(examples) = examples() else { return };
    let mut differences = BTreeSet::new();
    for object in answers().await {
        let kind = object["object"].as_str().unwrap();
        let kind = if object["deleted"] == true {
            "deleted_customer"
        } else {
            kind
        };
        compare(kind, &examples[kind], &object, &mut differences);
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[tokio::test]
async fn errors_and_lists_have_the_fields_that_the_reference_names() {
    let desk = Desk::open().await;
    let errors = [
        desk.post("/v1/payment_intents", "currency=eur").await,
        desk.pay("chargeDeclinedInsufficientFunds", "").await,
        desk.get("/v1/charges/ch_nothing").await,
        desk.post(
            SETUPS,
            "payment_method=pm_card_chargeDeclined&payment_method_types[]=card&confirm=true",
        )
        .await,
        desk.post(SESSIONS, "mode=payment").await,
    ];
    for answered in errors {
        let error = answered.body["error"].as_object().unwrap();
        for (name, value) in error {
            assert!(ERROR_FIELDS.contains(&name.as_str()), "{name}");
            let object = matches!(
                name.as_str(),
                "payment_intent" | "payment_method" | "setup_intent"
            );
            assert!(
                if object {
                    value.is_object()
                } else {
                    value.is_string()
                },
                "{name}"
            );
        }
        assert!(error.contains_key("message") && error.contains_key("request_log_url"));
    }
    for path in [
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "payouts",
        "balance_transactions",
        "events",
        "customers",
        "payment_methods",
        "setup_intents",
        "checkout/sessions",
    ] {
        let list = desk.get(&format!("/v1/{path}")).await.body;
        let names: Vec<_> = list.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["data", "has_more", "object", "url"]);
        assert_eq!(list["url"], format!("/v1/{path}"));
    }
}

/// Stripe's example objects by name.
fn examples() -> Option<Value> {
    let mut around = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let Some(text) = around.find_map(|place| std::fs::read(place.join("shared/stripe/fixtures3.json")).ok())
    else {
        skipped("comparing with Stripe's example objects: fixtures3.json is not at hand");
        return None;
    };
    Some(serde_json::from_slice::<Value>(&text).unwrap()["resources"].take())
}

fn compare(path: &str, example: &Value, ours: &Value, differences: &mut BTreeSet<String>) {
    if VARIANCE.iter().any(|(name, _)| *name == path) || path.ends_with(".metadata") {
        return;
    }
    match (example, ours) {
        (Value::Null, _) => {}
        (_, Value::Null) => {
            if !NULLABLE.contains(&path) {
                differences.insert(format!("{path} is null, and may not be"));
            }
        }
        (Value::Object(example), Value::Object(ours)) => {
            let names: BTreeSet<_> = example.keys().chain(ours.keys()).collect();
            for name in names {
                let inner = format!("{path}.{name}");
                let other_type = BY_TYPE.contains(&inner.as_str()) && ours["type"] != name.as_str();
                let excused = other_type || VARIANCE.iter().any(|(name, _)| *name == inner);
                match (example.get(name), ours.get(name)) {
                    (Some(example), Some(ours)) => compare(&inner, example, ours, differences),
                    _ if excused => {}
                    (Some(_), None) => drop(differences.insert(format!("{inner} is missing"))),
                    (None, _) => drop(differences.insert(format!("{inner} is not Stripe's"))),
                }
            }
        }
        (Value::Array(examples), Value::Array(ours)) => {
            for (example, ours) in examples.iter().cycle().zip(ours) {
                compare(&format!("{path}[]"), example, ours, differences);
            }
        }
        (example, ours) => {
            if std::mem::discriminant(example) != std::mem::discriminant(ours) {
                differences.insert(format!("{path} has another type: {ours}"));
            }
        }
    }
}
