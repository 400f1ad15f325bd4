//! A worker that is killed without warning while it posts.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use quittance_sandbox::service::{Quittance, Service};

use super::world::World;
use crate::support::{SEALING_KEY, eventually_within};

const KILLS: i64 = 6;

/// A posting that a worker has taken up and not put back.
const IN_HAND: &str =
    "outbox_message where state = 'pending' and fence > 0 and last_error is null and due_at > now()";

/// The real program as the only worker.
pub(super) struct Victim {
    program: Quittance,
    running: Option<Service>,
}

impl Victim {
    pub(super) fn start(world: &World) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_quittance"));
        let name = format!("month-kills-{}.log", super::VERSION.major());
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // A lease lasts four times as long as a call may: a real Odoo takes its time.
        let odoo_timeout = if world.door.pretend.is_some() {
            "1000"
        } else {
            "10000"
        };
        let program = Quittance::new(program, &world.database, &log)
            .unwrap()
            .with("QUITTANCE_SEALING_KEY", SEALING_KEY)
            .with("QUITTANCE_PROVIDER_TIMEOUT_MS", "1000")
            .with("QUITTANCE_ODOO_TIMEOUT_MS", odoo_timeout)
            .with("QUITTANCE_RETRY_DIVISOR", "100");
        let running = program.work().unwrap();
        Self {
            program,
            running: Some(running),
        }
    }

    /// Lets Odoo rest, so that all that happens waits for it.
    pub(super) async fn let_odoo_rest(world: &World) {
        sqlx::query("update odoo_instance set paused_until = now() + interval '1 hour'")
            .execute(&world.test.db)
            .await
            .unwrap();
    }

    /// Kills it time and again until the work is done, each time while it holds postings. How many those were together.
    pub(super) async fn killed_while(&mut self, world: &World, work: impl Future<Output = ()>) -> i64 {
        let sent = async || world.test.count("outbox_message where state = 'sent'").await;
        let (before, left) = (
            sent().await,
            world.test.count("outbox_message where state = 'pending'").await,
        );
        sqlx::query("update odoo_instance set paused_until = null")
            .execute(&world.test.db)
            .await
            .unwrap();
        let held = Cell::new(0);
        let kills = async {
            for number in 0..KILLS {
                let mark = before + left * number / (KILLS + 1);
                let is_held = eventually_within(Duration::from_mins(2), async || {
                    let in_hand = world.test.count(IN_HAND).await;
                    if sent().await >= mark && in_hand > 0 {
                        return Ok(true);
                    }
                    match world.test.count("outbox_message where state = 'pending'").await {
                        0 => Ok(false),
                        left => Err(format!(
                            "{left} wait, and {mark} are not reached or none is in hand"
                        )),
                    }
                })
                .await;
                // A quick worker may be done between two looks.
                if !is_held {
                    break;
                }
                self.running.take().unwrap().kill().await.unwrap();
                held.set(held.get() + world.test.count(IN_HAND).await);
                self.running = Some(self.program.work().unwrap());
            }
        };
        tokio::join!(work, kills);
        held.get()
    }
}
