//! Takes kept events up and has them applied: one object's in turn, everything else side by side.
//!
//! Most events tell all that is needed. Those of one account share a transaction: one lookup, one lock, one commit for many.
//! What is left, because its object must be read or something went wrong, is applied one by one on tasks of its own: a
//! provider that hangs holds back what it is asked about and nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::stream::{self, StreamExt};
use time::Duration;

use super::apply::{Applied, apply};
use super::webhooks::{apply_event, end, end_with, recall};
use super::{App, AppError, commit, events, keys};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::outbox::{MAX_ATTEMPTS, delay_after_refusal};
use crate::domain::payment::{Authority, Payment};
use crate::domain::snapshot::Snapshot;
use crate::provider::{Interpretation, ProviderError};
use crate::store;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// How many events are taken up at once, how many share a transaction, and how many transactions run side by side.
const BATCH: i64 = 512;
const TOGETHER: usize = 64;
const SIDE_BY_SIDE: usize = 2;

/// How many objects are worked on one by one at once. What finds no room waits for its next turn.
const ROOM: usize = 64;

/// How long an event waits that found no room, or whose object is being worked on.
const NEXT_TURN: Duration = Duration::milliseconds(250);

/// How long an event waits that the provider's rate limit kept out, where the provider does not say.
const AFTER_LIMIT: Duration = Duration::seconds(2);

/// How long an event waits that may be about what a restore lost.
const AFTER_FENCE: time::Duration = time::Duration::seconds(30);

/// An object of a provider account's, by the provider's id.
type Subject = (ProviderAccountId, String);

/// What this process works on one by one.
#[derive(Clone, Debug, Default)]
pub struct InHand(Arc<Mutex<HashSet<Subject>>>);

impl InHand {
    /// Takes an object in hand, where there is room and nobody has it.
    fn take(&self, subject: &Subject) -> Option<Held> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = held.len() < ROOM && held.insert(subject.clone());
        taken.then(|| Held {
            subject: subject.clone(),
            of: self.clone(),
        })
    }
}

/// An object in hand, until it is dropped.
struct Held {
    subject: Subject,
    of: InHand,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.subject);
    }
}

/// An event that was taken up, and what it is about.
struct Taken {
    event: WebhookEvent,
    interpretation: Result<Interpretation, AppError>,
}

/// Takes up due events. How many: once it returns, those that told enough are applied, and the others are in hand.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let since = Instant::now();
    let events = lease(app).await?;
    let taken = events.len();
    let mut by_account: HashMap<_, Vec<Taken>> = HashMap::new();
    for event in events {
        let interpretation = interpret(app, &event).await;
        let account = (event.merchant_id, event.provider_account_id);
        by_account.entry(account).or_default().push(Taken {
            event,
            interpretation,
        });
    }
    let mut together = Vec::new();
    let mut one_by_one = Vec::new();
    for (account, taken) in by_account {
        let (telling, others): (Vec<_>, Vec<_>) = taken.into_iter().partition(may_go_together);
        one_by_one.extend(others);
        let mut objects = in_turn(telling);
        while !objects.is_empty() {
            let rest = objects.split_off(objects.len().min(TOGETHER));
            together.push((account, std::mem::replace(&mut objects, rest)));
        }
    }
    let left = stream::iter(together)
        .map(|(account, objects)| apply_together(app, account, objects))
        .buffer_unordered(SIDE_BY_SIDE);
    one_by_one.extend(left.concat().await);
    hand_out(app, in_turn(one_by_one), since).await?;
    Ok(taken)
}

async fn lease(app: &App) -> Result<Vec<WebhookEvent>, AppError> {
    let mut tx = app.db.dispatch().await?;
    let lease = app.timing.event_lease;
    let leased = store::webhook_events::lease(&mut tx, lease, BATCH).await?;
    commit(tx).await?;
    if leased.is_empty() {
        return Ok(Vec::new());
    }
    let mut conn = app
        .db
        .read_for(leased.iter().map(|event| event.merchant_id))
        .await?;
    Ok(store::webhook_events::read(&mut conn, leased).await?)
}

