//! What a booking of a payment meets in Odoo, and whether Odoo was told of it.

use sqlx::PgConnection;

use crate::app::AppError;
use crate::domain::ids::{MerchantId, PaymentId};
use crate::domain::outbox::{Message, OutboxMessage};
use crate::domain::posting::Posting;
use crate::store;
use crate::store::outbox::Told;

/// Parts bookings that can go from those whose customer's payment or refund Odoo was not told of yet.
///
/// Of a payment that was captured several times, says which of the customer's payments each meets: the first that reaches as
/// far as its line does. A refund that failed before it was told of is met by nothing: its lines make up for each other.
pub(super) async fn find_met(
    conn: &mut PgConnection,
    merchant: MerchantId,
    messages: Vec<OutboxMessage>,
) -> Result<(Vec<OutboxMessage>, Vec<OutboxMessage>), AppError> {
    let is_booking = |message: &&OutboxMessage| message.sequence.is_none();
    let payments: Vec<PaymentId> = messages
        .iter()
        .filter(is_booking)
        .filter_map(|message| message.payment_id)
        .collect();
    if payments.is_empty() {
        return Ok((messages, Vec::new()));
    }
    let told = store::outbox::list_told(conn, merchant, &payments).await?;
    let (mut ready, mut waiting) = (Vec::with_capacity(messages.len()), Vec::new());
    for mut message in messages {
        let (Some(payment), Message::Posting(Posting::Booking { source, meets, .. })) =
            (message.payment_id, &mut message.posting)
        else {
            ready.push(message);
            continue;
        };
        let Some(name) = meets.clone() else {
            ready.push(message);
            continue;
        };
        let of_payment: Vec<&Told> = told.iter().filter(|told| told.payment_id == payment).collect();
        let paid: Vec<(&Told, i64)> = of_payment
            .iter()
            .filter_map(|told| Some((*told, told.reached_minor?)))
            .collect();
        if paid.len() > 1 && paid.iter().any(|(told, _)| told.key == name) {
            let line_minor =
                store::balance_transactions::sum_paid_until(conn, merchant, payment, source).await?;
            let met = paid
                .iter()
                .find(|(_, reached_minor)| *reached_minor >= line_minor);
            *meets = met.or(paid.last()).map(|(told, _)| told.key.clone());
        } else if !of_payment.iter().any(|told| told.key == name) {
            if !store::refunds::is_over(conn, merchant, message.provider_account_id, &name).await? {
                waiting.push(message);
                continue;
            }
            *meets = None;
        }
        ready.push(message);
    }
    Ok((ready, waiting))
}
