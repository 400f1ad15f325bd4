//! Every kind of command, and commands that fail, with secrets where they belong and where they do not.

use quittance_sandbox::faults::{Fault, Matcher};

use super::canaries::{CARD_NUMBER, PASSWORD, STRIPE_KEY, Seen};
use super::routes::Ids;
use super::world::World;
use super::{DENIED, TRACEBACK};

/// Runs them all.
pub(super) async fn run(world: &mut World, ids: &Ids) {
    let (merchant, account) = (world.merchant.id.clone(), world.merchant.account.clone());
    let of = |prefix: &str| ids.iter().find(|(known, _)| *known == prefix).unwrap().1.clone();
    let (event, exception, message) = (of("/v1/events/"), of("/v1/exceptions/"), of("/v1/outbox/"));
    let whose = ["--merchant", &merchant];
    let place = [&whose[..], &["--provider-account", &account]].concat();
    let instance = world.odoo_instance.clone();
    let lines: Vec<(Vec<&str>, Seen)> = vec![
        (
            [&["provider-account", "check"], &place[..]].concat(),
            Seen::Nothing,
        ),
        (
            [
                &["provider-account", "connect", "--url", "http://127.0.0.1:1"],
                &place[..],
            ]
            .concat(),
            Seen::Nothing,
        ),
        ([&["events", "list"], &whose[..]].concat(), Seen::ToldColumn),
        (
            [&["events", "show", &event], &whose[..]].concat(),
            Seen::ToldColumn,
        ),
        (
            [&["events", "payload", &event], &whose[..]].concat(),
            Seen::Payload,
        ),
        (
            [&["events", "replay", &event], &whose[..]].concat(),
            Seen::ToldColumn,
        ),
        ([&["exceptions", "list"], &whose[..]].concat(), Seen::ToldColumn),
        (
            [&["exceptions", "show", &exception], &whose[..]].concat(),
            Seen::ToldColumn,
        ),
        ([&["outbox", "list"], &whose[..]].concat(), Seen::ToldColumn),
        (
            [&["outbox", "show", &message], &whose[..]].concat(),
            Seen::ToldColumn,
        ),
        ([&["audit"], &whose[..]].concat(), Seen::ToldColumn),
        (
            [&["reconcile", "--since", "2026-10-01T00:00:00Z"], &place[..]].concat(),
            Seen::Nothing,
        ),
        (
            [&["odoo", "check", "--odoo-instance", &instance], &whose[..]].concat(),
            Seen::Nothing,
        ),
        (
            [&["payouts", "report", "--payout", CARD_NUMBER], &whose[..]].concat(),
            Seen::Nothing,
        ),
    ];
    for (arguments, seen) in lines {
        world.command(&arguments, &[], seen).await;
    }
    in_trouble(
        world,
        &place,
        &[&whose[..], &["--odoo-instance", &instance]].concat(),
    )
    .await;
    wrongly(world, &whose).await;
}

/// Stripe does not know the key, and Odoo refuses everything.
async fn in_trouble(world: &mut World, place: &[&str], instance: &[&str]) {
    let denied = Fault::Says {
        status: 403,
        body: DENIED,
    };
    world.stripe.faults().always(Matcher::any(), denied);
    let check = [&["provider-account", "check"], place].concat();
    world.command(&check, &[], Seen::Nothing).await;
    world.stripe.faults().clear();
    let refused = Fault::Says {
        status: 422,
        body: TRACEBACK,
    };
    world.odoo.faults().always(Matcher::any(), refused);
    // Whoever looks at an instance is told at the terminal what Odoo says.
    let check = [&["odoo", "check"], instance].concat();
    world.command(&check, &[], Seen::ToldColumn).await;
    world.odoo.faults().clear();
}

/// A key of the other mode, addresses that are none or that nobody answers at, secrets where something else belongs.
async fn wrongly(world: &mut World, whose: &[&str]) {
    let live = format!("sk_live_{STRIPE_KEY}");
    let add = [&["provider-account", "add"], whose].concat();
    world
        .command(&add, &[("STRIPE_SECRET_KEY", &live)], Seen::Nothing)
        .await;
    for scheme in ["mysql", "postgres"] {
        let url = format!("{scheme}://quittance:{PASSWORD}@127.0.0.1:1/x");
        let variables = [("QUITTANCE_DATABASE_URL", url.as_str())];
        world.command(&["migrate"], &variables, Seen::Nothing).await;
    }
    for variable in ["QUITTANCE_SEALING_KEY", "QUITTANCE_LISTEN", "QUITTANCE_LOG"] {
        let variables = [(variable, STRIPE_KEY)];
        world.command(&["serve"], &variables, Seen::Nothing).await;
    }
}
