//! Repeating a request until it is answered, the time is up, or repeating cannot help.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::budget::{Budget, Exhausted, Limits};
use super::client::{Attempt, Prepared};
use super::judgement::{Conclusion, Trouble, judge};
use super::permissions;
use super::refusal::Refusal;
use super::request::Request;
use crate::provider::{ProviderAccount, ProviderError};
use crate::telemetry::metrics;

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
    budget: Arc<Budget>,
}

/// Why a request brought no object.
#[derive(Debug)]
pub(super) enum Failure {
    /// Stripe says what is wrong with it.
    Refused(Box<Refusal>),
    /// Anything else.
    Failed(ProviderError),
}

impl StripeHttp {
    pub(super) fn new(http: reqwest::Client, timeouts: Timeouts, limits: Limits) -> Self {
        Self {
            http,
            timeouts,
            budget: Arc::new(Budget::new(limits)),
        }
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
        debug_assert!(
            permissions::is_known(&request.endpoint()),
            "no permission is written down for {}",
            request.endpoint()
        );
        let prepared = Prepared::new(account, request).map_err(Failure::Failed)?;
        let mut pauses = pauses();
        // Once any attempt may have moved money, no later one proves that none did by never arriving.
        let mut unclear = false;
        let mut last = None;
        loop {
            let token = self
                .budget
                .take(account, request, deadline - SHORTEST_ATTEMPT)
                .await;
            if let Err(Exhausted { after }) = token {
                // What the last attempt came to stands.
                let limited = (Conclusion::Troubled(Trouble::RateLimited), after);
                let (conclusion, after) = last.unwrap_or(limited);
                return conclude(request, conclusion, unclear, after);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let sent = Instant::now();
            let judged = judge(
                prepared
                    .send(&self.http, left.min(self.timeouts.per_attempt))
                    .await,
            );
            metrics::called(&request.endpoint(), judged.conclusion.word(), sent.elapsed());
            if let Some(time) = judged.rest {
                self.budget.rest(account, time);
            }
            unclear |= matches!(judged.conclusion, Conclusion::Troubled(Trouble::Lost(_)));
            let pause = pauses
                .next()
                .unwrap_or_default()
                .max(judged.after.unwrap_or_default());
            let left = deadline.saturating_duration_since(Instant::now());
            if !judged.again || pause.saturating_add(SHORTEST_ATTEMPT) >= left {
                return conclude(request, judged.conclusion, unclear, judged.after);
            }
            last = Some((judged.conclusion, judged.after));
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a read once, for the time that its answer says, whatever else it says.
    pub(super) async fn tell_time(
        &self,
        account: &ProviderAccount,
        request: &Request,
    ) -> Result<Option<OffsetDateTime>, ProviderError> {
        let prepared = Prepared::new(account, request)?;
        if self.budget.take(account, request, self.deadline()).await.is_err() {
            return Err(ProviderError::too_slow());
        }
        match prepared.send(&self.http, self.timeouts.per_attempt).await {
            Attempt::Answered(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                Err(ProviderError::Auth)
            }
            Attempt::Answered(answer) => Ok(answer.date),
            Attempt::NotSent(message) => Err(ProviderError::Unavailable { message }),
            Attempt::Lost(message) => Err(ProviderError::Unavailable {
                message: message.to_owned(),
            }),
        }
    }
}

/// What a series comes to. `unclear`: an attempt may have moved money.
fn conclude<T>(
    request: &Request,
    conclusion: Conclusion<T>,
    unclear: bool,
    after: Option<Duration>,
) -> Result<T, Failure> {
    match conclusion {
        Conclusion::Answered(object) => Ok(object),
        Conclusion::Refused(refusal) => Err(Failure::Refused(refusal)),
        Conclusion::Troubled(trouble) if request.key().is_some() => {
            Err(Failure::Failed(trouble.of_an_operation(unclear, after)))
        }
        Conclusion::Troubled(trouble) => Err(Failure::Failed(trouble.of_a_read(after))),
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

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into_error(),
            Failure::Failed(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_half_a_second_to_five_and_are_never_the_same() {
        let longest_ms = [500, 1_000, 2_000, 4_000, 5_000, 5_000];
        for (pause, longest_ms) in pauses().zip(longest_ms) {
            let longest = Duration::from_millis(longest_ms);
            assert!(
                longest / 2 <= pause && pause <= longest,
                "{pause:?} of at most {longest:?}"
            );
        }
        assert!(!pauses().take(8).eq(pauses().take(8)));
    }
}
