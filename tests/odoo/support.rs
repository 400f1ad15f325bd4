//! One Odoo to post into: the pretend one, or a real one where the environment names it.

use std::collections::BTreeMap;
use std::time::Duration;

use quittance::domain::ids::{MerchantId, OdooInstanceId, OutboxMessageId, PaymentId, ProviderAccountId};
use quittance::domain::ledger::LedgerAccount;
use quittance::domain::money::{Currency, Money};
use quittance::domain::outbox::OutboxMessage;
use quittance::domain::posting::{Part, Posting, Settles};
use quittance::odoo::OdooSink;
use quittance::sink::{
    Access, Books, BooksRequest, Journals, OdooInstance, Posted, RpcAccess, Sink, SinkError,
};
use quittance_sandbox::odoo::PretendOdoo;
use secrecy::SecretString;
use serde_json::{Value, json};
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::super::rpc::Door;
use super::VERSION;

/// The day on which everything happens, inside an open period.
pub(super) const DAY: Date = date!(2026 - 11 - 20);

/// The time that goes with it.
pub(super) const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// An Odoo with a journal STRP, its Outstanding account and a fee account 621000.
pub(super) struct Odoo {
    /// Its books, ready to be posted into.
    pub(super) instance: OdooInstance,
    /// The sink under test.
    pub(super) sink: OdooSink,
    door: Door,
}

/// What the books hold about one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Balances {
    /// What posted payments and statement lines there are.
    pub(super) payments: usize,
    /// Statement lines of the provider's ledger lines.
    pub(super) lines: usize,
    /// Minor units on Outstanding.
    pub(super) outstanding: i64,
    /// Minor units in the Stripe journal.
    pub(super) journal: i64,
    /// Minor units of fees.
    pub(super) fees: i64,
    /// Minor units that the customer owes.
    pub(super) receivable: i64,
    /// Odoo's word for the invoice.
    pub(super) invoice: String,
}

/// A customer's invoice, and the ids of what the provider did about it.
#[derive(Clone, Debug)]
pub(super) struct Sale {
    /// The customer.
    pub(super) partner: i64,
    /// The invoice.
    pub(super) invoice: i64,
    /// A text that no other test has.
    pub(super) tag: String,
    /// What everything is in.
    pub(super) currency: Currency,
}

fn request() -> BooksRequest {
    BooksRequest {
        journal_code: "STRP".to_owned(),
        fee_account_code: "621000".to_owned(),
    }
}

/// A sink that may speak to this machine, with a timeout for each call.
pub(super) fn sink(timeout: Duration) -> OdooSink {
    OdooSink::new(timeout, "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12".parse().unwrap()).unwrap()
}

/// How an instance is reached.
pub(super) fn access(instance: &OdooInstance) -> &RpcAccess {
    match &instance.access {
        Access::Rpc(access) => access,
        Access::Addon { .. } => panic!("the instance has the addon"),
    }
}

/// The same with something else in it.
pub(super) fn with(instance: &OdooInstance, change: impl FnOnce(&mut RpcAccess)) -> OdooInstance {
    let mut changed = access(instance).clone();
    change(&mut changed);
    OdooInstance {
        access: Access::Rpc(changed),
        ..instance.clone()
    }
}

/// Sends one posting.
pub(super) async fn send(
    sink: &OdooSink,
    instance: &OdooInstance,
    posting: &Posting,
) -> Result<Posted, SinkError> {
    let mut became = sink.send(instance, &[message(instance, posting)], NOW).await;
    became.pop().unwrap()
}

/// Sends bookings together.
pub(super) async fn send_all(odoo: &Odoo, bookings: &[Posting]) -> Vec<Result<Posted, SinkError>> {
    let messages: Vec<OutboxMessage> = bookings
        .iter()
        .map(|booking| message(&odoo.instance, booking))
        .collect();
    odoo.sink.send(&odoo.instance, &messages, NOW).await
}

fn message(instance: &OdooInstance, posting: &Posting) -> OutboxMessage {
    OutboxMessage {
        id: OutboxMessageId::generate(),
        odoo_instance_id: instance.id,
        provider_account_id: ProviderAccountId::generate(),
        payment_id: Some(PaymentId::generate()),
        sequence: Some(1),
        posting: posting.clone().into(),
        attempts: 0,
        fence: 1,
        trace_context: None,
    }
}

