//! The image, run in containers as the chart runs it.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a failed unwrap is a failed sentence"
)]
#![expect(clippy::print_stdout, reason = "what was measured is told to whoever ran it")]

mod image;
mod job;
mod load;
mod measures;

use std::time::Duration;

use quittance_containers::replica::Replica;
use quittance_containers::stage::Stage;
use quittance_containers::wait::until;
use serde_json::Value;

/// What does not come true by then never does.
const WITHIN: Duration = Duration::from_mins(1);

/// Nothing of what was asked for is lost: every payment was charged once and is known as captured, every webhook was taken and applied.
async fn nothing_is_lost(stage: &Stage, worker: &Replica, payments: &[Value]) {
    stage.stripe.wait_until_delivered(WITHIN).await.unwrap();
    let shop = stage.shop_at(&stage.proxy.url()).unwrap();
    for payment in payments {
        let id = payment["id"].as_str().unwrap();
        let what = format!("{id} is captured");
        let captured = until(&what, WITHIN, async || {
            let payment = shop.payment(id).await?;
            anyhow::ensure!(payment["state"] == "captured", "{payment}");
            Ok(Some(()))
        });
        captured.await.unwrap();
    }
    assert_eq!(stage.stripe.charges_made(), payments.len());
    let applied = until("every event is applied", WITHIN, async || {
        let left = stage
            .count("select count(*) from webhook_event where state in ('received', 'dead')")
            .await?;
        anyhow::ensure!(left == 0, "{left} are left; {}", worker.log().await?);
        Ok(Some(()))
    });
    applied.await.unwrap();
    let kept = stage.count("select count(*) from webhook_event").await.unwrap();
    assert_eq!(usize::try_from(kept).unwrap(), stage.stripe.events().len());
}
