//! Odoo seen from outside: invoices are made and books are read through its own API, JSON-2.

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::OdooAccess;
use reqwest::Client;
use serde_json::{Number, Value, json};
use time::OffsetDateTime;

use crate::table::amount;

/// An invoice that a customer owes.
#[derive(Clone, Debug)]
pub(crate) struct Invoice {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) minor: i64,
}

/// A line of the Stripe journal.
#[derive(Clone, Debug)]
pub(crate) struct StatementLine {
    /// Stripe's id of its own ledger line, `txn_…`.
    pub(crate) transaction: String,
    pub(crate) label: String,
    pub(crate) minor: i64,
}

/// What Odoo's books hold.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    /// Odoo's word for each invoice, in the order asked for.
    pub(crate) payment_states: Vec<String>,
    pub(crate) lines: Vec<StatementLine>,
    pub(crate) journal_minor: i64,
    pub(crate) outstanding_minor: i64,
    pub(crate) fees_minor: i64,
    /// What customers owe, refunds included.
    pub(crate) receivable_minor: i64,
}

/// One Odoo, and the accounts of it that matter here.
#[derive(Debug)]
pub(crate) struct Odoo {
    client: Client,
    access: OdooAccess,
    journal: i64,
    journal_account: i64,
    outstanding_accounts: BTreeSet<i64>,
    fee_account: i64,
}

impl Odoo {
    /// Finds the Stripe journal and its accounts.
    pub(crate) async fn connect(access: OdooAccess) -> Result<Self> {
        let mut odoo = Self {
            client: Client::builder().build()?,
            access,
            journal: 0,
            journal_account: 0,
            outstanding_accounts: BTreeSet::new(),
            fee_account: 0,
        };
        let code = json!([["code", "=", odoo.access.journal]]);
        let journals = odoo
            .search("account.journal", code, &["default_account_id"])
            .await?;
        let journal = journals.first().context("Odoo has no Stripe journal")?;
        odoo.journal = id(&journal["id"])?;
        odoo.journal_account = link(&journal["default_account_id"])?;
        let of_journal = json!([["journal_id", "=", odoo.journal]]);
        let methods = odoo
            .search("account.payment.method.line", of_journal, &["payment_account_id"])
            .await?;
        odoo.outstanding_accounts = methods
            .iter()
            .filter_map(|method| link(&method["payment_account_id"]).ok())
            .collect();
        let code = json!([["code", "=", odoo.access.fee_account]]);
        let accounts = odoo.search("account.account", code, &["code"]).await?;
        odoo.fee_account = id(&accounts.first().context("Odoo has no account for fees")?["id"])?;
        Ok(odoo)
    }

    /// Sells something: a posted invoice of a new customer.
    pub(crate) async fn invoice(&self, customer: &str, minor: i64) -> Result<Invoice> {
        let partner = self
            .call(
                "res.partner",
                "create",
                json!({"vals_list": [{"name": customer}]}),
            )
            .await?;
        let price: Number = serde_json::from_str(&amount(minor))?;
        let invoice = json!({
            "move_type": "out_invoice",
            "partner_id": link(&partner)?,
            "invoice_date": OffsetDateTime::from(SystemTime::now()).date().to_string(),
            "invoice_line_ids": [[0, 0, {"name": "Chair", "quantity": 1, "price_unit": price, "tax_ids": [[6, 0, []]]}]],
        });
        let invoice = link(
            &self
                .call("account.move", "create", json!({"vals_list": [invoice]}))
                .await?,
        )?;
        self.call("account.move", "action_post", json!({"ids": [invoice]}))
            .await?;
        let posted = self
            .search("account.move", json!([["id", "=", invoice]]), &["name"])
            .await?;
        let name = posted
            .first()
            .and_then(|posted| posted["name"].as_str())
            .context("an invoice without a name")?;
        Ok(Invoice {
            id: invoice,
            name: name.to_owned(),
            minor,
        })
    }

