//! The table of decisions, cell by cell.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::domain::exception::ExceptionKind;
use crate::domain::snapshot::{ChargeSnapshot, PaymentSnapshot, Said};

pub(super) const OWED: i64 = 12_100;

pub(super) fn payment() -> Payment {
    let now = OffsetDateTime::UNIX_EPOCH;
    let amount = Amount::parse(OWED, "EUR".parse().unwrap()).unwrap();
    let reference = Reference::parse("S00042").unwrap();
    let (merchant, account) = (MerchantId::generate(), ProviderAccountId::generate());
    Payment {
        capture_method: CaptureMethod::Manual,
        ..Payment::new(merchant, account, reference, amount, now)
    }
}

pub(super) fn said(state: PaymentState) -> PaymentSnapshot {
    let (capturable_minor, captured_minor) = match state {
        PaymentState::Authorized => (OWED, 0),
        PaymentState::Captured => (0, OWED),
        PaymentState::Created
        | PaymentState::RequiresAction
        | PaymentState::Processing
        | PaymentState::Failed
        | PaymentState::Canceled
        | PaymentState::Unknown => (0, 0),
    };
    let charged = matches!(state, PaymentState::Authorized | PaymentState::Captured);
    PaymentSnapshot {
        provider_reference: "pi_1".to_owned(),
        state: Said::Known(state),
        amount: payment().amount.into(),
        capturable_minor,
        captured_minor,
        client_secret: None,
        next_action: (state == PaymentState::RequiresAction)
            .then(|| serde_json::json!({ "type": "redirect" })),
        decline: None,
        payment_method: None,
        charge: charged.then(|| ChargeSnapshot {
            id: "ch_1".to_owned(),
            created: OffsetDateTime::UNIX_EPOCH,
            balance_transactions: Vec::new(),
            refunds: Vec::new(),
        }),
    }
}

fn declined() -> PaymentSnapshot {
    let decline = Decline {
        code: "card_declined".to_owned(),
        message: "no".to_owned(),
    };
    PaymentSnapshot {
        decline: Some(decline),
        ..said(PaymentState::Created)
    }
}

/// What can happen to a payment at a provider, in the order in which it happens.
fn history() -> impl Strategy<Value = Vec<PaymentSnapshot>> {
    let attempt = prop_oneof![
        Just(vec![said(PaymentState::RequiresAction)]),
        Just(vec![said(PaymentState::Processing)]),
        Just(vec![declined()]),
        Just(vec![said(PaymentState::RequiresAction), declined()]),
        Just(vec![
            said(PaymentState::RequiresAction),
            said(PaymentState::Processing)
        ]),
    ];
    let end = prop_oneof![
        Just(vec![]),
        Just(vec![said(PaymentState::Captured)]),
        Just(vec![said(PaymentState::Canceled)]),
        Just(vec![said(PaymentState::Authorized)]),
        Just(vec![said(PaymentState::Authorized), said(PaymentState::Captured)]),
        Just(vec![said(PaymentState::Authorized), said(PaymentState::Canceled)]),
    ];
    (prop::collection::vec(attempt, 0..3), end).prop_map(|(attempts, end)| {
        let mut history = vec![said(PaymentState::Created)];
        history.extend(attempts.into_iter().flatten());
        history.extend(end);
        history
    })
}

proptest! {
    #[test]
    fn what_is_final_stays_whatever_is_heard_afterwards(history in history(), end in prop_oneof![
        Just(PaymentState::Captured), Just(PaymentState::Canceled)
    ]) {
        let mut held = payment();
        _ = held.hear(&said(end), Authority::Fresh, OffsetDateTime::UNIX_EPOCH);
        for news in history.iter().filter(|news| !matches!(news.state, Said::Known(state) if state.is_final())) {
            prop_assert_eq!(decide(&held, news, Authority::Hint), Decision::Stale);
        }
    }
}

#[test]
fn another_amount_or_currency_is_an_exception_and_changes_nothing() {
    let other = PaymentSnapshot {
        amount: Money::new(1, "EUR".parse().unwrap()),
        ..said(PaymentState::Captured)
    };
    let dollars = PaymentSnapshot {
        amount: Money::new(OWED, "USD".parse().unwrap()),
        ..said(PaymentState::Captured)
    };
    for news in [other, dollars] {
        for authority in [Authority::Hint, Authority::Fresh] {
            assert_eq!(
                decide(&payment(), &news, authority),
                Decision::Impossible(ExceptionKind::AmountDiffers)
            );
        }
    }
}

#[test]
fn a_word_that_we_do_not_know_is_asked_about_and_then_told_to_a_person() {
    let news = PaymentSnapshot {
        state: Said::Unrecognized("hibernating".to_owned()),
        ..said(PaymentState::Created)
    };
    assert_eq!(decide(&payment(), &news, Authority::Hint), Decision::Ask);
    assert_eq!(
        decide(&payment(), &news, Authority::Fresh),
        Decision::Impossible(ExceptionKind::UnrecognizedState)
    );
}

#[test]
fn a_captured_payment_that_is_said_to_be_canceled_is_asked_about_and_then_impossible() {
    let mut held = payment();
    _ = held.hear(
        &said(PaymentState::Captured),
        Authority::Fresh,
        OffsetDateTime::UNIX_EPOCH,
    );
    let news = said(PaymentState::Canceled);
    assert_eq!(decide(&held, &news, Authority::Hint), Decision::Ask);
    assert_eq!(
        decide(&held, &news, Authority::Fresh),
        Decision::Impossible(ExceptionKind::ImpossibleState)
    );
}
