//! The generated month, posted: what Stripe holds, the ledger says and Odoo's books hold are one, to the cent.
//!
//! What is expected comes from the month's plan and from the ledger, never from what was read back.

mod books;
mod kills;
mod payouts;
mod sales;
mod world;

use quittance::startup::Role;
use quittance_sandbox::odoo::Options;

use super::VERSION;
use crate::odoo::rpc::Door;
use world::World;

/// A company that counts in euros.
async fn euros() -> Door {
    let options = Options {
        version: VERSION,
        ..Options::default()
    };
    Door::find_company(options).await
}

#[tokio::test]
async fn a_month_of_everything_is_in_odoo_to_the_cent_and_stays_so_when_all_is_sent_again() {
    let world = World::open(euros().await, Role::Both).await;

    let month = world.happen(80).await;
    world.posted().await;
    world.judge(&month).await;
    world.send_all_again().await;
    world.posted().await;

    world.judge(&month).await;
}

#[tokio::test]
async fn a_company_that_counts_in_another_currency_than_any_journal_has_the_month_to_the_cent() {
    let millionths = |code: &str, rate| (code.to_owned(), rate);
    let options = Options {
        version: VERSION,
        currency: "GBP".to_owned(),
        rates: vec![
            millionths("EUR", 1_173_512),
            millionths("JPY", 204_377_100),
            millionths("KWD", 401_703),
            millionths("USD", 1_309_977),
        ],
        ..Options::default()
    };
    let world = World::open(Door::find_company(options).await, Role::Both).await;

    let month = world.happen(40).await;
    world.posted().await;

    world.judge(&month).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_in_the_middle_of_posting_loses_nothing_and_doubles_nothing() {
    let world = World::open(euros().await, Role::Serve).await;
    kills::Victim::let_odoo_rest(&world).await;
    let mut worker = kills::Victim::start(&world);

    let month = world.happen(40).await;
    let held = worker.killed_while(&world, world.posted()).await;

    assert!(held > 0, "no worker was killed while it held a posting");
    world.judge(&month).await;
}