    /// Reads what stands in the books now.
    pub(crate) async fn books(&self, invoices: &[Invoice]) -> Result<Books> {
        let mut payment_states = Vec::new();
        for invoice in invoices {
            let read = self
                .search(
                    "account.move",
                    json!([["id", "=", invoice.id]]),
                    &["payment_state"],
                )
                .await?;
            let state = read
                .first()
                .and_then(|read| read["payment_state"].as_str())
                .unwrap_or("missing");
            payment_states.push(state.to_owned());
        }
        let of_journal = json!([["journal_id", "=", self.journal]]);
        let fields = ["ref", "payment_ref", "amount"];
        let lines = self
            .search("account.bank.statement.line", of_journal, &fields)
            .await?;
        let lines = lines.iter().map(statement_line).collect::<Result<_>>()?;
        let mut outstanding_minor = 0;
        for account in &self.outstanding_accounts {
            outstanding_minor += self.balance(json!(["account_id", "=", account])).await?;
        }
        Ok(Books {
            payment_states,
            lines,
            journal_minor: self
                .balance(json!(["account_id", "=", self.journal_account]))
                .await?,
            outstanding_minor,
            fees_minor: self.balance(json!(["account_id", "=", self.fee_account])).await?,
            receivable_minor: self
                .balance(json!(["account_type", "=", "asset_receivable"]))
                .await?,
        })
    }

    /// The sum of the posted items that fit.
    async fn balance(&self, fits: Value) -> Result<i64> {
        let posted = json!([["parent_state", "=", "posted"], fits]);
        let items = self.search("account.move.line", posted, &["balance"]).await?;
        items.iter().map(|item| minor(&item["balance"])).sum()
    }

    async fn search(&self, model: &str, domain: Value, fields: &[&str]) -> Result<Vec<Value>> {
        let found = self
            .call(model, "search_read", json!({"domain": domain, "fields": fields}))
            .await?;
        found
            .as_array()
            .cloned()
            .with_context(|| format!("{model}/search_read gave no list"))
    }

    async fn call(&self, model: &str, method: &str, arguments: Value) -> Result<Value> {
        let request = self
            .client
            .post(format!("{}/json/2/{model}/{method}", self.access.url));
        let request = request
            .bearer_auth(&self.access.api_key)
            .header("X-Odoo-Database", &self.access.database);
        let answer = request.json(&arguments).send().await?;
        let status = answer.status();
        let body: Value = answer
            .json()
            .await
            .with_context(|| format!("{model}/{method} gave no JSON"))?;
        if !status.is_success() {
            bail!("{model}/{method} was answered {status}: {}", body["message"]);
        }
        Ok(body)
    }
}

fn statement_line(line: &Value) -> Result<StatementLine> {
    Ok(StatementLine {
        transaction: line["ref"].as_str().unwrap_or_default().to_owned(),
        label: line["payment_ref"].as_str().unwrap_or_default().to_owned(),
        minor: minor(&line["amount"])?,
    })
}

fn id(value: &Value) -> Result<i64> {
    value.as_i64().with_context(|| format!("no id: {value}"))
}

/// The id of a link, `[3, "name"]`, or of a list of one.
fn link(value: &Value) -> Result<i64> {
    id(&value[0])
}

/// Minor units of a number as Odoo writes it, read from its text: no float comes between.
fn minor(value: &Value) -> Result<i64> {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if fraction.len() > 2 {
        bail!("{text} is no whole number of cents");
    }
    format!("{whole}{fraction:0<2}")
        .parse()
        .with_context(|| format!("{text} is no amount"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::minor;

    #[test]
    fn an_amount_is_read_to_the_cent() {
        let read = |text: &str| minor(&serde_json::from_str(text).unwrap()).ok();

        assert_eq!(read("121.0"), Some(12_100));
        assert_eq!(read("-2.07"), Some(-207));
        assert_eq!(read("0.1"), Some(10));
        assert_eq!(read("0.123"), None);
    }
}
