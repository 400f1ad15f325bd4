//! Calls that something goes wrong with: what is said of them, and what is found out later.

use std::time::Duration;

use quittance::domain::operation::{Operation, OperationKind};
use quittance::domain::payment::{CaptureMethod, Payment};
use quittance::provider::{ObjectRef, ProviderError};
use secrecy::ExposeSecret;

use super::{
    Bank, Calls, Effects, Port, Subject, Trouble, done, is_ambiguous, is_unavailable, payment_said,
    refund_said, whole,
};

/// What moves money, or could.
const KINDS: [OperationKind; 4] = [
    OperationKind::Authorize,
    OperationKind::Capture,
    OperationKind::Cancel,
    OperationKind::Refund,
];

/// A payment on which an operation of a kind can be carried out, and that operation.
async fn ready<S: Subject>(port: &Port<'_, S>, kind: OperationKind) -> (Payment, Operation) {
    let payment = match kind {
        OperationKind::Authorize | OperationKind::Checkout | OperationKind::Confirm => {
            port.payment(CaptureMethod::Automatic)
        }
        OperationKind::Capture | OperationKind::Cancel => port.paid(CaptureMethod::Manual).await,
        OperationKind::Refund => port.paid(CaptureMethod::Automatic).await,
    };
    let operation = whole(&payment, kind);
    (payment, operation)
}

pub(crate) async fn a_lost_answer_is_ambiguous_and_is_found<S: Subject>() {
    for trouble in [Trouble::LostAfter, Trouble::FailedAfter, Trouble::Garbage] {
        let subject = S::start().await;
        let port = Port::of(&subject);
        for kind in KINDS {
            let (payment, lost) = ready(&port, kind).await;
            let before = subject.effects();
            subject.befall(Calls::Changes, trouble);
            let error = port.execute(&payment, &lost).await.unwrap_err();
            assert!(is_ambiguous(&error), "{kind} {trouble:?}: {error}");
            subject.heal();

            let found = port.find(&payment, &lost).await.unwrap();
            let found = done(found.unwrap_or_else(|| panic!("{kind} {trouble:?} is not found")));
            let expected = match kind {
                OperationKind::Refund => {
                    assert_eq!(refund_said(found).operation, Some(lost.id));
                    Effects {
                        returns: before.returns + 1,
                        ..before
                    }
                }
                OperationKind::Authorize => {
                    assert_eq!(payment_said(found).amount, payment.amount.into());
                    Effects {
                        payments: before.payments + 1,
                        ..before
                    }
                }
                OperationKind::Cancel => Effects {
                    takings: subject.effects().takings,
                    ..before
                },
                OperationKind::Capture | OperationKind::Checkout | OperationKind::Confirm => before,
            };
            assert_eq!(subject.effects(), expected, "{kind} {trouble:?}");
        }
    }
}

pub(crate) async fn what_was_lost_on_its_way_is_done_once_when_repeated<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let mut payment = port.payment(CaptureMethod::Automatic);
    let authorize = whole(&payment, OperationKind::Authorize);
    subject.befall(Calls::Changes, Trouble::LostBefore);
    let error = port.execute(&payment, &authorize).await.unwrap_err();
    assert!(is_ambiguous(&error), "nobody knows that it was lost: {error}");
    assert_eq!(subject.effects(), Effects::default());
    subject.heal();
    for _ in 0..2 {
        port.done(&mut payment, &authorize).await;
    }
    port.customer_pays(&payment, Bank::Agrees).await;

    let refund = whole(&payment, OperationKind::Refund);
    subject.befall(Calls::Changes, Trouble::LostAfter);
    let error = port.execute(&payment, &refund).await.unwrap_err();
    assert!(is_ambiguous(&error), "{error}");
    subject.heal();
    let back = refund_said(done(port.execute(&payment, &refund).await.unwrap()));
    assert_eq!(back.operation, Some(refund.id));
    let once = Effects {
        payments: 1,
        takings: 1,
        returns: 1,
    };
    assert_eq!(subject.effects(), once);
}

