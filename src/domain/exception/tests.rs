#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use time::OffsetDateTime;

use super::{
    BoundToMessage, Difference, Exception, ExceptionKind, ExceptionState, ITSELF, NewException, Resolution,
};
use crate::domain::ids::{ExceptionId, MerchantId, PaymentId};
use crate::domain::money::Money;
use crate::domain::reason::Reason;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, currency.parse().unwrap())
}

fn differs(found_minor: i64) -> Difference {
    Difference {
        detail: format!("short by {}", 1_000 - found_minor),
        expected: Some(money(1_000, "EUR")),
        found: Some(money(found_minor, "EUR")),
    }
}

fn exception(kind: ExceptionKind) -> Exception {
    Exception {
        merchant_id: MerchantId::generate(),
        id: ExceptionId::generate(),
        kind,
        payment_id: None,
        provider_account_id: None,
        payout: None,
        subject: "txn_1".to_owned(),
        difference: differs(900),
        opened_at: NOW,
        resolution: None,
    }
}

fn resolved(accepted: bool) -> Exception {
    Exception {
        resolution: Some(Resolution {
            reason: "written off".to_owned(),
            by: "cli".to_owned(),
            at: NOW,
            accepted,
        }),
        ..exception(ExceptionKind::AmountUnder)
    }
}

#[test]
fn what_comes_back_opens_again_unless_a_person_accepted_just_that() {
    for (mut held, found_minor, opens) in [
        (resolved(true), 900, false),
        (resolved(true), 800, true),
        (resolved(false), 900, true),
        (resolved(false), 800, true),
    ] {
        let change = held.recur(differs(found_minor), NOW);
        assert_eq!(change.is_some(), opens, "{found_minor}");
        assert_eq!(held.state() == ExceptionState::Open, opens);
        assert_eq!(held.difference, differs(found_minor));
        if let Some(change) = change {
            assert_eq!(
                (change.from, change.to),
                (Some(ExceptionState::Resolved), ExceptionState::Open)
            );
            assert_eq!(change.by, ITSELF);
        }
    }
}

#[test]
fn an_open_one_says_how_it_stands_now_and_keeps_that_it_did_not() {
    let mut held = exception(ExceptionKind::AmountUnder);
    assert_eq!(held.recur(differs(900), NOW), None);
    let change = held.recur(differs(800), NOW).unwrap();
    assert_eq!(
        (change.from, change.to),
        (Some(ExceptionState::Open), ExceptionState::Open)
    );
    assert_eq!(held.difference.minor(), Some(-200));
}

#[test]
fn it_is_resolved_and_reopened_once_however_often_that_is_said() {
    let (mut held, reason) = (
        exception(ExceptionKind::AmountUnder),
        Reason::parse("written off").unwrap(),
    );
    let change = held.resolve(&reason, "key_1", NOW).unwrap().unwrap();
    assert_eq!(
        (change.to, change.by.as_str()),
        (ExceptionState::Resolved, "key_1")
    );
    assert!(held.resolution.as_ref().unwrap().accepted);
    assert_eq!(
        held.resolve(&Reason::parse("other").unwrap(), "cli", NOW),
        Ok(None)
    );
    assert_eq!(held.resolution.as_ref().unwrap().reason, "written off");
    assert!(held.reopen(&reason, "cli", NOW).unwrap().is_some());
    assert_eq!(held.reopen(&reason, "cli", NOW), Ok(None));
}

#[test]
fn a_dead_messages_exception_is_left_to_its_message() {
    let (mut held, reason) = (
        exception(ExceptionKind::MessageDead),
        Reason::parse("done").unwrap(),
    );
    let bound = Err(BoundToMessage {
        message: "txn_1".to_owned(),
    });
    assert_eq!(held.resolve(&reason, "cli", NOW), bound);
    assert_eq!(held.state(), ExceptionState::Open);
    assert_eq!(held.reopen(&reason, "cli", NOW), Ok(None));
}

#[test]
fn what_it_is_about_is_filled_in_and_a_payout_follows_the_provider() {
    let mut held = exception(ExceptionKind::UnmappedLine);
    let (first, second) = (PaymentId::generate(), PaymentId::generate());
    let seen = NewException::new(held.merchant_id, held.kind, "txn_1", "short");
    assert!(!held.learn(&seen));
    assert!(held.learn(&seen.of(first).holding("po_1")));
    assert!(!held.learn(&seen.of(second)));
    assert!(held.learn(&seen.holding("po_2")));
    assert_eq!(
        (held.payment_id, held.payout.as_deref()),
        (Some(first), Some("po_2"))
    );
}

#[test]
fn two_currencies_have_no_difference_in_minor_units() {
    let mut difference = differs(900);
    assert_eq!(difference.minor(), Some(-100));
    difference.found = Some(money(900, "USD"));
    assert_eq!(difference.minor(), None);
    difference.found = None;
    assert_eq!(difference.minor(), None);
}
