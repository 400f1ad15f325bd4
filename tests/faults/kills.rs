//! Workers that are killed without warning while thousands of events wait for them.

use std::time::Duration;

use super::dice::Dice;
use super::senders::Senders;
use super::world::{Plan, World};
use crate::support::{database, eventually_within};

/// So many payments make 10,000 events.
const PAYMENTS: usize = 2_500;

/// Each how manyth payment is for Odoo: the pretend Odoo looks through all its books for each posting.
const POSTED: usize = 20;

const KILLS: usize = 12;

const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_during_10_000_events_apply_each_exactly_once() {
    let world = World::set_up(Plan::new("kills", database().await)).await;
    let events = world.make_paid_payments(PAYMENTS, POSTED).await;
    assert_eq!(events.len(), 4 * PAYMENTS);
    let mut dice = Dice::new(1);
    let mut moments: Vec<usize> = (0..KILLS).map(|_| dice.below(events.len())).collect();
    moments.sort_unstable();

    let mut running = world.start().await;
    let urls = world.webhook_urls();
    let senders = Senders::new(&urls, &events);
    let kills = async {
        for moment in moments {
            eventually_within(PATIENCE, async || {
                let ended = world.count("webhook_event where due_at is null").await;
                if ended >= moment {
                    Ok(())
                } else {
                    Err(format!("{ended} of {moment}"))
                }
            })
            .await;
            let victim = dice.below(running.workers.len());
            let worker = running.workers.swap_remove(victim);
            worker.kill().await.unwrap();
            running.workers.push(world.replicas[victim].work().unwrap());
        }
    };
    tokio::join!(senders.run(), kills);

    world.quiet(PATIENCE).await;
    assert_eq!(senders.refused(), 0);
    assert!(
        world.count("webhook_event where fence > 1").await > 0,
        "no worker was killed while it held an event"
    );
    assert_eq!(world.count("outbox_message").await, 2 * PAYMENTS / POSTED);
    world.judge(&events).await;
}
