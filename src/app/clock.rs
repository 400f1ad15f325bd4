//! The time, as a value that tests can hold.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        Self::new(OffsetDateTime::now_utc)
    }

    /// A clock that tells what it is told to.
    pub fn new(tell: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The time now, in UTC, in the microseconds that Postgres keeps: what is read back is what was written.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let now = (self.0)();
        let beyond = Duration::nanoseconds(i64::from(now.nanosecond() % 1_000));
        now - beyond
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