async fn interpret(app: &App, event: &WebhookEvent) -> Result<Interpretation, AppError> {
    let known = recall(app, event.provider_account_id).await?;
    let known = known.ok_or(AppError::NotFound("provider account"))?;
    let payload = keys::open_event(app, event).await?;
    Ok(app.provider(&known.account.provider)?.interpret(&payload))
}

/// Whether an event is taken up for the first time and may be enough.
fn may_go_together(taken: &Taken) -> bool {
    taken.event.fence == 1 && telling(taken).is_some()
}

/// What an event tells of a payment, where it may be enough.
fn telling(taken: &Taken) -> Option<(&str, &Snapshot)> {
    if let Ok(Interpretation::Payment {
        reference,
        snapshot: Some(said),
        ..
    }) = &taken.interpretation
    {
        Some((reference, said))
    } else {
        None
    }
}

/// The object that an event is about; itself, where it is about none.
fn subject(taken: &Taken) -> Subject {
    let interpretation = taken.interpretation.as_ref().ok();
    let object = interpretation
        .and_then(Interpretation::reference)
        .unwrap_or(&taken.event.event_id);
    (taken.event.provider_account_id, object.to_owned())
}

/// Puts each object's events together, in the order in which they happened.
fn in_turn(taken: Vec<Taken>) -> Vec<(Subject, Vec<Taken>)> {
    let mut by_subject: HashMap<_, Vec<_>> = HashMap::new();
    for each in taken {
        by_subject.entry(subject(&each)).or_default().push(each);
    }
    for events in by_subject.values_mut() {
        events.sort_by(|a, b| {
            (a.event.created, a.event.received_at).cmp(&(b.event.created, b.event.received_at))
        });
    }
    by_subject.into_iter().collect()
}

/// Applies what several payments' events tell, in one transaction. Gives back those that are not ended by it.
#[tracing::instrument(name = "app.webhook.apply_together", skip_all,
    fields(merchant_id = %account.0, objects = objects.len()))]
async fn apply_together(
    app: &App,
    account: (MerchantId, ProviderAccountId),
    objects: Vec<(Subject, Vec<Taken>)>,
) -> Vec<Taken> {
    let taken: Vec<Taken> = objects.into_iter().flat_map(|(_, events)| events).collect();
    match try_together(app, account, &taken).await {
        Ok(ended) => taken
            .into_iter()
            .zip(ended)
            .filter_map(|(taken, ended)| (!ended).then_some(taken))
            .collect(),
        Err(error) => {
            tracing::info!(
                error = &error as &dyn std::error::Error,
                events = taken.len(),
                "events could not be applied together and go one by one"
            );
            taken
        }
    }
}

/// Which of the events are ended. Nothing is, where it fails.
async fn try_together(
    app: &App,
    (merchant, account): (MerchantId, ProviderAccountId),
    taken: &[Taken],
) -> Result<Vec<bool>, AppError> {
    let mut tx = app.begin(merchant).await?;
    let references: Vec<&str> = taken
        .iter()
        .filter_map(|taken| telling(taken).map(|(reference, _)| reference))
        .collect();
    let held = store::payments::lock_known(&mut tx, &app.sealer, merchant, account, &references).await?;
    let mut payments: HashMap<String, Payment> = held
        .into_iter()
        .filter_map(|payment| Some((payment.provider_reference.clone()?, payment)))
        .collect();
    let mut ended = Vec::with_capacity(taken.len());
    for each in taken {
        let known = telling(each).and_then(|(reference, said)| Some((payments.get_mut(reference)?, said)));
        ended.push(match known {
            Some((payment, said)) => {
                apply(app, &mut tx, payment, said, Authority::Hint).await? == Applied::Done
            }
            None => false,
        });
    }
    let done: Vec<&WebhookEvent> = taken
        .iter()
        .zip(&ended)
        .filter_map(|(taken, ended)| ended.then_some(&taken.event))
        .collect();
    if store::webhook_events::end_applied(&mut tx, merchant, &done).await? == done.len() {
        commit(tx).await?;
        Ok(ended)
    } else {
        // A lease was lost: whoever holds it now applies that event, so nothing of this transaction may count.
        Ok(vec![false; taken.len()])
    }
}

