//! Events that were never delivered are read from the provider's list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quittance::app::{Timing, history};
use quittance_sandbox::faults::Fault;
use serde_json::json;
use time::OffsetDateTime;

use super::{apply, by_hand, call_turn, list, pages, paid_unheard, poll, posted_once, run};
use crate::support::{TestApp, Wishes, eventually};

/// How many events are on a page.
const PAGE: usize = 50;

/// Makes things happen at the provider, so many at least, and on until more than a page of them bear the same second.
async fn eventful(test: &TestApp, events: usize) {
    let http = <reqwest::Client as crate::support::NewForTests>::new_for_tests();
    let url = format!("{}/v1/payment_intents", test.stripe.url());
    let make = async || {
        let request = http.post(&url).bearer_auth(test.stripe.secret_key());
        let form = [("amount", "100"), ("currency", "eur")];
        request.form(&form).send().await.unwrap();
    };
    loop {
        join_all((0..events).map(|_| make())).await;
        let mut by_second = BTreeMap::new();
        for event in test.stripe.events() {
            *by_second.entry(event["created"].as_i64().unwrap()).or_insert(0) += 1;
        }
        if by_second.values().any(|count| *count > PAGE) {
            return;
        }
    }
}

/// What is listed and what is kept.
async fn listed_and_kept(test: &TestApp) -> (BTreeSet<String>, Vec<String>) {
    let listed = test.stripe.events();
    let listed = listed
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned());
    let kept = sqlx::query_scalar("select event_id from webhook_event")
        .fetch_all(&test.db)
        .await
        .unwrap();
    (listed.collect(), kept)
}

/// Every event that is listed is kept, and no event twice.
async fn assert_all_kept_once(test: &TestApp) {
    let (listed, kept) = listed_and_kept(test).await;
    assert_eq!(kept.len(), listed.len());
    assert_eq!(kept.into_iter().collect::<BTreeSet<_>>(), listed);
}

async fn read_until(test: &TestApp) -> OffsetDateTime {
    sqlx::query_scalar("select read_until from event_cursor")
        .fetch_one(&test.db)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_outage_during_which_no_webhook_arrived_heals_by_itself() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        odoo: true,
        timing: Timing {
            events_polled_every: Duration::from_millis(50),
            ..Wishes::default().timing
        },
        ..Wishes::default()
    })
    .await;
    let mut payments = Vec::new();
    for reference in ["S1", "S2", "S3"] {
        payments.push(paid_unheard(&test, reference, json!({})).await);
    }
    for payment in &payments {
        test.until(payment["id"].as_str().unwrap(), "captured").await;
        posted_once(&test, payment).await;
    }
    eventually(async || {
        let (listed, kept) = listed_and_kept(&test).await;
        if kept.len() == listed.len() {
            Ok(())
        } else {
            Err(format!("{} of {} are kept", kept.len(), listed.len()))
        }
    })
    .await;
    assert_eq!(test.count("webhook_event where source <> 'poll'").await, 0);
    assert_eq!(test.count("exception").await, 0);
}

#[tokio::test]
async fn what_was_delivered_and_what_is_read_again_is_there_once() {
    let test = TestApp::spawn_with_odoo().await;
    let payment = paid_unheard(&test, "S1", json!({})).await;
    posted_once(&test, &payment).await;
    let soon = Duration::from_secs(20);
    test.stripe.wait_until_delivered(soon).await.unwrap();
    poll(&test).await;
    poll(&test).await;
    assert_all_kept_once(&test).await;
    assert_eq!(test.count("webhook_event where source <> 'delivery'").await, 0);
    posted_once(&test, &payment).await;
}

#[tokio::test]
async fn many_pages_leave_out_no_event_of_one_second_and_hold_one_page_at_a_time() {
    let test = TestApp::spawn_with(by_hand()).await;
    eventful(&test, 460).await;
    poll(&test).await;
    assert_all_kept_once(&test).await;
    let events = test.stripe.events().len();
    assert_eq!(pages(&test), events.div_ceil(PAGE), "of {PAGE} events each");
    assert!(pages(&test) > 8, "more than one turn has: {} pages", pages(&test));
    let newest = test.stripe.events().last().unwrap()["created"].as_i64();
    assert_eq!(Some(read_until(&test).await.unix_timestamp()), newest);
}

