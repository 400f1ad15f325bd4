//! A Postgres that stops and starts while events pour in.

use std::io::Write;
use std::time::Duration;

use quittance_sandbox::postgres::{Cluster, Durability};
use serde_json::{Value, json};

use super::dice::Dice;
use super::judge::NOT_FOLLOWED;
use super::senders::Senders;
use super::world::{Plan, World};
use crate::support::{database_of, eventually_within, now};

const PAYMENTS: usize = 250;
const POSTED: usize = 5;

/// Events of a type that nobody follows: they are kept all the same.
const OTHERS: usize = 2_000;

const RESTARTS: usize = 6;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_restarted_under_load_keeps_each_acknowledged_event_once() {
    let cluster = Cluster::start_private(Durability::Full).await.unwrap();
    if !cluster.is_stoppable() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: restarts of Postgres under load, since this one cannot be stopped"
        );
        return;
    }
    let world = World::set_up(Plan::new("restarts", database_of(&cluster).await)).await;
    let mut events = world.make_paid_payments(PAYMENTS, POSTED).await;
    events.extend((0..OTHERS).map(other));
    Dice::new(2).shuffle(&mut events);

    let running = world.start().await;
    let urls = world.webhook_urls();
    let senders = Senders::new(&urls, &events);
    let restarts = async {
        for number in 0..RESTARTS {
            let enough = events.len() * (number + 1) / (RESTARTS + 1);
            eventually_within(PATIENCE, async || match senders.count() {
                count if count >= enough => Ok(()),
                count => Err(format!("{count} of {enough}")),
            })
            .await;
            // Whatever was acknowledged before the stop is there after it.
            let acknowledged = senders.acknowledged();
            if number % 2 == 0 {
                cluster.crash().await.unwrap();
            } else {
                cluster.stop().await.unwrap();
            }
            cluster.start_server().await.unwrap();
            let lost = lost(&world, acknowledged.iter()).await;
            assert!(lost.is_empty(), "restart {number}: {lost:?}");
        }
    };
    tokio::join!(senders.run(), restarts);

    assert!(senders.refused() > 0, "nobody noticed that Postgres was away");
    assert!(lost(&world, senders.acknowledged().iter()).await.is_empty());
    world.quiet(PATIENCE).await;
    world.judge(&events).await;
    drop(running);
}

fn other(number: usize) -> Value {
    json!({
        "id": format!("evt_other_{number}"), "object": "event", "type": NOT_FOLLOWED, "livemode": false,
        "created": now().unix_timestamp(), "data": { "object": { "id": format!("prod_{number}") } },
    })
}

/// The events among these that are not there.
async fn lost(world: &World, ids: impl Iterator<Item = &String>) -> Vec<String> {
    let ids: Vec<&String> = ids.collect();
    eventually_within(PATIENCE, async || {
        sqlx::query_scalar(
            "select sent from unnest($1::text[]) sent
             where not exists (select from webhook_event e where e.event_id = sent)",
        )
        .bind(&ids)
        .fetch_all(&world.db)
        .await
        .map_err(|error| error.to_string())
    })
    .await
}
