//! `quittance events …`

use clap::{Args, Subcommand};
use quittance::app::App;
use quittance::app::events::{self, EventFilter};
use quittance::domain::ids::{ProviderAccountId, WebhookEventId};
use quittance::domain::webhook_event::EventState;
use quittance::http::{EventCountsView, EventList, EventView, Replayed};
use serde_json::to_value;
use time::OffsetDateTime;

use super::whose::{Bound, Page, Whose, moment, word};

#[derive(Subcommand)]
pub(crate) enum EventsCommand {
    /// List events, newest first; `--state dead` are the dead letters.
    List {
        #[command(flatten)]
        whose: Whose,
        /// Where they stand: `received`, `leased`, `applied`, `ignored`, `dead`.
        #[arg(long, value_parser = word::<EventState>)]
        state: Option<EventState>,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        page: Page,
    },
    /// Show one event, without its bytes.
    Show {
        #[command(flatten)]
        whose: Whose,
        /// The event (`evt_…`, ours).
        id: WebhookEventId,
    },
    /// Print what the provider sent. It holds personal data.
    Payload {
        #[command(flatten)]
        whose: Whose,
        /// The event (`evt_…`, ours).
        id: WebhookEventId,
    },
    /// Apply one event again, or all that fit.
    Replay {
        #[command(flatten)]
        whose: Whose,
        /// The event (`evt_…`, ours).
        #[arg(required_unless_present = "state", conflicts_with = "state")]
        id: Option<WebhookEventId>,
        /// All that stand there: `received`, `applied`, `ignored`, `dead`.
        #[arg(long, value_parser = word::<EventState>)]
        state: Option<EventState>,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        bound: Bound,
    },
    /// Count events by type and state; what nobody follows shows as `ignored`.
    Counts {
        #[command(flatten)]
        whose: Whose,
        /// Those that came then or later, RFC 3339: the last 24 hours where nothing is said.
        #[arg(long, value_parser = moment)]
        since: Option<OffsetDateTime>,
    },
}

/// Which events are meant: all that fit.
#[derive(Args)]
pub(crate) struct Which {
    /// The provider's word for what happened, such as `charge.updated`.
    #[arg(long = "type")]
    kind: Option<String>,
    /// The provider's id of the object (`pi_…`).
    #[arg(long)]
    object: Option<String>,
    /// The account they came to (`acc_…`).
    #[arg(long)]
    provider_account: Option<ProviderAccountId>,
    /// Created then or later, RFC 3339.
    #[arg(long, value_parser = moment)]
    created_from: Option<OffsetDateTime>,
    /// Created before then, RFC 3339.
    #[arg(long, value_parser = moment)]
    created_before: Option<OffsetDateTime>,
}

impl Which {
    fn filter(self, state: Option<EventState>) -> EventFilter {
        EventFilter {
            state,
            kind: self.kind,
            object_id: self.object,
            provider_account: self.provider_account,
            created_from: self.created_from,
            created_before: self.created_before,
        }
    }
}

pub(super) async fn run(app: &App, command: EventsCommand) -> anyhow::Result<serde_json::Value> {
    Ok(match command {
        EventsCommand::List {
            whose,
            state,
            which,
            page,
        } => {
            let filter = which.filter(state);
            let found = events::list(app, &whose.operator(), &filter, page.after()?, page.limit).await?;
            to_value(EventList::from(&found))?
        }
        EventsCommand::Show { whose, id } => {
            let event = events::get(app, &whose.operator(), id).await?;
            to_value(EventView::from(&event))?
        }
        EventsCommand::Payload { whose, id } => {
            serde_json::from_slice(&events::payload(app, &whose.operator(), id).await?)?
        }
        EventsCommand::Replay {
            whose, id: Some(id), ..
        } => {
            let event = events::replay(app, &whose.operator(), id).await?;
            to_value(EventView::from(&event))?
        }
        EventsCommand::Replay {
            whose,
            id: None,
            state,
            which,
            bound,
        } => {
            let filter = which.filter(state);
            let (count, last) =
                events::replay_all(app, &whose.operator(), &filter, bound.after()?, bound.limit).await?;
            to_value(Replayed::new(count, last.as_ref()))?
        }
        EventsCommand::Counts { whose, since } => {
            let counts = events::count(app, &whose.operator(), since).await?;
            to_value(EventCountsView::from(&counts))?
        }
    })
}
