//! Every kind of request against everything that can go wrong with it: one effect at the provider, one right answer.
//!
//! The cases are generated: kinds × steps at which the program is killed, kinds × faults. A kind more is an entry in
//! [`kinds`]. `make matrix` prints what came of each.

mod answers;
mod crashes;
mod faults;
mod gate;
mod judge;
mod kinds;
mod table;
mod world;

use std::io::Write;
use std::path::Path;

use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::{self, StreamExt};
use quittance_sandbox::postgres::{Cluster, Durability};

use crashes::{Step, crash};
use faults::{FAULTS, Outage, restart, suffer};
use table::{Row, table};
use world::Healer;

/// How many worlds there are at a time. Most of them wait.
const AT_ONCE: usize = 8;

/// A world of cases, and what to call it where it cannot even be judged.
type World<'a> = (String, LocalBoxFuture<'a, anyhow::Result<Vec<Row>>>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_happens_once_and_is_answered_right_whatever_goes_wrong() {
    let mut worlds: Vec<World<'_>> = vec![("restarts".to_owned(), restarts().boxed_local())];
    for healer in [Healer::Caller, Healer::Worker] {
        for step in Step::ALL {
            let name = format!("matrix-{}", worlds.len());
            worlds.push((name.clone(), crash(name, step, healer).boxed_local()));
        }
    }
    for healer in [Healer::Caller, Healer::Worker] {
        for (fault, words) in FAULTS {
            let name = format!("matrix-{}", worlds.len());
            worlds.push((name.clone(), suffer(name, fault, words, healer).boxed_local()));
        }
    }
    let rows: Vec<Vec<Row>> = stream::iter(worlds)
        .map(async |(name, rows)| {
            rows.await
                .unwrap_or_else(|error| vec![Row::of_none(name, &error)])
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let text = table(&rows.concat());
    let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/matrix.txt");
    std::fs::write(written, &text).unwrap();
    #[expect(clippy::print_stdout, reason = "for `make matrix`; captured otherwise")]
    {
        println!("\n{text}");
    }
    let failed: Vec<&str> = text.lines().filter(|line| is_failure(line)).collect();
    assert!(text.contains("\nmatrix ok: "), "{failed:#?}");
}

fn is_failure(line: &str) -> bool {
    ["LOST", "DOUBLE", "WRONG", "matrix failed"]
        .iter()
        .any(|word| line.contains(word))
}

/// Restarts of a Postgres of its own, one after the other; none where it cannot be stopped and started.
async fn restarts() -> anyhow::Result<Vec<Row>> {
    let cluster = Cluster::start_private(Durability::Fast).await?;
    let mut rows = Vec::new();
    if cluster.is_stoppable() {
        for outage in [Outage::Stop, Outage::Crash] {
            rows.extend(restart(&cluster, outage).await?);
        }
    } else {
        // The harness shows what is written straight to standard error.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the cases of a Postgres that stops, since this one cannot be stopped"
        );
    }
    Ok(rows)
}
