//! What Stripe says of disputes, and what it is sent.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::json;

use super::*;
use crate::domain::dispute::EvidenceKind;

fn dispute() -> Value {
    json!({
        "id": "dp_1", "object": "dispute", "amount": 1000, "currency": "isk", "status": "needs_response",
        "reason": "a_reason_of_tomorrow", "created": 1_700_000_000, "charge": "ch_1",
        "payment_intent": { "id": "pi_1" }, "is_charge_refundable": true,
        "evidence": { "customer_name": "Ada", "receipt": { "id": "file_1" }, "enhanced_evidence": {} },
        "evidence_details": { "due_by": 1_700_600_000, "has_evidence": true, "submission_count": 2 },
    })
}

fn read(dispute: &Value) -> Result<DisputeSnapshot, Unreadable> {
    serde_json::from_value::<Dispute>(dispute.clone())
        .unwrap()
        .try_into()
}

#[test]
fn a_dispute_is_read_in_minor_units_with_its_due_date_and_words_of_tomorrow() {
    let said = read(&dispute()).unwrap();
    assert_eq!(said.amount.to_string(), "ISK 10");
    assert_eq!(said.due_at.unwrap().unix_timestamp(), 1_700_600_000);
    assert_eq!(
        (
            said.charge_reference.as_deref(),
            said.payment_reference.as_deref()
        ),
        (Some("ch_1"), Some("pi_1"))
    );
    assert_eq!(said.reason.as_deref(), Some("a_reason_of_tomorrow"));
    assert!(said.has_evidence && said.is_charge_refundable && said.submission_count == 2);

    let mut odd = dispute();
    odd["status"] = json!("in_arbitration");
    odd["evidence_details"] = json!({ "due_by": 0 });
    let said = read(&odd).unwrap();
    assert_eq!(said.state.word(), "in_arbitration");
    assert_eq!(said.due_at, None, "zero: the bank takes no answer");
    assert!(!said.has_evidence);
}

#[test]
fn only_amount_currency_status_and_time_must_be_there() {
    for field in dispute()
        .as_object()
        .unwrap()
        .keys()
        .filter(|field| *field != "id")
    {
        let mut without = dispute();
        without.as_object_mut().unwrap().remove(field);
        let must = ["amount", "currency", "status", "created"].contains(&field.as_str());
        assert_eq!(read(&without).is_err(), must, "{field}");
    }
}

#[test]
fn evidence_is_at_stripe_where_every_field_is_as_it_was_given() {
    let held: Dispute = serde_json::from_value(dispute()).unwrap();
    let given = |name: &str, receipt: &str, carrier: Option<&str>| Evidence {
        customer_name: Some(name.to_owned()),
        receipt: Some(receipt.to_owned()),
        shipping_carrier: carrier.map(str::to_owned),
        ..Evidence::default()
    };
    assert!(held.holds(&given("Ada", "file_1", None)));
    assert!(held.holds(&given("Ada", "file_1", Some(""))), "taken back");
    assert!(!held.holds(&given("Eve", "file_1", None)));
    assert!(!held.holds(&given("Ada", "file_2", None)));
    assert!(!held.holds(&given("Ada", "file_1", Some("DHL"))));
}

#[test]
fn every_field_goes_out_under_its_own_name() {
    let all: Map<String, Value> = Evidence::NAMES
        .iter()
        .map(|name| ((*name).to_owned(), json!(format!("of_{name}"))))
        .collect();
    let evidence: Evidence = serde_json::from_value(Value::Object(all.clone())).unwrap();
    let sent = serde_json::to_value(in_stripes_words(&evidence)).unwrap();
    assert_eq!(sent, Value::Object(all));
    let files = evidence
        .given()
        .filter(|(_, kind, _)| *kind == EvidenceKind::File);
    assert_eq!(files.count(), 9);
}

#[test]
fn words_of_stripes_that_repeat_the_evidence_are_not_passed_on() {
    let evidence = Evidence {
        customer_email_address: Some("ada@example".to_owned()),
        ..Evidence::default()
    };
    let refusal = |message: &str| ProviderError::Invalid {
        code: "email_invalid".to_owned(),
        message: message.to_owned(),
        param: Some("evidence[customer_email_address]".to_owned()),
    };
    let shown = without_evidence(refusal("Invalid email address: ada@example"), &evidence).told();
    assert!(
        !shown.contains("ada") && shown.contains("evidence[customer_email_address]"),
        "{shown}"
    );
    let kept = without_evidence(refusal("No."), &evidence).told();
    assert!(kept.ends_with("No."), "{kept}");
}
