//! `quittance reconcile` and `quittance audit`.

use clap::Args;
use quittance::app::App;
use quittance::app::audit::{self, Depth};
use quittance::app::reconciliation::{self, opening};
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::http::{AuditReport, OpeningReport};
use serde_json::{Value, json, to_value};
use time::{Date, OffsetDateTime};

use super::whose::{Whose, day, moment};

#[derive(Args)]
pub(crate) struct Reconcile {
    /// Whose account it is (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
    /// The account (`acc_…`).
    #[arg(long)]
    provider_account: ProviderAccountId,
    #[command(flatten)]
    from: From,
}

/// From when on.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct From {
    /// From when on its ledger lines are read again, RFC 3339. What is known is left as it is.
    #[arg(long, value_parser = moment)]
    since: Option<OffsetDateTime>,
    /// For an account with a past: the first day whose lines are booked (UTC), such as 2026-11-01. What it held then is booked as its
    /// opening balance, once and for good.
    #[arg(long, value_name = "DATE", value_parser = day)]
    opening: Option<Date>,
}

#[derive(Args)]
pub(crate) struct Audited {
    #[command(flatten)]
    whose: Whose,
    /// Sum the whole ledger, and hold the sums that audits begin with against it.
    #[arg(long)]
    full: bool,
}

impl Reconcile {
    /// Reads, matches and books until nothing is left to do.
    pub(super) async fn run(self, app: &App) -> anyhow::Result<Value> {
        let account = self.provider_account;
        if let Some(date) = self.from.opening {
            let opened = opening::open(app, self.merchant, account, date).await?;
            let mut answer = to_value(OpeningReport::from(&opened))?;
            answer["provider_account"] = json!(account);
            return Ok(answer);
        }
        let since = self.from.since.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let booked = reconciliation::reconcile(app, self.merchant, account, since).await?;
        Ok(json!({ "provider_account": account, "booked": booked }))
    }
}

impl Audited {
    /// The report, which is a failure where not all is explained.
    pub(super) async fn run(self, app: &App) -> anyhow::Result<Value> {
        let depth = if self.full {
            Depth::Full
        } else {
            Depth::SinceCheckpoint
        };
        let audit = audit::audit(app, &self.whose.operator(), depth).await?;
        let mut report = to_value(AuditReport::from(&audit))?;
        report["ok"] = audit.is_explained().into();
        Ok(report)
    }
}