pub(crate) async fn what_never_left_is_unavailable<S: Subject>() {
    let subject = S::start().await;
    let port = Port::over(&subject, subject.unreachable());
    let payment = port.payment(CaptureMethod::Automatic);
    let authorize = whole(&payment, OperationKind::Authorize);
    let error = port.execute(&payment, &authorize).await.unwrap_err();
    assert!(is_unavailable(&error), "{error}");
    assert_eq!((subject.effects(), subject.requests()), (Effects::default(), 0));
}

pub(crate) async fn a_busy_company_does_nothing<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let (payment, capture) = ready(&port, OperationKind::Capture).await;
    subject.befall(Calls::Changes, Trouble::Busy);
    let error = port.execute(&payment, &capture).await.unwrap_err();
    assert!(is_unavailable(&error) || is_ambiguous(&error), "{error}");
    subject.heal();
    assert!(port.find(&payment, &capture).await.unwrap().is_none());
    let said = payment_said(done(port.execute(&payment, &capture).await.unwrap()));
    assert_eq!(said.captured_minor, 12_100);
}

pub(crate) async fn a_rate_limit_says_when_to_come_back<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let payment = port.payment(CaptureMethod::Automatic);
    let authorize = whole(&payment, OperationKind::Authorize);
    subject.befall(Calls::Changes, Trouble::RateLimited);
    let error = port.execute(&payment, &authorize).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::RateLimited { after: Some(after) } if after == Duration::from_mins(1)),
        "{error}"
    );
    assert_eq!(subject.effects(), Effects::default());
}

pub(crate) async fn a_wrong_key_is_told_and_not_shown<S: Subject>() {
    let subject = S::start().await;
    let asked = Port::of(&subject).asked(CaptureMethod::Automatic).await;
    let stranger = Port::over(&subject, subject.with_wrong_key());
    let before = subject.effects();
    let authorize = whole(&asked, OperationKind::Authorize);
    let object = ObjectRef::Payment(asked.provider_reference.clone().unwrap());
    let errors = [
        stranger.execute(&asked, &authorize).await.unwrap_err(),
        stranger.find(&asked, &authorize).await.unwrap_err(),
        stranger
            .provider
            .fetch(&stranger.account, &object)
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, ProviderError::Auth), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(stranger.account.secret_key.expose_secret()));
    }
    assert_eq!(subject.effects(), before);
}

pub(crate) async fn nothing_is_found_of_what_was_never_done<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    for kind in KINDS {
        let (payment, never_sent) = ready(&port, kind).await;
        let found = port.find(&payment, &never_sent).await.unwrap();
        assert!(found.is_none(), "{kind}: {found:?}");

        // Nor is what another operation of the same kind did.
        let other = whole(&payment, kind);
        done(port.execute(&payment, &other).await.unwrap());
        if kind != OperationKind::Cancel {
            let found = port.find(&payment, &never_sent).await.unwrap();
            assert!(found.is_none(), "{kind} of another: {found:?}");
        }
    }
    let unheard_of = port.payment(CaptureMethod::Automatic);
    for kind in KINDS {
        let found = port.find(&unheard_of, &whole(&unheard_of, kind)).await.unwrap();
        assert!(found.is_none(), "{kind}: {found:?}");
    }
}

pub(crate) async fn a_read_that_fails_is_never_ambiguous<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let mut payment = port.payment(CaptureMethod::Automatic);
    let authorize = whole(&payment, OperationKind::Authorize);
    port.done(&mut payment, &authorize).await;
    let object = ObjectRef::Payment(payment.provider_reference.clone().unwrap());
    for trouble in [Trouble::LostBefore, Trouble::Garbage, Trouble::FailedAfter] {
        subject.befall(Calls::Reads, trouble);
        for error in [
            port.provider.fetch(&port.account, &object).await.unwrap_err(),
            port.find(&payment, &authorize).await.unwrap_err(),
        ] {
            assert!(is_unavailable(&error), "{trouble:?}: {error}");
        }
        subject.heal();
    }
}

pub(crate) async fn keys_are_trusted_for_less_time_than_they_are_kept<S: Subject>() {
    let subject = S::start().await;
    assert!(subject.provider().repeatable_for() < S::KEYS_KEPT_FOR);
}
