//! What goes over the wire, and over how many wires.

use futures::future::join_all;
use quittance::domain::payment::CaptureMethod;
use quittance::provider::{Call, Provider, ProviderError};
use quittance::stripe::API_VERSION;
use quittance_sandbox::faults::{Fault, Matcher};

use super::{Test, authorize, payment};

#[tokio::test]
async fn a_request_bears_its_operations_key_our_version_and_the_connected_account() {
    let mut test = Test::new().await;
    test.account.external_account = Some(test.pretend.account_id().to_owned());
    let mut payment = payment(CaptureMethod::Automatic);
    let authorize = authorize(&payment);
    test.done(&mut payment, &authorize).await;
    test.fetch(&payment).await;

    let [create, read] = test.pretend.requests().try_into().unwrap();
    assert_eq!(create.path, "/v1/payment_intents");
    assert_eq!(create.idempotency_key, Some(authorize.id.to_string()));
    assert_eq!(
        read.path,
        format!("/v1/payment_intents/{}", payment.provider_reference.unwrap())
    );
    assert_eq!(read.idempotency_key, None);
    for request in [create, read] {
        assert_eq!(request.stripe_version.as_deref(), Some(API_VERSION));
        assert_eq!(request.stripe_account.as_deref(), Some(test.pretend.account_id()));
    }
}

#[tokio::test]
async fn every_repeat_bears_the_same_key_and_moves_money_once() {
    let test = Test::new().await;
    test.pretend.faults().times(1, Matcher::any(), Fault::ResetAfter);
    test.pretend.faults().times(1, Matcher::any(), Fault::CutAfter);
    test.pretend.faults().times(1, Matcher::any(), Fault::Conflict);
    let mut payment = payment(CaptureMethod::Automatic);
    let authorize = authorize(&payment);
    test.done(&mut payment, &authorize).await;

    assert_eq!(test.pretend.keys_seen(), vec![authorize.id.to_string(); 4]);
    assert_eq!(test.pretend.payment_intents().len(), 1);
}

#[tokio::test]
async fn connections_are_kept_and_shared() {
    let test = Test::new().await;
    let mut payment = payment(CaptureMethod::Automatic);
    let authorize = authorize(&payment);
    test.done(&mut payment, &authorize).await;
    for _ in 0..50 {
        test.fetch(&payment).await;
    }
    assert_eq!(test.pretend.connections(), 1, "one after the other need one");
    join_all((0..8).map(|_| test.fetch(&payment))).await;
    join_all((0..8).map(|_| test.fetch(&payment))).await;
    assert!(
        test.pretend.connections() <= 8,
        "eight at a time need eight, not {}",
        test.pretend.connections()
    );
}

#[tokio::test]
async fn a_key_that_stripe_does_not_know_or_could_never_have_given_is_told_apart_from_a_refusal() {
    let mut test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    let operation = authorize(&payment);
    for key in ["sk_test_of_someone_else", "sk_test_\nx", ""] {
        test.account.secret_key = key.into();
        let error = test.execute(&payment, &operation).await.unwrap_err();
        assert!(matches!(error, ProviderError::Auth), "{error}");
        assert!(
            key.is_empty() || !format!("{error:?} {error}").contains(key),
            "the key is shown"
        );
    }
    assert_eq!(test.pretend.payment_intents().len(), 0);
}

#[tokio::test]
async fn an_account_set_up_wrongly_is_refused_before_anything_is_sent() {
    let mut test = Test::new().await;
    let payment = payment(CaptureMethod::Automatic);
    let operation = authorize(&payment);
    test.account.external_account = Some("acct_\n1".to_owned());
    let call = Call {
        payment: &payment,
        operation: &operation,
    };
    let error = test.stripe.execute(&test.account, call).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Invalid { param: Some(param), .. } if param == "external_account"),
        "{error}"
    );
    assert!(test.pretend.requests().is_empty());
}
