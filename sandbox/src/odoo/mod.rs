//! A pretend Odoo that speaks JSON-2 or, as an older one, JSON-RPC, and keeps real double entry in integer minor units.
//!
//! It knows what posting payments needs and no more: anything else is answered with Odoo's own error, never with a
//! success. Its rules are those measured on a real one (`docs/odoo-posting.md`); the posting tests run against both.

mod api;
mod books;
mod create;
mod currency;
mod documents;
mod domain;
mod entries;
mod error;
mod fields;
mod json_rpc;
mod load;
mod methods;
mod model;
mod reconcile;
mod rows;
mod table;
mod taxes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use axum::Router;
use time::Date;

use crate::faults::Faults;
use crate::server::Server;

use api::Api;
use books::{Books, Source};
use error::OdooError;

/// The releases that differ in what is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// As 18, with older names for a payment's memo and for asking what one may do, and it posts nothing twice. Read from its
    /// source, not measured.
    V17,
    /// JSON-RPC only.
    V18,
    /// JSON-2, and JSON-RPC still.
    V19,
}

impl Version {
    /// Odoo's number of it.
    #[must_use]
    pub const fn major(self) -> u32 {
        match self {
            Self::V17 => 17,
            Self::V18 => 18,
            Self::V19 => 19,
        }
    }
}

/// What a pretend Odoo is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which one it is.
    pub version: Version,
    /// The port of 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The company's currency, ISO 4217.
    pub currency: String,
    /// Other currencies that are in use, each with how much of it one unit of the company's is worth, in millionths.
    pub rates: Vec<(String, u64)>,
    /// How long a call's transaction takes, in which others may begin and end.
    pub work: Duration,
    /// Whether the key's user may write statement lines (the group Basic).
    pub may_write_lines: bool,
    /// Whether the key's user may make accounts and journals (the group Accounting / Administrator).
    pub may_set_up: bool,
    /// Whether every connection is closed after its answer, as without a proxy in front.
    pub closes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Version::V19,
            port: 0,
            currency: "EUR".to_owned(),
            rates: Vec::new(),
            work: Duration::from_millis(1),
            may_write_lines: true,
            may_set_up: true,
            closes: false,
        }
    }
}

/// A pretend Odoo with a journal STRP, which waits on 101403, and a fee account 621000.
#[derive(Debug)]
pub struct PretendOdoo {
    server: Server,
    api: Arc<Api>,
}

/// A customer's invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Its `account.move` id.
    pub id: i64,
    /// Its number, once posted.
    pub name: Option<String>,
    /// The customer's name.
    pub partner: String,
    /// What it is over.
    pub amount_minor: i64,
    /// What is left to pay.
    pub residual_minor: i64,
    /// Odoo's word: `not_paid`, `partial` or `paid`.
    pub payment_state: String,
}

/// A customer's payment or refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentView {
    /// Its `account.payment` id.
    pub id: i64,
    /// Whether the customer paid; else they got money back.
    pub inbound: bool,
    /// How much, positive.
    pub amount_minor: i64,
    /// The provider's id.
    pub reference: String,
    /// Odoo's word: `draft`, `in_process` or `paid`.
    pub state: String,
    /// Whether it has met its statement line.
    pub is_matched: bool,
}

/// A line of a bank journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLineView {
    /// Its `account.bank.statement.line` id.
    pub id: i64,
    /// Its number in the journal.
    pub name: String,
    /// The day it is booked on.
    pub date: Date,
    /// What people read.
    pub label: String,
    /// The provider's id of its ledger line.
    pub reference: String,
    /// What moved, negative where it left.
    pub amount_minor: i64,
}

impl PretendOdoo {
    /// Starts one with empty books.
    pub async fn start(options: Options) -> Result<Self> {
        let api = Arc::new(Api {
            books: Mutex::new(Books::new("Acme".to_owned(), &options.currency, &options.rates)),
            faults: Faults::default(),
            version: Mutex::new(options.version),
            database: "acme".to_owned(),
            login: "bookkeeper".to_owned(),
            key: Mutex::new("pretend-odoo-key".to_owned()),
            may_write_lines: options.may_write_lines,
            may_set_up: options.may_set_up,
            refusal: Mutex::default(),
            work: options.work,
            closes: options.closes,
        });
        let shared = Arc::clone(&api);
        let router = Router::new().fallback(move |method, uri, headers, body| {
            Arc::clone(&shared).answer(method, uri, headers, body)
        });
        Ok(Self {
            server: Server::start(router, options.port).await?,
            api,
        })
    }

