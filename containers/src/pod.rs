//! How the chart runs each role, as far as an engine without Kubernetes can be told of it. The chart's tests keep the record up to date.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

const RECORDED: &str = include_str!("../../tests/chart/snapshots/containers.json");

/// What a pod's container is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    /// What the program is started with.
    pub arguments: Vec<String>,
    /// User and group, by number.
    pub user: String,
    /// Whether nothing can be written to.
    pub read_only: bool,
    /// Rights that it has not.
    pub dropped: Vec<String>,
    /// Whether nothing that it starts gets more rights.
    pub no_new_privileges: bool,
    /// Most memory, such as `256Mi`.
    pub memory: String,
    /// Settings that are no secrets.
    pub environment: BTreeMap<String, String>,
    /// Settings that are.
    pub secrets: Vec<String>,
    /// How long it goes on serving once it was told to end.
    pub drain_s: u64,
    /// How long it then has to finish.
    pub grace_s: i32,
}

impl Pod {
    /// The pod of a role: `migrate`, `serve` or `worker`.
    pub fn of(role: &str) -> Result<Self> {
        let mut pods: BTreeMap<String, Self> =
            serde_json::from_str(RECORDED).context("reading what the chart does")?;
        pods.remove(role)
            .with_context(|| format!("the chart knows no {role}"))
    }

    /// Most memory, in bytes.
    pub fn memory_bytes(&self) -> Result<i64> {
        let mebibytes = self.memory.strip_suffix("Mi");
        let mebibytes = mebibytes.with_context(|| format!("{} is not in Mi", self.memory))?;
        Ok(mebibytes.parse::<i64>()? * 1024 * 1024)
    }
}
