//! `quittance reconcile` and `quittance audit`.

use clap::Args;
use quittance::app::{App, audit, reconciliation};
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::http::AuditReport;
use serde_json::{Value, json, to_value};
use time::OffsetDateTime;

use super::whose::{Whose, moment};

#[derive(Args)]
pub(crate) struct Reconcile {
    /// Whose account it is (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
    /// The account (`acc_…`).
    #[arg(long)]
    provider_account: ProviderAccountId,
    /// From when on its ledger lines are read again, RFC 3339. What is known is left as it is.
    #[arg(long, value_parser = moment)]
    since: OffsetDateTime,
}

#[derive(Args)]
pub(crate) struct Audited {
    #[command(flatten)]
    whose: Whose,
}

impl Reconcile {
    /// Reads, matches and books until nothing is left to do.
    pub(super) async fn run(self, app: &App) -> anyhow::Result<Value> {
        let booked = reconciliation::reconcile(app, self.merchant, self.provider_account, self.since).await?;
        Ok(json!({ "provider_account": self.provider_account, "booked": booked }))
    }
}

impl Audited {
    /// The report, which is a failure where not all is explained.
    pub(super) async fn run(self, app: &App) -> anyhow::Result<Value> {
        let audit = audit::audit(app, &self.whose.operator()).await?;
        let mut report = to_value(AuditReport::from(&audit))?;
        report["ok"] = audit.is_explained().into();
        Ok(report)
    }
}
