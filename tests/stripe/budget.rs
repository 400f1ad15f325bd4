//! How many requests go out, in which order, and what becomes of those that find no place.
//!
//! A bucket never gives too early, so what must take long is measured exactly; what must not is told by the order.

use std::time::{Duration, Instant};

use futures::future::join_all;
use quittance::domain::ids::ProviderAccountId;
use quittance::domain::payment::CaptureMethod;
use quittance::provider::{Ambiguity, Call, ObjectRef, Provider, ProviderAccount, ProviderError};
use quittance::stripe::Timeouts;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::Options;

use super::{AMPLE, HASTY, PATIENT, Test, authorize, confirmed_with, limits, payment};
use crate::support::eventually;

/// So many in a second that only the other limits are felt.
const MANY: u32 = 10_000;

/// No time to wait for a second.
const BRIEF: Timeouts = Timeouts {
    per_attempt: Duration::from_millis(800),
    total: Duration::from_millis(800),
};

impl Test {
    /// Moves money once.
    async fn moves(&self) -> Result<(), ProviderError> {
        self.moves_for(&self.account).await
    }

    async fn moves_for(&self, account: &ProviderAccount) -> Result<(), ProviderError> {
        let payment = payment(CaptureMethod::Automatic);
        let call = Call {
            payment: &payment,
            operation: &authorize(&payment),
        };
        self.stripe.execute(account, call).await.map(|_| ())
    }

