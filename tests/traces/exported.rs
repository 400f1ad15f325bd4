//! What a collector is sent.

use std::collections::BTreeSet;

use quittance_sandbox::collector::{PretendCollector, Span};
use quittance_sandbox::faults::{Fault, Matcher};

use super::*;

/// The span of a name; all of them, where there are several, must be of the trace.
fn find<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("there is no {name} among {spans:#?}"))
}

#[tokio::test]
async fn one_trace_leads_from_odoos_call_to_stripes_and_on_to_the_posting() {
    let collector = PretendCollector::start().await.unwrap();
    let shop = Shop::set_up("exported", &[("QUITTANCE_OTLP_ENDPOINT", &collector.url())]).await;
    let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    let reply = shop.create("S1", Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    shop.posted("S1").await;
    // What is left is sent before the process ends.
    service.stop().await.unwrap();

    let spans: Vec<Span> = collector
        .spans()
        .into_iter()
        .filter(|span| span.trace == TRACE)
        .collect();
    let request = find(&spans, "http.request");
    assert_eq!(request.parent, CALLER);
    assert_eq!(request.attributes["route"], "/v1/payments");
    assert_eq!(request.attributes["status"], "201");
    let operation = find(&spans, "app.operation.carry_out");
    let above = |span: &Span| spans.iter().find(|other| other.id == span.parent).cloned();
    let mut at = operation.clone();
    while let Some(parent) = above(&at) {
        at = parent;
    }
    assert_eq!(at.name, "http.request", "the operation is beneath the request");
    let stripe = find(&spans, "stripe.request.send");
    assert_eq!(stripe.parent, operation.id);
    assert_eq!(stripe.attributes["path"], "/v1/payment_intents");
    let sent = find(&spans, "app.outbox.send");
    let asked = find(&spans, "app.payment.create");
    assert_eq!(
        sent.parent, asked.id,
        "the posting goes on where the operation was asked for"
    );
    let to_odoo: BTreeSet<&str> = spans
        .iter()
        .filter(|span| span.name == "odoo.request.send")
        .map(|span| span.attributes["path"].as_str())
        .collect();
    assert!(
        to_odoo
            .iter()
            .any(|path| path.starts_with("/json/2/account.payment/")),
        "{to_odoo:?}"
    );
    for line in of_message(&shop.lines(), "odoo has what it was sent") {
        assert_eq!(line["span_id"].as_str().map(str::len), Some(16), "{line:#}");
    }
}

#[tokio::test]
async fn bookings_that_travel_together_are_in_a_trace_of_their_own_with_a_link_to_each_payments() {
    let collector = PretendCollector::start().await.unwrap();
    let shop = Shop::set_up("linked", &[("QUITTANCE_OTLP_ENDPOINT", &collector.url())]).await;
    let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    shop.tell("update odoo_instance set paused_until = now() + interval '1 hour'")
        .await;
    let traces: BTreeSet<String> = ["1", "2", "3"].map(|digit| TRACE.replace('0', digit)).into();
    for (number, trace) in traces.iter().enumerate() {
        let reply = shop
            .create(&format!("S{number}"), Some(&format!("00-{trace}-{CALLER}-01")))
            .await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    }
    let bookings = "outbox_message where posting ->> 'kind' = 'booking'";
    shop.until_kept(bookings, traces.len()).await;
    // What they meet goes before them, and then all are due at once.
    shop.tell(
        "update outbox_message set due_at = now() + interval '1 hour' where posting ->> 'kind' = 'booking'",
    )
    .await;
    shop.tell("update odoo_instance set paused_until = null").await;
    shop.until_kept("outbox_message where state = 'sent'", traces.len())
        .await;
    shop.tell("update outbox_message set due_at = now() where state = 'pending'")
        .await;
    shop.until_kept(&format!("{bookings} and state = 'sent'"), traces.len())
        .await;
    service.stop().await.unwrap();

    let spans = collector.spans();
    let together = spans
        .iter()
        .find(|span| span.name == "app.outbox.send" && span.attributes["kind"] == "booking")
        .unwrap_or_else(|| panic!("no booking went: {spans:#?}"));
    assert_eq!(together.links.iter().cloned().collect::<BTreeSet<_>>(), traces);
    assert_eq!(together.parent, "");
    assert!(!traces.contains(&together.trace));
}

#[tokio::test]
async fn a_trace_that_the_caller_does_not_sample_is_not_exported_and_one_that_begins_here_is_by_its_share() {
    let collector = PretendCollector::start().await.unwrap();
    let url = collector.url();
    let settings = [
        ("QUITTANCE_OTLP_ENDPOINT", url.as_str()),
        ("QUITTANCE_OTLP_PERCENT", "0"),
    ];
    let shop = Shop::set_up("sampled", &settings).await;
    let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    for (reference, context) in [
        ("S1", Some(format!("00-{TRACE}-{CALLER}-00"))),
        ("S2", None),
        ("S3", Some(format!("00-{}-{CALLER}-01", TRACE.replace('0', "1")))),
    ] {
        let reply = shop.create(reference, context.as_deref()).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        shop.posted(reference).await;
    }
    service.stop().await.unwrap();
    let traces: BTreeSet<String> = collector.spans().into_iter().map(|span| span.trace).collect();
    assert_eq!(traces, BTreeSet::from([TRACE.replace('0', "1")]));
}

#[tokio::test]
async fn what_an_operation_left_unknown_is_taken_up_in_its_own_trace() {
    let collector = PretendCollector::start().await.unwrap();
    let shop = Shop::set_up("taken-up", &[("QUITTANCE_OTLP_ENDPOINT", &collector.url())]).await;
    let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    // Nobody else tells of it.
    shop.stripe.hold();
    shop.stripe.faults().times(
        3,
        Matcher::method_path("POST", "/v1/payment_intents"),
        Fault::TimeoutAfter,
    );
    shop.create("S1", Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    shop.posted("S1").await;
    service.stop().await.unwrap();
    let spans = collector.spans();
    let taken_up = find(&spans, "app.operation.take_up");
    assert_eq!(taken_up.trace, TRACE);
    assert!(
        spans
            .iter()
            .any(|span| span.name == "stripe.request.send" && span.failed)
    );
}

#[tokio::test]
async fn a_collector_that_is_away_costs_one_line_and_no_request() {
    let shop = Shop::set_up("away", &[("QUITTANCE_OTLP_ENDPOINT", "http://127.0.0.1:9")]).await;
    let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    let reply = shop.create("S1", None).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    shop.posted("S1").await;
    service.stop().await.unwrap();
    let lines = shop.lines();
    let said = of_message(
        &lines,
        "the collector takes no spans; they are dropped until it does",
    );
    assert_eq!(said.len(), 1, "{lines:#?}");
}