impl Odoo {
    /// The Odoo of this run and version, set up.
    pub(super) async fn open() -> Self {
        let door = Door::find(VERSION).await;
        let sink = sink(Duration::from_secs(30));
        let (login, api_key) = (door.login.clone(), SecretString::from(door.api_key.clone()));
        let books = sink
            .set_up(&door.url, &door.database, login.as_deref(), &api_key, &request())
            .await
            .unwrap();
        let instance = OdooInstance {
            merchant_id: MerchantId::generate(),
            id: OdooInstanceId::generate(),
            url: door.url.clone(),
            access: Access::Rpc(RpcAccess {
                database: door.database.clone(),
                login,
                api_key,
                journals: Journals::new([], Some(books)),
            }),
        };
        Self { instance, sink, door }
    }

    /// The pretend one, where it is that.
    pub(super) const fn pretend(&self) -> Option<&PretendOdoo> {
        self.door.pretend.as_ref()
    }

    /// How the instance is reached.
    pub(super) fn access(&self) -> &RpcAccess {
        access(&self.instance)
    }

    /// Where postings go.
    pub(super) fn books(&self) -> &Books {
        self.access().journals.whole().unwrap()
    }

    /// Calls a method of Odoo itself, which must succeed.
    pub(super) async fn call(&self, path: &str, arguments: Value) -> Value {
        self.door.call(path, arguments).await
    }

    /// Imports records, which must succeed.
    pub(super) async fn load(&self, model: &str, arguments: Value) -> Value {
        let loaded = self.call(&format!("{model}/load"), arguments).await;
        assert_ne!(loaded["ids"], false, "{loaded}");
        loaded
    }

    /// A new customer's draft invoice over 121.00.
    pub(super) async fn draft_sale(&self) -> Sale {
        self.draft_sale_in("EUR", "121.00").await
    }

    async fn draft_sale_in(&self, currency: &str, price: &str) -> Sale {
        let known = self
            .search("res.currency", json!([["name", "=", currency]]), &["name"])
            .await;
        let price: Value = serde_json::from_str(price).unwrap();
        let tag = Uuid::now_v7().simple().to_string();
        let partner = first(
            &self
                .call("res.partner/create", json!({"vals_list": [{"name": tag}]}))
                .await,
        );
        let invoice = json!({
            "move_type": "out_invoice",
            "partner_id": partner,
            "invoice_date": DAY.to_string(),
            "currency_id": known[0]["id"],
            "invoice_line_ids": [[0, 0, {"name": "Chair", "quantity": 1, "price_unit": price, "tax_ids": [[6, 0, []]]}]],
        });
        let invoice = first(
            &self
                .call("account.move/create", json!({ "vals_list": [invoice] }))
                .await,
        );
        Sale {
            partner,
            invoice,
            tag,
            currency: currency.parse().unwrap(),
        }
    }

    /// A new customer's posted invoice over 12100 in a currency without minor units.
    pub(super) async fn sale_in(&self, currency: &str) -> Sale {
        let sale = self.draft_sale_in(currency, "12100").await;
        self.call("account.move/action_post", json!({ "ids": [sale.invoice] }))
            .await;
        sale
    }

    /// A new customer's posted invoice over 121.00.
    pub(super) async fn sale(&self) -> Sale {
        let sale = self.draft_sale().await;
        self.call("account.move/action_post", json!({ "ids": [sale.invoice] }))
            .await;
        sale
    }

    /// Sends one posting.
    pub(super) async fn send(&self, posting: &Posting) -> Result<Posted, SinkError> {
        send(&self.sink, &self.instance, posting).await
    }

    /// What the books hold about a sale now.
    pub(super) async fn balances(&self, sale: &Sale) -> Balances {
        let transactions = [sale.transaction("charge"), sale.transaction("refund")];
        let references = [sale.source("ch"), sale.source("re")];
        let domain = json!([
            ["parent_state", "=", "posted"],
            "|",
            "|",
            ["partner_id", "=", sale.partner],
            ["payment_id.payment_reference", "in", references],
            ["move_id.ref", "in", transactions],
        ]);
        let fields = ["account_id", "account_type", "amount_currency", "move_id"];
        let items = self.search("account.move.line", domain, &fields).await;
        let mut by_account: BTreeMap<i64, i64> = BTreeMap::new();
        let mut receivable = 0;
        for item in &items {
            let minor = minor(&item["amount_currency"], sale.currency);
            *by_account.entry(first(&item["account_id"])).or_default() += minor;
            receivable += if item["account_type"] == "asset_receivable" {
                minor
            } else {
                0
            };
        }
        let on = |account: i64| by_account.get(&account).copied().unwrap_or_default();
        let books = self.books();
        let journal = self
            .search(
                "account.journal",
                json!([["id", "=", books.journal_id]]),
                &["default_account_id"],
            )
            .await;
        let payments = json!([["payment_reference", "in", references]]);
        let invoice = self
            .search(
                "account.move",
                json!([["id", "=", sale.invoice]]),
                &["payment_state"],
            )
            .await;
        Balances {
            payments: self.search("account.payment", payments, &["state"]).await.len(),
            lines: self
                .search(
                    "account.bank.statement.line",
                    json!([["ref", "in", transactions]]),
                    &["amount"],
                )
                .await
                .len(),
            outstanding: on(books.outstanding_receipts_id),
            journal: on(first(&journal[0]["default_account_id"])),
            fees: on(books.fee_account_id),
            receivable,
            invoice: invoice[0]["payment_state"].as_str().unwrap().to_owned(),
        }
    }

