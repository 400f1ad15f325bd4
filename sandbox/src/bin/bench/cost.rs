//! What one of many things costs in processor time, whatever else the machine is busy with.

use std::time::Duration;

use anyhow::Result;

use crate::report::{Report, Thousandths};

/// The processor time that many things took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) service: Duration,
    pub(crate) postgres: Duration,
}

impl Cost {
    /// What each of `count` took, and how many of them a core does in a second that the service and Postgres share.
    pub(crate) fn report(self, report: &mut Report, one: &str, count: u32) -> Result<()> {
        for (part, whole) in [("service", self.service), ("postgres", self.postgres)] {
            let each = Thousandths::millis(whole / count)?;
            report.add(&format!("{one}_cpu_ms_{part}"), each, "ms")?;
        }
        let whole = u64::try_from((self.service + self.postgres).as_micros())?.max(1);
        let per_core = Thousandths::whole(u64::from(count) * 1_000_000 / whole)?;
        report.add(&format!("{one}s_per_core_s"), per_core, "1/s")
    }
}
