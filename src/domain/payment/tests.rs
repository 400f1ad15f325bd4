//! Any order of news ends where the provider is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap is a failed test"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::domain::exception::ExceptionKind;
use crate::domain::snapshot::{ChargeSnapshot, PaymentSnapshot, Said};

const OWED: i64 = 12_100;

fn payment() -> Payment {
    let now = OffsetDateTime::UNIX_EPOCH;
    Payment {
        merchant_id: MerchantId::generate(),
        id: PaymentId::generate(),
        provider_account_id: ProviderAccountId::generate(),
        odoo_instance_id: None,
        reference: Reference::parse("S00042").unwrap(),
        amount: Amount::parse(OWED, "EUR".parse().unwrap()).unwrap(),
        capture_method: CaptureMethod::Manual,
        state: PaymentState::Created,
        authorized_minor: 0,
        captured_minor: 0,
        refunded_minor: 0,
        disputed_minor: 0,
        provider_reference: None,
        charge_reference: None,
        client_secret: None,
        next_action: None,
        decline: None,
        settles: Vec::new(),
        description: None,
        metadata: BTreeMap::new(),
        version: 0,
        created_at: now,
        updated_at: now,
    }
}

fn said(state: PaymentState) -> PaymentSnapshot {
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
        charge: charged.then(|| ChargeSnapshot {
            id: "ch_1".to_owned(),
            created: OffsetDateTime::UNIX_EPOCH,
            balance_transaction: None,
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

/// Takes in one piece of news as `app::apply` does, reading the provider's truth where the news cannot decide.
fn hear(held: &mut Payment, news: &PaymentSnapshot, truth: &PaymentSnapshot) {
    let now = OffsetDateTime::UNIX_EPOCH;
    match decide(held, news, Authority::Hint) {
        Decision::Apply => held.take_in(news, now),
        Decision::Ask => match decide(held, truth, Authority::Fresh) {
            Decision::Apply => held.take_in(truth, now),
            Decision::AlreadySo => {}
            other @ (Decision::Stale | Decision::Ask | Decision::Impossible(_)) => {
                panic!("the truth itself was {other:?}")
            }
        },
        Decision::AlreadySo | Decision::Stale => {}
        Decision::Impossible(kind) => panic!("{kind:?}"),
    }
}

/// A history, and its news in any order, some of it twice; each with how much had happened when it was heard.
fn heard() -> impl Strategy<Value = (Vec<PaymentSnapshot>, Vec<(usize, usize)>)> {
    history().prop_flat_map(|history| {
        let length = history.len();
        let all: Vec<usize> = (0..length).collect();
        let twice = prop::collection::vec(0..length, 0..4);
        let order = twice.prop_flat_map(move |twice| {
            let mut news = all.clone();
            news.extend(twice);
            Just(news).prop_shuffle()
        });
        let timed = order.prop_flat_map(move |order| {
            let lags = prop::collection::vec(0..length, order.len());
            (Just(order), lags).prop_map(move |(order, lags)| {
                // When a piece of news is heard, at least it and everything heard before it has happened.
                let mut happened = 0;
                order
                    .into_iter()
                    .zip(lags)
                    .map(|(news, lag)| {
                        happened = happened.max(news).max(lag);
                        (news, happened)
                    })
                    .collect()
            })
        });
        (Just(history), timed)
    })
}

proptest! {
    #[test]
    fn news_in_any_order_and_any_number_ends_where_the_provider_is((history, news) in heard()) {
        let mut held = payment();
        for (index, happened) in news {
            hear(&mut held, &history[index], &history[happened]);
            prop_assert!(held.captured_minor <= OWED && held.authorized_minor <= OWED);
        }
        let truth = history.last().unwrap();
        prop_assert_eq!(Said::Known(held.state), truth.state.clone());
        prop_assert_eq!(held.captured_minor, truth.captured_minor);
        prop_assert_eq!(held.next_action, truth.next_action.clone());
    }

    #[test]
    fn what_is_final_stays_whatever_is_heard_afterwards(history in history(), end in prop_oneof![
        Just(PaymentState::Captured), Just(PaymentState::Canceled)
    ]) {
        let mut held = payment();
        held.take_in(&said(end), OffsetDateTime::UNIX_EPOCH);
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
    held.take_in(&said(PaymentState::Captured), OffsetDateTime::UNIX_EPOCH);
    let news = said(PaymentState::Canceled);
    assert_eq!(decide(&held, &news, Authority::Hint), Decision::Ask);
    assert_eq!(
        decide(&held, &news, Authority::Fresh),
        Decision::Impossible(ExceptionKind::ImpossibleState)
    );
}
