//! What became of an operation, and how a payment stands.

use std::time::Duration;

use quittance::domain::operation::{Operation, OperationKind};
use quittance::domain::payment::{CaptureMethod, Payment, PaymentState};
use quittance::domain::refund::RefundState;
use quittance::domain::snapshot::Said;
use quittance::provider::{ObjectRef, Outcome, Provider, ProviderError};
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::{Options, Settlement};

use super::{PATIENT, Test, confirmed_with, known, operation, payment, payment_said, refund_said, snapshot};

/// Carries an operation out so that its answer is stored as a failure: only looking up can tell.
async fn lost(test: &Test, payment: &Payment, operation: &Operation) {
    test.pretend
        .faults()
        .next(Matcher::method_path("POST", "/v1/**"), Fault::ErrorAfter);
    test.execute(payment, operation).await.unwrap_err();
    test.execute(payment, operation).await.unwrap_err();
}

#[tokio::test]
async fn a_lost_authorization_is_found_by_search_without_repeating_it() {
    let test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    let authorize = confirmed_with(&payment, "pm_card_visa");
    assert!(test.find(&payment, &authorize).await.unwrap().is_none());
    lost(&test, &payment, &authorize).await;

    let found = payment_said(snapshot(
        test.find(&payment, &authorize).await.map(Option::unwrap),
    ));
    assert_eq!(found.state, known(PaymentState::Captured));
    let other = confirmed_with(&payment, "pm_card_visa");
    assert!(
        test.find(&payment, &other).await.unwrap().is_none(),
        "another operation's is not ours"
    );
    assert_eq!(test.pretend.charges_made(), 1);
}

#[tokio::test]
async fn what_search_does_not_show_yet_is_in_the_list_of_that_time_or_else_proves_nothing() {
    let lagging = Options {
        search_lag: Duration::from_hours(1),
        ..Options::default()
    };
    let test = Test::with(PATIENT, lagging).await;
    let payment = payment(CaptureMethod::Automatic);
    let long_ago = confirmed_with(&payment, "pm_card_visa");
    lost(&test, &payment, &long_ago).await;
    assert!(test.find(&payment, &long_ago).await.unwrap().is_none());

    let sent_now = Operation {
        first_sent_at: std::time::SystemTime::now().into(),
        ..long_ago.clone()
    };
    assert!(test.find(&payment, &sent_now).await.unwrap().is_some());

    let reference = test.pretend.payment_intents()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let told = Payment {
        provider_reference: Some(reference),
        ..payment
    };
    assert!(
        test.find(&told, &long_ago).await.unwrap().is_some(),
        "by its id, it is there at once"
    );
}

