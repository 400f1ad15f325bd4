//! News to tell, kept until it is told.

use time::Duration;

use super::card_number::holds_card_number;
use super::ids::{OdooInstanceId, OutboxMessageId, PaymentId};
use super::posting::Posting;

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

/// One posting on its way to Odoo. Messages of one payment leave in the order of `sequence`.
#[derive(Clone, Debug)]
pub struct OutboxMessage {
    /// Its id.
    pub id: OutboxMessageId,
    /// Where it goes.
    pub odoo_instance_id: OdooInstanceId,
    /// The payment it tells of.
    pub payment_id: PaymentId,
    /// What Odoo must record.
    pub posting: Posting,
    /// How often it was refused.
    pub attempts: i32,
    /// Grows with every lease; only the holder of the highest may acknowledge.
    pub fence: i64,
}

/// Why a person let a message go: 1 to 500 characters, for whoever reads the books later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipReason(String);

/// A text that is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {} characters that say something, and no place for a card number",
    SkipReason::LIMIT
)]
pub struct NoReason;

impl SkipReason {
    /// How many characters it may have.
    pub const LIMIT: usize = 500;

    /// Takes a text for a reason, without the space around it.
    ///
    /// # Errors
    /// [`NoReason`].
    pub fn parse(text: &str) -> Result<Self, NoReason> {
        let text = text.trim();
        let fits = !text.is_empty()
            && text.chars().count() <= Self::LIMIT
            && !text.contains('\0')
            && !holds_card_number(text);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoReason)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many failures make a message, or an event on its way in, dead: about 75 hours of trying.
pub const MAX_ATTEMPTS: i32 = 22;

/// How long it waits after failure number `attempts` (from 1): doubling from 5 seconds to 8 hours.
#[must_use]
pub fn delay_after_refusal(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 14) - 1).unwrap_or_default();
    Duration::seconds(5 * (1_i64 << doublings)).min(Duration::hours(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_message_is_tried_for_a_long_weekend() {
        let total: Duration = (1..MAX_ATTEMPTS).map(delay_after_refusal).sum();
        assert!(
            total > Duration::hours(70) && total < Duration::hours(80),
            "{total}"
        );
    }
}
