//! One message of a batch, as the addon reads it.

use serde::Serialize;
use time::Date;

use crate::domain::day;
use crate::domain::ids::{OutboxMessageId, ProviderAccountId};
use crate::domain::ledger::LedgerAccount;
use crate::domain::money::Currency;
use crate::domain::news::{DisputeNews, LinkNews, MethodNews, News, PaymentNews, SetupNews};
use crate::domain::outbox::{Message, OutboxMessage};
use crate::domain::posting::{self, Part, Posting};
use crate::sink::SinkError;

use super::rejected;

/// A message with its place among those of its subject; bookings and links have none.
#[derive(Debug, Serialize)]
pub(super) struct Item<'a> {
    id: OutboxMessageId,
    sequence: i64,
    #[serde(flatten)]
    tells: Tells<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum Tells<'a> {
    #[serde(rename = "payment.updated")]
    Payment { payment: Of<&'a PaymentNews> },
    #[serde(rename = "setup.updated")]
    Setup { setup: Of<&'a SetupNews> },
    #[serde(rename = "payment_method.updated")]
    Method { payment_method: Of<&'a MethodNews> },
    #[serde(rename = "dispute.updated")]
    Dispute { dispute: Of<&'a DisputeNews> },
    #[serde(rename = "payment.linked")]
    Link { link: Of<&'a LinkNews> },
    #[serde(rename = "ledger.booked")]
    Booking { booking: Of<Booking<'a>> },
}

/// What happened at an account of the provider's.
#[derive(Debug, Serialize)]
struct Of<T> {
    provider_account: ProviderAccountId,
    #[serde(flatten)]
    told: T,
}

/// A transaction of the ledger, as a bookkeeper writes it.
#[derive(Debug, Serialize)]
struct Booking<'a> {
    source: &'a str,
    #[serde(with = "day")]
    date: Date,
    label: &'a str,
    currency: Currency,
    meets: Option<&'a str>,
    parts: Vec<Side>,
}

#[derive(Debug, Serialize)]
struct Side {
    account: LedgerAccount,
    currency: Currency,
    amount_minor: i64,
    value_minor: i64,
}

impl From<&Part> for Side {
    fn from(part: &Part) -> Self {
        Self {
            account: part.account,
            currency: part.amount.currency,
            amount_minor: part.amount.minor,
            value_minor: part.value_minor,
        }
    }
}

impl<'a> Item<'a> {
    /// A message as it is sent.
    ///
    /// # Errors
    /// [`SinkError::Rejected`] where it is for stock Odoo.
    pub(super) fn of(message: &'a OutboxMessage) -> Result<Self, SinkError> {
        let provider_account = message.provider_account_id;
        let tells = match &message.posting {
            Message::News(News::PaymentUpdated { payment }) => Tells::Payment {
                payment: Of {
                    provider_account,
                    told: payment,
                },
            },
            Message::News(News::SetupUpdated { setup }) => Tells::Setup {
                setup: Of {
                    provider_account,
                    told: setup,
                },
            },
            Message::News(News::PaymentMethodUpdated { payment_method }) => Tells::Method {
                payment_method: Of {
                    provider_account,
                    told: payment_method,
                },
            },
            Message::News(News::DisputeUpdated { dispute }) => Tells::Dispute {
                dispute: Of {
                    provider_account,
                    told: dispute,
                },
            },
            Message::News(News::PaymentLinked { link }) => Tells::Link {
                link: Of {
                    provider_account,
                    told: link,
                },
            },
            Message::Posting(posting) => Tells::Booking {
                booking: Of {
                    provider_account,
                    told: Booking::of(posting)?,
                },
            },
        };
        Ok(Self {
            id: message.id,
            sequence: message.sequence.unwrap_or_default(),
            tells,
        })
    }
}

impl<'a> Booking<'a> {
    fn of(posting: &'a Posting) -> Result<Self, SinkError> {
        match posting {
            Posting::Booking {
                source,
                date,
                label,
                parts,
                meets,
            } => Ok(Self {
                source,
                date: *date,
                label,
                currency: posting::home(parts).ok_or_else(|| rejected("the booking books nothing"))?,
                meets: meets.as_deref(),
                parts: parts.iter().map(Side::from).collect(),
            }),
            Posting::CustomerPayment { .. }
            | Posting::CustomerRefund { .. }
            | Posting::RefundReturned { .. } => {
                Err(rejected("the addon makes customers' payments and refunds itself"))
            }
        }
    }
}
