//! `quittance exceptions …`

use clap::{Args, Subcommand};
use quittance::app::App;
use quittance::app::exceptions::{self, ExceptionFilter};
use quittance::app::links::{self, NewLink};
use quittance::domain::exception::{ExceptionKind, ExceptionState};
use quittance::domain::ids::{ExceptionId, OdooInstanceId, PaymentId};
use quittance::domain::ledger::LedgerAccount;
use quittance::domain::payment::{Reference, ReferenceError};
use quittance::domain::posting::Settles;
use quittance::domain::reason::Reason;
use quittance::http::{self, ExceptionList, ExceptionWithHistory};
use serde_json::to_value;
use time::OffsetDateTime;

use super::whose::{Page, Whose, moment, word};

#[derive(Subcommand)]
pub(crate) enum ExceptionsCommand {
    /// List exceptions, newest first; `--state open` are those to look at.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        page: Page,
    },
    /// Show one exception, with what became of it.
    Show {
        #[command(flatten)]
        whose: Whose,
        /// The exception (`exc_…`).
        id: ExceptionId,
    },
    /// Say that a difference, as it stands, is settled. It opens again by itself where it comes back as another one.
    Resolve {
        #[command(flatten)]
        whose: Whose,
        /// The exception (`exc_…`).
        id: ExceptionId,
        /// Why, for whoever reads the books later.
        #[arg(long, value_parser = Reason::parse)]
        reason: Reason,
        /// The account of the ledger to which what waits in suspense for it goes, such as `fees`; else it stays there, accepted.
        #[arg(long, value_parser = word::<LedgerAccount>)]
        account: Option<LedgerAccount>,
    },
    /// Say what a charge or refund that did not start here pays in Odoo: its money leaves suspense.
    Link {
        #[command(flatten)]
        whose: Whose,
        /// The exception (`exc_…`), a `foreign_line`.
        id: ExceptionId,
        #[command(flatten)]
        to: To,
    },
    /// Say that a difference is not settled after all; what was moved out of suspense goes back.
    Reopen {
        #[command(flatten)]
        whose: Whose,
        /// The exception (`exc_…`).
        id: ExceptionId,
        /// Why, for whoever reads the books later.
        #[arg(long, value_parser = Reason::parse)]
        reason: Reason,
    },
}

/// What it pays.
#[derive(Args)]
pub(crate) struct To {
    /// What Odoo calls what it pays, such as `S00042`.
    #[arg(long, value_parser = reference)]
    reference: Reference,
    /// A document that it settles, once for each: `account.move:17:12100` is the record 17 with EUR 121.00 of it.
    #[arg(long, value_parser = http::parse_document)]
    settles: Vec<Settles>,
    /// Whose books it goes into (`odo_…`); may be left out where the merchant has one instance or none.
    #[arg(long)]
    odoo_instance: Option<OdooInstanceId>,
    /// Why, where there is more to say.
    #[arg(long, value_parser = Reason::parse)]
    reason: Option<Reason>,
}

fn reference(text: &str) -> Result<Reference, ReferenceError> {
    Reference::parse(text)
}

/// Which exceptions are meant: all that fit.
#[derive(Args)]
pub(crate) struct Which {
    /// What kind they are, such as `amount_under`.
    #[arg(long, value_parser = word::<ExceptionKind>)]
    kind: Option<ExceptionKind>,
    /// Where they stand: `open`, `resolved`.
    #[arg(long, value_parser = word::<ExceptionState>)]
    state: Option<ExceptionState>,
    /// The payment that they are about (`pay_…`).
    #[arg(long)]
    payment: Option<PaymentId>,
    /// The payout that they hold open, by the provider's id (`po_…`).
    #[arg(long)]
    payout: Option<String>,
    /// First seen then or later, RFC 3339.
    #[arg(long, value_parser = moment)]
    since: Option<OffsetDateTime>,
    /// First seen before then, RFC 3339.
    #[arg(long, value_parser = moment)]
    until: Option<OffsetDateTime>,
}

impl Which {
    fn filter(self) -> ExceptionFilter {
        ExceptionFilter {
            kind: self.kind,
            state: self.state,
            payment: self.payment,
            payout: self.payout,
            since: self.since,
            until: self.until,
        }
    }
}

pub(super) async fn run(app: &App, command: ExceptionsCommand) -> anyhow::Result<serde_json::Value> {
    let detail = match command {
        ExceptionsCommand::List { whose, which, page } => {
            let filter = which.filter();
            let found = exceptions::list(app, &whose.operator(), &filter, page.after()?, page.limit).await?;
            return Ok(to_value(ExceptionList::from(&found))?);
        }
        ExceptionsCommand::Show { whose, id } => exceptions::get(app, &whose.operator(), id).await?,
        ExceptionsCommand::Resolve {
            whose,
            id,
            reason,
            account,
        } => exceptions::resolve(app, &whose.operator(), id, &reason, account).await?,
        ExceptionsCommand::Link { whose, id, to } => {
            let new = NewLink {
                reference: to.reference,
                settles: to.settles,
                odoo_instance: to.odoo_instance,
                reason: to.reason,
            };
            links::link(app, &whose.operator(), id, &new).await?
        }
        ExceptionsCommand::Reopen { whose, id, reason } => {
            exceptions::reopen(app, &whose.operator(), id, &reason).await?
        }
    };
    Ok(to_value(ExceptionWithHistory::from(&detail))?)
}