    /// Reads something; that there is no such thing is an answer too.
    async fn reads(&self) -> Result<(), ProviderError> {
        let object = ObjectRef::Payment("pi_1".to_owned());
        match self.stripe.fetch(&self.account, &object).await {
            Ok(_) | Err(ProviderError::Invalid { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How long it takes to move money so many times at once.
    async fn time_of_moves(&self, count: usize) -> Duration {
        let started = Instant::now();
        for moved in join_all((0..count).map(|_| self.moves())).await {
            moved.unwrap();
        }
        started.elapsed()
    }

    fn methods(&self) -> Vec<String> {
        let requests = self.pretend.requests();
        requests
            .iter()
            .map(|request| request.method.to_string())
            .collect()
    }

    async fn has_seen(&self, count: usize) {
        eventually(async || {
            let seen = self.pretend.requests().len();
            if seen >= count {
                Ok(())
            } else {
                Err(format!("{seen} requests"))
            }
        })
        .await;
    }
}

fn another(account: &ProviderAccount) -> ProviderAccount {
    ProviderAccount {
        id: ProviderAccountId::generate(),
        ..account.clone()
    }
}

fn secs(tenths: u64) -> Duration {
    Duration::from_millis(tenths * 100)
}

#[tokio::test]
async fn an_account_sends_as_many_requests_in_a_second_as_its_mode_allows() {
    // Four at once, and one every twentieth of a second.
    let test = Test::limited(PATIENT, limits(MANY, 20, MANY), Options::default()).await;
    let took = test.time_of_moves(24).await;
    assert!(secs(10) <= took && took < secs(50), "{took:?}");

    // One at once, and one every fifth of a second.
    let mut live = Test::limited(PATIENT, limits(5, MANY, MANY), Options::default()).await;
    live.account.live = true;
    let took = live.time_of_moves(6).await;
    assert!(secs(10) <= took && took < secs(50), "{took:?}");
}

#[tokio::test]
async fn an_endpoint_has_a_limit_of_its_own_that_holds_up_no_other() {
    let test = Test::limited(PATIENT, limits(MANY, MANY, 5), Options::default()).await;
    let (took, ()) = tokio::join!(test.time_of_moves(6), async {
        test.has_seen(1).await;
        test.reads().await.unwrap();
        let seen = test.methods();
        assert!(seen.len() < 7, "a read waited for all that move money: {seen:?}");
    });
    assert!(secs(10) <= took && took < secs(50), "{took:?}");
}

#[tokio::test]
async fn an_account_that_has_to_wait_holds_up_no_other() {
    let test = Test::limited(PATIENT, limits(1, 1, MANY), Options::default()).await;
    let other = another(&test.account);
    let (took, ()) = tokio::join!(test.time_of_moves(3), async {
        test.has_seen(1).await;
        test.moves_for(&other).await.unwrap();
        assert!(test.pretend.requests().len() < 4);
    });
    assert!(secs(20) <= took, "{took:?}");
}

#[tokio::test]
async fn what_moves_money_overtakes_reads_that_were_there_before() {
    let test = Test::limited(PATIENT, limits(MANY, 10, MANY), Options::default()).await;
    let reads = join_all((0..8).map(|_| test.reads()));
    let moves = async {
        test.has_seen(1).await;
        test.time_of_moves(12).await;
        test.methods()
    };
    let (reads, seen) = tokio::join!(reads, moves);
    assert!(reads.iter().all(Result::is_ok), "{reads:?}");
    // It takes more than a second, in which reads alone would be five.
    let overtaken = seen.iter().filter(|method| *method == "GET").count();
    assert!(overtaken <= 2, "{seen:?}");
}

#[tokio::test]
async fn reads_take_no_more_than_half() {
    // Two at once, and one every tenth of a second.
    let test = Test::limited(PATIENT, limits(MANY, 20, MANY), Options::default()).await;
    let started = Instant::now();
    join_all((0..12).map(|_| test.reads())).await;
    let took = started.elapsed();
    assert!(secs(10) <= took && took < secs(50), "{took:?}");
}

#[tokio::test]
async fn every_repeat_takes_a_token_too() {
    let test = Test::limited(PATIENT, limits(MANY, 1, MANY), Options::default()).await;
    test.pretend.faults().times(2, Matcher::any(), Fault::Conflict);
    // The pauses alone are a second and a half at most.
    assert!(test.time_of_moves(1).await >= secs(20));
    assert_eq!(test.pretend.requests().len(), 3);
}

#[tokio::test]
async fn what_gets_no_token_in_time_was_not_sent() {
    for limits in [limits(MANY, 1, MANY), limits(MANY, MANY, 1)] {
        let test = Test::limited(BRIEF, limits, Options::default()).await;
        test.moves().await.unwrap();
        let started = Instant::now();
        for late in join_all((0..4).map(|_| test.moves())).await {
            let error = late.unwrap_err();
            assert!(matches!(error, ProviderError::RateLimited { .. }), "{error}");
        }
        assert!(started.elapsed() < secs(20), "{:?}", started.elapsed());
        assert_eq!(test.pretend.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_lost_answer_stays_unclear_when_there_is_no_token_to_ask_again() {
    let test = Test::limited(BRIEF, limits(MANY, 1, MANY), Options::default()).await;
    test.pretend.faults().next(Matcher::any(), Fault::ResetAfter);
    let payment = payment(CaptureMethod::Automatic);
    let error = test
        .execute(&payment, &confirmed_with(&payment, "pm_card_visa"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ProviderError::Ambiguous {
                ambiguity: Ambiguity::NoAnswer,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(test.pretend.requests().len(), 1);
    assert_eq!(test.pretend.charges_made(), 1);
}

#[tokio::test]
async fn an_account_rests_as_long_as_stripe_asks_and_no_other_does() {
    let test = Test::limited(PATIENT, AMPLE, Options::default()).await;
    let refusal = Fault::TooManyRequests {
        retry_after_secs: Some(2),
    };
    test.pretend.faults().next(Matcher::any(), refusal);
    let other = another(&test.account);
    let started = Instant::now();
    let next = async {
        eventually(async || {
            let fired = test.pretend.faults().fired().len();
            if fired == 1 {
                Ok(())
            } else {
                Err(fired.to_string())
            }
        })
        .await;
        test.moves_for(&other).await.unwrap();
        let others = (started.elapsed(), test.pretend.requests().len());
        let (moved, read) = tokio::join!(test.moves(), test.reads());
        moved.and(read).unwrap();
        others
    };
    let (first, (others_took, seen)) = tokio::join!(test.moves(), next);
    first.unwrap();
    assert!(started.elapsed() >= secs(20), "{:?}", started.elapsed());
    assert!(others_took < secs(20), "{others_took:?}");
    assert_eq!(seen, 2, "the refused one, and the other account's");
}

#[tokio::test]
async fn while_an_account_rests_longer_than_a_call_may_take_nothing_is_sent() {
    let test = Test::limited(HASTY, AMPLE, Options::default()).await;
    let refusal = Fault::TooManyRequests {
        retry_after_secs: Some(3_600),
    };
    test.pretend.faults().next(Matcher::any(), refusal);
    test.moves().await.unwrap_err();
    let started = Instant::now();
    for kept_back in [test.moves().await, test.reads().await] {
        let error = kept_back.unwrap_err();
        assert!(
            matches!(error, ProviderError::RateLimited { after: Some(after) }
                if after > HASTY.total && after <= Duration::from_mins(1)),
            "{error:?}"
        );
    }
    assert!(started.elapsed() < HASTY.total, "waited for what cannot come");
    assert_eq!(test.pretend.requests().len(), 1);
}

#[tokio::test]
async fn who_stops_waiting_holds_nobody_back() {
    let timeouts = Timeouts {
        per_attempt: secs(50),
        total: secs(50),
    };
    let test = Test::limited(timeouts, limits(MANY, 2, MANY), Options::default()).await;
    test.moves().await.unwrap();
    let dropped = tokio::time::timeout(secs(1), join_all((0..3).map(|_| test.moves()))).await;
    assert!(dropped.is_err(), "there was a token for everybody");
    test.reads().await.unwrap();
    test.moves().await.unwrap();
    assert_eq!(test.methods(), ["POST", "GET", "POST"]);
}
