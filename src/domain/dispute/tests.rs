//! Any order of news ends where the provider is.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::decide::stretch;
use super::*;
use crate::domain::exception::ExceptionKind;
use crate::domain::payment::{Authority, Decision};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn said(state: DisputeState, submission_count: i64) -> DisputeSnapshot {
    DisputeSnapshot {
        provider_reference: "dp_1".to_owned(),
        charge_reference: Some("ch_1".to_owned()),
        payment_reference: Some("pi_1".to_owned()),
        state: Said::Known(state),
        amount: Money::new(12_100, "EUR".parse().unwrap()),
        reason: Some("fraudulent".to_owned()),
        due_at: Some(NOW),
        has_evidence: submission_count > 0,
        submission_count,
        is_charge_refundable: stretch(state) == 0,
        opened_at: NOW,
    }
}

fn new_word() -> DisputeSnapshot {
    DisputeSnapshot {
        state: Said::Unrecognized("in_arbitration".to_owned()),
        ..said(DisputeState::NeedsResponse, 0)
    }
}

fn dispute(told: DisputeSnapshot) -> Dispute {
    Dispute::new(
        MerchantId::generate(),
        ProviderAccountId::generate(),
        None,
        told,
        NOW,
    )
}

/// What can happen to a dispute at a provider, in the order in which it happens.
fn history() -> impl Strategy<Value = Vec<DisputeSnapshot>> {
    use DisputeState::{
        Lost, NeedsResponse, Prevented, UnderReview, Warning, WarningClosed, WarningUnderReview, Won,
    };
    let inquiry = prop_oneof![
        Just(vec![]),
        Just(vec![Warning]),
        Just(vec![Warning, WarningUnderReview]),
        Just(vec![Warning, WarningUnderReview, Warning]),
    ];
    let dispute = prop_oneof![
        Just(vec![]),
        Just(vec![NeedsResponse]),
        Just(vec![NeedsResponse, UnderReview]),
        Just(vec![NeedsResponse, UnderReview, NeedsResponse, UnderReview]),
    ];
    let end = prop_oneof![
        Just(vec![]),
        Just(vec![Won]),
        Just(vec![Lost]),
        Just(vec![WarningClosed]),
        Just(vec![Prevented]),
    ];
    // What changes with each step beside the word: whether evidence was submitted, the amount, whether the word is new.
    let steps = (inquiry, dispute, end).prop_map(|(inquiry, dispute, end)| [inquiry, dispute, end].concat());
    let steps = steps.prop_filter("a dispute has some state", |steps| !steps.is_empty());
    steps.prop_flat_map(|steps| {
        let changes =
            prop::collection::vec((any::<bool>(), 0..2_i64, prop::bool::weighted(0.1)), steps.len());
        changes.prop_map(move |changes| {
            let mut submissions = 0;
            steps
                .iter()
                .zip(changes)
                .map(|(state, (submits, less, new_word))| {
                    submissions += i64::from(submits);
                    let mut told = said(*state, submissions);
                    told.amount.minor -= less;
                    if new_word && !state.is_closed() {
                        told.state = Said::Unrecognized("in_arbitration".to_owned());
                    }
                    told
                })
                .collect()
        })
    })
}