    /// What a search of Odoo itself finds.
    pub(super) async fn search(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        self.door.search(model, domain, fields).await
    }
}

impl Sale {
    /// The provider's id of the charge (`ch`) or refund (`re`).
    pub(super) fn source(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.tag)
    }

    fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }

    /// The provider's id of a line of its ledger.
    pub(super) fn transaction(&self, what: &str) -> String {
        format!("txn_{what}_{}", self.tag)
    }

    /// The customer paid 121.00.
    pub(super) fn payment(&self) -> Posting {
        self.payment_of(12_100, DAY)
    }

    /// The customer paid some amount on some day.
    pub(super) fn payment_of(&self, minor: i64, date: Date) -> Posting {
        Posting::CustomerPayment {
            charge: self.source("ch"),
            provider_reference: self.source("pi"),
            reference: format!("S-{}", self.tag),
            amount: self.money(minor),
            date,
            settles: vec![Settles {
                model: "account.move".to_owned(),
                id: self.invoice,
                amount_minor: minor,
            }],
        }
    }

    /// The charge of 121.00 arrived, less a fee of 2.07.
    pub(super) fn charge_line(&self) -> Posting {
        self.line("charge", self.source("ch"), 12_100, 207)
    }

    /// The customer gets 121.00 back.
    pub(super) fn refund(&self) -> Posting {
        Posting::CustomerRefund {
            refund: self.source("re"),
            charge: self.source("ch"),
            reference: format!("S-{}", self.tag),
            amount: self.money(12_100),
            date: DAY,
            settles: vec![Settles {
                model: "account.move".to_owned(),
                id: self.invoice,
                amount_minor: 12_100,
            }],
        }
    }

    /// The refund of 121.00 left.
    pub(super) fn refund_line(&self) -> Posting {
        self.line("refund", self.source("re"), -12_100, 0)
    }

    /// Everything that a sale which was paid and refunded brings about, in order.
    pub(super) fn whole(&self) -> [Posting; 4] {
        [
            self.payment(),
            self.charge_line(),
            self.refund(),
            self.refund_line(),
        ]
    }

    /// A line of the provider's ledger, which meets what it is about.
    fn line(&self, kind: &str, source: String, minor: i64, fee_minor: i64) -> Posting {
        booking_in(
            self.currency,
            &self.transaction(kind),
            &[
                (LedgerAccount::ProviderBalance, minor - fee_minor),
                (LedgerAccount::Fees, fee_minor),
                (LedgerAccount::ReceivableClearing, -minor),
            ],
            Some(source),
        )
    }
}

/// A booking of some parts in euros.
pub(super) fn booking(source: &str, parts: &[(LedgerAccount, i64)], meets: Option<String>) -> Posting {
    booking_in("EUR".parse().unwrap(), source, parts, meets)
}

fn booking_in(
    currency: Currency,
    source: &str,
    parts: &[(LedgerAccount, i64)],
    meets: Option<String>,
) -> Posting {
    let parts = parts.iter().filter(|(_, minor)| *minor != 0);
    Posting::Booking {
        source: source.to_owned(),
        date: DAY,
        label: meets.clone().unwrap_or_else(|| source.to_owned()),
        parts: parts
            .map(|(account, minor)| Part {
                account: *account,
                amount: Money::new(*minor, currency),
                value_minor: *minor,
            })
            .collect(),
        meets,
    }
}

/// The first id of a list, or of a link.
pub(super) fn first(value: &Value) -> i64 {
    value[0].as_i64().unwrap()
}

/// Whole minor units of a number as Odoo writes it.
pub(super) fn minor(value: &Value, currency: Currency) -> i64 {
    Money::parse_decimal(&value.to_string(), currency).unwrap().minor
}

/// Whole cents of a number as Odoo writes it.
pub(super) fn cents(value: &Value) -> i64 {
    minor(value, "EUR".parse().unwrap())
}
