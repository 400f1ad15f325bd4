//! `quittance doctor`

use std::fmt::Write as _;

use clap::Args;
use quittance::app::doctor::{Finding, Level};
use quittance::config::Settings;
use quittance::domain::ids::MerchantId;
use quittance::startup;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Doctor {
    /// Look at one merchant's accounts and Odoos only (`mer_…`).
    #[arg(long)]
    merchant: Option<MerchantId>,
    /// Answer with one JSON object.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// What to print, and whether nothing is wrong.
    pub(crate) async fn run(self, settings: &Settings) -> (String, bool) {
        let findings = startup::examine(settings, self.merchant).await;
        let ok = findings.iter().all(|finding| finding.level < Level::Error);
        let answer = if self.json {
            json!({ "ok": ok, "findings": findings }).to_string()
        } else {
            table(&findings)
        };
        (answer, ok)
    }
}

/// One line for each finding, and one beneath with what to do.
fn table(findings: &[Finding]) -> String {
    let wide = |of: fn(&Finding) -> usize| findings.iter().map(of).max().unwrap_or_default();
    let check = wide(|finding| finding.check.len());
    let of = wide(|finding| finding.of.as_deref().map_or(0, str::len));
    let mut table = String::new();
    for finding in findings {
        let whose = finding.of.as_deref().unwrap_or_default();
        let level = finding.level;
        let _never_fails = writeln!(
            table,
            "{level:7}  {:check$}  {whose:of$}  {}",
            finding.check, finding.said
        );
        if let Some(remedy) = &finding.remedy {
            let _never_fails = writeln!(table, "{:7}  {:check$}  {:of$}  -> {remedy}", "", "", "");
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings, well) = (count(Level::Error), count(Level::Warning), count(Level::Ok));
    let _never_fails = write!(table, "\nerrors: {errors}, warnings: {warnings}, ok: {well}");
    table
}
