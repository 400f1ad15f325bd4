//! How much at once, and how long an Odoo in trouble is left alone.

use std::time::{Duration, Instant};

use quittance::startup::Role;
use quittance_sandbox::addon::{PretendAddon, Reply};
use quittance_sandbox::faults::{Fault, Matcher};
use serde_json::json;

use super::World;
use crate::support::{TestApp, eventually};

/// Pays so many payments while nothing can be sent, and says their references.
async fn backlog(world: &World, count: usize) -> Vec<String> {
    let references: Vec<String> = (0..count).map(|number| format!("S{number}")).collect();
    for reference in &references {
        world.pay(reference).await;
    }
    references
}

#[tokio::test]
async fn an_odoo_with_our_addon_has_one_batch_in_hand_over_two_replicas_and_the_next_is_what_came_meanwhile()
{
    let world = World::with(Role::Serve, 100).await;
    world.addon.set_work(Duration::from_millis(300));
    let references = backlog(&world, 1).await;
    world.copies(299).await;
    let replicas = [world.replica().await, world.replica().await];
    world.settled().await;
    assert_eq!(world.addon.most_in_hand(), 1);
    world.assert_told_in_order(&references).await;
    assert_eq!(world.addon.broken(), Vec::<String>::new());
    let told = i64::try_from(world.addon.applied().len()).unwrap();
    assert_eq!(told, world.test.count("outbox_message").await);
    let (requests, full) = (
        world.addon.requests().len(),
        world.addon.applied().len().div_ceil(50),
    );
    assert!(requests <= full + 2, "{requests} requests where {full} would do");
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_stock_odoo_has_no_more_than_four_messages_in_hand() {
    let test = TestApp::spawn_with_odoo().await;
    let odoo = test.odoo.as_ref().unwrap();
    odoo.faults().always(Matcher::any(), Fault::TimeoutBefore);
    for number in 0..8 {
        let wish = json!({ "payment_method": "pm_card_visa" });
        test.create(&format!("S{number}"), wish)
            .await
            .expect(reqwest::StatusCode::CREATED);
    }
    eventually(async || {
        let told = test.count("outbox_message").await;
        let held = test.count("outbox_message where leased_until is not null").await;
        assert!(held <= 4, "{held} in hand");
        (told >= 8 && held == 4)
            .then_some(())
            .ok_or_else(|| format!("{held} of {told} in hand"))
    })
    .await;
}

#[tokio::test]
async fn a_rested_instance_is_tried_with_exactly_one_message_by_all_replicas_together() {
    let world = World::new().await;
    let replica = world.replica().await;
    world.addon.set_work(Duration::from_millis(20));
    world.addon.reply(Some(Reply::status(500)));
    let references = backlog(&world, 12).await;
    world
        .until("it rests and nothing is in hand", async || {
            world.failures().await > 2
                && world
                    .test
                    .count("outbox_message where leased_until is not null")
                    .await
                    == 0
        })
        .await;
    let (failures, requests) = (world.failures().await, world.addon.requests().len());
    let _before = world.addon.most_in_hand();
    world
        .until("it was tried three times more", async || {
            world.failures().await > failures + 2
        })
        .await;
    assert_eq!(world.addon.most_in_hand(), 1);
    // What is being tried at this moment was counted at the addon, but not here yet.
    let tried = i64::try_from(world.addon.requests().len() - requests).unwrap();
    let failed = world.failures().await - failures;
    assert!(
        (failed..=failed + 1).contains(&tried),
        "{tried} tried, {failed} failed"
    );

    world.addon.reply(None);
    world.settled().await;
    assert_eq!(world.addon.most_in_hand(), 1, "while the backlog drains");
    assert_eq!(world.failures().await, 0);
    assert_eq!(world.test.count("outbox_message where attempts > 0").await, 0);
    world.assert_told_in_order(&references).await;
    replica.stop().await;
}

#[tokio::test]
async fn retry_after_is_honoured_in_seconds_and_as_a_date() {
    let date = Reply::status(503)
        .with("date", "Sun, 06 Nov 1994 08:49:07 GMT")
        .with("retry-after", "Sun, 06 Nov 1994 08:49:09 GMT");
    for reply in [Reply::status(429).with("retry-after", "2"), date] {
        let world = World::new().await;
        world.addon.reply(Some(reply));
        world.pay("S1").await;
        world
            .until("it is asked to wait", async || world.failures().await > 0)
            .await;
        let asked = Instant::now();
        world.addon.reply(None);
        let requests = world.addon.requests().len();
        world
            .until("it is tried again", async || {
                world.addon.requests().len() > requests
            })
            .await;
        assert!(
            asked.elapsed() > Duration::from_millis(1_700),
            "{:?}",
            asked.elapsed()
        );
        world.settled().await;
        assert_eq!(world.test.count("outbox_message where attempts > 0").await, 0);
    }
}

#[tokio::test]
async fn a_retry_after_of_years_is_bounded() {
    let world = World::new().await;
    let reply = Reply::status(503).with("retry-after", "99999999999");
    world.addon.reply(Some(reply));
    world.pay("S1").await;
    world.until("it rests", async || world.failures().await > 0).await;
    let bounded =
        "odoo_instance where paused_until between now() + interval '50 min' and now() + interval '61 min'";
    assert_eq!(world.test.count(bounded).await, 1);
}

#[tokio::test]
async fn an_instance_that_hangs_holds_up_no_other() {
    let world = World::new().await;
    world.addon.faults().always(Matcher::any(), Fault::TimeoutBefore);
    backlog(&world, 8).await;
    world
        .until("it hangs", async || {
            world
                .test
                .count("(select distinct coalesce(batch, id) from outbox_message where leased_until is not null) held")
                .await
                == 1
        })
        .await;
    let other = PretendAddon::start().await.unwrap();
    let app = world.test.application().app();
    let url = other.url().parse().unwrap();
    let (id, secret) = quittance::app::setup::add_addon_instance(app, world.test.merchant, url)
        .await
        .unwrap();
    other.set_secret(secrecy::ExposeSecret::expose_secret(&secret.text()));
    let asked = Instant::now();
    let wish = json!({ "payment_method": "pm_card_visa", "odoo_instance": id });
    world
        .test
        .create("other", wish)
        .await
        .expect(reqwest::StatusCode::CREATED);
    eventually(async || {
        other
            .payment("other")
            .filter(|told| told["odoo_state"] == "done")
            .ok_or_else(|| "not told".to_owned())
    })
    .await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}
