//! Telling endpoints what happened: signed, repeated until acknowledged, and as untidy as a test wants it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use futures::stream::{self, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::{Event, fits};
use super::signature;
use super::state::{State, new_id, now};
use super::webhook_endpoints::Shown;

/// How long a shuffling courier waits for more events to mix.
const GATHER: Duration = Duration::from_millis(30);
/// How many rounds of concurrent deliveries are taken from the queue together.
const ROUNDS: usize = 16;

/// Where events go, and how they are signed.
#[derive(Clone, Debug)]
pub struct WebhookEndpoint {
    /// Where to post.
    pub url: String,
    /// One secret, or two while one is being rolled: each signs.
    pub secrets: Vec<String>,
    /// Types to send; `*` and `charge.*` are understood.
    pub events: Vec<String>,
    /// The API version that the endpoint was created with; the account's where absent.
    pub api_version: Option<String>,
    /// Whether it hears of connected accounts, and not of the account itself.
    pub connect: bool,
    /// Whether it gets thin events, which name the object and do not show it.
    pub thin: bool,
}

impl WebhookEndpoint {
    /// An endpoint that hears of everything.
    #[must_use]
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secrets: vec![secret.into()],
            events: vec!["*".to_owned()],
            api_version: None,
            connect: false,
            thin: false,
        }
    }
}

/// How tidily events arrive. In order and once, by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryPlan {
    /// How often each event is sent, even though it was acknowledged.
    pub copies: usize,
    /// How many events are mixed with each other; one keeps the order.
    pub window: usize,
    /// How many may be on their way at once; one keeps the order.
    pub concurrency: usize,
}

impl Default for DeliveryPlan {
    fn default() -> Self {
        Self {
            copies: 1,
            window: 1,
            concurrency: 1,
        }
    }
}

impl DeliveryPlan {
    /// Sends every event twice.
    #[must_use]
    pub fn twice(self) -> Self {
        Self { copies: 2, ..self }
    }

    /// Mixes events that happen close together.
    #[must_use]
    pub fn shuffled(self, window: usize) -> Self {
        Self { window, ..self }
    }

    /// Sends so many at once.
    #[must_use]
    pub fn concurrent(self, concurrency: usize) -> Self {
        Self { concurrency, ..self }
    }
}

/// An endpoint that is being served.
#[derive(Debug)]
pub(crate) struct Endpoint {
    id: String,
    /// What the API shows beside where it sends what.
    shown: Mutex<Shown>,
    /// Deleted: what is on its way to it arrives nowhere.
    pub(crate) gone: AtomicBool,
    spec: Mutex<WebhookEndpoint>,
    queue: UnboundedSender<Arc<Event>>,
    courier: Arc<Courier>,
}

impl Endpoint {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn spec(&self) -> MutexGuard<'_, WebhookEndpoint> {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it hears of a type, from the account itself or from a connected one.
    pub(crate) fn wants(&self, kind: &str, account: Option<&str>) -> bool {
        let spec = self.spec();
        !self.shown().disabled
            && spec.connect == account.is_some()
            && spec.events.iter().any(|pattern| fits(pattern, kind))
    }

    /// Leaves an event to be sent.
    pub(crate) fn enqueue(&self, event: Arc<Event>) {
        self.courier.outstanding.fetch_add(1, Ordering::AcqRel);
        // Fails only when everything ends.
        let _ = self.queue.send(event);
    }
}

/// Carries events to endpoints and counts what became of them.
#[derive(Debug)]
pub(crate) struct Courier {
    client: reqwest::Client,
    /// How long to wait before each further try.
    retries: Vec<Duration>,
    plan: Mutex<DeliveryPlan>,
    held: watch::Sender<bool>,
    /// Tries made.
    attempts: AtomicU64,
    /// Tries answered with 2xx.
    acknowledged: AtomicU64,
    /// Deliveries that nobody acknowledged yet.
    outstanding: AtomicU64,
    progress: Notify,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Courier {
    pub(crate) fn new(timeout: Duration, retries: Vec<Duration>, plan: DeliveryPlan) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .build()?;
        Ok(Self {
            client,
            retries,
            plan: Mutex::new(plan),
            held: watch::Sender::new(false),
            attempts: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            outstanding: AtomicU64::new(0),
            progress: Notify::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// Starts to serve an endpoint.
    pub(crate) fn serve(self: &Arc<Self>, state: &mut State, mut spec: WebhookEndpoint) -> String {
        let shown = Shown {
            created: now(),
            api_version: spec.api_version.clone(),
            ..Shown::default()
        };
        spec.api_version
            .get_or_insert_with(|| state.settings.api_version.clone());
        let (queue, events) = unbounded_channel();
        let id = new_id("we");
        let endpoint = Arc::new(Endpoint {
            id: id.clone(),
            shown: Mutex::new(shown),
            gone: AtomicBool::new(false),
            spec: Mutex::new(spec),
            queue,
            courier: Arc::clone(self),
        });
        state.endpoints.push(Arc::clone(&endpoint));
        self.spawn(Arc::clone(self).carry(endpoint, events));
        id
    }

    /// Runs a task until the courier stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks
            .spawn(async move { stopping.run_until_cancelled(task).await });
    }

    /// Ends all tasks.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, DeliveryPlan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops counting the deliveries of an event that were given up: others take their place.
    pub(crate) fn forget_given_up(&self, event: &Event) {
        let given_up = event.given_up.swap(0, Ordering::AcqRel);
        self.outstanding.fetch_sub(given_up.into(), Ordering::AcqRel);
    }

    /// Holds everything back, or lets it go.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Acquire)
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding.load(Ordering::Acquire)
    }

    /// Wakes those who wait for deliveries.
    pub(crate) fn progress(&self) {
        self.progress.notify_waiters();
    }

    /// Waits until nothing is outstanding and `settled` says that nothing more will come by itself.
    pub(crate) async fn wait(&self, within: Duration, settled: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let progress = self.progress.notified();
            if settled() && self.outstanding() == 0 {
                return Ok(());
            }
            if timeout_at(deadline, progress).await.is_err() {
                bail!(
                    "{} deliveries were not acknowledged within {within:?}",
                    self.outstanding()
                );
            }
        }
    }

