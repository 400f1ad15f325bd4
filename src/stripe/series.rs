//! Repeating a request until it is answered, the time is up, or repeating cannot help.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::client::{Answer, Attempt, Prepared};
use super::refusal::Refusal;
use super::request::Request;
use crate::provider::{Ambiguity, ProviderAccount, ProviderError};

/// An attempt with less time than this would more likely lose its answer than bring one.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(100);

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Each time that it is sent.
    pub per_attempt: Duration,
    /// All of them, with the pauses between.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            per_attempt: Duration::from_secs(10),
            total: Duration::from_secs(25),
        }
    }
}

/// Sends requests, and repeats them with the same bytes and the same key.
#[derive(Clone, Debug)]
pub(super) struct StripeHttp {
    http: reqwest::Client,
    timeouts: Timeouts,
}

/// Why a request brought no object.
#[derive(Debug)]
pub(super) enum Failure {
    /// Stripe says what is wrong with it.
    Refused(Box<Refusal>),
    /// Anything else.
    Failed(ProviderError),
}

/// What an attempt came to, and whether another one could come to more.
#[derive(Debug)]
struct Judged<T> {
    conclusion: Conclusion<T>,
    again: bool,
    after: Option<Duration>,
}

#[derive(Debug)]
enum Conclusion<T> {
    Answered(T),
    Refused(Box<Refusal>),
    Troubled(Trouble),
}

/// What kept an attempt from an answer that settles anything.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing happened: it never left, or something other than Stripe's API answered.
    NotTaken(String),
    /// Nothing happened: another request holds the object.
    Busy,
    /// Nothing happened.
    RateLimited,
    /// Nothing happened.
    Auth,
    /// It may have happened, or be happening.
    Lost(&'static str),
    /// It may have happened, and the key will never tell.
    Stored(&'static str),
}

impl StripeHttp {
    pub(super) const fn new(http: reqwest::Client, timeouts: Timeouts) -> Self {
        Self { http, timeouts }
    }

    /// When a call that starts now must be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeouts.total
    }

    /// Sends a request, as often as it helps until `deadline`.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        account: &ProviderAccount,
        request: &Request,
        deadline: Instant,
    ) -> Result<T, Failure> {
        let prepared = Prepared::new(account, request).map_err(Failure::Failed)?;
        let mut pauses = pauses();
        // Once any attempt may have moved money, no later one proves that none did by never arriving.
        let mut unclear = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let judged = judge(
                prepared
                    .send(&self.http, left.min(self.timeouts.per_attempt))
                    .await,
            );
            unclear |= matches!(judged.conclusion, Conclusion::Troubled(Trouble::Lost(_)));
            let pause = pauses
                .next()
                .unwrap_or_default()
                .max(judged.after.unwrap_or_default());
            if judged.again && Instant::now() + pause + SHORTEST_ATTEMPT < deadline {
                tokio::time::sleep(pause).await;
                continue;
            }
            return match judged.conclusion {
                Conclusion::Answered(object) => Ok(object),
                Conclusion::Refused(refusal) => Err(Failure::Refused(refusal)),
                Conclusion::Troubled(trouble) if request.key().is_some() => {
                    Err(Failure::Failed(trouble.of_an_operation(unclear, judged.after)))
                }
                Conclusion::Troubled(trouble) => Err(Failure::Failed(trouble.of_a_read(judged.after))),
            };
        }
    }
}

/// Half a second, doubling to five, of which a random half is kept back: what Stripe's own libraries do.
fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_millis(2_500))
        .with_jitter()
        .without_max_times()
        .build()
}

fn judge<T: DeserializeOwned>(attempt: Attempt) -> Judged<T> {
    let (conclusion, again, answer) = match attempt {
        Attempt::NotSent(cause) => (Conclusion::Troubled(Trouble::NotTaken(cause)), true, None),
        Attempt::Lost(cause) => (Conclusion::Troubled(Trouble::Lost(cause)), true, None),
        Attempt::Answered(answer) => {
            let (conclusion, again) = conclude(&answer);
            (conclusion, again, Some(answer))
        }
    };
    let said = answer.as_ref().and_then(|answer| answer.should_retry);
    let settled = matches!(
        conclusion,
        Conclusion::Answered(_) | Conclusion::Troubled(Trouble::Stored(_))
    );
    Judged {
        conclusion,
        again: !settled && said.unwrap_or(again),
        after: answer.and_then(|answer| answer.retry_after),
    }
}

/// What an answer means, and whether to send again where Stripe does not say.
fn conclude<T: DeserializeOwned>(answer: &Answer) -> (Conclusion<T>, bool) {
    let trouble = Conclusion::Troubled;
    match answer.status.as_u16() {
        200..=299 => serde_json::from_slice(&answer.body).map_or_else(
            // It was done; asking again replays the answer, whole this time.
            |_| (trouble(Trouble::Lost("the answer cannot be read")), true),
            |object| (Conclusion::Answered(object), false),
        ),
        401 | 403 => (trouble(Trouble::Auth), false),
        409 => match Refusal::parse(&answer.body) {
            // A request with this key, of before a crash, is still being carried out.
            Some(refusal) if refusal.of_the_key() => {
                (trouble(Trouble::Lost("the key is still in use")), true)
            }
            _ => (trouble(Trouble::Busy), true),
        },
        429 => (trouble(Trouble::RateLimited), true),
        500.. if answer.replayed => (
            trouble(Trouble::Stored("a failure is stored under the key")),
            false,
        ),
        500.. => (trouble(Trouble::Lost("the provider failed")), true),
        status => match Refusal::parse(&answer.body) {
            // Something was carried out under this key before. What, only looking up tells.
            Some(refusal) if refusal.of_the_key() => (
                trouble(Trouble::Stored("the key was used with other parameters")),
                false,
            ),
            Some(refusal) if status >= 400 => (Conclusion::Refused(Box::new(refusal)), false),
            _ => (
                trouble(Trouble::NotTaken(format!(
                    "status {status} from something that is not Stripe's API"
                ))),
                false,
            ),
        },
    }
}

impl Trouble {
    /// What it means for a request that moves money. `unclear`: an earlier attempt may have moved it.
    fn of_an_operation(self, unclear: bool, after: Option<Duration>) -> ProviderError {
        let ambiguous = |ambiguity, message: String| ProviderError::Ambiguous { ambiguity, message };
        match self {
            Self::Stored(cause) => ambiguous(Ambiguity::Stored, cause.to_owned()),
            Self::Lost(cause) => ambiguous(Ambiguity::NoAnswer, cause.to_owned()),
            Self::NotTaken(cause) if unclear => {
                ambiguous(Ambiguity::NoAnswer, format!("no answer, then {cause}"))
            }
            Self::Busy | Self::RateLimited | Self::Auth if unclear => {
                ambiguous(Ambiguity::NoAnswer, "no answer, and then no access".to_owned())
            }
            Self::NotTaken(_) | Self::Busy | Self::RateLimited | Self::Auth => self.of_a_read(after),
        }
    }

    /// What it means for a request that changes nothing: nothing ever happened.
    fn of_a_read(self, after: Option<Duration>) -> ProviderError {
        match self {
            Self::Auth => ProviderError::Auth,
            Self::RateLimited => ProviderError::RateLimited { after },
            Self::Busy => ProviderError::Unavailable {
                message: "the object is in use".to_owned(),
            },
            Self::NotTaken(message) => ProviderError::Unavailable { message },
            Self::Lost(cause) | Self::Stored(cause) => ProviderError::Unavailable {
                message: cause.to_owned(),
            },
        }
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into_error(),
            Failure::Failed(error) => error,
        }
    }
}