/// Lets objects be worked on one by one, each on a task of its own; what finds no room is put back.
async fn hand_out(
    app: &Arc<App>,
    objects: Vec<(Subject, Vec<Taken>)>,
    since: Instant,
) -> Result<(), AppError> {
    let mut no_room = Vec::new();
    for (subject, events) in objects {
        let Some(held) = app.in_hand.take(&subject) else {
            no_room.extend(events.into_iter().map(|taken| taken.event));
            continue;
        };
        let worker = Arc::clone(app);
        app.spawn(async move {
            for Taken {
                event,
                interpretation,
            } in events
            {
                if since.elapsed() < worker.timing.event_lease / 2 {
                    work_one(&worker, &event, interpretation).await;
                } else {
                    postpone(&worker, &[event], NEXT_TURN).await;
                }
            }
            drop(held);
            worker.bell.notify_waiters();
        });
    }
    postpone(app, &no_room, NEXT_TURN).await;
    Ok(())
}

/// Ends one event in one way or another: what goes wrong with it is its own affair.
#[tracing::instrument(name = "app.webhook.apply", skip_all,
    fields(merchant_id = %event.merchant_id, event_id = %event.event_id))]
async fn work_one(app: &App, event: &WebhookEvent, interpretation: Result<Interpretation, AppError>) {
    let applied = match interpretation {
        Ok(interpretation) => apply_event(app, event, interpretation).await,
        Err(error) => Err(error),
    };
    let applied = match applied {
        Err(AppError::Provider(ref error @ ProviderError::Invalid { ref code, .. }))
            if code == "resource_missing" =>
        {
            end_missing(app, event, &error.told()).await
        }
        applied => applied,
    };
    let Err(error) = applied else { return };
    if matches!(error, AppError::Fenced) {
        return postpone(app, std::slice::from_ref(event), app.timing.scaled(AFTER_FENCE)).await;
    }
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        attempts = event.attempts,
        "an event could not be applied"
    );
    if let AppError::Provider(ProviderError::RateLimited { after }) = error {
        let after = after.and_then(|after| Duration::try_from(after).ok());
        let by = app.timing.scaled(after.unwrap_or(AFTER_LIMIT));
        postpone(app, std::slice::from_ref(event), by).await;
    } else if let Err(error) = put_back(app, event, &error.told()).await {
        // The lease runs out by itself, and then it is tried again.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an event could not be put back"
        );
    }
}

/// Puts events back for a while. No attempt is spent: nothing is wrong with them.
async fn postpone(app: &App, events: &[WebhookEvent], by: Duration) {
    let postponed = async {
        if events.is_empty() {
            return Ok(());
        }
        let mut tx = app
            .db
            .begin_for(events.iter().map(|event| event.merchant_id))
            .await?;
        store::webhook_events::postpone(&mut tx, events, by).await?;
        commit(tx).await
    };
    if let Err(error) = postponed.await {
        // The leases run out by themselves.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "events could not be put back"
        );
    }
}

/// Ends an event about what the provider does not have: it can be told of for ever and never be read. Where it is a payment of
/// ours, a person must look.
async fn end_missing(app: &App, event: &WebhookEvent, error: &str) -> Result<(), AppError> {
    let mut tx = app.begin(event.merchant_id).await?;
    let ended = match events::find_payment(app, &mut tx, event).await? {
        Some(_) => Ended::Dead { error },
        None => Ended::Ignored,
    };
    let is_ours = matches!(ended, Ended::Dead { .. });
    tracing::warn!(is_ours, "the provider does not have what its event is about");
    end_with(app, tx, event, ended).await
}

async fn put_back(app: &App, event: &WebhookEvent, error: &str) -> Result<(), AppError> {
    let attempts = event.attempts + 1;
    let ended = if attempts >= MAX_ATTEMPTS {
        Ended::Dead { error }
    } else {
        Ended::Again {
            after: app.timing.scaled(delay_after_refusal(attempts, &event.event_id)),
            error,
        }
    };
    end(app, event, ended).await
}
