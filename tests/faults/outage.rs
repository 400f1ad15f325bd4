//! An Odoo that is away for an hour, in which everything waits; compressed, as all waiting times are.

use std::time::{Duration, Instant};

use super::senders::Senders;
use super::world::{Plan, World};
use crate::support::{database, eventually_within};

const PAYMENTS: usize = 150;

/// An hour in so many parts.
const DIVISOR: u32 = 720;

/// How many requests the two workers may have at Odoo at once: four each.
const AT_ONCE: usize = 8;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odoo_that_was_away_for_an_hour_is_told_everything_in_order_once_and_without_a_rush() {
    let world = World::set_up(Plan {
        retry_divisor: DIVISOR,
        odoo_latency: Duration::from_millis(5),
        ..Plan::new("outage", database().await)
    })
    .await;
    let events = world.make_paid_payments(PAYMENTS, 1).await;
    world.door.close();
    world.door.forget();
    let closed_at = Instant::now();
    let _running = world.start().await;
    let urls = world.webhook_urls();
    Senders::new(&urls, &events).run().await;
    let hour = Duration::from_hours(1) / DIVISOR;
    eventually_within(PATIENCE, async || {
        let queued = world.count("outbox_message where state = 'pending'").await;
        if queued == 2 * PAYMENTS && closed_at.elapsed() >= hour {
            Ok(())
        } else {
            Err(format!("{queued} messages wait"))
        }
    })
    .await;
    let away = world.door.traffic();
    assert!(away.requests.is_empty(), "nothing got through");
    // Each worker comes with what it may send at once, and then rests for at least half a minute, compressed too.
    let rests = closed_at.elapsed().as_millis() / (Duration::from_secs(30) / DIVISOR).as_millis();
    let most = AT_ONCE * (usize::try_from(rests).unwrap() + 2);
    assert!(
        (1..=most).contains(&away.knocks.len()),
        "{} knocks",
        away.knocks.len()
    );
    assert_eq!(world.count("outbox_message where attempts > 0").await, 0);

    world.door.open();
    world.quiet(PATIENCE).await;
    let back = world.door.traffic();
    assert!(
        (2..=AT_ONCE).contains(&back.most_at_once),
        "{} requests at once",
        back.most_at_once
    );
    assert_eq!(world.count("outbox_message").await, 2 * PAYMENTS);
    world.judge(&events).await;
}
