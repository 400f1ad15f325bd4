//! `quittance outbox …`

use clap::{Args, Subcommand};
use quittance::app::App;
use quittance::app::messages::{self, MessageFilter};
use quittance::domain::ids::{OdooInstanceId, OutboxMessageId, PaymentId};
use quittance::domain::outbox::OutboxState;
use quittance::domain::reason::Reason;
use quittance::http::{MessageList, MessageView, Replayed};
use serde_json::to_value;

use super::whose::{Bound, Page, Whose, word};

#[derive(Subcommand)]
pub(crate) enum OutboxCommand {
    /// List messages, oldest first; `--state dead` are the dead letters.
    List {
        #[command(flatten)]
        whose: Whose,
        /// Where they stand: `pending`, `sent`, `dead`, `skipped`.
        #[arg(long, value_parser = word::<OutboxState>)]
        state: Option<OutboxState>,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        page: Page,
    },
    /// Show one message.
    Show {
        #[command(flatten)]
        whose: Whose,
        /// The message (`msg_…`).
        id: OutboxMessageId,
    },
    /// Send one message again that is dead or waits for its next attempt, or all that fit.
    Replay {
        #[command(flatten)]
        whose: Whose,
        /// The message (`msg_…`).
        #[arg(required_unless_present = "state", conflicts_with = "state")]
        id: Option<OutboxMessageId>,
        /// All that stand there: `dead`, `pending`.
        #[arg(long, value_parser = word::<OutboxState>)]
        state: Option<OutboxState>,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        bound: Bound,
    },
    /// Let a dead message go for good, so that its payment's later ones go on. What it told must be recorded in Odoo by hand.
    Skip {
        #[command(flatten)]
        whose: Whose,
        /// The message (`msg_…`).
        id: OutboxMessageId,
        /// Why, for whoever reads the books later.
        #[arg(long, value_parser = Reason::parse)]
        reason: Reason,
    },
}

/// Which messages are meant: all that fit.
#[derive(Args)]
pub(crate) struct Which {
    /// The payment that they tell of (`pay_…`).
    #[arg(long)]
    payment: Option<PaymentId>,
    /// Where they go (`odo_…`).
    #[arg(long)]
    odoo_instance: Option<OdooInstanceId>,
}

impl Which {
    const fn filter(&self, state: Option<OutboxState>) -> MessageFilter {
        MessageFilter {
            state,
            payment: self.payment,
            odoo_instance: self.odoo_instance,
        }
    }
}

pub(super) async fn run(app: &App, command: OutboxCommand) -> anyhow::Result<serde_json::Value> {
    Ok(match command {
        OutboxCommand::List {
            whose,
            state,
            which,
            page,
        } => {
            let filter = which.filter(state);
            let found = messages::list(app, &whose.operator(), filter, page.after()?, page.limit).await?;
            to_value(MessageList::from(&found))?
        }
        OutboxCommand::Show { whose, id } => {
            let message = messages::get(app, &whose.operator(), id).await?;
            to_value(MessageView::from(&message))?
        }
        OutboxCommand::Replay {
            whose, id: Some(id), ..
        } => {
            let message = messages::replay(app, &whose.operator(), id).await?;
            to_value(MessageView::from(&message))?
        }
        OutboxCommand::Replay {
            whose,
            id: None,
            state,
            which,
            bound,
        } => {
            let filter = which.filter(state);
            let (count, last) =
                messages::replay_all(app, &whose.operator(), filter, bound.after()?, bound.limit).await?;
            to_value(Replayed::new(count, last.as_ref()))?
        }
        OutboxCommand::Skip { whose, id, reason } => {
            let message = messages::skip(app, &whose.operator(), id, &reason).await?;
            to_value(MessageView::from(&message))?
        }
    })
}
