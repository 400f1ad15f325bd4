//! What a provider says of itself is so.

use quittance::domain::checkout::Page;
use quittance::domain::operation::{Ask, Operation, OperationKind};
use quittance::domain::payment::{CaptureMethod, Payment, PaymentState};
use quittance::domain::snapshot::Snapshot;
use quittance::provider::Capability;
use secrecy::ExposeSecret;

use super::{Port, Subject, done, is_invalid, known, operation, payment_said, refund_said, whole};

/// A payment and an operation that needs an ability; none where a payment cannot come that far without another ability.
async fn needing<S: Subject>(port: &Port<'_, S>, ability: Capability) -> Option<(Payment, Operation)> {
    let can_hold = port.provider.capabilities().contains(&Capability::ManualCapture);
    let partly = |payment: &Payment, kind, ask| operation(payment, kind, 2_100, ask);
    Some(match ability {
        Capability::ManualCapture => {
            let payment = port.payment(CaptureMethod::Manual);
            let authorize = whole(&payment, OperationKind::Authorize);
            (payment, authorize)
        }
        Capability::PartialCapture | Capability::SeveralCaptures if !can_hold => return None,
        Capability::PartialCapture | Capability::SeveralCaptures => {
            let payment = port.paid(CaptureMethod::Manual).await;
            let ask = Ask {
                is_final: ability == Capability::PartialCapture,
                ..Ask::default()
            };
            let capture = partly(&payment, OperationKind::Capture, ask);
            (payment, capture)
        }
        Capability::PartialRefund => {
            let payment = port.paid(CaptureMethod::Automatic).await;
            let refund = partly(&payment, OperationKind::Refund, Ask::default());
            (payment, refund)
        }
        Capability::Confirm => {
            let payment = port.asked(CaptureMethod::Automatic).await;
            let ask = port.subject.saved_method();
            let confirm = operation(&payment, OperationKind::Confirm, 12_100, ask);
            (payment, confirm)
        }
        Capability::HostedPage => {
            let payment = Payment {
                hosted: true,
                ..port.payment(CaptureMethod::Automatic)
            };
            let page = Page {
                success_url: "https://shop.example/done".to_owned(),
                cancel_url: None,
                expires_at: None,
            };
            let ask = Ask {
                page: Some(page),
                ..Ask::default()
            };
            let checkout = operation(&payment, OperationKind::Checkout, 12_100, ask);
            (payment, checkout)
        }
    })
}

fn check_done(ability: Capability, said: Snapshot) {
    match ability {
        Capability::ManualCapture => {
            let said = payment_said(said);
            assert_eq!(said.captured_minor, 0, "nothing is taken by itself");
        }
        Capability::PartialCapture => {
            let said = payment_said(said);
            let stands = (known(&said.state), said.captured_minor, said.capturable_minor);
            assert_eq!(stands, (PaymentState::Captured, 2_100, 0), "the rest is let go");
        }
        Capability::SeveralCaptures => {
            let said = payment_said(said);
            let stands = (known(&said.state), said.captured_minor, said.capturable_minor);
            assert_eq!(
                stands,
                (PaymentState::Authorized, 2_100, 10_000),
                "the rest is held"
            );
        }
        Capability::PartialRefund => assert_eq!(refund_said(said).amount.minor, 2_100),
        Capability::Confirm => {
            let state = known(&payment_said(said).state);
            assert!(
                matches!(state, PaymentState::Processing | PaymentState::Captured),
                "{state}"
            );
        }
        Capability::HostedPage => match said {
            Snapshot::Checkout(page) => assert!(page.url.is_some(), "the customer can be sent there"),
            other @ (Snapshot::Payment(_) | Snapshot::Refund(_)) => panic!("no page: {other:?}"),
        },
    }
}

pub(crate) async fn what_it_says_it_can_it_does<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    for &ability in port.provider.capabilities() {
        let (payment, asked) = needing(&port, ability).await.unwrap();
        check_done(ability, done(port.execute(&payment, &asked).await.unwrap()));
    }
}

pub(crate) async fn what_it_says_it_cannot_it_refuses<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let able = port.provider.capabilities();
    for ability in Capability::ALL
        .into_iter()
        .filter(|ability| !able.contains(ability))
    {
        let Some((payment, asked)) = needing(&port, ability).await else {
            continue;
        };
        let before = subject.effects();
        let error = port.execute(&payment, &asked).await.unwrap_err();
        assert!(is_invalid(&error), "{ability}: {error}");
        assert_eq!(
            subject.effects(),
            before,
            "{ability}: nothing, and nothing similar"
        );
        if let Some(reference) = &payment.provider_reference {
            let (then, now) = (payment.captured_minor, port.fetch(&payment).await.captured_minor);
            assert_eq!(then, now, "{ability} of {reference}");
        }
    }
}

pub(crate) async fn keys_of_the_other_mode_are_refused_and_not_shown<S: Subject>() {
    let subject = S::start().await;
    let provider = subject.provider();
    assert_eq!(provider.check_keys(&subject.account()), Ok(()));
    let mut live = subject.with_live_keys();
    let refusal = provider.check_keys(&live).unwrap_err();
    assert!(!refusal.contains(live.secret_key.expose_secret()), "{refusal}");
    live.live = true;
    assert_eq!(provider.check_keys(&live), Ok(()));
    let mut test = subject.account();
    test.live = true;
    assert!(
        provider.check_keys(&test).is_err(),
        "a test key moves no real money"
    );
}