    /// Sends what is queued for an endpoint, by the plan that holds at the moment.
    async fn carry(self: Arc<Self>, endpoint: Arc<Endpoint>, mut events: UnboundedReceiver<Arc<Event>>) {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        while let Some(first) = events.recv().await {
            // The sender lives in the courier itself.
            let _ = self.held.subscribe().wait_for(|held| !held).await;
            let plan = *self.plan();
            let events = gather(first, &mut events, plan).await;
            let copies = plan.copies.max(1);
            let repeats = events.len() * (copies - 1);
            self.outstanding
                .fetch_add(u64::try_from(repeats).unwrap_or_default(), Ordering::AcqRel);
            let mut batch: Vec<_> = events.into_iter().flat_map(|event| vec![event; copies]).collect();
            if plan.window > 1 {
                dice.shuffle(&mut batch);
            }
            stream::iter(batch)
                .for_each_concurrent(plan.concurrency.max(1), |event| self.deliver(&endpoint, event))
                .await;
        }
    }

    /// Tries once, and leaves further tries to a task of their own: the next event does not wait for them.
    async fn deliver(self: &Arc<Self>, endpoint: &Arc<Endpoint>, event: Arc<Event>) {
        if self.forgotten(endpoint, &event) || self.attempt(endpoint, &event).await {
            return;
        }
        let (courier, endpoint) = (Arc::clone(self), Arc::clone(endpoint));
        self.spawn(async move {
            for delay in &courier.retries {
                tokio::time::sleep(*delay).await;
                if courier.forgotten(&endpoint, &event) || courier.attempt(&endpoint, &event).await {
                    return;
                }
            }
            event.given_up.fetch_add(1, Ordering::AcqRel);
        });
    }

    async fn attempt(&self, endpoint: &Endpoint, event: &Event) -> bool {
        let request = {
            let spec = endpoint.spec();
            let body = if spec.thin {
                event.thin_body()
            } else {
                event.body(spec.api_version.as_deref().unwrap_or_default())
            };
            self.client
                .post(&spec.url)
                .header("Content-Type", "application/json; charset=utf-8")
                .header("Stripe-Signature", signature::header(&spec.secrets, now(), &body))
                .body(body)
        };
        self.attempts.fetch_add(1, Ordering::AcqRel);
        let taken = request
            .send()
            .await
            .is_ok_and(|response| response.status().is_success());
        if taken {
            self.acknowledged.fetch_add(1, Ordering::AcqRel);
            self.settle(event);
        }
        taken
    }

    /// Whether an endpoint was deleted: nothing is outstanding for it any more.
    fn forgotten(&self, endpoint: &Endpoint, event: &Event) -> bool {
        let gone = endpoint.gone.load(Ordering::Acquire);
        if gone {
            self.settle(event);
        }
        gone
    }

    /// One delivery is outstanding no more.
    fn settle(&self, event: &Event) {
        // Copies of one event count it down once.
        let _ = event
            .pending_webhooks
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |pending| {
                pending.checked_sub(1)
            });
        self.outstanding.fetch_sub(1, Ordering::AcqRel);
        self.progress();
    }
}

/// The events to send together: those to be mixed, for which it waits a little, and those that may go at once.
async fn gather(
    first: Arc<Event>,
    events: &mut UnboundedReceiver<Arc<Event>>,
    plan: DeliveryPlan,
) -> Vec<Arc<Event>> {
    let mut batch = vec![first];
    let deadline = Instant::now() + GATHER;
    while batch.len() < plan.window {
        match timeout_at(deadline, events.recv()).await {
            Ok(Some(event)) => batch.push(event),
            Ok(None) | Err(_) => break,
        }
    }
    while plan.concurrency > 1 && batch.len() < plan.concurrency * ROUNDS {
        match events.try_recv() {
            Ok(event) => batch.push(event),
            Err(_) => break,
        }
    }
    batch
}

/// A small generator (xorshift): the same disorder in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound.max(1)
    }

    /// Mixes; where chance left everything in place, turns it round.
    fn shuffle<T>(&mut self, items: &mut [Arc<T>]) {
        let before = items.to_vec();
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
        if items
            .iter()
            .zip(&before)
            .all(|(now, then)| Arc::ptr_eq(now, then))
        {
            items.reverse();
        }
    }
}
