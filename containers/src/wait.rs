//! Waiting on a condition with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks until there is an answer, and gives it; fails once the time is over.
pub async fn until<T>(what: &str, within: Duration, ask: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        let last = match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => "not yet".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() > within {
            bail!("{what}: not within {within:?}: {last}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
