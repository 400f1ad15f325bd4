//! The running service: its state, its faults and its clockwork.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep_until};

use super::requests::SeenRequest;
use super::state::{Settings, State};
use super::volume::Archive;
use super::webhooks::Courier;
use crate::faults::Faults;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Arc<Settings>,
    pub(crate) faults: Faults,
    pub(crate) courier: Arc<Courier>,
    /// Lines beside those of the state, too many to be kept.
    pub(crate) archive: Option<Archive>,
    state: Mutex<State>,
    seen: Mutex<Vec<SeenRequest>>,
}

impl Service {
    pub(crate) fn new(settings: Arc<Settings>, courier: Arc<Courier>, archive: Option<Archive>) -> Self {
        Self {
            archive,
            state: Mutex::new(State::new(Arc::clone(&settings), Arc::clone(&courier))),
            settings,
            faults: Faults::default(),
            courier,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<SeenRequest>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether work waits that will be done without being asked for.
    pub(crate) fn is_settling(&self) -> bool {
        self.settings.settle_after.is_some() && !self.state().waiting.is_empty()
    }

    /// Does what Stripe does after having answered, each when it is due.
    pub(crate) async fn settle_when_due(self: Arc<Self>) {
        let alarm = Arc::clone(&self.state().alarm);
        loop {
            let due = self.state().waiting.front().map(|(due, _)| *due);
            match due {
                None => alarm.notified().await,
                Some(due) => {
                    sleep_until(due).await;
                    self.state().catch_up(Some(Instant::now()));
                    self.courier.progress();
                }
            }
        }
    }
}
