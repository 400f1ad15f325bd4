//! The sink: each message in its instance's own way; a posting in Odoo's words.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use time::{Date, OffsetDateTime};
use url::Url;

use crate::domain::ids::ProviderAccountId;
use crate::domain::money::{Currency, Money};
use crate::domain::outbox::{Message, OutboxMessage};
use crate::domain::posting::Posting;
use crate::sink::{
    Access, Books, BooksRequest, OdooInstance, Posted, RpcAccess, SetUpReport, SetUpRequest, Sink, SinkError,
};

use super::address::AllowedNetworks;
use super::booking::Booking;
use super::client::Database;
use super::error::refused;
use super::http::Http;
use super::load::external_id;
use super::memory::Memory;
use super::payment::Order;
use super::{addon, booking, books, items, payment, set_up};

/// Messages into Odoo, each instance in its own way.
#[derive(Clone, Debug)]
pub struct OdooSink {
    http: Http,
    memory: Arc<Memory>,
}

impl OdooSink {
    /// A sink that speaks to public addresses and to those of `allowed`. `timeout` is for one call; a posting is four to six
    /// of them.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(timeout: Duration, allowed: AllowedNetworks) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: Http::new(timeout, allowed)?,
            memory: Arc::default(),
        })
    }

    fn database<'a>(
        &'a self,
        url: &'a Url,
        name: &'a str,
        login: Option<&'a str>,
        key: &'a SecretString,
    ) -> Database<'a> {
        Database {
            http: &self.http,
            memory: &self.memory,
            url,
            name,
            login,
            key,
            company_id: None,
        }
    }
}

#[async_trait]
impl Sink for OdooSink {
    async fn check_address(&self, url: &Url) -> Result<(), SinkError> {
        self.http.check(url).await
    }

    async fn set_up(
        &self,
        url: &Url,
        database: &str,
        login: Option<&str>,
        api_key: &SecretString,
        request: &BooksRequest,
    ) -> Result<Books, SinkError> {
        books::find(&self.database(url, database, login, api_key), request).await
    }

    async fn ping(&self, instance: &OdooInstance, now: OffsetDateTime) -> Result<(), SinkError> {
        match &instance.access {
            Access::Addon(access) => addon::ping(&self.http, &instance.url, access, now).await,
            Access::Rpc(_) => Err(refused("only our addon takes a ping")),
        }
    }

    async fn check_key(&self, url: &Url, access: &RpcAccess) -> Result<(), SinkError> {
        books::check_key(&self.database(url, &access.database, access.login.as_deref(), &access.api_key))
            .await
    }

    async fn set_up_journals(
        &self,
        url: &Url,
        access: &RpcAccess,
        request: &SetUpRequest,
        apply: bool,
    ) -> Result<SetUpReport, SinkError> {
        let odoo = &self.database(url, &access.database, access.login.as_deref(), &access.api_key);
        set_up::set_up(odoo, request, &access.journals.known_to(request.account), apply).await
    }

    async fn check_journal(
        &self,
        url: &Url,
        access: &RpcAccess,
        books: &Books,
    ) -> Result<Vec<String>, SinkError> {
        set_up::check(
            &self.database(url, &access.database, access.login.as_deref(), &access.api_key),
            books,
        )
        .await
    }

    async fn send(
        &self,
        instance: &OdooInstance,
        messages: &[OutboxMessage],
        now: OffsetDateTime,
    ) -> Vec<Result<Posted, SinkError>> {
        let access = match &instance.access {
            Access::Addon(access) => {
                return addon::send(&self.http, &instance.url, access, messages, now).await;
            }
            Access::Rpc(access) => access,
        };
        if let Some(bookings) = all_bookings(messages) {
            return self
                .post_together(&instance.url, access, messages, &bookings)
                .await;
        }
        let mut became = Vec::with_capacity(messages.len());
        for message in messages {
            became.push(match &message.posting {
                Message::Posting(posting) => {
                    self.post(&instance.url, access, message.provider_account_id, posting)
                        .await
                }
                Message::News(_) => Err(refused("stock Odoo takes postings only")),
            });
        }
        became
    }

