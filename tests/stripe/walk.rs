//! The walk of a payment: what each operation ends in.

use quittance::domain::operation::{Ask, Operation, OperationKind};
use quittance::domain::payment::{CaptureMethod, Payment, PaymentState};
use quittance::domain::refund::RefundState;
use quittance::domain::snapshot::{Said, Snapshot};
use quittance::provider::{Outcome, ProviderError};
use quittance::stripe::http_client;

use super::{
    Test, authorize, confirmed_with, known, operation, payment, payment_said, refund_said, snapshot,
};

#[tokio::test]
async fn a_payment_waits_for_its_customer_who_then_pays() {
    let test = Test::new().await;
    let mut payment = payment(CaptureMethod::Automatic);
    let authorize = authorize(&payment);
    let created = payment_said(test.done(&mut payment, &authorize).await);
    assert_eq!(created.state, known(PaymentState::Created));
    assert_eq!(created.amount, payment.amount.into());
    assert!(created.client_secret.is_some() && created.decline.is_none() && created.charge.is_none());

    test.customer_pays(&payment, "pm_card_visa").await;
    let paid = test.fetch(&payment).await;
    assert_eq!(
        (paid.state, paid.captured_minor),
        (known(PaymentState::Captured), 12_100)
    );
    let intent = &test.pretend.payment_intents()[0];
    assert_eq!(intent["metadata"]["ticket"], "7");
    assert_eq!(intent["metadata"]["quittance_payment"], payment.id.to_string());
    assert_eq!(
        intent["metadata"]["quittance_operation"],
        authorize.id.to_string()
    );
    assert_eq!(intent["description"], "Invoice 42");
}

#[tokio::test]
async fn a_saved_card_is_charged_at_once() {
    let test = Test::new().await;
    let payment = test.paid(CaptureMethod::Automatic, "pm_card_visa").await;
    assert_eq!(
        (payment.state, payment.captured_minor),
        (PaymentState::Captured, 12_100)
    );
    assert_eq!(test.pretend.charges_made(), 1);
}

