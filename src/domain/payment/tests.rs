//! The tables of decisions, cell by cell as they are documented, and what else a payment keeps whatever it hears.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap is a failed test"
)]

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
        charge: charged.then(|| charge("ch_1")),
    }
}

fn decline() -> Decline {
    Decline {
        code: "card_declined".to_owned(),
        message: "no".to_owned(),
    }
}

fn declined() -> PaymentSnapshot {
    PaymentSnapshot {
        decline: Some(decline()),
        ..said(PaymentState::Created)
    }
}

fn charge(id: &str) -> ChargeSnapshot {
    ChargeSnapshot {
        id: id.to_owned(),
        created: OffsetDateTime::UNIX_EPOCH,
        balance_transactions: Vec::new(),
        refunds: Vec::new(),
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

/// What a provider can say, stretch by stretch.
const WALK: [&[PaymentState]; 3] = [
    &[
        PaymentState::Created,
        PaymentState::RequiresAction,
        PaymentState::Processing,
    ],
    &[PaymentState::Authorized],
    &[PaymentState::Captured, PaymentState::Canceled],
];

/// What can be said of a payment that is held, for one column of the tables.
type Column = fn(&Payment) -> Vec<PaymentSnapshot>;

/// The columns of the tables, named and in the order as they are documented.
const COLUMNS: [(&str, Column); 6] = [
    ("earlier stretch", |held| {
        WALK.iter()
            .take(place(held).unwrap_or(0))
            .flat_map(|stretch| stretch.iter().copied().map(said))
            .collect()
    }),
    ("same word, same details", |held| {
        let Some(same) = repeated(held) else { return vec![] };
        let unexpanded = PaymentSnapshot {
            charge: None,
            ..same.clone()
        };
        let mut ways = vec![same.clone(), unexpanded];
        if held.state.is_final() {
            ways.push(PaymentSnapshot {
                decline: Some(decline()),
                ..same
            });
        }
        ways
    }),
    ("same word, more captured", |held| {
        let Some(same) = repeated(held) else { return vec![] };
        let more = PaymentSnapshot {
            captured_minor: same.captured_minor + 1,
            ..same
        };
        let otherwise = PaymentSnapshot {
            capturable_minor: more.capturable_minor.saturating_sub(1),
            charge: Some(charge("ch_2")),
            ..more.clone()
        };
        vec![more, otherwise]
    }),
    ("same word, differs", |held| {
        let Some(same) = repeated(held) else { return vec![] };
        let mut ways = vec![
            PaymentSnapshot {
                charge: Some(charge("ch_2")),
                ..same.clone()
            },
            PaymentSnapshot {
                next_action: Some(serde_json::json!({ "type": "other" })),
                ..same.clone()
            },
        ];
        if !held.state.is_final() {
            ways.push(PaymentSnapshot {
                decline: Some(decline()),
                ..same.clone()
            });
        }
        if held.state == PaymentState::Authorized {
            ways.push(PaymentSnapshot {
                capturable_minor: same.capturable_minor - 1,
                ..same.clone()
            });
        }
        if same.captured_minor > 0 {
            ways.push(PaymentSnapshot {
                captured_minor: same.captured_minor - 1,
                ..same
            });
        }
        ways
    }),
    ("other word, same stretch", |held| {
        let stretch = place(held).map_or(&[][..], |place| WALK[place]);
        let others = stretch.iter().copied().filter(|state| *state != held.state);
        others.map(said).collect()
    }),
    ("later stretch", |held| {
        WALK.iter()
            .skip(place(held).map_or(0, |place| place + 1))
            .flat_map(|stretch| stretch.iter().copied().map(said))
            .collect()
    }),
];

/// The stretch in which a payment is; none before the walk.
fn place(held: &Payment) -> Option<usize> {
    WALK.iter().position(|stretch| stretch.contains(&held.state))
}

/// What the provider says where nothing changed; none of what it never says.
fn repeated(held: &Payment) -> Option<PaymentSnapshot> {
    place(held)?;
    Some(PaymentSnapshot {
        captured_minor: held.captured_minor,
        capturable_minor: held.capturable_minor(),
        next_action: held.next_action.clone(),
        decline: held.decline.clone(),
        charge: held.charge_reference.as_deref().map(charge),
        ..said(held.state)
    })
}

/// Payments in a state, with and without a part that was captured before where that can be.
fn payments_in(state: PaymentState) -> Vec<Payment> {
    let held = |captured_minor| {
        let mut held = payment();
        if place(&Payment {
            state,
            ..held.clone()
        })
        .is_some()
        {
            let news = PaymentSnapshot {
                captured_minor,
                ..said(state)
            };
            held.take_in(&news, OffsetDateTime::UNIX_EPOCH);
        }
        Payment { state, ..held }
    };
    match state {
        PaymentState::Captured => vec![held(OWED)],
        PaymentState::Authorized | PaymentState::Canceled => vec![held(0), held(2_000)],
        PaymentState::Created
        | PaymentState::RequiresAction
        | PaymentState::Processing
        | PaymentState::Failed
        | PaymentState::Unknown => vec![held(0)],
    }
}

/// The cells of the table that is documented under a heading, line by line, its heading first.
fn documented(heading: &str) -> Vec<Vec<&'static str>> {
    let lines = include_str!("decide.rs").lines();
    let table = lines.skip_while(|line| !line.starts_with(&format!("/// | {heading} ")));
    table
        .map_while(|line| line.strip_prefix("/// |"))
        .map(|line| line.trim_end_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_cell_of_the_documented_tables_is_what_is_decided() {
    let named = COLUMNS.map(|(name, _)| name);
    for (heading, authority) in [
        ("held ＼ hint", Authority::Hint),
        ("held ＼ fresh word", Authority::Fresh),
    ] {
        let table = documented(heading);
        let [columns, _, rows @ ..] = &table[..] else {
            panic!("there is no table of {heading}")
        };
        assert_eq!(columns[1..], named, "{heading}: the columns");
        let mut states = Vec::new();
        for row in rows {
            assert_eq!(row.len(), columns.len(), "{row:?}");
            for word in row[0].split(", ").map(|word| word.trim_matches('`')) {
                let Said::Known(state) = PaymentState::said(word.to_owned()) else {
                    panic!("{word} is no state")
                };
                states.push(state.to_string());
                for (cell, (column, ways)) in row[1..].iter().zip(COLUMNS) {
                    check_cell(
                        &format!("{heading}, {word}, {column}"),
                        cell,
                        state,
                        ways,
                        authority,
                    );
                }
            }
        }
        states.sort();
        let mut all = PaymentState::ALL.map(|state| state.to_string());
        all.sort();
        assert_eq!(states, all, "{heading}: every state has its row");
    }
}

fn check_cell(place: &str, cell: &str, state: PaymentState, ways: Column, authority: Authority) {
    for held in payments_in(state) {
        let ways = ways(&held);
        assert_eq!(ways.is_empty(), cell == "—", "{place}: whether it can be said");
        for said in ways {
            let decided = match decide(&held, &said, authority) {
                Decision::Apply => "apply",
                Decision::AlreadySo => "already so",
                Decision::Stale => "stale",
                Decision::Ask => "ask",
                Decision::Impossible(ExceptionKind::ImpossibleState) => "impossible",
                Decision::Impossible(kind) => panic!("{place}: {kind:?}"),
            };
            assert_eq!(decided, cell, "{place}: {said:?}");
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
