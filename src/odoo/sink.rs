//! The sink: each message in its instance's own way; a posting in Odoo's words.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use time::OffsetDateTime;
use url::Url;

use crate::domain::ids::ProviderAccountId;
use crate::domain::outbox::{Message, OutboxMessage};
use crate::domain::posting::Posting;
use crate::sink::{
    Access, Books, BooksRequest, OdooInstance, Posted, RpcAccess, SetUpReport, SetUpRequest, Sink, SinkError,
};

use super::address::AllowedNetworks;
use super::client::Database;
use super::error::refused;
use super::http::Http;
use super::load::external_id;
use super::payment::Order;
use super::{addon, books, payment, set_up, statement};

/// Messages into Odoo, each instance in its own way.
#[derive(Clone, Debug)]
pub struct OdooSink {
    http: Http,
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
        })
    }

    fn database<'a>(&'a self, url: &'a Url, name: &'a str, key: &'a SecretString) -> Database<'a> {
        Database {
            http: &self.http,
            url,
            name,
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
        api_key: &SecretString,
        request: &BooksRequest,
    ) -> Result<Books, SinkError> {
        books::find(&self.database(url, database, api_key), request).await
    }

    async fn check_key(&self, url: &Url, access: &RpcAccess) -> Result<(), SinkError> {
        books::check_key(&self.database(url, &access.database, &access.api_key)).await
    }

    async fn set_up_journals(
        &self,
        url: &Url,
        access: &RpcAccess,
        request: &SetUpRequest,
        apply: bool,
    ) -> Result<SetUpReport, SinkError> {
        let odoo = &self.database(url, &access.database, &access.api_key);
        set_up::set_up(odoo, request, &access.journals.known_to(request.account), apply).await
    }

    async fn check_journal(
        &self,
        url: &Url,
        access: &RpcAccess,
        books: &Books,
    ) -> Result<Vec<String>, SinkError> {
        set_up::check(&self.database(url, &access.database, &access.api_key), books).await
    }

    async fn send(
        &self,
        instance: &OdooInstance,
        message: &OutboxMessage,
        now: OffsetDateTime,
    ) -> Result<Posted, SinkError> {
        match (&instance.access, &message.posting) {
            (Access::Addon { secrets }, _) => {
                addon::send(&self.http, &instance.url, secrets, message, now).await
            }
            (Access::Rpc(access), Message::Posting(posting)) => {
                self.post(&instance.url, access, message.provider_account_id, posting)
                    .await
            }
            (Access::Rpc(_), Message::News(_)) => Err(refused("stock Odoo takes postings only")),
        }
    }
}

impl OdooSink {
    /// Records one posting in stock Odoo and reads it back.
    async fn post(
        &self,
        url: &Url,
        access: &RpcAccess,
        account: ProviderAccountId,
        posting: &Posting,
    ) -> Result<Posted, SinkError> {
        let books = match posting {
            Posting::CustomerPayment { amount, .. } | Posting::CustomerRefund { amount, .. } => {
                access.journals.for_payments(account, amount.currency)?
            }
            Posting::ChargeLine {
                balance_transaction, ..
            }
            | Posting::RefundLine {
                balance_transaction, ..
            } => access.journals.of(account, balance_transaction.amount.currency)?,
        };
        let odoo = &Database {
            company_id: Some(books.company_id),
            ..self.database(url, &access.database, &access.api_key)
        };
        let external_id = || external_id(posting.kind(), posting.key());
        let records = match posting {
            Posting::CustomerPayment {
                charge,
                provider_reference,
                reference,
                amount,
                date,
                settles,
            } => {
                let order = Order {
                    external_id: external_id()?,
                    source: charge,
                    memo: format!("{reference} ({provider_reference})"),
                    amount: *amount,
                    date: *date,
                };
                payment::receive(odoo, books, &order, settles).await?
            }
            Posting::CustomerRefund {
                refund,
                charge,
                reference,
                amount,
                date,
                settles: _,
            } => {
                let order = Order {
                    external_id: external_id()?,
                    source: refund,
                    memo: format!("refund of {reference} ({charge})"),
                    amount: *amount,
                    date: *date,
                };
                payment::give_back(odoo, books, &order, charge).await?
            }
            Posting::ChargeLine {
                charge,
                balance_transaction,
            } => statement::charge_line(odoo, books, charge, balance_transaction).await?,
            Posting::RefundLine {
                refund,
                balance_transaction,
            } => statement::refund_line(odoo, books, refund, balance_transaction).await?,
        };
        Ok(Posted { records, taken: None })
    }
}