    /// Where it answers, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> String {
        self.api.database.clone()
    }

    /// The login of the only user, whose key it is.
    #[must_use]
    pub fn login(&self) -> String {
        self.api.login.clone()
    }

    /// The key that is accepted now.
    #[must_use]
    pub fn api_key(&self) -> String {
        self.api
            .key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Upgrades it in place: the books stay.
    pub fn upgrade(&self, version: Version) {
        *self.api.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// Lets the key expire: from now on only `key` is accepted.
    pub fn replace_api_key(&self, key: &str) {
        key.clone_into(&mut self.api.key.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on every change is refused with this message, as by a rule of the books; `None` ends it.
    pub fn refuse(&self, message: Option<&str>) {
        *self.api.refusal.lock().unwrap_or_else(PoisonError::into_inner) = message.map(str::to_owned);
    }

    /// What goes wrong on demand.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.api.faults
    }

    /// How many TCP connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.server.connections()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// Posts an invoice of a new customer and says its id, in a currency that is in use.
    pub fn add_invoice(&self, partner: &str, amount_minor: i64, currency: &str, date: Date) -> Result<i64> {
        let mut books = self.api.books();
        let Some(currency_id) = books.active_currency(currency) else {
            bail!("{currency} is not in use in the pretend Odoo");
        };
        let partner = books.partners.add(partner.to_owned());
        let id = books
            .add_invoice(partner, date, (amount_minor, currency_id))
            .map_err(said)?;
        books.post_invoice(id).map_err(said)?;
        Ok(id)
    }

    /// All invoices, oldest first.
    #[must_use]
    pub fn invoices(&self) -> Vec<Invoice> {
        let books = self.api.books();
        let invoices = books
            .entries
            .iter()
            .filter(|(_, entry)| entry.source == Source::Invoice);
        invoices
            .map(|(id, entry)| Invoice {
                id,
                name: entry.name.clone(),
                partner: entry
                    .partner
                    .and_then(|id| books.partners.get(id))
                    .cloned()
                    .unwrap_or_default(),
                amount_minor: books.items_of(id).map(|(_, item)| item.minor.max(0)).sum(),
                residual_minor: books.invoice_residual(id),
                payment_state: books.payment_state(id).to_owned(),
            })
            .collect()
    }

    /// All payments and refunds, drafts too, oldest first.
    #[must_use]
    pub fn payments(&self) -> Vec<PaymentView> {
        let books = self.api.books();
        books
            .payments
            .iter()
            .map(|(id, payment)| PaymentView {
                id,
                inbound: payment.inbound,
                amount_minor: payment.minor,
                reference: payment.reference.clone(),
                state: books.payment_word(id).to_owned(),
                is_matched: books.is_matched(id),
            })
            .collect()
    }

    /// All statement lines, oldest first.
    #[must_use]
    pub fn statement_lines(&self) -> Vec<StatementLineView> {
        let books = self.api.books();
        let lines = books
            .lines
            .iter()
            .filter_map(|(id, line)| Some((id, line, books.entries.get(line.entry)?)));
        lines
            .map(|(id, line, entry)| StatementLineView {
                id,
                name: entry.name.clone().unwrap_or_default(),
                date: entry.date,
                label: line.label.clone(),
                reference: entry.reference.clone().unwrap_or_default(),
                amount_minor: line.minor,
            })
            .collect()
    }

    /// What posted entries leave on an account in the company's currency, debit positive.
    #[must_use]
    pub fn account_balance(&self, code: &str) -> i64 {
        self.trial_balance().get(code).copied().unwrap_or_default()
    }

    /// What posted entries leave on the account of a bank journal, in the journal's currency.
    #[must_use]
    pub fn journal_balance(&self, code: &str) -> i64 {
        let books = self.api.books();
        let journal = books.journal(code).ok().and_then(|id| books.journals.get(id));
        let account = journal.and_then(|journal| journal.account);
        books
            .items
            .iter()
            .filter(|(_, item)| Some(item.account) == account && books.is_posted(item.entry))
            .map(|(_, item)| item.minor)
            .sum()
    }

    /// What posted entries leave on each account that they touch, in the company's currency, by code. The sum is always zero.
    #[must_use]
    pub fn trial_balance(&self) -> BTreeMap<String, i64> {
        let books = self.api.books();
        let mut balances = BTreeMap::new();
        for (_, item) in books.items.iter().filter(|(_, item)| books.is_posted(item.entry)) {
            let code = books
                .accounts
                .get(item.account)
                .map_or("?", |account| account.code.as_str());
            *balances.entry(code.to_owned()).or_default() += item.worth_minor;
        }
        balances
    }
}

fn said(error: OdooError) -> anyhow::Error {
    anyhow!(error.message)
}
