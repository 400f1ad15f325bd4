//! Operations and reads, on days when nothing goes wrong.

use quittance::domain::operation::{Ask, OperationKind};
use quittance::domain::payment::{CaptureMethod, PaymentState};
use quittance::domain::refund::RefundState;
use quittance::domain::snapshot::Snapshot;
use quittance::provider::{ObjectRef, Outcome};

use super::{
    Bank, Effects, Port, Subject, amount, done, is_ambiguous, is_invalid, is_unavailable, known, operation,
    payment_said, refund_said, whole,
};

pub(crate) async fn the_same_operation_at_the_same_time_or_later_has_one_effect<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let mut payment = port.payment(CaptureMethod::Automatic);
    let authorize = whole(&payment, OperationKind::Authorize);
    let both = tokio::join!(
        port.execute(&payment, &authorize),
        port.execute(&payment, &authorize)
    );
    for result in [both.0, both.1] {
        let is_fine = result
            .as_ref()
            .map_or_else(|error| is_unavailable(error) || is_ambiguous(error), |_| true);
        assert!(is_fine, "{result:?}");
    }
    port.done(&mut payment, &authorize).await;
    port.customer_pays(&payment, Bank::Agrees).await;
    done(port.execute(&payment, &authorize).await.unwrap());

    let once = Effects {
        payments: 1,
        takings: 1,
        returns: 0,
    };
    assert_eq!(subject.effects(), once);
}

pub(crate) async fn money_that_is_held_is_captured_whole_and_once<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let mut payment = port.paid(CaptureMethod::Manual).await;
    assert_eq!((payment.authorized_minor, payment.captured_minor), (12_100, 0));
    let capture = whole(&payment, OperationKind::Capture);
    for _ in 0..2 {
        let said = payment_said(done(port.execute(&payment, &capture).await.unwrap()));
        assert_eq!(known(&said.state), PaymentState::Captured);
        assert_eq!((said.captured_minor, said.capturable_minor), (12_100, 0));
        assert_eq!(said.amount, payment.amount.into());
    }
    port.read(&mut payment).await;
    assert_eq!((payment.captured_minor, subject.effects().takings), (12_100, 1));
}

pub(crate) async fn money_that_is_held_is_let_go<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    for mut payment in [
        port.paid(CaptureMethod::Manual).await,
        port.asked(CaptureMethod::Automatic).await,
    ] {
        let cancel = whole(&payment, OperationKind::Cancel);
        for _ in 0..2 {
            let said = payment_said(done(port.execute(&payment, &cancel).await.unwrap()));
            assert_eq!(
                (known(&said.state), said.captured_minor),
                (PaymentState::Canceled, 0)
            );
        }
        port.read(&mut payment).await;
        assert_eq!(
            (payment.state, payment.captured_minor),
            (PaymentState::Canceled, 0)
        );
    }
}

pub(crate) async fn money_is_given_back_once_and_knows_its_operation<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let payment = port.paid(CaptureMethod::Automatic).await;
    let refund = whole(&payment, OperationKind::Refund);
    for _ in 0..2 {
        let said = refund_said(done(port.execute(&payment, &refund).await.unwrap()));
        assert!(matches!(
            known(&said.state),
            RefundState::Pending | RefundState::Succeeded
        ));
        assert_eq!(
            (said.amount, said.operation),
            (payment.amount.into(), Some(refund.id))
        );
        assert!(
            said.payment_reference.is_none() || said.payment_reference == payment.provider_reference,
            "{said:?}"
        );
    }
    subject.settle();
    let charge = port.fetch(&payment).await.charge.unwrap();
    let [back] = &charge.refunds[..] else {
        panic!("{charge:?}")
    };
    assert_eq!(
        (known(&back.state), back.operation),
        (RefundState::Succeeded, Some(refund.id))
    );
    assert_eq!(subject.effects().returns, 1);
}

pub(crate) async fn a_decline_is_an_outcome_and_moves_nothing<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let payment = port.payment(CaptureMethod::Automatic);
    let ask = subject.declined_at_once();
    let authorize = operation(&payment, OperationKind::Authorize, 12_100, ask);
    let outcome = port.execute(&payment, &authorize).await.unwrap();
    let Outcome::Declined { decline, snapshot } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(!decline.code.is_empty() && !decline.message.is_empty());
    if let Some(Snapshot::Payment(said)) = snapshot {
        assert_eq!((said.captured_minor, said.capturable_minor), (0, 0));
        assert!(said.charge.is_none(), "no money moved");
    }
    assert_eq!(subject.effects().takings, 0);
}