#[tokio::test]
async fn a_crash_between_two_pages_loses_nothing_doubles_nothing_and_goes_on_from_there() {
    let test = TestApp::spawn_with(by_hand()).await;
    eventful(&test, 130).await;
    let all = test.stripe.events().len();
    call_turn(&test).await;
    // The second page, and no other, never comes.
    test.stripe.faults().next(list(), Fault::Delay(Duration::ZERO));
    test.stripe.faults().next(list(), Fault::TimeoutBefore);
    let app = Arc::clone(test.application().app());
    let crashing = test
        .application()
        .app()
        .tasks
        .spawn(async move { history::work(&app).await });
    eventually(async || match test.stripe.faults().fired().len() {
        2 => Ok(()),
        fired => Err(format!("{fired} pages were asked for")),
    })
    .await;
    crashing.abort();
    assert!(crashing.await.unwrap_err().is_cancelled());
    let kept = listed_and_kept(&test).await.1.len();
    assert_eq!(kept, PAGE, "a page and its place are written together");

    poll(&test).await;
    assert_all_kept_once(&test).await;
    assert_eq!(
        pages(&test),
        1 + 1 + (all - PAGE).div_ceil(PAGE),
        "the first page is not read again"
    );
}

#[tokio::test]
async fn two_replicas_read_an_accounts_list_once_at_a_time() {
    let test = TestApp::spawn_with(by_hand()).await;
    paid_unheard(&test, "S1", json!({})).await;
    call_turn(&test).await;
    let slow = Fault::Delay(Duration::from_millis(200));
    test.stripe.faults().always(list(), slow);
    let app = test.application().app();
    let (one, other) = tokio::join!(history::work(app), history::work(app));
    assert_eq!((one.unwrap() + other.unwrap(), pages(&test)), (1, 1));
    assert_all_kept_once(&test).await;
}

#[tokio::test]
async fn a_worker_whose_lease_was_taken_over_moves_no_cursor() {
    let test = TestApp::spawn_with(by_hand()).await;
    paid_unheard(&test, "S1", json!({})).await;
    call_turn(&test).await;
    let before = read_until(&test).await;
    test.stripe
        .faults()
        .next(list(), Fault::Delay(Duration::from_millis(200)));
    let (worked, ()) = tokio::join!(history::work(test.application().app()), async {
        eventually(async || match test.stripe.faults().fired().len() {
            1 => Ok(()),
            _ => Err("nothing was asked for".to_owned()),
        })
        .await;
        run(&test, "update event_cursor set fence = fence + 1").await;
    });
    worked.unwrap();
    assert_eq!(read_until(&test).await, before);
    assert_eq!(test.count("webhook_event").await, 0);
    poll(&test).await;
    assert_all_kept_once(&test).await;
}

