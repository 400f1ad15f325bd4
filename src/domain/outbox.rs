//! News to tell, kept until it is told.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::Duration;

use super::ids::{OdooInstanceId, OutboxMessageId, PaymentId, ProviderAccountId};
use super::news::News;
use super::posting::Posting;
use crate::telemetry::trace::TraceContext;

/// Where a message stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OutboxState {
    /// To be sent, now or later.
    Pending,
    /// Odoo has it.
    Sent,
    /// Out of attempts; a person must replay or skip it.
    Dead,
    /// Out of attempts, and a person let it go: it will never be sent, and later ones went on.
    Skipped,
}

impl std::fmt::Display for OutboxState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        })
    }
}

/// What a message says: what stock Odoo must record, or what our addon in Odoo must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Message {
    /// What the books must show.
    Posting(Posting),
    /// What changed.
    News(News),
}

impl Message {
    /// What makes it one and the same: at most one message per key exists for an Odoo instance.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Posting(posting) => posting.key(),
            Self::News(news) => news.key(),
        }
    }

    /// Its kind in one word, as stored and shown.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Posting(posting) => posting.kind(),
            Self::News(news) => news.kind(),
        }
    }
}

impl From<Posting> for Message {
    fn from(posting: Posting) -> Self {
        Self::Posting(posting)
    }
}

/// One message on its way to Odoo. Those of one payment leave in the order of `sequence`, and its bookings after them.
#[derive(Clone, Debug)]
pub struct OutboxMessage {
    /// Its id.
    pub id: OutboxMessageId,
    /// Where it goes.
    pub odoo_instance_id: OdooInstanceId,
    /// The account at the provider that it tells of.
    pub provider_account_id: ProviderAccountId,
    /// The payment it tells of, where it does.
    pub payment_id: Option<PaymentId>,
    /// Its place among the payment's messages; a booking has none.
    pub sequence: Option<i64>,
    /// What it says.
    pub posting: Message,
    /// How often it was refused.
    pub attempts: i32,
    /// Grows with every lease; only the holder of the highest may acknowledge.
    pub fence: i64,
    /// The trace in which what it tells of was asked for.
    pub trace_context: Option<TraceContext>,
}

/// How many failures make a message, or an event on its way in, dead: about 75 hours of trying.
pub const MAX_ATTEMPTS: i32 = 22;

/// The longest that a `Retry-After` is taken at its word.
pub const LONGEST_REST: Duration = Duration::hours(1);

/// How long it waits after failure number `attempts` (from 1): doubling from 5 seconds to 8 hours, and up to a fifth more or
/// less, so that what failed together does not come back together. `id` is the id of what failed, and decides how much.
#[must_use]
pub fn delay_after_refusal(attempts: i32, id: &str) -> Duration {
    jittered(doubled(attempts, Duration::hours(8)), attempts, id)
}

/// How long an Odoo instance rests after it was not reached `failures` times in a row (from 1): doubling from 5 seconds to 10
/// minutes, and up to a fifth more or less.
#[must_use]
pub fn rest_after_failure(failures: i32, id: &str) -> Duration {
    jittered(doubled(failures, Duration::minutes(10)), failures, id)
}

/// How long a message waits that Odoo asked for later, by how often it was taken up (from 1): doubling from a second to a minute, and up
/// to a fifth more or less. Whatever else it was taken up for counts too: then Odoo is not at ease.
#[must_use]
pub fn delay_after_later(taken_up: i64, id: &str) -> Duration {
    let count = i32::try_from(taken_up.clamp(1, 7)).unwrap_or(7);
    let delay = Duration::seconds(1_i64 << (count - 1)).min(Duration::seconds(50));
    jittered(delay, count, id)
}

fn doubled(count: i32, longest: Duration) -> Duration {
    let doublings = u32::try_from(count.clamp(1, 14) - 1).unwrap_or_default();
    Duration::seconds(5 * (1_i64 << doublings)).min(longest)
}

/// From four to six fifths of a delay. The same `count` and `id` always give the same.
fn jittered(delay: Duration, count: i32, id: &str) -> Duration {
    let hash = Sha256::digest(format!("{id} {count}"));
    let permille = 800 + i32::from(u16::from_be_bytes([hash[0], hash[1]])) * 400 / i32::from(u16::MAX);
    delay * permille / 1_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_refused_message_is_tried_for_a_long_weekend_whatever_its_id(id in "[a-z0-9_]{1,40}") {
            let total: Duration = (1..MAX_ATTEMPTS).map(|attempts| delay_after_refusal(attempts, &id)).sum();
            prop_assert!(total > Duration::hours(62) && total < Duration::hours(88), "{total}");
        }

        #[test]
        fn jitter_is_a_fifth_at_most_and_the_same_each_time(attempts in 1..MAX_ATTEMPTS, id in "[a-z0-9_]{1,40}") {
            let (wait, middle) = (delay_after_refusal(attempts, &id), doubled(attempts, Duration::hours(8)));
            prop_assert!(wait >= middle * 4 / 5 && wait <= middle * 6 / 5, "{wait} around {middle}");
            prop_assert_eq!(wait, delay_after_refusal(attempts, &id));
        }
    }

    #[test]
    fn what_failed_together_comes_back_spread_out_and_on_average_after_75_hours() {
        let ids: Vec<String> = (0..1_000).map(|number| format!("msg_{number}")).collect();
        let waits = |attempts| ids.iter().map(move |id| delay_after_refusal(attempts, id));
        let early = waits(22).filter(|wait| *wait < Duration::hours(8)).count();
        assert!((400..600).contains(&early), "{early} of 1000 come early");
        let total: Duration = (1..MAX_ATTEMPTS).flat_map(waits).sum::<Duration>() / 1_000;
        assert!(
            total > Duration::hours(73) && total < Duration::hours(77),
            "{total}"
        );
    }

    #[test]
    fn what_odoo_asks_for_later_is_sent_again_within_a_minute_however_often() {
        assert!(delay_after_later(1, "msg_1") <= Duration::seconds(2));
        assert!(delay_after_later(2, "msg_1") > delay_after_later(1, "msg_1"));
        for taken_up in [10, 1_000, i64::MAX] {
            let delay = delay_after_later(taken_up, "msg_1");
            assert!(
                delay >= Duration::seconds(30) && delay <= Duration::minutes(1),
                "{delay}"
            );
        }
    }

    #[test]
    fn an_instance_rests_from_5_seconds_to_10_minutes() {
        assert!(rest_after_failure(1, "odo_1") <= Duration::seconds(6));
        assert!(rest_after_failure(1_000, "odo_1") <= Duration::minutes(12));
        assert!(rest_after_failure(1_000, "odo_1") >= Duration::minutes(8));
    }
}