pub(crate) async fn a_customer_whose_bank_says_no_is_told_why_and_pays_nothing<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let payment = port.asked(CaptureMethod::Automatic).await;
    port.customer_pays(&payment, Bank::Declines).await;
    let said = port.fetch(&payment).await;
    assert!(
        matches!(known(&said.state), PaymentState::Created | PaymentState::Canceled),
        "open for another attempt, or over: {said:?}"
    );
    assert!(said.decline.is_some_and(|decline| !decline.code.is_empty()));
    assert_eq!((said.captured_minor, subject.effects().takings), (0, 0));
    assert!(said.charge.is_none(), "no money moved");
}

pub(crate) async fn a_read_agrees_with_the_outcome<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let mut payment = port.payment(CaptureMethod::Manual);
    for (kind, pays) in [(OperationKind::Authorize, true), (OperationKind::Capture, false)] {
        let asked = whole(&payment, kind);
        let outcome = payment_said(port.done(&mut payment, &asked).await);
        let found = port.find(&payment, &asked).await.unwrap();
        let read = port.fetch(&payment).await;
        for said in [payment_said(done(found.unwrap())), read] {
            assert_eq!(said.provider_reference, outcome.provider_reference);
            assert_eq!(said.state, outcome.state, "{kind}");
            assert_eq!(said.amount, outcome.amount);
            let amounts = (said.capturable_minor, said.captured_minor);
            assert_eq!(
                amounts,
                (outcome.capturable_minor, outcome.captured_minor),
                "{kind}"
            );
        }
        if pays {
            port.customer_pays(&payment, Bank::Agrees).await;
            port.read(&mut payment).await;
        }
    }
}

pub(crate) async fn amounts_are_exact_whatever_decimals_the_currency_has<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    for (minor, currency) in [
        (12_101, "EUR"),
        (5_003, "JPY"),
        (12_340, "KWD"),
        (1_000_000, "KWD"),
    ] {
        let mut payment = port.payment_of(CaptureMethod::Automatic, amount(minor, currency));
        let authorize = whole(&payment, OperationKind::Authorize);
        let asked = payment_said(port.done(&mut payment, &authorize).await);
        assert_eq!(asked.amount, payment.amount.into());
        port.customer_pays(&payment, Bank::Agrees).await;
        port.read(&mut payment).await;
        assert_eq!(payment.captured_minor, minor, "{currency}");

        let refund = whole(&payment, OperationKind::Refund);
        let back = refund_said(done(port.execute(&payment, &refund).await.unwrap()));
        assert_eq!(back.amount, payment.amount.into());
        let lines = port.fetch(&payment).await.charge.unwrap().balance_transactions;
        assert!(!lines.is_empty(), "what was taken is booked");
        for line in lines {
            assert_eq!(line.amount, payment.amount.into());
            assert_eq!(line.net_minor, line.amount.minor - line.fee_minor, "{currency}");
        }
    }
}

pub(crate) async fn what_the_company_cannot_do_as_things_stand_is_invalid<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let mut off = port.paid(CaptureMethod::Manual).await;
    let cancel = whole(&off, OperationKind::Cancel);
    port.done(&mut off, &cancel).await;
    let payment = port.paid(CaptureMethod::Automatic).await;
    for (payment, kind) in [
        (&payment, OperationKind::Cancel),
        (&off, OperationKind::Capture),
        (&off, OperationKind::Refund),
    ] {
        let late = whole(payment, kind);
        let error = port.execute(payment, &late).await.unwrap_err();
        assert!(is_invalid(&error), "{kind}: {error}");
    }
    let [first, second] = [(); 2].map(|()| whole(&payment, OperationKind::Refund));
    done(port.execute(&payment, &first).await.unwrap());
    let error = port.execute(&payment, &second).await.unwrap_err();
    assert!(is_invalid(&error), "more than was taken: {error}");
    assert_eq!(subject.effects().returns, 1);
}

pub(crate) async fn what_the_company_does_not_have_is_invalid<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let asked = port.asked(CaptureMethod::Automatic).await;
    let mut nobodys = port.payment(CaptureMethod::Automatic);
    let theirs = asked.provider_reference.unwrap();
    for reference in [format!("{theirs}9"), String::new(), "../x?y#z".to_owned()] {
        let object = ObjectRef::Payment(reference.clone());
        let error = port.provider.fetch(&port.account, &object).await.unwrap_err();
        assert!(is_invalid(&error), "{reference:?}: {error}");
        nobodys.provider_reference = Some(reference);
        for kind in [
            OperationKind::Capture,
            OperationKind::Cancel,
            OperationKind::Refund,
        ] {
            let lost = operation(&nobodys, kind, 12_100, Ask::default());
            let error = port.execute(&nobodys, &lost).await.unwrap_err();
            assert!(is_invalid(&error), "{kind}: {error}");
        }
    }
}