#[tokio::test]
async fn a_rate_limit_or_an_outage_of_the_provider_leaves_the_cursor_where_it_is() {
    for fault in [
        Fault::TooManyRequests {
            retry_after_secs: Some(1),
        },
        Fault::Unavailable,
        Fault::Garbage,
    ] {
        let quick = Duration::from_millis(400);
        let test = TestApp::spawn_with(Wishes {
            provider_timeout: quick,
            provider_attempt_timeout: quick,
            ..by_hand()
        })
        .await;
        paid_unheard(&test, "S1", json!({})).await;
        let before = {
            call_turn(&test).await;
            read_until(&test).await
        };
        test.stripe.faults().always(list(), fault);
        poll(&test).await;
        assert_eq!(read_until(&test).await, before, "{fault:?}");
        assert_eq!(
            test.count("event_cursor where due_at > now() + interval '4 minutes'")
                .await,
            1,
            "it is not asked again before the next turn: {fault:?}"
        );
        test.stripe.faults().clear();
        eventually(async || {
            poll(&test).await;
            let (listed, kept) = listed_and_kept(&test).await;
            if kept.len() == listed.len() {
                Ok(())
            } else {
                Err(format!("{fault:?}"))
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_event_that_is_listed_late_is_found_by_the_next_walk() {
    let test = TestApp::spawn_with(by_hand()).await;
    let payment = paid_unheard(&test, "S1", json!({})).await;
    poll(&test).await;
    // As if the last walk had not been shown three of them, but one that is some minutes newer.
    run(
        &test,
        "delete from webhook_event where event_id in
             (select event_id from webhook_event order by created desc, event_id desc limit 3)",
    )
    .await;
    run(
        &test,
        "update event_cursor set read_until = read_until + interval '4 minutes'",
    )
    .await;
    poll(&test).await;
    assert_all_kept_once(&test).await;
    apply(&test).await;
    test.until(payment["id"].as_str().unwrap(), "captured").await;
}

#[tokio::test]
async fn a_walk_whose_place_the_provider_has_forgotten_begins_anew() {
    let test = TestApp::spawn_with(by_hand()).await;
    eventful(&test, 130).await;
    call_turn(&test).await;
    // As a crash after the first page leaves it, long ago.
    run(
        &test,
        "update event_cursor set walk_since = read_until, walk_began_at = clock_timestamp(), walk_next = 'evt_of_long_ago',
             walk_newest = clock_timestamp()",
    )
    .await;
    history::work(test.application().app()).await.unwrap();
    assert_eq!(test.count("webhook_event").await, 0);
    poll(&test).await;
    assert_all_kept_once(&test).await;
}

#[tokio::test]
async fn events_of_the_other_mode_are_left_out_and_those_of_a_connected_account_are_its_own() {
    let test = TestApp::spawn_with(by_hand()).await;
    eventful(&test, 60).await;
    run(&test, "update provider_account set live = true").await;
    poll(&test).await;
    assert_eq!(test.count("webhook_event").await, 0);
    let newest = test.stripe.events().last().unwrap()["created"].as_i64();
    assert_eq!(Some(read_until(&test).await.unix_timestamp()), newest);

    let test = TestApp::spawn_with(by_hand()).await;
    eventful(&test, 60).await;
    run(
        &test,
        "update provider_account set external_account = 'acct_1Sandbox'",
    )
    .await;
    poll(&test).await;
    assert_all_kept_once(&test).await;
    let requests = test.stripe.requests();
    let asked = requests.iter().find(|request| request.path == "/v1/events");
    assert_eq!(asked.unwrap().stripe_account.as_deref(), Some("acct_1Sandbox"));
}

#[tokio::test]
async fn events_that_were_not_read_while_they_were_listed_are_a_persons_and_hasten_the_sweep() {
    let test = TestApp::spawn_with(by_hand()).await;
    quittance::app::nightly::work(test.application().app())
        .await
        .unwrap();
    call_turn(&test).await;
    run(
        &test,
        "update event_cursor set caught_up_at = now() - interval '31 days', read_until = now() - interval '31 days'",
    )
    .await;
    paid_unheard(&test, "S1", json!({})).await;
    poll(&test).await;
    poll(&test).await;
    assert_all_kept_once(&test).await;
    assert_eq!(test.count("exception where kind = 'events_missed'").await, 1);
    assert_eq!(test.count("account_sweep where due_at <= now()").await, 1);
}

#[tokio::test]
async fn an_account_is_read_from_when_it_was_added_and_an_event_keeps_its_bytes() {
    let test = TestApp::spawn_with(by_hand()).await;
    let payment = paid_unheard(&test, "S1", json!({})).await;
    poll(&test).await;
    let (kind, object): (String, String) =
        sqlx::query_as("select kind, object_id from webhook_event where kind = 'payment_intent.succeeded'")
            .fetch_one(&test.db)
            .await
            .unwrap();
    assert_eq!(
        (kind.as_str(), json!(object)),
        ("payment_intent.succeeded", payment["provider_reference"].clone())
    );
    // What is kept can be read like any event: the payment is captured by it.
    apply(&test).await;
    test.until(payment["id"].as_str().unwrap(), "captured").await;
    assert_eq!(test.count("webhook_event where due_at is not null").await, 0);
}
