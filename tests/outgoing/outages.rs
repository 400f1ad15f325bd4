//! An Odoo that is away for long.

use std::time::{Duration, Instant};

use quittance::startup::Role;
use quittance_sandbox::faults::{Fault, Matcher};

use super::World;

#[tokio::test]
async fn an_hour_without_odoo_kills_no_message_and_the_backlog_drains_in_order() {
    // An hour in 3.6 seconds.
    let world = World::with(Role::Both, 1_000).await;
    let replica = world.replica().await;
    let began = Instant::now();
    world.addon.faults().always(Matcher::any(), Fault::ResetBefore);
    let references: Vec<String> = (0..16).map(|number| format!("S{number}")).collect();
    for reference in &references {
        world.pay(reference).await;
    }
    world
        .until("the hour is over", async || {
            began.elapsed() > Duration::from_millis(3_600)
        })
        .await;
    let tried = world.addon.connections();
    assert!(tried < 60, "{tried} tries in an hour");
    assert!(world.addon.applied().is_empty());
    world.addon.set_work(Duration::from_millis(5));
    let _before = world.addon.most_in_hand();
    world.addon.faults().clear();
    world.settled().await;

    assert_eq!(world.addon.most_in_hand(), 1);
    assert_eq!(world.test.count("outbox_message where attempts > 0").await, 0);
    assert_eq!(world.test.count("exception").await, 0);
    world.assert_told_in_order(&references).await;
    replica.stop().await;
}
