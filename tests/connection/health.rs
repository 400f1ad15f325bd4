//! How a connection stands, as it is told.

use std::collections::BTreeSet;
use std::time::Instant;

use quittance::domain::scope::{Preset, Scope};
use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{DATABASE, Odoo, serving};
use crate::events::key_with;
use crate::support::TestApp;

async fn change(test: &TestApp, sql: &'static str) {
    sqlx::query(sql).execute(&test.db).await.unwrap();
}

#[tokio::test]
async fn the_figures_are_true_with_a_dead_message_a_paused_instance_and_events_that_wait() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    odoo.connected(json!({})).await;
    let fresh = odoo.look().await;
    let nothing = json!({ "pending": 0, "dead": 0, "oldest_pending_age_s": null, "last_sent_at": null,
        "paused_until": null, "paused_reason": null, "disabled_at": null });
    assert_eq!(fresh["messages"], nothing);
    assert_eq!(
        (&fresh["events"], &fresh["exceptions_open"]),
        (&json!({ "pending": 0, "dead": 0 }), &json!(0))
    );
    for reference in ["S1", "S2", "S3", "S4"] {
        odoo.pay(reference).await.expect(StatusCode::CREATED);
    }
    let pending = test.count("outbox_message").await - 2;
    change(
        &test,
        "update outbox_message set created_at = now() - interval '1 hour' where state = 'pending'",
    )
    .await;
    change(&test, "update outbox_message set state = 'dead', due_at = null where id = (select min(id::text)::uuid from outbox_message)").await;
    change(
        &test,
        "update outbox_message set state = 'sent', due_at = null, sent_at = '2026-11-01T10:00:00Z'
        where id = (select max(id::text)::uuid from outbox_message)",
    )
    .await;
    change(
        &test,
        "update odoo_instance set paused_until = '2030-01-01', paused_reason = 'it said 503', failures = 3",
    )
    .await;
    change(&test, "insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, object_id, payload_sealed, state, due_at, received_at)
        select merchant_id, id, now(), 'evt_' || n, gen_random_uuid(), 'x', 'x', '\\x00', case n when 1 then 'dead' else 'received' end,
            case n when 1 then null else now() end, '2026-11-02T10:00:00Z' from provider_account, generate_series(1, 3) n").await;
    change(&test, "insert into exception (merchant_id, id, kind, provider_account_id, subject, detail, opened_at, closed_at, closed_reason, closed_by, version)
        select merchant_id, gen_random_uuid(), 'foreign_line', id, n::text, 'x', now(), case n when 1 then now() end,
            case n when 1 then 'x' end, case n when 1 then 'cli' end, 1 from provider_account, generate_series(1, 3) n").await;

    let stands = odoo.look().await;
    let messages = &stands["messages"];
    assert_eq!(
        (&messages["pending"], &messages["dead"]),
        (&json!(pending), &json!(1))
    );
    let age_s = messages["oldest_pending_age_s"].as_i64().unwrap();
    assert!((3_600..3_700).contains(&age_s), "{age_s}");
    assert_eq!(messages["last_sent_at"], "2026-11-01T10:00:00Z");
    assert_eq!(
        (&messages["paused_until"], &messages["paused_reason"]),
        (&json!("2030-01-01T00:00:00Z"), &json!("it said 503"))
    );
    assert_eq!(stands["events"], json!({ "pending": 2, "dead": 1 }));
    assert_eq!(stands["webhook"]["last_event_at"], "2026-11-02T10:00:00Z");
    assert_eq!(stands["exceptions_open"], 2);

    let again = odoo.connected(json!({})).await;
    assert_eq!(
        again["messages"]["paused_until"],
        json!(null),
        "who connects is there again"
    );
    assert_eq!(
        test.count("odoo_instance where failures = 1").await,
        1,
        "one message tries for the others"
    );
}

#[tokio::test]
async fn an_answer_has_the_fields_of_the_contract_and_what_the_key_lacks() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    let connected = odoo.connected(json!({})).await;
    let document = serde_json::to_value(quittance::http::openapi_document()).unwrap();
    let fields = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        fields(&connected),
        fields(&schemas["ConnectionView"]["properties"])
    );
    for (part, schema) in [
        ("webhook", "WebhookView"),
        ("messages", "MessagesView"),
        ("events", "EventsView"),
    ] {
        assert_eq!(
            fields(&connected[part]),
            fields(&schemas[schema]["properties"]),
            "{part}"
        );
    }
    assert_eq!(
        (&connected["mode"], &connected["provider"]),
        (&json!("test"), &json!("stripe"))
    );
    assert_eq!(connected["publishable_key"], test.stripe.publishable_key());
    assert_eq!(
        (&connected["missing_scopes"], &connected["currencies"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(
        connected["scopes"].as_array().unwrap().len(),
        Preset::Odoo.scopes().len()
    );

    odoo.pay("S1").await.expect(StatusCode::CREATED);
    assert_eq!(odoo.look().await["currencies"], json!(["EUR"]));

    let narrow = [Scope::OdooConnect, Scope::PaymentsRead];
    let narrow = Odoo {
        key: key_with(&test, test.merchant, false, &narrow).await,
        ..Odoo::new(&test, DATABASE, "1").await
    };
    let missing = narrow.connected(json!({})).await["missing_scopes"].clone();
    assert_eq!(missing.as_array().unwrap().len(), Preset::Odoo.scopes().len() - 2);
    assert!(!missing.to_string().contains("odoo:connect"));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_a_problem_that_is_told_and_costs_nobody_the_connection() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    test.stripe.faults().always(Matcher::any(), Fault::ErrorBefore);
    let wish = json!({ "register_webhook": true, "service_url": test.url });
    let connected = odoo.connected(wish.clone()).await;
    assert!(connected["signing_secret"].is_string());
    assert_eq!(connected["webhook"]["state"], "unknown");
    let problems = connected["webhook"]["problems"].to_string();
    assert!(problems.contains("could not be registered"), "{problems}");
    let began = Instant::now();
    assert_eq!(odoo.look().await["currencies"], json!([]));
    assert!(began.elapsed().as_secs() < 4, "{:?}", began.elapsed());
    test.stripe.faults().clear();
    assert_eq!(odoo.connected(wish).await["webhook"]["state"], "registered");
}
