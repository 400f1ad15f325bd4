//! News to tell, kept until it is told.

use time::Duration;

use super::ids::{OdooInstanceId, OutboxMessageId, PaymentId};
use super::posting::Posting;

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OutboxState {
    /// To be sent, now or later.
    Pending,
    /// Odoo has it.
    Sent,
    /// Out of attempts; a person must replay or skip it.
    Dead,
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