    async fn fetch_held(
        &self,
        instance: &OdooInstance,
        account: ProviderAccountId,
        currency: Currency,
    ) -> Result<Money, SinkError> {
        let Access::Rpc(access) = &instance.access else {
            return Err(refused("only stock Odoo has a journal of ours"));
        };
        let books = access.journals.of(account, currency)?;
        items::sum(
            &self.open(&instance.url, access, books),
            books.journal_account_id,
            currency,
        )
        .await
    }
}

impl OdooSink {
    /// The company that a journal belongs to.
    fn open<'a>(&'a self, url: &'a Url, access: &'a RpcAccess, books: &Books) -> Database<'a> {
        Database {
            company_id: Some(books.company_id),
            ..self.database(url, &access.database, access.login.as_deref(), &access.api_key)
        }
    }

    /// Records bookings of one journal together.
    async fn post_together(
        &self,
        url: &Url,
        access: &RpcAccess,
        messages: &[OutboxMessage],
        bookings: &[(Booking<'_>, Currency)],
    ) -> Vec<Result<Posted, SinkError>> {
        let (Some(first), Some((_, currency))) = (messages.first(), bookings.first()) else {
            return Vec::new();
        };
        let books = match access.journals.of(first.provider_account_id, *currency) {
            Ok(books) => books,
            Err(error) => return messages.iter().map(|_| Err(error.clone())).collect(),
        };
        let bookings: Vec<Booking<'_>> = bookings.iter().map(|(booking, _)| *booking).collect();
        booking::post(&self.open(url, access, books), books, &bookings)
            .await
            .into_iter()
            .map(|became| became.map(|records| Posted { records, taken: None }))
            .collect()
    }

    /// Records one posting in stock Odoo and reads it back.
    async fn post(
        &self,
        url: &Url,
        access: &RpcAccess,
        account: ProviderAccountId,
        posting: &Posting,
    ) -> Result<Posted, SinkError> {
        let currency = posting
            .currency()
            .ok_or_else(|| refused("the posting books nothing"))?;
        let books = if let Posting::Booking { .. } = posting {
            access.journals.of(account, currency)?
        } else {
            access.journals.for_payments(account, currency)?
        };
        let odoo = &self.open(url, access, books);
        let order = |source, memo, amount: &Money, date: &Date| -> Result<Order, SinkError> {
            Ok(Order {
                external_id: external_id(posting.kind(), &posting.key())?,
                source,
                memo,
                amount: *amount,
                date: *date,
            })
        };
        let records = match posting {
            Posting::CustomerPayment {
                charge,
                provider_reference,
                reference,
                amount,
                date,
                settles,
            } => {
                let memo = format!("{reference} ({provider_reference})");
                let order = order(charge.clone(), memo, amount, date)?;
                payment::receive(odoo, books, &order, settles).await?
            }
            Posting::CustomerRefund {
                refund,
                charge,
                reference,
                amount,
                date,
                settles,
            } => {
                let memo = format!("refund of {reference} ({charge})");
                let order = order(refund.clone(), memo, amount, date)?;
                payment::give_back(odoo, books, &order, charge, settles).await?
            }
            Posting::RefundReturned {
                refund,
                reference,
                amount,
                date,
            } => {
                let memo = format!("refund of {reference} came back ({refund})");
                let order = order(posting.key(), memo, amount, date)?;
                payment::take_back(odoo, books, &order, refund).await?
            }
            Posting::Booking { .. } => {
                let booking = Booking::of(posting).into_iter().collect::<Vec<_>>();
                let mut became = booking::post(odoo, books, &booking).await;
                became.pop().unwrap_or_else(|| Ok(Vec::new()))?
            }
        };
        Ok(Posted { records, taken: None })
    }
}

/// The messages as bookings, where all are: those that were taken up together are of one journal.
fn all_bookings(messages: &[OutboxMessage]) -> Option<Vec<(Booking<'_>, Currency)>> {
    let bookings = messages.iter().map(|message| match &message.posting {
        Message::Posting(posting) => Booking::of(posting).zip(posting.currency()),
        Message::News(_) => None,
    });
    bookings.collect()
}