#[tokio::test]
async fn a_lost_decline_is_found_as_a_decline() {
    let test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    let authorize = confirmed_with(&payment, "pm_card_chargeDeclinedExpiredCard");
    lost(&test, &payment, &authorize).await;
    let found = test.find(&payment, &authorize).await.unwrap().unwrap();
    assert!(
        matches!(&found, Outcome::Declined { decline, .. } if decline.code == "expired_card"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_lost_capture_is_found_by_its_mark_on_the_intent() {
    let test = Test::new().await;
    let payment = test.paid(CaptureMethod::Manual, "pm_card_visa").await;
    let capture = operation(&payment, OperationKind::Capture, 100);
    assert!(test.find(&payment, &capture).await.unwrap().is_none());
    lost(&test, &payment, &capture).await;
    let found = payment_said(snapshot(test.find(&payment, &capture).await.map(Option::unwrap)));
    assert_eq!(
        (found.state, found.captured_minor),
        (known(PaymentState::Captured), 100)
    );
}

#[tokio::test]
async fn a_lost_cancel_is_found_by_the_intents_end() {
    let test = Test::new().await;
    let payment = test.paid(CaptureMethod::Manual, "pm_card_visa").await;
    let cancel = operation(&payment, OperationKind::Cancel, 12_100);
    assert!(test.find(&payment, &cancel).await.unwrap().is_none());
    lost(&test, &payment, &cancel).await;
    let found = payment_said(snapshot(test.find(&payment, &cancel).await.map(Option::unwrap)));
    assert_eq!(found.state, known(PaymentState::Canceled));
}

#[tokio::test]
async fn a_lost_refund_is_found_among_the_intents_refunds() {
    let test = Test::new().await;
    let payment = test.paid(CaptureMethod::Automatic, "pm_card_visa").await;
    let [other, ours] = [100, 200].map(|minor| operation(&payment, OperationKind::Refund, minor));
    snapshot(test.execute(&payment, &other).await);
    assert!(test.find(&payment, &ours).await.unwrap().is_none());
    lost(&test, &payment, &ours).await;
    let found = refund_said(snapshot(test.find(&payment, &ours).await.map(Option::unwrap)));
    assert_eq!((found.amount.minor, found.operation), (200, Some(ours.id)));
    assert_eq!(test.pretend.refunds().len(), 2);
}

#[tokio::test]
async fn what_was_never_sent_to_stripe_is_not_looked_for_there() {
    let test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    for kind in [
        OperationKind::Capture,
        OperationKind::Cancel,
        OperationKind::Refund,
    ] {
        assert!(
            test.find(&payment, &operation(&payment, kind, 1))
                .await
                .unwrap()
                .is_none()
        );
    }
    assert!(test.pretend.requests().is_empty());
}

#[tokio::test]
async fn a_payment_is_read_with_its_fee_once_there_is_one() {
    let on_demand = Options {
        settlement: Settlement::OnDemand,
        ..Options::default()
    };
    let test = Test::with(PATIENT, on_demand).await;
    let payment = test.paid(CaptureMethod::Automatic, "pm_card_visa").await;
    let charge = test.fetch(&payment).await.charge.unwrap();
    assert!(charge.balance_transactions.is_empty() && charge.refunds.is_empty());

    test.pretend.settle();
    let charge = test.fetch(&payment).await.charge.unwrap();
    let line = &charge.balance_transactions[0];
    let booked = &test.pretend.balance_transactions()[0];
    assert_eq!(line.id, booked["id"].as_str().unwrap());
    assert_eq!(
        (line.kind.as_str(), line.source.clone()),
        ("charge", Some(charge.id))
    );
    assert_eq!(
        (line.amount.minor, line.fee_minor),
        (12_100, booked["fee"].as_i64().unwrap())
    );
    assert_eq!(line.net_minor, line.amount.minor - line.fee_minor);
}

#[tokio::test]
async fn a_payment_is_read_with_all_its_refunds_and_their_lines() {
    let test = Test::new().await;
    let payment = test.paid(CaptureMethod::Automatic, "pm_card_visa").await;
    for _ in 0..12 {
        snapshot(
            test.execute(&payment, &operation(&payment, OperationKind::Refund, 100))
                .await,
        );
    }
    test.pretend.settle();
    let refunds = test.fetch(&payment).await.charge.unwrap().refunds;
    assert_eq!(refunds.len(), 12, "more than Stripe shows with a charge");
    for refund in refunds {
        assert_eq!(refund.state, Said::Known(RefundState::Succeeded));
        assert_eq!(refund.balance_transaction.unwrap().amount.minor, -100);
    }
}

#[tokio::test]
async fn a_refund_that_came_back_is_read_as_failed() {
    let on_demand = Options {
        settlement: Settlement::OnDemand,
        ..Options::default()
    };
    let test = Test::with(PATIENT, on_demand).await;
    let payment = test.paid(CaptureMethod::Automatic, "pm_card_refundFail").await;
    test.pretend.settle();
    snapshot(
        test.execute(&payment, &operation(&payment, OperationKind::Refund, 12_100))
            .await,
    );
    test.pretend.settle();
    let refunds = test.fetch(&payment).await.charge.unwrap().refunds;
    assert_eq!(refunds[0].state, Said::Known(RefundState::Failed));
}

#[tokio::test]
async fn a_charge_that_was_declined_is_no_charge() {
    let test = Test::new().await;
    let mut payment = payment(CaptureMethod::Automatic);
    let authorize = super::authorize(&payment);
    test.done(&mut payment, &authorize).await;
    test.customer_pays(&payment, "pm_card_chargeDeclined").await;
    let said = test.fetch(&payment).await;
    assert_eq!(said.state, known(PaymentState::Created));
    assert!(said.decline.is_some() && said.charge.is_none());
}

#[tokio::test]
async fn what_stripe_does_not_have_or_what_is_no_id_is_refused() {
    let test = Test::new().await;
    for reference in ["pi_of_nobody", "", "../refunds", "pi_1?expand[]=x"] {
        let object = ObjectRef::Payment(reference.to_owned());
        let error = test.stripe.fetch(&test.account, &object).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::Invalid { code, .. } if code == "resource_missing"),
            "{error}"
        );
    }
    assert_eq!(test.pretend.requests().len(), 1, "what is no id never left");
}
