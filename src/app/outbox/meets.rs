//! What a booking of a payment meets in Odoo, and whether Odoo was told of it.

use sqlx::PgConnection;

use crate::app::AppError;
use crate::domain::ids::{MerchantId, PaymentId};
use crate::domain::outbox::{Message, OutboxMessage};
use crate::domain::posting::Posting;
use crate::sink::Via;
use crate::store;
use crate::store::outbox::Told;

/// Parts bookings that can go from those whose customer's payment or refund Odoo was not told of yet.
///
/// Of a payment that was captured several times, says which of the captures each meets: the first that reaches as far as its line
/// does. A refund that failed before it left is met by nothing: its lines make up for each other.
pub(super) async fn find_met(
    conn: &mut PgConnection,
    merchant: MerchantId,
    via: Via,
    messages: Vec<OutboxMessage>,
) -> Result<(Vec<OutboxMessage>, Vec<OutboxMessage>), AppError> {
    let unsent = list_unsent(conn, merchant, &messages).await?;
    let told = list_told(conn, merchant, via, &messages).await?;
    let (mut ready, mut waiting) = (Vec::with_capacity(messages.len()), Vec::new());
    for mut message in messages {
        let Message::Posting(Posting::Booking { source, meets, .. }) = &mut message.posting else {
            ready.push(message);
            continue;
        };
        let Some(name) = meets.clone() else {
            ready.push(message);
            continue;
        };
        let Some(payment) = message.payment_id else {
            if unsent.contains(&name) {
                waiting.push(message);
            } else {
                ready.push(message);
            }
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

/// What Odoo is told of the payments that bookings belong to.
async fn list_told(
    conn: &mut PgConnection,
    merchant: MerchantId,
    via: Via,
    messages: &[OutboxMessage],
) -> Result<Vec<Told>, AppError> {
    let bookings = messages.iter().filter(|message| message.sequence.is_none());
    let payments: Vec<PaymentId> = bookings.filter_map(|message| message.payment_id).collect();
    if payments.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match via {
        Via::Rpc => store::outbox::list_posted(conn, merchant, &payments).await?,
        Via::Addon => store::outbox::list_reported(conn, merchant, &payments).await?,
    })
}

/// What bookings that belong to no payment of ours meet and Odoo has not got yet: a link that was made by hand. One that is among
/// the messages goes before them.
async fn list_unsent(
    conn: &mut PgConnection,
    merchant: MerchantId,
    messages: &[OutboxMessage],
) -> Result<Vec<String>, AppError> {
    let Some(first) = messages.first() else {
        return Ok(Vec::new());
    };
    let met = messages.iter().filter_map(|message| match &message.posting {
        Message::Posting(Posting::Booking { meets, .. }) if message.payment_id.is_none() => meets.clone(),
        Message::Posting(_) | Message::News(_) => None,
    });
    let mut keys: Vec<String> = met.collect();
    keys.retain(|key| messages.iter().all(|message| message.posting.key() != *key));
    if keys.is_empty() {
        return Ok(keys);
    }
    Ok(store::outbox::list_unsent(conn, merchant, first.odoo_instance_id, &keys).await?)
}