#[tokio::test]
async fn a_decline_is_an_outcome_and_says_why() {
    let test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    let card = "pm_card_visa_chargeDeclinedInsufficientFunds";
    let operation = confirmed_with(&payment, card);
    for _ in 0..2 {
        let outcome = test.execute(&payment, &operation).await.unwrap();
        let Outcome::Declined {
            decline,
            snapshot: Some(Snapshot::Payment(said)),
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(decline.code, "insufficient_funds");
        assert!(!decline.message.is_empty());
        assert_eq!(
            (said.state, said.captured_minor),
            (known(PaymentState::Created), 0)
        );
    }
    assert_eq!(test.pretend.charges().len(), 1, "asked twice, tried once");
    assert_eq!(test.pretend.charges_made(), 0);
}

#[tokio::test]
async fn a_customer_who_must_prove_who_they_are_is_told_where() {
    let test = Test::new().await;
    let payment = test
        .paid(CaptureMethod::Automatic, "pm_card_threeDSecure2Required")
        .await;
    assert_eq!(payment.state, PaymentState::RequiresAction);
    assert!(payment.next_action.is_some());
    assert_eq!(test.pretend.charges_made(), 0);

    let intent = payment.provider_reference.clone().unwrap();
    test.pretend.customer().authenticate(&intent, true).await.unwrap();
    assert_eq!(test.fetch(&payment).await.state, known(PaymentState::Captured));
}

#[tokio::test]
async fn a_customer_who_is_not_there_cannot_prove_who_they_are() {
    let test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    let card = Some("pm_card_authenticationRequired".to_owned());
    let ask = Ask {
        payment_method: card,
        off_session: true,
        ..Ask::default()
    };
    let absent = Operation {
        ask,
        ..authorize(&payment)
    };
    let outcome = test.execute(&payment, &absent).await.unwrap();
    assert!(
        matches!(&outcome, Outcome::Declined { decline, .. } if decline.code == "authentication_required"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn held_money_is_captured_whole_or_in_part() {
    let test = Test::new().await;
    for minor in [12_100, 2_100] {
        let mut payment = test.paid(CaptureMethod::Manual, "pm_card_visa").await;
        assert_eq!(
            (payment.state, payment.authorized_minor),
            (PaymentState::Authorized, 12_100)
        );
        let capture = operation(&payment, OperationKind::Capture, minor);
        let said = payment_said(test.done(&mut payment, &capture).await);
        assert_eq!(
            (said.state, said.captured_minor),
            (known(PaymentState::Captured), minor)
        );
        assert_eq!(said.amount, payment.amount.into());
    }
}

#[tokio::test]
async fn held_money_is_let_go() {
    let test = Test::new().await;
    let mut payment = test.paid(CaptureMethod::Manual, "pm_card_visa").await;
    let cancel = operation(&payment, OperationKind::Cancel, 12_100);
    let said = payment_said(test.done(&mut payment, &cancel).await);
    assert_eq!(
        (said.state, said.captured_minor),
        (known(PaymentState::Canceled), 0)
    );
}

#[tokio::test]
async fn money_is_given_back_in_part_and_knows_its_operation() {
    let test = Test::new().await;
    let payment = test.paid(CaptureMethod::Automatic, "pm_card_visa").await;
    test.pretend.settle();
    let refund = operation(&payment, OperationKind::Refund, 2_100);
    for _ in 0..2 {
        let said = refund_said(snapshot(test.execute(&payment, &refund).await));
        assert_eq!(
            (said.amount.minor, &said.state),
            (2_100, &Said::Known(RefundState::Succeeded))
        );
        assert_eq!(said.operation, Some(refund.id));
        assert_eq!(said.payment_reference, payment.provider_reference);
        assert_eq!(said.balance_transaction.unwrap().amount.minor, -2_100);
    }
    assert_eq!(test.pretend.refunds().len(), 1);
}

#[tokio::test]
async fn what_stripe_finds_wrong_is_told_in_its_words() {
    let test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    let operation = confirmed_with(&payment, "pm_of_someone_else");
    let error = test.execute(&payment, &operation).await.unwrap_err();
    let ProviderError::Invalid { code, message, param } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (code.as_str(), param.as_deref()),
        ("resource_missing", Some("payment_method"))
    );
    assert!(message.contains("pm_of_someone_else"));
}

/// Captures as someone else would, past us: a person in Stripe's dashboard, or Stripe having forgotten our key.
async fn captured_past_us(test: &Test, payment: &Payment, mark: Option<&Operation>) {
    let intent = payment.provider_reference.as_ref().unwrap();
    let mark = mark.map(|operation| ("metadata[quittance_capture]", operation.id.to_string()));
    let answer = http_client()
        .unwrap()
        .post(format!(
            "{}/v1/payment_intents/{intent}/capture",
            test.pretend.url()
        ))
        .bearer_auth(test.pretend.secret_key())
        .form(&Vec::from_iter(mark))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
}

#[tokio::test]
async fn a_capture_that_was_already_done_is_done_unless_another_operation_did_it() {
    let test = Test::new().await;
    let mut payments = Vec::new();
    for _ in 0..3 {
        payments.push(test.paid(CaptureMethod::Manual, "pm_card_visa").await);
    }
    let capture = |payment| operation(payment, OperationKind::Capture, 12_100);

    let ours = capture(&payments[0]);
    captured_past_us(&test, &payments[0], Some(&ours)).await;
    let outcome = test.execute(&payments[0], &ours).await;
    assert!(
        matches!(outcome, Ok(Outcome::Done(_))),
        "Stripe forgot the key: {outcome:?}"
    );

    captured_past_us(&test, &payments[1], None).await;
    let outcome = test.execute(&payments[1], &capture(&payments[1])).await;
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "by hand: {outcome:?}");

    captured_past_us(&test, &payments[2], Some(&ours)).await;
    let error = test
        .execute(&payments[2], &capture(&payments[2]))
        .await
        .unwrap_err();
    assert!(is_unexpected_state(&error), "by another operation: {error}");
}

#[tokio::test]
async fn what_can_no_longer_be_done_is_refused() {
    let test = Test::new().await;
    let payment = test.paid(CaptureMethod::Automatic, "pm_card_visa").await;
    let cancel = operation(&payment, OperationKind::Cancel, 12_100);
    let error = test.execute(&payment, &cancel).await.unwrap_err();
    assert!(is_unexpected_state(&error), "{error}");

    test.pretend.settle();
    let [first, second] = [(); 2].map(|()| operation(&payment, OperationKind::Refund, 12_100));
    snapshot(test.execute(&payment, &first).await);
    let error = test.execute(&payment, &second).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Invalid { code, .. } if code == "charge_already_refunded"),
        "{error}"
    );
    assert_eq!(test.pretend.refunds().len(), 1);
}

fn is_unexpected_state(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Invalid { code, .. } if code == "payment_intent_unexpected_state")
}
