//! `quittance payouts`.

use std::io::{Write as _, stdout};

use clap::{Subcommand, ValueEnum};
use quittance::app::App;
use quittance::app::auth;
use quittance::app::reconciliation::report::{self, AllLines};
use quittance::http::{PayoutReconciliation, ReportText, SHOWN, csv_header, csv_rows};
use serde_json::{Value, to_value};

use super::whose::{Page, Whose};

#[derive(Subcommand)]
pub(crate) enum PayoutsCommand {
    /// Show what a payout is made of: its sums, what holds it open, and its lines.
    Report {
        #[command(flatten)]
        whose: Whose,
        /// The payout: the provider's id of it (`po_…`) or ours (`pyt_…`).
        #[arg(long)]
        payout: String,
        /// As text with its first 1,000 lines, as the API answers it, or as CSV with all of its lines.
        #[arg(long, value_enum, default_value_t = Form::Text)]
        format: Form,
        #[command(flatten)]
        page: Page,
    },
}

/// A form of a report.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// What the API would answer; null where the report was written in another form.
pub(super) async fn run(app: &App, command: PayoutsCommand) -> anyhow::Result<Value> {
    let PayoutsCommand::Report {
        whose,
        payout,
        format,
        page,
    } = command;
    let whose = auth::Whose::from(&whose.operator());
    let id = match payout.parse() {
        Ok(id) => id,
        Err(_) => report::find_payout(app, whose, &payout).await?,
    };
    match format {
        Form::Json => {
            let after: Option<String> = page.after()?;
            let report = report::report(app, whose, id, after.as_deref(), page.limit).await?;
            Ok(to_value(PayoutReconciliation::from(&report))?)
        }
        Form::Text => {
            let report = report::report(app, whose, id, None, SHOWN).await?;
            write!(stdout().lock(), "{}", ReportText(&report))?;
            Ok(Value::Null)
        }
        Form::Csv => {
            let report = report::report(app, whose, id, None, 1).await?;
            let reference = report.payout.told.provider_reference.clone();
            write!(stdout().lock(), "{}", csv_header())?;
            let mut lines = AllLines::of(report.payout);
            while let Some(some) = lines.next(app).await? {
                write!(stdout().lock(), "{}", csv_rows(&reference, &some))?;
            }
            Ok(Value::Null)
        }
    }
}
