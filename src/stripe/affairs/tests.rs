#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::json;
use time::macros::{date, datetime};

use super::*;

fn payout(status: &str) -> Value {
    json!({
        "id": "po_1", "amount": -1_100, "currency": "jpy", "status": status, "automatic": true, "created": 1_700_000_000,
        "arrival_date": 1_700_092_800, "balance_transaction": { "id": "txn_1" }, "reconciliation_status": "completed",
    })
}

fn read(payout: &Value) -> Result<PayoutSnapshot, Unreadable> {
    serde_json::from_value::<Payout>(payout.clone())
        .unwrap()
        .try_into()
}

#[test]
fn every_word_for_a_payouts_state_is_read_and_a_new_one_is_kept() {
    for state in PayoutState::ALL {
        assert_eq!(read(&payout(state.word())).unwrap().state, Said::Known(state));
    }
    let said = read(&payout("on_a_ship")).unwrap();
    assert_eq!(said.state, Said::Unrecognized("on_a_ship".to_owned()));
    assert_eq!(said.amount, Money::new(-1_100, "JPY".parse().unwrap()));
    assert_eq!(said.arrives_on, Some(date!(2023 - 11 - 16)));
    assert_eq!(said.balance_transaction.as_deref(), Some("txn_1"));
    assert!(said.is_reconciled());
}

#[test]
fn what_is_missing_in_a_payout_is_named_and_the_rest_may_be() {
    for field in ["amount", "currency", "status", "automatic", "created"] {
        let mut without = payout("paid");
        without.as_object_mut().unwrap().remove(field);
        assert_eq!(
            read(&without).unwrap_err().to_string(),
            format!("payout has no readable {field}")
        );
    }
    for field in ["arrival_date", "balance_transaction", "reconciliation_status"] {
        let mut without = payout("paid");
        without.as_object_mut().unwrap().remove(field);
        assert!(read(&without).is_ok(), "{field}");
    }
}

#[test]
fn an_account_is_read_field_by_field() {
    let account = json!({
        "charges_enabled": false, "payouts_enabled": "no", "country": "DE", "default_currency": "eur",
        "requirements": { "currently_due": ["a", "b"], "disabled_reason": "listed" }, "email": "ada@example.com",
    });
    let said = standing(&account);
    assert_eq!((said.charges_enabled, said.payouts_enabled), (Some(false), None));
    assert_eq!(said.default_currency.as_deref(), Some("EUR"));
    let requirements = said.requirements.unwrap();
    assert_eq!(
        (requirements.due_count, requirements.disabled_reason.as_deref()),
        (2, Some("listed"))
    );
    assert_eq!(standing(&json!([])), Standing::default());
}

#[test]
fn a_foreign_payment_is_read_from_its_intent_or_from_a_charge_that_has_none() {
    let intent = json!({
        "id": "pi_1", "amount": 500, "amount_received": 500, "currency": "isk", "status": "succeeded",
        "created": 1_700_000_000, "description": "Invoice 1",
        "latest_charge": { "id": "ch_1", "status": "succeeded", "created": 1_700_000_001, "amount_refunded": 200 },
    });
    let intent: ForeignIntent = serde_json::from_value(intent).unwrap();
    let said = ForeignSnapshot::try_from(intent).unwrap();
    assert_eq!(said.amount, Money::new(5, "ISK".parse().unwrap()));
    assert_eq!((said.captured_minor, said.refunded_minor), (5, 2));
    assert_eq!(said.captured_at, Some(datetime!(2023-11-14 22:13:21 UTC)));

    let mut charge = json!({
        "id": "ch_1", "amount": 500, "captured": true, "currency": "eur", "status": "succeeded", "created": 1,
    });
    let read = |charge: &Value| {
        let charge: ForeignCharge = serde_json::from_value(charge.clone()).unwrap();
        ForeignSnapshot::try_from(charge).unwrap()
    };
    let said = read(&charge);
    assert_eq!(
        (said.provider_reference.as_str(), said.captured_minor),
        ("ch_1", 500)
    );
    assert_eq!(said.state, Said::Known(PaymentState::Captured));
    charge["payment_intent"] = json!({ "id": "pi_1" });
    charge["captured"] = json!(false);
    let said = read(&charge);
    assert_eq!(
        (said.provider_reference.as_str(), said.captured_minor),
        ("pi_1", 0)
    );
    assert_eq!(said.state, Said::Known(PaymentState::Authorized));
}
