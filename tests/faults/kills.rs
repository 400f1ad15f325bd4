//! Workers that are killed without warning while thousands of events wait for them.

use std::time::Duration;

use serde_json::Value;

use super::dice::Dice;
use super::senders::Senders;
use super::world::{Plan, Running, World};
use crate::support::{database, eventually_within};

/// So many payments make 10,000 events.
const PAYMENTS: usize = 2_500;

/// Each how manyth payment is for Odoo: the pretend Odoo looks through all its books for each posting.
const POSTED: usize = 20;

const KILLS: usize = 12;

const PATIENCE: Duration = Duration::from_mins(2);

/// Which types of events tell by themselves what changed; after the others the payment is read, which makes up for any event.
const TELLING: &str = "payment_intent.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_during_10_000_events_apply_each_exactly_once() {
    let world = World::set_up(Plan::new("kills", database().await)).await;
    let events = world.make_paid_payments(PAYMENTS, POSTED).await;
    assert_eq!(events.len(), 4 * PAYMENTS);
    let is_telling = |event: &Value| event["type"].as_str().unwrap().starts_with(TELLING);
    let (telling, others): (Vec<Value>, Vec<Value>) = events.iter().cloned().partition(is_telling);
    assert_eq!(telling.len(), 2 * PAYMENTS);
    let mut dice = Dice::new(1);
    let mut running = world.start().await;

    world.tell_and_kill(&telling, &mut running, &mut dice).await;
    world.quiet(PATIENCE).await;
    assert_eq!(
        world.count("payment where state = 'captured'").await,
        PAYMENTS,
        "what an event told of was lost with its worker"
    );
    world.tell_and_kill(&others, &mut running, &mut dice).await;
    world.quiet(PATIENCE).await;
    assert!(
        world.count("webhook_event where fence > 1").await > 0,
        "no worker was killed while it held an event"
    );
    assert_eq!(world.count("outbox_message").await, 2 * PAYMENTS / POSTED);
    world.judge(&events).await;
}

impl World {
    /// Has events sent, and meanwhile kills one or the other worker, each time when so many of them have ended as the dice say.
    async fn tell_and_kill(&self, events: &[Value], running: &mut Running, dice: &mut Dice) {
        let before = self.count("webhook_event").await;
        let mut moments: Vec<usize> = (0..KILLS / 2).map(|_| dice.below(events.len())).collect();
        moments.sort_unstable();
        let urls = self.webhook_urls();
        let senders = Senders::new(&urls, events);
        let kills = async {
            for moment in moments {
                eventually_within(PATIENCE, async || {
                    let ended = self.count("webhook_event where due_at is null").await;
                    if ended >= before + moment {
                        Ok(())
                    } else {
                        Err(format!("{ended} of {moment}"))
                    }
                })
                .await;
                let victim = dice.below(running.workers.len());
                let worker = running.workers.swap_remove(victim);
                worker.kill().await.unwrap();
                running.workers.push(self.replicas[victim].work().unwrap());
            }
        };
        tokio::join!(senders.run(), kills);
        assert_eq!(senders.refused(), 0);
    }
}
