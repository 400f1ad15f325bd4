#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::domain::exception::ExceptionKind;
use crate::domain::payment::{Authority, Decision};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

fn said(state: PayoutState) -> PayoutSnapshot {
    PayoutSnapshot {
        provider_reference: "po_1".to_owned(),
        state: Said::Known(state),
        amount: Money::new(-1_100, "EUR".parse().unwrap()),
        is_automatic: true,
        method: Some("standard".to_owned()),
        destination_kind: Some("bank_account".to_owned()),
        arrives_on: None,
        reconciliation: Some("in_progress".to_owned()),
        failure_code: None,
        failure_message: None,
        balance_transaction: None,
        failure_balance_transaction: None,
        opened_at: NOW,
    }
}

fn reconciled(state: PayoutState) -> PayoutSnapshot {
    PayoutSnapshot {
        reconciliation: Some("completed".to_owned()),
        ..said(state)
    }
}

fn payout(told: PayoutSnapshot) -> Payout {
    Payout::new(MerchantId::generate(), ProviderAccountId::generate(), told, NOW)
}

/// The life of one payout: its words in order, its ledger lines complete from some point on.
fn history() -> impl Strategy<Value = Vec<PayoutSnapshot>> {
    use PayoutState::{Canceled, Failed, InTransit, Paid, Pending};
    let walks = vec![
        vec![Pending, InTransit, Paid],
        vec![Pending, InTransit, Paid, Failed],
        vec![Pending, InTransit, Failed],
        vec![Pending, Canceled],
        vec![InTransit, Paid, Failed],
    ];
    (prop::sample::select(walks), 0_usize..5).prop_map(|(walk, complete)| {
        let mut told = Vec::new();
        for (index, state) in walk.into_iter().enumerate() {
            if index < complete {
                told.push(said(state));
            }
            if index + 1 >= complete {
                told.push(reconciled(state));
            }
        }
        told
    })
}

fn heard() -> impl Strategy<Value = (Vec<PayoutSnapshot>, Vec<(usize, usize)>)> {
    history().prop_flat_map(|history| {
        let length = history.len();
        let twice = prop::collection::vec(0..length, 0..4);
        let order = twice
            .prop_flat_map(move |twice| Just((0..length).chain(twice).collect::<Vec<_>>()).prop_shuffle());
        let timed = order.prop_flat_map(move |order| {
            let lags = prop::collection::vec(0..length, order.len());
            (Just(order), lags).prop_map(|(order, lags)| {
                let mut happened = 0;
                let timed = order.into_iter().zip(lags).map(|(news, lag)| {
                    happened = happened.max(news).max(lag);
                    (news, happened)
                });
                timed.collect::<Vec<_>>()
            })
        });
        (Just(history), timed)
    })
}

proptest! {
    #[test]
    fn news_in_any_order_and_any_number_ends_where_the_provider_is((history, news) in heard()) {
        let mut held: Option<Payout> = None;
        for (index, happened) in news {
            let Some(held) = &mut held else {
                held = Some(payout(history[index].clone()));
                continue;
            };
            let mut told = &history[index];
            let mut decision = decide(held, told, Authority::Hint);
            if decision == Decision::Ask {
                told = &history[happened];
                decision = decide(held, told, Authority::Fresh);
            }
            match decision {
                Decision::Apply => held.take_in(told, NOW),
                Decision::AlreadySo | Decision::Stale => {}
                Decision::Ask | Decision::Impossible(_) => prop_assert!(false, "{decision:?}"),
            }
        }
        prop_assert_eq!(&held.unwrap().told, history.last().unwrap());
    }
}

#[test]
fn what_was_paid_can_fail_days_later_and_what_failed_is_never_paid() {
    let held = payout(said(PayoutState::Paid));
    assert_eq!(
        decide(&held, &said(PayoutState::Failed), Authority::Hint),
        Decision::Apply
    );
    let held = payout(said(PayoutState::Failed));
    let paid = said(PayoutState::Paid);
    assert_eq!(decide(&held, &paid, Authority::Hint), Decision::Stale);
    assert_eq!(
        decide(&held, &paid, Authority::Fresh),
        Decision::Impossible(ExceptionKind::ImpossibleState)
    );
}

#[test]
fn two_ends_of_one_payout_are_asked_about_and_then_impossible() {
    let held = payout(said(PayoutState::Failed));
    let canceled = said(PayoutState::Canceled);
    assert_eq!(decide(&held, &canceled, Authority::Hint), Decision::Ask);
    assert_eq!(
        decide(&held, &canceled, Authority::Fresh),
        Decision::Impossible(ExceptionKind::ImpossibleState)
    );
}

#[test]
fn ledger_lines_only_become_complete_and_what_else_differs_is_asked_about() {
    let held = payout(said(PayoutState::Paid));
    assert_eq!(
        decide(&held, &reconciled(PayoutState::Paid), Authority::Hint),
        Decision::Apply
    );
    let held = payout(reconciled(PayoutState::Paid));
    assert_eq!(
        decide(&held, &said(PayoutState::Paid), Authority::Hint),
        Decision::Stale
    );
    let mut other = reconciled(PayoutState::Paid);
    other.method = Some("instant".to_owned());
    assert_eq!(decide(&held, &other, Authority::Hint), Decision::Ask);
    assert_eq!(decide(&held, &other, Authority::Fresh), Decision::Apply);
}

#[test]
fn a_word_that_we_do_not_know_is_asked_about_and_then_kept_as_it_came() {
    let mut held = payout(said(PayoutState::Pending));
    let mut new_word = said(PayoutState::Pending);
    new_word.state = PayoutState::said("on_a_ship".to_owned());
    assert_eq!(decide(&held, &new_word, Authority::Hint), Decision::Ask);
    assert_eq!(decide(&held, &new_word, Authority::Fresh), Decision::Apply);
    held.take_in(&new_word, NOW);
    assert_eq!(held.told.state.word(), "on_a_ship");
    assert_eq!(
        decide(&held, &said(PayoutState::Paid), Authority::Hint),
        Decision::Ask
    );
    let failed = payout(said(PayoutState::Failed));
    assert_eq!(
        decide(&failed, &new_word, Authority::Fresh),
        Decision::Impossible(ExceptionKind::UnrecognizedState)
    );
    for state in PayoutState::ALL {
        assert_eq!(PayoutState::said(state.word().to_owned()), Said::Known(state));
    }
}
