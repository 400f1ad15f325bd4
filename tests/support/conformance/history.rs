//! The list of what happened, of a company that keeps one.

use std::collections::BTreeMap;

use quittance::domain::payment::{CaptureMethod, Payment};
use quittance::provider::{Delivery, Envelope, History, HistoryPage};
use time::{Duration, OffsetDateTime};

use super::{Calls, Port, Subject, Trouble, is_invalid, is_unavailable};
use crate::support::now;

/// So many payments have more events than a company lists at a time.
const PAYMENTS: usize = 20;

/// More than anybody needs to hold at once.
const LARGEST_PAGE: usize = 1_000;

const SECRET: &str = "secret_of_the_account";

async fn page<S: Subject>(port: &Port<'_, S>, since: OffsetDateTime, next: Option<&str>) -> HistoryPage {
    let history = port.provider.history().unwrap();
    let page = history.read_events(&port.account, since, next).await.unwrap();
    assert!(page.events.len() <= LARGEST_PAGE, "a page is bounded");
    page
}

/// Goes on from a page to the last one: how often each event was there, by its id, and what its envelope says.
async fn walk<S: Subject>(
    port: &Port<'_, S>,
    since: OffsetDateTime,
    mut page_of: HistoryPage,
) -> BTreeMap<String, Vec<Envelope>> {
    let mut listed = BTreeMap::<String, Vec<Envelope>>::new();
    loop {
        for event in &page_of.events {
            let envelope = event.envelope().clone();
            listed
                .entry(envelope.event_id.clone())
                .or_default()
                .push(envelope);
        }
        let Some(next) = page_of.next else { return listed };
        page_of = page(port, since, Some(&next)).await;
    }
}

/// What deliveries of a payment's events say.
fn delivered<S: Subject>(port: &Port<'_, S>, payment: &Payment) -> Vec<Envelope> {
    let bodies = port
        .subject
        .events_about(payment.provider_reference.as_deref().unwrap());
    let envelope = |body: &Vec<u8>| {
        let signature = port.subject.sign(SECRET, now().unix_timestamp(), body);
        let delivery = Delivery {
            signature: Some(&signature),
            body,
        };
        let verified = port.provider.verify(&delivery, &[SECRET.into()], now()).unwrap();
        verified.envelope().clone()
    };
    bodies.iter().map(envelope).collect()
}

pub(crate) async fn what_happened_is_listed_once_as_it_was_delivered_while_more_happens<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let Some(kept_for) = port.provider.history().map(History::kept_for) else {
        return;
    };
    assert!(kept_for > Duration::days(1), "an outage of a day heals");
    let mut payments = Vec::new();
    for _ in 0..PAYMENTS {
        payments.push(port.paid(CaptureMethod::Automatic).await);
    }
    let events: Vec<Envelope> = payments
        .iter()
        .flat_map(|payment| delivered(&port, payment))
        .collect();
    let since = now() - kept_for;
    let first = page(&port, since, None).await;
    assert!(first.next.is_some(), "there is more than one page");
    port.paid(CaptureMethod::Automatic).await;
    let listed = walk(&port, since, first).await;
    for event in &events {
        let found = listed.get(&event.event_id).map(Vec::as_slice);
        assert_eq!(found, Some(&[event.clone()][..]), "once, as it was delivered");
    }
    assert!(listed.values().all(|found| found.len() == 1), "none twice");

    let latest = events.iter().map(|event| event.created).max().unwrap();
    let late = walk(&port, latest, page(&port, latest, None).await).await;
    assert!(
        late.values().flatten().all(|event| event.created >= latest),
        "nothing older"
    );
    let of_then = events.iter().filter(|event| event.created == latest);
    for event in of_then {
        assert!(late.contains_key(&event.event_id), "all of that very second");
    }
}

pub(crate) async fn a_place_in_the_list_that_is_gone_is_invalid_and_a_list_that_fails_unavailable<
    S: Subject,
>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let Some(history) = port.provider.history() else {
        return;
    };
    let since = now() - history.kept_for();
    let gone = history
        .read_events(&port.account, since, Some("of_long_ago"))
        .await;
    let error = gone.unwrap_err();
    assert!(is_invalid(&error), "{error}");
    for trouble in [Trouble::LostBefore, Trouble::Garbage, Trouble::FailedAfter] {
        subject.befall(Calls::Reads, trouble);
        let error = history.read_events(&port.account, since, None).await.unwrap_err();
        assert!(is_unavailable(&error), "{trouble:?}: {error}");
        subject.heal();
    }
}
