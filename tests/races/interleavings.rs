//! Captures, cancels, refunds and reads raced against each other and against webhooks.

use std::cell::Cell;
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use quittance::app::Timing;
use quittance::startup::{Application, Role};
use quittance_sandbox::stripe::WebhookEndpoint;
use tokio::runtime::{Builder, Runtime};

use super::traffic::{Doors, cases};
use crate::support::{TestApp, WEBHOOK_SECRET, Wishes, database, settings};

/// How many payments a case races on.
const PAYMENTS: usize = 8;

/// Short calls, and a schedule of seconds in the place of days.
fn hurried(database: String) -> Wishes {
    Wishes {
        database: Some(database),
        provider_timeout: Duration::from_millis(450),
        provider_attempt_timeout: Duration::from_millis(250),
        timing: Timing {
            retry_divisor: 1_000,
            ..Timing::default()
        },
        ..Wishes::default()
    }
}

/// Runs as many cases, the same ones every time. A failure names its case.
fn race(runtime: &Runtime, doors: &Doors<'_>, count: u32) {
    let config = Config {
        cases: count,
        failure_persistence: None,
        // A smaller case meets other interleavings.
        max_shrink_iters: 0,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let number = Cell::new(0_u32);
    let ended = runner.run(&cases(PAYMENTS), |case| {
        number.set(number.get() + 1);
        runtime.block_on(doors.prove(&format!("case-{}", number.get()), &case));
        Ok(())
    });
    match ended {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case:#?}"),
        Err(error @ TestError::Abort(_)) => panic!("{error}"),
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn every_interleaving_ends_in_a_legal_state_with_amounts_that_add_up() {
    let runtime = runtime();
    let test = runtime.block_on(async { TestApp::spawn_with(hurried(database().await)).await });
    let doors = Doors::new(&test, vec![test.url.clone()]);
    race(&runtime, &doors, 16);
}

#[test]
fn two_services_on_one_database_do_nothing_twice() {
    let runtime = runtime();
    let (test, other) = runtime.block_on(async {
        let url = database().await;
        let mut wishes = hurried(url.clone());
        // It runs out while its holder still waits for the provider: the other one takes the work up as well.
        wishes.timing.operation_lease = Duration::from_millis(150);
        let settings = quittance::config::Settings {
            timing: wishes.timing,
            provider_timeout: wishes.provider_timeout,
            provider_attempt_timeout: wishes.provider_attempt_timeout,
            ..settings(&url)
        };
        let test = TestApp::spawn_with(wishes).await;
        (test, Application::start(&settings, Role::Both).await.unwrap())
    });
    let other_url = format!("http://{}", other.address().unwrap());
    let webhooks = test.webhook_url().replace(&test.url, &other_url);
    // Each hears of every event.
    runtime.block_on(async {
        test.stripe
            .add_endpoint(WebhookEndpoint::new(webhooks, WEBHOOK_SECRET))
    });
    let doors = Doors::new(&test, vec![test.url.clone(), other_url]);
    race(&runtime, &doors, 6);
    runtime.block_on(other.stop());
}
