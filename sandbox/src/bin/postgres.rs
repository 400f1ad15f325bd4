//! Runs a private Postgres until Ctrl-C, and prints its URL: for trying things by hand.

use std::io::Write;

use anyhow::Result;
use quittance_sandbox::postgres::{Cluster, Durability};

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::start(Durability::Full).await?;
    writeln!(std::io::stdout(), "{}", cluster.url())?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
