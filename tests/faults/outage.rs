//! An Odoo that is away for an hour, in which everything waits; compressed, as all waiting times are.

use std::time::Duration;

use quittance::domain::ids::OdooInstanceId;
use quittance::domain::outbox::rest_after_failure;
use time::OffsetDateTime;

use super::senders::Senders;
use super::world::{Plan, World};
use crate::support::{database, eventually_within};

const PAYMENTS: usize = 150;

/// An hour in so many parts.
const DIVISOR: u32 = 720;

/// How many messages may be on their way to one Odoo at once, over both workers: the default of `QUITTANCE_ODOO_CONCURRENCY`.
const AT_ONCE: usize = 4;

/// Each worker looks at the journals once when it starts, whether the instance rests or not.
const LOOKS: usize = 2;

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
    let closed_at = world.now().await;
    let _running = world.start().await;
    let urls = world.webhook_urls();
    Senders::new(&urls, &events).run().await;
    let hour = Duration::from_hours(1) / DIVISOR;
    eventually_within(PATIENCE, async || {
        let queued = world.count("outbox_message where state = 'pending'").await;
        if queued == 2 * PAYMENTS && world.now().await - closed_at >= hour {
            Ok(())
        } else {
            Err(format!("{queued} messages wait"))
        }
    })
    .await;
    let away = world.door.traffic();
    let rests = world.rests_within(world.now().await - closed_at).await;
    assert!(away.requests.is_empty(), "nothing got through");
    // What was on its way when the first one failed, and then one message after each rest, by both workers together.
    let most = AT_ONCE + LOOKS + rests;
    assert!(
        (AT_ONCE..=most).contains(&away.knocks.len()),
        "{} knocks, {most} at most",
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

impl World {
    /// What the clock says that rests are measured by.
    async fn now(&self) -> OffsetDateTime {
        let now = sqlx::query_scalar("select clock_timestamp()");
        now.fetch_one(&self.db).await.unwrap()
    }

    /// How many rests an instance that is never reached may have ended in a time: each one longer than the one before.
    async fn rests_within(&self, mut left: time::Duration) -> usize {
        let id: OdooInstanceId = sqlx::query_scalar("select id from odoo_instance")
            .fetch_one(&self.db)
            .await
            .unwrap();
        let divisor = i32::try_from(DIVISOR).unwrap();
        (1..1_000)
            .map(|failures| rest_after_failure(failures, &id.to_string()) / divisor)
            .take_while(|rest| {
                left -= *rest;
                !left.is_negative()
            })
            .count()
    }
}