/// A history; and which of its news is heard, in any order and any number, with how far it had come when it was heard.
fn heard() -> impl Strategy<Value = (Vec<DisputeSnapshot>, Vec<(usize, usize)>)> {
    history().prop_flat_map(|history| {
        let length = history.len();
        let twice = prop::collection::vec(0..length, 0..4);
        let order = twice
            .prop_flat_map(move |twice| Just((0..length).chain(twice).collect::<Vec<_>>()).prop_shuffle());
        let timed = order.prop_flat_map(move |order| {
            let lags = prop::collection::vec(0..length, order.len());
            (Just(order), lags).prop_map(|(order, lags)| {
                // When a piece of news is heard, at least it and everything heard before it has happened.
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

/// Takes in a piece of news, and reads the dispute where that cannot be placed.
fn hear(
    held: &mut Option<Dispute>,
    news: &DisputeSnapshot,
    now: &DisputeSnapshot,
) -> Result<(), TestCaseError> {
    let Some(held) = held else {
        let first = if matches!(news.state, Said::Known(_)) {
            news
        } else {
            now
        };
        *held = Some(dispute(first.clone()));
        return Ok(());
    };
    let mut told = news;
    let mut decision = decide(held, news, Authority::Hint);
    if decision == Decision::Ask {
        told = now;
        decision = decide(held, now, Authority::Fresh);
    }
    match decision {
        Decision::Apply => held.take_in(told, NOW),
        Decision::AlreadySo | Decision::Stale => {}
        Decision::Ask | Decision::Impossible(_) => prop_assert!(false, "{decision:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn news_in_any_order_and_any_number_ends_where_the_provider_is((history, news) in heard()) {
        let mut held = None;
        for (index, happened) in news {
            hear(&mut held, &history[index], &history[happened])?;
        }
        prop_assert_eq!(&held.unwrap().told, history.last().unwrap());
    }

    #[test]
    fn what_is_closed_stays_so_whatever_is_heard_or_read_afterwards(
        history in history(),
        end in prop::sample::select(DisputeState::ALL.into_iter().filter(|state| state.is_closed()).collect::<Vec<_>>()),
        authority in prop::sample::select(vec![Authority::Hint, Authority::Fresh]),
    ) {
        let held = dispute(said(end, 9));
        for news in history.iter().filter(|news| news.state != Said::Known(end)) {
            let decision = decide(&held, news, authority);
            prop_assert!(matches!(decision, Decision::Stale | Decision::Ask | Decision::Impossible(_)), "{decision:?}");
        }
    }
}

#[test]
fn two_ends_of_one_dispute_are_asked_about_and_then_impossible() {
    let held = dispute(said(DisputeState::Won, 1));
    let lost = said(DisputeState::Lost, 2);
    assert_eq!(decide(&held, &lost, Authority::Hint), Decision::Ask);
    assert_eq!(
        decide(&held, &lost, Authority::Fresh),
        Decision::Impossible(ExceptionKind::ImpossibleState)
    );
}

#[test]
fn a_word_that_we_do_not_know_is_asked_about_and_then_kept_as_it_came() {
    let mut held = dispute(said(DisputeState::NeedsResponse, 0));
    assert_eq!(decide(&held, &new_word(), Authority::Hint), Decision::Ask);
    assert_eq!(decide(&held, &new_word(), Authority::Fresh), Decision::Apply);
    held.take_in(&new_word(), NOW);
    assert_eq!(held.told.state.word(), "in_arbitration");
    assert!(held.told.state.takes_money() && !held.told.state.is_closed());
    let known = said(DisputeState::UnderReview, 0);
    assert_eq!(decide(&held, &known, Authority::Hint), Decision::Ask);
    assert_eq!(decide(&held, &known, Authority::Fresh), Decision::Apply);
    assert_eq!(
        decide(
            &dispute(said(DisputeState::Lost, 0)),
            &new_word(),
            Authority::Fresh
        ),
        Decision::Impossible(ExceptionKind::UnrecognizedState)
    );
}

#[test]
fn every_word_is_read_back_and_only_open_and_lost_disputes_take_money() {
    for state in DisputeState::ALL {
        assert_eq!(Said::of_word(state.word().to_owned()), Said::Known(state));
    }
    let taking: Vec<&str> = DisputeState::ALL
        .into_iter()
        .filter(|state| Said::Known(*state).takes_money())
        .map(DisputeState::word)
        .collect();
    assert_eq!(taking, ["needs_response", "under_review", "lost"]);
}

#[test]
fn evidence_is_taken_until_it_is_due_and_the_dispute_is_open() {
    let due = time::macros::datetime!(2026-11-20 12:00 UTC);
    let mut held = dispute(DisputeSnapshot {
        due_at: Some(due),
        ..said(DisputeState::NeedsResponse, 0)
    });
    assert_eq!(held.check_answerable(due), Ok(()));
    let late = held.check_answerable(due + time::Duration::SECOND).unwrap_err();
    assert_eq!(
        (late.code(), late.to_string().as_str()),
        ("evidence_overdue", "evidence was due by 2026-11-20T12:00:00Z")
    );
    assert_eq!(held.check_acceptable(), Ok(()), "giving up is never too late");
    held.told.state = Said::Known(DisputeState::Won);
    let closed = held.check_answerable(due).unwrap_err();
    assert_eq!(
        (closed.code(), closed.to_string().as_str()),
        (
            "dispute_closed",
            "the dispute is won and cannot be answered any more"
        )
    );
}

#[test]
fn evidence_prints_the_names_of_its_fields_and_nothing_of_what_it_says() {
    let evidence = Evidence {
        customer_name: Some("Ada".to_owned()),
        receipt: Some("file_1".to_owned()),
        ..Evidence::default()
    };
    assert_eq!(format!("{evidence:?}"), r#"{"customer_name", "receipt"}"#);
    assert!(Evidence::default().is_empty());
}
