//! Waiting on a condition with a deadline, never on luck.

use std::time::{Duration, Instant};

/// Asks until the answer is `Ok`, and gives it; fails with the last `Err` after 20 seconds.
pub(crate) async fn eventually<T>(ask: impl AsyncFn() -> Result<T, String>) -> T {
    eventually_within(Duration::from_secs(20), ask).await
}

/// The same with another deadline.
pub(crate) async fn eventually_within<T>(deadline: Duration, ask: impl AsyncFn() -> Result<T, String>) -> T {
    match try_within(deadline, ask).await {
        Ok(answer) => answer,
        Err(last) => panic!("{last}"),
    }
}

/// The same for who goes on after a failure: the last `Err` is the answer.
pub(crate) async fn try_within<T>(
    deadline: Duration,
    ask: impl AsyncFn() -> Result<T, String>,
) -> Result<T, String> {
    let started = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(last) if started.elapsed() > deadline => {
                return Err(format!("not within {deadline:?}: {last}"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
