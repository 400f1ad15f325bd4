//! The sink: each posting in Odoo's words.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::domain::posting::Posting;
use crate::sink::{Books, BooksRequest, OdooInstance, Posted, Sink, SinkError};

use super::client::Database;
use super::load::external_id;
use super::payment::Order;
use super::{books, payment, statement};

/// Postings into stock Odoo through JSON-2.
#[derive(Clone, Debug)]
pub struct OdooSink {
    http: reqwest::Client,
    timeout: Duration,
}

impl OdooSink {
    /// Over a pooled client, which should not follow redirects: the API never sends one. `timeout` is for one call; a
    /// posting is four to six of them.
    #[must_use]
    pub fn new(http: reqwest::Client, timeout: Duration) -> Self {
        Self { http, timeout }
    }

    fn database<'a>(&'a self, url: &'a Url, name: &'a str, key: &'a SecretString) -> Database<'a> {
        Database {
            http: &self.http,
            timeout: self.timeout,
            url,
            name,
            key,
            company_id: None,
        }
    }
}

#[async_trait]
impl Sink for OdooSink {
    async fn set_up(
        &self,
        url: &Url,
        database: &str,
        api_key: &SecretString,
        request: &BooksRequest,
    ) -> Result<Books, SinkError> {
        books::find(&self.database(url, database, api_key), request).await
    }

    async fn send(&self, instance: &OdooInstance, posting: &Posting) -> Result<Posted, SinkError> {
        let books = &instance.books;
        let odoo = &Database {
            company_id: Some(books.company_id),
            ..self.database(&instance.url, &instance.database, &instance.api_key)
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
        Ok(Posted { records })
    }
}
