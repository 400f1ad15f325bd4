//! Many requests over a few connections, each answered as it must be.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::future::try_join_all;

use crate::connection::Connection;
use crate::report::{Report, Thousandths, percentile};

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Load {
    within: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Load {
    /// Sends `count` requests over `connections`, each connection one after the other. `request` makes the bytes of
    /// each; every answer must have the status `wanted`.
    pub(crate) async fn run(
        address: SocketAddr,
        connections: u32,
        count: u32,
        wanted: u16,
        request: impl Fn(u32) -> Vec<u8>,
    ) -> Result<Self> {
        let request = &request;
        let open = try_join_all((0..connections).map(|_| Connection::open(address))).await?;
        let started = Instant::now();
        let senders = open.into_iter().zip(0..).map(async |(mut connection, first)| {
            let mut latencies = Vec::new();
            for number in (first..count).step_by(usize::try_from(connections)?) {
                let bytes = request(number);
                let sent = Instant::now();
                let status = connection.send(&bytes).await?;
                latencies.push(sent.elapsed());
                if status != wanted {
                    bail!(
                        "{status} instead of {wanted}: {}",
                        String::from_utf8_lossy(connection.body())
                    );
                }
            }
            Ok(latencies)
        });
        let mut latencies = try_join_all(senders).await?.concat();
        latencies.sort_unstable();
        Ok(Self {
            within: started.elapsed(),
            latencies,
        })
    }

    /// Requests a second.
    pub(crate) fn per_second(&self) -> Result<u64> {
        let micros = self.within.as_micros().max(1);
        let count = u128::try_from(self.latencies.len())?;
        Ok(u64::try_from(count * 1_000_000 / micros)?)
    }

    /// Throughput, median and 99th percentile, under names that start with `name`.
    pub(crate) fn report(&self, report: &mut Report, name: &str) -> Result<()> {
        let per_s = Thousandths::whole(self.per_second()?)?;
        report.add(&format!("{name}_per_s"), per_s, "1/s")?;
        for percent in [50, 99] {
            let latency = Thousandths::millis(percentile(&self.latencies, percent)?)?;
            report.add(&format!("{name}_p{percent}_ms"), latency, "ms")?;
        }
        Ok(())
    }
}
